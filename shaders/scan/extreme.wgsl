// Running extreme: out[k] = where the largest (smallest) of in0[0 ..= k] of a line is: of equal ones the last, and NaN stays once it was met.
// use: shared/each_element, shared/numbers
// One invocation per line, in order.

const LARGEST: u32 = 0u;
// Steps that one dispatch does, from `params.first` on: all of them, but where a device leaves long loops early.
const PART: u32 = 0xffffffffu;

struct Params {
    count: u32,   // lines
    n: u32,
    inner: u32,
    first: u32,
}

@group(0) @binding(0) var<storage, read> in0: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<u32>;
@group(0) @binding(14) var<uniform> params: Params;

fn element(line: u32) {
    let base = line / params.inner * params.n * params.inner + line % params.inner;
    var best = 0u;
    // Where the dispatch before left off.
    if params.first > 0u { best = out[base + (params.first - 1u) * params.inner]; }
    var value = in0[base + best * params.inner];
    let end = params.first + min(PART, params.n - params.first);
    for (var k = params.first; k < end; k++) {
        let x = in0[base + k * params.inner];
        let better = select((x <= value), (x >= value), LARGEST == 1u);
        if is_nan(x) || (better && !is_nan(value)) {
            best = k;
            value = x;
        }
        out[base + k * params.inner] = best;
    }
}
