// Softmax cross-entropy of rows whose size is a multiple of four, one invocation per row.
// use: shared/compensated, shared/numbers
// For software adapters, where reading costs: four numbers at a time, and each once. What is computed: see cross_entropy.wgsl.

const WORKGROUP: u32 = 8u;
const SOFT: u32 = 0u;

struct Params {
    rows: u32,
    classes: u32,
    // the bit of the sign, see shared/compensated
    sign: u32,
}

@group(0) @binding(0) var<storage, read> logits: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(14) var<uniform> params: Params;

// The bits without the sign: those of NaNs are the largest.
fn magnitude(x: vec4<f32>) -> vec4<u32> { return bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu); }
// e^x for x <= 0, -∞ included.
fn power(x: f32) -> f32 { return exp(max(x, -200.0)); }
fn powers(x: vec4<f32>) -> vec4<f32> { return exp(max(x, vec4<f32>(-200.0))); }
fn total(x: vec4<f32>) -> f32 { return (x.x + x.y) + (x.z + x.w); }

// The largest of a row and Σ e^(x - largest), in one walk; NaN in place of the sum where the row holds a NaN or its largest is not finite.
fn row_sum(first: u32) -> vec2<f32> {
    // Below every finite number but one; a row that stays there sums to 0 unless it holds that one.
    var largest = -3.4028235e38;
    var terms = vec2<f32>(0.0);
    var bits = vec4<u32>(0u);
    let end = first + params.classes / 4u;
    var k = first;
    // Sixteen numbers for each time the sum has to be brought to a new shift.
    for (; k + 4u <= end; k += 4u) {
        let a = logits[k];
        let b = logits[k + 1u];
        let c = logits[k + 2u];
        let d = logits[k + 3u];
        bits = max(max(max(bits, magnitude(a)), magnitude(b)), max(magnitude(c), magnitude(d)));
        let most = max(max(a, b), max(c, d));
        let shift = max(largest, max(max(most.x, most.y), max(most.z, most.w)));
        let more = total((powers(a - shift) + powers(b - shift)) + (powers(c - shift) + powers(d - shift)));
        terms = add_compensated(terms * power(largest - shift), more);
        largest = shift;
    }
    for (; k < end; k++) {
        let a = logits[k];
        bits = max(bits, magnitude(a));
        let shift = max(largest, max(max(a.x, a.y), max(a.z, a.w)));
        terms = add_compensated(terms * power(largest - shift), total(powers(a - shift)));
        largest = shift;
    }
    let sum = terms.x + terms.y;
    let any_nan = max(max(bits.x, bits.y), max(bits.z, bits.w)) > 0x7f800000u;
    let infinite = (bitcast<u32>(largest) & 0x7fffffffu) == 0x7f800000u;
    return vec2<f32>(largest, select(sum, nan(), any_nan || infinite || sum == 0.0));
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let row = id.y * groups.x * WORKGROUP + id.x;
    if row >= params.rows { return; }
    let first = row * (params.classes / 4u);
    let found = row_sum(first);
    if is_nan(found.y) {
        out[row] = nan();
        return;
    }
    let log_sum = log(found.y);
    if SOFT == 0u {
        let label = labels[row];
        if label >= params.classes {
            out[row] = nan();
        } else {
            out[row] = (found.x - logits[first + label / 4u][label % 4u]) + log_sum;
        }
    } else {
        var loss = vec2<f32>(0.0);
        for (var k = 0u; k < params.classes; k++) {
            let t = bitcast<f32>(labels[row * params.classes + k]);
            // A class of probability 0 does not count, even if its logit is -∞.
            if t != 0.0 || is_nan(t) {
                loss = add_compensated(loss, t * ((found.x - logits[first + k / 4u][k % 4u]) + log_sum));
            }
        }
        out[row] = corrected(loss);
    }
}
