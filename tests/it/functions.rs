//! Elementary functions over the whole range of f32, the tiny and the huge, on every device: relative errors, so that results near 0 keep their digits.
#![allow(clippy::unwrap_used)]

use crate::common;
use steepest::Tensor;

struct Function {
    name: &'static str,
    f: fn(&Tensor) -> Tensor,
    truth: fn(f64) -> f64,
    /// Where it is defined, and where f32 can know its argument well enough.
    at: fn(f64) -> bool,
}

fn functions() -> Vec<Function> {
    fn anywhere(_: f64) -> bool {
        true
    }
    fn within_one(x: f64) -> bool {
        x.abs() <= 1.0
    }
    let function = |name, f, truth, at| Function { name, f, truth, at };
    vec![
        function("atan", |x| x.atan(), f64::atan, anywhere),
        function("asin", |x| x.asin(), f64::asin, within_one),
        function("acos", |x| x.acos(), f64::acos, within_one),
        function("tan", |x| x.tan(), f64::tan, |x| x.abs() < 1.5),
        function("sinh", |x| x.sinh(), f64::sinh, anywhere),
        function("cosh", |x| x.cosh(), f64::cosh, anywhere),
        function("asinh", |x| x.asinh(), libm::asinh, anywhere),
        function("acosh", |x| x.acosh(), libm::acosh, |x| x >= 1.0),
        function("atanh", |x| x.atanh(), libm::atanh, |x| x.abs() < 1.0),
        function("exp2", |x| x.exp2(), f64::exp2, anywhere),
        function("log2", |x| x.log2(), f64::log2, |x| x > 0.0),
        function("log10", |x| x.log10(), f64::log10, |x| x > 0.0),
        function("erfc", |x| x.erfc(), libm::erfc, |x| x < 3.0),
        function("hypot with 3e-5", |x| x.hypot(&x.full_like(f64::from(3e-5f32))), |x| x.hypot(f64::from(3e-5f32)), anywhere),
        function("angle to −0.7", |x| x.atan2(&x.full_like(f64::from(-0.7f32))), |x| x.atan2(f64::from(-0.7f32)), anywhere),
        function("angle from 0.7", |x| x.full_like(f64::from(0.7f32)).atan2(x), |x| f64::from(0.7f32).atan2(x), anywhere),
        function(
            "logaddexp with 2",
            |x| x.logaddexp(&x.full_like(2.0)),
            |x| x.max(2.0) + (-(x - 2.0).abs()).exp().ln_1p(),
            anywhere,
        ),
        function("log_sigmoid", |x| x.log_sigmoid(), |x| -((-x).max(0.0) + (-x.abs()).exp().ln_1p()), anywhere),
        function("softsign", |x| x.softsign(), |x| x / (1.0 + x.abs()), anywhere),
        function(
            "selu",
            |x| x.selu(),
            |x| 1.050_700_987_355_480_5 * if x > 0.0 { x } else { 1.673_263_242_354_377_2 * x.exp_m1() },
            anywhere,
        ),
        function("celu 0.5", |x| x.celu(0.5), |x| if x > 0.0 { x } else { 0.5 * (x / 0.5).exp_m1() }, anywhere),
        function("mish", |x| x.mish(), |x| x * (x.max(0.0) + (-x.abs()).exp().ln_1p()).tanh(), anywhere),
        function("hard_swish", |x| x.hard_swish(), |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0), |x| x.abs() < 2.9 || x.abs() > 3.0),
        function("logit", |x| x.logit(0.0), |x| (x / (1.0 - x)).ln(), |x| 0.0 < x && x < 0.45),
    ]
}

/// Floats spread evenly in their bits, so in their sizes, of both signs; and around 1, where many functions turn.
fn points() -> Vec<f32> {
    let sizes = (0..3000u32).map(|i| f32::from_bits(f32::MIN_POSITIVE.to_bits() + i * 709_957));
    let around_one = (0..300u32).map(|i| f32::from_bits(1f32.to_bits() - 150 + i)).chain((1..300).map(|i| i as f32 * 0.013));
    sizes.chain(around_one).filter(|x| x.is_finite()).flat_map(|x| [x, -x]).collect()
}

#[test]
fn functions_keep_their_digits_over_the_whole_range() {
    for device in common::devices("functions over the whole range") {
        let mut wrong = vec![];
        for Function { name, f, truth, at } in functions() {
            let points: Vec<f32> = points().into_iter().filter(|x| at(f64::from(*x))).collect();
            let found = f(&device.tensor(&points, points.len())).to_vec::<f32>().unwrap();
            let mut worst = (0.0, 0.0);
            for (&x, found) in points.iter().zip(found) {
                let (x, found) = (f64::from(x), f64::from(found));
                let expected = truth(x);
                let largest = f64::from(f32::MAX);
                let relative = if x.abs() > 10.0 { (3.0 + 2.0 * x.abs().min(1e3)) * 1.2e-7 } else { 2e-6 };
                let error = (found - expected).abs() / (relative.max(2e-6) * expected.abs() + 1.2e-38);
                // What lies beyond the range is infinite, and may be where it nearly does.
                let beyond =
                    expected.abs() > 0.999 * largest && found.abs() > 0.99 * largest && found.signum() == expected.signum();
                if !beyond && (error.is_nan() || error > worst.0) {
                    worst = (error, x);
                }
            }
            println!("{device}: {name}: {} numbers, worst error {:.3} of its bound, at {:e}", points.len(), worst.0, worst.1);
            if worst.0.is_nan() || worst.0 > 1.0 {
                wrong.push(format!("{device}: {name} at {:e} is off by {:.2} of its bound", worst.1, worst.0));
            }
        }
        assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    }
}

/// Powers of 2 and of 10 have whole logarithms on every device, and 2 has powers that are exact.
#[test]
fn whole_logarithms_are_whole() {
    for device in common::devices("whole logarithms") {
        let powers: Vec<f32> = (-126..128).map(|k| 2f32.powi(k)).collect();
        let logs = device.tensor(&powers, powers.len()).log2();
        let whole: Vec<f32> = (-126..128).map(|k| k as f32).collect();
        assert_eq!(logs.to_vec::<f32>().unwrap(), whole, "{device}");
        assert_eq!(device.tensor(&whole, whole.len()).exp2().to_vec::<f32>().unwrap(), powers, "{device}");
        let tens = device.tensor(&[1.0, 10.0, 100.0, 1000.0, 1e4, 1e5, 1e6], 7).log10().to_vec::<f32>().unwrap();
        assert_eq!(tens, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "{device}");
    }
}

/// Replacing what is not finite, and what is left out of products and shrunk to 0.
#[test]
fn numbers_that_are_none_are_replaced() {
    let inf = f32::INFINITY;
    for device in common::devices("numbers that are none") {
        let x = device.parameter(&[1.5, f32::NAN, inf, -inf, -2.0], 5);
        assert_eq!(x.is_inf().to_vec::<bool>().unwrap(), [false, false, true, true, false], "{device}");
        let y = x.nan_to_num(0.5, 9.0, -9.0);
        assert_eq!(y.to_vec::<f32>().unwrap(), [1.5, 0.5, 9.0, -9.0, -2.0]);
        assert_eq!(y.sum(&[]).backward().wrt(&x).unwrap().to_vec::<f32>().unwrap(), [1.0, 0.0, 0.0, 0.0, 1.0]);
        // 0 log 0 is 0, also of what is no number.
        let (a, b) = (device.parameter(&[0.0, 0.0, 2.0], 3), device.tensor(&[0.0, inf, std::f32::consts::E], 3));
        let product = a.xlogy(&b).to_vec::<f32>().unwrap();
        assert!(product[..2] == [0.0, 0.0] && (product[2] - 2.0).abs() < 1e-6, "{device}: {product:?}");
        let x = device.parameter(&[-3.0, -0.5, -0.25, 0.0, 0.5, 3.0, inf], 7);
        let slopes = |y: &Tensor| y.backward_with(&device.ones([7])).wrt(&x).unwrap().to_vec::<f32>().unwrap();
        let (soft, hard) = (x.softshrink(0.5), x.hardshrink(0.5));
        assert_eq!(soft.to_vec::<f32>().unwrap(), [-2.5, 0.0, 0.0, 0.0, 0.0, 2.5, inf]);
        assert_eq!(hard.to_vec::<f32>().unwrap(), [-3.0, 0.0, 0.0, 0.0, 0.0, 3.0, inf]);
        for slopes in [slopes(&soft), slopes(&hard)] {
            assert_eq!(slopes, [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0], "{device}");
        }
        let above = x.threshold(0.25, 7.0);
        assert_eq!(above.to_vec::<f32>().unwrap(), [7.0, 7.0, 7.0, 7.0, 0.5, 3.0, inf]);
        assert_eq!(slopes(&above), [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
        // logit is the inverse of the sigmoid, and with an eps finite at the ends.
        let ends = device.tensor(&[0.0, 1.0, 0.25], 3);
        let plain = ends.logit(0.0).to_vec::<f32>().unwrap();
        assert!(plain[..2] == [-inf, inf] && (plain[2] + 3f32.ln()).abs() < 1e-6, "{device}: {plain:?}");
        let limited = ends.logit(0.01).to_vec::<f32>().unwrap();
        assert!((limited[0] + 99f32.ln()).abs() < 1e-5 && (limited[1] - 99f32.ln()).abs() < 1e-5, "{device}: {limited:?}");
        assert!(ends.logit(0.6).check().is_err() && ends.logit(f64::NAN).check().is_err());
        assert!(x.softshrink(-1.0).check().is_err() && x.hardshrink(f64::NAN).check().is_err());
    }
}
