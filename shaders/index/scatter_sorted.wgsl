// Scatter-add by a sorted index: out[o, k, i] = Σ g[o, j, i] over the entries of row k.
// use: index/sums, index/sorted
// Entries of one row are in the order of j: no atomics, the same bits every time. `index` is not read here: native kernels read it.

fn element(e: u32) {
    let found = entries_of(e);
    let begin = min(params.first, found.count);
    // The dispatches before have done all.
    if params.first > 0u && begin == found.count { return; }
    var sum = sum_before(e);
    let start = found.start + begin;
    let end = start + min(PART, found.count - begin);
    for (var p = start; p < end; p++) {
        sum = add_compensated(sum, in0[found.base + entry(found, p) * params.inner]);
    }
    out[e] = corrected(sum);
}
