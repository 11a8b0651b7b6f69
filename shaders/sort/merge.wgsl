// Sort, merging: neighbouring sorted runs of `width` indices become one. out[pair + own position + rank in the other run] = order[…].
// use: sort/lines
// An index finds its rank in the other run by bisection; an equal element of the left run comes first.

@group(0) @binding(1) var<storage, read> order: array<u32>;

fn element(e: u32) {
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
