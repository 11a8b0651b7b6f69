// Momentum: v ← momentum v + x. Velocities are the last of an optimizer's state.

@group(0) @binding(9) var<storage, read_write> velocities: array<vec4<f32>>;

// Without momentum the body is replaced by one that returns x, and there are no velocities.
fn velocity(i: u32, x: vec4<f32>, momentum: f32) -> vec4<f32> {
    let v = momentum * velocities[i] + x;
    velocities[i] = v;
    return v;
}
