// Scatter-add: out[o, k, i] = Σ g[o, j, i] over the j with index[j] = k (ROWS) or index[o, j, i] = k.
// use: index/sums
// An invocation walks the whole index in order for its element: no atomics, the same bits every time.

fn element(e: u32) {
    let row = e / params.inner;
    let k = row % params.n;
    var at = (row / params.n * params.m + params.first) * params.inner + e % params.inner;
    var sum = sum_before(e);
    let end = params.first + min(PART, params.m - params.first);
    for (var j = params.first; j < end; j++) {
        if index[select(at, j, ROWS == 1u)] == k {
            sum = add_compensated(sum, in0[at]);
        }
        at += params.inner;
    }
    out[e] = corrected(sum);
}
