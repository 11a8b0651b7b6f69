// Search: out[e] = how many elements of a sorted line come before values[e]; with RIGHT those that equal it too. NaN is the largest.
// use: shared/each_element, shared/numbers
// By bisection. m values are looked up in each line.

const RIGHT: u32 = 0u;

struct Params {
    count: u32,
    n: u32,
    m: u32,
}

@group(0) @binding(0) var<storage, read> sorted: array<f32>;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<u32>;
@group(0) @binding(14) var<uniform> params: Params;

fn element(e: u32) {
    let line = e / params.m * params.n;
    let value = values[e];
    var low = 0u;
    var high = params.n;
    while low < high {
        let middle = (low + high) / 2u;
        let x = sorted[line + middle];
        var before = (x < value) || (RIGHT == 1u && x == value);
        if is_nan(value) { before = RIGHT == 1u || !is_nan(x); } else if is_nan(x) { before = false; }
        if before { low = middle + 1u; } else { high = middle; }
    }
    out[e] = low;
}
