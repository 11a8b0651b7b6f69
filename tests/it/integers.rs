//! Integers and truth values as their users meet them: arithmetic that wraps around, quotients that are defined everywhere, bits, comparisons,
//! reductions over axes, running sums, numbers beside them, and what is refused.
#![allow(clippy::unwrap_used)]

use crate::common;
use steepest::error::OpError;
use steepest::reference::{Overrides, evaluate};
use steepest::{DType, Device, Error, Tensor};

const MIN: i32 = i32::MIN;
const MAX: i32 = i32::MAX;

/// What a tensor of integers or truth values holds.
trait Held: Sized + Copy {
    fn read(x: &Tensor) -> Vec<Self>;
    fn number(self) -> f64;
}

macro_rules! held {
    ($($t:ty),*) => {
        $(impl Held for $t {
            fn read(x: &Tensor) -> Vec<$t> {
                x.to_vec::<$t>().unwrap()
            }
            fn number(self) -> f64 {
                f64::from(self)
            }
        })*
    };
}
held!(i32, u32);

impl Held for bool {
    fn read(x: &Tensor) -> Vec<bool> {
        x.to_vec::<bool>().unwrap()
    }
    fn number(self) -> f64 {
        f64::from(u8::from(self))
    }
}

/// Values on the device, which must be those on the reference.
fn values<T: Held>(x: &Tensor) -> Vec<T> {
    let found = T::read(x);
    let numbers: Vec<f64> = found.iter().map(|v| v.number()).collect();
    assert_eq!(numbers, evaluate(&[x], &Overrides::new()).unwrap()[0].data, "{x:?} on the device and on the reference");
    found
}

#[test]
fn sums_and_products_wrap_around() {
    for device in common::devices("integers") {
        let x = device.tensor(&[MAX, MIN, -7, 16_777_217], 4);
        let y = device.tensor(&[1, -1, 3, 1], 4);
        assert_eq!(values::<i32>(&(&x + &y)), [MIN, MAX, -4, 16_777_218], "{device}");
        assert_eq!(values::<i32>(&(&x - &y)), [MAX - 1, MIN + 1, -10, 16_777_216]);
        assert_eq!(values::<i32>(&(&x * &x)), [1, 0, 49, 33_554_433]);
        assert_eq!(values::<i32>(&x.square()), [1, 0, 49, 33_554_433]);
        assert_eq!(values::<i32>(&-&x), [-MAX, MIN, 7, -16_777_217]);
        assert_eq!(values::<i32>(&x.abs()), [MAX, MIN, 7, 16_777_217]);
        assert_eq!(values::<i32>(&x.sign()), [1, -1, -1, 1]);
        assert_eq!(values::<i32>(&x.maximum(&y)), [MAX, -1, 3, 16_777_217]);
        assert_eq!(values::<i32>(&x.minimum(&y)), [1, MIN, -7, 1]);
        assert_eq!(values::<i32>(&x.clamp(-5.0, 16_777_217.0)), [16_777_217, -5, -5, 16_777_217]);
        assert_eq!(values::<i32>(&x.clamp(f64::NEG_INFINITY, 0.0)), [0, MIN, -7, 0]);
        assert_eq!(values::<i32>(&(&x + 1.0)), [MIN, MIN + 1, -6, 16_777_218]);
        assert_eq!(values::<i32>(&(&x * -3.0)), [MIN + 3, MIN, 21, -50_331_651]);
        assert_eq!(values::<i32>(&(1.0 - &x)), [MIN + 2, -MAX, 8, -16_777_216]);
        assert_eq!(values::<i32>(&y.pow_scalar(5.0)), [1, -1, 243, 1]);
        assert_eq!(values::<i32>(&x.pow_scalar(0.0)), [1; 4]);
        assert_eq!(values::<i32>(&y.full_like(-16_777_217.0)), [-16_777_217; 4]);
        assert_eq!(values::<i32>(&y.gt_scalar(0.0).where_(&x, &y.full_like(5.0))), [MAX, 5, -7, 16_777_217]);

        let u = device.tensor(&[0u32, u32::MAX, 5, 1 << 31], 4);
        assert_eq!(values::<u32>(&(&u - 1.0)), [u32::MAX, u32::MAX - 1, 4, MAX as u32]);
        assert_eq!(values::<u32>(&(&u + u32::MAX as f64)), [u32::MAX, u32::MAX - 1, 4, MAX as u32]);
        assert_eq!(values::<u32>(&(&u * &u)), [0, 1, 25, 0]);
        assert_eq!(values::<u32>(&-&u), [0, 1, 5u32.wrapping_neg(), 1 << 31]);
        assert_eq!(values::<u32>(&u.abs()), [0, u32::MAX, 5, 1 << 31]);
        assert_eq!(values::<u32>(&u.sign()), [0, 1, 1, 1]);
        assert_eq!(values::<u32>(&u.maximum(&u.full_like(7.0))), [7, u32::MAX, 7, 1 << 31]);
        // Shapes broadcast, and chains are one kernel.
        let grid = (device.tensor(&[1, 2, 3], [3, 1]) * device.tensor(&[10, 20], 2) + 1.0).maximum(&device.tensor(&[30], ()));
        assert_eq!((grid.shape().dims(), values::<i32>(&grid)), (&[3, 2][..], vec![30, 30, 30, 41, 31, 61]));
    }
}

#[test]
fn quotients_of_integers_are_the_same_everywhere() {
    for device in common::devices("quotients") {
        let x = device.tensor(&[7, -7, 7, -7, 0, 5, MIN, MIN, MAX, MIN], 10);
        let y = device.tensor(&[2, 2, -2, -2, 3, 0, -1, 0, -1, 1], 10);
        assert_eq!(values::<i32>(&x.div_trunc(&y)), [3, -3, -3, 3, 0, 0, MIN, 0, -MAX, MIN], "{device}");
        assert_eq!(values::<i32>(&x.div_floor(&y)), [3, -4, -4, 3, 0, 0, MIN, 0, -MAX, MIN]);
        assert_eq!(values::<i32>(&x.fmod(&y)), [1, -1, 1, -1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(values::<i32>(&x.remainder(&y)), [1, 1, -1, -1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(values::<i32>(&(&x % 4.0)), [3, 1, 3, 1, 0, 1, 0, 0, 3, 0]);
        assert_eq!(values::<i32>(&x.div_floor_scalar(-4.0)), [-2, 1, -2, 1, 0, -2, 1 << 29, 1 << 29, -(1 << 29), 1 << 29]);
        let u = device.tensor(&[7u32, u32::MAX, 9, 0], 4);
        let v = device.tensor(&[2u32, u32::MAX, 0, 4], 4);
        for quotient in [u.div_trunc(&v), u.div_floor(&v)] {
            assert_eq!(values::<u32>(&quotient), [3, 1, 0, 0]);
        }
        for rest in [u.remainder(&v), u.fmod(&v)] {
            assert_eq!(values::<u32>(&rest), [1, 0, 0, 0]);
        }
        // The quotient proper is no integer.
        let half = device.tensor(&[1, 3], 2) / device.tensor(&[2, 0], 2);
        assert_eq!((half.dtype(), half.to_vec::<f32>().unwrap()), (DType::F32, vec![0.5, f32::INFINITY]));
        assert_eq!((device.tensor(&[1, 3], 2) / 2.0).to_vec::<f32>().unwrap(), [0.5, 1.5]);
        assert_eq!((6.0 / device.tensor(&[4u32, 3], 2)).to_vec::<f32>().unwrap(), [1.5, 2.0]);
        // Of floats the same by formulas, with the gradients of a saw tooth.
        let f = device.parameter(&[7.5, -7.5, 7.5, -7.5], 4);
        let g = device.parameter(&[2.0, 2.0, -2.0, -2.0], 4);
        assert_eq!(f.div_trunc(&g).to_vec::<f32>().unwrap(), [3.0, -3.0, -3.0, 3.0]);
        assert_eq!(f.div_floor(&g).to_vec::<f32>().unwrap(), [3.0, -4.0, -4.0, 3.0]);
        assert_eq!(f.fmod(&g).to_vec::<f32>().unwrap(), [1.5, -1.5, 1.5, -1.5]);
        let rest = f.remainder(&g);
        assert_eq!(rest.to_vec::<f32>().unwrap(), [1.5, 0.5, -0.5, -1.5]);
        let gradients = rest.sum(&[]).backward();
        assert_eq!(gradients.wrt(&f).unwrap().to_vec::<f32>().unwrap(), [1.0; 4]);
        assert_eq!(gradients.wrt(&g).unwrap().to_vec::<f32>().unwrap(), [-3.0, 4.0, 4.0, -3.0]);
        assert_eq!(f.frac().to_vec::<f32>().unwrap(), [0.5, -0.5, 0.5, -0.5]);
    }
}

#[test]
fn bits_and_truth_values() {
    for device in common::devices("bits") {
        let x = device.tensor(&[12, -1, MIN, 5], 4);
        let y = device.tensor(&[10, 7, 1, -6], 4);
        assert_eq!(values::<i32>(&(&x & &y)), [8, 7, 0, 0], "{device}");
        assert_eq!(values::<i32>(&(&x | &y)), [14, -1, MIN + 1, -1]);
        assert_eq!(values::<i32>(&(&x ^ &y)), [6, -8, MIN + 1, -1]);
        assert_eq!(values::<i32>(&!&x), [-13, 0, MAX, -6]);
        let by = device.tensor(&[1, 31, 32, -1], 4);
        assert_eq!(values::<i32>(&(&x << &by)), [24, MIN, 0, 0]);
        assert_eq!(values::<i32>(&(&x >> &by)), [6, -1, -1, 0]);
        let u = x.to_u32();
        assert_eq!(values::<u32>(&(&u >> by.to_u32())), [6, 1, 0, 0]);
        assert_eq!(values::<u32>(&!&u), [!12, 0, MAX as u32, !5]);
        assert_eq!(values::<i32>(&u.to_i32()), [12, -1, MIN, 5]);
        let (p, q) = (device.tensor(&[true, true, false, false], 4), device.tensor(&[true, false, true, false], 4));
        assert_eq!(values::<bool>(&(&p & &q)), [true, false, false, false]);
        assert_eq!(values::<bool>(&(&p | &q)), [true, true, true, false]);
        assert_eq!(values::<bool>(&(&p ^ &q)), [false, true, true, false]);
        assert_eq!(values::<bool>(&!&p), [false, false, true, true]);
        assert_eq!(values::<bool>(&q.lt(&p)), [false, true, false, false]);
        assert_eq!(values::<bool>(&q.ge(&p)), [true, false, true, true]);
        assert_eq!(values::<bool>(&q.eq_scalar(1.0)), [true, false, true, false]);
        assert_eq!(values::<bool>(&p.full_like(1.0)), [true; 4]);
    }
}

#[test]
fn comparisons_see_what_a_float_does_not_hold() {
    for device in common::devices("comparisons of integers") {
        let x = device.tensor(&[16_777_216, 16_777_217, MIN, 3], 4);
        let y = device.tensor(&[16_777_217, 16_777_216, MAX, 3], 4);
        assert_eq!(values::<bool>(&x.lt(&y)), [true, false, true, false], "{device}");
        assert_eq!(values::<bool>(&x.le(&y)), [true, false, true, true]);
        assert_eq!(values::<bool>(&x.gt(&y)), [false, true, false, false]);
        assert_eq!(values::<bool>(&x.ge(&y)), [false, true, false, true]);
        assert_eq!(values::<bool>(&x.eq(&y)), [false, false, false, true]);
        assert_eq!(values::<bool>(&x.ne(&y)), [true, true, true, false]);
        assert_eq!(values::<bool>(&x.gt_scalar(16_777_216.0)), [false, true, false, false]);
        assert_eq!(values::<bool>(&x.eq_scalar(16_777_217.0)), [false, true, false, false]);
        assert_eq!(values::<bool>(&x.ne_scalar(3.0)), [true, true, true, false]);
        assert_eq!(values::<bool>(&x.to_u32().lt_scalar(2_147_483_648.0)), [true, true, false, true]);
        assert_eq!(values::<bool>(&x.to_u32().gt(&y.to_u32())), [false, true, true, false]);
    }
}

#[test]
fn integers_and_truth_values_are_reduced_over_axes() {
    for device in common::devices("reductions of integers") {
        let x = device.tensor(&[MAX, 1, -5, 16_777_217, 2, MIN], [2, 3]);
        assert_eq!(values::<i32>(&x.sum(&[1])), [MAX - 4 + 1 - 1, 16_777_219 + MIN], "{device}");
        assert_eq!(values::<i32>(&x.prod(&[0])), [MAX.wrapping_mul(16_777_217), 2, 5i32.wrapping_mul(MIN)]);
        assert_eq!(values::<i32>(&x.max(&[])), [MAX]);
        assert_eq!(values::<i32>(&x.min_keepdim(&[-1])), [-5, MIN]);
        assert_eq!(values::<u32>(&x.argmax(1)), [0, 0]);
        assert_eq!(values::<u32>(&x.argmin(0)), [1, 0, 1]);
        assert_eq!(values::<u32>(&device.tensor(&[2u32, 7, 7], 3).argmax(0)), [1]);
        assert_eq!(values::<u32>(&x.to_u32().max(&[0])), [MAX as u32, 2, (-5i32) as u32]);
        assert_eq!(values::<i32>(&x.cumsum(1, false)), [MAX, MIN, MAX - 4, 16_777_217, 16_777_219, 16_777_219 + MIN]);
        assert_eq!(values::<i32>(&x.cumsum(0, true)), [MAX.wrapping_add(16_777_217), 3, MAX - 4, 16_777_217, 2, MIN]);
        let even = x.remainder_scalar(2.0).eq_scalar(0.0);
        assert_eq!((values::<u32>(&even.sum(&[1])), even.sum(&[]).dtype()), (vec![0, 2], DType::U32));
        assert_eq!(values::<bool>(&even.any(&[1])), [false, true]);
        assert_eq!(values::<bool>(&even.all(&[0])), [false, false, false]);
        assert_eq!(values::<bool>(&even.max(&[1])), [false, true]);
        assert_eq!(values::<bool>(&x.any(&[])), [true]);
        // Of nothing: no number, none that is true, and none that is not.
        let none = device.tensor::<i32>(&[], [0, 2]);
        assert_eq!((values::<i32>(&none.sum(&[0])), values::<i32>(&none.prod(&[0]))), (vec![0, 0], vec![1, 1]));
        assert_eq!((values::<bool>(&none.any(&[0])), values::<bool>(&none.all(&[0]))), (vec![false, false], vec![true, true]));
        // More than one workgroup, and counts that f32 does not hold.
        let long = device.tensor(&vec![1u32; 100_003], 100_003);
        assert_eq!(values::<u32>(&(long.sum(&[]) * 1000.0)), [100_003_000]);
        assert_eq!(long.eq_scalar(1.0).to_vec::<bool>().unwrap().len(), 100_003);
        assert_eq!(values::<u32>(&long.cumsum(0, false).slice(0, -1..)), [100_003]);
    }
}

#[test]
fn close_is_as_numpy_has_it() {
    for device in common::devices("isclose") {
        let inf = f32::INFINITY;
        let x = device.tensor(&[1.0, 1.0, inf, inf, -inf, f32::NAN, 1e-9, 1.0], 8);
        let y = device.tensor(&[1.000009, 1.0002, inf, -inf, 3.0, f32::NAN, 0.0, inf], 8);
        let close = [true, false, true, false, false, false, true, false];
        assert_eq!(values::<bool>(&x.isclose(&y, 1e-5, 1e-8, false)), close, "{device}");
        assert!(values::<bool>(&x.isclose(&y, 1e-5, 1e-8, true))[5]);
        assert_eq!(values::<bool>(&x.slice(0, ..1).allclose(&y.slice(0, ..1), 1e-5, 0.0, false)), [true]);
        assert_eq!(values::<bool>(&x.allclose(&y, 1e-5, 0.0, true)), [false]);
        let whole = device.tensor(&[16_777_217, 5], 2);
        assert_eq!(values::<bool>(&whole.isclose(&device.tensor(&[16_777_217, 6], 2), 0.0, 0.0, false)), [true, false]);
    }
}

#[test]
fn casts_by_type() {
    for device in common::devices("casts") {
        let x = device.tensor(&[-1.5, 0.0, 2.5], 3);
        assert_eq!(values::<i32>(&x.cast(DType::I32)), [-1, 0, 2], "{device}");
        assert_eq!(values::<u32>(&x.cast(DType::U32)), [0, 0, 2]);
        assert_eq!(values::<bool>(&x.cast(DType::Bool)), [true, false, true]);
        assert_eq!(x.cast(DType::F16).dtype(), DType::F16);
        assert_eq!(x.cast(DType::I32).cast(DType::F16).cast(DType::F32).to_vec::<f32>().unwrap(), [-1.0, 0.0, 2.0]);
    }
}

/// Two types in one call, numbers that are none of a type, and what integers have not.
#[test]
fn what_does_not_fit_is_refused_with_both_types() {
    let device = Device::cpu();
    let (x, u, f) = (device.tensor(&[1, 2], 2), device.tensor(&[1u32, 2], 2), device.tensor(&[1.0, 2.0], 2));
    let bools = device.tensor(&[true, false], 2);
    let refused = |name: &str, tensor: Tensor, words: &[&str]| match tensor.check().unwrap_err() {
        Error::Op { op, at, error } => {
            let text = error.to_string();
            assert_eq!(op, name, "{text}");
            assert!(words.iter().all(|word| text.contains(word)), "{name}: {text}");
            assert!(at.file().ends_with("integers.rs"), "{name}: {at}");
            assert!(
                matches!(error, OpError::DType(_) | OpError::Value(_) | OpError::Shape(_) | OpError::Axis { .. }),
                "{name}: {error:?}"
            );
        }
        other => panic!("{other}"),
    };
    refused("add", &x + &u, &["i32[2]", "u32[2]"]);
    refused("mul", &f * &x, &["f32[2]", "i32[2]"]);
    refused("div", &x / &f, &["i32[2]", "f32[2]"]);
    refused("lt", x.lt(&f), &["i32[2]", "f32[2]"]);
    refused("gt", u.gt(&x), &["u32[2]", "i32[2]"]);
    refused("eq", f.eq(&x), &["f32[2]", "i32[2]"]);
    refused("ne", f.ne(&x), &["f32[2]", "i32[2]"]);
    refused("and", x.and(&bools), &["i32[2]", "bool[2]"]);
    refused("remainder", x.remainder(&f), &["i32[2]", "f32[2]"]);
    refused("isclose", x.isclose(&f, 0.0, 0.0, false), &["i32[2]", "f32[2]"]);
    refused("shift_left", f.shift_left(&f), &["f32[2]", "i32"]);
    refused("shift_right", x.shift_right(&u), &["i32[2]", "u32[2]"]);
    refused("add_scalar", &x + 0.5, &["0.5", "i32"]);
    refused("add_scalar", &u + 4_294_967_296.0, &["4294967296", "u32"]);
    refused("mul_scalar", &x * f64::NAN, &["NaN", "i32"]);
    refused("lt_scalar", u.lt_scalar(-1.0), &["-1", "u32"]);
    refused("clamp", x.clamp(0.5, 2.0), &["min", "0.5"]);
    refused("pow_scalar", x.pow_scalar(-1.0), &["exponent", "-1"]);
    refused("pow_scalar", x.pow_scalar(0.5), &["exponent", "0.5"]);
    refused("full_like", x.full_like(0.5), &["value", "0.5"]);
    refused("full_like", bools.full_like(2.0), &["value", "2", "bool"]);
    refused("isclose", f.isclose(&f, -1.0, 0.0, false), &["rtol", "-1"]);
    refused("isclose", f.isclose(&f, 0.0, f64::INFINITY, false), &["atol", "inf"]);
    refused("mean", x.mean(&[]), &["i32[2]", "to_f32"]);
    refused("max", x.slice(0, ..0).max(&[]), &["no elements"]);
    refused("sum", x.sum(&[1]), &["axis"]);
    refused("exp", x.exp(), &["i32[2]", "f32"]);
    // Truth values are no numbers.
    refused("add", &bools + &bools, &["bool[2]"]);
    refused("prod", bools.prod(&[]), &["bool[2]"]);
    refused("cumsum", bools.cumsum(0, false), &["bool[2]"]);
}
