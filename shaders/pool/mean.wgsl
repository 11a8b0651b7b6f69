// What averages are divided by.
// use: pool/window

// What the sum over a window is divided by that covers a range. What lies beyond the padding never counts.
fn divisor(window: vec2<u32>, range: vec4<u32>) -> f32 {
    if ADAPTIVE == 1u || params.inside == 1u { return f32(cells_in(range)); }
    let counted = min(params.kernel, params.size + 2u * params.padding - window * params.stride);
    return f32(counted.x * counted.y);
}

// The host puts a division here that is exact on every device.
fn divided(a: f32, b: f32) -> f32 {
    return a / b;
}
