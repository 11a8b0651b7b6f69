//! Arithmetic and comparison of numbers of every type as methods of `Tensor`: floats, and integers, whose sums and products wrap around.

use super::elementwise as row;
use super::elementwise::{Pointwise, Row};
use crate::error::{OpError, finite};
use crate::graph::op::DType;
use crate::graph::{Tensor, record_on};

/// The rows of an op: of f32, i32 and u32.
type Rows = [&'static Row; 3];

macro_rules! arithmetic {
    ($($(#[$doc:meta])* $name:ident => [$float:ident, $signed:ident, $unsigned:ident];)*) => {
        impl Tensor {
            $($(#[$doc])*
            ///
            /// The shapes broadcast. Both are f32, both i32 or both u32; two types are an error.
            #[track_caller]
            pub fn $name(&self, other: &Tensor) -> Tensor {
                const ROWS: fn() -> Rows = || [&row::$float, &row::$signed, &row::$unsigned];
                self.by_number(stringify!($name), ROWS(), other)
            })*
        }
    };
}

arithmetic! {
    /// x + y; of integers it wraps around.
    add => [ADD, ADD_WORD, ADD_WORD];
    /// x − y; of integers it wraps around.
    sub => [SUB, SUB_WORD, SUB_WORD];
    /// x · y, element by element (the Hadamard product); of integers it wraps around.
    mul => [MUL, MUL_WORD, MUL_WORD];
    /// The larger of two; a tie gives half the gradient to each; NaN if either is NaN.
    maximum => [MAXIMUM, MAX_I32, MAX_U32];
    /// The smaller of two; a tie gives half the gradient to each; NaN if either is NaN.
    minimum => [MINIMUM, MIN_I32, MIN_U32];
}

macro_rules! comparison {
    ($($(#[$doc:meta])* $name:ident => [$float:ident, $signed:ident, $unsigned:ident] $(by $turned:ident)?;)*) => {
        impl Tensor {
            $($(#[$doc])*
            ///
            /// The shapes broadcast. Both are of one type, also bool (false is less than true); two types are an error.
            #[track_caller]
            pub fn $name(&self, other: &Tensor) -> Tensor {
                const NAME: &str = stringify!($name);
                if self.dtype_or_f32() == DType::Bool && other.dtype_or_f32() == DType::Bool {
                    return self.to_u32().$name(&other.to_u32()).made_by(NAME, &[self, other]);
                }
                $(if self.is_whole() && other.dtype_or_f32() == self.dtype_or_f32() {
                    return other.$turned(self).made_by(NAME, &[self, other]);
                })?
                const ROWS: fn() -> Rows = || [&row::$float, &row::$signed, &row::$unsigned];
                self.by_number(NAME, ROWS(), other)
            })*
        }
    };
}

comparison! {
    /// x < y
    lt => [LT, LT_I32, LT_U32];
    /// x ≤ y
    le => [LE, LE_I32, LE_U32];
    /// x > y
    gt => [GT, LT_I32, LT_U32] by lt;
    /// x ≥ y
    ge => [GE, LE_I32, LE_U32] by le;
}

macro_rules! compare_scalar {
    ($($(#[$doc:meta])* $name:ident => $method:ident;)*) => {
        impl Tensor {
            $($(#[$doc])*
            ///
            /// Of integers and bool p must be one of their type.
            #[track_caller]
            pub fn $name(&self, p: f64) -> Tensor {
                const NAME: &str = stringify!($name);
                self.$method(&self.alike(NAME, "p", p)).made_by(NAME, &[self])
            })*
        }
    };
}

compare_scalar! {
    /// x < p
    lt_scalar => lt;
    /// x ≤ p
    le_scalar => le;
    /// x > p
    gt_scalar => gt;
    /// x ≥ p
    ge_scalar => ge;
    /// x = p
    eq_scalar => eq;
    /// x ≠ p
    ne_scalar => ne;
}

macro_rules! bits {
    ($($(#[$doc:meta])* $name:ident => [$truth:ident, $word:ident];)*) => {
        impl Tensor {
            $($(#[$doc])*
            ///
            /// The shapes broadcast. Both are of one type: bool (logically) or integers (bit by bit).
            #[track_caller]
            pub fn $name(&self, other: &Tensor) -> Tensor {
                self.by_number(stringify!($name), [&row::$truth, &row::$word, &row::$word], other)
            })*
        }
    };
}

bits! {
    /// x and y.
    and => [AND, AND_WORD];
    /// x or y.
    or => [OR, OR_WORD];
    /// Either x or y, not both.
    xor => [XOR, XOR_WORD];
}

macro_rules! division {
    ($($(#[$doc:meta])* $name:ident, $scalar:ident => [$signed:ident, $unsigned:ident], |$x:ident, $y:ident| $float:expr;)*) => {
        impl Tensor {
            $($(#[$doc])*
            ///
            /// The shapes broadcast. Both are f32, both i32 or both u32; two types are an error. Of integers a division by 0 gives 0, as in NumPy,
            /// and the least i32 divided by −1 is itself.
            #[track_caller]
            pub fn $name(&self, other: &Tensor) -> Tensor {
                const NAME: &str = stringify!($name);
                if self.is_whole() {
                    return self.by_number(NAME, [&row::$signed, &row::$signed, &row::$unsigned], other);
                }
                if let Some(invalid) = self.unlike(NAME, other) {
                    return invalid;
                }
                let ($x, $y) = (self, other);
                $float.made_by(NAME, &[self, other])
            }

            $(#[$doc])*
            ///
            /// Here y is a number p, which of integers must be one of their type.
            #[track_caller]
            pub fn $scalar(&self, p: f64) -> Tensor {
                const NAME: &str = stringify!($scalar);
                self.$name(&self.alike(NAME, "p", p)).made_by(NAME, &[self])
            })*
        }
    };
}

division! {
    /// x / y rounded toward zero; of floats its gradient is 0.
    div_trunc, div_trunc_scalar => [DIV_I32, DIV_U32], |x, y| x.div(y).trunc();
    /// x / y rounded down (`floor_divide`, Python's `//`); of floats its gradient is 0.
    div_floor, div_floor_scalar => [DIV_FLOOR_I32, DIV_U32], |x, y| x.div(y).floor();
    /// What x / y toward zero leaves, with the sign of x: x − y trunc(x / y).
    fmod, fmod_scalar => [FMOD_I32, REMAINDER_U32], |x, y| x.sub(&y.mul(&x.div(y).trunc()));
    /// What x / y rounded down leaves, with the sign of y: x − y floor(x / y) (Python's `%`).
    remainder, remainder_scalar => [REMAINDER_I32, REMAINDER_U32], |x, y| x.sub(&y.mul(&x.div(y).floor()));
}

impl Tensor {
    /// Whether it holds integers.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.dtype_or_f32(), DType::I32 | DType::U32)
    }

    /// An invalid tensor that names both types, if they differ.
    #[track_caller]
    pub(super) fn unlike(&self, op: &'static str, other: &Tensor) -> Option<Tensor> {
        match (self.node().spec(), other.node().spec()) {
            (Ok(a), Ok(b)) if a.dtype != b.dtype && a.dtype != DType::F16 && b.dtype != DType::F16 => {
                Some(self.refuse(op, OpError::DType(format!("operands are {a} and {b}; convert one of them"))))
            }
            _ => None,
        }
    }

    /// The row of this tensor's type of numbers.
    #[track_caller]
    fn by_number(&self, op: &'static str, [float, signed, unsigned]: Rows, other: &Tensor) -> Tensor {
        if let Some(invalid) = self.unlike(op, other) {
            return invalid;
        }
        let row = match self.dtype_or_f32() {
            DType::I32 => signed,
            DType::U32 => unsigned,
            _ => float,
        };
        self.pointwise(row, &[other], [0.0; 2])
    }

    /// A number as a scalar of this tensor's type; an invalid tensor if it is none of that type.
    #[track_caller]
    pub(super) fn alike(&self, op: &'static str, option: &str, value: f64) -> Tensor {
        let dtype = self.dtype_or_f32();
        let (row, least, most) = match dtype {
            DType::I32 => (&row::FILL_I32, f64::from(i32::MIN), f64::from(i32::MAX)),
            DType::U32 | DType::Bool => (&row::FILL_U32, 0.0, if dtype == DType::Bool { 1.0 } else { f64::from(u32::MAX) }),
            _ => return self.constant(value),
        };
        let fits = |value: f64| value.fract() == 0.0 && (least..=most).contains(&value);
        if let Some(invalid) =
            self.unfit(op, option, value, fits, &format!("a whole number that {dtype} holds; for others to_f32()"))
        {
            return invalid;
        }
        let high = (value / 65_536.0).floor();
        let word = record_on(self.node().backend(), Pointwise { row, scalars: [high, value - high * 65_536.0] }, &[]);
        if dtype == DType::Bool { word.to_bool() } else { word }
    }

    /// The same where sums and products wrap around, so that a negative number is a u32 too.
    #[track_caller]
    fn alike_modulo(&self, op: &'static str, value: f64) -> Tensor {
        let turn = self.dtype_or_f32() == DType::U32 && (f64::from(i32::MIN)..0.0).contains(&value);
        self.alike(op, "p", if turn { value + 4_294_967_296.0 } else { value })
    }

    /// −x; of integers it wraps around.
    #[track_caller]
    pub fn neg(&self) -> Tensor {
        self.pointwise(if self.is_whole() { &row::NEG_WORD } else { &row::NEG }, &[], [0.0; 2])
    }

    /// |x|; gradient 0 at 0. Of the least i32 it is that number.
    #[track_caller]
    pub fn abs(&self) -> Tensor {
        match self.dtype_or_f32() {
            DType::U32 => self.clone(),
            DType::I32 => self.pointwise(&row::ABS_I32, &[], [0.0; 2]),
            _ => self.pointwise(&row::ABS, &[], [0.0; 2]),
        }
    }

    /// −1, 0 or 1; gradient 0.
    #[track_caller]
    pub fn sign(&self) -> Tensor {
        match self.dtype_or_f32() {
            DType::U32 => self.minimum(&self.alike("sign", "p", 1.0)).made_by("sign", &[self]),
            DType::I32 => self.pointwise(&row::SIGN_I32, &[], [0.0; 2]),
            _ => self.pointwise(&row::SIGN, &[], [0.0; 2]),
        }
    }

    /// x²; of integers it wraps around.
    #[track_caller]
    pub fn square(&self) -> Tensor {
        if self.is_whole() { self.mul(self).made_by("square", &[self]) } else { self.pointwise(&row::SQUARE, &[], [0.0; 2]) }
    }

    /// The integer next to x toward zero; gradient 0.
    #[track_caller]
    pub fn trunc(&self) -> Tensor {
        self.lt_scalar(0.0).where_(&self.ceil(), &self.floor()).made_by("trunc", &[self])
    }

    /// x − trunc(x), what comes after the decimal point, with the sign of x.
    #[track_caller]
    pub fn frac(&self) -> Tensor {
        self.sub(&self.trunc()).made_by("frac", &[self])
    }

    /// Not x: logically of bool, bit by bit of integers.
    #[track_caller]
    pub fn not(&self) -> Tensor {
        self.pointwise(if self.is_whole() { &row::NOT_WORD } else { &row::NOT }, &[], [0.0; 2])
    }

    /// x / y. The quotient of integers is f32, as PyTorch's and NumPy's: for integers see [`Tensor::div_trunc`] and [`Tensor::div_floor`].
    ///
    /// The shapes broadcast. Two types are an error.
    #[track_caller]
    pub fn div(&self, other: &Tensor) -> Tensor {
        if let Some(invalid) = self.unlike("div", other) {
            return invalid;
        }
        if self.is_whole() {
            return self.to_f32().div(&other.to_f32()).made_by("div", &[self, other]);
        }
        self.pointwise(&row::DIV, &[other], [0.0; 2])
    }

    /// x · 2^y of integers: the bits moved up by y, which gives 0 for a y that is not 0 to 31.
    ///
    /// The shapes broadcast. Both are i32 or both u32.
    #[track_caller]
    pub fn shift_left(&self, other: &Tensor) -> Tensor {
        const NAME: &str = "shift_left";
        if let Some(invalid) = self.unless(NAME, Tensor::is_whole, "i32 or u32; convert with to_i32()") {
            return invalid;
        }
        self.by_number(NAME, [&row::SHIFT_LEFT; 3], other)
    }

    /// x / 2^y of integers, rounded down: the bits moved down by y. A y that is not 0 to 31 leaves 0, or −1 of a negative number.
    ///
    /// The shapes broadcast. Both are i32 or both u32.
    #[track_caller]
    pub fn shift_right(&self, other: &Tensor) -> Tensor {
        const NAME: &str = "shift_right";
        if let Some(invalid) = self.unless(NAME, Tensor::is_whole, "i32 or u32; convert with to_i32()") {
            return invalid;
        }
        self.by_number(NAME, [&row::SHIFT_RIGHT_I32, &row::SHIFT_RIGHT_I32, &row::SHIFT_RIGHT_U32], other)
    }

    /// An invalid tensor unless its type is the one expected.
    #[track_caller]
    fn unless(&self, op: &'static str, fits: fn(&Tensor) -> bool, expected: &str) -> Option<Tensor> {
        let spec = self.spec().ok()?;
        if fits(self) {
            return None;
        }
        Some(self.refuse(op, OpError::DType(format!("operand 0 is {spec}, expected {expected}"))))
    }

    /// An invalid tensor unless it is f32, for what is made of ops that integers have too.
    #[track_caller]
    pub(super) fn unless_float(&self, op: &'static str) -> Option<Tensor> {
        self.unless(op, Tensor::is_float, "f32; convert with to_f32()")
    }

    /// x + p. Of integers p must be whole and fit their type, or be the negative of such a number; it wraps around.
    #[track_caller]
    pub fn add_scalar(&self, p: f64) -> Tensor {
        if self.is_whole() {
            return self.add(&self.alike_modulo("add_scalar", p)).made_by("add_scalar", &[self]);
        }
        self.pointwise(&row::ADD_SCALAR, &[], [p, 0.0])
    }

    /// x · p. Of integers p must be whole and fit their type, or be the negative of such a number; it wraps around.
    #[track_caller]
    pub fn mul_scalar(&self, p: f64) -> Tensor {
        if self.is_whole() {
            return self.mul(&self.alike_modulo("mul_scalar", p)).made_by("mul_scalar", &[self]);
        }
        self.pointwise(&row::MUL_SCALAR, &[], [p, 0.0])
    }

    /// x / p, rounded once. The quotient of integers is f32.
    #[track_caller]
    pub fn div_scalar(&self, p: f64) -> Tensor {
        if self.is_whole() {
            return self.to_f32().div_scalar(p).made_by("div_scalar", &[self]);
        }
        self.pointwise(&row::DIV_SCALAR, &[], [p, 0.0])
    }

    /// x^exponent; x⁰ is 1 with a gradient of 0. An exponent that is no finite f32 is an error. Of integers it wraps around, and the exponent must
    /// be a whole number that is not negative.
    #[track_caller]
    pub fn pow_scalar(&self, exponent: f64) -> Tensor {
        const NAME: &str = "pow_scalar";
        if self.is_whole() {
            let fits = |p: f64| p.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&p);
            if let Some(invalid) = self.unfit(NAME, "exponent", exponent, fits, "a whole number that is not negative") {
                return invalid;
            }
            return self.power_of_whole(exponent as u32).made_by(NAME, &[self]);
        }
        if let Some(invalid) = self.unfit(NAME, "exponent", exponent, finite, "a finite number") {
            return invalid;
        }
        self.pointwise(&row::POW_SCALAR, &[], [exponent, 0.0])
    }

    /// x^n by squares.
    #[track_caller]
    fn power_of_whole(&self, mut n: u32) -> Tensor {
        let (mut power, mut square) = (self.full_like(1.0), self.clone());
        while n > 0 {
            if n & 1 == 1 {
                power = power.mul(&square);
            }
            n >>= 1;
            square = square.mul(&square);
        }
        power
    }

    /// [`Tensor::clamp`] of integers.
    #[track_caller]
    pub(super) fn clamp_whole(&self, min: f64, max: f64) -> Tensor {
        let mut x = self.clone();
        if min != f64::NEG_INFINITY {
            x = x.maximum(&self.alike("clamp", "min", min));
        }
        if max != f64::INFINITY {
            x = x.minimum(&self.alike("clamp", "max", max));
        }
        x.made_by("clamp", &[self])
    }

    /// x = y, for any two tensors of one type; false for NaN.
    #[track_caller]
    pub fn eq(&self, other: &Tensor) -> Tensor {
        if let Some(invalid) = self.unlike("eq", other) {
            return invalid;
        }
        self.pointwise(self.by_type(&row::EQ, &row::EQ_WORD), &[other], [0.0; 2])
    }

    /// x ≠ y, for any two tensors of one type; true for NaN.
    #[track_caller]
    pub fn ne(&self, other: &Tensor) -> Tensor {
        if let Some(invalid) = self.unlike("ne", other) {
            return invalid;
        }
        if self.is_float() {
            self.pointwise(&row::NE, &[other], [0.0; 2])
        } else {
            self.eq(other).not().made_by("ne", &[self, other])
        }
    }

    /// As another type: [`Tensor::to_f32`], [`Tensor::to_i32`], [`Tensor::to_u32`], [`Tensor::to_bool`] or [`Tensor::to_f16`].
    #[track_caller]
    pub fn cast(&self, dtype: DType) -> Tensor {
        match dtype {
            DType::F32 => self.to_f32(),
            DType::I32 => self.to_i32(),
            DType::U32 => self.to_u32(),
            DType::Bool => self.to_bool(),
            DType::F16 => self.to_f32().to_f16(),
        }
    }
}
