//! Options of optimizers and schedules at the ends of their range: a step by the formula, a rate that is finite, or a refusal by name.
#![allow(clippy::unwrap_used)]

use crate::common;
use crate::options::{EDGES, right};
use steepest::optim::schedule::*;
use steepest::optim::*;
use steepest::{Error, Tensor};

/// Optimizers: one step from p = 2 by a gradient of 0.5, for each of their options.
#[test]
fn options_of_optimizers_are_right_at_the_ends_or_refused_by_name() {
    type Make = fn(Vec<Tensor>, f64) -> Box<dyn Optimizer>;
    type Formula = fn(f64) -> f64;
    const P: f64 = 2.0;
    const G: f64 = 0.5;
    // μ₂ (1 − β₁) / (1 − μ₁μ₂) + (1 − μ₁) / (1 − μ₁), of NAdam's first step by a gradient of the size of √v̂.
    fn nadam(beta: f64, decay: f64) -> f64 {
        let [now, next] = [1.0, 2.0].map(|t| beta * (1.0 - 0.5 * 0.96f64.powf(t * decay)));
        next * (1.0 - beta) / (1.0 - now * next) + 1.0
    }
    let table: Vec<(&str, Make, Formula)> = vec![
        ("learning rate", |p, v| Box::new(Sgd::new(p, v)), |v| P - v * G),
        ("momentum", |p, v| Box::new(Sgd::new(p, 0.1).momentum(v)), |_| P - 0.1 * G),
        ("weight decay", |p, v| Box::new(Sgd::new(p, 0.1).weight_decay(v)), |v| P - 0.1 * (G + v * P)),
        ("L1 penalty", |p, v| Box::new(Sgd::new(p, 0.1).l1(v)), |v| P - 0.1 * (G + v)),
        ("learning rate factor", |p, v| Box::new(Sgd::new([], 0.1).group(Group::new(p).lr_factor(v))), |v| P - 0.1 * v * G),
        (
            "weight decay of a group",
            |p, v| Box::new(Sgd::new([], 0.1).group(Group::new(p).weight_decay(v))),
            |v| P - 0.1 * (G + v * P),
        ),
        ("L1 penalty of a group", |p, v| Box::new(Sgd::new([], 0.1).group(Group::new(p).l1(v))), |v| P - 0.1 * (G + v)),
        ("learning rate", |p, v| Box::new(Adam::new(p, v)), |v| P - v * G / (G + 1e-8)),
        ("beta 1", |p, v| Box::new(Adam::new(p, 0.1).betas(v, 0.999)), |_| P - 0.1),
        ("beta 2", |p, v| Box::new(Adam::new(p, 0.1).betas(0.9, v)), |_| P - 0.1),
        ("epsilon", |p, v| Box::new(Adam::new(p, 0.1).eps(v)), |v| P - 0.1 * G / (G + v)),
        ("weight decay", |p, v| Box::new(Adam::w(p, 0.1).weight_decay(v)), |v| P - 0.1 * v * P - 0.1),
        ("alpha", |p, v| Box::new(RmsProp::new(p, 0.1).alpha(v)), |v| P - 0.1 / (1.0 - v).sqrt()),
        ("epsilon", |p, v| Box::new(RmsProp::new(p, 0.1).eps(v)), |v| P - 0.1 * G / (0.1 * G + v)),
        ("momentum", |p, v| Box::new(RmsProp::new(p, 0.1).momentum(v)), |_| P - 1.0),
        ("epsilon", |p, v| Box::new(AdaGrad::new(p, 0.1).eps(v)), |v| P - 0.1 * G / (G + v)),
        ("initial sum", |p, v| Box::new(AdaGrad::new(p, 0.1).initial_sum(v)), |v| P - 0.1 * G / (G * G + v).sqrt()),
        ("decay of the learning rate", |p, v| Box::new(AdaGrad::new(p, 0.1).lr_decay(v)), |_| P - 0.1),
        ("rho", |p, v| Box::new(Adadelta::new(p, 1.0).rho(v)), |v| P - (1e-6f64).sqrt() / ((1.0 - v) * G * G + 1e-6).sqrt() * G),
        ("epsilon", |p, v| Box::new(Adadelta::new(p, 1.0).eps(v)), |v| P - v.sqrt() / (0.1 * G * G + v).sqrt() * G),
        ("dampening", |p, v| Box::new(Sgd::new(p, 0.1).momentum(0.5).dampening(v)), |_| P - 0.1 * G),
        ("learning rate", |p, v| Box::new(NAdam::new(p, v)), |v| P - v * nadam(0.9, 4e-3)),
        ("beta 1", |p, v| Box::new(NAdam::new(p, 0.1).betas(v, 0.999)), |v| P - 0.1 * nadam(v, 4e-3)),
        ("beta 2", |p, v| Box::new(NAdam::new(p, 0.1).betas(0.9, v)), |_| P - 0.1 * nadam(0.9, 4e-3)),
        ("epsilon", |p, v| Box::new(NAdam::new(p, 0.1).eps(v)), |v| P - 0.1 * nadam(0.9, 4e-3) * G / (G + v)),
        ("momentum decay", |p, v| Box::new(NAdam::new(p, 0.1).momentum_decay(v)), |v| P - 0.1 * nadam(0.9, v)),
        ("learning rate", |p, v| Box::new(RAdam::new(p, v)), |v| P - v * G),
        ("beta 1", |p, v| Box::new(RAdam::new(p, 0.1).betas(v, 0.999)), |_| P - 0.1 * G),
        ("beta 2", |p, v| Box::new(RAdam::new(p, 0.1).betas(0.9, v)), |_| P - 0.1 * G),
        ("learning rate", |p, v| Box::new(Adamax::new(p, v)), |v| P - v * G / (G + 1e-8)),
        ("beta 1", |p, v| Box::new(Adamax::new(p, 0.1).betas(v, 0.999)), |_| P - 0.1),
        ("epsilon", |p, v| Box::new(Adamax::new(p, 0.1).eps(v)), |v| P - 0.1 * G / (G + v)),
        ("learning rate", |p, v| Box::new(Lion::new(p, v)), |v| P - v),
        ("beta 1", |p, v| Box::new(Lion::new(p, 0.1).betas(v, 0.99)), |_| P - 0.1),
        ("weight decay", |p, v| Box::new(Lion::new(p, 0.1).weight_decay(v)), |v| P - 0.1 * v * P - 0.1),
        // The length of u does not matter, as it is made as long as p.
        ("learning rate", |p, v| Box::new(Lamb::new(p, v)), |v| P - v * P),
        ("beta 2", |p, v| Box::new(Lamb::new(p, 0.1).betas(0.9, v)), |_| P - 0.1 * P),
        // The first step has a rate of at most 1, and u is 1.
        ("learning rate", |p, v| Box::new(Adafactor::new(p, v)), |v| P - v.min(1.0) * P),
        ("epsilon 1", |p, v| Box::new(Adafactor::new(p, 0.1).eps(v, 1e-3)), |v| P - 0.1 * P * G / G.max(v)),
        ("epsilon 2", |p, v| Box::new(Adafactor::new(p, 0.1).eps(1e-7, v)), |v| P - 0.1 * v.max(P)),
        ("d", |p, v| Box::new(Adafactor::new(p, 0.1).clip(v)), |v| P - 0.1 * P * v.min(1.0)),
        ("weight decay", |p, v| Box::new(Adafactor::new(p, 0.1).weight_decay(v)), |v| P - 0.1 * v * P - 0.1 * P),
        // A single number is AdamW's.
        ("learning rate", |p, v| Box::new(Muon::new(p, v)), |v| P - v * 0.1 * P - v * G / (G + 1e-8)),
        (
            "learning rate factor of AdamW",
            |p, v| Box::new(Muon::new(p, 0.1).adam_lr_factor(v)),
            |v| P - 0.1 * v * (0.1 * P + 1.0),
        ),
        ("momentum", |p, v| Box::new(Muon::new(p, 0.1).momentum(v)), |_| P - 0.01 * P - 0.1),
        ("weight decay", |p, v| Box::new(Muon::new(p, 0.1).weight_decay(v)), |v| P - 0.1 * v * P - 0.1),
    ];
    for device in common::devices("options of optimizers") {
        let mut wrong = vec![];
        for (option, make, formula) in &table {
            for edge in EDGES {
                let p = device.parameter(&[P as f32], 1);
                let mut optimizer = make(vec![p.clone()], edge);
                let gradient = device.tensor(&[G as f32], 1);
                let place = format!("{device}: {} with {option} = {edge}", optimizer.kind());
                match optimizer.step(p.backward_with(&gradient)) {
                    Err(Error::Config { what, .. }) if what == *option => assert_eq!(p.item().unwrap(), P as f32),
                    Err(other) => wrong.push(format!("{place}: {other}")),
                    Ok(()) => {
                        let (found, expected) = (f64::from(p.item().unwrap()), formula(edge));
                        // A step on the way may be beyond the range where the result is not.
                        if !right(found, expected) && (found - expected).abs() > 1e-5 && expected.abs() < 1e37 {
                            wrong.push(format!("{place}: {found}, not {expected}"));
                        }
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    }
}

/// Schedules give a rate that an optimizer takes, or are refused.
#[test]
fn options_of_schedules_give_rates_or_are_refused() {
    type Make = fn(f64) -> steepest::Result<Box<dyn Schedule>>;
    fn boxed<S: Schedule + 'static>(made: steepest::Result<S>) -> steepest::Result<Box<dyn Schedule>> {
        made.map(|schedule| Box::new(schedule) as Box<dyn Schedule>)
    }
    let table: [(&str, Make); 28] = [
        ("constant", |v| boxed(Constant::new(v))),
        ("step lr", |v| boxed(Step::new(v, 2, 0.5))),
        ("restarts lr", |v| boxed(CosineRestarts::new(v, 2, 2, 0.0))),
        ("restarts least", |v| boxed(CosineRestarts::new(0.1, 2, 1, v))),
        ("polynomial lr", |v| boxed(Polynomial::new(v, 3, 2.0))),
        ("polynomial power", |v| boxed(Polynomial::new(0.1, 3, v))),
        ("cyclic low", |v| boxed(Cyclic::new(v, 0.5, 2))),
        ("cyclic high", |v| boxed(Cyclic::new(0.1, v, 2))),
        ("cyclic gamma", |v| boxed(Cyclic::new(0.1, 0.5, 2).and_then(|c| c.falling(v)))),
        ("linear lr", |v| boxed(Linear::new(v, 0.5, 1.0, 3))),
        ("linear start", |v| boxed(Linear::new(0.1, v, 1.0, 3))),
        ("linear end", |v| boxed(Linear::new(0.1, 0.5, v, 3))),
        ("constant factor lr", |v| boxed(ConstantFactor::new(v, 0.5, 3))),
        ("constant factor share", |v| boxed(ConstantFactor::new(0.1, v, 3))),
        ("product lr", |v| boxed(Constant::new(0.1).and_then(|c| Product::new(v, [Box::new(c) as Box<dyn Schedule>])))),
        ("lambda lr", |v| boxed(Lambda::new(v, |epoch| 1.0 / (epoch + 1) as f64))),
        ("step gamma", |v| boxed(Step::new(0.1, 2, v))),
        ("milestones lr", |v| boxed(MultiStep::new(v, [1, 2], 0.5))),
        ("milestones gamma", |v| boxed(MultiStep::new(0.1, [1, 2], v))),
        ("exponential lr", |v| boxed(Exponential::new(v, 0.9))),
        ("exponential gamma", |v| boxed(Exponential::new(0.1, v))),
        ("cosine lr", |v| boxed(Cosine::new(v, 3, 0.0))),
        ("cosine least", |v| boxed(Cosine::new(0.1, 3, v))),
        ("warmup", |v| boxed(Constant::new(0.1).and_then(|then| Warmup::new(2, v, then)))),
        ("one cycle lr", |v| boxed(OneCycle::new(v, 10))),
        ("one cycle rise", |v| boxed(OneCycle::new(0.1, 10).and_then(|c| c.rises(v)))),
        ("one cycle start", |v| boxed(OneCycle::new(0.1, 10).and_then(|c| c.divides(v, 10.0)))),
        ("one cycle end", |v| boxed(OneCycle::new(0.1, 10).and_then(|c| c.divides(10.0, v)))),
    ];
    for (name, make) in table {
        let mut made = 0;
        for edge in EDGES {
            match make(edge) {
                Ok(schedule) => {
                    made += 1;
                    assert!(edge.is_finite() && edge >= 0.0, "{name}: {edge} was taken");
                    // Rates that grow beyond f32 are the optimizer's to refuse; none is negative or NaN.
                    let rates: Vec<f64> = (0..6).map(|epoch| schedule.lr(epoch)).collect();
                    assert!(rates.iter().all(|lr| *lr >= 0.0), "{name} with {edge}: {rates:?}");
                }
                Err(Error::Config { .. }) => {}
                Err(other) => panic!("{name}: {other}"),
            }
        }
        assert!(made > 0 && made < EDGES.len(), "{name}");
    }
    for edge in EDGES {
        let fits = edge >= 0.0 && (edge as f32).is_finite();
        let plateau = || Plateau::new(0.5, 1).unwrap();
        assert_eq!(Plateau::new(edge, 1).is_ok(), (0.0..1.0).contains(&edge), "{edge}");
        assert_eq!(plateau().threshold(edge).is_ok(), fits, "{edge}");
        assert_eq!(plateau().absolute_threshold(edge).is_ok(), fits, "{edge}");
        assert_eq!(plateau().least(edge).is_ok(), fits, "{edge}");
        assert_eq!(plateau().least_change(edge).is_ok(), fits, "{edge}");
    }
}
