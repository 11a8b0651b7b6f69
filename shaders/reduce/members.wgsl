// What all reductions share: what is computed, and where the members of an output are.
// use: shared/numbers, shared/quotient
//
// Output o reduces the members [span * (o % chunks), …+span) of group o / chunks. A group starts where the view of the
// kept axes says; its members are where the view of the reduced axes says. In order: the same bits every time.

const KIND: u32 = 0u;       // one of those below
const FLAT: u32 = 0u;       // 1: one reduced axis at most
const SOFTWARE: u32 = 0u;   // 1: whole numbers are divided as a software adapter does it fastest

const SUM: u32 = 0u;
const PROD: u32 = 1u;
const MAX: u32 = 2u;
const MIN: u32 = 3u;
const ARGMAX: u32 = 4u;
const ARGMIN: u32 = 5u;
const MEAN: u32 = 6u;
const ADDS: bool = KIND == SUM || KIND == MEAN;
const FINDS_PLACE: bool = KIND == ARGMAX || KIND == ARGMIN;

struct Params {
    outputs: u32,
    group: u32,
    span: u32,
    chunks: u32,
    kept_rank: u32,
    reduced_rank: u32,
    // see shared/compensated
    sign: u32,
    // what a mean divides by
    count: u32,
    // (divisor, size, stride, -) per axis: the kept ones, then the reduced ones
    dims: array<vec4<u32>, 16>,
    extra: array<vec4<u32>, 32>,
}

@group(0) @binding(6) var<storage, read_write> out: array<u32>;
@group(0) @binding(14) var<uniform> params: Params;

// Members `start` to `end` of the group that begins at `base`.
struct Span {
    base: u32,
    start: u32,
    end: u32,
}

fn span_of(group: u32, chunk: u32) -> Span {
    let start = chunk * params.span;
    return Span(position(0u, params.kept_rank, group), start, min(start + params.span, params.group));
}

// Where the element of this index is in a view of `rank` axes, from axis `first` of `dims` on.
fn position(first: u32, rank: u32, index: u32) -> u32 {
    var at = 0u;
    for (var k = first; k < first + rank; k++) {
        let d = params.dims[k];
        if SOFTWARE == 1u {
            at += remainder(quotient(index, d.x), d.y) * d.z;
        } else {
            at += index / d.x % d.y * d.z;
        }
    }
    return at;
}

// Where member r of a group is, from where the group begins.
fn member(r: u32) -> u32 {
    if FLAT == 1u { return r * params.dims[8].z; }
    return position(8u, params.reduced_rank, r);
}

// Whether x takes the place of best: a NaN beats every number, and nothing beats a NaN.
fn beats(x: f32, best: f32) -> bool {
    let better = select(x < best, best < x, KIND == MAX || KIND == ARGMAX);
    return !is_nan(best) && (is_nan(x) || better);
}
