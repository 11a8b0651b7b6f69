// One-hot: out[r, c] = 1 where index[r] = c, else 0. One invocation per output element.

const WORKGROUP: u32 = 256u;

struct Params {
    count: u32,
    classes: u32,
}

@group(0) @binding(0) var<storage, read> index: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(14) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * WORKGROUP + id.x;
    if i >= params.count { return; }
    out[i] = select(0.0, 1.0, index[i / params.classes] == i % params.classes);
}
