//! Numbers for trainings that are compared with those of other programs: by a hash of seed and index, so that anyone can make the same ones.

/// Uniform in [−½, ½): a pure function of seed and index.
fn number(seed: u32, index: u32) -> f32 {
    let mix = |x: u32, shift: u32, factor: u32| (x ^ (x >> shift)).wrapping_mul(factor);
    let start = index.wrapping_add(seed.wrapping_mul(0x9e37_79b9));
    let mixed = mix(mix(start, 16, 0x7feb_352d), 15, 0x846c_a68b);
    ((mixed ^ (mixed >> 16)) >> 8) as f32 / (1 << 24) as f32 - 0.5
}

/// Uniform in [−scale/2, scale/2).
pub fn numbers(seed: u32, count: usize, scale: f32) -> Vec<f32> {
    (0..count as u32).map(|i| number(seed, i) * scale).collect()
}

/// Classes, uniform below `classes`.
pub fn labels(seed: u32, count: usize, classes: u32) -> Vec<u32> {
    (0..count as u32).map(|i| (((number(seed, i) + 0.5) * classes as f32) as u32).min(classes - 1)).collect()
}
