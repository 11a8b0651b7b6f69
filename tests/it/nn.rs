//! Layers and losses: values and gradients against the f64 reference, states in training and evaluation, and what is refused.
#![allow(clippy::unwrap_used)]

use crate::common;
use steepest::error::OpError;
use steepest::graph::Array;
use steepest::nn::loss::{self, CrossEntropy, Reduction};
use steepest::nn::recurrent::Cell;
use steepest::nn::*;
use steepest::optim::{Adam, Optimizer};
use steepest::reference::{Overrides, evaluate};
use steepest::{Device, Error, Tensor, random, sequential};

pub fn op_error(result: Result<impl std::fmt::Debug, Error>) -> OpError {
    match result.unwrap_err() {
        Error::Op { error, .. } => error,
        other => panic!("{other}"),
    }
}

fn is_shape(x: &Tensor) -> bool {
    matches!(op_error(x.check()), OpError::Shape(_))
}

fn is_value(x: &Tensor) -> bool {
    matches!(op_error(x.check()), OpError::Value(_))
}

pub fn normal(device: &Device, shape: &[usize], stream: u64) -> Tensor {
    device.tensor(&random::normal_host(shape.iter().product(), 0.0, 1.0, 7, stream), shape)
}

pub fn close(what: &str, found: &[f64], expected: &[f64], rtol: f64, atol: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= atol + rtol * e.abs() || (f.is_nan() && e.is_nan()), "{what}[{i}]: {f} for {e}");
    }
}

pub fn numbers(x: &Tensor) -> Vec<f64> {
    x.to_vec::<f32>().unwrap().into_iter().map(f64::from).collect()
}

/// Checks what `make` records of leaves: the loss's gradients by central differences on the reference, and all values on every device
/// against the reference.
fn verify(what: &str, make: impl Fn(&Device) -> (Tensor, Vec<(String, Tensor)>)) {
    for device in common::devices(what) {
        let (y, parameters) = make(&device);
        y.check().unwrap();
        let weights = normal(&device, y.shape().dims(), 99);
        let loss = (&y * &weights).sum(&[]);
        let gradients = loss.backward();
        let gradients: Vec<Tensor> = parameters.iter().map(|(name, p)| gradients.wrt(p).expect(name)).collect();
        let all: Vec<&Tensor> = [&y, &loss].into_iter().chain(&gradients).collect();
        let expected = evaluate(&all, &Overrides::new()).unwrap();
        if !device.is_gpu() {
            for ((name, parameter), gradient) in parameters.iter().zip(&expected[2..]) {
                let value = evaluate(&[parameter], &Overrides::new()).unwrap().remove(0);
                let count = value.data.len();
                for i in (0..count).step_by(count.div_ceil(7)) {
                    let moved = |by: f64| {
                        let mut data = value.data.clone();
                        data[i] += by;
                        let given = Overrides::from([(parameter.id(), Array::new(value.shape, data))]);
                        evaluate(&[&loss], &given).unwrap()[0].data[0]
                    };
                    let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                    close(&format!("{what}: slope by {name}, {i}"), &[gradient.data[i]], &[slope], 1e-5, 1e-6);
                }
            }
        }
        device.run(all.iter().copied()).unwrap();
        for (tensor, expected) in all.iter().zip(&expected) {
            let largest = expected.data.iter().fold(1.0f64, |m, e| m.max(e.abs()));
            close(&format!("{what} on {device}"), &numbers(tensor), &expected.data, 1e-4, 1e-5 * largest);
        }
    }
}

/// A layer on an input of `shape`, by all its parameters and the input.
fn layer<M: Module>(what: &str, shape: &[usize], make: impl Fn(&Device) -> M) {
    verify(what, |device| {
        let model = make(device);
        let count = shape.iter().product();
        let x = device.parameter(&random::normal_host(count, 0.3, 1.5, 3, 3), shape);
        // Parameters that start at 0 or 1 would hide faults.
        for (i, p) in model.parameters().iter().enumerate() {
            let values = random::normal_host(p.shape().numel(), 0.2, 0.7, 11, i as u64);
            p.set(&values).unwrap();
        }
        let mut parameters = model.named_parameters();
        parameters.push(("input".to_owned(), x.clone()));
        (model.forward(&x), parameters)
    });
}

#[test]
fn normalisations_have_the_gradients_of_their_definitions() {
    layer("LayerNorm", &[3, 4], |d| LayerNorm::new(d, 4));
    layer("LayerNorm over two axes", &[2, 3, 4], |d| LayerNorm::new(d, [3, 4]).eps(0.1));
    layer("LayerNorm without affine", &[2, 5], |d| LayerNorm::new(d, 5).without_affine());
    layer("GroupNorm", &[2, 6, 3], |d| GroupNorm::new(d, 3, 6));
    layer("GroupNorm without affine", &[2, 4, 2, 2], |d| GroupNorm::new(d, 1, 4).without_affine());
    layer("RmsNorm", &[3, 4], |d| RmsNorm::new(d, 4));
    layer("BatchNorm1d", &[5, 3], |d| BatchNorm1d::new(d, 3));
    layer("BatchNorm1d of sequences", &[2, 3, 4], |d| BatchNorm1d::new(d, 3).eps(0.1));
    layer("BatchNorm2d", &[2, 3, 2, 2], |d| BatchNorm2d::new(d, 3));
    layer("BatchNorm2d in evaluation", &[2, 3, 2, 2], |d| {
        let norm = BatchNorm2d::new(d, 3);
        norm.named_buffers()[0].1.set(&[0.5f32, -1.0, 2.0]).unwrap();
        norm.named_buffers()[1].1.set(&[0.5f32, 1.5, 2.0]).unwrap();
        norm.eval();
        norm
    });
}

#[test]
fn recurrent_layers_have_the_gradients_of_their_definitions() {
    layer("RnnCell", &[2, 3], |d| RnnCell::new(d, 3, 4, 1));
    layer("GruCell", &[2, 3], |d| GruCell::new(d, 3, 4, 1));
    layer("LstmCell", &[2, 3], |d| LstmCell::new(d, 3, 4, 1));
    layer("Rnn", &[4, 2, 3], |d| Rnn::new(d, 3, 4, 1));
    layer("Gru", &[2, 3, 2], |d| Gru::new(d, 2, 3, 1).batch_first());
    layer("Lstm", &[3, 2, 3], |d| Lstm::new(d, 3, 2, 1));
    layer("Lstm, last", &[2, 3, 3], |d| Lstm::new(d, 3, 2, 1).batch_first().last_only());
}

#[test]
fn attention_and_the_rest_have_the_gradients_of_their_definitions() {
    layer("MultiHeadAttention", &[2, 3, 4], |d| MultiHeadAttention::new(d, 4, 2, 1));
    layer("MultiHeadAttention, causal", &[1, 4, 6], |d| MultiHeadAttention::new(d, 6, 3, 1).causal());
    layer("TransformerBlock", &[2, 3, 4], |d| TransformerBlock::new(d, 4, 2, 6, 0.0, 1));
    layer("Ensemble", &[2, 3], |d| {
        let member = |seed| Box::new(sequential![Linear::new(d, 3, 2, seed), Activation::Tanh]) as Box<dyn Module>;
        Ensemble::new([member(1), member(2), member(3)])
    });
    layer("PRelu", &[2, 3, 4], |d| PRelu::new(d, 3));
    layer("PRelu of one slope", &[5], |d| PRelu::new(d, 1));
    layer("Glu", &[2, 4, 3], |_| Glu::new(1));
    layer("SwiGlu", &[2, 6], |_| SwiGlu::new(-1));
    layer("WeightNorm", &[2, 3], |d| WeightNorm::new(Linear::new(d, 3, 4, 1)).unwrap());
    layer("WeightNorm of a convolution", &[1, 2, 4, 4], |d| {
        WeightNorm::of(Box::new(ConvTranspose2d::new(d, 2, 3, 2, 1)), "weight", 1).unwrap()
    });
    layer("SpectralNorm in evaluation", &[2, 3], |d| {
        let layer = SpectralNorm::new(Linear::new(d, 3, 4, 1), 1).unwrap();
        layer.eval();
        layer
    });
    layer("Residual", &[2, 3], |d| Residual::new(sequential![Linear::new(d, 3, 3, 1), Activation::Tanh]));
    verify("Embedding", |device| {
        let table = Embedding::new(device, 5, 3, 1);
        (table.forward(&device.tensor(&[1u32, 4, 1, 0], [2, 2])), table.named_parameters())
    });
    let device = Device::cpu();
    let table = Embedding::new(&device, 5, 3, 1);
    let rows = numbers(&table.forward(&device.tensor(&[4i32, 0], 2)));
    assert_eq!([&rows[..3], &rows[3..]], [&numbers(table.weight())[12..], &numbers(table.weight())[..3]]);
}

/// Rows of 2 numbers and 3 indices, into tables of 4, 2 and 5 rows; and the same with a one-hot input for each index but 0.
fn with_indices(device: &Device) -> (Tensor, Tensor) {
    let indices = [[3, 0, 4], [0, 1, 4], [1, 1, 0], [3, 0, 2], [2, 1, 4], [0, 0, 0]];
    let (mut short, mut long): (Vec<f32>, Vec<f32>) = (vec![], vec![]);
    for (row, indices) in indices.iter().enumerate() {
        let numbers = [row as f32 * 0.5 - 1.0, 0.7 - (row * row) as f32 * 0.1];
        short.extend(numbers.iter().copied().chain(indices.iter().map(|&i| i as f32)));
        long.extend(numbers);
        for (&index, rows) in indices.iter().zip([4, 2, 5]) {
            long.extend((1..rows).map(|i| f32::from(u8::from(i == index))));
        }
    }
    (device.tensor(&short, [2, 3, 5]), device.tensor(&long, [2, 3, 10]))
}

/// The layer of the same seed over one-hot inputs: the same start, values and gradients, without the one-hot.
#[test]
fn looking_up_features_is_a_linear_layer_over_one_hot_rows() {
    verify("FeatureEmbedding", |device| {
        let model = FeatureEmbedding::new(device, 2, &[4, 2, 5], 3, 1);
        (model.forward(&with_indices(device).0), model.named_parameters())
    });
    verify("FeatureEmbedding of indices alone", |device| {
        let model = FeatureEmbedding::new(device, 0, &[4, 2, 5], 3, 1);
        (model.forward(&with_indices(device).0.slice(-1, 2..)), model.named_parameters())
    });
    for device in common::devices("looking up features") {
        let (short, long) = with_indices(&device);
        let looked_up = FeatureEmbedding::with_init(&device, 2, &[4, 2, 5], 3, Init::KaimingNormal, Init::FanIn, 5);
        let linear = Linear::with_init(&device, 10, 3, Init::KaimingNormal, Init::FanIn, 5);
        // Of the weights [outputs, inputs] of the linear layer: the numbers, and for each category what its input is multiplied by.
        let parted = |w: Vec<f64>| -> Vec<Vec<f64>> {
            let column = |i: usize| (0..3).map(|row| w[row * 10 + i]).collect::<Vec<f64>>();
            let rows = |from: usize, count: usize| (from..from + count).flat_map(column).collect();
            vec![(0..3).flat_map(|row| w[row * 10..][..2].to_vec()).collect(), rows(2, 3), rows(5, 1), rows(6, 4)]
        };
        let same = |what: &str, weight: Tensor, own: &dyn Fn(&Tensor) -> Vec<f64>, row_0: bool| {
            let expected = parted(numbers(&weight));
            close(what, &own(looked_up.weight().unwrap()), &expected[0], 1e-5, 1e-6);
            for (table, expected) in looked_up.tables().iter().zip(&expected[1..]) {
                let found = own(table);
                assert!(!row_0 || found[..3] == [0.0; 3], "{what}: {found:?}");
                close(what, &found[3..], expected, 1e-5, 1e-6);
            }
        };
        same("start", linear.weight().clone(), &numbers, true);
        let (a, b) = (looked_up.forward(&short), linear.forward(&long));
        assert_eq!(a.shape(), b.shape());
        close("value", &numbers(&a), &numbers(&b), 1e-5, 1e-6);
        let target = normal(&device, &[2, 3, 3], 4);
        let (ours, theirs) = (a.mse(&target).backward(), b.mse(&target).backward());
        same("gradient", theirs.wrt(linear.weight()).unwrap(), &|p| numbers(&ours.wrt(p).unwrap()), false);
        let (ours, theirs) = (ours.wrt(looked_up.bias()).unwrap(), theirs.wrt(linear.bias().unwrap()).unwrap());
        close("bias", &numbers(&ours), &numbers(&theirs), 1e-5, 1e-6);
        // Outside; not whole; too narrow and too wide.
        let rows = |x: &[f32]| numbers(&looked_up.forward(&device.tensor(x, [1, 5])));
        assert!(rows(&[0., 0., 4., 0., 0.]).iter().chain(&rows(&[0., 0., 0., -1., 0.])).all(|y| y.is_nan()));
        assert_eq!(rows(&[1., 2., 3.9, 1., 0.]), rows(&[1., 2., 3., 1., 0.]));
        assert!(is_shape(&looked_up.forward(&device.zeros([2, 4]))) && is_shape(&looked_up.forward(&device.zeros([2, 6]))));
        assert!(is_value(&FeatureEmbedding::with_init(&device, 2, &[4], 3, Init::Normal(-1.0), Init::FanIn, 5).bias().clone()));
    }
}

/// Attention head by head and row by row, as naive as it can be.
#[test]
fn attention_in_heads_is_what_it_says() {
    let (n, t, s, width, heads) = (2, 3, 4, 6, 2);
    for causal in [false, true] {
        let device = Device::cpu();
        let layer = MultiHeadAttention::new(&device, width, heads, 5);
        let layer = if causal { layer.causal() } else { layer };
        let (q, kv) = (normal(&device, &[n, t, width], 1), normal(&device, &[n, s, width], 2));
        let found = numbers(&layer.attend(&q, &kv, &kv));
        let p: std::collections::HashMap<String, Vec<f64>> =
            layer.named_parameters().into_iter().map(|(name, p)| (name, numbers(&p))).collect();
        let project = |name: &str, x: &[f64]| -> Vec<f64> {
            let (w, b) = (&p[&format!("{name}.weight")], &p[&format!("{name}.bias")]);
            (0..width).map(|o| b[o] + (0..width).map(|i| w[o * width + i] * x[i]).sum::<f64>()).collect()
        };
        let rows = |name: &str, x: &Tensor| -> Vec<Vec<f64>> { numbers(x).chunks(width).map(|r| project(name, r)).collect() };
        let (qs, ks, vs) = (rows("q_proj", &q), rows("k_proj", &kv), rows("v_proj", &kv));
        let d = width / heads;
        let mut expected = vec![];
        for b in 0..n {
            for i in 0..t {
                let mut mixed = vec![0.0; width];
                for h in 0..heads {
                    let part = h * d..(h + 1) * d;
                    let score = |j: usize| -> f64 {
                        let dot: f64 = part.clone().map(|c| qs[b * t + i][c] * ks[b * s + j][c]).sum();
                        (dot / (d as f64).sqrt()).exp()
                    };
                    let seen = if causal { i + 1 } else { s };
                    let total: f64 = (0..seen).map(score).sum();
                    for j in 0..seen {
                        part.clone().for_each(|c| mixed[c] += score(j) / total * vs[b * s + j][c]);
                    }
                }
                expected.extend(project("out_proj", &mixed));
            }
        }
        close("attention", &found, &expected, 1e-4, 1e-5);
    }
}

#[test]
fn losses_have_the_gradients_of_their_definitions() {
    let of = |what: &str, targets: &'static [f32], f: &dyn Fn(&Tensor, &Tensor) -> Tensor| {
        verify(what, |device| {
            let x = device.parameter(&[0.4, -1.2, 2.5, 0.1, -0.3, 1.7], [3, 2]);
            (f(&x, &device.tensor(targets, [3, 2])), vec![("x".to_owned(), x)])
        });
    };
    let (real, signs) = (&[0.5, -1.0, 0.2, 3.0, -0.2, 0.0], &[1.0, -1.0, 1.0, -1.0, -1.0, 1.0]);
    let shares: &[f32] = &[0.0, 1.0, 0.25, 0.75, 0.5, 1.0];
    for r in [Reduction::Mean, Reduction::Sum, Reduction::BatchMean, Reduction::None] {
        of("mse", real, &|x, t| loss::mse(x, t, r));
        of("mae", real, &|x, t| loss::mae(x, t, r));
        of("huber", real, &|x, t| loss::huber(x, t, 0.7, r));
        of("bce", shares, &|x, t| loss::bce(&x.sigmoid(), t, r));
        of("bce_with_logits", shares, &|x, t| loss::bce_with_logits(x, t, Some(&x.device().tensor(&[0.5f32, 3.0], 2)), r));
        of("multilabel", shares, &|x, t| loss::multilabel_soft_margin(x, t, Some(&x.device().tensor(&[0.5f32, 3.0], 2)), r));
        of("soft_margin", signs, &|x, t| loss::soft_margin(x, t, r));
        of("hinge", signs, &|x, t| loss::hinge(x, t, 1.0, r));
        of("kl_div", shares, &|x, t| loss::kl_div(&x.log_softmax(1), t, r));
        for settings in settings() {
            let settings = settings.reduction(r);
            verify("cross entropy", |device| {
                let x = device.parameter(&random::normal_host(12, 0.0, 2.0, 5, 5), [4, 3]);
                let settings = on(&settings, device);
                (settings.of(&x, &device.tensor(&[2i32, 0, -1, 1], 4)), vec![("x".to_owned(), x)])
            });
        }
    }
}

/// Cross-entropy with one and several of its settings; all ignore −1.
fn settings() -> Vec<CrossEntropy> {
    let plain = CrossEntropy::new().ignore(-1);
    let weighted = plain.clone().weights(&Device::cpu().tensor(&WEIGHTS, 3));
    vec![plain.clone(), plain.smoothing(0.2), weighted.clone(), weighted.smoothing(0.1)]
}

const WEIGHTS: [f32; 3] = [0.5, 2.0, 1.25];

/// The settings with class weights of this device.
fn on(settings: &CrossEntropy, device: &Device) -> CrossEntropy {
    let weighted = format!("{settings:?}").contains("weights: Some");
    if weighted { settings.clone().weights(&device.tensor(&WEIGHTS, 3)) } else { settings.clone() }
}

#[test]
fn cross_entropy_with_all_its_settings_is_pytorchs() {
    let logits = random::normal_host(12, 0.0, 2.0, 5, 5);
    let labels = [2i32, 0, -1, 1];
    for device in common::devices("cross entropy") {
        let (x, t) = (device.tensor(&logits, [4, 3]), device.tensor(&labels, 4));
        for (weighted, epsilon) in [(false, 0.0), (false, 0.2), (true, 0.0), (true, 0.1)] {
            let w = |c: usize| if weighted { f64::from(WEIGHTS[c]) } else { 1.0 };
            let (mut rows, mut count) = (vec![], 0.0);
            for (row, &y) in logits.chunks(3).zip(&labels) {
                let lse = row.iter().map(|&v| f64::from(v).exp()).sum::<f64>().ln();
                let loss = |c: usize| w(c) * (lse - f64::from(row[c]));
                rows.push(if y < 0 {
                    0.0
                } else {
                    count += w(y as usize);
                    (1.0 - epsilon) * loss(y as usize) + epsilon / 3.0 * (0..3).map(loss).sum::<f64>()
                });
            }
            let settings = CrossEntropy::new().ignore(-1).smoothing(epsilon);
            let settings = if weighted { settings.weights(&device.tensor(&WEIGHTS, 3)) } else { settings };
            let found = |r| numbers(&settings.clone().reduction(r).of(&x, &t));
            let total: f64 = rows.iter().sum();
            close("rows", &found(Reduction::None), &rows, 1e-5, 1e-6);
            close("sum", &found(Reduction::Sum), &[total], 1e-5, 1e-6);
            close("mean", &found(Reduction::Mean), &[total / count], 1e-5, 1e-6);
            if epsilon == 0.0 {
                close("nll", &numbers(&settings.nll(&x.log_softmax(1), &t)), &[total / count], 1e-5, 1e-6);
            }
        }
        // No row counts: 0 / 0. The unweighted loss is the kernel's.
        assert!(CrossEntropy::new().ignore(3).of(&x, &device.tensor(&[3u32; 4], 4)).item().unwrap().is_nan());
        let t = device.tensor(&[2u32, 0, 1, 1], 4);
        assert_eq!(CrossEntropy::new().of(&x, &t).item().unwrap(), x.cross_entropy(&t).item().unwrap());
        assert_eq!(loss::nll(&x.log_softmax(1), &t, Reduction::Sum).shape().rank(), 0);
    }
}

/// Logits \[n, classes, d…\] are rows of classes: the same as the rows one below the other.
#[test]
fn cross_entropy_of_pixels_is_that_of_rows() {
    let logits = random::normal_host(2 * 3 * 2 * 2, 0.0, 2.0, 5, 8);
    let labels = [2i32, 0, -1, 1, 1, 2, 2, -1];
    // [n, classes, d, e] to [n, d, e, classes].
    let rows: Vec<f32> =
        (0..8).flat_map(|r| (0..3).map(move |c| (r, c))).map(|(r, c)| logits[r / 4 * 12 + c * 4 + r % 4]).collect();
    for device in common::devices("cross entropy of pixels") {
        let (x, t) = (device.tensor(&logits, [2, 3, 2, 2]), device.tensor(&labels, [2, 2, 2]));
        let (flat, own) = (device.tensor(&rows, [8, 3]), device.tensor(&labels, 8));
        for settings in settings() {
            let settings = on(&settings, &device);
            for r in [Reduction::None, Reduction::Sum, Reduction::Mean] {
                let settings = settings.clone().reduction(r);
                let (found, expected) = (settings.of(&x, &t), settings.of(&flat, &own));
                assert_eq!(found.shape().dims(), if r == Reduction::None { &[2, 2, 2][..] } else { &[] });
                assert_eq!(numbers(&found), numbers(&expected));
                if !format!("{settings:?}").contains("smoothing: 0.0") {
                    continue;
                }
                let (found, expected) = (settings.nll(&x.log_softmax(1), &t), settings.nll(&flat.log_softmax(1), &own));
                assert_eq!(found.shape().dims(), if r == Reduction::None { &[2, 2, 2][..] } else { &[] });
                close("nll", &numbers(&found), &numbers(&expected), 1e-6, 1e-7);
            }
            // By the number of images.
            let by_image = settings.clone().reduction(Reduction::BatchMean).of(&x, &t).item().unwrap();
            let sum = settings.clone().reduction(Reduction::Sum).of(&flat, &own).item().unwrap();
            assert!((by_image - sum / 2.0).abs() < 1e-6 * sum.abs(), "{by_image}, {sum}");
        }
        // Probabilities of the logits' own shape.
        let smooth = CrossEntropy::new().smoothing(0.1).reduction(Reduction::None);
        let (found, expected) = (smooth.of(&x, &x.softmax(1)), smooth.of(&flat, &flat.softmax(1)));
        assert_eq!(found.shape().dims(), [2, 2, 2]);
        close("probabilities", &numbers(&found), &numbers(&expected), 1e-5, 1e-6);
        let (parameter, settings) = (device.parameter(&logits, [2, 3, 2, 2]), CrossEntropy::new().ignore(-1));
        let gradient = settings.of(&parameter, &t).backward().wrt(&parameter).unwrap().permute(&[0, 2, 3, 1]);
        let parameter = device.parameter(&rows, [8, 3]);
        let expected = settings.of(&parameter, &own).backward().wrt(&parameter).unwrap();
        close("gradient", &numbers(&gradient.flatten()), &numbers(&expected.flatten()), 1e-6, 1e-8);
    }
}

#[test]
fn losses_stay_finite_at_their_edges() {
    for device in common::devices("edges of losses") {
        let x = device.parameter(&[0.0, 1.0, 0.0, 1.0], 4);
        let t = device.tensor(&[1.0f32, 0.0, 0.0, 1.0], 4);
        let each = loss::bce(&x, &t, Reduction::None);
        assert_eq!(each.to_vec::<f32>().unwrap(), [100.0, 100.0, 0.0, 0.0]);
        let gradient = each.sum(&[]).backward().wrt(&x).unwrap().to_vec::<f32>().unwrap();
        close("slope", &gradient.iter().map(|&g| f64::from(g)).collect::<Vec<_>>(), &[-1e12, 1e12, 1.0, -1.0], 1e-5, 0.0);
        assert!(loss::bce(&device.tensor(&[-0.5f32], 1), &device.tensor(&[1.0f32], 1), Reduction::Mean).item().unwrap().is_nan());
        let x = device.parameter(&[1000.0, -1000.0, 1000.0, -1000.0, 20.0, -20.0], 6);
        let t = device.tensor(&[1.0f32, 0.0, 0.0, 1.0, 1.0, 0.0], 6);
        let each = loss::bce_with_logits(&x, &t, None, Reduction::None);
        let small = (-20f64).exp().ln_1p();
        close("logits", &numbers(&each), &[0.0, 0.0, 1000.0, 1000.0, small, small], 1e-5, 0.0);
        let gradient = each.sum(&[]).backward().wrt(&x).unwrap();
        close("slope", &numbers(&gradient)[..4], &[0.0, 0.0, 1.0, -1.0], 1e-6, 1e-30);
    }
}

#[test]
fn losses_refuse_what_does_not_fit() {
    let device = Device::cpu();
    let (x, column, r) = (device.zeros([3, 2]), device.zeros([3, 1]), Reduction::Mean);
    for refused in [
        loss::mse(&x, &column, r),
        loss::mae(&x, &column, r),
        loss::huber(&x, &column, 1.0, r),
        loss::bce(&x, &column, r),
        loss::bce_with_logits(&x, &column, None, r),
        loss::bce_with_logits(&x, &x, Some(&device.zeros([4, 3, 2])), r),
        loss::multilabel_soft_margin(&x, &column, None, r),
        loss::multilabel_soft_margin(&x, &x, Some(&device.zeros(3)), r),
        loss::soft_margin(&x, &column, r),
        loss::hinge(&x, &column, 1.0, r),
        loss::kl_div(&x, &column, r),
        CrossEntropy::new().of(&x, &column),
        CrossEntropy::new().of(&x, &device.tensor(&[0u32; 2], 2)),
        CrossEntropy::new().ignore(1).of(&x, &device.tensor(&[0u32; 6], [3, 2])),
        CrossEntropy::new().weights(&device.zeros(3)).of(&x, &device.tensor(&[0u32; 3], 3)),
        CrossEntropy::new().of(&device.zeros([3, 2, 4]), &device.tensor(&[0u32; 3], 3)),
        CrossEntropy::new().of(&device.zeros([3, 2, 4]), &device.tensor(&[0u32; 24], [3, 2, 4])),
        CrossEntropy::new().of(&device.zeros([3, 2, 4]), &device.zeros([3, 4, 2])),
        CrossEntropy::new().weights(&device.zeros(4)).of(&device.zeros([3, 2, 4]), &device.tensor(&[0u32; 12], [3, 4])),
        CrossEntropy::new().nll(&device.zeros([3, 2, 4]), &device.tensor(&[0u32; 12], 12)),
        loss::nll(&x, &device.tensor(&[0u32; 2], 2), r),
        loss::nll(&device.zeros(3), &device.tensor(&[0u32; 3], 3), r),
    ] {
        assert!(is_shape(&refused), "{refused:?}");
    }
    for refused in [
        loss::huber(&x, &x, 0.0, r),
        loss::huber(&x, &x, f64::NAN, r),
        CrossEntropy::new().smoothing(1.5).of(&x, &device.tensor(&[0u32; 3], 3)),
        CrossEntropy::new().ignore(-100).of(&x, &device.tensor(&[0u32; 3], 3)),
        CrossEntropy::new().ignore(0).of(&x, &x),
        CrossEntropy::new().smoothing(0.1).nll(&x, &device.tensor(&[0u32; 3], 3)),
    ] {
        assert!(is_value(&refused), "{refused:?}");
    }
    let wrong = CrossEntropy::new().of(&x, &device.tensor(&[0u32, 7, 0], 3));
    assert!(matches!(op_error(wrong.check()), OpError::OutOfRange { found: 7, .. }));
    // An error names the line of the caller, and passes on that of its input.
    let text = loss::mse(&x, &column, r).check().unwrap_err().to_string();
    assert!(text.contains("tests/it/nn.rs") && text.contains("[3,2]") && text.contains("[3,1]"), "{text}");
    assert!(is_shape(&loss::bce(&x.reshape([7]), &x, r)));
}

#[test]
fn layers_refuse_what_does_not_fit() {
    let d = Device::cpu();
    let bad = |layer: &dyn Module, shape: &[usize]| {
        let y = layer.forward(&d.zeros(shape));
        assert!(is_shape(&y), "{}: {y:?}", layer.describe());
        // What is invalid already stays what it is.
        assert!(is_shape(&layer.forward(&d.zeros([2, 3]).reshape([7]))), "{}", layer.describe());
    };
    bad(&LayerNorm::new(&d, 4), &[3, 5]);
    bad(&LayerNorm::new(&d, [2, 4]), &[4]);
    bad(&LayerNorm::new(&d, [1; 9]), &[2, 2]);
    bad(&RmsNorm::new(&d, 4), &[3, 1]);
    bad(&RmsNorm::new(&d, 4), &[]);
    bad(&GroupNorm::new(&d, 2, 4), &[3, 2]);
    bad(&GroupNorm::new(&d, 3, 4), &[3, 4]);
    bad(&GroupNorm::new(&d, 0, 4), &[3, 4]);
    bad(&GroupNorm::new(&d, 1, 4), &[4]);
    bad(&BatchNorm1d::new(&d, 3), &[4, 2]);
    bad(&BatchNorm1d::new(&d, 3), &[4]);
    bad(&BatchNorm2d::new(&d, 3), &[4, 3]);
    bad(&BatchNorm1d::new(&d, 3), &[1, 3]);
    bad(&BatchNorm1d::new(&d, 3), &[0, 3]);
    bad(&Residual::new(Linear::new(&d, 3, 1, 0)), &[2, 3]);
    bad(&MultiHeadAttention::new(&d, 4, 2, 0), &[2, 4]);
    bad(&MultiHeadAttention::new(&d, 4, 2, 0), &[2, 3, 5]);
    bad(&TransformerBlock::new(&d, 4, 2, 8, 0.1, 0), &[2, 3, 5]);
    bad(&RnnCell::new(&d, 3, 4, 0), &[2, 2]);
    bad(&GruCell::new(&d, 3, 4, 0), &[3]);
    bad(&LstmCell::new(&d, 3, 4, 0), &[]);
    bad(&Rnn::new(&d, 3, 4, 0), &[5, 2, 2]);
    bad(&Gru::new(&d, 3, 4, 0).last_only(), &[0, 2, 3]);
    bad(&Lstm::new(&d, 3, 4, 0).batch_first(), &[2, 0, 3]);
    assert!(matches!(op_error(Lstm::new(&d, 3, 4, 0).batch_first().forward(&d.zeros(3)).check()), OpError::Axis { .. }));
    for heads in [0, 3] {
        assert!(is_value(&MultiHeadAttention::new(&d, 4, heads, 0).forward(&d.zeros([1, 2, 4]))));
    }
    assert!(is_value(&BatchNorm1d::new(&d, 3).momentum(1.5).forward(&d.zeros([2, 3]))));
    assert!(is_value(&TransformerBlock::new(&d, 4, 2, 8, 1.0, 0).forward(&d.zeros([1, 2, 4]))));
    let layer = MultiHeadAttention::new(&d, 4, 2, 0);
    assert!(is_shape(&layer.attend(&d.zeros([1, 2, 4]), &d.zeros([1, 3, 4]), &d.zeros([1, 2, 4]))));
    assert!(is_shape(&layer.attend(&d.zeros([2, 2, 4]), &d.zeros([1, 3, 4]), &d.zeros([1, 3, 4]))));
    // States of another shape are not broadcast.
    let (every, (h, c)) = Lstm::new(&d, 3, 4, 0).run(&d.zeros([5, 2, 3]), Some(&(d.zeros([1, 4]), d.zeros([2, 4]))));
    assert!(is_shape(&every) && is_shape(&h) && is_shape(&c));
    let h = GruCell::new(&d, 3, 4, 0).step(&d.zeros([2, 3]), &d.zeros([1, 4]));
    assert!(is_shape(&h));
}

#[test]
fn a_sequence_is_its_steps() {
    fn check<C: Cell + Clone>(device: &Device, state: impl Fn(&Device) -> C::State) {
        let layer = Recurrent::<C>::of(C::new(device, 3, 4, 9));
        let x = normal(device, &[5, 2, 3], 1);
        let (every, last) = layer.run(&x, Some(&state(device)));
        let mut carried = state(device);
        for (t, step) in x.split(0, &[1; 5]).iter().enumerate() {
            carried = layer.cell().step(&step.squeeze(&[0]), &carried);
            let (found, expected) = (every.slice(0, t as isize..=t as isize), C::tensors(&carried)[0]);
            close("step", &numbers(&found), &numbers(expected), 1e-5, 1e-6);
        }
        for (found, expected) in C::tensors(&last).into_iter().zip(C::tensors(&carried)) {
            close("last", &numbers(found), &numbers(expected), 1e-5, 1e-6);
        }
        let turned = layer.clone().batch_first();
        let (by_row, _) = turned.run(&x.transpose(0, 1), Some(&state(device)));
        assert_eq!(numbers(&by_row.transpose(0, 1)), numbers(&every));
        let last_h = turned.last_only().forward(&x.transpose(0, 1));
        assert_eq!(numbers(&last_h), numbers(&layer.forward(&x).slice(0, -1..)));
    }
    for device in common::devices("sequences") {
        check::<RnnCell>(&device, |d| normal(d, &[2, 4], 2));
        check::<GruCell>(&device, |d| normal(d, &[2, 4], 2));
        check::<LstmCell>(&device, |d| (normal(d, &[2, 4], 2), normal(d, &[2, 4], 3)));
    }
}

/// A step's losses on a device.
fn curve(device: &Device, model: &dyn Module, lr: f64, loss: impl Fn(u64) -> Tensor) -> Vec<f64> {
    let mut opt = Adam::new(model.parameters(), lr);
    (0..12)
        .map(|step| {
            let loss = loss(step);
            opt.step(loss.backward()).unwrap();
            f64::from(loss.item().unwrap())
        })
        .inspect(|loss| assert!(loss.is_finite(), "{device}"))
        .collect()
}

fn same_on_all_devices(what: &str, train: impl Fn(&Device) -> Vec<f64>) {
    let expected = train(&Device::cpu());
    assert!(expected[11] < 0.8 * expected[0], "{what} does not learn: {expected:?}");
    if let Some(gpu) = common::gpu(what) {
        close(what, &train(&gpu), &expected, 1e-3, 1e-4);
    }
}

#[test]
fn a_transformer_learns_the_same_everywhere() {
    same_on_all_devices("a transformer", |device| {
        let block = TransformerBlock::new(device, 8, 2, 16, 0.1, 1).causal();
        let model = sequential![Embedding::new(device, 6, 8, 2), block, LayerNorm::new(device, 8), Linear::new(device, 8, 6, 3)];
        // The next token is the one before, counted up.
        let tokens: Vec<u32> = (0..4 * 5).map(|i| (i % 5 + i / 5) % 6).collect();
        let next: Vec<u32> = tokens.iter().map(|t| (t + 1) % 6).collect();
        let (x, t) = (device.tensor(&tokens, [4, 5]), device.tensor(&next, 20));
        curve(device, &model, 0.02, |_| model.forward(&x).reshape([20, 6]).cross_entropy(&t))
    });
}

#[test]
fn an_lstm_learns_the_same_everywhere() {
    same_on_all_devices("an LSTM", |device| {
        let model = sequential![Lstm::new(device, 2, 8, 1).batch_first().last_only(), Linear::new(device, 8, 1, 2)];
        let x = normal(device, &[8, 5, 2], 0);
        let t = x.sum(&[1, 2]).tanh().reshape([8, 1]);
        t.run().unwrap();
        curve(device, &model, 0.03, |_| model.forward(&x).mse(&t))
    });
}

#[test]
fn modules_of_modules_hand_everything_on() {
    struct Model {
        stem: Linear,
        blocks: Vec<Box<dyn Module>>,
        norm: Option<BatchNorm1d>,
        none: Option<Linear>,
    }
    impl Module for Model {
        fn forward(&self, x: &Tensor) -> Tensor {
            let x = self.blocks.iter().fold(self.stem.forward(x), |x, block| block.forward(&x));
            self.norm.as_ref().map_or(x.clone(), |norm| norm.forward(&x))
        }
        steepest::parts!(stem, blocks, norm, none);
    }
    let device = Device::cpu();
    let blocks: Vec<Box<dyn Module>> = vec![
        Box::new(Residual::new(Linear::new(&device, 3, 3, 1))),
        Box::new(sequential![Dropout::new(0.5, 1), BatchNorm1d::new(&device, 3)]),
    ];
    let model = Model { stem: Linear::new(&device, 2, 3, 0), blocks, norm: Some(BatchNorm1d::new(&device, 3)), none: None };
    let names = |found: Vec<(String, Tensor)>| found.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(
        names(model.named_parameters()),
        [
            "stem.weight",
            "stem.bias",
            "blocks.0.inner.weight",
            "blocks.0.inner.bias",
            "blocks.1.1.weight",
            "blocks.1.1.bias",
            "norm.weight",
            "norm.bias"
        ]
    );
    let buffers = ["blocks.1.1.running_mean", "blocks.1.1.running_var", "norm.running_mean", "norm.running_var"];
    assert_eq!(names(model.named_buffers()), buffers);
    let x = normal(&device, &[4, 2], 0);
    let random = (numbers(&model.forward(&x)), numbers(&model.forward(&x)));
    assert_ne!(random.0, random.1, "dropout drops");
    model.eval();
    assert_eq!(numbers(&model.forward(&x)), numbers(&model.forward(&x)));
    assert!(model.forward(&normal(&device, &[1, 2], 0)).check().is_ok(), "running statistics take a batch of one");
    let block = TransformerBlock::new(&device, 4, 2, 8, 0.1, 0);
    let expected = ["norm1.weight", "norm1.bias", "self_attn.q_proj.weight", "self_attn.q_proj.bias", "self_attn.k_proj.weight"];
    assert_eq!(names(block.named_parameters())[..5], expected);
    assert_eq!(
        names(Lstm::new(&device, 2, 3, 0).named_parameters()),
        ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
    );
}

#[test]
fn a_summary_counts_work_and_memory() {
    let device = Device::cpu();
    let model = sequential![
        Linear::new(&device, 6, 4, 0),
        BatchNorm1d::new(&device, 3),
        TransformerBlock::new(&device, 4, 2, 8, 0.5, 0),
        Residual::new(RmsNorm::new(&device, 4)),
        Gru::new(&device, 4, 5, 0).batch_first()
    ];
    let summary = summary(&model, &device, [2, 3, 6]).unwrap();
    let row = |name: &str| summary.rows.iter().find(|r| r.name == name).unwrap_or_else(|| panic!("{name} in {summary}"));
    assert_eq!((row("0").multiply_adds, row("0").bytes), (2 * 3 * 6 * 4, 4 * (28 + 24)));
    // Two vectors of parameters, two of buffers, the output.
    assert_eq!((row("1").multiply_adds, row("1").bytes), (0, 4 * (6 + 6 + 24)));
    // Four projections of 6 rows, and 2 · 3 · 3 scores of width 4, used twice.
    assert_eq!(row("2.self_attn").multiply_adds, 4 * 6 * 16 + 2 * 18 * 4);
    assert_eq!(row("2.linear1").multiply_adds, 6 * 4 * 8);
    assert_eq!(row("3.inner").parameters, 4);
    assert_eq!(row("4").multiply_adds, 6 * (15 * 4 + 15 * 5));
    assert_eq!(summary.multiply_adds, summary.rows.iter().map(|r| r.multiply_adds).sum::<usize>());
    assert_eq!(summary.bytes, summary.rows.iter().map(|r| r.bytes).sum::<usize>());
    assert_eq!(summary.parameters, summary.rows.iter().map(|r| r.parameters).sum::<usize>());
    let text = summary.to_string();
    assert!(text.contains("multiply-adds") && text.contains(&summary.multiply_adds.to_string()), "{text}");
    assert!(summary_of(&Embedding::new(&device, 5, 2, 0), &device.tensor(&[0u32; 3], 3)).unwrap().parameters == 10);
    assert!(summary_of(&model, &device.zeros([2, 3, 5])).is_err());
    assert_eq!(device.runs_and_misses().0, 0, "a summary computes nothing");
}
