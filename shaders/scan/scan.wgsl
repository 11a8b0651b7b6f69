// Scan: out[o, k, i] = Σ in[o, j, i] over j ≤ k (REVERSE: j ≥ k). One invocation per span of a line, in order.
// use: shared/compensated, shared/numbers
// A line has `spans` spans; it starts from the totals of the spans before it (after it, in reverse), which an earlier kernel left in `in1`,
// four words for each: the sum and what its rounding took from it come first. So sums are kept here too: see reduce.wgsl.

const WORKGROUP: u32 = 256u;
const REVERSE: u32 = 0u;

struct Params {
    lines: u32,
    n: u32,
    inner: u32,
    span: u32,
    spans: u32,
    // the bit of the sign, which no compiler must know
    sign: u32,
}

@group(0) @binding(0) var<storage, read> in0: array<f32>;
@group(0) @binding(1) var<storage, read> in1: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(14) var<uniform> params: Params;

// Where the `step`-th of `count` things lies: from the front, or in reverse from the back.
fn ordered(step: u32, count: u32) -> u32 { return select(step, count - 1u - step, REVERSE == 1u); }

// A sum and what its rounding took from it, with x added (Kahan). An infinite sum owes nothing.
fn plus(sum: vec2<f32>, x: f32) -> vec2<f32> {
    let more = x + sum.y;
    let next = sum.x + more;
    return vec2<f32>(next, select(0.0, more + negated(next + negated(sum.x)), is_finite(next)));
}

// The sum of the spans that come before the `nth` of a line; replaced by 0 where a line has one span.
fn before(line: u32, nth: u32) -> vec2<f32> {
    var sum = vec2<f32>(0.0);
    for (var s = 0u; s < nth; s++) {
        let at = 4u * (line * params.spans + ordered(s, params.spans));
        sum = plus(plus(sum, in1[at]), select(0.0, in1[at + 1u], is_finite(in1[at])));
    }
    return sum;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let t = id.y * groups.x * WORKGROUP + id.x;
    if t >= params.lines * params.spans { return; }
    let line = t / params.spans;
    let nth = t % params.spans;
    // Spans are cut from the front in both directions, as the totals are.
    let start = ordered(nth, params.spans) * params.span;
    let count = min(params.span, params.n - start);
    let base = line / params.inner * params.n * params.inner + line % params.inner;
    var sum = before(line, nth);
    for (var step = 0u; step < count; step++) {
        let at = base + (start + ordered(step, count)) * params.inner;
        sum = plus(sum, in0[at]);
        out[at] = sum.x;
    }
}
