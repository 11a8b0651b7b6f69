// Reductions, one workgroup per output. For long groups on hardware: neighbours read neighbours, then halve.
// What an output is: see reduce.wgsl.

const WORKGROUP: u32 = 256u;
const KIND: u32 = 0u;   // 0 sum, 1 prod, 2 max, 3 min, 4 argmax, 5 argmin
const FLAT: u32 = 0u;   // 1: one reduced axis at most
const NOBODY: u32 = 0xffffffffu;

struct Params {
    outputs: u32,
    group: u32,
    span: u32,
    chunks: u32,
    kept_rank: u32,
    reduced_rank: u32,
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

var<workgroup> values: array<f32, WORKGROUP>;
var<workgroup> places: array<u32, WORKGROUP>;

fn is_not_a_number(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }

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
    if is_not_a_number(x) || is_not_a_number(best) { return is_not_a_number(x) && (!is_not_a_number(best) || at < place); }
    if x == best { return at < place; }
    return select(x < best, best < x, KIND == 2u || KIND == 4u);
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

    var value = select(0.0, 1.0, KIND == 1u);
    var place = NOBODY;
    for (var r = start + me; r < end; r += WORKGROUP) {
        let x = in0[base + member(r)];
        if KIND == 0u {
            value += x;
        } else if KIND == 1u {
            value *= x;
        } else if beats(x, r, value, place) {
            value = x;
            place = r;
        }
    }
    values[me] = value;
    places[me] = place;

    for (var width = WORKGROUP / 2u; width > 0u; width /= 2u) {
        workgroupBarrier();
        if me < width {
            let x = values[me + width];
            if KIND == 0u {
                values[me] += x;
            } else if KIND == 1u {
                values[me] *= x;
            } else if beats(x, places[me + width], values[me], places[me]) {
                values[me] = x;
                places[me] = places[me + width];
            }
        }
    }
    if me == 0u {
        if KIND >= 4u { out[o] = places[0]; } else { out[o] = bitcast<u32>(epilogue(values[0], o)); }
    }
}
