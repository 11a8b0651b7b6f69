// Cat, one part: out[row * stride + start + i] = in[row * part + i]. One invocation per element of the part.

const WORKGROUP: u32 = 256u;

struct Params {
    count: u32,
    part: u32,
    stride: u32,
    start: u32,
}

@group(0) @binding(0) var<storage, read> in0: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<u32>;
@group(0) @binding(14) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * WORKGROUP + id.x;
    if i >= params.count { return; }
    out[i / params.part * params.stride + params.start + i % params.part] = in0[i];
}
