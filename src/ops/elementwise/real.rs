//! Functions of the table's Rust expressions, which are compiled in both precisions.

use super::super::math;

/// Functions that rows use in both precisions.
pub(super) trait Real: Copy {
    /// The larger; NaN if either is NaN.
    fn maximum(self, other: Self) -> Self;
    /// The smaller; NaN if either is NaN.
    fn minimum(self, other: Self) -> Self;
    /// −1, 0 or 1; NaN of NaN.
    fn sign(self) -> Self;
    /// 1 / (1 + e^−x).
    fn sigmoid(self) -> Self;
    /// The error function.
    fn erf(self) -> Self;
    /// 1 − erf x, with the digits of the upper tail.
    fn erfc(self) -> Self;
    /// The normal distribution function.
    fn normal_cdf(self) -> Self;
    /// eˣ
    fn exp(self) -> Self;
    /// eˣ − 1, exact near 0.
    fn exp_m1(self) -> Self;
    /// The natural logarithm.
    fn ln(self) -> Self;
    /// ln(1 + x), exact near 0.
    fn ln_1p(self) -> Self;
    /// tanh x
    fn tanh(self) -> Self;
    /// 2ˣ
    fn exp2(self) -> Self;
    /// sinh x
    fn sinh(self) -> Self;
    /// cosh x
    fn cosh(self) -> Self;
    /// The inverse of sinh.
    fn asinh(self) -> Self;
    /// The inverse of cosh; NaN below 1.
    fn acosh(self) -> Self;
    /// The inverse of tanh; NaN beyond ±1.
    fn atanh(self) -> Self;
    /// The inverse of sin, in −π/2..π/2; NaN beyond ±1.
    fn asin(self) -> Self;
    /// The inverse of cos, in 0..π; NaN beyond ±1.
    fn acos(self) -> Self;
    /// The angle of the point (x, self).
    fn atan2(self, x: Self) -> Self;
    /// √(self² + other²)
    fn hypot(self, other: Self) -> Self;
}

macro_rules! real {
    ($t:ty, $erf:path, $erfc:path, $exp:path, $exp_m1:path, $ln:path, $ln_1p:path, $tanh:path,
     $($name:ident: $path:path),*; $($name_of_two:ident: $path_of_two:path),*) => {
        // All inlined, so that the loops of the table are vectorised with what they call.
        impl Real for $t {
            #[inline(always)]
            fn maximum(self, other: $t) -> $t {
                if self.is_nan() || self > other { self } else { other }
            }
            #[inline(always)]
            fn minimum(self, other: $t) -> $t {
                if self.is_nan() || self < other { self } else { other }
            }
            #[inline(always)]
            fn sign(self) -> $t {
                if self > 0.0 {
                    1.0
                } else if self < 0.0 {
                    -1.0
                } else if self.is_nan() {
                    self
                } else {
                    0.0
                }
            }
            #[inline(always)]
            fn sigmoid(self) -> $t {
                let e = $exp(-self.abs());
                (if self < 0.0 { e } else { 1.0 }) / (1.0 + e)
            }
            #[inline(always)]
            fn erf(self) -> $t {
                $erf(self)
            }
            #[inline(always)]
            fn erfc(self) -> $t {
                $erfc(self)
            }
            #[inline(always)]
            fn normal_cdf(self) -> $t {
                // erfc keeps the digits of the lower tail, which 1 + erf would cancel.
                0.5 * $erfc(-self * std::f64::consts::FRAC_1_SQRT_2 as $t)
            }
            #[inline(always)]
            fn exp(self) -> $t {
                $exp(self)
            }
            #[inline(always)]
            fn exp_m1(self) -> $t {
                $exp_m1(self)
            }
            #[inline(always)]
            fn ln(self) -> $t {
                $ln(self)
            }
            #[inline(always)]
            fn ln_1p(self) -> $t {
                $ln_1p(self)
            }
            #[inline(always)]
            fn tanh(self) -> $t {
                $tanh(self)
            }
            $(#[inline(always)]
            fn $name(self) -> $t {
                $path(self)
            })*
            $(#[inline(always)]
            fn $name_of_two(self, other: $t) -> $t {
                $path_of_two(self, other)
            })*
        }
    };
}
real!(f32, math::erf, math::erfc, math::exp, math::exp_m1, math::ln, math::ln_1p, math::tanh,
    exp2: math::exp2, sinh: math::sinh, cosh: math::cosh, asinh: math::asinh, acosh: math::acosh, atanh: math::atanh,
    asin: math::asin, acos: math::acos; atan2: math::atan2, hypot: math::hypot);
real!(f64, libm::erf, libm::erfc, f64::exp, f64::exp_m1, f64::ln, f64::ln_1p, f64::tanh,
    exp2: f64::exp2, sinh: f64::sinh, cosh: f64::cosh, asinh: libm::asinh, acosh: libm::acosh, atanh: libm::atanh,
    asin: f64::asin, acos: f64::acos; atan2: f64::atan2, hypot: f64::hypot);
