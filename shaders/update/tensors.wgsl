// Updates in place of many parameters, one after the other in a buffer and each with settings of its own. An invocation does four elements.
//
// `updated(i, p, g, c)` is the optimizer's: what becomes of vector i of the parameters, which is p, with gradient g and settings c. It moves
// on the optimizer's state itself.

const WORKGROUP: u32 = 256u;
const MAX_TENSORS: u32 = 128u;

struct Params {
    first: u32,      // vectors of four
    end: u32,
    tensors: u32,
    ends: array<vec4<u32>, 32>,      // where each parameter ends
}

// An optimizer reads those it has.
struct Settings {
    rate: f32,
    weight_decay: f32,
    eps: f32,
    momentum: f32,                   // the decay of the mean of gradients or steps
    one_minus_momentum: f32,
    square_decay: f32,               // the decay of the mean of squares
    one_minus_square_decay: f32,
    correction: f32,                 // a factor of the root of that mean; NAdam's of the gradient
}

struct Scalars {
    each: array<Settings, MAX_TENSORS>,
}

@group(0) @binding(0) var<storage, read> gradient: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> parameter: array<vec4<f32>>;
@group(0) @binding(14) var<uniform> params: Params;
@group(0) @binding(15) var<uniform> scalars: Scalars;

// The parameter that vector i belongs to.
fn owner(i: u32) -> u32 {
    var low = 0u;
    var high = params.tensors - 1u;
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
    parameter[i] = updated(i, parameter[i], gradient[i], scalars.each[owner(i)]);
}
