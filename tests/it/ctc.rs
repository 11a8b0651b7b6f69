//! The CTC loss against a sum over all paths, its slopes against differences, and sequences at every edge.
#![allow(clippy::unwrap_used)]

use crate::common;
use steepest::nn::loss::{Ctc, Reduction};
use steepest::optim::{Adam, Optimizer};
use steepest::reference::{Overrides, evaluate};
use steepest::{Device, Error, Tensor, random};

/// What labels a path stands for.
fn collapsed(path: &[usize], blank: usize) -> Vec<usize> {
    let changes = path.iter().enumerate().filter(|&(t, c)| t == 0 || path[t - 1] != *c);
    changes.map(|(_, &c)| c).filter(|&c| c != blank).collect()
}

/// −log of the sum over all paths, straight from the definition.
fn by_paths(logits: &[f64], classes: usize, labels: &[usize], blank: usize) -> f64 {
    let steps = logits.len() / classes;
    let log_softmax: Vec<f64> = logits
        .chunks(classes)
        .flat_map(|row| {
            let log = row.iter().map(|x| x.exp()).sum::<f64>().ln();
            row.iter().map(move |x| x - log).collect::<Vec<_>>()
        })
        .collect();
    let mut sum = 0.0;
    for number in 0..classes.pow(steps as u32) {
        let path: Vec<usize> = (0..steps).map(|t| number / classes.pow(t as u32) % classes).collect();
        if collapsed(&path, blank) == labels {
            sum += (0..steps).map(|t| log_softmax[t * classes + path[t]]).sum::<f64>().exp();
        }
    }
    -sum.ln()
}

struct Sequences {
    labels: Tensor,
    steps: Tensor,
    counts: Tensor,
}

/// Sequences with their labels; what is beyond them is filled with `filler`.
fn sequences(device: &Device, longest: usize, filler: i32, all: &[(u32, &[i32])]) -> Sequences {
    let row = |labels: &[i32]| (0..longest).map(|s| labels.get(s).copied().unwrap_or(filler)).collect::<Vec<_>>();
    let labels: Vec<i32> = all.iter().flat_map(|(_, labels)| row(labels)).collect();
    let steps: Vec<u32> = all.iter().map(|(steps, _)| *steps).collect();
    let counts: Vec<u32> = all.iter().map(|(_, labels)| labels.len() as u32).collect();
    Sequences {
        labels: device.tensor(&labels, [all.len(), longest]),
        steps: device.tensor(&steps, all.len()),
        counts: device.tensor(&counts, all.len()),
    }
}

fn close(what: &str, found: f64, expected: f64, tolerance: f64) {
    assert!(
        found == expected || (found - expected).abs() <= tolerance * (1.0 + expected.abs()),
        "{what}: {found}, expected {expected}"
    );
}

const ALL: &[(u32, &[i32])] = &[
    (5, &[1, 2]),
    (5, &[1, 1]),
    (5, &[2, 2, 2]),
    (4, &[0, 3, 0]),
    (3, &[3]),
    (5, &[]),
    (1, &[1]),
    (1, &[]),
    (0, &[]),
    // No path: too few steps, no step, no room for a blank between equal labels.
    (2, &[1, 3, 1]),
    (0, &[1]),
    (2, &[3, 3]),
    (3, &[3, 3]),
];

#[test]
fn the_loss_is_the_sum_over_all_paths() {
    for device in common::devices("the CTC loss") {
        for blank in [2usize, 3] {
            let (time, n, classes) = (5, ALL.len(), 4);
            // Labels 0, 1 and 3 or, with blank 3, what they become when 3 and 2 change places.
            let changed: Vec<(u32, Vec<i32>)> = ALL
                .iter()
                .map(|(steps, labels)| {
                    let swap = |&l: &i32| if l == blank as i32 { 5 - blank as i32 } else { l };
                    (*steps, labels.iter().map(swap).collect())
                })
                .collect();
            let all: Vec<(u32, &[i32])> = changed.iter().map(|(steps, labels)| (*steps, &labels[..])).collect();
            let numbers = random::normal_host(time * n * classes, 0.0, 2.0, 5, blank as u64);
            let x = device.parameter(&numbers, [time, n, classes]);
            let Sequences { labels, steps, counts } = sequences(&device, 3, -7, &all);
            let ctc = Ctc::new().blank(blank).reduction(Reduction::None);
            let losses = ctc.of(&x, &labels, &steps, &counts);
            let zeros = ctc.zero_infinity().of(&x, &labels, &steps, &counts);
            let gradient = zeros.sum(&[]).backward().wrt(&x).unwrap();
            let infinite = losses.sum(&[]).backward().wrt(&x).unwrap();
            device.run([&losses, &zeros, &gradient, &infinite]).unwrap();
            let (losses, zeros) = (losses.to_vec::<f32>().unwrap(), zeros.to_vec::<f32>().unwrap());
            let gradients = [gradient, infinite].map(|g| g.to_vec::<f32>().unwrap());
            for (i, (steps, labels)) in all.iter().enumerate() {
                let of = |t: usize, c: usize| f64::from(numbers[(t * n + i) * classes + c]);
                let own: Vec<f64> = (0..*steps as usize).flat_map(|t| (0..classes).map(move |c| of(t, c))).collect();
                let labels: Vec<usize> = labels.iter().map(|&l| l as usize).collect();
                let expected = by_paths(&own, classes, &labels, blank);
                close(&format!("{device}, {steps} steps of {labels:?}"), losses[i].into(), expected, 2e-6);
                let (zeroed, hopeless) = (if expected.is_finite() { expected } else { 0.0 }, expected.is_infinite());
                close("zeroed", zeros[i].into(), zeroed, 2e-6);
                for t in 0..time {
                    for c in 0..classes {
                        let at = (t * n + i) * classes + c;
                        let expected = if hopeless || t >= *steps as usize {
                            0.0
                        } else {
                            let moved = |by: f64| {
                                let mut own = own.clone();
                                own[t * classes + c] += by;
                                by_paths(&own, classes, &labels, blank)
                            };
                            (moved(1e-5) - moved(-1e-5)) / 2e-5
                        };
                        for gradient in &gradients {
                            close("gradient", gradient[at].into(), expected, 3e-6);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn reductions_divide_by_what_they_say() {
    let device = Device::cpu();
    let x = device.tensor(&random::normal_host(4 * 2 * 3, 0.0, 1.0, 5, 1), [4, 2, 3]);
    let Sequences { labels, steps, counts } = sequences(&device, 2, 0, &[(4, &[1, 2]), (3, &[])]);
    let of = |reduction| Ctc::new().reduction(reduction).of(&x, &labels, &steps, &counts).to_vec::<f32>().unwrap();
    let each: Vec<f64> = of(Reduction::None).into_iter().map(f64::from).collect();
    close("mean", of(Reduction::Mean)[0].into(), (each[0] / 2.0 + each[1]) / 2.0, 1e-6);
    close("sum", of(Reduction::Sum)[0].into(), each[0] + each[1], 1e-6);
    close("batch mean", of(Reduction::BatchMean)[0].into(), (each[0] + each[1]) / 2.0, 1e-6);
    // Half of the sequences have no path: infinite, or as if their loss were 0.
    let Sequences { labels, steps, counts } = sequences(&device, 2, 0, &[(4, &[1, 2]), (1, &[1, 2])]);
    let ctc = Ctc::new();
    assert_eq!(ctc.of(&x, &labels, &steps, &counts).item().unwrap(), f32::INFINITY);
    close("zeroed", ctc.zero_infinity().of(&x, &labels, &steps, &counts).item().unwrap().into(), each[0] / 4.0, 1e-6);
}

#[test]
fn second_derivatives_are_those_of_the_reference() {
    for device in common::devices("the CTC loss's curvature") {
        let x = device.parameter(&random::normal_host(4 * 2 * 3, 0.0, 1.0, 5, 2), [4, 2, 3]);
        let Sequences { labels, steps, counts } = sequences(&device, 2, 9, &[(4, &[1, 1]), (3, &[2])]);
        let direction = device.tensor(&random::normal_host(24, 0.0, 1.0, 6, 2), [4, 2, 3]);
        let gradient = |x: &Tensor| Ctc::new().of(x, &labels, &steps, &counts).backward().wrt(x).unwrap();
        let product = (gradient(&x) * &direction).sum(&[]).backward().wrt(&x).unwrap();
        let moved = |by: f64| {
            let step =
                device.tensor(&direction.to_vec::<f32>().unwrap().iter().map(|d| d * by as f32).collect::<Vec<_>>(), [4, 2, 3]);
            // A parameter of its own: the gradient is asked for there.
            let there = &x.detach() + step;
            let values = evaluate(&[&there], &Overrides::new()).unwrap().remove(0);
            let y = device.parameter(&[0.0; 24], [4, 2, 3]);
            evaluate(&[&gradient(&y)], &Overrides::from([(y.id(), values)])).unwrap().remove(0).data
        };
        let step = 1.0 / 1024.0;
        let slope: Vec<f64> = moved(step).iter().zip(moved(-step)).map(|(a, b)| (a - b) / (2.0 * step)).collect();
        for (found, expected) in product.to_vec::<f32>().unwrap().into_iter().zip(slope) {
            close("curvature", found.into(), expected, 1e-5);
        }
    }
}

#[test]
fn extreme_logits_stay_numbers() {
    for device in common::devices("the CTC loss of extreme logits") {
        // One class is certain at each step; others are as good as impossible, or are so: a logit of −∞.
        for low in [-1e4f32, -3e37, f32::NEG_INFINITY] {
            let mut numbers = vec![low; 3 * 3];
            [1, 0, 2].iter().enumerate().for_each(|(t, c)| numbers[3 * t + c] = 0.0);
            let x = device.parameter(&numbers, [3, 1, 3]);
            let of = |labels: &[i32]| {
                let Sequences { labels, steps, counts } = sequences(&device, 3, 0, &[(3, labels)]);
                Ctc::new().reduction(Reduction::Sum).of(&x, &labels, &steps, &counts)
            };
            let (sure, wrong) = (of(&[1, 2]), of(&[2, 1]));
            assert_eq!(sure.item().unwrap(), 0.0, "{low}");
            let wrong_loss = wrong.item().unwrap();
            assert!(wrong_loss > 1e4, "{low}: {wrong_loss}");
            for loss in [sure, wrong] {
                let gradient = loss.backward().wrt(&x).unwrap().to_vec::<f32>().unwrap();
                assert!(gradient.iter().all(|g| g.is_finite() && g.abs() <= 1.0001), "{low}: {gradient:?}");
            }
        }
        // NaN in a step that counts is told; in one that does not, it is not.
        for (place, steps, told) in [(0, 2, true), (5, 1, false)] {
            let mut numbers = vec![0.0; 6];
            numbers[place] = f32::NAN;
            let x = device.tensor(&numbers, [2, 1, 3]);
            let Sequences { labels, steps, counts } = sequences(&device, 1, 0, &[(steps, &[1])]);
            assert_eq!(Ctc::new().of(&x, &labels, &steps, &counts).item().unwrap().is_nan(), told);
        }
        // A label that is no class.
        let Sequences { labels, steps, counts } = sequences(&device, 1, 0, &[(2, &[3])]);
        assert!(Ctc::new().of(&device.zeros([2, 1, 3]), &labels, &steps, &counts).item().map_or(true, f32::is_nan));
    }
}

#[test]
fn sizes_of_zero_have_losses() {
    for device in common::devices("the CTC loss of nothing") {
        let of = |time: usize, longest: usize, all: &[(u32, &[i32])], reduction| {
            let x = device.zeros([time, all.len(), 2]);
            let Sequences { labels, steps, counts } = sequences(&device, longest, 0, all);
            Ctc::new().reduction(reduction).of(&x, &labels, &steps, &counts).to_vec::<f32>().unwrap()
        };
        assert_eq!(of(0, 1, &[(0, &[]), (0, &[1])], Reduction::None), [0.0, f32::INFINITY]);
        let halves = of(2, 0, &[(2, &[]), (1, &[])], Reduction::None);
        close("two blanks", halves[0].into(), 4f64.ln(), 1e-6);
        close("one blank", halves[1].into(), 2f64.ln(), 1e-6);
        assert!(of(2, 2, &[], Reduction::None).is_empty());
        assert_eq!(of(2, 2, &[], Reduction::Sum), [0.0]);
    }
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let device = Device::cpu();
    let x = device.zeros([3, 2, 4]);
    let (labels, steps, counts) = (device.tensor(&[1u32; 4], [2, 2]), device.tensor(&[3u32; 2], 2), device.tensor(&[2u32; 2], 2));
    let refused = |ctc: Ctc, inputs: [&Tensor; 4], says: &str| {
        let [x, labels, steps, counts] = inputs;
        match ctc.of(x, labels, steps, counts).check().unwrap_err() {
            Error::Op { op, error, .. } => {
                assert_eq!(op, "ctc");
                assert!(error.to_string().contains(says), "{error}");
            }
            other => panic!("{other}"),
        }
    };
    let ctc = Ctc::new();
    assert!(ctc.of(&x, &labels, &steps, &counts).check().is_ok());
    refused(ctc.blank(4), [&x, &labels, &steps, &counts], "the blank is class 4, the logits have 4");
    refused(ctc, [&device.zeros([3, 4]), &labels, &steps, &counts], "expected [T,n,classes] and [n,S]");
    refused(ctc, [&device.zeros([3, 3, 4]), &labels, &steps, &counts], "expected [n,S], [n] and [n]");
    refused(ctc, [&x, &labels, &device.tensor(&[3u32], 1), &counts], "expected [n,S], [n] and [n]");
    refused(ctc, [&x, &labels.to_f32(), &steps, &counts], "expected u32 or i32");
    refused(ctc, [&x, &labels, &device.tensor(&[4u32, 1], 2), &counts], "steps from 1 to 4 are outside 0..=3");
    refused(ctc, [&x, &labels, &steps, &device.tensor(&[-1i32, 1], 2)], "lengths from -1 to 1 are outside 0..=2");
}

#[test]
fn a_recogniser_is_trained() {
    for device in common::devices("training by CTC") {
        // 12 steps of 5 sensors that say where a label is; 3 classes and the blank.
        let (time, n) = (12, 6);
        let all: Vec<(u32, Vec<i32>)> =
            (0..n).map(|i| (12 - i, (0..=i % 3).map(|s| ((i + s) % 3 + 1) as i32).collect())).collect();
        let mut signal = random::normal_host(time * n as usize * 5, 0.0, 0.1, 3, 0);
        for (i, (_, labels)) in all.iter().enumerate() {
            for (s, &label) in labels.iter().enumerate() {
                signal[((2 * s + 1) * n as usize + i) * 5 + label as usize] += 1.0;
            }
        }
        let x = device.tensor(&signal, [time, n as usize, 5]);
        let all: Vec<(u32, &[i32])> = all.iter().map(|(steps, labels)| (*steps, &labels[..])).collect();
        let Sequences { labels, steps, counts } = sequences(&device, 3, 0, &all);
        let (w, b) = (device.parameter(&[0.0; 20], [5, 4]), device.parameter(&[0.0; 4], 4));
        let mut adam = Adam::new([w.clone(), b.clone()], 0.2);
        let mut losses = vec![];
        for _ in 0..60 {
            let loss = Ctc::new().of(&(x.matmul(&w) + &b), &labels, &steps, &counts);
            adam.step(loss.backward()).unwrap();
            losses.push(loss.item().unwrap());
        }
        assert!(losses[59] < 0.1 * losses[0], "{losses:?}");
    }
}
