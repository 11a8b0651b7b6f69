// What the kernels of elementwise chains share: how their inputs are read.
// use: shared/scalars
//
// Words are untyped: a rule reinterprets them as it needs. A load finds element i at
//     offset + Σ_axis ((i / divisor) % size) * stride      (broadcasting, permuting, slicing, flipping)
// with the numbers in `params.dims[8 * load + axis] = (divisor, size, stride, offset)`.

struct Params {
    count: u32,
    dims: array<vec4<u32>, 48>,
}

@group(0) @binding(14) var<uniform> params: Params;
