// Gradient of softmax cross-entropy by the logits, one invocation per row:
// use: shared/compensated, shared/fused, shared/numbers
//     out_c = softmax(x)_c Σ_k t_k - t_c,   t = one-hot of the label (SOFT = 0) or probabilities (SOFT = 1).

const WORKGROUP: u32 = 64u;
const SOFT: u32 = 0u;

struct Params {
    rows: u32,
    classes: u32,
    // the bit of the sign, see shared/compensated
    sign: u32,
    extra: array<vec4<u32>, 32>,
}

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(14) var<uniform> params: Params;

fn target_of(row: u32, c: u32) -> f32 {
    if SOFT == 0u { return select(0.0, 1.0, labels[row] == c); }
    return bitcast<f32>(labels[row * params.classes + c]);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let row = id.y * groups.x * WORKGROUP + id.x;
    if row >= params.rows { return; }
    let first = row * params.classes;

    var largest = logits[first];
    var any_nan = is_nan(largest) || (SOFT == 0u && labels[row] >= params.classes);
    for (var c = 1u; c < params.classes; c++) {
        any_nan = any_nan || is_nan(logits[first + c]);
        largest = max(largest, logits[first + c]);
    }
    if any_nan || !is_finite(largest) {
        for (var c = 0u; c < params.classes; c++) {
            out[first + c] = epilogue(bitcast<f32>(0x7fc00000u + params.rows * 0u), first + c);
        }
        return;
    }
    var terms = vec2<f32>(0.0);
    var weight = 0.0;
    for (var c = 0u; c < params.classes; c++) {
        terms = add_compensated(terms, exp(max(logits[first + c] - largest, -200.0)));
        weight += target_of(row, c);
    }
    let sum = terms.x + terms.y;
    for (var c = 0u; c < params.classes; c++) {
        let p = exp(max(logits[first + c] - largest, -200.0)) / sum;
        out[first + c] = epilogue(p * weight - target_of(row, c), first + c);
    }
}
