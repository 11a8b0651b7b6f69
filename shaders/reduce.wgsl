// Reductions, one invocation per output. For short groups, many outputs, and adapters without real workgroup memory.
//
// Output o reduces the members [span * (o % chunks), …+span) of group o / chunks. A group starts where the view of the
// kept axes says; its members lie where the view of the reduced axes says. In order: the same bits every time.

const WORKGROUP: u32 = 256u;
const KIND: u32 = 0u;   // 0 sum, 1 prod, 2 max, 3 min, 4 argmax, 5 argmin
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
    // how a fused epilogue reads its inputs: (divisor, size, stride, offset) of axis d of input k at k * 8 + d
    extra: array<vec4<u32>, 32>,
}

struct Scalars {
    v: array<vec4<f32>, 8>,
}

@group(0) @binding(0) var<storage, read> in0: array<f32>;
@group(0) @binding(1) var<storage, read> extra0: array<u32>;
@group(0) @binding(2) var<storage, read> extra1: array<u32>;
@group(0) @binding(3) var<storage, read> extra2: array<u32>;
@group(0) @binding(4) var<storage, read> extra3: array<u32>;
@group(0) @binding(5) var<storage, read_write> out: array<u32>;
@group(0) @binding(6) var<uniform> params: Params;
@group(0) @binding(7) var<uniform> scalars: Scalars;

// What may be fused behind: the body of `epilogue` is replaced. v is a finished element, i its row-major place in the output.
fn epilogue(v: f32, i: u32) -> f32 { return v; }

fn is_not_a_number(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }

// Whether x takes the place of best: a NaN beats every number, and nothing beats a NaN.
fn beats(x: f32, best: f32) -> bool {
    let better = select(x < best, best < x, KIND == 2u || KIND == 4u);
    return !is_not_a_number(best) && (is_not_a_number(x) || better);
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
    let base = position(0u, params.kept_rank, o / params.chunks);
    let start = o % params.chunks * params.span;
    let end = min(start + params.span, params.group);
    var value = select(0.0, 1.0, KIND == 1u);
    var best = 0u;
    for (var r = start; r < end; r++) {
        let x = in0[base + member(r)];
        if KIND == 0u {
            value += x;
        } else if KIND == 1u {
            value *= x;
        } else if r == start || beats(x, value) {
            value = x;
            best = r;
        }
    }
    if KIND >= 4u { out[o] = best; } else { out[o] = bitcast<u32>(epilogue(value, o)); }
}
