// Rounding to half precision: out holds x as IEEE binary16, two to a word, the nearest of them and the even one of two as near.
// One invocation per word. In integers, because `pack2x16float` may round in any direction and means nothing beyond the range.

const WORKGROUP: u32 = 256u;

struct Params {
    count: u32,
}

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<u32>;
@group(0) @binding(14) var<uniform> params: Params;

fn half_of(word: u32) -> u32 {
    let sign = (word >> 16u) & 0x8000u;
    let a = word & 0x7fffffffu;
    if a > 0x7f800000u { return sign | 0x7e00u; }   // NaN
    if a >= 0x477ff000u { return sign | 0x7c00u; }  // 65,520 and more
    if a >= 0x38800000u {
        // Exponents differ by 112; half a unit of the last place is added, one less where the bits kept are even.
        return sign | ((a + 0xfffu + ((a >> 13u) & 1u) - 0x38000000u) >> 13u);
    }
    if a < 0x33000000u { return sign; }             // below 2⁻²⁵
    // A subnormal half, in units of 2⁻²⁴.
    let shift = 126u - (a >> 23u);
    let fraction = (a & 0x7fffffu) | 0x800000u;
    return sign | ((fraction + (1u << (shift - 1u)) - 1u + ((fraction >> shift) & 1u)) >> shift);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let at = id.y * groups.x * WORKGROUP + id.x;
    if at >= (params.count + 1u) / 2u { return; }
    var word = half_of(x[2u * at]);
    if 2u * at + 1u < params.count { word |= half_of(x[2u * at + 1u]) << 16u; }
    out[at] = word;
}
