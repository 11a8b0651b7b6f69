// Softmax cross-entropy, one workgroup per row. For many classes on hardware: neighbours read neighbours.
// use: shared/numbers
// What is computed: see cross_entropy.wgsl.

const WORKGROUP: u32 = 256u;
const SOFT: u32 = 0u;
// Numbers that an invocation takes in one round of a loop: 1, or 8 of rows so long that a device might leave the loop early.
const EACH: u32 = 1u;

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

var<workgroup> largests: array<f32, WORKGROUP>;
var<workgroup> sums: array<f32, WORKGROUP>;

// e^x for x <= 0, -∞ included.
fn power(x: f32) -> f32 { return exp(max(x, -200.0)); }

// What a walk over some numbers has found: the largest, Σ e^(x - largest), whether one is a NaN.
struct Walk {
    largest: f32,
    sum: f32,
    any_nan: bool,
}

// The same with number k of a row, if it has one.
fn walked(w: Walk, first: u32, step: u32, k: u32) -> Walk {
    if k >= params.classes { return w; }
    let x = logits[first + k * step];
    let shift = max(w.largest, x);
    return Walk(shift, w.sum * power(w.largest - shift) + power(x - shift), w.any_nan || is_nan(x));
}

// The largest of a row and Σ e^(x - largest), by the whole workgroup; NaN in place of the sum where the row holds a NaN or its largest is
// not finite. Every invocation walks over its share once, then neighbours are joined in a fixed order.
fn row_sum(first: u32, step: u32, me: u32) -> vec2<f32> {
    // Below every finite number but one; a row that stays there sums to 0 unless it holds that one.
    var so_far = Walk(-3.4028235e38, 0.0, false);
    for (var k = me; k < params.classes; k += EACH * WORKGROUP) {
        so_far = walked(so_far, first, step, k);
        if EACH == 8u {
            so_far = walked(so_far, first, step, k + WORKGROUP);
            so_far = walked(so_far, first, step, k + 2u * WORKGROUP);
            so_far = walked(so_far, first, step, k + 3u * WORKGROUP);
            so_far = walked(so_far, first, step, k + 4u * WORKGROUP);
            so_far = walked(so_far, first, step, k + 5u * WORKGROUP);
            so_far = walked(so_far, first, step, k + 6u * WORKGROUP);
            so_far = walked(so_far, first, step, k + 7u * WORKGROUP);
        }
    }
    largests[me] = so_far.largest;
    sums[me] = select(so_far.sum, nan(), so_far.any_nan);
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
    return vec2<f32>(all.x, select(all.y, nan(), is_nan(all.y) || infinite || all.y == 0.0));
}

// What class c adds to a row's loss; nothing if there is none.
fn part(largest: f32, log_sum: f32, first: u32, c: u32) -> f32 {
    if c >= params.classes { return 0.0; }
    let t = bitcast<f32>(labels[first + c]);
    // A class of probability 0 does not count, even if its logit is -∞.
    if t != 0.0 || is_nan(t) { return t * ((largest - logits[first + c]) + log_sum); }
    return 0.0;
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
    let log_sum = log(found.y);
    if SOFT == 0u {
        if me == 0u {
            let label = labels[row];
            if is_nan(found.y) || label >= params.classes {
                out[row] = nan();
            } else {
                out[row] = (found.x - logits[first + label]) + log_sum;
            }
        }
        return;
    }
    var loss = 0.0;
    for (var k = me; k < params.classes; k += EACH * WORKGROUP) {
        loss += part(found.x, log_sum, first, k);
        if EACH == 8u {
            loss += part(found.x, log_sum, first, k + WORKGROUP);
            loss += part(found.x, log_sum, first, k + 2u * WORKGROUP);
            loss += part(found.x, log_sum, first, k + 3u * WORKGROUP);
            loss += part(found.x, log_sum, first, k + 4u * WORKGROUP);
            loss += part(found.x, log_sum, first, k + 5u * WORKGROUP);
            loss += part(found.x, log_sum, first, k + 6u * WORKGROUP);
            loss += part(found.x, log_sum, first, k + 7u * WORKGROUP);
        }
    }
    // Everyone has read what the array held.
    workgroupBarrier();
    sums[me] = loss;
    for (var width = WORKGROUP / 2u; width > 0u; width /= 2u) {
        workgroupBarrier();
        if me < width { sums[me] += sums[me + width]; }
    }
    if me == 0u { out[row] = select(sums[0], nan(), is_nan(found.y)); }
}
