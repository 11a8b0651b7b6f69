// Gradient of softmax cross-entropy by the logits, of rows whose size is a multiple of four, one invocation per row.
// use: shared/compensated, shared/fused, shared/numbers
// For software adapters, where reading costs: four numbers at a time, and each twice. What is computed: see cross_entropy_grad.wgsl.

const WORKGROUP: u32 = 8u;
const SOFT: u32 = 0u;

struct Params {
    rows: u32,
    classes: u32,
    // the bit of the sign, see shared/compensated
    sign: u32,
    extra: array<vec4<u32>, 32>,
}

@group(0) @binding(0) var<storage, read> logits: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<vec4<f32>>;
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

// The targets of four neighbouring classes.
fn targets(row: u32, c: u32) -> vec4<f32> {
    if SOFT == 0u {
        return select(vec4<f32>(0.0), vec4<f32>(1.0), vec4<u32>(labels[row]) == vec4<u32>(c, c + 1u, c + 2u, c + 3u));
    }
    let at = row * params.classes + c;
    return bitcast<vec4<f32>>(vec4<u32>(labels[at], labels[at + 1u], labels[at + 2u], labels[at + 3u]));
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let row = id.y * groups.x * WORKGROUP + id.x;
    if row >= params.rows { return; }
    let first = row * (params.classes / 4u);
    let found = row_sum(first);
    let spoilt = is_nan(found.y) || (SOFT == 0u && labels[row] >= params.classes);
    var weight = 1.0;
    if SOFT == 1u {
        var sum = vec4<f32>(0.0);
        for (var c = 0u; c < params.classes; c += 4u) { sum += targets(row, c); }
        weight = total(sum);
    }
    let scale = weight / found.y;
    for (var c = 0u; c < params.classes; c += 4u) {
        let at = first + c / 4u;
        var v = vec4<f32>(nan());
        if !spoilt { v = powers(logits[at] - found.x) * scale - targets(row, c); }
        let i = 4u * at;
        out[at] = vec4<f32>(epilogue(v.x, i), epilogue(v.y, i + 1u), epilogue(v.z, i + 2u), epilogue(v.w, i + 3u));
    }
}
