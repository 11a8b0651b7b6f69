// Reductions that read four neighbours at a time, one invocation per output (ACROSS = 0) or per four neighbouring outputs (ACROSS = 1).
// use: shared/compensated, shared/fused, shared/quotient, shared/numbers
// For software adapters, where reading costs; not for argmax and argmin. What an output is: see reduce.wgsl.
//
// With ACROSS = 0 the four are members of one group, whose number is a multiple of four; they are joined at the end. With ACROSS = 1 they
// are the same member of the groups of four outputs that follow each other along the last kept axis.

const WORKGROUP: u32 = 8u;
const KIND: u32 = 0u;     // 0 sum, 1 prod, 2 max, 3 min, 6 mean
const ACROSS: u32 = 0u;
const FLAT: u32 = 0u;     // 1: one reduced axis at most
const STAGE: u32 = 0u;     // 1: sums and means leave four words for each output, of which a second stage makes one
const FARTHEST: f32 = 3.4028235e38;

struct Params {
    outputs: u32,
    group: u32,
    span: u32,
    chunks: u32,
    kept_rank: u32,
    reduced_rank: u32,
    // the bit of the sign, which no compiler must know
    sign: u32,
    // what a mean divides by
    count: u32,
    dims: array<vec4<u32>, 16>,
    extra: array<vec4<u32>, 32>,
}

@group(0) @binding(0) var<storage, read> in0: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(14) var<uniform> params: Params;

// Two totals as one. A total is the rounded sum, what rounding took from it, the smallest and the largest member.
fn joined_totals(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    let sum = a.x + b.x;
    var total = vec4<f32>(sum, (a.y + b.y) + rounding_error(a.x, b.x, sum), 0.0, 0.0);
    if KIND == 6u {
        total.z = min(a.z, b.z);
        total.w = max(a.w, b.w);
    }
    return total;
}

// The sum or the mean that a total stands for. What is lost of an infinite sum is no number.
fn finished(total: vec4<f32>) -> f32 {
    let finite = is_finite(total.x);
    if KIND == 0u { return corrected(total.xy); }
    if params.count == 0u { return bitcast<f32>(0x7fc00000u + params.outputs * 0u); }
    let n = f32(params.count);
    let mean = select(total.x / n, total.x / n + total.y / n, finite);
    if is_nan(mean) || !(finite || total.z == total.w) { return mean; }
    return min(max(mean, total.z), total.w);
}

fn are_turned(x: vec4<f32>) -> vec4<f32> { return bitcast<vec4<f32>>(bitcast<vec4<u32>>(x) ^ vec4<u32>(params.sign)); }

// What is lost where b is added to a, whose rounded sum is `sum`.
fn lost_of(a: vec4<f32>, b: vec4<f32>, sum: vec4<f32>) -> vec4<f32> {
    let of_b = sum + are_turned(a);
    let of_a = sum + are_turned(of_b);
    return (a + are_turned(of_a)) + (b + are_turned(of_b));
}

fn are_not_numbers(x: vec4<f32>) -> vec4<bool> { return (bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u); }

fn position(first: u32, rank: u32, index: u32) -> u32 {
    var at = 0u;
    for (var k = first; k < first + rank; k++) {
        let d = params.dims[k];
        let q = quotient(index, d.x);
        at += (q - quotient(q, d.y) * d.y) * d.z;
    }
    return at;
}

fn member(r: u32) -> u32 {
    if FLAT == 1u { return r * params.dims[8].z; }
    return position(8u, params.reduced_rank, r);
}

// A NaN beats every number.
fn joined(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    if KIND == 1u { return a * b; }
    var best = min(a, b);
    if KIND == 2u { best = max(a, b); }
    return select(select(best, b, are_not_numbers(b)), a, are_not_numbers(a));
}

// Output i has this total.
fn leave(i: u32, total: vec4<f32>) {
    if STAGE == 1u {
        out[4u * i] = total.x;
        out[4u * i + 1u] = total.y;
        out[4u * i + 2u] = total.z;
        out[4u * i + 3u] = total.w;
    } else {
        out[i] = epilogue(finished(total), i);
    }
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let me = id.y * groups.x * WORKGROUP + id.x;
    let each = select(1u, 4u, ACROSS == 1u);
    if me * each >= params.outputs { return; }
    // Outputs of one group that differ in the span lie side by side.
    let group = me / params.chunks * each;
    let chunk = me % params.chunks;
    let base = position(0u, params.kept_rank, group);
    let start = chunk * params.span;
    let end = min(start + params.span, params.group);

    let step = select(4u, 1u, ACROSS == 1u);
    if KIND == 0u || KIND == 6u {
        // Four totals at a time, see `joined_totals`.
        var sum = vec4<f32>(0.0);
        var lost = vec4<f32>(0.0);
        var least = vec4<f32>(FARTHEST);
        var most = vec4<f32>(-FARTHEST);
        // Four members at a time, added in pairs as they are: two roundings for each, however many there are.
        var r = start;
        for (; r + 3u * step < end; r += 4u * step) {
            let a = in0[(base + member(r)) / 4u];
            let b = in0[(base + member(r + step)) / 4u];
            let c = in0[(base + member(r + 2u * step)) / 4u];
            let d = in0[(base + member(r + 3u * step)) / 4u];
            let x = (a + b) + (c + d);
            let next = sum + x;
            lost += lost_of(sum, x, next);
            sum = next;
            if KIND == 6u {
                least = min(least, min(min(a, b), min(c, d)));
                most = max(most, max(max(a, b), max(c, d)));
            }
        }
        for (; r < end; r += step) {
            let x = in0[(base + member(r)) / 4u];
            let next = sum + x;
            lost += lost_of(sum, x, next);
            sum = next;
            if KIND == 6u {
                least = min(least, x);
                most = max(most, x);
            }
        }
        let a = vec4<f32>(sum.x, lost.x, least.x, most.x);
        let b = vec4<f32>(sum.y, lost.y, least.y, most.y);
        let c = vec4<f32>(sum.z, lost.z, least.z, most.z);
        let d = vec4<f32>(sum.w, lost.w, least.w, most.w);
        if ACROSS == 1u {
            let at = group * params.chunks + chunk;
            leave(at, a);
            leave(at + params.chunks, b);
            leave(at + 2u * params.chunks, c);
            leave(at + 3u * params.chunks, d);
        } else {
            leave(me, joined_totals(joined_totals(a, b), joined_totals(c, d)));
        }
        return;
    }
    var value = vec4<f32>(select(0.0, 1.0, KIND == 1u));
    if KIND >= 2u { value = in0[(base + member(start)) / 4u]; }
    for (var r = start; r < end; r += step) {
        value = joined(value, in0[(base + member(r)) / 4u]);
    }
    if ACROSS == 1u {
        let at = group * params.chunks + chunk;
        out[at] = epilogue(value.x, at);
        out[at + params.chunks] = epilogue(value.y, at + params.chunks);
        out[at + 2u * params.chunks] = epilogue(value.z, at + 2u * params.chunks);
        out[at + 3u * params.chunks] = epilogue(value.w, at + 3u * params.chunks);
    } else {
        let halves = joined(value, value.zwxy);
        out[me] = epilogue(joined(halves, halves.yxwz).x, me);
    }
}
