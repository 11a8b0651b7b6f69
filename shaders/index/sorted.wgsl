// The entries of a sorted index that name one output element [outer, n, inner]: consecutive in `order` from `starts[k]` on, in the order of j.
// use: shared/quotient

@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read> starts: array<u32>;

struct Entries {
    base: u32,    // where j = 0 of its line is on the side of the index
    place: u32,   // where its line begins in `order`
    step: u32,    // from one entry of the line to the next there
    start: u32,
    count: u32,
}

fn entries_of(e: u32) -> Entries {
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
    return Entries(base, place, step, starts[first], starts[first + 1u] - starts[first]);
}

// The j of the p-th of all entries of the line.
fn entry(found: Entries, p: u32) -> u32 { return order[found.place + p * found.step]; }
