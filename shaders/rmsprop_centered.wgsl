// Centered RMSProp in place:
//     g ← g + weight_decay p;   s ← α s + (1 - α) g²;   a ← α a + (1 - α) g
//     d = g / (√(s - a²) + eps);   b ← momentum b + d;   p ← p - lr b
// s - a² is a variance: rounding must not make it negative. Without momentum `velocity` is replaced by a function that returns d, and there is no b.

const WORKGROUP: u32 = 256u;

struct Params {
    count: u32,
}

struct Scalars {
    lr: f32,
    alpha: f32,
    one_minus_alpha: f32,
    eps: f32,
    momentum: f32,
    weight_decay: f32,
}

@group(0) @binding(0) var<storage, read> gradient: array<f32>;
@group(0) @binding(1) var<storage, read_write> parameter: array<f32>;
@group(0) @binding(2) var<storage, read_write> squares: array<f32>;
@group(0) @binding(3) var<storage, read_write> means: array<f32>;
@group(0) @binding(4) var<storage, read_write> velocities: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;
@group(0) @binding(6) var<uniform> scalars: Scalars;

fn velocity(i: u32, d: f32) -> f32 {
    let b = scalars.momentum * velocities[i] + d;
    velocities[i] = b;
    return b;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * WORKGROUP + id.x;
    if i >= params.count { return; }
    let p = parameter[i];
    let g = gradient[i] + scalars.weight_decay * p;
    let s = scalars.alpha * squares[i] + scalars.one_minus_alpha * g * g;
    let a = scalars.alpha * means[i] + scalars.one_minus_alpha * g;
    squares[i] = s;
    means[i] = a;
    parameter[i] = p - scalars.lr * velocity(i, g / (sqrt(max(s - a * a, 0.0)) + scalars.eps));
}
