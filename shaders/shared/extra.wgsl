// What kernels that let others be fused after them are bound to besides their own buffers.
// use: shared/scalars
//
// Bindings have the same numbers in every kernel: inputs 0 to 5, outputs 6 to 9, extra inputs 10 to 13, `params` 14, `scalars` 15.
// `params.extra`, the last member, says how an extra input is read: (divisor, size, stride, offset) of axis d of input k at k * 8 + d.

@group(0) @binding(10) var<storage, read> extra0: array<u32>;
@group(0) @binding(11) var<storage, read> extra1: array<u32>;
@group(0) @binding(12) var<storage, read> extra2: array<u32>;
@group(0) @binding(13) var<storage, read> extra3: array<u32>;
