// Pairs: out[i, j] = what the differences x[i, k] − y[j, k] over all k make together: the sum of their squares, the sum or the largest of their
// sizes, or how many are not 0.
// use: shared/each_element, shared/compensated
// One invocation for each pair of points. The points of a batch lie after each other: m of x and n of y, of d coordinates.

// 0 squares, 1 sizes, 2 the largest size, 3 those that are not 0
const KIND: u32 = 0u;

struct Params {
    count: u32,
    m: u32,
    n: u32,
    d: u32,
    sign: u32,   // see shared/compensated
}

@group(0) @binding(0) var<storage, read> in0: array<f32>;
@group(0) @binding(1) var<storage, read> in1: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(14) var<uniform> params: Params;

fn element(e: u32) {
    let i = e / params.n;
    let own = i * params.d;
    let other = (i / params.m * params.n + e % params.n) * params.d;
    var sum = vec2<f32>(0.0);
    for (var k = 0u; k < params.d; k++) {
        let difference = in0[own + k] + negated(in1[other + k]);
        let size = bitcast<f32>(bitcast<u32>(difference) & 0x7fffffffu);
        if KIND == 0u { sum = add_compensated(sum, size * size); }
        if KIND == 1u { sum = add_compensated(sum, size); }
        if KIND == 2u && (is_nan(size) || ((size > sum.x) && !is_nan(sum.x))) { sum.x = size; }
        if KIND == 3u && (is_nan(size) || (size != 0.0)) { sum.x += 1.0; }
    }
    out[e] = corrected(sum);
}
