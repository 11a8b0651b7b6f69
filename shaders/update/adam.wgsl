// Adam in place (DECOUPLED = 1: AdamW, whose decay shrinks the parameter instead of being added to the gradient):
//     m ← β₁ m + (1 - β₁) g;   v ← β₂ v + (1 - β₂) g²;   p ← p - rate m / (√v correction + eps)
// With AMSGrad u ← max(u, v) stands for v in the last; without it `largest` is replaced by a function that returns v, and there is no u.
// rate = lr / (1 - β₁ᵗ) and correction = 1 / √(1 - β₂ᵗ) come from the host, which has more digits.
// use: update/tensors

const DECOUPLED: u32 = 0u;

@group(0) @binding(7) var<storage, read_write> first_moment: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> second_moment: array<vec4<f32>>;
@group(0) @binding(9) var<storage, read_write> largest_second_moment: array<vec4<f32>>;

fn largest(i: u32, v: vec4<f32>) -> vec4<f32> {
    let u = max(largest_second_moment[i], v);
    largest_second_moment[i] = u;
    return u;
}

fn updated(i: u32, before: vec4<f32>, slope: vec4<f32>, c: Settings) -> vec4<f32> {
    var p = before;
    var g = slope;
    if DECOUPLED == 1u {
        p -= c.weight_decay * p;
    } else {
        g += c.weight_decay * p;
    }
    let m = c.momentum * first_moment[i] + c.one_minus_momentum * g;
    let v = c.square_decay * second_moment[i] + c.one_minus_square_decay * g * g;
    first_moment[i] = m;
    second_moment[i] = v;
    return p - c.rate * m / (sqrt(largest(i, v)) * c.correction + c.eps);
}
