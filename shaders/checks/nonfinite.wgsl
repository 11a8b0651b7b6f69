// Looks for what is not finite among the `count` words from `start` on: flags[2 slot] becomes 1 if a NaN is
// among them, flags[2 slot + 1] if an infinity is.
// use: shared/each_element, shared/numbers
// Many invocations may write one word, but all write the same: no atomics, and the answer does not depend on the order.

struct Params {
    start: u32,
    count: u32,
    slot: u32,
}

@group(0) @binding(0) var<storage, read> in0: array<u32>;
@group(0) @binding(6) var<storage, read_write> flags: array<u32>;
@group(0) @binding(14) var<uniform> params: Params;

fn element(i: u32) {
    let bits = in0[params.start + i] & 0x7fffffffu;
    if bits > INF_BITS { flags[2u * params.slot] = 1u; }
    if bits == INF_BITS { flags[2u * params.slot + 1u] = 1u; }
}
