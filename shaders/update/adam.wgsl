// Adam in place (DECOUPLED = 1: AdamW, whose decay shrinks the parameter instead of joining the gradient):
//     m ← β₁ m + (1 - β₁) g;   v ← β₂ v + (1 - β₂) g²;   p ← p - rate m / (√v root + eps)
// With AMSGrad u ← max(u, v) stands for v in the last; without it `largest` is replaced by a function that returns v, and there is no u.
// rate = lr / (1 - β₁ᵗ) and root = 1 / √(1 - β₂ᵗ) come from the host, which has more digits.

const WORKGROUP: u32 = 256u;
const MOST: u32 = 128u; // parameters, one behind the other
const DECOUPLED: u32 = 0u;

struct Params {
    first: u32,                      // vectors of four
    end: u32,
    parameters: u32,
    unused: u32,
    ends: array<vec4<u32>, 32>,      // where each parameter ends
}

struct Settings {
    rate: f32,
    beta1: f32,
    one_minus_beta1: f32,
    beta2: f32,
    one_minus_beta2: f32,
    root: f32,
    eps: f32,
    decay: f32,
}

struct Scalars {
    each: array<Settings, MOST>,
}

@group(0) @binding(0) var<storage, read> gradient: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> parameter: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> first_moment: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> second_moment: array<vec4<f32>>;
@group(0) @binding(9) var<storage, read_write> largest_second_moment: array<vec4<f32>>;
@group(0) @binding(14) var<uniform> params: Params;
@group(0) @binding(15) var<uniform> scalars: Scalars;

fn largest(i: u32, v: vec4<f32>) -> vec4<f32> {
    let u = max(largest_second_moment[i], v);
    largest_second_moment[i] = u;
    return u;
}

// The parameter that vector i belongs to.
fn owner(i: u32) -> u32 {
    var low = 0u;
    var high = params.parameters - 1u;
    while low < high {
        let middle = (low + high) / 2u;
        if i < params.ends[middle / 4u][middle % 4u] { high = middle; } else { low = middle + 1u; }
    }
    return low;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = params.first + id.y * groups.x * WORKGROUP + id.x;
    if i >= params.end { return; }
    let c = scalars.each[owner(i)];
    var p = parameter[i];
    var g = gradient[i];
    if DECOUPLED == 1u {
        p -= c.decay * p;
    } else {
        g += c.decay * p;
    }
    let m = c.beta1 * first_moment[i] + c.one_minus_beta1 * g;
    let v = c.beta2 * second_moment[i] + c.one_minus_beta2 * g * g;
    first_moment[i] = m;
    second_moment[i] = v;
    parameter[i] = p - c.rate * m / (sqrt(largest(i, v)) * c.root + c.eps);
}
