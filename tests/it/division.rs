//! Division: every quotient is the nearest f32 to the exact one, on every device, by a tensor or by a number; so whole quotients are whole.
#![allow(clippy::unwrap_used)]

use crate::common;
use steepest::nn::loss::{Reduction, mse};
use steepest::verify::SEED;
use steepest::{Device, Tensor, ops::case::Gen};

/// The first place where two lists differ in value; NaN is equal to NaN, and where subnormals may be flushed they count as zeros.
fn differ(found: &[f32], expected: &[f32], flushed: bool) -> Option<usize> {
    let tiny = |x: f32| x == 0.0 || x.abs() < f32::MIN_POSITIVE;
    let same =
        |(f, e): (&f32, &f32)| f.to_bits() == e.to_bits() || (f.is_nan() && e.is_nan()) || (flushed && tiny(*f) && tiny(*e));
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).position(|pair| !same(pair))
}

fn quotients(device: &Device, a: &[f32], b: &[f32], flushed: bool) {
    let tensor = |x: &[f32]| device.tensor(x, x.len());
    let found = (tensor(a) / tensor(b)).to_vec::<f32>().unwrap();
    let expected: Vec<f32> = a.iter().zip(b).map(|(a, b)| a / b).collect();
    if let Some(i) = differ(&found, &expected, flushed) {
        panic!("{device}: {:e} / {:e} is {:e}, not {:e}", a[i], b[i], found[i], expected[i]);
    }
}

#[test]
fn every_quotient_of_small_integers_is_the_nearest_number() {
    for device in common::devices("division of integers") {
        // [m,1] / [1,n]
        let numbers: Vec<f32> = (1..=2000).map(|i| i as f32).collect();
        let column = device.tensor(&numbers, [2000, 1]);
        let row = device.tensor(&numbers, [1, 2000]);
        let found = (&column / &row).to_vec::<f32>().unwrap();
        let expected: Vec<f32> = numbers.iter().flat_map(|a| numbers.iter().map(move |b| a / b)).collect();
        let wrong = differ(&found, &expected, false).map(|i| (i / 2000 + 1, i % 2000 + 1, found[i]));
        assert_eq!(wrong, None, "{device}");
        // ⌊a b / b⌋ = a for whole numbers.
        let product = &column * &row;
        let whole = (&product / &row).floor().eq(&column.expand([2000, 2000])).to_vec::<bool>().unwrap();
        assert!(whole.iter().all(|w| *w), "{device}");
        assert_eq!((&row / &row.clone()).to_vec::<f32>().unwrap(), [1.0; 2000], "{device}");
        assert_eq!((row.reciprocal()).to_vec::<f32>().unwrap(), numbers.iter().map(|x| 1.0 / x).collect::<Vec<_>>(), "{device}");
    }
}

#[test]
fn every_quotient_by_a_number_is_the_nearest_number() {
    for device in common::devices("division by a number") {
        let multiples: Vec<f32> = (0..=300).map(|i| i as f32).collect();
        let x = device.tensor(&multiples, multiples.len());
        let mut wrong = vec![];
        for n in 1..=1000 {
            let n = f64::from(n);
            let quotient = (&x * n).div_scalar(n);
            let thirds = &x / n;
            let (whole, thirds) = (quotient.to_vec::<f32>().unwrap(), thirds.to_vec::<f32>().unwrap());
            let expected: Vec<f32> = multiples.iter().map(|x| x / n as f32).collect();
            if differ(&whole, &multiples, false).is_some() || differ(&thirds, &expected, false).is_some() {
                wrong.push(n);
            }
        }
        assert!(wrong.is_empty(), "{device}: divided by {wrong:?}");
        // The number first.
        let y = (1.0 / (&x + 1.0)).to_vec::<f32>().unwrap();
        assert_eq!(y, multiples.iter().map(|x| 1.0 / (x + 1.0)).collect::<Vec<_>>(), "{device}");
        // The gradient is divided too.
        let w = device.parameter(&multiples, multiples.len());
        let gradient = (&w / 49.0).backward_with(&x).wrt(&w).unwrap().to_vec::<f32>().unwrap();
        assert_eq!(gradient, multiples.iter().map(|x| x / 49.0).collect::<Vec<_>>(), "{device}");
    }
}

/// Numbers of any size: normal quotients to the last bit, and those beyond the range.
#[test]
fn quotients_of_numbers_of_any_size_are_the_nearest_numbers() {
    let mut g = Gen::new(SEED);
    let mut bits = |ok: fn(f32) -> bool, n: usize| -> Vec<f32> {
        let mut found = Vec::with_capacity(n);
        while found.len() < n {
            let x = f32::from_bits(g.bits() as u32);
            if ok(x) {
                found.push(x);
            }
        }
        found
    };
    let n = 200_000;
    let (any, other) = (bits(|x| x.is_normal(), n), bits(|x| x.is_normal(), n));
    // Quotients near one, whose rounding is hardest where the last digits are all that differs.
    let near: Vec<f32> = any.iter().zip(&other).map(|(x, y)| f32::from_bits(x.to_bits() ^ (y.to_bits() & 0x3f))).collect();
    let special = [0.0, -0.0, 1.0, -3.0, f32::MAX, f32::MIN_POSITIVE, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
    let pairs = || special.iter().flat_map(|a| special.iter().map(move |b| (*a, *b)));
    let (first, second): (Vec<f32>, Vec<f32>) = pairs().unzip();
    let tiny = bits(|x| x != 0.0 && !x.is_normal() && x.is_finite(), 4000);
    for device in common::devices("division of any numbers") {
        quotients(&device, &any, &other, true);
        quotients(&device, &any, &near, true);
        quotients(&device, &first, &second, true);
        // What is subnormal may be flushed by a GPU before the division: held to the processor alone.
        if !device.is_gpu() {
            quotients(&device, &tiny, &any[..tiny.len()], false);
            quotients(&device, &any[..tiny.len()], &tiny, false);
        }
    }
}

/// What divides a sum by a number of elements divides, too: the mean of ones is one.
#[test]
fn means_of_ones_are_one() {
    for device in common::devices("means of ones") {
        for n in [3usize, 7, 41, 47, 49, 55, 61, 82, 83, 97, 98, 99, 103, 107, 110, 111, 113, 119] {
            let ones = device.ones([n]);
            let of = |t: Tensor| t.item().unwrap();
            let zeros = device.zeros([n, 1]);
            assert_eq!(of(mse(&ones.unsqueeze(1), &zeros, Reduction::BatchMean)), 1.0, "{device}: {n}");
            let pooled = ones.reshape([1, 1, 1, n]).avg_pool2d([1, n], [1, 1], 0, true);
            assert_eq!(of(pooled.flatten().sum(&[])), 1.0, "{device}: {n}");
            let thirds = device.full([1, 1, 1, n], 1.0 / 3.0).avg_pool2d([1, 1], [1, 1], 0, true);
            assert_eq!(thirds.to_vec::<f32>().unwrap(), vec![1.0 / 3.0; n], "{device}");
        }
        let sixths = device.tensor(&[-3.0, -1.5, 0.0, 1.5, 3.0], 5).hard_sigmoid().to_vec::<f32>().unwrap();
        assert_eq!(sixths, [0.0, 0.25, 0.5, 0.75, 1.0], "{device}");
    }
}
