// row_energy: out[r] = sum of x[r, c]² over c. One workgroup for each row.

struct Params { rows: u32, columns: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(14) var<uniform> params: Params;

const WORKGROUP: u32 = 64u;
var<workgroup> sums: array<f32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    // More than 65,535 workgroups are spread over x and y; those beyond the last row have nothing to do.
    let row = group.y * groups.x + group.x;
    if row >= params.rows { return; }
    // Each invocation adds up every 64th element of the row ...
    var sum = 0.0;
    for (var c = lane; c < params.columns; c += WORKGROUP) {
        let value = x[row * params.columns + c];
        sum += value * value;
    }
    sums[lane] = sum;
    workgroupBarrier();
    // ... then half of them add the sums of the other half, until one is left.
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        if lane < half { sums[lane] += sums[lane + half]; }
        workgroupBarrier();
    }
    if lane == 0u { out[row] = sums[0]; }
}
