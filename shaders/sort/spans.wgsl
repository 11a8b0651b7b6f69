// Sort within spans: out[o, r, i] = k, where r is the start of k's span plus the number of its elements that come before x[o, k, i].
// use: sort/lines
// Of equal elements the one with the lower index comes first. A line no longer than a span is sorted by this alone.

fn element(e: u32) {
    let k = e / params.inner % params.n;
    let base = e - k * params.inner;
    let mine = key(in0[e]);
    let start = k / params.width * params.width;
    let end = start + min(params.width, params.n - start);
    var rank = start;
    for (var j = start; j < end; j++) {
        let other = key(in0[base + j * params.inner]);
        rank += select(0u, 1u, other < mine || (other == mine && j < k));
    }
    out[base + rank * params.inner] = k;
}
