// Adamax in place:
//     m ← β₁ m + (1 - β₁) g;   u ← max(β₂ u, |g| + eps);   p ← p - rate m / u
// with rate = lr / (1 - β₁ᵗ) from the host.
// use: update/tensors, update/decay, update/first_moment

@group(0) @binding(8) var<storage, read_write> largest_gradients: array<vec4<f32>>;

fn updated(i: u32, before: vec4<f32>, slope: vec4<f32>, c: Settings) -> vec4<f32> {
    let at = decayed(before, slope, c);
    let m = first_moment(i, at.g, c);
    let u = max(c.square_decay * largest_gradients[i], abs(at.g) + c.eps);
    largest_gradients[i] = u;
    return at.p - c.rate * m / u;
}
