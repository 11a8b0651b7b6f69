// Adam in place (DECOUPLED = 1: AdamW), and RAdam, which is Adam with other numbers:
//     m ← β₁ m + (1 - β₁) g;   v ← β₂ v + (1 - β₂) g²;   p ← p - rate m / (√v correction + eps)
// With AMSGrad u ← max(u, v) stands for v in the last; without it `largest` is replaced by a function that returns v, and there is no u.
// rate = lr / (1 - β₁ᵗ) and correction = 1 / √(1 - β₂ᵗ) come from the host, which has more digits. A correction of 0 says that the step is
// not divided by √v, which may be infinite.
// use: update/tensors, update/decay, update/first_moment, update/second_moment

@group(0) @binding(9) var<storage, read_write> largest_second_moment: array<vec4<f32>>;

fn largest(i: u32, v: vec4<f32>) -> vec4<f32> {
    let u = max(largest_second_moment[i], v);
    largest_second_moment[i] = u;
    return u;
}

fn updated(i: u32, before: vec4<f32>, slope: vec4<f32>, c: Settings) -> vec4<f32> {
    let at = decayed(before, slope, c);
    let m = first_moment(i, at.g, c);
    let root = sqrt(largest(i, second_moment(i, at.g, c))) * c.correction;
    return at.p - c.rate * m / (select(vec4(0.0), root, c.correction > 0.0) + c.eps);
}
