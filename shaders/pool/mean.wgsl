// What averages are divided by.
// use: pool/window

// What the sum over a window is divided by that covers a range.
fn divisor(range: vec4<u32>) -> f32 {
    if ADAPTIVE == 1u || params.inside == 1u { return f32(cells_in(range)); }
    return f32(params.kernel.x * params.kernel.y);
}

// The host puts a division here that is exact on every device.
fn divided(a: f32, b: f32) -> f32 {
    return a / b;
}
