// Gradient descent in place: p ← p - lr (g + weight_decay p), and with momentum
//     g ← g + weight_decay p;   v ← momentum v + gain g;   p ← p - lr v        (NESTEROV = 0)
//                                                          p ← p - lr (g + momentum v)   (NESTEROV = 1)
// The gain, 1 - dampening, stands where other optimizers have 1 - momentum.
// use: update/tensors, update/velocity

const NESTEROV: u32 = 0u;

fn updated(i: u32, p: vec4<f32>, slope: vec4<f32>, c: Settings) -> vec4<f32> {
    let g = slope + c.weight_decay * p;
    let v = velocity(i, c.one_minus_momentum * g, c.momentum);
    return p - c.rate * select(v, g + c.momentum * v, NESTEROV == 1u);
}
