// Gradient descent with momentum, in place:
//     g ← g + weight_decay p;   v ← momentum v + g;   p ← p - lr v        (NESTEROV = 0)
//                                                     p ← p - lr (g + momentum v)   (NESTEROV = 1)

const WORKGROUP: u32 = 256u;
const MOST: u32 = 128u; // parameters, one behind the other
const NESTEROV: u32 = 0u;

struct Params {
    first: u32,                      // vectors of four
    end: u32,
    parameters: u32,
    unused: u32,
    ends: array<vec4<u32>, 32>,      // where each parameter ends
}

struct Settings {
    lr: f32,
    momentum: f32,
    weight_decay: f32,
    unused: f32,
}

struct Scalars {
    each: array<Settings, MOST>,
}

@group(0) @binding(0) var<storage, read> gradient: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> parameter: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> velocity: array<vec4<f32>>;
@group(0) @binding(14) var<uniform> params: Params;
@group(0) @binding(15) var<uniform> scalars: Scalars;

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
    let v = c.momentum * velocity[i] + g;
    velocity[i] = v;
    parameter[i] = p - c.lr * select(v, g + c.momentum * v, NESTEROV == 1u);
}
