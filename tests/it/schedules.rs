//! Learning-rate schedules before, at and after each of their boundaries, and what each setting of a plateau changes. The numbers are worked out by hand.
#![allow(clippy::unwrap_used)]

use std::f64::consts::PI;
use steepest::Device;
use steepest::optim::schedule::{
    Constant, ConstantFactor, Cosine, CosineRestarts, Cyclic, Exponential, Lambda, Linear, MultiStep, OneCycle, Plateau,
    Polynomial, Product, Schedule, Sequence, Step, Warmup,
};
use steepest::optim::{Optimizer, Sgd};

/// The rates of epochs 0, 1, 2 and so on.
fn is(schedule: impl Schedule, expected: &[f64]) {
    for (epoch, &expected) in expected.iter().enumerate() {
        let found = schedule.lr(epoch);
        assert!((found - expected).abs() < 1e-12, "epoch {epoch} of {schedule:?}: {found}, expected {expected}");
    }
}

/// From `start` to `end` along half a cosine, `at` of the way.
fn wave(start: f64, end: f64, at: f64) -> f64 {
    end + (start - end) * (1.0 + (PI * at).cos()) / 2.0
}

#[test]
fn rates_that_fall_by_factors_fall_where_they_should() {
    is(Constant::new(0.8).unwrap(), &[0.8; 3]);
    is(Step::new(0.8, 3, 0.5).unwrap(), &[0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2]);
    is(Step::new(0.8, 1, 0.5).unwrap(), &[0.8, 0.4, 0.2]);
    is(Exponential::new(0.8, 0.5).unwrap(), &[0.8, 0.4, 0.2, 0.1]);
    // At a milestone it has fallen already, twice where two are the same, in whatever order.
    is(MultiStep::new(0.8, [5, 2, 2], 0.5).unwrap(), &[0.8, 0.8, 0.2, 0.2, 0.2, 0.1, 0.1]);
    is(MultiStep::new(0.8, [0, 1], 0.5).unwrap(), &[0.4, 0.2, 0.2]);
    is(MultiStep::new(0.8, [], 0.5).unwrap(), &[0.8, 0.8]);
    is(ConstantFactor::new(0.8, 0.25, 2).unwrap(), &[0.2, 0.2, 0.8, 0.8]);
    is(ConstantFactor::new(0.8, 0.25, 0).unwrap(), &[0.8]);
    is(Lambda::new(0.5, |epoch| epoch as f64).unwrap(), &[0.0, 0.5, 1.0]);
}

#[test]
fn rates_that_go_along_lines_and_curves_end_where_they_should() {
    is(Linear::new(0.8, 0.25, 1.0, 3).unwrap(), &[0.2, 0.4, 0.6, 0.8, 0.8, 0.8]);
    is(Linear::new(0.8, 1.0, 0.5, 1).unwrap(), &[0.8, 0.4, 0.4]);
    is(Polynomial::new(0.8, 4, 2.0).unwrap(), &[0.8, 0.45, 0.2, 0.05, 0.0, 0.0]);
    is(Polynomial::new(0.8, 2, 1.0).unwrap(), &[0.8, 0.4, 0.0, 0.0]);
    is(Polynomial::new(0.8, 2, 0.0).unwrap(), &[0.8; 4]);
    let (high, low) = (wave(1.0, 0.2, 0.25), wave(1.0, 0.2, 0.75));
    is(Cosine::new(1.0, 4, 0.2).unwrap(), &[1.0, high, 0.6, low, 0.2, low, 0.6, high, 1.0]);
    is(Cosine::new(1.0, 1, 0.2).unwrap(), &[1.0, 0.2, 1.0]);
    let then = || Exponential::new(0.8, 0.5).unwrap();
    is(Warmup::new(3, 0.25, then()).unwrap(), &[0.2, 0.4, 0.6, 0.8, 0.4, 0.2]);
    is(Warmup::new(1, 0.25, then()).unwrap(), &[0.2, 0.8, 0.4]);
    is(Warmup::new(0, 0.25, then()).unwrap(), &[0.8, 0.4]);
}

#[test]
fn cycles_turn_where_they_should() {
    // Restarts after 3, 6, 9; after 2, 2 + 6, 2 + 6 + 18.
    let thirds = [1.0, wave(1.0, 0.2, 1.0 / 3.0), wave(1.0, 0.2, 2.0 / 3.0)];
    is(CosineRestarts::new(1.0, 3, 1, 0.2).unwrap(), &thirds.repeat(3));
    let grown: Vec<f64> =
        [2usize, 6, 18, 54].iter().flat_map(|&n| (0..n).map(move |k| wave(1.0, 0.2, k as f64 / n as f64))).collect();
    is(CosineRestarts::new(1.0, 2, 3, 0.2).unwrap(), &grown);
    is(CosineRestarts::new(1.0, 1, 1, 0.2).unwrap(), &[1.0; 3]);

    let cyclic = || Cyclic::new(0.1, 0.7, 2).unwrap().down(3).unwrap();
    is(cyclic(), &[0.1, 0.4, 0.7, 0.5, 0.3, 0.1, 0.4, 0.7, 0.5, 0.3, 0.1]);
    is(cyclic().halving(), &[0.1, 0.4, 0.7, 0.5, 0.3, 0.1, 0.25, 0.4, 0.3, 0.2, 0.1, 0.175, 0.25]);
    let height = [0.0, 0.3, 0.6, 0.4, 0.2, 0.0, 0.3, 0.6];
    let falling: Vec<f64> = (0..8).map(|step| 0.1 + height[step] * 0.5f64.powi(step as i32)).collect();
    is(cyclic().falling(0.5).unwrap(), &falling);
    is(Cyclic::new(0.1, 0.7, 1).unwrap(), &[0.1, 0.7, 0.1, 0.7]);

    // Up to step 0.3 · 20 − 1, down to step 19.
    let (first, last) = (0.04, 0.04 / 1e4);
    let up = (0..=5).map(|k| wave(first, 1.0, f64::from(k) / 5.0));
    let down = (1..=14).map(|k| wave(1.0, last, f64::from(k) / 14.0));
    is(OneCycle::new(1.0, 20).unwrap(), &up.chain(down).chain([last, last]).collect::<Vec<_>>());
    let straight = OneCycle::new(0.8, 10).unwrap().rises(0.5).unwrap().divides(4.0, 8.0).unwrap().linear();
    is(straight, &[0.2, 0.35, 0.5, 0.65, 0.8, 0.645, 0.49, 0.335, 0.18, 0.025, 0.025, 0.025]);
    let cycle = || OneCycle::new(1.0, 10).unwrap();
    for (share, fits) in [(0.1, false), (0.11, true), (0.99, true), (1.0, false), (f64::NAN, false)] {
        assert_eq!(cycle().rises(share).is_ok(), fits, "{share}");
    }
    assert!(cycle().divides(1.0, 0.0).is_err() && cycle().divides(1.0, 1.0).is_ok());
}

#[test]
fn schedules_made_of_others_hand_over_where_they_should() {
    let (falling, rising) = (|| Exponential::new(0.8, 0.5).unwrap(), || Linear::new(0.8, 0.25, 1.0, 3).unwrap());
    let two = Sequence::new(falling()).before(rising(), 2).unwrap();
    is(two, &[0.2, 0.4, 0.8, 0.4, 0.2]);
    let three = Sequence::new(falling()).before(rising(), 1).unwrap().before(falling(), 3).unwrap();
    is(three, &[0.8, 0.4, 0.2, 0.2, 0.8, 0.4]);
    let both = [Box::new(falling()) as Box<dyn Schedule>, Box::new(rising())];
    is(Product::new(0.8, both).unwrap(), &[0.2, 0.2, 0.15, 0.1, 0.05]);
}

/// The learning rates after each of these measures.
fn after(mut plateau: Plateau, start: f64, measures: &[f64]) -> Vec<f64> {
    let mut opt = Sgd::new([Device::cpu().parameter(&[1.0], 1)], start);
    let step = |&measure: &f64| {
        plateau.step(measure, &mut opt);
        opt.lr()
    };
    measures.iter().map(step).collect()
}

#[test]
fn every_setting_of_a_plateau_is_heeded() {
    let half = |patience| Plateau::new(0.5, patience).unwrap();
    // The first is the best; it falls after the first bad one beyond the patience, and counts anew.
    assert_eq!(after(half(0), 1.0, &[1.0; 4]), [1.0, 0.5, 0.25, 0.125]);
    assert_eq!(after(half(2), 1.0, &[1.0; 8]), [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25]);
    // A better one starts the count anew, and is what the next must beat; one that is equal, or better by too little, does not.
    assert_eq!(after(half(1), 1.0, &[9.0, 9.0, 8.0, 8.0, 8.0]), [1.0, 1.0, 1.0, 1.0, 0.5]);
    assert_eq!(after(half(1), 1.0, &[9.0, 5.0, 7.0, 7.0]), [1.0, 1.0, 1.0, 0.5]);
    let exact = || half(0).threshold(0.0).unwrap();
    assert_eq!(after(exact(), 1.0, &[4.0, 4.0]), [1.0, 0.5]);
    assert_eq!(after(exact().upwards(), 1.0, &[4.0, 4.0]), [1.0, 0.5]);
    // By a quarter of the best: below 3, above 5.
    let quarter = || half(0).threshold(0.25).unwrap();
    assert_eq!(after(quarter(), 1.0, &[4.0, 3.0]), [1.0, 0.5]);
    assert_eq!(after(quarter(), 1.0, &[4.0, 2.9]), [1.0, 1.0]);
    assert_eq!(after(quarter().upwards(), 1.0, &[4.0, 5.0]), [1.0, 0.5]);
    assert_eq!(after(quarter().upwards(), 1.0, &[4.0, 5.1]), [1.0, 1.0]);
    // Without a word it is by 0.01 %.
    assert_eq!(after(half(0), 1.0, &[4.0, 3.9997]), [1.0, 0.5]);
    assert_eq!(after(half(0), 1.0, &[4.0, 3.9995]), [1.0, 1.0]);
    // By an amount; the last of both that was set holds.
    let amount = || half(0).absolute_threshold(0.25).unwrap();
    assert_eq!(after(amount(), 1.0, &[4.0, 3.75]), [1.0, 0.5]);
    assert_eq!(after(amount(), 1.0, &[4.0, 3.5]), [1.0, 1.0]);
    assert_eq!(after(amount().upwards(), 1.0, &[4.0, 4.25]), [1.0, 0.5]);
    assert_eq!(after(amount().threshold(0.25).unwrap(), 1.0, &[4.0, 3.5]), [1.0, 0.5]);
    assert_eq!(after(quarter().absolute_threshold(0.25).unwrap(), 1.0, &[4.0, 3.5]), [1.0, 1.0]);
    // Upwards the first is the best, below 0 too.
    assert_eq!(after(half(0).upwards(), 1.0, &[-4.0, -5.0]), [1.0, 0.5]);
    // For as long as it cools down nothing is bad, so after each fall it takes longer by that.
    assert_eq!(after(half(0).cooldown(2), 1.0, &[1.0; 8]), [1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]);
    assert_eq!(after(half(1).cooldown(1), 1.0, &[1.0; 9]), [1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]);
    // Never below the least, and no fall that is no more than the least change.
    assert_eq!(after(half(0).least(0.3).unwrap(), 1.0, &[1.0; 4]), [1.0, 0.5, 0.3, 0.3]);
    assert_eq!(after(half(0).least_change(0.125).unwrap(), 1.0, &[1.0; 5]), [1.0, 0.5, 0.25, 0.25, 0.25]);
    assert_eq!(after(half(0), 1.5e-8, &[1.0; 2]), [1.5e-8; 2]);
    assert_eq!(after(half(0).least_change(0.0).unwrap(), 1.5e-8, &[1.0; 2]), [1.5e-8, 0.75e-8]);
    assert!(half(0).least_change(-1.0).is_err() && half(0).threshold(f64::NAN).is_err());
    assert!(half(0).absolute_threshold(-1.0).is_err() && Plateau::new(-0.1, 0).is_err());
}

/// Taken up at any epoch, a plateau goes on as if it had never stopped.
#[test]
fn a_plateau_goes_on_from_its_state() {
    let make = || Plateau::new(0.5, 1).unwrap().cooldown(2);
    let measures = [5.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0];
    let whole = after(make(), 1.0, &measures);
    for stop in 1..measures.len() {
        let mut first = make();
        let mut opt = Sgd::new([Device::cpu().parameter(&[1.0], 1)], 1.0);
        measures[..stop].iter().for_each(|&m| first.step(m, &mut opt));
        let mut second = make();
        second.restore(first.state());
        assert_eq!(after(second, opt.lr(), &measures[stop..]), whole[stop..], "stopped after {stop}");
    }
}
