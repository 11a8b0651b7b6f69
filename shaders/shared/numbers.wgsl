// NaN and infinities, told by their bits: what a compiler may assume of such numbers differs from driver to driver.

const NAN_BITS: u32 = 0x7fc00000u;
const INF_BITS: u32 = 0x7f800000u;

// Through a variable: WGSL refuses constant expressions that are not finite.
fn nan() -> f32 {
    var bits = NAN_BITS;
    return bitcast<f32>(bits);
}
fn inf() -> f32 {
    var bits = INF_BITS;
    return bitcast<f32>(bits);
}

// Compilers may take x != x for false: look at the bits.
fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > INF_BITS; }
fn is_inf(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) == INF_BITS; }
fn is_negative(x: f32) -> bool { return (bitcast<u32>(x) >> 31u) != 0u; }
fn is_finite(x: f32) -> bool { return (bitcast<u32>(x) & INF_BITS) != INF_BITS; }
