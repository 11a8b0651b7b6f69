// One-hot: out[r, c] = 1 where index[r] = c, else 0.
// use: shared/each_element

struct Params {
    count: u32,
    classes: u32,
}

@group(0) @binding(0) var<storage, read> index: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(14) var<uniform> params: Params;

fn element(i: u32) {
    out[i] = select(0.0, 1.0, index[i / params.classes] == i % params.classes);
}
