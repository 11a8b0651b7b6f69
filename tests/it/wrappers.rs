//! Layers around layers whose weights are computed, and layers without weights: against their definitions, in training, evaluation and files.
#![cfg(feature = "save")]
#![allow(clippy::unwrap_used)]

use crate::common;
use steepest::nn::{self, *};
use steepest::optim::{Adam, Optimizer, Sgd};
use steepest::{Device, Error, Tensor, random, sequential};

fn close(what: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f64::from(*f) - e).abs() <= tolerance * (1.0 + e.abs()), "{what}[{i}]: {f}, expected {e}");
    }
}

fn numbers(x: &Tensor) -> Vec<f64> {
    x.to_vec::<f32>().unwrap().into_iter().map(f64::from).collect()
}

fn misconfigured(result: Result<impl Sized, Error>, says: &str) {
    match result.err().unwrap() {
        Error::Config { message, .. } => assert!(message.contains(says), "{message}"),
        other => panic!("{other}"),
    }
}

/// The largest singular value of a weight whose first axis counts the outputs: by thousands of steps of the power method.
fn largest(weight: &Tensor) -> f64 {
    let shape = weight.shape();
    let columns = shape.numel() / shape.dims()[0];
    let rows = numbers(weight);
    let mut x: Vec<f64> = (0..columns).map(|i| 1.0 + (i as f64).sin()).collect();
    let mut value = 0.0;
    for _ in 0..5000 {
        let y: Vec<f64> = rows.chunks(columns).map(|row| row.iter().zip(&x).map(|(a, b)| a * b).sum()).collect();
        let next = (0..columns).map(|c| rows.chunks(columns).zip(&y).map(|(row, y)| row[c] * y).sum());
        x = next.collect();
        let length = x.iter().map(|x| x * x).sum::<f64>().sqrt();
        value = length.sqrt();
        x.iter_mut().for_each(|x| *x /= length);
    }
    value
}

#[test]
fn weight_normalisation_is_its_definition() {
    for device in common::devices("weight normalisation") {
        let plain = Conv2d::new(&device, 2, 3, 3, 1);
        let x = device.tensor(&random::normal_host(2 * 2 * 5 * 5, 0.0, 1.0, 4, 0), [2, 2, 5, 5]);
        let (weight, before) = (plain.named_parameters()[0].1.clone(), plain.forward(&x));
        let before = numbers(&before);
        let given = numbers(&weight);
        let layer = WeightNorm::new(plain).unwrap();
        close("it begins as the layer is", &layer.forward(&x).to_vec::<f32>().unwrap(), &before, 1e-5);
        // Another length and direction: w = g v / ‖v‖ for each output.
        let named = layer.named_parameters();
        assert_eq!(named.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["weight_v", "bias", "weight_g"]);
        assert_eq!(named[2].1.shape().dims(), [3, 1, 1, 1]);
        named[2].1.set(&[1.0f32, -2.0, 0.0]).unwrap();
        let expected: Vec<f64> = given
            .chunks(18)
            .zip([1.0, -2.0, 0.0])
            .flat_map(|(v, g)| {
                let norm = v.iter().map(|v| v * v).sum::<f64>().sqrt();
                v.iter().map(|v| g * v / norm).collect::<Vec<_>>()
            })
            .collect();
        close("the weight", &layer.weight().to_vec::<f32>().unwrap(), &expected, 1e-6);
        let y = numbers(&layer.forward(&x));
        let alone = layer.finished().unwrap();
        assert_eq!(alone.named_parameters()[0].0, "weight");
        close("the layer alone", &alone.forward(&x).to_vec::<f32>().unwrap(), &y, 1e-5);
        // A direction of zeros is a weight of zeros, and its gradient is finite.
        let layer = WeightNorm::new(Embedding::with_init(&device, 3, 2, Init::Constant(0.0), 1)).unwrap();
        let y = layer.forward(&device.tensor(&[0u32, 2], 2));
        assert_eq!(y.to_vec::<f32>().unwrap(), [0.0; 4]);
        let gradients = y.sum(&[]).backward();
        assert!(numbers(&gradients.wrt(&layer.named_parameters()[0].1).unwrap()).iter().all(|g| g.is_finite()));
    }
}

#[test]
fn spectral_normalisation_divides_by_the_largest_singular_value() {
    for device in common::devices("spectral normalisation") {
        let layers: [(Box<dyn Module>, usize, Vec<usize>); 4] = [
            (Box::new(Linear::new(&device, 7, 5, 3)), 0, vec![4, 7]),
            (Box::new(Conv2d::new(&device, 2, 6, 3, 4)), 0, vec![1, 2, 4, 4]),
            (Box::new(ConvTranspose2d::new(&device, 4, 3, 2, 5)), 1, vec![1, 4, 3, 3]),
            (Box::new(Linear::new(&device, 1, 1, 6)), 0, vec![2, 1]),
        ];
        for (plain, axis, shape) in layers {
            let weight = plain.named_parameters()[0].1.clone();
            let front = |w: &Tensor| if axis == 1 { w.permute(&[1, 0, 2, 3]) } else { w.clone() };
            let sigma = largest(&front(&weight));
            let x = device.tensor(&random::normal_host(shape.iter().product(), 0.0, 1.0, 4, 0), shape);
            let expected: Vec<f64> = numbers(&weight).iter().map(|w| w / sigma).collect();
            let layer = SpectralNorm::of(plain, "weight", axis, 11).unwrap();
            // 15 steps are near the largest; each pass in training comes nearer.
            for _ in 0..60 {
                layer.forward(&x).run().unwrap();
                // What waits runs with the next step of an optimizer, or as here when the buffers are asked for.
                layer.named_buffers();
            }
            close("W / σ", &layer.weight().to_vec::<f32>().unwrap(), &expected, 1e-4);
            let normal = largest(&front(&layer.weight()));
            assert!((normal - 1.0).abs() < 1e-4, "{normal}");
            let names: Vec<String> = layer.named_state().into_iter().map(|(name, _)| name).collect();
            assert_eq!(names, ["weight_orig", "bias", "weight_u", "weight_v"]);
            // In evaluation nothing moves.
            layer.eval();
            let buffers = StateDict::of(&layer).unwrap();
            let y = numbers(&layer.forward(&x));
            assert_eq!(StateDict::of(&layer).unwrap(), buffers);
            close("the layer alone", &layer.finished().unwrap().forward(&x).to_vec::<f32>().unwrap(), &y, 1e-5);
        }
        let zero = SpectralNorm::new(Linear::with_init(&device, 2, 2, Init::Constant(0.0), Init::Constant(1.0), 1), 1).unwrap();
        assert_eq!(zero.forward(&device.ones([1, 2])).to_vec::<f32>().unwrap(), [1.0; 2]);
    }
}

#[test]
fn the_power_iteration_goes_on_with_every_step_and_from_every_file() {
    for device in common::devices("spectral normalisation in training") {
        let made = || {
            let linear = |inputs, outputs, seed| SpectralNorm::new(Linear::new(&device, inputs, outputs, seed), seed).unwrap();
            sequential![linear(3, 6, 1), Activation::Tanh, linear(6, 1, 2).iterations(2)]
        };
        let x = device.tensor(&random::normal_host(24, 0.0, 1.0, 4, 0), [8, 3]);
        let train = |model: &Sequential, steps: usize| {
            let mut sgd = Sgd::new(model.parameters(), 0.5);
            for _ in 0..steps {
                sgd.step((model.forward(&x) - 1.0).square().mean(&[]).backward()).unwrap();
            }
        };
        let (model, same) = (made(), made());
        train(&model, 6);
        train(&same, 3);
        // Taken out and put into a model that begins elsewhere, it goes on to the bit.
        let state = StateDict::of(&same).unwrap();
        let other = {
            let linear = |inputs, outputs, seed| SpectralNorm::new(Linear::new(&device, inputs, outputs, seed), seed).unwrap();
            sequential![linear(3, 6, 8), Activation::Tanh, linear(6, 1, 9).iterations(2)]
        };
        state.load(&other).unwrap();
        train(&other, 3);
        assert_eq!(StateDict::of(&other).unwrap(), StateDict::of(&model).unwrap());
        let buffers = model.named_buffers();
        let start = made().named_buffers();
        assert!(buffers.iter().zip(&start).take(2).all(|((_, a), (_, b))| numbers(a) != numbers(b)), "they moved");
        for (_, buffer) in &buffers {
            let norm = numbers(buffer).iter().map(|v| v * v).sum::<f64>().sqrt();
            assert!((norm - 1.0).abs() < 1e-5, "{norm}");
        }
    }
}

#[test]
fn wrapped_layers_learn_and_are_refused_by_name() {
    let device = Device::cpu();
    let x = device.tensor(&random::normal_host(24, 0.0, 1.0, 4, 0), [8, 3]);
    let y = x.sum_keepdim(&[1]).tanh();
    let model = sequential![
        WeightNorm::new(Linear::new(&device, 3, 8, 1)).unwrap(),
        Activation::Tanh,
        WeightNorm::of(Box::new(sequential![Linear::new(&device, 8, 1, 2)]), "0.weight", 1).unwrap()
    ];
    let mut adam = Adam::new(model.parameters(), 0.03);
    let mut losses = vec![];
    for _ in 0..80 {
        let loss = model.forward(&x).mse(&y);
        adam.step(loss.backward()).unwrap();
        losses.push(loss.item().unwrap());
    }
    assert!(losses[79] < 0.05 * losses[0], "{losses:?}");
    assert!(model.named_parameters().iter().any(|(name, _)| name == "2.0.weight_v"));
    // The work is the layer's, the parameters are the lengths' too.
    let rows = nn::summary(&model, &device, [1, 3]).unwrap().rows;
    assert_eq!((rows[0].multiply_adds, rows[0].parameters), (24, 24 + 8 + 8));
    misconfigured(WeightNorm::new(Activation::Relu), "has no parameter `weight`, it has []");
    misconfigured(WeightNorm::of(Box::new(Linear::new(&device, 2, 1, 1)), "weight", 2), "axis 2 of `weight`");
    misconfigured(SpectralNorm::of(Box::new(Linear::new(&device, 2, 1, 1)), "wait", 0, 1), r#"it has ["weight", "bias"]"#);
}

#[test]
fn bilinear_layers_are_their_definition() {
    for device in common::devices("bilinear layers") {
        let layer = Bilinear::new(&device, 3, 2, 4, 1);
        let a = device.parameter(&random::normal_host(2 * 5 * 3, 0.0, 1.0, 4, 0), [2, 5, 3]);
        let b = device.parameter(&random::normal_host(2 * 5 * 2, 0.0, 1.0, 4, 1), [2, 5, 2]);
        let y = layer.of(&a, &b);
        assert_eq!(y.shape().dims(), [2, 5, 4]);
        let (w, bias) = (numbers(layer.weight()), numbers(layer.bias().unwrap()));
        let (first, second) = (numbers(&a), numbers(&b));
        let mut expected = vec![];
        for row in 0..10 {
            for k in 0..4 {
                let terms = (0..3).flat_map(|i| (0..2).map(move |j| (i, j)));
                let sum: f64 = terms.map(|(i, j)| first[row * 3 + i] * w[(k * 3 + i) * 2 + j] * second[row * 2 + j]).sum();
                expected.push(sum + bias[k]);
            }
        }
        close("bilinear", &y.to_vec::<f32>().unwrap(), &expected, 1e-5);
        // ∂ Σ y / ∂ A_k = Σ x₁ x₂ᵀ, for every k.
        let gradient = numbers(&y.sum(&[]).backward().wrt(layer.weight()).unwrap());
        for (at, found) in gradient.iter().enumerate() {
            let (i, j) = (at / 2 % 3, at % 2);
            let expected: f64 = (0..10).map(|row| first[row * 3 + i] * second[row * 2 + j]).sum();
            assert!((found - expected).abs() < 1e-4, "{found}, expected {expected}");
        }
        let summary = nn::summary_of_all(&layer, &[a.clone(), b.clone()]).unwrap();
        assert_eq!((summary.rows[0].parameters, summary.rows[0].multiply_adds), (28, 40 * 2 * 4));
        assert!(layer.of(&b, &a).check().is_err() && layer.forward(&a).check().is_err());
        assert!(layer.of(&a, &b.reshape([5, 2, 2])).check().unwrap_err().to_string().contains("bilinear"));
        let model = Registry::new().build(&device, &layer.without_bias().blueprint().unwrap()).unwrap();
        assert_eq!(model.named_parameters().len(), 1);
    }
}

#[test]
fn shapes_and_functions_are_layers() {
    let device = Device::cpu();
    let x = device.tensor(&random::normal_host(120, 0.0, 1.0, 4, 0), [2, 3, 4, 5]);
    let dims = |layer: &dyn Module| layer.forward(&x).try_shape().map(|s| s.dims().to_vec());
    assert_eq!(dims(&FlattenAxes::new(0, -1)).unwrap(), [120]);
    assert_eq!(dims(&FlattenAxes::new(2, 2)).unwrap(), [2, 3, 4, 5]);
    assert_eq!(dims(&FlattenAxes::new(-3, 2)).unwrap(), [2, 12, 5]);
    assert_eq!(FlattenAxes::new(0, 0).forward(&device.ones(())).shape().dims(), [1]);
    assert!(dims(&FlattenAxes::new(2, 1)).unwrap_err().to_string().contains("the end is first"));
    assert!(dims(&FlattenAxes::new(0, 4)).unwrap_err().to_string().contains("flatten"));
    assert_eq!(dims(&Unflatten::new(-2, [2, 2])).unwrap(), [2, 3, 2, 2, 5]);
    assert!(dims(&Unflatten::new(2, [3, 2])).unwrap_err().to_string().contains("axis 2 of [2,3,4,5] is not of the sizes [3, 2]"));
    assert!(dims(&Unflatten::new(9, [3, 2])).is_err());
    assert!(dims(&Unflatten::new(2, [usize::MAX, 2])).is_err());
    assert_eq!(Identity.forward(&x).id(), x.id());
    let twice = Function::new("twice", |x| x * 2.0);
    assert_eq!((twice.describe(), numbers(&twice.forward(&x))[7]), ("twice".to_owned(), 2.0 * numbers(&x)[7]));
}

#[test]
fn channels_are_dropped_whole() {
    for device in common::devices("dropout of channels") {
        let layer = ChannelDropout::new(0.3, 5);
        let mut numbers_of = random::normal_host(40 * 50 * 3, 0.0, 1.0, 4, 0);
        numbers_of[0] = f32::INFINITY;
        let x = device.parameter(&numbers_of, [40, 50, 3]);
        let y = layer.forward(&x);
        let gradient = y.sum(&[]).backward().wrt(&x).unwrap();
        device.run([&y, &gradient]).unwrap();
        let (y, gradient) = (y.to_vec::<f32>().unwrap(), gradient.to_vec::<f32>().unwrap());
        let mut dropped = 0;
        for ((x, y), g) in numbers_of.chunks(3).zip(y.chunks(3)).zip(gradient.chunks(3)) {
            let off = g == [0.0; 3];
            dropped += usize::from(off);
            for i in 0..3 {
                let (value, slope) = if off { (0.0, 0.0) } else { (x[i] / 0.7, 1.0 / 0.7f32) };
                assert!((y[i] == value || (y[i] - value).abs() < 1e-5) && (g[i] - slope).abs() < 1e-6, "{x:?} {y:?} {g:?}");
            }
        }
        assert!((0.26..0.34).contains(&(dropped as f64 / 2000.0)), "{dropped} of 2000");
        // Another mask each pass, none in evaluation; whatever the axes.
        let ones = device.ones([8, 16]);
        assert_ne!(numbers(&layer.forward(&ones)), numbers(&layer.forward(&ones)));
        layer.eval();
        assert_eq!(layer.forward(&ones).id(), ones.id());
        layer.train();
        assert_eq!(layer.forward(&device.ones([2, 3, 2, 2, 2])).shape().dims(), [2, 3, 2, 2, 2]);
        assert!(layer.forward(&device.ones(4)).check().unwrap_err().to_string().contains("channel_dropout"));
        for p in [1.0, -0.1, f64::NAN] {
            assert!(
                ChannelDropout::new(p, 1).forward(&ones).check().is_err()
                    && AlphaDropout::new(p, 1).forward(&ones).check().is_err()
            );
        }
    }
}

#[test]
fn alpha_dropout_keeps_mean_and_variance() {
    for device in common::devices("alpha dropout") {
        for p in [0.1, 0.5, 0.9] {
            let layer = AlphaDropout::new(p, 3);
            let values = random::normal_host(40_000, 0.0, 1.0, 4, 1);
            let x = device.parameter(&values, 40_000);
            let y = layer.forward(&x);
            let gradient = y.sum(&[]).backward().wrt(&x).unwrap();
            device.run([&y, &gradient]).unwrap();
            let (y, gradient) = (numbers(&y), numbers(&gradient));
            let mean = y.iter().sum::<f64>() / 40_000.0;
            let variance = y.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / 40_000.0;
            assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.04, "p = {p}: {mean}, {variance}");
            let q = 1.0 - p;
            let a = (q + 1.758_099_340_847_376_6f64.powi(2) * q * p).powf(-0.5);
            let b = a * 1.758_099_340_847_376_6 * p;
            let mut dropped = 0;
            for ((x, y), g) in values.iter().zip(&y).zip(&gradient) {
                let off = *g == 0.0;
                dropped += usize::from(off);
                let expected = if off { -1.758_099_340_847_376_6 * a + b } else { f64::from(*x) * a + b };
                assert!((y - expected).abs() < 1e-5 && (off || (g - a).abs() < 1e-6));
            }
            assert!((dropped as f64 / 40_000.0 - p).abs() < 0.01);
            layer.eval();
            assert_eq!(layer.forward(&x).id(), x.id());
        }
    }
}
