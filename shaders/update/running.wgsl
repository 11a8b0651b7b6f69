// A running sum or mean in place: s ← momentum s + rate x. What has the factor 0 is not looked at: it may be infinite or NaN.
// use: update/tensors

fn updated(i: u32, s: vec4<f32>, x: vec4<f32>, c: Settings) -> vec4<f32> {
    let kept = select(vec4(0.0), c.momentum * s, c.momentum != 0.0);
    return kept + select(vec4(0.0), c.rate * x, c.rate != 0.0);
}
