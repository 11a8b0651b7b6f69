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
}

macro_rules! real {
    ($t:ty, $erf:path, $erfc:path, $exp:path, $exp_m1:path, $ln:path, $ln_1p:path, $tanh:path) => {
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
        }
    };
}
real!(f32, math::erf, math::erfc, math::exp, math::exp_m1, math::ln, math::ln_1p, math::tanh);
real!(f64, libm::erf, libm::erfc, f64::exp, f64::exp_m1, f64::ln, f64::ln_1p, f64::tanh);
