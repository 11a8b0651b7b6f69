// AdaGrad in place:
//     g ← g + weight_decay p;   s ← s + g²;   p ← p - rate g / (√s + eps)
// with rate = lr / (1 + (step - 1) lr_decay) from the host.

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
    rate: f32,
    eps: f32,
    weight_decay: f32,
    unused: f32,
}

struct Scalars {
    each: array<Settings, MOST>,
}

@group(0) @binding(0) var<storage, read> gradient: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> parameter: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> sum: array<vec4<f32>>;
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
    let s = sum[i] + g * g;
    sum[i] = s;
    parameter[i] = p - c.rate * g / (sqrt(s) + c.eps);
}
