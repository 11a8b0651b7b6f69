// Adadelta in place:
//     g ← g + weight_decay p;   s ← ρ s + (1 - ρ) g²;   d = √((a + eps) / (s + eps)) g;   a ← ρ a + (1 - ρ) d²;   p ← p - lr d
// use: update/tensors

@group(0) @binding(7) var<storage, read_write> squares: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> changes: array<vec4<f32>>;

fn updated(i: u32, p: vec4<f32>, slope: vec4<f32>, c: Settings) -> vec4<f32> {
    let g = slope + c.weight_decay * p;
    let s = c.square_decay * squares[i] + c.one_minus_square_decay * g * g;
    let a = changes[i];
    let d = sqrt((a + c.eps) / (s + c.eps)) * g;
    squares[i] = s;
    changes[i] = c.square_decay * a + c.one_minus_square_decay * d * d;
    return p - c.rate * d;
}
