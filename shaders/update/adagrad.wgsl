// AdaGrad in place:
//     g ← g + weight_decay p;   s ← s + g²;   p ← p - rate g / (√s + eps)
// with rate = lr / (1 + (step - 1) lr_decay) from the host.
// use: update/tensors

@group(0) @binding(7) var<storage, read_write> sum: array<vec4<f32>>;

fn updated(i: u32, p: vec4<f32>, slope: vec4<f32>, c: Settings) -> vec4<f32> {
    let g = slope + c.weight_decay * p;
    let s = sum[i] + g * g;
    sum[i] = s;
    return p - c.rate * g / (sqrt(s) + c.eps);
}
