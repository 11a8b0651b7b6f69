// Softmax cross-entropy, one invocation per row:
// use: shared/compensated, shared/numbers
//     loss = log Σ_c e^(x_c - max) + max - x_label                  (SOFT = 0, integer labels)
//     loss = Σ_c t_c (log Σ_k e^(x_k - max) + max - x_c)            (SOFT = 1, probabilities t)

const WORKGROUP: u32 = 64u;
const SOFT: u32 = 0u;

struct Params {
    rows: u32,
    classes: u32,
    // the bit of the sign, see shared/compensated
    sign: u32,
}

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(14) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let row = id.y * groups.x * WORKGROUP + id.x;
    if row >= params.rows { return; }
    let first = row * params.classes;

    var largest = logits[first];
    var any_nan = is_nan(largest);
    for (var c = 1u; c < params.classes; c++) {
        any_nan = any_nan || is_nan(logits[first + c]);
        largest = max(largest, logits[first + c]);
    }
    if any_nan || !is_finite(largest) {
        out[row] = nan();
        return;
    }
    var sum = vec2<f32>(0.0);
    for (var c = 0u; c < params.classes; c++) {
        sum = add_compensated(sum, exp(max(logits[first + c] - largest, -200.0)));
    }
    let log_sum = log(sum.x + sum.y);
    if SOFT == 0u {
        let label = labels[row];
        if label >= params.classes {
            out[row] = nan();
        } else {
            out[row] = (largest - logits[first + label]) + log_sum;
        }
    } else {
        var loss = vec2<f32>(0.0);
        for (var c = 0u; c < params.classes; c++) {
            let t = bitcast<f32>(labels[first + c]);
            // A class of probability 0 does not count, even if its logit is -∞.
            if t != 0.0 || is_nan(t) {
                loss = add_compensated(loss, t * ((largest - logits[first + c]) + log_sum));
            }
        }
        out[row] = corrected(loss);
    }
}
