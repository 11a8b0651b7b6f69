// Gradient descent in place: p ← p - lr (g + weight_decay p).

const WORKGROUP: u32 = 256u;

struct Params {
    count: u32,
}

struct Scalars {
    lr: f32,
    momentum: f32,
    weight_decay: f32,
}

@group(0) @binding(0) var<storage, read> gradient: array<f32>;
@group(0) @binding(1) var<storage, read_write> parameter: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;
@group(0) @binding(3) var<uniform> scalars: Scalars;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * WORKGROUP + id.x;
    if i >= params.count { return; }
    let p = parameter[i];
    parameter[i] = p - scalars.lr * (gradient[i] + scalars.weight_decay * p);
}
