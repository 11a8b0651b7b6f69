//! L-BFGS: that it gets to minima, why it ends, and what it refuses.
#![allow(clippy::unwrap_used)]

use crate::common;
use steepest::data::{self, DataLoader};
use steepest::nn::{self, Module};
use steepest::optim::{Adam, Lbfgs, LbfgsEnd, Optimizer};
use steepest::{Device, Error, Tensor};

fn rosenbrock(p: &Tensor) -> Tensor {
    let (x, y) = (p.slice(0, 0..1), p.slice(0, 1..2));
    ((1.0 - &x).square() + (&y - x.square()).square() * 100.0).sum(&[])
}

#[test]
fn it_follows_the_valley() {
    for device in common::devices("Rosenbrock's valley") {
        let find = || {
            let p = device.parameter(&[-1.2, 1.0], 2);
            let mut opt = Lbfgs::new([p.clone()]).max_iterations(100);
            let report = opt.step(|| rosenbrock(&p)).unwrap();
            (p.to_vec::<f32>().unwrap(), report)
        };
        let (at, report) = find();
        println!("{device}: {report:?} at {at:?}");
        assert!(at.iter().all(|x| (x - 1.0).abs() < 1e-3), "{device}: {at:?}, {report:?}");
        assert!(report.iterations < 60 && report.loss < 1e-8 && report.first > 20.0, "{device}: {report:?}");
        // The report is of the parameters that are left, and the way there is always the same.
        assert_eq!(find(), (at.clone(), report), "{device}");
        let p = device.parameter(&at, 2);
        assert_eq!(f64::from(rosenbrock(&p).item().unwrap()), report.loss, "{device}");
    }
}

/// ½ Σ dᵢ (xᵢ − 1)² with d from 1 to 10⁴, which gradient descent would need some ten thousand steps for.
#[test]
fn it_is_quick_where_directions_differ_much() {
    for device in common::devices("a narrow bowl") {
        let d: Vec<f32> = (0..20).map(|i| 10f32.powf(4.0 * i as f32 / 19.0)).collect();
        let (d, x) = (device.tensor(&d, 20), device.parameter(&[0.0; 20], 20));
        let loss = || (x.add_scalar(-1.0).square() * &d).sum(&[]) * 0.5;
        let mut opt = Lbfgs::new([x.clone()]).history(20).max_iterations(200).max_evaluations(400);
        let report = opt.step(loss).unwrap();
        let worst = x.to_vec::<f32>().unwrap().iter().fold(0.0f32, |worst, x| worst.max((x - 1.0).abs()));
        println!("{device}: {report:?}, off by {worst:e}");
        assert!(worst < 1e-2 && report.loss < 1e-6 * report.first, "{device}: {report:?}, {worst:e}");
        // In calls of a few iterations it goes on from its history.
        let y = device.parameter(&[0.0; 20], 20);
        let loss = || (y.add_scalar(-1.0).square() * &d).sum(&[]) * 0.5;
        let mut opt = Lbfgs::new([y.clone()]).history(20).max_iterations(5).max_evaluations(100);
        let ends: Vec<f64> = (0..20).map(|_| opt.step(loss).unwrap().loss).collect();
        assert!(ends.windows(2).all(|w| w[1] <= w[0] * (1.0 + 1e-6)), "{device}: {ends:?}");
        assert!(ends[19] < 1e-4 * report.first, "{device}: {ends:?}");
    }
}

/// Softmax regression of digits with a penalty has one minimum.
#[test]
fn it_learns_a_regression_better_than_many_steps() {
    let device = Device::cpu();
    let (rows, _) = data::digits().unwrap().stratified_split(0.2, 1).unwrap();
    let all = DataLoader::new(&rows, rows.len()).on_device(&device).unwrap().epoch().next().unwrap();
    let loss_of = |model: &dyn Module| {
        let penalty = model.parameters()[0].square().sum(&[]) * 5e-4;
        model.forward(&all.x).cross_entropy(&all.y) + penalty
    };
    let (model, other) = (nn::mlp(&device, &[64, 10], 1), nn::mlp(&device, &[64, 10], 1));
    let mut opt = Lbfgs::new(model.parameters()).max_iterations(200).max_evaluations(400);
    let report = opt.step(|| loss_of(&model)).unwrap();
    println!("{report:?}");
    let mut adam = Adam::new(other.parameters(), 0.02);
    for _ in 0..300 {
        adam.step(loss_of(&other).backward()).unwrap();
    }
    let by_adam = f64::from(loss_of(&other).item().unwrap());
    assert!(report.loss < by_adam + 1e-5 && report.gradient < 2e-3, "{report:?}, Adam comes to {by_adam}");
}

#[test]
fn it_says_why_it_ends() {
    for device in common::devices("ends of L-BFGS") {
        let p = device.parameter(&[3.0, -4.0], 2);
        let bowl = || p.square().sum(&[]) * 0.5;
        let end = |opt: Lbfgs, loss: &dyn Fn() -> Tensor| {
            let mut opt = opt;
            opt.step(loss).unwrap()
        };
        let new = || Lbfgs::new([p.clone()]);
        let report = end(new().max_iterations(1).tolerances(0.0, 0.0), &bowl);
        assert_eq!((report.end, report.iterations), (LbfgsEnd::MostIterations, 1), "{device}: {report:?}");
        p.set(&[3.0f32, -4.0]).unwrap();
        let report = end(new().max_evaluations(1), &bowl);
        assert_eq!((report.end, report.iterations, report.evaluations), (LbfgsEnd::MostEvaluations, 0, 1), "{device}");
        assert_eq!((report.loss, report.gradient), (12.5, 4.0), "{device}");
        let report = end(new(), &bowl);
        assert!(
            report.loss < 1e-8 && matches!(report.end, LbfgsEnd::SmallGradient | LbfgsEnd::SmallChange),
            "{device}: {report:?}"
        );
        p.set(&[0.0f32, 0.0]).unwrap();
        let report = end(new(), &bowl);
        assert_eq!((report.end, report.iterations, report.evaluations), (LbfgsEnd::SmallGradient, 0, 1), "{device}");
        // A gradient that promises what the loss does not keep.
        p.set(&[3.0f32, 4.0]).unwrap();
        let liar = || p.detach().square().sum(&[]) - (p.sum(&[]) - p.detach().sum(&[]));
        let report = end(new(), &liar);
        assert_eq!((report.end, report.iterations), (LbfgsEnd::NoLower, 0), "{device}: {report:?}");
        assert_eq!(p.to_vec::<f32>().unwrap(), [3.0, 4.0], "{device}");
        // Where it begins, nothing can be done; further along it goes back.
        p.set(&[3.0f32, -4.0]).unwrap();
        let report = end(new(), &|| (p.sum(&[])).log());
        assert_eq!((report.end, report.iterations), (LbfgsEnd::NotFinite, 0), "{device}: {report:?}");
        assert!(report.loss.is_nan() && p.to_vec::<f32>().unwrap() == [3.0, -4.0], "{device}");
        for start in [0.01f32, 5.0, 300.0] {
            p.set(&[start, start]).unwrap();
            let report = end(new().max_iterations(60).lr(50.0), &|| (&p - p.log()).sum(&[]));
            let at = p.to_vec::<f32>().unwrap();
            assert!(at.iter().all(|x| (x - 1.0).abs() < 1e-2), "{device}, from {start}: {at:?}, {report:?}");
        }
        // Steps of a fixed length: of a bowl as wide as this one, right away.
        p.set(&[3.0f32, -4.0]).unwrap();
        let report = end(new().without_search(), &bowl);
        assert!(
            report.loss < 1e-8 && report.iterations <= 4 && report.evaluations == report.iterations + 1,
            "{device}: {report:?}"
        );
    }
}

#[test]
fn what_it_cannot_work_with_is_refused() {
    let device = Device::cpu();
    let (p, other) = (device.parameter(&[3.0, -4.0], 2), device.parameter(&[1.0], 1));
    let bowl = || p.square().sum(&[]);
    let refused = |opt: Lbfgs| {
        let mut opt = opt;
        match opt.step(bowl).unwrap_err() {
            Error::Config { what, .. } => what,
            error => panic!("{error}"),
        }
    };
    let new = || Lbfgs::new([p.clone()]);
    assert_eq!(refused(Lbfgs::new([])), "parameters");
    assert_eq!(refused(Lbfgs::new([other.clone()])), "gradients");
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(refused(new().lr(bad)), "learning rate");
    }
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(refused(new().tolerances(bad, 0.0)), "tolerance of gradients");
        assert_eq!(refused(new().tolerances(0.0, bad)), "tolerance of changes");
    }
    assert_eq!(refused(new().history(0)), "history");
    assert_eq!(refused(new().max_iterations(0)), "iterations");
    assert_eq!(refused(new().max_evaluations(0)), "evaluations");
    // An error on the way: the parameters are those of the last iteration.
    let calls = std::cell::Cell::new(0);
    let error = new().step(|| {
        calls.set(calls.get() + 1);
        if calls.get() == 1 { bowl() } else { p.matmul(&device.zeros([7, 7])).sum(&[]) }
    });
    assert!(matches!(error, Err(Error::Op { .. })) && calls.get() == 2);
    assert_eq!(p.to_vec::<f32>().unwrap(), [3.0, -4.0]);
    assert!(matches!(new().step(|| p.square()), Err(Error::Op { .. })), "no scalar");
    // What the loss does not depend on stays, and so does what has no elements.
    let empty = device.parameter(&[], 0);
    let report = Lbfgs::new([empty, other.clone(), p.clone()]).step(bowl).unwrap();
    assert!(report.loss < 1e-8 && other.item().unwrap() == 1.0, "{report:?}");
}

/// Each setting by what it changes, on paths short enough to be worked out by hand.
#[test]
fn every_setting_is_heeded() {
    let device = Device::cpu();
    let at = |x: [f32; 2]| device.parameter(&x, 2);
    let bowl = |p: &Tensor| p.square().sum(&[]) * 0.5;
    let ends_at = |p: &Tensor, expected: [f64; 2]| {
        let found = p.to_vec::<f32>().unwrap();
        assert!(found.iter().zip(expected).all(|(f, e)| (f64::from(*f) - e).abs() < 1e-6), "{found:?}, not {expected:?}");
    };
    // The first step is the gradient times the learning rate, and no longer than that where the gradient's sizes add up to more than 1.
    for (start, lr, expected) in [
        ([0.25, -0.25], 1.0, [0.0, 0.0]),
        ([0.25, -0.25], 0.5, [0.125, -0.125]),
        ([0.75, -0.25], 0.5, [0.375, -0.125]),
        ([3.0, -4.0], 1.0, [3.0 - 3.0 / 7.0, -4.0 + 4.0 / 7.0]),
        ([3.0, -4.0], 0.5, [3.0 - 1.5 / 7.0, -4.0 + 2.0 / 7.0]),
    ] {
        let p = at(start);
        let report = Lbfgs::new([p.clone()]).lr(lr).without_search().max_iterations(1).step(|| bowl(&p)).unwrap();
        assert_eq!((report.iterations, report.evaluations), (1, 2));
        ends_at(&p, expected);
    }
    // A search goes on where it still falls nearly as steeply as at the start: here 13/14 as steeply, after half of the first step.
    let length = |searches: bool| {
        let p = at([3.0, -4.0]);
        let opt = Lbfgs::new([p.clone()]).lr(0.5).max_iterations(1);
        let mut opt = if searches { opt } else { opt.without_search() };
        opt.step(|| bowl(&p)).unwrap();
        p.square().sum(&[]).sqrt().item().unwrap()
    };
    assert!((length(false) - 5.0 * 13.0 / 14.0).abs() < 1e-5 && length(true) <= 4.5, "{} and {}", length(false), length(true));

    // Tolerances: the largest element of the gradient, and the change of the loss or of the largest element.
    let end = |opt: &dyn Fn(Lbfgs) -> Lbfgs, start: [f32; 2]| {
        let p = at(start);
        let report = opt(Lbfgs::new([p.clone()])).step(|| bowl(&p)).unwrap();
        (report.end, report.iterations)
    };
    assert_eq!(end(&|opt| opt.tolerances(4.0, 0.0), [3.0, -4.0]), (LbfgsEnd::SmallGradient, 0));
    assert_ne!(end(&|opt| opt.tolerances(3.9, 0.0), [3.0, -4.0]).1, 0);
    let slow =
        |change: f64| end(&move |opt| opt.lr(0.25).without_search().tolerances(0.0, change).max_iterations(1000), [0.25, -0.25]);
    assert_eq!(slow(1.0), (LbfgsEnd::SmallChange, 1));
    assert!(slow(1e-3).1 > 1);
    // Unless they are given, evaluations are a quarter more than iterations, rounded up.
    let valley = |opt: &dyn Fn(Lbfgs) -> Lbfgs| {
        let p = at([-1.2, 1.0]);
        let report = opt(Lbfgs::new([p.clone()])).step(|| rosenbrock(&p)).unwrap();
        (report, p.to_vec::<f32>().unwrap())
    };
    let (report, _) = valley(&|opt| opt.without_search().lr(1e-3).max_iterations(4));
    assert_eq!((report.end, report.iterations, report.evaluations), (LbfgsEnd::MostIterations, 4, 5));
    // A search took one more than there were iterations.
    let (report, _) = valley(&|opt| opt.max_iterations(4));
    assert_eq!((report.end, report.iterations, report.evaluations), (LbfgsEnd::MostEvaluations, 3, 5));

    // The path depends on how much of the history is kept, from where it is first longer.
    let path = |history: usize, iterations: usize| {
        valley(&move |opt| opt.history(history).max_iterations(iterations).max_evaluations(1000)).1
    };
    assert_eq!(path(1, 2), path(2, 2));
    assert_ne!(path(1, 4), path(2, 4));
    assert_ne!(path(2, 6), path(3, 6));
    assert_ne!(path(2, 12), path(10, 12));
}

/// One that has forgotten is as good as new; one that has not goes on.
#[test]
fn what_is_forgotten_counts_no_more() {
    let device = Device::cpu();
    let go = |forgets: bool, anew: bool| {
        let p = device.parameter(&[-1.2, 1.0], 2);
        let new = || Lbfgs::new([p.clone()]).max_iterations(4).max_evaluations(100);
        let mut opt = new();
        opt.step(|| rosenbrock(&p)).unwrap();
        if forgets {
            opt.forget();
        }
        if anew {
            opt = new();
        }
        opt.step(|| rosenbrock(&p)).unwrap();
        p.to_vec::<f32>().unwrap()
    };
    assert_eq!(go(true, false), go(false, true));
    assert_ne!(go(false, false), go(true, false));
}
