//! Initial values of parameters: their moments against theory, orthogonality, identities, fans by layer, and what is refused.
//!
//! A mean of n independent numbers of variance v is within 5 √(v/n) of its expectation but once in a million; so is a mean of squares, whose
//! numbers have variance (κ − 1) v², κ the kurtosis (1.8 of uniform numbers, 3 of normal ones).
//!
//! Bugs that were planted to see these tests fail: vectors that are not made orthogonal, the fans of transposed weights exchanged, 3.1 for the 3 in the
//! variance of uniform numbers.
#![allow(clippy::unwrap_used)]

use crate::common;
use steepest::error::OpError;
use steepest::nn::recurrent::Cell;
use steepest::nn::{
    BatchNorm2d, Bilinear, Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, Embedding, Fan, GroupNorm,
    Gru, GruCell, Init, InstanceNorm2d, LayerNorm, Linear, Lstm, Module, MultiHeadAttention, Nonlinearity, PRelu, RmsNorm, Role,
    Transformer, TransformerBlock,
};
use steepest::{Device, Error, Tensor};

fn values(tensor: &Tensor) -> Vec<f64> {
    tensor.to_vec::<f32>().unwrap().into_iter().map(f64::from).collect()
}

/// Whether numbers have this mean, variance and kurtosis.
#[track_caller]
fn moments(what: &str, x: &[f64], mean: f64, variance: f64, kurtosis: f64) {
    let n = x.len() as f64;
    let found = x.iter().sum::<f64>() / n;
    assert!((found - mean).abs() <= 5.0 * (variance / n).sqrt(), "{what}: mean {found}, not {mean}");
    let squares = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    let bound = 5.0 * variance * ((kurtosis - 1.0) / n).sqrt();
    assert!((squares - variance).abs() <= bound, "{what}: variance {squares}, not {variance} ± {bound}");
}

const NORMAL: f64 = 3.0;
const UNIFORM: f64 = 1.8;

#[test]
fn starts_have_the_moments_of_their_formulas() {
    let device = Device::cpu();
    let (inputs, outputs) = (300, 200);
    let (a, b) = (inputs as f64, outputs as f64);
    let relu = Nonlinearity::Relu.gain();
    let scaled = |gain, fan, normal| Init::Scaled { gain, fan, normal };
    let table = [
        (Init::Uniform(0.3), 0.03, UNIFORM),
        (Init::Normal(0.2), 0.04, NORMAL),
        (Init::KaimingUniform, 2.0 / a, UNIFORM),
        (Init::KaimingNormal, 2.0 / a, NORMAL),
        (Init::XavierUniform, 2.0 / (a + b), UNIFORM),
        (Init::XavierNormal, 2.0 / (a + b), NORMAL),
        (Init::LecunUniform, 1.0 / a, UNIFORM),
        (Init::LecunNormal, 1.0 / a, NORMAL),
        (Init::FanIn, 1.0 / (3.0 * a), UNIFORM),
        (scaled(relu, Fan::In, false), 2.0 / a, UNIFORM),
        (scaled(relu, Fan::Out, true), 2.0 / b, NORMAL),
        (scaled(Nonlinearity::Tanh.gain(), Fan::Average, true), 25.0 / 9.0 * 2.0 / (a + b), NORMAL),
        (scaled(Nonlinearity::LeakyRelu(0.5).gain(), Fan::In, true), 2.0 / 1.25 / a, NORMAL),
        (scaled(Nonlinearity::Selu.gain(), Fan::In, false), 0.5625 / a, UNIFORM),
        (scaled(Nonlinearity::Linear.gain(), Fan::Out, false), 1.0 / b, UNIFORM),
    ];
    for (init, variance, kurtosis) in table {
        let layer = Linear::new(&device, inputs, outputs, 0).init(init, init, 7).unwrap();
        let weight = values(layer.weight());
        moments(&format!("{init:?}"), &weight, 0.0, variance, kurtosis);
        let largest = weight.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        let bound = (3.0 * variance).sqrt();
        assert_eq!(largest <= bound * (1.0 + 1e-6), kurtosis == UNIFORM, "{init:?}: {largest} of {bound}");
        // The bias is of the same layer, so of the same variance, and of other numbers.
        let bias = values(layer.bias().unwrap());
        moments(&format!("{init:?}, bias"), &bias, 0.0, variance, kurtosis);
        assert_ne!(bias[0], weight[0]);
        // The same numbers of the same seed, others of another.
        let again = |seed| values(Linear::new(&device, inputs, outputs, 0).init(init, init, seed).unwrap().weight());
        assert!(again(7) == weight && again(8) != weight, "{init:?}");
    }
}

#[test]
fn truncated_normal_numbers_keep_to_their_bounds_and_moments() {
    let device = Device::cpu();
    let density = |x: f64| (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let n = 40_000;
    for (mean, std, low, high) in [
        (0.0, 1.0, -2.0, 2.0),
        (0.5, 0.02, 0.46, 0.54),
        (0.0, 1.0, -1.0, 3.0),
        (1.0, 2.0, 4.0, 6.0),
        (0.0, 1.0, -9.0, -4.0),
        (0.0, 1.0, 8.0, 30.0),
        (2.0, 1.0, -100.0, 100.0),
        (0.0, 1.0, 0.5, 0.500001),
    ] {
        let what = format!("{mean} ± {std} in {low}..={high}");
        let init = Init::TruncatedNormal { mean, std, low, high };
        let x = values(&init.parameter(&device, &[n], (1, 1), 3, 0));
        assert!(x.iter().all(|x| (low as f32..=high as f32).contains(&(*x as f32))), "{what}");
        // Moments of the density by Simpson's rule, where nearly all of it is.
        let (a, b) = ((low - mean) / std, (high - mean) / std);
        let (a, b) = if a > 0.0 {
            (a, b.min(a + 12.0))
        } else if b < 0.0 {
            (a.max(b - 12.0), b)
        } else {
            (a.max(-12.0), b.min(12.0))
        };
        let steps = 20_000;
        let integral = |f: &dyn Fn(f64) -> f64| {
            let point = |k: usize| {
                let x = a + (b - a) * k as f64 / steps as f64;
                let weight = if k == 0 || k == steps {
                    1.0
                } else if k % 2 == 1 {
                    4.0
                } else {
                    2.0
                };
                weight * density(x) * f(x)
            };
            (0..=steps).map(point).sum::<f64>()
        };
        let whole = integral(&|_| 1.0);
        let centre = integral(&|x| x) / whole;
        let variance = integral(&|x| (x - centre).powi(2)) / whole;
        let kurtosis = integral(&|x| (x - centre).powi(4)) / whole / variance.powi(2);
        // Of a narrow interval far from 0, f32 tells few numbers apart.
        if high - low > 1e-3 {
            moments(&what, &x, mean + std * centre, std * std * variance, kurtosis);
        }
    }
    let refused = |mean, std, low, high| {
        let tensor = Init::TruncatedNormal { mean, std, low, high }.parameter(&device, &[2], (1, 1), 0, 0);
        matches!(tensor.check(), Err(Error::Op { op: "init", error: OpError::Value(_), .. }))
    };
    assert!(refused(0.0, 1.0, 2.0, 1.0) && refused(0.0, -1.0, 0.0, 1.0) && refused(f64::NAN, 1.0, 0.0, 1.0));
    assert!(refused(0.0, 1.0, f64::NEG_INFINITY, 1.0) && refused(0.0, 1.0, 50.0, 60.0) && refused(0.0, 0.0, 1.0, 2.0));
    let same = Init::TruncatedNormal { mean: 1.5, std: 0.0, low: 1.0, high: 2.0 };
    assert_eq!(values(&same.parameter(&device, &[2], (1, 1), 0, 0)), [1.5, 1.5]);
}

/// The largest distance of A Aᵀ from gain² I, of the rows of A.
fn apart(rows: &[Vec<f64>], gain: f64) -> f64 {
    let mut worst = 0.0f64;
    for (i, a) in rows.iter().enumerate() {
        for (j, b) in rows.iter().enumerate() {
            let dot: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
            worst = worst.max((dot - if i == j { gain * gain } else { 0.0 }).abs());
        }
    }
    worst
}

/// The rows of a matrix, or its columns if those are fewer.
fn fewer(x: &[f64], rows: usize) -> Vec<Vec<f64>> {
    let columns = x.len() / rows;
    if rows <= columns {
        return x.chunks(columns).map(<[f64]>::to_vec).collect();
    }
    (0..columns).map(|c| (0..rows).map(|r| x[r * columns + c]).collect()).collect()
}

#[test]
fn orthogonal_matrices_are_orthogonal_in_every_layer() {
    let device = Device::cpu();
    let (start, zero) = (Init::Orthogonal(1.5), Init::Constant(0.0));
    for (rows, columns) in [(1, 1), (1, 5), (5, 1), (8, 8), (40, 17), (17, 40), (64, 64)] {
        let layer = Linear::new(&device, columns, rows, 0).init(start, zero, 1).unwrap();
        assert!(apart(&fewer(&values(layer.weight()), rows), 1.5) < 2e-6, "{rows}×{columns}");
    }
    // All orthogonal matrices have the same probability: an element has mean 0 and variance 1/n, on the diagonal too.
    let draws: Vec<Vec<f64>> =
        (0..4000).map(|seed| values(&Init::Orthogonal(1.0).parameter(&device, &[3, 3], (3, 3), seed, 0))).collect();
    for element in 0..9 {
        let x: Vec<f64> = draws.iter().map(|q| q[element]).collect();
        // Uniform on a sphere in three dimensions, a coordinate is uniform in −1..1.
        moments(&format!("element {element}"), &x, 0.0, 1.0 / 3.0, UNIFORM);
    }
    let blocks = |weight: &Tensor, count: usize| {
        let (x, rows) = (values(weight), weight.shape().dims()[0] / count);
        let each = x.len() / count;
        (0..count).map(|k| apart(&fewer(&x[k * each..][..each], rows), 1.5)).fold(0.0f64, f64::max)
    };
    let cases = [
        (Conv2d::new(&device, 4, 6, 3, 0).init(start, zero, 1).unwrap().weight().clone(), 1),
        (Conv3d::new(&device, 4, 6, 2, 0).groups(2).init(start, zero, 1).unwrap().weight().clone(), 2),
        (ConvTranspose2d::new(&device, 4, 6, 3, 0).groups(2).init(start, zero, 1).unwrap().weight().clone(), 2),
    ];
    for (weight, count) in &cases {
        assert!(blocks(weight, *count) < 2e-6, "{weight:?}");
    }
    let gru = Gru::new(&device, 5, 7, 0).init(start, start, zero, 3).unwrap();
    let lstm = Lstm::new(&device, 9, 4, 0).layers(2).bidirectional().init(start, start, zero, 3).unwrap();
    assert_eq!(lstm.named_parameters().len(), 16);
    let cell = GruCell::new(&device, 5, 7, 0).init(start, start, zero, 3).unwrap();
    let all = [(gru.named_parameters(), 3), (lstm.named_parameters(), 4), (cell.named_parameters(), 3)];
    for (parameters, gates) in all {
        for (name, parameter) in parameters.iter().filter(|(name, _)| name.starts_with("weight")) {
            assert!(blocks(parameter, gates) < 2e-6, "{name}");
            // Gates are drawn apart.
            let (x, each) = (values(parameter), parameter.shape().numel() / gates);
            assert_ne!(x[..each], x[each..2 * each], "{name}");
        }
        assert!(parameters.iter().filter(|(name, _)| name.starts_with("bias")).all(|(_, b)| values(b).iter().all(|x| *x == 0.0)));
    }
    let attention = MultiHeadAttention::new(&device, 8, 2, 0).init(start, zero, 1).unwrap();
    let weights: Vec<_> = attention.named_parameters().into_iter().filter(|(name, _)| name.ends_with("weight")).collect();
    assert!(weights.len() == 4 && weights.iter().all(|(_, w)| blocks(w, 1) < 2e-6));
    assert_ne!(values(&weights[0].1), values(&weights[1].1));
}

#[test]
fn an_identity_hands_its_input_on() {
    for device in common::devices("identities") {
        let zero = Init::Constant(0.0);
        let x = device.uniform([2, 4, 5, 6], -1.0, 1.0, 1);
        let same = |y: &Tensor, x: &Tensor| assert_eq!(values(y), values(x));
        let linear = Linear::new(&device, 6, 6, 0).init(Init::Identity, zero, 0).unwrap();
        same(&linear.forward(&x), &x);
        for groups in [1, 2, 4] {
            let layer = Conv2d::new(&device, 4, 4, [3, 5], 0).padding([1, 2]).groups(groups);
            same(&layer.init(Init::Identity, zero, 0).unwrap().forward(&x), &x);
            let layer = ConvTranspose2d::new(&device, 4, 4, 3, 0).padding(1).groups(groups);
            same(&layer.init(Init::Identity, zero, 0).unwrap().forward(&x), &x);
        }
        let line = x.reshape([2, 4, 30]);
        same(&Conv1d::new(&device, 4, 4, 3, 0).same().init(Init::Identity, zero, 0).unwrap().forward(&line), &line);
        let layer = ConvTranspose1d::new(&device, 4, 4, 3, 0).padding(1);
        same(&layer.init(Init::Identity, zero, 0).unwrap().forward(&line), &line);
        let volume = x.reshape([2, 4, 5, 3, 2]);
        same(&Conv3d::new(&device, 4, 4, 3, 0).same().init(Init::Identity, zero, 0).unwrap().forward(&volume), &volume);
        let layer = ConvTranspose3d::new(&device, 4, 4, 3, 0).padding(1);
        same(&layer.init(Init::Identity, zero, 0).unwrap().forward(&volume), &volume);
        // More outputs than inputs: the others are 0.
        let wide = Linear::new(&device, 2, 3, 0).init(Init::Identity, zero, 0).unwrap();
        assert_eq!(values(wide.weight()), [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
    }
    let device = Device::cpu();
    for init in [Init::Identity, Init::Orthogonal(1.0)] {
        let flat = init.parameter(&device, &[4], (1, 1), 0, 0);
        assert!(
            matches!(flat.check(), Err(Error::Op { op: "init", error: OpError::Shape(text), .. }) if text.contains("two axes"))
        );
        let error = Linear::new(&device, 2, 2, 0).init(Init::Constant(0.0), init, 0).unwrap_err();
        assert!(matches!(error, Error::Op { op: "init", at, .. } if at.file().ends_with("starts.rs")), "{error}");
    }
}

/// The variance of Kaiming's and Xavier's numbers says what a layer takes for its fans.
#[test]
fn every_layer_knows_its_fans() {
    let device = Device::cpu();
    let plan = |role: Role, shape: &[usize]| role.fans(shape);
    assert_eq!(plan(Role::Weight, &[6, 4]), (4, 6));
    assert_eq!(plan(Role::Weight, &[6, 4, 3, 5]), (60, 90));
    assert_eq!(plan(Role::Grouped(2), &[6, 4, 3]), (12, 9));
    assert_eq!(plan(Role::Transposed(2), &[6, 4, 3]), (9, 12));
    assert_eq!(plan(Role::Stacked(4), &[32, 3]), (3, 8));
    assert_eq!(plan(Role::Table, &[100, 7]), (1, 7));
    assert_eq!(plan(Role::Other(3, 4), &[9]), (3, 4));
    let mean_square = |weight: &Tensor, fan_in: f64, fan_out: f64, init: Init| {
        let variance = if init == Init::XavierNormal { 2.0 / (fan_in + fan_out) } else { 2.0 / fan_in };
        moments(&format!("{init:?} {}", weight.shape()), &values(weight), 0.0, variance, NORMAL);
    };
    let zero = Init::Constant(0.0);
    for init in [Init::KaimingNormal, Init::XavierNormal] {
        let conv = Conv2d::new(&device, 16, 24, [3, 5], 0).groups(4).init(init, init, 1).unwrap();
        mean_square(conv.weight(), 60.0, 90.0, init);
        let conv = Conv1d::new(&device, 16, 24, 7, 0).init(init, zero, 1).unwrap();
        mean_square(conv.weight(), 112.0, 168.0, init);
        let conv = Conv3d::new(&device, 8, 12, 3, 0).groups(2).init(init, zero, 1).unwrap();
        mean_square(conv.weight(), 108.0, 162.0, init);
        let back = ConvTranspose2d::new(&device, 16, 24, 3, 0).groups(2).init(init, zero, 1).unwrap();
        mean_square(back.weight(), 72.0, 108.0, init);
        let back = ConvTranspose1d::new(&device, 16, 24, 5, 0).init(init, zero, 1).unwrap();
        mean_square(back.weight(), 80.0, 120.0, init);
        let table = Embedding::new(&device, 500, 20, 0).init(init, 1).unwrap();
        mean_square(table.weight(), 1.0, 20.0, init);
        let lstm = Lstm::new(&device, 30, 20, 0).init(init, init, zero, 1).unwrap();
        mean_square(&lstm.cell().weights().ih, 30.0, 20.0, init);
        mean_square(&lstm.cell().weights().hh, 20.0, 20.0, init);
    }
    // γ and β by themselves.
    let (two, half) = (Init::Constant(2.0), Init::Constant(0.5));
    let norms: [(Box<dyn Module>, usize); 5] = [
        (Box::new(LayerNorm::new(&device, [2, 3]).init(two, half, 0).unwrap()), 2),
        (Box::new(GroupNorm::new(&device, 2, 4).init(two, half, 0).unwrap()), 2),
        (Box::new(BatchNorm2d::new(&device, 4).init(two, half, 0).unwrap()), 2),
        (Box::new(InstanceNorm2d::new(4).affine(&device).init(two, half, 0).unwrap()), 2),
        (Box::new(RmsNorm::new(&device, 4).init(two, half, 0).unwrap()), 1),
    ];
    for (norm, count) in norms {
        let parameters = norm.named_parameters();
        assert_eq!(parameters.len(), count);
        assert!(values(&parameters[0].1).iter().all(|x| *x == 2.0), "{}", norm.describe());
        assert!(parameters.iter().skip(1).all(|(_, b)| values(b).iter().all(|x| *x == 0.5)), "{}", norm.describe());
    }
    for bad in [Init::Scaled { gain: f64::NAN, fan: Fan::In, normal: true }, Init::Orthogonal(f64::INFINITY)] {
        let error = Linear::new(&device, 2, 2, 0).init(bad, zero, 0).unwrap_err();
        assert!(matches!(error, Error::Op { op: "init", error: OpError::Value(text), .. } if text.contains("gain")));
    }
}

/// Layers of several parts, and those with a weight of their own kind.
#[test]
fn blocks_bilinear_layers_and_slopes_start_as_they_are_told() {
    let device = Device::cpu();
    let (weight, bias) = (Init::Constant(0.25), Init::Constant(-2.0));
    let block = || TransformerBlock::new(&device, 8, 2, 16, 0.0, 0).swiglu();
    let layers: [Box<dyn Module>; 2] = [
        Box::new(block().init(weight, bias, 1).unwrap()),
        Box::new(Transformer::new([block(), block()]).init(weight, bias, 1).unwrap()),
    ];
    for layer in &layers {
        let mut kinds = [0; 3];
        for (name, parameter) in layer.named_parameters() {
            let (kind, expected) = match (name.contains("norm"), parameter.shape().rank()) {
                (true, _) => (0, if name.ends_with("bias") { 0.0 } else { 1.0 }),
                (false, 1) => (1, -2.0),
                (false, _) => (2, 0.25),
            };
            kinds[kind] += 1;
            assert!(values(&parameter).iter().all(|x| *x == expected), "{name}");
        }
        assert!(kinds.iter().all(|count| *count > 1), "{kinds:?}");
    }
    let drawn = |seed| values(&block().init(Init::XavierNormal, bias, seed).unwrap().parameters()[2]);
    assert!(drawn(1) == drawn(1) && drawn(1) != drawn(2));
    // 3 outputs of 5 × 7 products each.
    let bilinear = Bilinear::new(&device, 5, 7, 3, 0).init(Init::Orthogonal(1.0), bias, 1).unwrap();
    let rows = bilinear.weight().reshape([3, 35]);
    let skew = values(&(rows.matmul(&rows.t()) - device.eye(3)));
    assert!(skew.iter().all(|x| x.abs() < 1e-6), "{skew:?}");
    assert_eq!(values(bilinear.bias().unwrap()), [-2.0; 3]);
    assert_eq!(values(PRelu::new(&device, 2).init(weight, 0).unwrap().weight()), [0.25; 2]);
    assert!(PRelu::new(&device, 2).init(Init::Constant(f64::NAN), 0).is_err());
}
