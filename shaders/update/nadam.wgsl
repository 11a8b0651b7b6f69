// NAdam in place:
//     m ← β₁ m + (1 - β₁) g;   v ← β₂ v + (1 - β₂) g²;   p ← p - (rate m + correction g) / (√v + eps)
// with both rates and eps from the host, each times √(1 - β₂ᵗ).
// use: update/tensors, update/decay, update/first_moment, update/second_moment

fn updated(i: u32, before: vec4<f32>, slope: vec4<f32>, c: Settings) -> vec4<f32> {
    let at = decayed(before, slope, c);
    let m = first_moment(i, at.g, c);
    let v = second_moment(i, at.g, c);
    return at.p - (c.rate * m + c.correction * at.g) / (sqrt(v) + c.eps);
}
