// Gather: out[o, j, i] = x[o, k, i] with k = index[j] (ROWS) or index[o, j, i]; `outside` where k is not below n.
// use: shared/each_element, shared/fused
// Words are moved as they are, but for an epilogue (FLOAT); a negative i32 is a large u32, so one comparison finds both ends.

const ROWS: u32 = 0u;
const FLOAT: u32 = 0u;

struct Params {
    count: u32,
    n: u32,
    m: u32,
    inner: u32,
    outside: u32,
    extra: array<vec4<u32>, 32>,
}

@group(0) @binding(0) var<storage, read> in0: array<u32>;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<u32>;
@group(0) @binding(14) var<uniform> params: Params;

// Element i of x. Where x is f16, two to a word, the body is replaced by one that gives the word of an f32.
fn word_at(i: u32) -> u32 { return in0[i]; }

fn element(at: u32) {
    let row = at / params.inner;
    let k = index[select(at, row % params.m, ROWS == 1u)];
    var word = params.outside;
    if k < params.n {
        word = word_at((row / params.m * params.n + k) * params.inner + at % params.inner);
    }
    // As a float a word may lose bits: not where it is one of an integer.
    if FLOAT == 1u { word = bitcast<u32>(epilogue(bitcast<f32>(word), at)); }
    out[at] = word;
}
