// AdaGrad in place:
//     g ← g + weight_decay p;   s ← s + g²;   p ← p - rate g / (√s + eps)
// with rate = lr / (1 + (step - 1) lr_decay) from the host.

const WORKGROUP: u32 = 256u;

struct Params {
    count: u32,
}

struct Scalars {
    rate: f32,
    eps: f32,
    weight_decay: f32,
}

@group(0) @binding(0) var<storage, read> gradient: array<f32>;
@group(0) @binding(1) var<storage, read_write> parameter: array<f32>;
@group(0) @binding(2) var<storage, read_write> sum: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;
@group(0) @binding(4) var<uniform> scalars: Scalars;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * WORKGROUP + id.x;
    if i >= params.count { return; }
    let p = parameter[i];
    let g = gradient[i] + scalars.weight_decay * p;
    let s = sum[i] + g * g;
    sum[i] = s;
    parameter[i] = p - scalars.rate * g / (sqrt(s) + scalars.eps);
}
