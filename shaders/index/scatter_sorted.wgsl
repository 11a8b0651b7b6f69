// Scatter-add by a sorted index: out[o, k, i] = Σ g[o, j, i] over the entries of row k, which are consecutive in `order` from `starts[k]` on.
// use: index/sums, shared/quotient
// Entries of one row are in the order of j: no atomics, the same bits every time. `index` is not read here: native kernels read it.

@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read> starts: array<u32>;

fn element(e: u32) {
    let row = quotient(e, params.inner);
    let i = e - row * params.inner;
    let outer = quotient(row, params.n);
    let k = row - outer * params.n;
    let base = outer * params.m * params.inner + i;
    // With ROWS there is one line of the index for all.
    var first = k;
    var place = 0u;
    var step = 1u;
    if ROWS == 0u {
        first += (outer * params.inner + i) * (params.n + 1u);
        place = base;
        step = params.inner;
    }
    let count = starts[first + 1u] - starts[first];
    let begin = min(params.first, count);
    // The dispatches before have done all.
    if params.first > 0u && begin == count { return; }
    var sum = sum_before(e);
    let start = starts[first] + begin;
    let end = start + min(PART, count - begin);
    for (var p = start; p < end; p++) {
        sum = add_compensated(sum, in0[base + order[place + p * step] * params.inner]);
    }
    out[e] = corrected(sum);
}
