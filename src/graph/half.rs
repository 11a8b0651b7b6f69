//! Half precision (IEEE 754 binary16): two numbers to a word of a device buffer, the first in its low half.
//!
//! Everything here is integer arithmetic but for one addition, so it means the same on every processor. The functions have no branches that depend
//! on data once they are compiled: loops over them become vector instructions. The crate `half` rounds to the same bits but for NaN, whose payload it
//! keeps where shaders do not, and its slices are slower (`docs/measurements.md`); the tests hold these functions to it.

/// The largest finite half. What is 65,520 or more in absolute value rounds to infinity.
pub const MAX: f32 = 65_504.0;

/// The half nearest to `x`, ties to the even one, as its 16 bits. Beyond the range it is infinite; every NaN becomes the quiet one of its sign.
///
/// ```
/// use steepest::graph::half;
/// assert_eq!(half::from_f32(1.0), 0x3c00);
/// assert_eq!(half::from_f32(65_520.0), 0x7c00); // infinity
/// ```
#[inline(always)]
pub fn from_f32(x: f32) -> u16 {
    let sign = x.to_bits() >> 16 & 0x8000;
    let a = x.to_bits() & 0x7fff_ffff;
    // A normal half: exponents differ by 112; half a unit of the last place is added, one less where the bits kept are even.
    let normal = a.wrapping_add(0xfff + (a >> 13 & 1)).wrapping_sub(112 << 23) >> 13;
    // A subnormal one: beside 0.5 the last place of an f32 is worth 2⁻²⁴, as that of a subnormal half.
    let subnormal = (f32::from_bits(a) + 0.5).to_bits().wrapping_sub(0.5f32.to_bits());
    let finite = if a < 0x3880_0000 { subnormal } else { normal };
    let beyond = if a > 0x7f80_0000 { 0x7e00 } else { 0x7c00 };
    (sign | if a >= 0x477f_f000 { beyond } else { finite }) as u16
}

/// The number that 16 bits stand for. Every half is an f32.
#[inline(always)]
pub fn to_f32(half: u16) -> f32 {
    let (sign, rest) = (u32::from(half & 0x8000) << 16, u32::from(half & 0x7fff));
    // The bits in their place as if the exponent meant the same, put right by a product that is exact, for subnormal halves too.
    let scaled = (f32::from_bits(rest << 13) * f32::from_bits((127 + 112) << 23)).to_bits();
    let bits = if rest >= 0x7c00 { scaled | 0x7f80_0000 } else { scaled };
    f32::from_bits(sign | bits)
}

/// A number in f64 rounded to f32 and then to a half, as a device does.
pub fn rounded(x: f64) -> f64 {
    f64::from(to_f32(from_f32(x as f32)))
}

/// Words that `count` halves take.
pub fn words(count: usize) -> usize {
    count.div_ceil(2)
}

/// The word of two numbers.
#[inline(always)]
pub fn pair(first: f32, second: f32) -> u32 {
    u32::from(from_f32(first)) | u32::from(from_f32(second)) << 16
}

/// Number `i` of packed words.
#[inline(always)]
pub fn at(words: &[u32], i: usize) -> f32 {
    to_f32((words[i / 2] >> (16 * (i % 2))) as u16)
}

/// Numbers rounded and packed; the odd half of the last word is zero.
pub fn pack(numbers: &[f32]) -> Vec<u32> {
    numbers.chunks(2).map(|two| pair(two[0], two.get(1).copied().unwrap_or(0.0))).collect()
}

/// The first `count` numbers of packed words.
pub fn unpack(words: &[u32], count: usize) -> Vec<f32> {
    (0..count).map(|i| at(words, i)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A half by the definition: sign, 5 bits of exponent, 10 of fraction.
    fn defined(half: u16) -> f64 {
        let (exponent, fraction) = (i32::from(half >> 10 & 31), f64::from(half & 1023) / 1024.0);
        let size = match exponent {
            0 => fraction * 2f64.powi(-14),
            31 if fraction == 0.0 => f64::INFINITY,
            31 => f64::NAN,
            _ => (1.0 + fraction) * 2f64.powi(exponent - 15),
        };
        if half & 0x8000 == 0 { size } else { -size }
    }

    #[test]
    fn every_half_is_what_its_bits_say_and_comes_back() {
        for half in 0..=u16::MAX {
            let (expected, found) = (defined(half), to_f32(half));
            if expected.is_nan() {
                assert!(found.is_nan() && from_f32(found) == (half & 0x8000 | 0x7e00), "{half:04x}");
                continue;
            }
            assert_eq!(f64::from(found), expected, "{half:04x}");
            assert_eq!(found.is_sign_negative(), half & 0x8000 != 0, "{half:04x}");
            assert_eq!(from_f32(found), half, "{found} comes back");
        }
    }

    /// Between every two neighbours: what is below the middle goes down, above it up, and the middle itself to the even one.
    #[test]
    fn rounding_is_to_the_nearest_and_ties_go_to_even() {
        for low in 0..0x7c00u16 {
            let high = low + 1;
            // What would follow the largest finite half: 65,536, whose place infinity takes.
            let above = if high == 0x7c00 { 65_536.0 } else { defined(high) };
            let middle = (defined(low) + above) / 2.0;
            let exact = middle as f32;
            assert_eq!(f64::from(exact), middle, "the middle is an f32");
            let even = if low % 2 == 0 { low } else { high };
            for (x, expected) in [(exact, even), (exact.next_down(), low), (exact.next_up(), high)] {
                assert_eq!(from_f32(x), expected, "{x:e} between {low:04x} and {high:04x}");
                assert_eq!(from_f32(-x), expected | 0x8000, "-{x:e}");
            }
        }
    }

    #[test]
    fn what_is_out_of_range_or_no_number() {
        for (x, expected) in [
            (0.0, 0),
            (-0.0, 0x8000),
            (f32::MIN_POSITIVE, 0),
            (-f32::from_bits(1), 0x8000),
            (2f32.powi(-25), 0),
            (2f32.powi(-25).next_up(), 1),
            (2f32.powi(-24), 1),
            (MAX, 0x7bff),
            (65_519.996, 0x7bff),
            (65_520.0, 0x7c00),
            (f32::MAX, 0x7c00),
            (f32::NEG_INFINITY, 0xfc00),
            (f32::NAN, 0x7e00),
            (f32::from_bits(0xff80_0001), 0xfe00),
        ] {
            assert_eq!(from_f32(x), expected, "{x:e}");
        }
    }

    /// The crate `half` keeps what a NaN carries, as far as there is room; of all else it says the same.
    #[test]
    fn the_crate_half_says_the_same() {
        for half in 0..=u16::MAX {
            let (found, expected) = (to_f32(half), ::half::f16::from_bits(half).to_f32());
            assert!(found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan()), "{half:04x}");
        }
        for x in (0..=u32::MAX).step_by(997).map(f32::from_bits).filter(|x| !x.is_nan()) {
            assert_eq!(from_f32(x), ::half::f16::from_f32(x).to_bits(), "{x:e}");
        }
    }

    #[test]
    fn numbers_are_packed_two_by_two() {
        let numbers = [1.0, -2.0, 0.1, 65_536.0, -0.0];
        let words = pack(&numbers);
        assert_eq!(words, [0xc000_3c00, 0x7c00_2e66, 0x0000_8000]);
        assert_eq!(words.len(), super::words(5));
        assert_eq!(unpack(&words, 5), [1.0, -2.0, 0.099975586, f32::INFINITY, -0.0]);
        assert_eq!(pack(&[]), [] as [u32; 0]);
    }
}
