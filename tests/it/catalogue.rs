//! The catalogue as its users meet it: input that makes no sense is a typed error and never a panic, and weighted losses are what they say.
#![allow(clippy::unwrap_used)]

use crate::common;
use steepest::nn::loss::{self, CrossEntropy, Reduction};
use steepest::nn::{Conv2d, Module};
use steepest::optim::{AdaGrad, Adadelta, Adafactor, Adam, Adamax, Lamb, Lion, NAdam, Optimizer, RAdam, RmsProp, Sgd};
use steepest::{ConvOptions, Device, Error, Tensor};

/// The error of a call that cannot work: it is carried by the tensor and met at the run.
fn refused(what: &str, tensor: &Tensor) -> String {
    let error = tensor.to_vec::<f32>().err().unwrap_or_else(|| panic!("{what} was not refused"));
    assert!(matches!(error, Error::Op { .. }), "{what}: {error:?}");
    let text = error.to_string();
    assert!(text.contains("catalogue.rs:"), "{what}: no source line in {text}");
    text
}

/// The loss of two pairs of vectors with targets of a wrong shape, or with a wrong margin.
#[track_caller]
fn bad_pairs(device: &Device, targets: [usize; 1], margin: f64) -> Tensor {
    let x = device.ones([2, 3]);
    loss::cosine_embedding(&x, &x, &device.ones(targets), margin, Reduction::Mean)
}

#[test]
fn what_makes_no_sense_is_refused_by_name_and_line() {
    for device in common::devices("bad input") {
        let image = device.tensor(&[1.0; 2 * 3 * 4 * 4], [2, 3, 4, 4]);
        let weight = |dims: [usize; 4]| device.tensor(&vec![0.5; dims.iter().product()], dims);
        let options = ConvOptions::new();
        let two = device.tensor(&[1.0, 2.0], 2);
        let cases: Vec<(&str, Tensor, &[&str])> = vec![
            ("a kernel larger than the image", image.conv2d(&weight([8, 3, 5, 5]), None, options), &["5", "4"]),
            (
                "a dilated kernel larger than the image",
                image.conv2d(&weight([8, 3, 3, 3]), None, options.dilation(2)),
                &["5", "4"],
            ),
            ("a pool larger than the image", image.max_pool2d(5, 1, 0), &["5", "4"]),
            ("a stride of nothing", image.conv2d(&weight([8, 3, 3, 3]), None, options.stride(0)), &["stride"]),
            ("groups that do not divide", image.conv2d(&weight([8, 1, 3, 3]), None, options.groups(2)), &["groups", "2", "3"]),
            ("channels that differ", image.conv2d(&weight([8, 4, 3, 3]), None, options), &["3", "4"]),
            ("more neighbours than there are", device.tensor(&[1.0, 2.0], 2).topk(3, 0).0, &["3", "2"]),
            ("a shape of another size", device.arange(4).reshape([3, 2]), &["[4]", "[3,2]"]),
            ("a label that is no class", device.zeros([1, 3]).cross_entropy(&device.tensor(&[3u32], 1)), &["label", "3"]),
            ("a negative label", device.zeros([1, 3]).cross_entropy(&device.tensor(&[-1i32], 1)), &["label", "-1"]),
            ("a mean of nothing", device.zeros([0, 3]).max(&[0]), &["no elements"]),
            ("an axis that is not there", device.zeros([2, 3]).sum(&[2]), &["2", "[2,3]"]),
            ("an index beyond the table", device.zeros([5, 2]).index_select(0, &device.tensor(&[5u32], 1)), &["5"]),
            ("slopes for other channels", device.zeros([2, 3]).prelu(&device.zeros([2])), &["prelu", "[2]", "[2,3]"]),
            ("slopes for channels that are not there", device.zeros([3]).prelu(&device.zeros([3])), &["prelu", "[3]", "axis 1"]),
            ("a table of slopes", device.zeros([2, 3]).prelu(&device.zeros([3, 3])), &["prelu", "[3,3]"]),
            ("halves of an odd axis", device.zeros([2, 3]).glu(1), &["glu", "1", "[2,3]", "odd"]),
            ("halves along no axis", device.zeros([2, 3]).glu(2), &["glu", "2", "[2,3]"]),
            ("limits the wrong way round", device.zeros(3).hard_tanh(1.0, -1.0), &["hard_tanh", "min", "1", "-1"]),
            ("an alpha of nothing", device.zeros(3).celu(0.0), &["celu", "alpha", "0"]),
            ("a target for no row", bad_pairs(&device, [3], 0.0), &["cosine_embedding", "[2,3]", "[3]"]),
            ("a margin beyond a cosine", bad_pairs(&device, [2], 1.5), &["cosine_embedding", "margin", "1.5"]),
            ("a margin that is no number", loss::margin_ranking(&two, &two, &two, f64::NAN, Reduction::Mean), &["margin", "NaN"]),
            (
                "ranks of other shapes",
                loss::margin_ranking(&two, &two, &two.unsqueeze(0), 0.0, Reduction::Mean),
                &["[2]", "[1,2]"],
            ),
            ("variances of other numbers", loss::GaussianNll::new().of(&two, &two, &device.ones([3])), &["gaussian_nll", "[3]"]),
            (
                "a margin cubed",
                loss::multi_margin(&device.ones([2, 3]), &device.tensor(&[0u32, 1], 2), 3, 1.0, None, Reduction::Mean),
                &["multi_margin", "p is 3"],
            ),
            (
                "a label for no row",
                loss::multi_margin(&device.ones([2, 3]), &device.tensor(&[0u32], 1), 1, 1.0, None, Reduction::Mean),
                &["multi_margin", "[2,3]", "[1]"],
            ),
            (
                "distances to other targets",
                loss::hinge_embedding(&two, &device.ones([3]), 1.0, Reduction::Mean),
                &["hinge_embedding", "[2]", "[3]"],
            ),
            ("a negative beta", loss::smooth_l1(&two, &two, -1.0, Reduction::Mean), &["smooth_l1", "beta", "-1"]),
            (
                "a distance of no order",
                loss::TripletMargin::new().p(f64::NAN).of(&two, &two, &two),
                &["triplet_margin", "p is NaN"],
            ),
            ("a negative margin", loss::TripletMargin::new().margin(-1.0).of(&two, &two, &two), &["triplet_margin", "margin"]),
            ("a negative eps", loss::TripletMargin::new().eps(-1.0).of(&two, &two, &two), &["triplet_margin", "eps"]),
            ("an angle along no axis", two.cosine_similarity(&two, 1, 1e-8), &["cosine_similarity", "axis 1"]),
            ("an angle of other sizes", two.cosine_similarity(&device.ones([3]), 0, 1e-8), &["cosine_similarity", "[2]", "[3]"]),
            ("a product of other sizes", device.zeros([2, 3]).matmul(&device.zeros([4, 5])), &["3", "4"]),
        ];
        for (what, tensor, words) in &cases {
            let text = refused(what, tensor);
            assert!(words.iter().all(|word| text.contains(word)), "{what}: {text}");
        }
        // A layer passes its own refusal on, and its like is refused when it is made.
        let layer = Conv2d::new(&device, 4, 8, 3, 0).groups(3);
        assert!(layer.forward(&image).to_vec::<f32>().is_err());
        let layer = Conv2d::new(&device, 3, 8, 7, 0);
        assert!(layer.forward(&image).to_vec::<f32>().is_err());
    }
}

#[test]
fn an_empty_batch_is_a_loss_that_is_not_a_number_and_harms_nothing() {
    for device in common::devices("an empty batch") {
        let w = device.parameter(&[1.0; 6], [3, 2]);
        let x = device.tensor::<f32>(&[], [0, 3]);
        let labels = device.tensor::<u32>(&[], 0);
        let logits = x.matmul(&w);
        assert_eq!(logits.to_vec::<f32>().unwrap(), [0f32; 0]);
        // As NumPy's mean of nothing, with its gradient of nothing.
        assert!(logits.cross_entropy(&labels).item().unwrap().is_nan());
        Sgd::new([w.clone()], 0.5).step(x.matmul(&w).cross_entropy_rows(&labels).sum(&[]).backward()).unwrap();
        assert_eq!(w.to_vec::<f32>().unwrap(), [1.0; 6]);
    }
}

#[test]
fn settings_of_optimizers_that_are_no_numbers_are_refused_before_anything_changes() {
    let device = Device::cpu();
    let w = device.parameter(&[1.0, 2.0], 2);
    let p = || [w.clone()];
    for bad in [f64::NAN, f64::INFINITY, -0.1] {
        let every: Vec<Box<dyn Optimizer>> = vec![
            Box::new(Sgd::new(p(), bad)),
            Box::new(Adam::new(p(), bad)),
            Box::new(Adam::w(p(), 0.1).weight_decay(bad)),
            Box::new(AdaGrad::new(p(), bad)),
            Box::new(RmsProp::new(p(), bad)),
            Box::new(Adadelta::new(p(), bad)),
            Box::new(NAdam::new(p(), bad)),
            Box::new(RAdam::new(p(), bad)),
            Box::new(Adamax::new(p(), bad)),
            Box::new(Lion::new(p(), bad)),
            Box::new(Lamb::new(p(), bad)),
            Box::new(Adafactor::new(p(), bad)),
            Box::new(Sgd::new(p(), 0.1).l1(bad)),
        ];
        for mut opt in every {
            let error = opt.step(w.square().sum(&[]).backward()).unwrap_err();
            assert!(matches!(error, Error::Config { .. }), "{error:?}");
            assert!(error.to_string().contains(&bad.to_string()), "{error}");
        }
    }
    assert_eq!(w.to_vec::<f32>().unwrap(), [1.0, 2.0]);
}

/// log(1 + e^x)
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[test]
fn weighted_losses_are_what_they_say() {
    const X: [f32; 6] = [-2.0, 0.5, 3.0, 1.0, -0.25, 30.0];
    const T: [f32; 6] = [0.0, 1.0, 1.0, 0.5, 0.0, 1.0];
    const W: [f32; 3] = [0.5, 2.0, 3.0];
    let (x64, t64, w64) = (X.map(f64::from), T.map(f64::from), W.map(f64::from));
    let reduced = |each: &[f64]| [each.iter().sum::<f64>() / each.len() as f64, each.iter().sum()];
    for device in common::devices("weighted losses") {
        let (x, t, w) = (device.tensor(&X, [2, 3]), device.tensor(&T, [2, 3]), device.tensor(&W, 3));
        let check = |name: &str, expected: &[f64], of: &dyn Fn(Reduction) -> Tensor| {
            let [mean, sum] = reduced(expected);
            let pairs = [(Reduction::None, expected.to_vec()), (Reduction::Mean, vec![mean]), (Reduction::Sum, vec![sum])];
            for (reduction, expected) in pairs {
                let found = of(reduction).to_vec::<f32>().unwrap();
                assert_eq!(found.len(), expected.len(), "{name} {reduction:?} on {device}");
                for (f, e) in found.iter().zip(&expected) {
                    assert!(
                        (f64::from(*f) - e).abs() <= 2e-6 * (1.0 + e.abs()),
                        "{name} {reduction:?} on {device}: {f}, not {e}"
                    );
                }
            }
        };
        let positive: Vec<f64> =
            (0..6).map(|i| w64[i % 3] * t64[i] * softplus(-x64[i]) + (1.0 - t64[i]) * softplus(x64[i])).collect();
        check("bce_with_logits", &positive, &|r| loss::bce_with_logits(&x, &t, Some(&w), r));

        let plain: Vec<f64> = (0..6).map(|i| t64[i] * softplus(-x64[i]) + (1.0 - t64[i]) * softplus(x64[i])).collect();
        let rows: Vec<f64> = (0..2).map(|r| (0..3).map(|c| w64[c] * plain[3 * r + c]).sum::<f64>() / 3.0).collect();
        check("multilabel_soft_margin", &rows, &|r| loss::multilabel_soft_margin(&x, &t, Some(&w), r));

        let signs: Vec<f64> = t64.iter().map(|&t| if t > 0.4 { 1.0 } else { -1.0 }).collect();
        let target = device.tensor(&signs.iter().map(|&s| s as f32).collect::<Vec<_>>(), [2, 3]);
        let margins: Vec<f64> = (0..6).map(|i| softplus(-signs[i] * x64[i])).collect();
        check("soft_margin", &margins, &|r| loss::soft_margin(&x, &target, r));
        let hinges: Vec<f64> = (0..6).map(|i| (1.5 - signs[i] * x64[i]).max(0.0)).collect();
        check("hinge", &hinges, &|r| loss::hinge(&x, &target, 1.5, r));

        let ranks: Vec<f64> = (0..6).map(|i| (0.5 - signs[i] * (x64[i] - t64[i])).max(0.0)).collect();
        check("margin_ranking", &ranks, &|r| loss::margin_ranking(&x, &t, &target, 0.5, r));
        // Rows whose cosine is known, of every target that counts and one that does not.
        let (u, v) = (device.tensor(&[3.0, 4.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0], [4, 2]), [4.0, 3.0, 3.0, 4.0, 0.0, 5.0, 2.0, 2.0]);
        let (v, pairs) = (device.tensor(&v, [4, 2]), device.tensor(&[1.0, -1.0, -1.0, 0.0], 4));
        check("cosine_embedding", &[0.04, 0.35, 0.0, 0.0], &|r| loss::cosine_embedding(&u, &v, &pairs, 0.25, r));
        let distances: Vec<f64> = (0..6).map(|i| if signs[i] > 0.0 { x64[i] } else { (1.5 - x64[i]).max(0.0) }).collect();
        check("hinge_embedding", &distances, &|r| loss::hinge_embedding(&x, &target, 1.5, r));
        let labels = device.tensor(&[2u32, 0], 2);
        for (p, weights) in [(1, None), (2, None), (2, Some(&w))] {
            let each: Vec<f64> = [2, 0]
                .iter()
                .enumerate()
                .map(|(row, &y)| {
                    let short = |c: usize| (0.75 - x64[3 * row + y] + x64[3 * row + c]).max(0.0).powi(p);
                    let sum: f64 = (0..3).filter(|&c| c != y).map(short).sum();
                    sum / 3.0 * weights.map_or(1.0, |_| w64[y])
                })
                .collect();
            check("multi_margin", &each, &|r| loss::multi_margin(&x, &labels, p as u32, 0.75, weights, r));
        }
        check("smooth_l1 of beta 0", &(0..6).map(|i| (x64[i] - t64[i]).abs()).collect::<Vec<_>>(), &|r| {
            loss::smooth_l1(&x, &t, 0.0, r)
        });
        // One variance for each row.
        let by_row: Vec<f64> =
            (0..6).map(|i| 0.5 * ([4f64, 0.5][i / 3].ln() + (x64[i] - t64[i]).powi(2) / [4.0, 0.5][i / 3])).collect();
        for variances in [device.tensor(&[4.0, 0.5], 2), device.tensor(&[4.0, 0.5], [2, 1])] {
            check("gaussian_nll", &by_row, &|r| loss::GaussianNll::new().reduction(r).of(&x, &t, &variances));
        }

        // Softmax cross-entropy with weights of classes: the mean is one of weights (PyTorch's), an ignored label does not count.
        let labels = device.tensor(&[2i32, -7], 2);
        let lse = X[..3].iter().map(|&x| f64::from(x).exp()).sum::<f64>().ln();
        let expected = lse - x64[2];
        let found = CrossEntropy::new().weights(&w).ignore(-7).of(&x, &labels).item().unwrap();
        assert!((f64::from(found) - expected).abs() < 1e-6, "{found}, not {expected}");
        let sum = CrossEntropy::new().weights(&w).ignore(-7).reduction(Reduction::Sum).of(&x, &labels).item().unwrap();
        assert!((f64::from(sum) - 3.0 * expected).abs() < 1e-5, "{sum}");
        let text = refused("weights of another number", &loss::bce_with_logits(&x, &t, Some(&device.ones(2)), Reduction::Mean));
        assert!(text.contains("[2]") && text.contains("[2,3]"), "{text}");
    }
}
