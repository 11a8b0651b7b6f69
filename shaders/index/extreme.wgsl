// Extreme: out[o, k, i] = the largest (smallest) of x[o, k, i] and all g[o, j, i] with index[o, j, i] = k; NaN if one of them is.
// use: shared/each_element, shared/numbers, index/sorted
// By a sorted index. `index` is not read here: native kernels read it.

const ROWS: u32 = 0u;
const LARGEST: u32 = 0u;
// Entries that one dispatch does, from `params.first` on: all of them, but where a device leaves long loops early.
const PART: u32 = 0xffffffffu;

struct Params {
    count: u32,
    n: u32,
    m: u32,
    inner: u32,
    first: u32,
}

@group(0) @binding(0) var<storage, read> in0: array<f32>;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(4) var<storage, read> in4: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(14) var<uniform> params: Params;

fn element(e: u32) {
    let found = entries_of(e);
    let begin = min(params.first, found.count);
    // The dispatches before have done all.
    if params.first > 0u && begin == found.count { return; }
    var best = in4[e];
    if params.first > 0u { best = out[e]; }
    let start = found.start + begin;
    let end = start + min(PART, found.count - begin);
    for (var p = start; p < end; p++) {
        let value = in0[found.base + entry(found, p) * params.inner];
        let better = select((value < best), (value > best), LARGEST == 1u);
        if is_nan(value) || (better && !is_nan(best)) { best = value; }
    }
    out[e] = best;
}
