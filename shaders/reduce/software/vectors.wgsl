// Reductions that read four neighbours at a time, one invocation per output (ACROSS = 0) or per four neighbouring outputs (ACROSS = 1).
// use: reduce/members, reduce/totals
// For software adapters, where reading costs; not for argmax and argmin.
//
// With ACROSS = 0 the four are members of one group, whose number is a multiple of four; they are combined at the end. With ACROSS = 1 they
// are the same member of the groups of four outputs that follow each other along the last kept axis.

const WORKGROUP: u32 = 8u;
const ACROSS: u32 = 0u;

@group(0) @binding(0) var<storage, read> in0: array<vec4<f32>>;

// Four totals; of other reductions than sums and means only the first counts.
struct Totals {
    sum: vec4<f32>,
    lost: vec4<f32>,
    least: vec4<f32>,
    most: vec4<f32>,
}

// As in shared/compensated, four at a time.
fn negated_all(x: vec4<f32>) -> vec4<f32> { return bitcast<vec4<f32>>(bitcast<vec4<u32>>(x) ^ vec4<u32>(params.sign)); }
fn rounding_errors(a: vec4<f32>, b: vec4<f32>, sum: vec4<f32>) -> vec4<f32> {
    let of_b = sum + negated_all(a);
    let of_a = sum + negated_all(of_b);
    return (a + negated_all(of_a)) + (b + negated_all(of_b));
}

fn are_nan(x: vec4<f32>) -> vec4<bool> { return (bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu)) > vec4<u32>(INF_BITS); }

// Products and extremes. A NaN beats every number.
fn each_combined(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    if KIND == PROD { return a * b; }
    var best = min(a, b);
    if KIND == MAX { best = max(a, b); }
    return select(select(best, b, are_nan(b)), a, are_nan(a));
}

// Totals with x added, where `least` and `most` are the extremes of the members that x is the sum of.
fn added(t: Totals, x: vec4<f32>, least: vec4<f32>, most: vec4<f32>) -> Totals {
    let sum = t.sum + x;
    let lost = t.lost + rounding_errors(t.sum, x, sum);
    if KIND == SUM { return Totals(sum, lost, t.least, t.most); }
    return Totals(sum, lost, min(t.least, least), max(t.most, most));
}

fn load(span: Span, r: u32) -> vec4<f32> { return in0[(span.base + member(r)) / 4u]; }

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let me = id.y * groups.x * WORKGROUP + id.x;
    let each = select(1u, 4u, ACROSS == 1u);
    if me * each >= params.outputs { return; }
    // Outputs of one group that differ in the span are consecutive.
    let group = me / params.chunks * each;
    let chunk = me % params.chunks;
    let span = span_of(group, chunk);
    let step = select(4u, 1u, ACROSS == 1u);

    var t = Totals(vec4<f32>(select(0.0, 1.0, KIND == PROD)), vec4<f32>(0.0), vec4<f32>(FARTHEST), vec4<f32>(-FARTHEST));
    if KIND == MAX || KIND == MIN { t.sum = load(span, span.start); }
    var r = span.start;
    if ADDS {
        // Four members at a time, added in pairs as they are: two roundings for each, however many there are.
        for (; r + 3u * step < span.end; r += 4u * step) {
            let a = load(span, r);
            let b = load(span, r + step);
            let c = load(span, r + 2u * step);
            let d = load(span, r + 3u * step);
            t = added(t, (a + b) + (c + d), min(min(a, b), min(c, d)), max(max(a, b), max(c, d)));
        }
    }
    for (; r < span.end; r += step) {
        let x = load(span, r);
        if ADDS {
            t = added(t, x, x, x);
        } else {
            t.sum = each_combined(t.sum, x);
        }
    }
    let totals = transpose(mat4x4<f32>(t.sum, t.lost, t.least, t.most));
    if ACROSS == 1u {
        let o = group * params.chunks + chunk;
        store_total(o, totals[0]);
        store_total(o + params.chunks, totals[1]);
        store_total(o + 2u * params.chunks, totals[2]);
        store_total(o + 3u * params.chunks, totals[3]);
    } else if ADDS {
        store_total(me, combined(combined(totals[0], totals[1]), combined(totals[2], totals[3])));
    } else {
        let pairs = each_combined(t.sum, t.sum.zwxy);
        store_total(me, each_combined(pairs, pairs.yxwz));
    }
}
