// RMSProp in place:
//     g ← g + weight_decay p;   s ← α s + (1 - α) g²;   d = g / (√s + eps);   v ← momentum v + d;   p ← p - lr v
// use: update/tensors, update/velocity

@group(0) @binding(7) var<storage, read_write> squares: array<vec4<f32>>;

fn updated(i: u32, p: vec4<f32>, slope: vec4<f32>, c: Settings) -> vec4<f32> {
    let g = slope + c.weight_decay * p;
    let s = c.square_decay * squares[i] + c.one_minus_square_decay * g * g;
    squares[i] = s;
    return p - c.rate * velocity(i, g / (sqrt(s) + c.eps), c.momentum);
}
