// Softmax, or its logarithm, of rows that are contiguous, four elements at a time: for software adapters.
// use: softmax/row, softmax/software/row_by_fours

const LOG: u32 = 0u;

@group(0) @binding(6) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let number = id.y * groups.x * WORKGROUP + id.x;
    if number >= params.rows { return; }
    let row = row_by_fours(number);
    let inverse = 1.0 / row.sum;
    let first = row.first / 4u;
    for (var k = first; k < first + params.n / 4u; k++) {
        let shifted = in0[k] - row.largest;
        var y = powers(shifted) * inverse;
        if LOG == 1u { y = shifted - row.log_sum; }
        out[k] = select(y, vec4<f32>(nan()), is_nan(row.sum));
    }
}
