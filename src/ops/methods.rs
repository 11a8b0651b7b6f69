//! The elementwise table as methods and operators of `Tensor`.

use super::elementwise as row;
use super::elementwise::Row;
use crate::error::{OpError, finite};
use crate::graph::op::DType;
use crate::graph::{Tensor, record_shared};

macro_rules! unary {
    ($($(#[$doc:meta])* $name:ident => $row:ident;)*) => {
        impl Tensor {
            $($(#[$doc])*
            #[track_caller]
            pub fn $name(&self) -> Tensor {
                self.pointwise(&row::$row, &[], [0.0; 2])
            })*
        }
    };
}

unary! {
    /// The largest integer not above x; gradient 0.
    floor => FLOOR;
    /// The smallest integer not below x; gradient 0.
    ceil => CEIL;
    /// The nearest integer, halves to even; gradient 0.
    round => ROUND;
    /// e^x
    exp => EXP;
    /// e^x − 1, exact near 0.
    expm1 => EXPM1;
    /// Natural logarithm; −∞ at 0, NaN below.
    log => LOG;
    /// log(1 + x), exact near 0.
    log1p => LOG1P;
    /// √x; NaN below 0.
    sqrt => SQRT;
    /// 1 / √x
    rsqrt => RSQRT;
    /// 1 / x
    reciprocal => RECIPROCAL;
    /// sin x, x in radians; on a GPU for |x| up to 10⁴.
    sin => SIN;
    /// cos x, x in radians; on a GPU for |x| up to 10⁴.
    cos => COS;
    /// tan x, x in radians; on a GPU for |x| up to 10⁴.
    tan => TAN;
    /// The angle in −π/2..π/2 with the sine x; NaN beyond ±1, where its slope is infinite.
    asin => ASIN;
    /// The angle in 0..π with the cosine x; NaN beyond ±1, where its slope is infinite.
    acos => ACOS;
    /// The angle in −π/2..π/2 with the tangent x.
    atan => ATAN;
    /// (e^x − e^−x) / 2
    sinh => SINH;
    /// (e^x + e^−x) / 2
    cosh => COSH;
    /// The inverse of sinh.
    asinh => ASINH;
    /// The inverse of cosh that is not negative; NaN below 1.
    acosh => ACOSH;
    /// The inverse of tanh; ±∞ at ±1, NaN beyond.
    atanh => ATANH;
    /// 2^x
    exp2 => EXP2;
    /// Logarithm to base 2; −∞ at 0, NaN below.
    log2 => LOG2;
    /// Logarithm to base 10; −∞ at 0, NaN below.
    log10 => LOG10;
    /// The error function.
    erf => ERF;
    /// 1 − erf x, with the digits of the upper tail.
    erfc => ERFC;
    /// tanh x
    tanh => TANH;
    /// 1 / (1 + e^−x)
    sigmoid => SIGMOID;
    /// clamp(x / 6 + ½, 0, 1)
    hard_sigmoid => HARD_SIGMOID;
    /// max(x, 0); NaN stays NaN; gradient 0 at 0.
    relu => RELU;
    /// x Φ(x) with the exact normal distribution function.
    gelu => GELU;
    /// GELU's approximation by tanh.
    gelu_tanh => GELU_TANH;
    /// x σ(x), also called swish.
    silu => SILU;
    /// x / (1 + |x|); its limits ±1 at ±∞.
    softsign => SOFTSIGN;
    /// x clamp(x / 6 + ½, 0, 1) (Howard et al. 2019); gradient 0 at −3, 1 at 3.
    hard_swish => HARD_SWISH;
    /// x tanh(log(1 + e^x)) (Misra 2019).
    mish => MISH;
    /// Whether each element is NaN.
    is_nan => IS_NAN;
    /// Whether each element is infinite.
    is_inf => IS_INF;
    /// Whether each element is neither NaN nor infinite.
    is_finite => IS_FINITE;
    /// The same values, cut off from the graph: no gradient flows back through the result.
    detach => DETACH;
}

macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident => $row:ident;)*) => {
        impl Tensor {
            $($(#[$doc])*
            ///
            /// The shapes broadcast.
            #[track_caller]
            pub fn $name(&self, other: &Tensor) -> Tensor {
                self.pointwise(&row::$row, &[other], [0.0; 2])
            })*
        }
    };
}

binary! {
    /// x^y; NaN for a negative base with a broken exponent.
    pow => POW;
    /// √(x² + y²), also where the squares are beyond the range; gradient 0 where it is 0.
    hypot => HYPOT;
    /// The angle in −π..π of the point whose height is x, this tensor, and whose width is y: that of x / y in the right quadrant. Its gradient
    /// is 0 at the origin and at infinity.
    atan2 => ATAN2;
    /// log(e^x + e^y), neither of which is computed.
    logaddexp => LOGADDEXP;
}

macro_rules! with_option {
    ($($(#[$doc:meta])* $name:ident($option:ident: $fits:expr, $expected:literal) => $row:ident;)*) => {
        impl Tensor {
            $($(#[$doc])*
            #[track_caller]
            pub fn $name(&self, $option: f64) -> Tensor {
                if let Some(invalid) = self.unfit(stringify!($name), stringify!($option), $option, $fits, $expected) {
                    return invalid;
                }
                self.pointwise(&row::$row, &[], [$option, 0.0])
            })*
        }
    };
}

with_option! {
    /// x where x > 0, slope · x elsewhere. A slope that is no finite f32 is an error.
    leaky_relu(slope: finite, "a finite number") => LEAKY_RELU;
    /// x where x > 0, alpha (e^x − 1) elsewhere. An alpha that is no finite f32 is an error.
    elu(alpha: finite, "a finite number") => ELU;
    /// x where x > 0, alpha (e^(x / alpha) − 1) elsewhere (Barron 2017): of slope 1 at 0 for every alpha. An alpha that is not above 0, below 1.2e-38
    /// or no finite f32 is an error.
    celu(alpha: |alpha| finite(alpha) && alpha >= f64::from(f32::MIN_POSITIVE), "a finite number above 0, and not below 1.2e-38") => CELU;
    /// log(1 + e^(beta x)) / beta. A beta that is 0 or no finite f32 is an error.
    softplus(beta: |beta| finite(beta) && beta as f32 != 0.0, "a finite number that is not 0") => SOFTPLUS;
}

impl Tensor {
    /// An invalid tensor that names the option, unless its value fits.
    #[track_caller]
    pub(crate) fn unfit(
        &self,
        op: &'static str,
        option: &str,
        value: f64,
        fits: impl Fn(f64) -> bool,
        expected: &str,
    ) -> Option<Tensor> {
        // Not in a closure, which would be the caller whose line the error names.
        if fits(value) {
            return None;
        }
        Some(self.refuse(op, OpError::Value(format!("{option} is {value}, expected {expected}"))))
    }

    /// x limited to `min..max`; the gradient is 1 inside and at the limits, 0 outside. Either may be infinite; a `min` above `max` and NaN are
    /// errors, and for integers limits that are none.
    #[track_caller]
    pub fn clamp(&self, min: f64, max: f64) -> Tensor {
        if let Some(invalid) = self.unfit("clamp", "min", min, |min| min <= max, &format!("a number not above max, {max}")) {
            return invalid;
        }
        if self.is_whole() {
            return self.clamp_whole(min, max);
        }
        self.pointwise(&row::CLAMP, &[], [min, max])
    }

    /// The line from this tensor to another: x (1 − t) + y t, exact at t = 0 and t = 1. t may lie outside 0..1. The shapes broadcast.
    #[track_caller]
    pub fn lerp(&self, other: &Tensor, t: &Tensor) -> Tensor {
        if let Some(invalid) = self.unless_float("lerp") {
            return invalid;
        }
        self.mul(&t.neg().add_scalar(1.0)).add(&other.mul(t)).made_by("lerp", &[self, other, t])
    }

    /// x (1 − t) + y t for a number t; see [`Tensor::lerp`]. A t that is no finite f32 is an error.
    #[track_caller]
    pub fn lerp_scalar(&self, other: &Tensor, t: f64) -> Tensor {
        if let Some(invalid) = self.unfit("lerp_scalar", "t", t, finite, "a finite number") {
            return invalid;
        }
        if let Some(invalid) = self.unless_float("lerp_scalar") {
            return invalid;
        }
        self.mul_scalar(1.0 - t).add(&other.mul_scalar(t)).made_by("lerp_scalar", &[self, other])
    }

    /// `yes` where this bool tensor is true, `no` elsewhere. The shapes broadcast.
    #[track_caller]
    pub fn where_(&self, yes: &Tensor, no: &Tensor) -> Tensor {
        self.pointwise(&row::WHERE, &[yes, no], [0.0; 2])
    }

    /// As f32: integers rounded to the nearest, bools 0 or 1, halves as they are. An f32 tensor is returned as it is.
    #[track_caller]
    pub fn to_f32(&self) -> Tensor {
        match self.dtype_or_f32() {
            DType::F32 => self.clone(),
            DType::I32 => self.pointwise(&row::I32_TO_F32, &[], [0.0; 2]),
            DType::U32 => self.pointwise(&row::U32_TO_F32, &[], [0.0; 2]),
            DType::Bool => self.pointwise(&row::BOOL_TO_F32, &[], [0.0; 2]),
            DType::F16 => self.f16_to_f32(),
        }
    }

    /// As u32: floats toward zero and limited to the range (0 of NaN), an i32's bits as they are.
    #[track_caller]
    pub fn to_u32(&self) -> Tensor {
        self.pointwise(self.by_type(&row::F32_TO_U32, &row::TO_U32), &[], [0.0; 2])
    }

    /// As i32: floats toward zero and limited to the range (0 of NaN), a u32's bits as they are.
    #[track_caller]
    pub fn to_i32(&self) -> Tensor {
        self.pointwise(self.by_type(&row::F32_TO_I32, &row::TO_I32), &[], [0.0; 2])
    }

    /// As bool: whether each element is not zero.
    #[track_caller]
    pub fn to_bool(&self) -> Tensor {
        self.pointwise(self.by_type(&row::F32_TO_BOOL, &row::WORD_TO_BOOL), &[], [0.0; 2])
    }

    /// The gradient `self` of a (leaky) ReLU with the given slope at `x`.
    #[track_caller]
    pub(super) fn relu_grad(&self, x: &Tensor, slope: f64) -> Tensor {
        self.pointwise(&row::RELU_GRAD, &[x], [slope, 0.0])
    }

    /// The gradient `self` of a clamp of `x` to the limits.
    #[track_caller]
    pub(super) fn clamp_grad(&self, x: &Tensor, least: f64, most: f64) -> Tensor {
        self.pointwise(&row::CLAMP_GRAD, &[x], [least, most])
    }

    /// The gradient `gradient` of this tensor to the power of `exponent`, by this tensor.
    #[track_caller]
    pub(super) fn pow_slope(&self, exponent: &Tensor, gradient: &Tensor) -> Tensor {
        self.pointwise(&row::POW_SLOPE, &[exponent, gradient], [0.0; 2])
    }

    /// The part of the gradient `self` that `x` gets for being larger than `other`.
    #[track_caller]
    pub(super) fn share(&self, x: &Tensor, other: &Tensor) -> Tensor {
        self.pointwise(&row::SHARE, &[x, other], [0.0; 2])
    }

    /// The gradient `self` of |x|.
    #[track_caller]
    pub(super) fn signed(&self, x: &Tensor) -> Tensor {
        self.pointwise(&row::SIGNED, &[x], [0.0; 2])
    }

    /// x · mask, and 0 where the mask is 0, whatever x is.
    #[track_caller]
    pub(crate) fn masked(&self, mask: &Tensor) -> Tensor {
        self.pointwise(&row::MASKED, &[mask], [0.0; 2])
    }

    /// A scalar on this tensor's device.
    #[track_caller]
    pub(crate) fn constant(&self, value: f64) -> Tensor {
        record_shared(self.node().backend(), row::call(&row::FILL, [value, 0.0]), &[])
    }

    /// A tensor of this one's shape with every element `value`: of its type for integers and bool, of which `value` must be one, f32 otherwise.
    #[track_caller]
    pub fn full_like(&self, value: f64) -> Tensor {
        let one = self.alike("full_like", "value", value);
        match self.try_shape() {
            Ok(shape) if shape.rank() == 0 => one,
            Ok(shape) => one.expand(shape),
            Err(_) => self.clone(),
        }
    }

    pub(super) fn dtype_or_f32(&self) -> DType {
        // By reference: a call records in a microsecond, and a spec is large.
        self.node().spec().as_ref().map_or(DType::F32, |s| s.dtype)
    }

    pub(super) fn is_float(&self) -> bool {
        self.dtype_or_f32() == DType::F32
    }

    pub(super) fn by_type(&self, float: &'static Row, word: &'static Row) -> &'static Row {
        if self.is_float() { float } else { word }
    }
}
