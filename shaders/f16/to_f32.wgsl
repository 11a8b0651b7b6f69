// From half precision: out[i] = half i of x, which has two to a word.
// use: shared/fused
// One invocation per word of x.

const WORKGROUP: u32 = 256u;

struct Params {
    count: u32,
    unused: vec3<u32>,
    extra: array<vec4<u32>, 32>,
}

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(14) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let at = id.y * groups.x * WORKGROUP + id.x;
    if 2u * at >= params.count { return; }
    let two = unpack2x16float(x[at]);
    out[2u * at] = epilogue(two.x, 2u * at);
    if 2u * at + 1u < params.count { out[2u * at + 1u] = epilogue(two.y, 2u * at + 1u); }
}
