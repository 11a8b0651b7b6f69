// Adadelta in place:
//     g ← g + weight_decay p;   s ← ρ s + (1 - ρ) g²;   d = √((a + eps) / (s + eps)) g;   a ← ρ a + (1 - ρ) d²;   p ← p - lr d

const WORKGROUP: u32 = 256u;

struct Params {
    count: u32,
}

struct Scalars {
    lr: f32,
    rho: f32,
    one_minus_rho: f32,
    eps: f32,
    weight_decay: f32,
}

@group(0) @binding(0) var<storage, read> gradient: array<f32>;
@group(0) @binding(1) var<storage, read_write> parameter: array<f32>;
@group(0) @binding(2) var<storage, read_write> squares: array<f32>;
@group(0) @binding(3) var<storage, read_write> changes: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;
@group(0) @binding(5) var<uniform> scalars: Scalars;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * WORKGROUP + id.x;
    if i >= params.count { return; }
    let p = parameter[i];
    let g = gradient[i] + scalars.weight_decay * p;
    let s = scalars.rho * squares[i] + scalars.one_minus_rho * g * g;
    let a = changes[i];
    let d = sqrt((a + scalars.eps) / (s + scalars.eps)) * g;
    squares[i] = s;
    changes[i] = scalars.rho * a + scalars.one_minus_rho * d * d;
    parameter[i] = p - scalars.lr * d;
}
