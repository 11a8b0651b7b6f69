// Adam in place (DECOUPLED = 1: AdamW, whose decay shrinks the parameter instead of joining the gradient):
//     m ← β₁ m + (1 - β₁) g;   v ← β₂ v + (1 - β₂) g²;   p ← p - rate m / (√v root + eps)
// With AMSGrad u ← max(u, v) stands for v in the last; without it `largest` is replaced by a function that returns v, and there is no u.
// rate = lr / (1 - β₁ᵗ) and root = 1 / √(1 - β₂ᵗ) come from the host, which has more digits.

const WORKGROUP: u32 = 256u;
const DECOUPLED: u32 = 0u;

struct Params {
    count: u32,
}

struct Scalars {
    rate: f32,
    beta1: f32,
    one_minus_beta1: f32,
    beta2: f32,
    one_minus_beta2: f32,
    root: f32,
    eps: f32,
    decay: f32,
}

@group(0) @binding(0) var<storage, read> gradient: array<f32>;
@group(0) @binding(1) var<storage, read_write> parameter: array<f32>;
@group(0) @binding(2) var<storage, read_write> first_moment: array<f32>;
@group(0) @binding(3) var<storage, read_write> second_moment: array<f32>;
@group(0) @binding(4) var<storage, read_write> largest_second_moment: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;
@group(0) @binding(6) var<uniform> scalars: Scalars;

fn largest(i: u32, v: f32) -> f32 {
    let u = max(largest_second_moment[i], v);
    largest_second_moment[i] = u;
    return u;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * WORKGROUP + id.x;
    if i >= params.count { return; }
    var p = parameter[i];
    var g = gradient[i];
    if DECOUPLED == 1u {
        p -= scalars.decay * p;
    } else {
        g += scalars.decay * p;
    }
    let m = scalars.beta1 * first_moment[i] + scalars.one_minus_beta1 * g;
    let v = scalars.beta2 * second_moment[i] + scalars.one_minus_beta2 * g * g;
    first_moment[i] = m;
    second_moment[i] = v;
    parameter[i] = p - scalars.rate * m / (sqrt(largest(i, v)) * scalars.root + scalars.eps);
}
