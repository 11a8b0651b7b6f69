// Cat, one part: out[row * stride + start + i] = in[row * part + i].
// use: shared/each_element

struct Params {
    count: u32,
    part: u32,
    stride: u32,
    start: u32,
}

@group(0) @binding(0) var<storage, read> in0: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<u32>;
@group(0) @binding(14) var<uniform> params: Params;

fn element(i: u32) {
    out[i / params.part * params.stride + params.start + i % params.part] = in0[i];
}
