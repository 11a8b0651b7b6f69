// Scan: out[o, k, i] = Σ in[o, j, i] over j ≤ k (REVERSE: j ≥ k). One invocation per span of a line, in order.
// use: shared/compensated, shared/numbers
// A line has `spans` spans; it starts from the totals of the spans before it (after it, in reverse), which an earlier kernel left in `totals`,
// four words for each: the sum and what rounding took from it come first. So sums are kept here too.

// Of integers Element is u32 and Running a vec2<u32> with the sum, which wraps around and owes nothing; `totals` has a word for each.

const WORKGROUP: u32 = 256u;
const REVERSE: u32 = 0u;
alias Element = f32;
alias Running = vec2<f32>;

struct Params {
    lines: u32,
    n: u32,
    inner: u32,
    span: u32,
    spans: u32,
    // see shared/compensated
    sign: u32,
}

@group(0) @binding(0) var<storage, read> in0: array<Element>;
@group(0) @binding(1) var<storage, read> totals: array<Element>;
@group(0) @binding(6) var<storage, read_write> out: array<Element>;
@group(0) @binding(14) var<uniform> params: Params;

// Where the `step`-th of `count` things is: from the front, or in reverse from the back.
fn in_order(step: u32, count: u32) -> u32 { return select(step, count - 1u - step, REVERSE == 1u); }

// A sum and what rounding took from it, with x added; unlike in shared/compensated, what was taken is added again at once, so that every
// sum on the way is right (Kahan). An infinite sum owes nothing.
fn add_and_repay(sum: Running, x: Element) -> Running {
    let more = x + sum.y;
    let next = sum.x + more;
    return Running(next, select(0.0, more + negated(next + negated(sum.x)), is_finite(next)));
}

// The sum of the spans that come before the `nth` of a line. The body is replaced by one that returns 0 where a line has one span.
fn sum_of_spans_before(line: u32, nth: u32) -> Running {
    var sum = Running();
    for (var s = 0u; s < nth; s++) {
        let at = 4u * (line * params.spans + in_order(s, params.spans));
        sum = add_and_repay(add_and_repay(sum, totals[at]), select(0.0, totals[at + 1u], is_finite(totals[at])));
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
    let start = in_order(nth, params.spans) * params.span;
    let count = min(params.span, params.n - start);
    let base = line / params.inner * params.n * params.inner + line % params.inner;
    var sum = sum_of_spans_before(line, nth);
    for (var step = 0u; step < count; step++) {
        let at = base + (start + in_order(step, count)) * params.inner;
        sum = add_and_repay(sum, in0[at]);
        out[at] = sum.x;
    }
}
