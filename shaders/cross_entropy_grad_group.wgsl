// Gradient of softmax cross-entropy by the logits, one workgroup per row. For many classes on hardware: neighbours read neighbours.
// What is computed: see cross_entropy_grad.wgsl.

const WORKGROUP: u32 = 256u;
const SOFT: u32 = 0u;

struct Params {
    rows: u32,
    classes: u32,
    unused: vec2<u32>,
    // how a fused epilogue reads its inputs: (divisor, size, stride, offset) of axis d of input k at k * 8 + d
    extra: array<vec4<u32>, 32>,
}

struct Scalars {
    v: array<vec4<f32>, 8>,
}

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read> extra0: array<u32>;
@group(0) @binding(3) var<storage, read> extra1: array<u32>;
@group(0) @binding(4) var<storage, read> extra2: array<u32>;
@group(0) @binding(5) var<storage, read> extra3: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(7) var<uniform> params: Params;
@group(0) @binding(8) var<uniform> scalars: Scalars;

// What may be fused behind: the body of `epilogue` is replaced. v is a finished element, i its row-major place in the output.
fn epilogue(v: f32, i: u32) -> f32 { return v; }

var<workgroup> largests: array<f32, WORKGROUP>;
var<workgroup> sums: array<f32, WORKGROUP>;

fn not_a_number() -> f32 { return bitcast<f32>(0x7fc00000u + params.rows * 0u); }
fn is_not_a_number(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }
// e^x for x <= 0, -∞ included.
fn power(x: f32) -> f32 { return exp(max(x, -200.0)); }

// The largest of a row and Σ e^(x - largest), by the whole workgroup; NaN in place of the sum where the row holds a NaN or its largest is
// not finite. Every invocation walks over its share once, then neighbours are joined in a fixed order.
fn row_sum(first: u32, step: u32, me: u32) -> vec2<f32> {
    // Below every finite number but one; a row that stays there sums to 0 unless it holds that one.
    var largest = -3.4028235e38;
    var sum = 0.0;
    var any_nan = false;
    for (var k = me; k < params.classes; k += WORKGROUP) {
        let x = logits[first + k * step];
        any_nan = any_nan || is_not_a_number(x);
        let shift = max(largest, x);
        sum = sum * power(largest - shift) + power(x - shift);
        largest = shift;
    }
    largests[me] = largest;
    sums[me] = select(sum, not_a_number(), any_nan);
    for (var width = WORKGROUP / 2u; width > 0u; width /= 2u) {
        workgroupBarrier();
        if me < width {
            let shift = max(largests[me], largests[me + width]);
            let left = sums[me] * power(largests[me] - shift);
            sums[me] = left + sums[me + width] * power(largests[me + width] - shift);
            largests[me] = shift;
        }
    }
    workgroupBarrier();
    let all = vec2<f32>(largests[0], sums[0]);
    let infinite = (bitcast<u32>(all.x) & 0x7fffffffu) == 0x7f800000u;
    return vec2<f32>(all.x, select(all.y, not_a_number(), is_not_a_number(all.y) || infinite || all.y == 0.0));
}

fn target_of(row: u32, c: u32) -> f32 {
    if SOFT == 0u { return select(0.0, 1.0, labels[row] == c); }
    return bitcast<f32>(labels[row * params.classes + c]);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) me: u32,
) {
    let row = group.y * groups.x + group.x;
    if row >= params.rows { return; }
    let first = row * params.classes;
    let found = row_sum(first, 1u, me);
    let spoilt = is_not_a_number(found.y) || (SOFT == 0u && labels[row] >= params.classes);
    var weight = 1.0;
    if SOFT == 1u {
        var sum = 0.0;
        for (var c = me; c < params.classes; c += WORKGROUP) { sum += target_of(row, c); }
        // Everyone has read what the array held.
        workgroupBarrier();
        sums[me] = sum;
        for (var width = WORKGROUP / 2u; width > 0u; width /= 2u) {
            workgroupBarrier();
            if me < width { sums[me] += sums[me + width]; }
        }
        workgroupBarrier();
        weight = sums[0];
    }
    for (var c = me; c < params.classes; c += WORKGROUP) {
        let p = power(logits[first + c] - found.x) / found.y;
        out[first + c] = epilogue(select(p * weight - target_of(row, c), not_a_number(), spoilt), first + c);
    }
}
