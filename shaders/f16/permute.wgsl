// Halves in another order: half i of out is half view(i) of x, both with two to a word.
// One invocation per word of out.

const WORKGROUP: u32 = 256u;

struct Params {
    count: u32,
    // (divisor, size, stride, 0) per axis
    dims: array<vec4<u32>, 8>,
}

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<u32>;
@group(0) @binding(14) var<uniform> params: Params;

fn half_at(i: u32) -> u32 {
    var at = 0u;
    for (var axis = 0u; axis < 8u; axis++) {
        let d = params.dims[axis];
        at += i / d.x % d.y * d.z;
    }
    return (x[at >> 1u] >> (16u * (at & 1u))) & 0xffffu;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let at = id.y * groups.x * WORKGROUP + id.x;
    if at >= (params.count + 1u) / 2u { return; }
    var word = half_at(2u * at);
    if 2u * at + 1u < params.count { word |= half_at(2u * at + 1u) << 16u; }
    out[at] = word;
}
