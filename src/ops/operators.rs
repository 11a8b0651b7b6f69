//! Operators of tensors: `+ − * / %` and `!`, `& | ^ << >>` of integers and truth values, between tensors and with numbers.

use crate::graph::Tensor;
use std::ops;

macro_rules! operator {
    ($trait:ident, $method:ident, $named:ident) => {
        impl ops::$trait<&Tensor> for &Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: &Tensor) -> Tensor {
                Tensor::$named(self, other)
            }
        }
        impl ops::$trait<Tensor> for &Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: Tensor) -> Tensor {
                Tensor::$named(self, &other)
            }
        }
        impl ops::$trait<&Tensor> for Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: &Tensor) -> Tensor {
                Tensor::$named(&self, other)
            }
        }
        impl ops::$trait<Tensor> for Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: Tensor) -> Tensor {
                Tensor::$named(&self, &other)
            }
        }
    };
}
operator!(Add, add, add);
operator!(Sub, sub, sub);
operator!(Mul, mul, mul);
operator!(Div, div, div);
operator!(Rem, rem, remainder);
operator!(BitAnd, bitand, and);
operator!(BitOr, bitor, or);
operator!(BitXor, bitxor, xor);
operator!(Shl, shl, shift_left);
operator!(Shr, shr, shift_right);

macro_rules! operator_scalar {
    ($t:ty) => {
        impl ops::Add<f64> for $t {
            type Output = Tensor;
            #[track_caller]
            fn add(self, p: f64) -> Tensor {
                self.add_scalar(p)
            }
        }
        impl ops::Sub<f64> for $t {
            type Output = Tensor;
            #[track_caller]
            fn sub(self, p: f64) -> Tensor {
                self.add_scalar(-p)
            }
        }
        impl ops::Mul<f64> for $t {
            type Output = Tensor;
            #[track_caller]
            fn mul(self, p: f64) -> Tensor {
                self.mul_scalar(p)
            }
        }
        impl ops::Div<f64> for $t {
            type Output = Tensor;
            #[track_caller]
            fn div(self, p: f64) -> Tensor {
                self.div_scalar(p)
            }
        }
        impl ops::Rem<f64> for $t {
            type Output = Tensor;
            #[track_caller]
            fn rem(self, p: f64) -> Tensor {
                self.remainder_scalar(p)
            }
        }
        impl ops::Not for $t {
            type Output = Tensor;
            #[track_caller]
            fn not(self) -> Tensor {
                Tensor::not(&self)
            }
        }
        impl ops::Neg for $t {
            type Output = Tensor;
            #[track_caller]
            fn neg(self) -> Tensor {
                Tensor::neg(&self)
            }
        }
    };
}
operator_scalar!(Tensor);
operator_scalar!(&Tensor);

macro_rules! scalar_first {
    ($t:ty) => {
        impl ops::Add<$t> for f64 {
            type Output = Tensor;
            #[track_caller]
            fn add(self, x: $t) -> Tensor {
                x.add_scalar(self)
            }
        }
        impl ops::Sub<$t> for f64 {
            type Output = Tensor;
            #[track_caller]
            fn sub(self, x: $t) -> Tensor {
                Tensor::neg(&x).add_scalar(self)
            }
        }
        impl ops::Mul<$t> for f64 {
            type Output = Tensor;
            #[track_caller]
            fn mul(self, x: $t) -> Tensor {
                x.mul_scalar(self)
            }
        }
        impl ops::Div<$t> for f64 {
            type Output = Tensor;
            #[track_caller]
            fn div(self, x: $t) -> Tensor {
                let x = if x.is_whole() { x.to_f32() } else { x.clone() };
                Tensor::div(&x.constant(self), &x)
            }
        }
    };
}
scalar_first!(Tensor);
scalar_first!(&Tensor);
