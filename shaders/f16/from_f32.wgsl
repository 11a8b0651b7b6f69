// f32 → f16: x as IEEE binary16, the nearest of them and the even one of two as near.
// use: f16/pack, shared/numbers
// In integers, because `pack2x16float` may round in any direction and means nothing beyond the range.

struct Params {
    count: u32,      // words
    elements: u32,
}

fn f16_at(i: u32) -> u32 {
    let word = in0[i];
    let sign = (word >> 16u) & 0x8000u;
    let a = word & 0x7fffffffu;
    if a > INF_BITS { return sign | 0x7e00u; }      // NaN
    if a >= 0x477ff000u { return sign | 0x7c00u; }  // 65,520 and more
    if a >= 0x38800000u {
        // Exponents differ by 112; half a unit of the last place is added, one less where the bits kept are even.
        return sign | ((a + 0xfffu + ((a >> 13u) & 1u) - 0x38000000u) >> 13u);
    }
    if a < 0x33000000u { return sign; }             // below 2⁻²⁵
    // A subnormal f16, in units of 2⁻²⁴.
    let shift = 126u - (a >> 23u);
    let fraction = (a & 0x7fffffu) | 0x800000u;
    return sign | ((fraction + (1u << (shift - 1u)) - 1u + ((fraction >> shift) & 1u)) >> shift);
}
