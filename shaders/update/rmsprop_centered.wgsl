// Centered RMSProp in place:
//     g ← g + weight_decay p;   s ← α s + (1 - α) g²;   a ← α a + (1 - α) g
//     d = g / (√(s - a²) + eps);   v ← momentum v + d;   p ← p - lr v
// s - a² is a variance: rounding must not make it negative.
// use: update/tensors, update/velocity

@group(0) @binding(7) var<storage, read_write> squares: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> means: array<vec4<f32>>;

fn updated(i: u32, p: vec4<f32>, slope: vec4<f32>, c: Settings) -> vec4<f32> {
    let g = slope + c.weight_decay * p;
    let s = c.square_decay * squares[i] + c.one_minus_square_decay * g * g;
    let a = c.square_decay * means[i] + c.one_minus_square_decay * g;
    squares[i] = s;
    means[i] = a;
    return p - c.rate * velocity(i, g / (sqrt(max(s - a * a, vec4(0.0))) + c.eps), c.momentum);
}
