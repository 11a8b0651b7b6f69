// Where the entries of each row begin in a sorted index: out[line, k] = how many entries of a line are below k, for k in 0 ..= n.
// use: shared/each_element, index/sizes
// A line is a sum of its own; `order` holds the places of its entries in the order of what they say. By bisection.

@group(0) @binding(0) var<storage, read> index: array<u32>;
@group(0) @binding(1) var<storage, read> order: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<u32>;

fn element(e: u32) {
    let line = e / (params.n + 1u);
    let k = e - line * (params.n + 1u);
    let base = line / params.inner * params.m * params.inner + line % params.inner;
    var low = 0u;
    var high = params.m;
    while low < high {
        let middle = (low + high) / 2u;
        if index[base + order[base + middle * params.inner] * params.inner] < k {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    out[e] = low;
}
