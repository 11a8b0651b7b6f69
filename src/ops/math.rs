//! exp, log and what is made of them in plain f32 arithmetic without branches, so that loops over them become vectors.
//!
//! The tolerances are those of `tolerance.rs`; NaN stays NaN, and infinities give what they give in NumPy. Multiplications and
//! additions are not fused, so that every processor computes the same bits.

use std::f32::consts::{FRAC_2_SQRT_PI, FRAC_PI_2, FRAC_PI_4, LN_2, LOG2_E, PI, SQRT_2};

/// Adding and subtracting it rounds to the nearest integer: 1.5 · 2²³.
const ROUND: f32 = 12_582_912.0;
/// ln 2 in two parts, of which the first has few digits: whole multiples of it are exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = (std::f64::consts::LN_2 - LN_2_HIGH as f64) as f32;

/// The polynomial with these coefficients, highest power first.
#[inline(always)]
fn polynomial<const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let mut sum = coefficients[0];
    for c in &coefficients[1..] {
        sum = sum * x + c;
    }
    sum
}

/// x, but at most `most`; NaN stays.
#[inline(always)]
fn at_most(x: f32, most: f32) -> f32 {
    if x > most { most } else { x }
}

/// eˣ = 2ⁿ eʳ with |r| ≤ ½ ln 2, and eʳ by its power series.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Beyond these it is 0 or infinite.
    let x = at_most(x, 90.0);
    let x = if x < -105.0 { -105.0 } else { x };
    let shifted = x * LOG2_E + ROUND;
    let n = shifted - ROUND;
    exp_of_parts((x - n * LN_2_HIGH) - n * LN_2_LOW, shifted)
}

/// eʳ 2ⁿ for |r| ≤ ½ ln 2 and n = `shifted` − [`ROUND`].
#[inline(always)]
fn exp_of_parts(r: f32, shifted: f32) -> f32 {
    let series = polynomial(r, [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0]);
    // In two factors, because 2ⁿ alone may lie beyond the range where the result does not.
    let n = shifted.to_bits().wrapping_sub(ROUND.to_bits()) as i32;
    let half = n >> 1;
    series * power_of_two(half) * power_of_two(n.wrapping_sub(half))
}

/// 2ⁿ for −126 ≤ n ≤ 127.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// eˣ − 1, exact near 0.
#[inline(always)]
pub fn exp_m1(x: f32) -> f32 {
    let series = polynomial(x, [1.0 / 40_320.0, 1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0]) * x;
    let far = exp(x) - 1.0;
    if x.abs() < 0.4 { series } else { far }
}

/// ln x = e ln 2 + ln m with ½√2 ≤ m < √2, and ln m = 2 artanh s, s = (m − 1) / (m + 1), by its power series.
#[inline(always)]
pub fn ln(x: f32) -> f32 {
    let tiny = x < f32::MIN_POSITIVE;
    let scaled = if tiny { x * 16_777_216.0 } else { x };
    // As many halvings as bring m below √2.
    let offset = scaled.to_bits().wrapping_sub((0.5 * SQRT_2).to_bits());
    let exponent = (offset as i32) >> 23;
    let m = f32::from_bits(scaled.to_bits().wrapping_sub((exponent << 23) as u32));
    let e = exponent as f32 - if tiny { 24.0 } else { 0.0 };
    let s = (m - 1.0) / (m + 1.0);
    let square = s * s;
    let series = polynomial(square, [2.0 / 11.0, 2.0 / 9.0, 2.0 / 7.0, 2.0 / 5.0, 2.0 / 3.0]) * square * s + 2.0 * s;
    let result = e * LN_2_HIGH + (e * LN_2_LOW + series);
    let result = if x < 0.0 || x.is_nan() { f32::NAN } else { result };
    let result = if x == 0.0 { f32::NEG_INFINITY } else { result };
    if x == f32::INFINITY { f32::INFINITY } else { result }
}

/// ln(1 + x), exact near 0: what is lost in rounding 1 + x is added.
#[inline(always)]
pub fn ln_1p(x: f32) -> f32 {
    let sum = 1.0 + x;
    let lost = (x - (sum - 1.0)) / sum;
    // At −1 and at infinity nothing is lost, and the formula gives NaN.
    let lost = if sum == 0.0 || sum == f32::INFINITY { 0.0 } else { lost };
    let result = ln(sum) + lost;
    // A zero keeps its sign.
    if x == 0.0 { x } else { result }
}

/// tanh x = (e²ˣ − 1) / (e²ˣ + 1)
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let e = exp_m1(at_most(2.0 * x.abs(), 40.0));
    (e / (e + 2.0)).copysign(x)
}

/// e^(z²) erfc z for z ≥ 0 as t P(t − 0.6), t = 3 / (3 + z): a Chebyshev fit on z ≤ 10.1, error 7e-9.
#[inline(always)]
fn scaled_erfc(z: f32) -> f32 {
    let t = 3.0 / (3.0 + at_most(z, 10.1));
    t * polynomial(
        t - 0.6,
        [
            0.057_007_753,
            0.008_667_964,
            -0.144_898_04,
            -0.125_027_92,
            0.241_434_33,
            0.771_889_9,
            1.110_530_2,
            1.076_388_3,
            0.773_851_75,
            0.425_659_46,
        ],
    )
}

/// 1 − erf x, with the digits of the upper tail.
#[inline(always)]
pub fn erfc(x: f32) -> f32 {
    let z = x.abs();
    let upper = exp(-z * z) * scaled_erfc(z);
    if x < 0.0 { 2.0 - upper } else { upper }
}

/// The error function: its power series near 0, 1 − erfc beyond.
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    let square = x * x;
    let series =
        polynomial(square, [-1.0 / 75_600.0, 1.0 / 9360.0, -1.0 / 1320.0, 1.0 / 216.0, -1.0 / 42.0, 0.1, -1.0 / 3.0, 1.0]);
    let near = FRAC_2_SQRT_PI * x * series;
    let far = (1.0 - erfc(x.abs())).copysign(x);
    if x.abs() < 0.6 { near } else { far }
}

/// 2ˣ
#[inline(always)]
pub fn exp2(x: f32) -> f32 {
    let x = at_most(x, 129.0);
    let x = if x < -152.0 { -152.0 } else { x };
    let shifted = x + ROUND;
    exp_of_parts((x - (shifted - ROUND)) * LN_2, shifted)
}

/// eˣ / 2, which is finite further than eˣ.
#[inline(always)]
fn half_exp(x: f32) -> f32 {
    let e = exp(0.5 * x);
    (0.5 * e) * e
}

/// cosh x = (eˣ + e⁻ˣ) / 2
#[inline(always)]
pub fn cosh(x: f32) -> f32 {
    let h = half_exp(x.abs());
    h + 0.25 / h
}

/// sinh x = (eˣ − e⁻ˣ) / 2, near 0 by eˣ − 1.
#[inline(always)]
pub fn sinh(x: f32) -> f32 {
    let t = x.abs();
    let h = half_exp(t);
    let e = exp_m1(at_most(t, 1.0));
    let size = if t < 1.0 { 0.5 * (e + e / (e + 1.0)) } else { h - 0.25 / h };
    size.copysign(x)
}

/// Above it the inverse hyperbolic sine and cosine of x are ln 2x.
const LARGE: f32 = 1e4;

/// arsinh x = ln(1 + t + t² / (1 + √(1 + t²))) with the sign of x, t = |x|.
#[inline(always)]
pub fn asinh(x: f32) -> f32 {
    let t = x.abs();
    let near = ln_1p(t + t * t / (1.0 + (1.0 + t * t).sqrt()));
    let far = ln(t) + LN_2;
    (if t > LARGE { far } else { near }).copysign(x)
}

/// arcosh x = ln(1 + t + √(t (t + 2))), t = x − 1; NaN below 1.
#[inline(always)]
pub fn acosh(x: f32) -> f32 {
    let t = x - 1.0;
    let near = ln_1p(t + (t * (t + 2.0)).sqrt());
    let far = ln(x) + LN_2;
    let result = if x > LARGE { far } else { near };
    if x < 1.0 { f32::NAN } else { result }
}

/// artanh x = ½ ln(1 + 2t / (1 − t)) with the sign of x, t = |x|; NaN beyond 1.
#[inline(always)]
pub fn atanh(x: f32) -> f32 {
    let t = x.abs();
    (0.5 * ln_1p(2.0 * t / (1.0 - t))).copysign(x)
}

/// The angle of the point (x, y): the arc tangent of the smaller of |x| and |y| divided by the larger, moved to where the point is. Above
/// tan(π/8) it is π/4 and the arc tangent of (r − 1) / (r + 1); then an odd polynomial, error 1e-9.
#[inline(always)]
pub fn atan2(y: f32, x: f32) -> f32 {
    let (wide, high) = (x.abs(), y.abs());
    let (small, large) = if high > wide { (wide, high) } else { (high, wide) };
    let r = small / large;
    let r = if large == 0.0 { 0.0 } else { r };
    let r = if small == f32::INFINITY { 1.0 } else { r };
    let far = r > 0.414_213_57;
    let r = if far { (r - 1.0) / (r + 1.0) } else { r };
    let square = r * r;
    let series = polynomial(square, [-0.064_519_28, 0.107_437_31, -0.142_639_56, 0.199_995_4, -0.333_333_3]);
    let angle = series * square * r + r + if far { FRAC_PI_4 } else { 0.0 };
    let angle = if high > wide { FRAC_PI_2 - angle } else { angle };
    let angle = if x.is_sign_negative() { PI - angle } else { angle };
    let result = angle.copysign(y);
    if x.is_nan() || y.is_nan() { f32::NAN } else { result }
}

/// √((1 − x)(1 + x)), exact near ±1: the other leg of a right triangle with the leg x and the hypotenuse 1.
#[inline(always)]
fn other_leg(x: f32) -> f32 {
    ((1.0 - x) * (1.0 + x)).sqrt()
}

/// arcsin x; NaN beyond ±1.
#[inline(always)]
pub fn asin(x: f32) -> f32 {
    atan2(x, other_leg(x))
}

/// arccos x; NaN beyond ±1.
#[inline(always)]
pub fn acos(x: f32) -> f32 {
    atan2(other_leg(x), x)
}

/// √(a² + b²), the squares in f64, which has room for them; infinite if either is, also beside a NaN.
#[inline(always)]
pub fn hypot(a: f32, b: f32) -> f32 {
    let (wide, high) = (f64::from(a), f64::from(b));
    let result = (wide * wide + high * high).sqrt() as f32;
    if a.is_infinite() || b.is_infinite() { f32::INFINITY } else { result }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest error of `f` against `truth` in units of 2e-6 |truth| + 1e-7, over floats spread evenly in their bits.
    fn worst(f: fn(f32) -> f32, truth: fn(f64) -> f64, from: f32, to: f32) -> f64 {
        let error = |x: f32| {
            let (found, expected) = (f64::from(f(x)), truth(f64::from(x)));
            let allowed = 2e-6 + if x.abs() > 10.0 { f64::from(x.abs()) * 1.2e-7 } else { 0.0 };
            (found - expected).abs() / (allowed * expected.abs() + 1e-7)
        };
        let steps = (0..200_000).map(|i| from + (to - from) * (i as f32 / 200_000.0));
        steps
            .chain((0..60_000).map(|i| f32::from_bits(i * 71_000)).filter(|x| (from..to).contains(x)))
            .map(error)
            .fold(0.0, f64::max)
    }

    #[test]
    fn functions_are_exact_enough() {
        for (name, error) in [
            ("exp", worst(exp, f64::exp, -103.0, 88.7)),
            ("exp_m1", worst(exp_m1, f64::exp_m1, -40.0, 88.7)),
            ("ln", worst(ln, f64::ln, 0.0, 1e30)),
            ("ln near 1", worst(ln, f64::ln, 0.5, 2.0)),
            ("ln_1p", worst(ln_1p, f64::ln_1p, -0.999, 100.0)),
            ("tanh", worst(tanh, f64::tanh, -20.0, 20.0)),
            ("erf", worst(erf, libm::erf, -6.0, 6.0)),
            ("erfc", worst(erfc, libm::erfc, -6.0, 9.0)),
            ("exp2", worst(exp2, f64::exp2, -149.0, 127.9)),
            ("sinh", worst(sinh, f64::sinh, -89.4, 89.4)),
            ("cosh", worst(cosh, f64::cosh, -89.4, 89.4)),
            ("asinh", worst(asinh, libm::asinh, -1e30, 1e30)),
            ("asinh near 0", worst(asinh, libm::asinh, -3.0, 3.0)),
            ("acosh", worst(acosh, libm::acosh, 1.0, 1e30)),
            ("acosh near 1", worst(acosh, libm::acosh, 1.0, 1.1)),
            ("atanh", worst(atanh, libm::atanh, -1.0, 1.0)),
            ("asin", worst(asin, f64::asin, -1.0, 1.0)),
            ("acos", worst(acos, f64::acos, -1.0, 1.0)),
            ("atan", worst(|x| atan2(x, 1.0), f64::atan, -1e30, 1e30)),
            ("atan near 0", worst(|x| atan2(x, 1.0), f64::atan, -5.0, 5.0)),
            ("angles to the left", worst(|x| atan2(x, -2.0), |x| x.atan2(-2.0), -5.0, 5.0)),
            ("hypot", worst(|x| hypot(x, 3.0), |x| x.hypot(3.0), -1e38, 1e38)),
        ] {
            assert!(error < 1.0, "{name}: {error} of its bound");
        }
    }

    fn hypot_of_3(x: f32) -> f32 {
        hypot(x, 3.0)
    }

    #[test]
    fn values_that_are_not_finite_stay_so() {
        let functions = [exp, exp_m1, ln, ln_1p, tanh, erf, erfc];
        assert!(functions.iter().all(|f| f(f32::NAN).is_nan()));
        let at_infinity = functions.map(|f| f(f32::INFINITY));
        let inf = f32::INFINITY;
        assert_eq!(at_infinity, [inf, inf, inf, inf, 1.0, 1.0, 0.0]);
        assert_eq!([exp, exp_m1, tanh, erf, erfc].map(|f| f(-inf)), [0.0, -1.0, -1.0, -1.0, 2.0]);
        assert_eq!([ln(0.0), ln(-0.0), ln_1p(-1.0)], [-inf; 3]);
        assert!(ln(-1.0).is_nan() && ln(-inf).is_nan() && ln_1p(-2.0).is_nan());
        assert_eq!([exp(89.0), exp(-104.0), exp(f32::MAX), exp(f32::MIN)], [inf, 0.0, inf, 0.0]);
        assert_eq!(exp_m1(-0.0).to_bits(), (-0.0f32).to_bits());
        assert_eq!(tanh(-0.0).to_bits(), (-0.0f32).to_bits());
        assert!((ln(1e-42) + 96.709_f32).abs() < 1e-2);
        assert_eq!([exp2, sinh, cosh, asinh, acosh, hypot_of_3].map(|f| f(inf)), [inf; 6]);
        assert_eq!([exp2, sinh, cosh, asinh, hypot_of_3].map(|f| f(-inf)), [0.0, -inf, inf, -inf, inf]);
        assert!([exp2, sinh, cosh, asinh, acosh, atanh, asin, acos, hypot_of_3].iter().all(|f| f(f32::NAN).is_nan()));
        assert!([acosh(0.99), acosh(-inf), atanh(1.1), atanh(inf), asin(-1.1), acos(inf)].iter().all(|x| x.is_nan()));
        assert_eq!([atanh(1.0), atanh(-1.0), exp2(-160.0), exp2(7.0), acosh(1.0), acos(1.0)], [inf, -inf, 0.0, 128.0, 0.0, 0.0]);
        // Zeros and infinities have directions too.
        let angles =
            [(0.0, 1.0), (-0.0, 1.0), (0.0, -1.0), (-0.0, -1.0), (0.0, 0.0), (-0.0, -0.0), (inf, inf), (inf, -inf), (-1.0, inf)];
        for (y, x) in angles {
            let expected = f32::atan2(y, x);
            assert!((atan2(y, x) - expected).abs() < 3e-7 && atan2(y, x).is_sign_negative() == expected.is_sign_negative());
        }
        assert!(atan2(f32::NAN, 1.0).is_nan() && atan2(1.0, f32::NAN).is_nan());
    }
}
