// Weight decay: added to the gradient, or (DECOUPLED = 1) shrinking the parameter apart from it; then the host has multiplied it by the rate.

const DECOUPLED: u32 = 0u;

struct Decayed {
    p: vec4<f32>,
    g: vec4<f32>,
}

fn decayed(p: vec4<f32>, g: vec4<f32>, c: Settings) -> Decayed {
    if DECOUPLED == 1u {
        return Decayed(p - c.weight_decay * p, g);
    }
    return Decayed(p, g + c.weight_decay * p);
}
