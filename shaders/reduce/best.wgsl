// The second stage of argmax and argmin of long groups: of the best member of each span of a group, which an earlier kernel found, the best.
// use: shared/numbers
// One invocation per output. What a group and its spans are: see reduce.wgsl.

const WORKGROUP: u32 = 256u;
const KIND: u32 = 4u;   // 4 argmax, 5 argmin
const FLAT: u32 = 0u;   // 1: one reduced axis at most

struct Params {
    outputs: u32,
    group: u32,
    span: u32,
    chunks: u32,
    kept_rank: u32,
    reduced_rank: u32,
    // (divisor, size, stride, -) per axis: the kept ones, then the reduced ones
    dims: array<vec4<u32>, 16>,
}

@group(0) @binding(0) var<storage, read> in0: array<f32>;
// Which member is the best of a span.
@group(0) @binding(1) var<storage, read> places: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<u32>;
@group(0) @binding(14) var<uniform> params: Params;

// Whether x takes the place of best: a NaN beats every number, and nothing beats a NaN.
fn beats(x: f32, best: f32) -> bool {
    let better = select(x < best, best < x, KIND == 4u);
    return !is_nan(best) && (is_nan(x) || better);
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

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let o = id.y * groups.x * WORKGROUP + id.x;
    if o >= params.outputs { return; }
    let base = position(0u, params.kept_rank, o);
    // Spans in order: of several that are equal the first stays.
    var best = places[o * params.chunks];
    var value = in0[base + member(best)];
    for (var c = 1u; c < params.chunks; c++) {
        let place = places[o * params.chunks + c];
        let x = in0[base + member(place)];
        if beats(x, value) {
            value = x;
            best = place;
        }
    }
    out[o] = best;
}
