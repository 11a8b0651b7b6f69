//! Optimizers, averages and accumulated gradients where their numbers are at an edge: first and last, largest, none.
#![allow(clippy::unwrap_used)]

use steepest::optim::{Accumulator, Adam, Adamax, Average, Lamb, Lion, NAdam, Optimizer, RAdam, RmsProp, Sgd, State};
use steepest::{Device, Error, Tensor};

fn refused(result: steepest::Result<()>) -> &'static str {
    let Err(error) = result else { panic!("no error") };
    match error {
        Error::Config { what, .. } => what,
        other => panic!("{other}"),
    }
}

fn gradient_of(p: &Tensor, gradient: &[f32]) -> steepest::graph::Gradients {
    (p * p.device().tensor(gradient, gradient.len())).sum(&[]).backward()
}

/// min(d, (1 + n)/(10 + n)) in update n from 1, and the plain decay without a warm-up.
#[test]
fn a_warm_average_soon_forgets_its_start() {
    let device = Device::cpu();
    for (decay, warm) in [(0.5, true), (0.25, true), (0.999, true), (0.5, false)] {
        let w = device.parameter(&[8.0], 1);
        let average = Average::ema([w.clone()], decay);
        let mut average = if warm { average.warmup() } else { average };
        let mut expected = 8.0;
        for n in 1..=12 {
            let value = f64::from(n % 5) - 1.5;
            w.set(&[value as f32]).unwrap();
            average.update().unwrap();
            let n = f64::from(n);
            let d = if warm { decay.min((1.0 + n) / (10.0 + n)) } else { decay };
            expected = d * expected + (1.0 - d) * value;
            let found = f64::from(average.averages()[0].item().unwrap());
            assert!((found - expected).abs() < 1e-6, "decay {decay}, update {n}: {found}, not {expected}");
        }
    }
}

/// The first step's learning rate is divided by 1 − β₁: what is then more than f32 holds is refused, what is not is taken.
#[test]
fn the_largest_learning_rate_is_that_of_the_first_step() {
    type Make = fn(Tensor, f64) -> Box<dyn Optimizer>;
    let makers: [(&str, Make); 5] = [
        ("Adam", |p, lr| Box::new(Adam::new([p], lr))),
        ("NAdam", |p, lr| Box::new(NAdam::new([p], lr))),
        ("RAdam", |p, lr| Box::new(RAdam::new([p], lr))),
        ("Adamax", |p, lr| Box::new(Adamax::new([p], lr))),
        ("LAMB", |p, lr| Box::new(Lamb::new([p], lr))),
    ];
    let device = Device::cpu();
    // Of β₁ = 0.9.
    let largest = f64::from(f32::MAX) * 0.1;
    for (name, make) in makers {
        let step = |lr: f64| {
            let p = device.parameter(&[1.0], 1);
            make(p.clone(), lr).step(gradient_of(&p, &[0.0]))
        };
        for lr in [0.5, 0.99] {
            assert!(step(lr * largest).is_ok(), "{name}: {lr} of the largest");
        }
        for lr in [1.01, 5.0, 9.5] {
            assert_eq!(refused(step(lr * largest)), "learning rate", "{name}: {lr} of the largest");
        }
    }
}

/// Steps are counted where a formula needs them, and nowhere else; a state says so, and so does an optimizer behind a box.
#[test]
fn only_those_whose_formula_asks_count_steps() {
    let device = Device::cpu();
    let p = device.parameter(&[1.0], 1);
    let of = || [p.clone()];
    let cases: Vec<(Box<dyn Optimizer>, &[u64])> = vec![
        (Box::new(Lion::new(of(), 0.01)), &[]),
        (Box::new(RmsProp::new(of(), 0.01)), &[]),
        (Box::new(Sgd::new(of(), 0.01)), &[]),
        (Box::new(Sgd::new(of(), 0.01).momentum(0.9)), &[]),
        (Box::new(Sgd::new(of(), 0.01).dampening(0.5)), &[]),
        (Box::new(Sgd::new(of(), 0.01).momentum(0.9).dampening(0.5)), &[2]),
        (Box::new(Adam::new(of(), 0.01)), &[2]),
        (Box::new(NAdam::new(of(), 0.01)), &[2]),
    ];
    for (mut opt, expected) in cases {
        for _ in 0..2 {
            opt.step(gradient_of(&p, &[0.5])).unwrap();
        }
        assert_eq!(opt.steps(), expected, "{}", opt.kind());
        let state = State::of(&opt).unwrap();
        assert_eq!(state.steps, expected, "{}", opt.kind());
        opt.restore(&state).unwrap();
    }
}

/// A state may say that millions of steps were made. With ψ so large that the momentum is β₁ from the first step on, the product of the first n is β₁ⁿ.
#[test]
fn nadam_goes_on_after_very_many_steps() {
    let device = Device::cpu();
    let p = device.parameter(&[1.0], 1);
    let (b1, b2, lr) = (1.0 - 2e-9, 0.999, 0.25);
    let mut opt = NAdam::new([p.clone()], lr).betas(b1, b2).momentum_decay(1e5);
    opt.step(gradient_of(&p, &[0.5])).unwrap();
    let mut state = State::of(&opt).unwrap();
    let n = 1u64 << 29;
    state.steps = vec![n - 1];
    for (name, value) in [("exp_avg", 0.5), ("exp_avg_sq", 0.25)] {
        assert!(state.tensors.insert(name.to_owned(), vec![vec![value]]).is_some(), "{name}");
    }
    p.set(&[1.0f32]).unwrap();
    let (m, v) = (b1 * 0.5 + (1.0 - b1) * 0.5, b2 * 0.25 + (1.0 - b2) * 0.25);
    opt.restore(&state).unwrap();
    opt.step(gradient_of(&p, &[0.5])).unwrap();
    let n = n as f64;
    let ahead = b1 * m / (1.0 - b1.powf(n + 1.0)) + (1.0 - b1) * 0.5 / (1.0 - b1.powf(n));
    let step = lr * ahead / ((v / (1.0 - b2.powf(n))).sqrt() + 1e-8);
    let found = 1.0 - f64::from(p.item().unwrap());
    println!("{found:e}, by the formula {step:e}");
    assert!(step > 0.1 && (found - step).abs() < 1e-3 * step, "{found:e}, not {step:e}");
}

/// A parameter that one of the losses does not depend on has a gradient of 0 there; weights are of all that was added since the last `take`.
#[test]
fn weights_of_gradients_begin_anew() {
    let device = Device::cpu();
    let (p, q) = (device.parameter(&[1.0, 2.0], 2), device.parameter(&[3.0], 1));
    let value = |gradients: &steepest::graph::Gradients, of: &Tensor| -> Option<Vec<f32>> {
        gradients.get(of).unwrap().map(|g| g.to_vec().unwrap())
    };
    let mut mean = Accumulator::mean();
    assert!(mean.is_empty());
    for (weights, gradients) in [([3.0, 1.0, 4.0], [1.0f32, 5.0, -2.0]), ([0.5, 0.25, 8.0], [2.0, 4.0, 1.0])] {
        for (weight, g) in weights.into_iter().zip(gradients) {
            mean.add_weighted(gradient_of(&p, &[g, 2.0 * g]), weight).unwrap();
            assert!(!mean.is_empty());
        }
        mean.add_weighted(gradient_of(&q, &[6.0]), 2.0).unwrap();
        let found = mean.take().unwrap();
        assert!(mean.is_empty());
        let all: f64 = weights.iter().sum::<f64>() + 2.0;
        let expected = weights.iter().zip(gradients).map(|(w, g)| w * f64::from(g)).sum::<f64>() / all;
        let of_p = value(&found, &p).unwrap();
        assert!((f64::from(of_p[0]) - expected).abs() < 1e-6 && (of_p[1] - 2.0 * of_p[0]).abs() < 1e-6, "{of_p:?}, {expected}");
        assert!((f64::from(value(&found, &q).unwrap()[0]) - 12.0 / all).abs() < 1e-6);
    }
    // One part alone is what it was, to the bit, and what was not added this time has none.
    mean.add_weighted(gradient_of(&p, &[0.1, 0.3]), 0.7).unwrap();
    let found = mean.take().unwrap();
    assert_eq!((value(&found, &p), value(&found, &q)), (Some(vec![0.1, 0.3]), None));
    let mut sum = Accumulator::sum();
    for weight in [2.0, 0.5] {
        sum.add_weighted(gradient_of(&p, &[1.0, 4.0]), weight).unwrap();
    }
    assert_eq!(value(&sum.take().unwrap(), &p).unwrap(), [2.5, 10.0]);
    for weight in [0.0, -1.0, f64::NAN] {
        assert_eq!(refused(sum.add_weighted(gradient_of(&p, &[1.0, 1.0]), weight)), "weight of gradients");
    }
    assert!(sum.is_empty() && refused(sum.take().map(drop)) == "gradients");
}
