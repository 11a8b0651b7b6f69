// f16 → f32, exactly: out[i] = element i of x, which has two to a word. One invocation for each word of x.
// use: shared/each_element, shared/fused

struct Params {
    count: u32,      // words
    elements: u32,
    extra: array<vec4<u32>, 32>,
}

@group(0) @binding(0) var<storage, read> in0: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(14) var<uniform> params: Params;

fn element(at: u32) {
    let two = unpack2x16float(in0[at]);
    out[2u * at] = epilogue(two.x, 2u * at);
    if 2u * at + 1u < params.elements { out[2u * at + 1u] = epilogue(two.y, 2u * at + 1u); }
}
