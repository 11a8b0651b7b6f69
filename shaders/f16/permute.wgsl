// f16 numbers in another order: element i of out is element view(i) of x, both with two to a word.
// use: f16/pack

struct Params {
    count: u32,      // words
    elements: u32,
    // (divisor, size, stride, 0) of each axis
    dims: array<vec4<u32>, 8>,
}

fn f16_at(i: u32) -> u32 {
    var at = 0u;
    for (var axis = 0u; axis < 8u; axis++) {
        let d = params.dims[axis];
        at += i / d.x % d.y * d.z;
    }
    return (in0[at >> 1u] >> (16u * (at & 1u))) & 0xffffu;
}
