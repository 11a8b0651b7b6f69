// A moving mean of squares of gradients, the second of an optimizer's state: v ← β₂ v + (1 - β₂) g².

@group(0) @binding(8) var<storage, read_write> second_moments: array<vec4<f32>>;

fn second_moment(i: u32, g: vec4<f32>, c: Settings) -> vec4<f32> {
    let v = c.square_decay * second_moments[i] + c.one_minus_square_decay * g * g;
    second_moments[i] = v;
    return v;
}
