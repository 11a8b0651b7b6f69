// Gradient descent with momentum, in place:
//     g ← g + weight_decay p;   v ← momentum v + g;   p ← p - lr v        (NESTEROV = 0)
//                                                     p ← p - lr (g + momentum v)   (NESTEROV = 1)

const WORKGROUP: u32 = 256u;
const NESTEROV: u32 = 0u;

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
@group(0) @binding(2) var<storage, read_write> velocity: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;
@group(0) @binding(4) var<uniform> scalars: Scalars;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * WORKGROUP + id.x;
    if i >= params.count { return; }
    let p = parameter[i];
    let g = gradient[i] + scalars.weight_decay * p;
    let v = scalars.momentum * velocity[i] + g;
    velocity[i] = v;
    parameter[i] = p - scalars.lr * select(v, g + scalars.momentum * v, NESTEROV == 1u);
}
