// Lion in place:
//     p ← p - weight_decay p - lr sign(β₁ m + (1 - β₁) g);   m ← β₂ m + (1 - β₂) g
// The sign of 0 is 0, that of NaN is NaN.
// use: update/tensors, shared/numbers

@group(0) @binding(7) var<storage, read_write> means: array<vec4<f32>>;

fn updated(i: u32, p: vec4<f32>, g: vec4<f32>, c: Settings) -> vec4<f32> {
    let m = means[i];
    let x = c.momentum * m + c.one_minus_momentum * g;
    means[i] = c.square_decay * m + c.one_minus_square_decay * g;
    let nan = vec4(is_nan(x.x), is_nan(x.y), is_nan(x.z), is_nan(x.w));
    return p - c.weight_decay * p - c.rate * select(sign(x), x, nan);
}
