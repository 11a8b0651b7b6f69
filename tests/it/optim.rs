//! Optimizers beyond their trajectories: settings, groups, clipping, schedules, and what makes a new plan.
#![allow(clippy::unwrap_used)]

use crate::common;
use steepest::optim::schedule::{
    Constant, ConstantFactor, Cosine, CosineRestarts, Cyclic, Exponential, Lambda, Linear, MultiStep, OneCycle, Plateau,
    Polynomial, Product, Schedule, Sequence, Step, Warmup,
};
use steepest::optim::{
    AdaGrad, Adadelta, Adafactor, Adam, Adamax, Group, Lamb, Lion, Muon, NAdam, Optimizer, RAdam, RmsProp, Sgd,
};
use steepest::{Device, Error, Tensor};

/// Every kind and form of optimizer, by name.
fn every(w: &Tensor, b: &Tensor) -> Vec<(&'static str, Box<dyn Optimizer>)> {
    let group = || Group::new([b.clone()]).lr_factor(0.5).weight_decay(0.25).l1(0.125);
    let p = || [w.clone()];
    vec![
        ("sgd", Box::new(Sgd::new(p(), 0.1).group(group()))),
        ("momentum", Box::new(Sgd::new(p(), 0.1).momentum(0.9).nesterov(true).weight_decay(0.1).group(group()))),
        ("adam", Box::new(Adam::new(p(), 0.1).l1(0.1).group(group()))),
        ("adamw", Box::new(Adam::w(p(), 0.1).group(group()))),
        ("amsgrad", Box::new(Adam::new(p(), 0.1).amsgrad(true).group(group()))),
        ("adagrad", Box::new(AdaGrad::new(p(), 0.1).lr_decay(0.1).group(group()))),
        ("rmsprop", Box::new(RmsProp::new(p(), 0.1).group(group()))),
        ("centered", Box::new(RmsProp::new(p(), 0.1).centered(true).group(group()))),
        ("rmsprop, momentum", Box::new(RmsProp::new(p(), 0.1).momentum(0.5).group(group()))),
        ("adadelta", Box::new(Adadelta::new(p(), 0.1).group(group()))),
        ("damped", Box::new(Sgd::new(p(), 0.1).momentum(0.9).dampening(0.5).maximize(true).group(group()))),
        ("nadam", Box::new(NAdam::new(p(), 0.1).group(group()))),
        ("radam", Box::new(RAdam::new(p(), 0.1).betas(0.5, 0.75).decoupled_weight_decay(true).group(group()))),
        ("adamax", Box::new(Adamax::new(p(), 0.1).group(group()))),
        ("lion", Box::new(Lion::new(p(), 0.1).group(group()))),
        ("lamb", Box::new(Lamb::new(p(), 0.1).weight_decay(0.1).group(group()))),
        ("adafactor", Box::new(Adafactor::new(p(), 0.1).weight_decay(0.1).group(group()))),
        ("muon", Box::new(Muon::new(p(), 0.1).group(group()))),
    ]
}

#[test]
fn neither_the_learning_rate_nor_a_bound_makes_a_new_plan() {
    let device = Device::cpu();
    let w = device.parameter(&[1.0, -2.0], 2);
    let b = device.parameter(&[3.0], 1);
    for (name, mut opt) in every(&w, &b) {
        let before = device.runs_and_misses();
        for k in 1..=10 {
            opt.set_lr(0.1 / f64::from(k));
            assert_eq!(opt.lr(), 0.1 / f64::from(k));
            let gradients = (&w * &b).square().sum(&[]).backward();
            opt.step(gradients.clip_by_value(f64::from(k)).clip_by_norm(0.5 * f64::from(k))).unwrap();
        }
        let after = device.runs_and_misses();
        // Muon's step of what is no matrix is AdamW's, which has its plan already.
        let plans = if name == "muon" { 0 } else { 1 };
        assert_eq!((after.0 - before.0, after.1 - before.1), (10, plans), "{name}");
    }
}

/// Clipping goes through all gradients in one order, whatever the addresses of things: else each step would be a plan of its own.
#[test]
fn many_gradients_are_clipped_in_one_order() {
    let device = Device::cpu();
    let parameters: Vec<Tensor> = (1..=12).map(|n| device.parameter(&vec![1.0; n], n)).collect();
    let mut opt = Sgd::new(parameters.clone(), 0.01);
    for _ in 0..5 {
        let loss = parameters.iter().map(|p| p.square().sum(&[])).reduce(|a, b| a + b).unwrap();
        opt.step(loss.backward().clip_by_value(1.5).clip_by_norm(1.0)).unwrap();
    }
    assert_eq!(device.runs_and_misses(), (5, 1));
}

#[test]
fn groups_have_their_own_rates_decays_and_penalties() {
    for device in common::devices("groups") {
        let [a, b, c] = [[2.0, -3.0], [2.0, -3.0], [0.0, 1.0]].map(|x| device.parameter(&x, 2));
        let mut opt = Sgd::new([a.clone()], 0.5)
            .weight_decay(0.25)
            .group(Group::new([b.clone()]).lr_factor(2.0).weight_decay(0.0))
            .group(Group::new([c.clone()]).l1(0.5));
        let step = |opt: &mut Sgd| opt.step((&a + &b + &c).sum(&[]).backward());
        step(&mut opt).unwrap();
        // p − η (1 + λp + λ₁ sign p)
        assert_eq!(a.to_vec::<f32>().unwrap(), [2.0 - 0.5 * 1.5, -3.0 - 0.5 * 0.25], "{device}");
        assert_eq!(b.to_vec::<f32>().unwrap(), [1.0, -4.0], "{device}");
        assert_eq!(c.to_vec::<f32>().unwrap(), [-0.5, 1.0 - 0.5 * 1.75], "{device}");
        // A group that comes later has state of its own.
        let d = device.parameter(&[1.0], 1);
        let mut opt = Adam::new([a.clone()], 0.5);
        opt.step(a.sum(&[]).backward()).unwrap();
        let mut opt = opt.group(Group::new([d.clone()]));
        opt.step((a.sum(&[]) + d.sum(&[])).backward()).unwrap();
        assert!((d.item().unwrap() - 0.5).abs() < 1e-5, "{device}");
        assert_eq!(opt.state().iter().map(|(name, t)| (*name, t.len())).collect::<Vec<_>>(), [("exp_avg", 2), ("exp_avg_sq", 2)]);
    }
}

/// The penalty is part of the gradient for every kind: the same step as with a loss that has it written out.
#[test]
fn an_l1_penalty_is_the_gradient_of_its_sum_of_sizes() {
    type Make = fn([Tensor; 1], f64) -> Box<dyn Optimizer>;
    let kinds: [(&str, Make); 10] = [
        ("sgd", |p, l1| Box::new(Sgd::new(p, 0.1).momentum(0.9).l1(l1))),
        ("adam", |p, l1| Box::new(Adam::w(p, 0.1).l1(l1))),
        ("adagrad", |p, l1| Box::new(AdaGrad::new(p, 0.1).l1(l1))),
        ("rmsprop", |p, l1| Box::new(RmsProp::new(p, 0.1).l1(l1))),
        ("adadelta", |p, l1| Box::new(Adadelta::new(p, 0.1).l1(l1))),
        ("nadam", |p, l1| Box::new(NAdam::new(p, 0.1).l1(l1))),
        ("radam", |p, l1| Box::new(RAdam::new(p, 0.1).l1(l1))),
        ("adamax", |p, l1| Box::new(Adamax::new(p, 0.1).l1(l1))),
        ("lamb", |p, l1| Box::new(Lamb::new(p, 0.1).l1(l1))),
        ("adafactor", |p, l1| Box::new(Adafactor::new(p, 0.1).l1(l1))),
    ];
    for device in common::devices("the L1 penalty") {
        for (name, make) in kinds {
            let run = |inside: bool| {
                let w = device.parameter(&[1.0, -2.0, 0.0, 0.3], 4);
                let mut opt = make([w.clone()], if inside { 0.7 } else { 0.0 });
                for _ in 0..5 {
                    let loss = w.add_scalar(0.5).square().sum(&[]);
                    let loss = if inside { loss } else { loss + w.abs().sum(&[]) * 0.7 };
                    opt.step(loss.backward()).unwrap();
                }
                w.to_vec::<f32>().unwrap()
            };
            for (a, b) in run(true).into_iter().zip(run(false)) {
                assert!((a - b).abs() < 1e-5, "{device} {name}: {a} and {b}");
            }
        }
    }
}

#[test]
fn clipping_shortens_all_gradients_together() {
    for device in common::devices("clipping") {
        let (a, b) = (device.parameter(&[3.0, 4.0], 2), device.parameter(&[12.0], 1));
        let gradients = || ((a.square().sum(&[]) + b.square().sum(&[])) * 0.5).backward();
        let near = |t: Tensor, expected: &[f32]| {
            let found = t.to_vec::<f32>().unwrap();
            assert!(found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-5), "{device}: {found:?}, expected {expected:?}");
        };
        near(gradients().norm().unwrap(), &[13.0]);
        let clipped = gradients().clip_by_norm(6.5);
        near(clipped.wrt(&a).unwrap(), &[1.5, 2.0]);
        near(clipped.wrt(&b).unwrap(), &[6.0]);
        near(clipped.norm().unwrap(), &[6.5]);
        near(gradients().clip_by_norm(14.0).wrt(&b).unwrap(), &[12.0]);
        near(gradients().clip_by_value(3.5).wrt(&a).unwrap(), &[3.0, 3.5]);
        near((b.square().sum(&[]) * -0.5).backward().clip_by_value(3.5).wrt(&b).unwrap(), &[-3.5]);
        // Nothing is left of a gradient of length 0, and nothing becomes NaN.
        near((a.mul_scalar(0.0)).sum(&[]).backward().clip_by_norm(1.0).wrt(&a).unwrap(), &[0.0, 0.0]);
    }
}

#[test]
fn settings_that_make_no_sense_are_typed_errors() {
    let device = Device::cpu();
    let w = device.parameter(&[1.0], 1);
    let p = || [w.clone()];
    let wrong: Vec<(&str, Box<dyn Optimizer>)> = vec![
        ("learning rate", Box::new(AdaGrad::new(p(), f64::NAN))),
        ("learning rate", Box::new(RmsProp::new(p(), -0.1))),
        ("learning rate", Box::new(Adadelta::new(p(), f64::INFINITY))),
        ("weight decay", Box::new(Sgd::new(p(), 0.1).weight_decay(-1.0))),
        ("L1 penalty", Box::new(Adam::new(p(), 0.1).l1(f64::NAN))),
        ("alpha", Box::new(RmsProp::new(p(), 0.1).alpha(1.0))),
        ("momentum", Box::new(RmsProp::new(p(), 0.1).momentum(1.0))),
        ("epsilon", Box::new(Adadelta::new(p(), 0.1).eps(-1e-9))),
        ("rho", Box::new(Adadelta::new(p(), 0.1).rho(-0.1))),
        ("initial sum", Box::new(AdaGrad::new(p(), 0.1).initial_sum(-1.0))),
        ("decay of the learning rate", Box::new(AdaGrad::new(p(), 0.1).lr_decay(f64::NAN))),
        ("learning rate factor", Box::new(Sgd::new([], 0.1).group(Group::new(p()).lr_factor(-1.0)))),
        ("weight decay of a group", Box::new(Sgd::new([], 0.1).group(Group::new(p()).weight_decay(f64::NAN)))),
        ("L1 penalty of a group", Box::new(Sgd::new([], 0.1).group(Group::new(p()).l1(-1.0)))),
        ("dampening", Box::new(Sgd::new(p(), 0.1).momentum(0.9).dampening(1.5))),
        ("dampening", Box::new(Sgd::new(p(), 0.1).momentum(0.9).dampening(f64::NAN))),
        ("nesterov", Box::new(Sgd::new(p(), 0.1).momentum(0.9).dampening(0.5).nesterov(true))),
        ("momentum decay", Box::new(NAdam::new(p(), 0.1).momentum_decay(-1.0))),
        ("beta 1", Box::new(NAdam::new(p(), 0.1).betas(1.0, 0.9))),
        ("beta 2", Box::new(RAdam::new(p(), 0.1).betas(0.9, f64::NAN))),
        ("beta 2", Box::new(Lion::new(p(), 0.1).betas(0.9, -0.1))),
        ("learning rate", Box::new(Lion::new(p(), -0.1))),
        ("epsilon", Box::new(Adamax::new(p(), 0.1).eps(f64::INFINITY))),
        ("epsilon", Box::new(Lamb::new(p(), 0.1).eps(-1.0))),
        ("decay of beta 2", Box::new(Adafactor::new(p(), 0.1).beta2_decay(0.5))),
        ("epsilon 1", Box::new(Adafactor::new(p(), 0.1).eps(-1.0, 0.1))),
        ("epsilon 2", Box::new(Adafactor::new(p(), 0.1).eps(0.1, f64::NAN))),
        ("d", Box::new(Adafactor::new(p(), 0.1).clip(0.0))),
        ("momentum", Box::new(Muon::new(p(), 0.1).momentum(1.0))),
        ("coefficients", Box::new(Muon::new(p(), 0.1).newton_schulz(5, (3.0, f64::NAN, 1.0)))),
        ("learning rate factor of AdamW", Box::new(Muon::new(p(), 0.1).adam_lr_factor(-1.0))),
        ("parameters", Box::new(Sgd::new(p(), 0.1).group(Group::new(p())))),
        ("parameters", Box::new(Sgd::new([], 0.1))),
    ];
    for (what, mut opt) in wrong {
        match opt.step(w.square().sum(&[]).backward()).unwrap_err() {
            Error::Config { what: found, .. } => assert_eq!(found, what),
            other => panic!("{what}: {other}"),
        }
    }
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        let gradients = || w.square().sum(&[]).backward();
        for clipped in [gradients().clip_by_norm(bad), gradients().clip_by_value(bad)] {
            assert!(matches!(clipped.wrt(&w), Err(Error::Config { .. })));
            assert!(matches!(clipped.norm(), Err(Error::Config { .. })));
            assert!(matches!(Sgd::new(p(), 0.1).step(clipped), Err(Error::Config { .. })));
        }
    }
    // The first error is the one that is told.
    let invalid = w.add(&device.zeros([2, 3])).sum(&[]).add(&device.zeros([4, 5]).add(&device.zeros(7)));
    assert!(matches!(invalid.backward().clip_by_norm(1.0).norm(), Err(Error::Op { .. })));
    assert_eq!(w.item().unwrap(), 1.0);
}

/// A gradient that stays the same has no variance, and rounding makes it less than none.
#[test]
fn centered_rmsprop_survives_a_constant_gradient() {
    for device in common::devices("a constant gradient") {
        // About one in ten of these comes out below 0.
        let slopes: Vec<f32> = (1..=256).map(|k| 0.013 * k as f32).collect();
        let w = device.parameter(&[0.5; 256], 256);
        let slope = device.tensor(&slopes, 256);
        let mut opt = RmsProp::new([w.clone()], 1e-6).alpha(0.9).centered(true);
        for _ in 0..300 {
            opt.step((&w * &slope).sum(&[]).backward()).unwrap();
        }
        assert!(w.to_vec::<f32>().unwrap().iter().all(|x| x.is_finite()), "{device}");
    }
}

#[test]
fn one_cycle_goes_up_and_down() {
    let cycle = OneCycle::new(1.0, 100).unwrap();
    let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found}, expected {expected}");
    near(cycle.lr(0), 0.04);
    // Half way up: the mean of both ends.
    near(OneCycle::new(1.0, 100).unwrap().rises(0.31).unwrap().lr(15), 0.52);
    near(cycle.lr(29), 1.0);
    // Half way down.
    near(cycle.lr(64), (1.0 + 4e-6) / 2.0);
    near(cycle.lr(99), 4e-6);
    near(cycle.lr(1000), 4e-6);
    let straight = OneCycle::new(1.0, 101).unwrap().rises(21.0 / 101.0).unwrap().divides(10.0, 100.0).unwrap().linear();
    near(straight.lr(5), 0.1 + 0.9 * 5.0 / 20.0);
    near(straight.lr(40), 1.0 - 0.999 * 20.0 / 80.0);
    assert!((0..29).all(|k| cycle.lr(k) < cycle.lr(k + 1)) && (29..99).all(|k| cycle.lr(k) > cycle.lr(k + 1)));
}

#[test]
fn a_plateau_is_seen_from_both_sides() {
    let rates = |mut plateau: Plateau, measures: &[f64]| -> Vec<f64> {
        let w = Device::cpu().parameter(&[1.0], 1);
        let mut opt = Sgd::new([w], 1.0);
        let after = |&m: &f64| {
            plateau.step(m, &mut opt);
            opt.lr()
        };
        measures.iter().map(after).collect()
    };
    let half = || Plateau::new(0.5, 1).unwrap();
    assert_eq!(rates(half().upwards(), &[0.5, 0.6, 0.6, 0.6, 0.7]), [1.0, 1.0, 1.0, 0.5, 0.5]);
    assert_eq!(rates(half().absolute_threshold(0.2).unwrap(), &[1.0, 0.9, 0.7, 0.6, 0.6]), [1.0, 1.0, 1.0, 1.0, 0.5]);
    // NaN and infinity are no progress, and what follows can be.
    assert_eq!(rates(half(), &[f64::INFINITY, 3.0, f64::NAN, 2.0, f64::NAN, f64::NAN]), [1.0, 1.0, 1.0, 1.0, 1.0, 0.5]);
    assert_eq!(rates(half().least(0.75).unwrap(), &[1.0; 6]), [1.0, 1.0, 0.75, 0.75, 0.75, 0.75]);
}

/// Values worked out by hand from PyTorch's formulas.
#[test]
fn schedules_of_many_parts_go_up_and_down_where_they_should() {
    fn rates<const N: usize>(schedule: &dyn Schedule, at: [usize; N], expected: [f64; N]) {
        let found = at.map(|epoch| schedule.lr(epoch));
        assert!(
            found.iter().zip(&expected).all(|(f, e)| (f - e).abs() < 1e-12),
            "{found:?}, expected {expected:?}: {schedule:?}"
        );
    }
    // Cycles of 3 + 1 steps.
    let cyclic = || Cyclic::new(0.1, 0.4, 3).unwrap().down(1).unwrap();
    rates(&cyclic(), [0, 1, 2, 3, 4, 7], [0.1, 0.2, 0.3, 0.4, 0.1, 0.4]);
    rates(&cyclic().halving(), [3, 4, 7, 11], [0.4, 0.1, 0.25, 0.175]);
    rates(&cyclic().falling(0.5).unwrap(), [0, 1, 3, 4, 7], [0.1, 0.15, 0.1375, 0.1, 0.1 + 0.3 / 128.0]);
    // The falling slope of PyTorch's (x − 1)/(ratio − 1).
    rates(&Cyclic::new(0.0, 1.0, 1).unwrap().down(4).unwrap(), [1, 2, 3, 4, 5], [1.0, 0.75, 0.5, 0.25, 0.0]);
    // Restarts that do not grow, and restarts after 2, 2 + 4, 2 + 4 + 8.
    rates(&CosineRestarts::new(1.0, 2, 1, 0.0).unwrap(), [0, 1, 2, 3, 1_000_000_001], [1.0, 0.5, 1.0, 0.5, 0.5]);
    rates(&CosineRestarts::new(1.0, 2, 2, 0.0).unwrap(), [2, 4, 6, 10, 14], [1.0, 0.5, 1.0, 0.5, 1.0]);
    rates(&Polynomial::new(0.4, 4, 2.0).unwrap(), [0, 2, 3, 4, 9], [0.4, 0.1, 0.025, 0.0, 0.0]);
    rates(&Polynomial::new(0.4, 4, 0.0).unwrap(), [0, 3, 4], [0.4, 0.4, 0.4]);
    rates(&Linear::new(0.1, 0.0, 2.0, 4).unwrap(), [0, 1, 4, 5], [0.0, 0.05, 0.2, 0.2]);
    rates(&ConstantFactor::new(0.3, 0.5, 2).unwrap(), [0, 1, 2], [0.15, 0.15, 0.3]);
    rates(&Lambda::new(0.5, |epoch| 0.5f64.powi(epoch as i32)).unwrap(), [0, 2], [0.5, 0.125]);
    let warm = Warmup::new(4, 0.0, Constant::new(0.2).unwrap()).unwrap();
    rates(&warm, [0, 1, 4, 100], [0.0, 0.05, 0.2, 0.2]);
    let last = || Exponential::new(0.1, 0.5).unwrap();
    let sequence = Sequence::new(last()).before(Constant::new(0.3).unwrap(), 2).unwrap().before(warm, 1).unwrap();
    rates(&sequence, [0, 1, 2, 3, 4], [0.0, 0.3, 0.3, 0.1, 0.05]);
    let two: [Box<dyn Schedule>; 2] = [Box::new(last()), Box::new(ConstantFactor::new(0.1, 0.5, 1).unwrap())];
    rates(&Product::new(0.1, two).unwrap(), [0, 1, 2], [0.05, 0.05, 0.025]);

    assert!(CosineRestarts::new(0.1, 0, 1, 0.0).is_err() && CosineRestarts::new(0.1, 1, 0, 0.0).is_err());
    assert!(Cyclic::new(0.1, 0.2, 0).is_err() && Cyclic::new(0.1, 0.2, 1).unwrap().down(0).is_err());
    assert!(cyclic().falling(1.1).is_err() && cyclic().falling(f64::NAN).is_err());
    assert!(Polynomial::new(0.1, 0, 1.0).is_err() && Polynomial::new(0.1, 1, -1.0).is_err());
    assert!(Linear::new(0.1, 0.0, 1.0, 0).is_err() && Linear::new(0.1, -1.0, 1.0, 2).is_err());
    assert!(ConstantFactor::new(0.1, f64::NAN, 2).is_err() && Lambda::new(-0.1, |_| 1.0).is_err());
    assert!(Sequence::new(last()).before(last(), 0).is_err());
    assert!(Product::new(0.0, [Box::new(last()) as Box<dyn Schedule>]).is_err() && Product::new(0.1, []).is_err());
}

#[test]
fn schedules_refuse_what_makes_no_sense() {
    assert!(Constant::new(f64::NAN).is_err());
    assert!(Step::new(0.1, 0, 0.5).is_err() && Step::new(0.1, 1, -0.5).is_err());
    assert!(MultiStep::new(-0.1, [3], 0.5).is_err());
    assert!(Exponential::new(0.1, f64::INFINITY).is_err());
    assert!(Cosine::new(0.1, 0, 0.0).is_err() && Cosine::new(0.1, 5, -1.0).is_err());
    assert!(Warmup::new(5, -1.0, Constant::new(0.1).unwrap()).is_err());
    assert!(OneCycle::new(0.1, 3).is_err() && OneCycle::new(0.1, 4).is_ok());
    assert!(OneCycle::new(0.1, 10).unwrap().rises(1.0).is_err());
    assert!(OneCycle::new(0.1, 10).unwrap().divides(0.0, 1.0).is_err());
    assert!(Plateau::new(1.0, 3).is_err() && Plateau::new(0.5, 3).unwrap().least(-1.0).is_err());
    // An empty warm-up is none, and one may stand in a box with others.
    let all: Vec<Box<dyn Schedule>> = vec![Box::new(Warmup::new(0, 0.5, Constant::new(0.1).unwrap()).unwrap())];
    let w = Device::cpu().parameter(&[1.0], 1);
    let mut opt = Sgd::new([w], 1.0);
    Warmup::new(2, 0.5, all.into_iter().next().unwrap()).unwrap().set(1, &mut opt);
    assert!((opt.lr() - 0.075).abs() < 1e-12);
}

/// Every kind, over some parameters.
fn kinds(p: &[Tensor], lr: f64) -> Vec<(&'static str, Box<dyn Optimizer>)> {
    let p = || p.to_vec();
    vec![
        ("sgd", Box::new(Sgd::new(p(), lr).momentum(0.9).dampening(0.5))),
        ("adam", Box::new(Adam::w(p(), lr))),
        ("amsgrad", Box::new(Adam::new(p(), lr).amsgrad(true))),
        ("adagrad", Box::new(AdaGrad::new(p(), lr))),
        ("rmsprop", Box::new(RmsProp::new(p(), lr).momentum(0.5))),
        ("adadelta", Box::new(Adadelta::new(p(), lr))),
        ("nadam", Box::new(NAdam::new(p(), lr))),
        ("radam", Box::new(RAdam::new(p(), lr))),
        ("adamax", Box::new(Adamax::new(p(), lr))),
        ("lion", Box::new(Lion::new(p(), lr).weight_decay(0.1))),
        ("lamb", Box::new(Lamb::new(p(), lr).weight_decay(0.1))),
        ("adafactor", Box::new(Adafactor::new(p(), lr).weight_decay(0.1))),
        ("muon", Box::new(Muon::new(p(), lr))),
    ]
}

#[test]
fn gradients_at_the_edges_do_what_is_written() {
    for device in common::devices("gradients at the edges") {
        let count = kinds(&[], 0.1).len();
        // What a matrix is after steps by one gradient everywhere but in its first element, where there is another; the state is finite or not.
        let after = |kind: usize, lr: f64, other: f32, steps: usize| {
            let w = device.parameter(&[1.0, -2.0, 3.0, 0.5], [2, 2]);
            let (empty, unused) = (device.parameter(&[], [0, 3]), device.parameter(&[7.0], 1));
            let (name, mut opt) = kinds(&[empty.clone(), w.clone(), unused.clone()], lr).swap_remove(kind);
            let g = device.tensor(&[other, 0.5, -0.5, 0.25], [2, 2]);
            for _ in 0..steps {
                opt.step(((&w * &g).sum(&[]) + empty.sum(&[])).backward()).unwrap_or_else(|e| panic!("{name}: {e}"));
            }
            assert_eq!(unused.item().unwrap(), 7.0, "{name} moved what has no gradient");
            (name, w.to_vec::<f32>().unwrap())
        };
        for kind in 0..count {
            // A learning rate of 0 leaves all as it is, if it can.
            let (name, w) = after(kind, 0.0, 1.0, 3);
            assert_eq!(w, [1.0, -2.0, 3.0, 0.5], "{name} on {device}");
            for huge in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
                let (name, w) = after(kind, 0.0, huge, 2);
                let kept = |(x, y): (&f32, f32)| x.is_nan() || *x == y;
                assert!(w.iter().zip([1.0, -2.0, 3.0, 0.5]).all(kept), "{name} on {device}: {w:?}");
            }
            // NaN is not hidden, and where each element is for itself it stays there.
            let (name, w) = after(kind, 0.1, f32::NAN, 1);
            assert!(w[0].is_nan(), "{name} on {device}: {w:?}");
            if !["lamb", "adafactor", "muon"].contains(&name) {
                assert!(w[1..].iter().all(|x| x.is_finite()), "{name} on {device}: {w:?}");
            }
            // The square of the gradient is beyond f32, the step is not.
            for huge in [1e25, -1e30] {
                let (name, w) = after(kind, 1e-3, huge, 1);
                assert!(w.iter().all(|x| x.is_finite()), "{name} on {device}: {w:?} after {huge:e}");
            }
            // Gradients of 0 from the start.
            let (name, w) = after(kind, 0.1, 0.0, 2);
            assert!(w.iter().all(|x| x.is_finite()), "{name} on {device}: {w:?}");
        }
    }
}

/// Without memory and without ε, a step by g is known.
#[test]
fn means_without_memory_are_the_gradient() {
    for device in common::devices("betas of 0") {
        type Make = fn(Vec<Tensor>) -> Box<dyn Optimizer>;
        let table: [(&str, Make, [f32; 2]); 6] = [
            ("adam", |p| Box::new(Adam::new(p, 0.125).betas(0.0, 0.0).eps(0.0)), [-0.125, 0.125]),
            ("nadam", |p| Box::new(NAdam::new(p, 0.125).betas(0.0, 0.0).eps(0.0)), [-0.125, 0.125]),
            ("radam", |p| Box::new(RAdam::new(p, 0.125).betas(0.0, 0.0).eps(0.0)), [-0.5, 0.25]),
            ("adamax", |p| Box::new(Adamax::new(p, 0.125).betas(0.0, 0.0).eps(0.0)), [-0.125, 0.125]),
            ("lion", |p| Box::new(Lion::new(p, 0.125).betas(0.0, 0.0)), [-0.125, 0.125]),
            ("lamb", |p| Box::new(Lamb::new(p, 0.125).betas(0.0, 0.0).eps(0.0)), [-0.625, 0.625]),
        ];
        for (name, make, moved) in table {
            // ‖p‖ = 5 √2, and of two signs it is √2.
            let start = [7.0, 1.0];
            let p = device.parameter(&start, 2);
            let mut opt = make(vec![p.clone()]);
            opt.step((&p * &device.tensor(&[4.0, -2.0], 2)).sum(&[]).backward()).unwrap();
            let found = p.to_vec::<f32>().unwrap();
            for i in 0..2 {
                assert!((found[i] - start[i] - moved[i]).abs() < 1e-5, "{name} on {device}: {found:?}");
            }
        }
    }
}

/// Whatever goes up by a loss goes down by its negative, if nothing else pulls.
#[test]
fn going_up_is_going_down_the_other_side() {
    let device = Device::cpu();
    for kind in 0..kinds(&[], 0.1).len() {
        let run = |up: bool| {
            let p = device.parameter(&[1.0, -2.0, 3.0, 0.5], [2, 2]);
            let lr = 0.1;
            let q = || vec![p.clone()];
            let mut opt: Box<dyn Optimizer> = match kinds(&[], 0.1)[kind].0 {
                "sgd" => Box::new(Sgd::new(q(), lr).momentum(0.9).weight_decay(0.1).maximize(up)),
                "adam" => Box::new(Adam::w(q(), lr).maximize(up)),
                "amsgrad" => Box::new(Adam::new(q(), lr).amsgrad(true).maximize(up)),
                "adagrad" => Box::new(AdaGrad::new(q(), lr).maximize(up)),
                "rmsprop" => Box::new(RmsProp::new(q(), lr).maximize(up)),
                "adadelta" => Box::new(Adadelta::new(q(), lr).maximize(up)),
                "nadam" => Box::new(NAdam::new(q(), lr).maximize(up)),
                "radam" => Box::new(RAdam::new(q(), lr).maximize(up)),
                "adamax" => Box::new(Adamax::new(q(), lr).maximize(up)),
                "lion" => Box::new(Lion::new(q(), lr).weight_decay(0.1).l1(0.01).maximize(up)),
                "lamb" => Box::new(Lamb::new(q(), lr).maximize(up)),
                "adafactor" => Box::new(Adafactor::new(q(), lr).maximize(up)),
                "muon" => Box::new(Muon::new(q(), lr).maximize(up)),
                other => panic!("{other}"),
            };
            for _ in 0..4 {
                let loss = p.add_scalar(0.5).square().sum(&[]);
                opt.step(if up { loss.neg() } else { loss }.backward()).unwrap();
            }
            p.to_vec::<f32>().unwrap()
        };
        assert_eq!(run(true), run(false), "{}", kinds(&[], 0.1)[kind].0);
    }
}
