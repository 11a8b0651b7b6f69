// Weighted: out[o, k, i] = Σ w · x[o, j, i] over the entries (j, w) of row k of a sparse matrix along an axis, in their order.
// use: index/sums, shared/quotient
// `index` says where the entries of each of the n rows begin, and where the last end; then come the entries, j and the bits of w.

fn element(e: u32) {
    let row = quotient(e, params.inner);
    let i = e - row * params.inner;
    let outer = quotient(row, params.n);
    let k = row - outer * params.n;
    let base = outer * params.m * params.inner + i;
    let count = index[k + 1u] - index[k];
    let begin = min(params.first, count);
    // The dispatches before have done all.
    if params.first > 0u && begin == count { return; }
    var sum = sum_before(e);
    let start = index[k] + begin;
    let end = start + min(PART, count - begin);
    for (var p = start; p < end; p++) {
        let entry = params.n + 1u + 2u * p;
        let term = bitcast<f32>(index[entry + 1u]) * in0[base + index[entry] * params.inner];
        if p == index[k] { sum.x = term; } else { sum = add_compensated(sum, term); }
    }
    // One term is left as it is: a zero keeps its sign.
    out[e] = select(corrected(sum), sum.x, count == 1u);
}
