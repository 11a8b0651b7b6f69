// What both kernels of a sort share: lines of n elements that are `inner` apart, and which of two elements comes first.
// use: shared/each_element, shared/numbers

const TYPE: u32 = 0u;         // 0 f32, 1 i32, 2 u32 and bool
const DESCENDING: u32 = 0u;

struct Params {
    count: u32,
    n: u32,
    inner: u32,
    width: u32,   // of a span or run: elements that are in order after it, or before it
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
        if size > INF_BITS {
            k = 0xffffffffu;          // NaN, above ∞
        } else if size == 0u || (word >> 31u) == 0u {
            k = size | 0x80000000u;   // 0 and −0 are equal
        } else {
            k = ~word;
        }
    }
    return select(k, ~k, DESCENDING == 1u);
}
