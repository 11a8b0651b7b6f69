// Sort, merging: neighbouring sorted runs of `width` indices become one. out[pair + own position + rank in the other run] = order[…].
// One invocation per index, which finds its rank in the other run by bisection; an equal element of the left run comes first.

const WORKGROUP: u32 = 256u;
const TYPE: u32 = 0u;         // 0 f32, 1 i32, 2 u32 and bool
const DESCENDING: u32 = 0u;

struct Params {
    count: u32,
    n: u32,
    inner: u32,
    width: u32,
}

@group(0) @binding(0) var<storage, read> in0: array<u32>;
@group(0) @binding(1) var<storage, read> order: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<u32>;
@group(0) @binding(14) var<uniform> params: Params;

// A number that is smaller the earlier an element comes, as in sort.wgsl.
fn key(word: u32) -> u32 {
    var k = word;
    if TYPE == 1u {
        k = word ^ 0x80000000u;
    } else if TYPE == 0u {
        let size = word & 0x7fffffffu;
        if size > 0x7f800000u {
            k = 0xffffffffu;
        } else if size == 0u || (word >> 31u) == 0u {
            k = size | 0x80000000u;
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
    let mine = order[e];
    let value = key(in0[base + mine * params.inner]);
    let run = k / params.width;
    let right = run % 2u == 1u;
    let pair = (run - run % 2u) * params.width;
    // The last run may have nothing beside it.
    let other = min(pair + select(params.width, 0u, right), params.n);
    var low = 0u;
    var high = min(params.width, params.n - other);
    while low < high {
        let middle = (low + high) / 2u;
        let found = key(in0[base + order[base + (other + middle) * params.inner] * params.inner]);
        if found < value || (right && found == value) {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    out[base + (pair + k % params.width + low) * params.inner] = mine;
}
