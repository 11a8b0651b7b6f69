// Kernels that make f16 numbers: one invocation for each word, which holds two. `f16_at(i)`, the bits of element i, is theirs.
// use: shared/each_element

@group(0) @binding(0) var<storage, read> in0: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<u32>;
@group(0) @binding(14) var<uniform> params: Params;

fn element(at: u32) {
    var word = f16_at(2u * at);
    if 2u * at + 1u < params.elements { word |= f16_at(2u * at + 1u) << 16u; }
    out[at] = word;
}
