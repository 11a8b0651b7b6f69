//! Every option of every optimizer against its formula, written out in f64, and steps that fail.
#![allow(clippy::unwrap_used)]

use crate::common;
use steepest::optim::{
    AdaGrad, Adadelta, Adafactor, Adam, Adamax, Group, Lamb, Lion, Muon, NAdam, Optimizer, RAdam, RmsProp, Sgd, State,
};
use steepest::{Device, Error, Tensor};

const START: [f64; 4] = [1.0, -2.0, 0.5, 3.0];
const LR: f64 = 0.125;
/// Steps: as many as RAdam needs to leave its start behind.
const STEPS: usize = 10;

/// The gradient of a step, from 1.
fn gradient(step: usize) -> [f64; 4] {
    [[0.5, -1.0, 0.25, -0.125], [-0.25, 0.5, 0.75, -0.5], [1.5, -0.25, -0.5, 0.25], [0.125, 0.375, 1.0, -0.75]][step % 4]
}

/// A step of a parameter: what it is before, its gradient, the number of the step from 1.
type Rule = Box<dyn FnMut(&mut [f64; 4], [f64; 4], f64)>;

/// Element by element, each with a state of its own.
fn each<S: Default + 'static>(mut f: impl FnMut(f64, f64, f64, &mut S) -> f64 + 'static) -> Rule {
    let mut states: [S; 4] = Default::default();
    Box::new(move |p, g, t| (0..4).for_each(|i| p[i] = f(p[i], g[i], t, &mut states[i])))
}

/// Weight decay as a part of the gradient, or apart from it.
fn decayed(p: f64, g: f64, decay: f64, decoupled: bool) -> (f64, f64) {
    if decoupled { (p - LR * decay * p, g) } else { (p, g + decay * p) }
}

fn sgd(mu: f64, tau: f64, nesterov: bool, decay: f64) -> Rule {
    each(move |p, g, t, v: &mut f64| {
        let g = g + decay * p;
        *v = if t == 1.0 { g } else { mu * *v + (1.0 - tau) * g };
        p - LR * if nesterov { g + mu * *v } else { *v }
    })
}

fn adam((b1, b2): (f64, f64), eps: f64, decay: f64, decoupled: bool, amsgrad: bool) -> Rule {
    each(move |p, g, t, s: &mut [f64; 3]| {
        let (p, g) = decayed(p, g, decay, decoupled);
        *s = [b1 * s[0] + (1.0 - b1) * g, b2 * s[1] + (1.0 - b2) * g * g, s[2]];
        s[2] = s[2].max(s[1]);
        let v = if amsgrad { s[2] } else { s[1] };
        p - LR * s[0] / (1.0 - b1.powf(t)) / ((v / (1.0 - b2.powf(t))).sqrt() + eps)
    })
}

fn nadam((b1, b2): (f64, f64), eps: f64, psi: f64, decay: f64, decoupled: bool) -> Rule {
    each(move |p, g, t, s: &mut [f64; 2]| {
        let (p, g) = decayed(p, g, decay, decoupled);
        *s = [b1 * s[0] + (1.0 - b1) * g, b2 * s[1] + (1.0 - b2) * g * g];
        let mu = |t: usize| b1 * (1.0 - 0.5 * 0.96f64.powf(t as f64 * psi));
        let product = |last: usize| (1..=last).map(mu).product::<f64>();
        let n = t as usize;
        let ahead = mu(n + 1) * s[0] / (1.0 - product(n + 1)) + (1.0 - mu(n)) * g / (1.0 - product(n));
        p - LR * ahead / ((s[1] / (1.0 - b2.powf(t))).sqrt() + eps)
    })
}

fn radam((b1, b2): (f64, f64), eps: f64, decay: f64, decoupled: bool) -> Rule {
    each(move |p, g, t, s: &mut [f64; 2]| {
        let (p, g) = decayed(p, g, decay, decoupled);
        *s = [b1 * s[0] + (1.0 - b1) * g, b2 * s[1] + (1.0 - b2) * g * g];
        let m = s[0] / (1.0 - b1.powf(t));
        let end = 2.0 / (1.0 - b2) - 1.0;
        let now = end - 2.0 * t * b2.powf(t) / (1.0 - b2.powf(t));
        if now <= 5.0 {
            return p - LR * m;
        }
        let r = ((now - 4.0) * (now - 2.0) * end / ((end - 4.0) * (end - 2.0) * now)).sqrt();
        p - LR * m * r * (1.0 - b2.powf(t)).sqrt() / (s[1].sqrt() + eps)
    })
}

fn adamax((b1, b2): (f64, f64), eps: f64, decay: f64, decoupled: bool) -> Rule {
    each(move |p, g, t, s: &mut [f64; 2]| {
        let (p, g) = decayed(p, g, decay, decoupled);
        *s = [b1 * s[0] + (1.0 - b1) * g, (b2 * s[1]).max(g.abs() + eps)];
        p - LR / (1.0 - b1.powf(t)) * s[0] / s[1]
    })
}

fn adagrad(start: f64, lr_decay: f64, eps: f64, decay: f64) -> Rule {
    each(move |p, g, t, sum: &mut f64| {
        let g = g + decay * p;
        *sum += g * g + if t == 1.0 { start } else { 0.0 };
        p - LR / (1.0 + (t - 1.0) * lr_decay) * g / (sum.sqrt() + eps)
    })
}

fn rmsprop(alpha: f64, eps: f64, mu: f64, centered: bool, decay: f64) -> Rule {
    each(move |p, g, _, s: &mut [f64; 3]| {
        let g = g + decay * p;
        *s = [alpha * s[0] + (1.0 - alpha) * g * g, alpha * s[1] + (1.0 - alpha) * g, s[2]];
        let spread = s[0] - if centered { s[1] * s[1] } else { 0.0 };
        s[2] = mu * s[2] + g / (spread.sqrt() + eps);
        p - LR * s[2]
    })
}

fn adadelta(rho: f64, eps: f64, decay: f64) -> Rule {
    each(move |p, g, _, s: &mut [f64; 2]| {
        let g = g + decay * p;
        s[0] = rho * s[0] + (1.0 - rho) * g * g;
        let d = ((s[1] + eps) / (s[0] + eps)).sqrt() * g;
        s[1] = rho * s[1] + (1.0 - rho) * d * d;
        p - LR * d
    })
}

fn lion((b1, b2): (f64, f64), decay: f64) -> Rule {
    each(move |p, g, _, m: &mut f64| {
        let mean = b1 * *m + (1.0 - b1) * g;
        let way = if mean == 0.0 { 0.0 } else { mean.signum() };
        *m = b2 * *m + (1.0 - b2) * g;
        p - LR * decay * p - LR * way
    })
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn lamb((b1, b2): (f64, f64), eps: f64, decay: f64) -> Rule {
    let (mut m, mut v) = ([0.0; 4], [0.0; 4]);
    Box::new(move |p, g, t| {
        let u: [f64; 4] = std::array::from_fn(|i| {
            m[i] = b1 * m[i] + (1.0 - b1) * g[i];
            v[i] = b2 * v[i] + (1.0 - b2) * g[i] * g[i];
            m[i] / (1.0 - b1.powf(t)) / ((v[i] / (1.0 - b2.powf(t))).sqrt() + eps) + decay * p[i]
        });
        let share = LR * norm(p) / norm(&u);
        (0..4).for_each(|i| p[i] -= share * u[i]);
    })
}

/// Of a parameter that is no matrix.
fn adafactor(power: f64, (e1, e2): (f64, f64), d: f64, decay: f64) -> Rule {
    let mut v = [0.0; 4];
    Box::new(move |p, g, t| {
        let weight = t.powf(power);
        let u: [f64; 4] = std::array::from_fn(|i| {
            v[i] += weight * (g[i] * g[i] - v[i]);
            g[i] / v[i].max(e1 * e1).sqrt()
        });
        let size = (norm(p) / 2.0).max(e2) * LR.min(1.0 / t.sqrt());
        let share = size / (norm(&u) / 2.0 / d).max(1.0);
        (0..4).for_each(|i| p[i] -= LR * decay * p[i] + share * u[i]);
    })
}

type Make = fn(Vec<Tensor>) -> Box<dyn Optimizer>;

fn made(make: Make) -> Make {
    make
}

/// An option, alone or with what it needs; an optimizer with it; its formula with it.
fn cases() -> Vec<(&'static str, Make, Rule)> {
    macro_rules! case {
        ($name:literal, |$p:ident| $optimizer:expr, $rule:expr) => {
            ($name, made(|$p| Box::new($optimizer)), $rule)
        };
    }
    const B: (f64, f64) = (0.9, 0.999);
    const C: (f64, f64) = (0.5, 0.75);
    const ADAFACTOR: (f64, f64) = (f32::EPSILON as f64, 1e-3);
    vec![
        case!("sgd", |p| Sgd::new(p, LR), sgd(0.0, 0.0, false, 0.0)),
        case!("sgd, decay", |p| Sgd::new(p, LR).weight_decay(0.25), sgd(0.0, 0.0, false, 0.25)),
        case!("sgd, momentum", |p| Sgd::new(p, LR).momentum(0.75), sgd(0.75, 0.0, false, 0.0)),
        case!("sgd, dampening", |p| Sgd::new(p, LR).momentum(0.75).dampening(0.25), sgd(0.75, 0.25, false, 0.0)),
        case!("sgd, all of it dampened", |p| Sgd::new(p, LR).momentum(0.75).dampening(1.0), sgd(0.75, 1.0, false, 0.0)),
        case!("sgd, nesterov", |p| Sgd::new(p, LR).momentum(0.75).nesterov(true), sgd(0.75, 0.0, true, 0.0)),
        case!("adam", |p| Adam::new(p, LR), adam(B, 1e-8, 0.0, false, false)),
        case!("adam, betas", |p| Adam::new(p, LR).betas(0.5, 0.75), adam(C, 1e-8, 0.0, false, false)),
        case!("adam, eps", |p| Adam::new(p, LR).eps(0.25), adam(B, 0.25, 0.0, false, false)),
        case!("adam, decay", |p| Adam::new(p, LR).weight_decay(0.25), adam(B, 1e-8, 0.25, false, false)),
        case!("adam, amsgrad", |p| Adam::new(p, LR).betas(0.5, 0.75).amsgrad(true), adam(C, 1e-8, 0.0, false, true)),
        case!("adamw", |p| Adam::w(p, LR), adam(B, 1e-8, 0.01, true, false)),
        case!("adamw, decay", |p| Adam::w(p, LR).weight_decay(0.25), adam(B, 1e-8, 0.25, true, false)),
        case!("nadam", |p| NAdam::new(p, LR), nadam(B, 1e-8, 4e-3, 0.0, false)),
        case!("nadam, betas", |p| NAdam::new(p, LR).betas(0.5, 0.75), nadam(C, 1e-8, 4e-3, 0.0, false)),
        case!("nadam, eps", |p| NAdam::new(p, LR).eps(0.25), nadam(B, 0.25, 4e-3, 0.0, false)),
        case!("nadam, psi", |p| NAdam::new(p, LR).momentum_decay(5.0), nadam(B, 1e-8, 5.0, 0.0, false)),
        case!("nadam, decay", |p| NAdam::new(p, LR).weight_decay(0.25), nadam(B, 1e-8, 4e-3, 0.25, false)),
        case!(
            "nadam, decoupled",
            |p| NAdam::new(p, LR).weight_decay(0.25).decoupled_weight_decay(true),
            nadam(B, 1e-8, 4e-3, 0.25, true)
        ),
        case!("radam", |p| RAdam::new(p, LR), radam(B, 1e-8, 0.0, false)),
        case!("radam, betas", |p| RAdam::new(p, LR).betas(0.5, 0.75), radam(C, 1e-8, 0.0, false)),
        case!("radam, eps", |p| RAdam::new(p, LR).eps(0.25), radam(B, 0.25, 0.0, false)),
        case!("radam, decay", |p| RAdam::new(p, LR).weight_decay(0.25), radam(B, 1e-8, 0.25, false)),
        case!(
            "radam, decoupled",
            |p| RAdam::new(p, LR).weight_decay(0.25).decoupled_weight_decay(true),
            radam(B, 1e-8, 0.25, true)
        ),
        case!("adamax", |p| Adamax::new(p, LR), adamax(B, 1e-8, 0.0, false)),
        case!("adamax, betas", |p| Adamax::new(p, LR).betas(0.5, 0.75), adamax(C, 1e-8, 0.0, false)),
        case!("adamax, eps", |p| Adamax::new(p, LR).eps(0.25), adamax(B, 0.25, 0.0, false)),
        case!("adamax, decay", |p| Adamax::new(p, LR).weight_decay(0.25), adamax(B, 1e-8, 0.25, false)),
        case!(
            "adamax, decoupled",
            |p| Adamax::new(p, LR).weight_decay(0.25).decoupled_weight_decay(true),
            adamax(B, 1e-8, 0.25, true)
        ),
        case!("adagrad", |p| AdaGrad::new(p, LR), adagrad(0.0, 0.0, 1e-10, 0.0)),
        case!("adagrad, initial sum", |p| AdaGrad::new(p, LR).initial_sum(0.5), adagrad(0.5, 0.0, 1e-10, 0.0)),
        case!("adagrad, decay of the rate", |p| AdaGrad::new(p, LR).lr_decay(0.5), adagrad(0.0, 0.5, 1e-10, 0.0)),
        case!("adagrad, eps", |p| AdaGrad::new(p, LR).eps(0.25), adagrad(0.0, 0.0, 0.25, 0.0)),
        case!("adagrad, decay", |p| AdaGrad::new(p, LR).weight_decay(0.25), adagrad(0.0, 0.0, 1e-10, 0.25)),
        case!("rmsprop", |p| RmsProp::new(p, LR), rmsprop(0.99, 1e-8, 0.0, false, 0.0)),
        case!("rmsprop, alpha", |p| RmsProp::new(p, LR).alpha(0.5), rmsprop(0.5, 1e-8, 0.0, false, 0.0)),
        case!("rmsprop, eps", |p| RmsProp::new(p, LR).eps(0.25), rmsprop(0.99, 0.25, 0.0, false, 0.0)),
        case!("rmsprop, momentum", |p| RmsProp::new(p, LR).momentum(0.75), rmsprop(0.99, 1e-8, 0.75, false, 0.0)),
        case!("rmsprop, centered", |p| RmsProp::new(p, LR).alpha(0.5).centered(true), rmsprop(0.5, 1e-8, 0.0, true, 0.0)),
        case!(
            "rmsprop, centered with momentum",
            |p| RmsProp::new(p, LR).alpha(0.5).centered(true).momentum(0.75),
            rmsprop(0.5, 1e-8, 0.75, true, 0.0)
        ),
        case!("rmsprop, decay", |p| RmsProp::new(p, LR).weight_decay(0.25), rmsprop(0.99, 1e-8, 0.0, false, 0.25)),
        case!("adadelta", |p| Adadelta::new(p, LR), adadelta(0.9, 1e-6, 0.0)),
        case!("adadelta, rho", |p| Adadelta::new(p, LR).eps(0.25).rho(0.5), adadelta(0.5, 0.25, 0.0)),
        case!("adadelta, eps", |p| Adadelta::new(p, LR).eps(0.25), adadelta(0.9, 0.25, 0.0)),
        case!("adadelta, decay", |p| Adadelta::new(p, LR).eps(0.25).weight_decay(0.25), adadelta(0.9, 0.25, 0.25)),
        case!("lion", |p| Lion::new(p, LR), lion((0.9, 0.99), 0.0)),
        case!("lion, betas", |p| Lion::new(p, LR).betas(0.5, 0.75), lion(C, 0.0)),
        case!("lion, decay", |p| Lion::new(p, LR).weight_decay(0.25), lion((0.9, 0.99), 0.25)),
        case!("lamb", |p| Lamb::new(p, LR), lamb(B, 1e-6, 0.0)),
        case!("lamb, betas", |p| Lamb::new(p, LR).betas(0.5, 0.75), lamb(C, 1e-6, 0.0)),
        case!("lamb, eps", |p| Lamb::new(p, LR).eps(0.25), lamb(B, 0.25, 0.0)),
        case!("lamb, decay", |p| Lamb::new(p, LR).weight_decay(0.25), lamb(B, 1e-6, 0.25)),
        case!("adafactor", |p| Adafactor::new(p, LR), adafactor(-0.8, ADAFACTOR, 1.0, 0.0)),
        case!("adafactor, beta 2", |p| Adafactor::new(p, LR).beta2_decay(-0.25), adafactor(-0.25, ADAFACTOR, 1.0, 0.0)),
        case!("adafactor, eps 1", |p| Adafactor::new(p, LR).eps(1.0, 1e-3), adafactor(-0.8, (1.0, 1e-3), 1.0, 0.0)),
        case!("adafactor, eps 2", |p| Adafactor::new(p, LR).eps(1e-7, 4.0), adafactor(-0.8, (1e-7, 4.0), 1.0, 0.0)),
        case!("adafactor, d", |p| Adafactor::new(p, LR).clip(0.25), adafactor(-0.8, ADAFACTOR, 0.25, 0.0)),
        case!("adafactor, decay", |p| Adafactor::new(p, LR).weight_decay(0.25), adafactor(-0.8, ADAFACTOR, 1.0, 0.25)),
        // Of what is no matrix, Muon's step is AdamW's.
        case!("muon", |p| Muon::new(p, LR), adam(B, 1e-8, 0.1, true, false)),
        case!("muon, betas", |p| Muon::new(p, LR).betas(0.5, 0.75), adam(C, 1e-8, 0.1, true, false)),
        case!("muon, eps", |p| Muon::new(p, LR).eps(0.25), adam(B, 0.25, 0.1, true, false)),
        case!("muon, decay", |p| Muon::new(p, LR).weight_decay(0.25), adam(B, 1e-8, 0.25, true, false)),
        case!("muon, factor", |p| Muon::new(p, 2.0 * LR).adam_lr_factor(0.5), adam(B, 1e-8, 0.1, true, false)),
    ]
}

/// A step by a gradient that is given, and by it alone.
fn step(opt: &mut dyn Optimizer, p: &Tensor, gradient: [f64; 4]) -> steepest::Result<()> {
    let slope = p.device().tensor(&gradient.map(|g| g as f32), 4);
    opt.step((p * &slope).sum(&[]).backward())
}

#[test]
fn every_option_of_every_optimizer_is_heeded() {
    for device in common::devices("options of optimizers") {
        let mut ends: Vec<(&str, Vec<f32>)> = vec![];
        for (name, make, mut rule) in cases() {
            let p = device.parameter(&START.map(|x| x as f32), 4);
            let mut opt = make(vec![p.clone()]);
            let mut expected = START;
            for t in 1..=STEPS {
                step(&mut *opt, &p, gradient(t)).unwrap();
                rule(&mut expected, gradient(t), t as f64);
                for (found, expected) in p.to_vec::<f32>().unwrap().into_iter().zip(expected) {
                    let error = (f64::from(found) - expected).abs();
                    assert!(error < 2e-5 * (1.0 + expected.abs()), "{name} on {device}, step {t}: {found}, not {expected}");
                }
            }
            ends.push((name, p.to_vec().unwrap()));
        }
        // An option that changed nothing would have shown nothing: none of an optimizer's forms ends where another does.
        for (i, (name, end)) in ends.iter().enumerate() {
            let kind = |name: &str| name.split(',').next().unwrap_or_default().to_owned();
            let same = ends[..i].iter().find(|(other, e)| {
                kind(other) == kind(name) && e.iter().zip(end).all(|(a, b)| (a - b).abs() < 1e-3) && !name.contains("factor")
            });
            assert!(same.is_none(), "{name} is {same:?}");
        }
    }
}

/// A step that fails counts for nothing: neither steps nor state nor parameters are other than before, and what follows is what would have followed.
#[test]
fn a_step_that_fails_counts_for_nothing() {
    let device = Device::cpu();
    let elsewhere = device.parameter(&[1.0], 1);
    type Fail = fn(&Tensor, &Tensor) -> steepest::Gradients;
    let failures: [(&str, Fail); 5] = [
        // The last op of the run is wrong, when all updates have been recorded.
        ("with an invalid tensor", |p, _| p.square().sum(&[]).backward().and_run(&[&p.reshape([3])])),
        ("of a loss of other parameters", |_, other| other.square().sum(&[]).backward()),
        ("of an invalid loss", |p, _| p.reshape([3]).sum(&[]).backward()),
        ("clipped by NaN", |p, _| p.square().sum(&[]).backward().clip_by_norm(f64::NAN)),
        ("of a severed parameter", |p, other| (other * p.detach()).sum(&[]).backward()),
    ];
    let mut makes: Vec<(&str, Make)> = cases().into_iter().map(|(name, make, _)| (name, make)).collect();
    makes.push(("adam, in a group", |p| Box::new(Adam::new([], LR).group(Group::new(p)))));
    for (name, make) in makes {
        // At the first step, too, when there is no state yet.
        for before in [0, 2] {
            let [p, twin] = [(); 2].map(|()| device.parameter(&START.map(|x| x as f32), 4));
            let (mut opt, mut other) = (make(vec![p.clone()]), make(vec![twin.clone()]));
            for t in 1..=before {
                step(&mut *opt, &p, gradient(t)).unwrap();
                step(&mut *other, &twin, gradient(t)).unwrap();
            }
            let counted = |opt: &dyn Optimizer| opt.steps().iter().sum::<u64>();
            let (steps, values) = (counted(&*opt), p.to_vec::<f32>().unwrap());
            for (how, fail) in failures {
                let what = format!("{name}, a step {how} after {before}");
                assert!(opt.step(fail(&p, &elsewhere)).is_err(), "{what}");
                assert_eq!(counted(&*opt), steps, "{what}");
                assert_eq!(p.to_vec::<f32>().unwrap(), values, "{what}");
            }
            for t in before + 1..before + 4 {
                step(&mut *opt, &p, gradient(t)).unwrap();
                step(&mut *other, &twin, gradient(t)).unwrap();
            }
            assert_eq!(p.to_vec::<f32>().unwrap(), twin.to_vec::<f32>().unwrap(), "{name}, after {before}");
            assert_eq!(State::of(&*opt).unwrap(), State::of(&*other).unwrap(), "{name}, after {before}");
        }
    }
}

/// Parameters that a step has no gradient for are not stepped, and their corrections do not run ahead.
#[test]
fn a_parameter_that_waits_takes_its_own_first_step() {
    let device = Device::cpu();
    for (name, make, mut rule) in cases() {
        let [p, q] = [(); 2].map(|()| device.parameter(&START.map(|x| x as f32), 4));
        let mut opt = make(vec![q.clone(), p.clone()]);
        (1..4).for_each(|t| step(&mut *opt, &q, gradient(t)).unwrap());
        assert_eq!(p.to_vec::<f32>().unwrap(), START.map(|x| x as f32), "{name}");
        let mut expected = START;
        for t in 1..4 {
            step(&mut *opt, &p, gradient(t)).unwrap();
            rule(&mut expected, gradient(t), t as f64);
        }
        for (found, expected) in p.to_vec::<f32>().unwrap().into_iter().zip(expected) {
            assert!((f64::from(found) - expected).abs() < 1e-5 * (1.0 + expected.abs()), "{name}: {found}, not {expected}");
        }
    }
}

/// A state of another optimizer, of more parameters, of other shapes, or with what there is not: refused, and nothing is changed. What fits goes on as it was.
#[test]
fn a_state_is_taken_whole_or_not_at_all() {
    let device = Device::cpu();
    type Damage = fn(&mut State);
    let damages: [(&str, Damage); 9] = [
        ("another kind", |state| state.kind = "Adagrad".to_owned()),
        ("a rate that is none", |state| state.lr = f64::NAN),
        ("a rate below 0", |state| state.lr = -0.1),
        ("steps of more parameters", |state| state.steps = vec![1, 2]),
        ("an unknown tensor", |state| drop(state.tensors.insert("nonsense".to_owned(), vec![]))),
        ("tensors of more parameters", |state| state.tensors.values_mut().for_each(|all| all.push(vec![0.0; 4]))),
        ("an element less", |state| state.tensors.values_mut().flatten().for_each(|values| values.truncate(3))),
        ("an element more", |state| state.tensors.values_mut().flatten().for_each(|values| values.push(0.0))),
        ("one tensor of another size", |state| {
            if let Some(last) = state.tensors.values_mut().flatten().last() {
                last.push(0.0);
            }
        }),
    ];
    for (name, make, _) in cases() {
        let [p, twin] = [(); 2].map(|()| device.parameter(&START.map(|x| x as f32), 4));
        let (mut opt, mut other) = (make(vec![p.clone()]), make(vec![twin.clone()]));
        (1..4).for_each(|t| step(&mut *opt, &p, gradient(t)).unwrap());
        opt.set_lr(LR / 2.0);
        let state = State::of(&*opt).unwrap();
        for (what, damage) in damages {
            let mut wrong = state.clone();
            damage(&mut wrong);
            if wrong == state {
                // There is no tensor to damage.
                continue;
            }
            assert!(matches!(opt.restore(&wrong), Err(Error::Config { .. })), "{name}: {what}");
            assert_eq!(State::of(&*opt).unwrap(), state, "{name}: {what}");
        }
        other.restore(&state).unwrap();
        assert_eq!(State::of(&*other).unwrap(), state, "{name}");
        twin.set(&p.to_vec::<f32>().unwrap()).unwrap();
        for t in 4..7 {
            step(&mut *opt, &p, gradient(t)).unwrap();
            step(&mut *other, &twin, gradient(t)).unwrap();
        }
        assert_eq!(p.to_vec::<f32>().unwrap(), twin.to_vec::<f32>().unwrap(), "{name}");
    }
}

#[test]
fn what_goes_up_goes_down_the_other_side() {
    let device = Device::cpu();
    type Both = fn(Vec<Tensor>, bool) -> Box<dyn Optimizer>;
    let all: [(&str, Both); 12] = [
        ("sgd", |p, up| Box::new(Sgd::new(p, LR).maximize(up))),
        ("adam", |p, up| Box::new(Adam::new(p, LR).maximize(up))),
        ("nadam", |p, up| Box::new(NAdam::new(p, LR).maximize(up))),
        ("radam", |p, up| Box::new(RAdam::new(p, LR).maximize(up))),
        ("adamax", |p, up| Box::new(Adamax::new(p, LR).maximize(up))),
        ("adagrad", |p, up| Box::new(AdaGrad::new(p, LR).maximize(up))),
        ("rmsprop", |p, up| Box::new(RmsProp::new(p, LR).maximize(up))),
        ("adadelta", |p, up| Box::new(Adadelta::new(p, LR).maximize(up))),
        ("lion", |p, up| Box::new(Lion::new(p, LR).maximize(up))),
        ("lamb", |p, up| Box::new(Lamb::new(p, LR).maximize(up))),
        ("adafactor", |p, up| Box::new(Adafactor::new(p, LR).maximize(up))),
        ("muon", |p, up| Box::new(Muon::new(p, LR).maximize(up))),
    ];
    for (name, make) in all {
        let run = |up: bool| {
            let p = device.parameter(&START.map(|x| x as f32), 4);
            let mut opt = make(vec![p.clone()], up);
            (1..4).for_each(|t| step(&mut *opt, &p, gradient(t).map(|g| if up { -g } else { g })).unwrap());
            p.to_vec::<f32>().unwrap()
        };
        assert_eq!(run(true), run(false), "{name}");
    }
}

#[test]
fn options_that_make_no_sense_together_are_refused() {
    let device = Device::cpu();
    let p = device.parameter(&[1.0; 4], 4);
    let refused = |mut opt: Sgd, part: &str| match step(&mut opt, &p, [1.0; 4]).unwrap_err() {
        Error::Config { what: "nesterov", message } if message.contains(part) => {}
        other => panic!("{other}, expected {part}"),
    };
    refused(Sgd::new([p.clone()], LR).nesterov(true), "momentum above 0");
    refused(Sgd::new([p.clone()], LR).momentum(0.0).nesterov(true), "momentum above 0");
    refused(Sgd::new([p.clone()], LR).momentum(0.5).dampening(0.5).nesterov(true), "dampening of 0");
    assert_eq!(p.to_vec::<f32>().unwrap(), [1.0; 4], "nothing was updated");
    step(&mut Sgd::new([p.clone()], LR).nesterov(true).nesterov(false), &p, [1.0; 4]).unwrap();
}

/// g · min(1, max / (norm + 1e-6)): where norm and bound are as small as that, it can be seen.
#[test]
fn gradients_are_clipped_as_it_is_written() {
    for device in common::devices("clipped gradients") {
        let clipped = |slopes: [f64; 2], most: f64| {
            let p = device.parameter(&[1.0, 1.0], 2);
            let slope = device.tensor(&slopes.map(|x| x as f32), 2);
            (&p * &slope).sum(&[]).backward().clip_by_norm(most).wrt(&p).unwrap().to_vec::<f32>().unwrap()
        };
        for (slopes, most) in [
            ([3e-6, 4e-6], 2e-6),
            ([3e-6, 4e-6], 5.5e-6),
            ([3e-6, 4e-6], 1.0),
            ([0.0, 0.0], 0.0),
            ([0.0, 0.0], 1.0),
            ([3.0, 4.0], 0.0),
            ([3.0, 4.0], 2.5),
            ([-3.0, 4.0], 5.0),
            ([-3.0, 4.0], 5.1),
        ] {
            let share = (most / (norm(&slopes) + 1e-6)).min(1.0);
            for (found, slope) in clipped(slopes, most).into_iter().zip(slopes) {
                let error = (f64::from(found) - slope * share).abs();
                assert!(error <= 1e-5 * slope.abs(), "{device}: {slopes:?} clipped to {most}: {found}, not {}", slope * share);
            }
        }
        let p = device.parameter(&[1.0; 5], 5);
        let slope = device.tensor(&[-2.0f32, -0.5, 0.0, 0.5, 2.0], 5);
        let cut = (&p * &slope).sum(&[]).backward().clip_by_value(0.75).wrt(&p).unwrap().to_vec::<f32>().unwrap();
        assert_eq!(cut, [-0.75, -0.5, 0.0, 0.5, 0.75], "{device}");
        // No direction is left of what is not finite.
        for slopes in [[f64::INFINITY, 1.0], [1.0, f64::NAN], [1e30, 1.0]] {
            assert!(clipped(slopes, 1.0).iter().all(|x| x.is_nan()), "{device}: {slopes:?}");
        }
    }
}

/// Biases and factors of normalisations have one axis, and a number none.
#[test]
fn a_group_of_vectors_has_no_matrices() {
    let device = Device::cpu();
    let shapes: [&[usize]; 4] = [&[], &[2], &[2, 1], &[1, 1, 2]];
    let parameter = |dims: &[usize]| device.parameter(&vec![1.0; dims.iter().product()], dims);
    let mut named: Vec<(String, Tensor)> = shapes.into_iter().map(|dims| (format!("{dims:?}"), parameter(dims))).collect();
    let all: Vec<Tensor> = named.iter().map(|(_, p)| p.clone()).collect();
    let vectors = Group::vectors(&mut named);
    assert_eq!(named.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["[2, 1]", "[1, 1, 2]"]);
    // Those of the group alone are moved.
    let mut opt = Sgd::new([], 1.0).group(vectors);
    opt.step(all.iter().map(|p| p.sum(&[])).reduce(|a, b| a + b).unwrap().backward()).unwrap();
    let moved: Vec<bool> = all.iter().map(|p| p.to_vec::<f32>().unwrap()[0] == 0.0).collect();
    assert_eq!(moved, [true, true, false, false]);
}
