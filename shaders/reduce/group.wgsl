// Reductions, one workgroup per output. For long groups on hardware: neighbours read neighbours, then halve.
// use: shared/compensated, shared/fused, shared/numbers
// What an output is: see reduce.wgsl.

const WORKGROUP: u32 = 256u;
const KIND: u32 = 0u;   // 0 sum, 1 prod, 2 max, 3 min, 4 argmax, 5 argmin, 6 mean
const FLAT: u32 = 0u;   // 1: one reduced axis at most
const STAGE: u32 = 0u;   // sums and means in two stages: 1 is the first, which leaves four words for each output; 2 the second, whose members those are
const FARTHEST: f32 = 3.4028235e38;
const NOBODY: u32 = 0xffffffffu;

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

@group(0) @binding(0) var<storage, read> in0: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<u32>;
@group(0) @binding(14) var<uniform> params: Params;

// Totals of sums and means; the first of the four else.
var<workgroup> values: array<vec4<f32>, WORKGROUP>;
var<workgroup> places: array<u32, WORKGROUP>;

// Two totals as one. A total is the rounded sum, what rounding took from it, the smallest and the largest member.
fn joined(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
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

fn position(first: u32, rank: u32, index: u32) -> u32 {
    var at = 0u;
    for (var k = first; k < first + rank; k++) {
        let d = params.dims[k];
        at += index / d.x % d.y * d.z;
    }
    return at;
}

fn member(r: u32) -> u32 {
    if FLAT == 1u { return r * params.dims[8].z; }
    return position(8u, params.reduced_rank, r);
}

// Whether (x, at) takes the place of (best, place). The lower index wins a tie, whatever the order of asking.
fn beats(x: f32, at: u32, best: f32, place: u32) -> bool {
    if at == NOBODY { return false; }
    if place == NOBODY { return true; }
    if is_nan(x) || is_nan(best) { return is_nan(x) && (!is_nan(best) || at < place); }
    if x == best { return at < place; }
    return select(x < best, best < x, KIND == 2u || KIND == 4u);
}

// What a member adds to a total.
fn taken(at: u32) -> vec4<f32> {
    if STAGE == 2u { return vec4<f32>(in0[4u * at], in0[4u * at + 1u], in0[4u * at + 2u], in0[4u * at + 3u]); }
    let x = in0[at];
    return vec4<f32>(x, 0.0, x, x);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) me: u32,
) {
    let o = group.y * groups.x + group.x;
    if o >= params.outputs { return; }
    let base = position(0u, params.kept_rank, o / params.chunks);
    let start = o % params.chunks * params.span;
    let end = min(start + params.span, params.group);

    var value = vec4<f32>(select(0.0, 1.0, KIND == 1u), 0.0, FARTHEST, -FARTHEST);
    var place = NOBODY;
    for (var r = start + me; r < end; r += WORKGROUP) {
        let x = taken(base + member(r));
        if KIND == 0u || KIND == 6u {
            value = joined(value, x);
        } else if KIND == 1u {
            value.x *= x.x;
        } else if beats(x.x, r, value.x, place) {
            value.x = x.x;
            place = r;
        }
    }
    values[me] = value;
    places[me] = place;

    for (var width = WORKGROUP / 2u; width > 0u; width /= 2u) {
        workgroupBarrier();
        if me < width {
            let x = values[me + width];
            if KIND == 0u || KIND == 6u {
                values[me] = joined(values[me], x);
            } else if KIND == 1u {
                values[me].x *= x.x;
            } else if beats(x.x, places[me + width], values[me].x, places[me]) {
                values[me].x = x.x;
                places[me] = places[me + width];
            }
        }
    }
    if me == 0u {
        if KIND == 4u || KIND == 5u {
            out[o] = places[0];
        } else if STAGE == 1u {
            let words = bitcast<vec4<u32>>(values[0]);
            out[4u * o] = words.x;
            out[4u * o + 1u] = words.y;
            out[4u * o + 2u] = words.z;
            out[4u * o + 3u] = words.w;
        } else {
            var result = values[0].x;
            if KIND == 0u || KIND == 6u { result = finished(values[0]); }
            out[o] = bitcast<u32>(epilogue(result, o));
        }
    }
}
