// A moving mean of gradients, the first of an optimizer's state: m ← β₁ m + (1 - β₁) g.

@group(0) @binding(7) var<storage, read_write> first_moments: array<vec4<f32>>;

fn first_moment(i: u32, g: vec4<f32>, c: Settings) -> vec4<f32> {
    let m = c.momentum * first_moments[i] + c.one_minus_momentum * g;
    first_moments[i] = m;
    return m;
}
