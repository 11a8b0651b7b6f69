// Last: out[o, k, i] = the largest j with index[o, j, i] = k, or m where there is none.
// use: shared/each_element, index/sizes, index/sorted
// By a sorted index, whose entries of one k are in the order of j. `index` is not read here: native kernels read it.

const ROWS: u32 = 0u;

@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<u32>;

fn element(e: u32) {
    let found = entries_of(e);
    var last = params.m;
    if found.count > 0u { last = entry(found, found.start + found.count - 1u); }
    out[e] = last;
}
