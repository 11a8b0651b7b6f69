// Sort within spans: out[o, r, i] = k, where r is the start of k's span plus the number of its elements that come before x[o, k, i].
// One invocation per element; of equal elements the one with the lower index comes first. A line no longer than a span is sorted by this alone.

const WORKGROUP: u32 = 256u;
const TYPE: u32 = 0u;         // 0 f32, 1 i32, 2 u32 and bool
const DESCENDING: u32 = 0u;

struct Params {
    count: u32,
    n: u32,
    inner: u32,
    span: u32,
}

@group(0) @binding(0) var<storage, read> in0: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<u32>;
@group(0) @binding(14) var<uniform> params: Params;

// A number that is smaller the earlier an element comes. By its bits alone: no comparison of floats, so NaN and subnormals are safe.
fn key(word: u32) -> u32 {
    var k = word;
    if TYPE == 1u {
        k = word ^ 0x80000000u;
    } else if TYPE == 0u {
        let size = word & 0x7fffffffu;
        if size > 0x7f800000u {
            k = 0xffffffffu;          // NaN, above ∞
        } else if size == 0u || (word >> 31u) == 0u {
            k = size | 0x80000000u;   // 0 and −0 are equal
        } else {
            k = ~word;
        }
    }
    return select(k, ~k, DESCENDING == 1u);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let e = id.y * groups.x * WORKGROUP + id.x;
    if e >= params.count { return; }
    let k = e / params.inner % params.n;
    let base = e - k * params.inner;
    let mine = key(in0[e]);
    let start = k / params.span * params.span;
    let end = start + min(params.span, params.n - start);
    var rank = start;
    for (var j = start; j < end; j++) {
        let other = key(in0[base + j * params.inner]);
        rank += select(0u, 1u, other < mine || (other == mine && j < k));
    }
    out[base + rank * params.inner] = k;
}
