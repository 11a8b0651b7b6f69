// Centered RMSProp in place:
//     g ← g + weight_decay p;   s ← α s + (1 - α) g²;   a ← α a + (1 - α) g
//     d = g / (√(s - a²) + eps);   b ← momentum b + d;   p ← p - lr b
// s - a² is a variance: rounding must not make it negative. Without momentum `velocity` is replaced by a function that returns d, and there is no b.

const WORKGROUP: u32 = 256u;
const MOST: u32 = 128u; // parameters, one behind the other

struct Params {
    first: u32,                      // vectors of four
    end: u32,
    parameters: u32,
    unused: u32,
    ends: array<vec4<u32>, 32>,      // where each parameter ends
}

struct Settings {
    lr: f32,
    alpha: f32,
    one_minus_alpha: f32,
    eps: f32,
    momentum: f32,
    weight_decay: f32,
    unused: f32,
    unused1: f32,
}

struct Scalars {
    each: array<Settings, MOST>,
}

@group(0) @binding(0) var<storage, read> gradient: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> parameter: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> squares: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> means: array<vec4<f32>>;
@group(0) @binding(9) var<storage, read_write> velocities: array<vec4<f32>>;
@group(0) @binding(14) var<uniform> params: Params;
@group(0) @binding(15) var<uniform> scalars: Scalars;

fn velocity(i: u32, d: vec4<f32>, momentum: f32) -> vec4<f32> {
    let b = momentum * velocities[i] + d;
    velocities[i] = b;
    return b;
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
    let p = parameter[i];
    let g = gradient[i] + c.weight_decay * p;
    let s = c.alpha * squares[i] + c.one_minus_alpha * g * g;
    let a = c.alpha * means[i] + c.one_minus_alpha * g;
    squares[i] = s;
    means[i] = a;
    parameter[i] = p - c.lr * velocity(i, g / (sqrt(max(s - a * a, vec4(0.0))) + c.eps), c.momentum);
}
