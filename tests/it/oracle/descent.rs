//! optimizers.json: each optimizer of the index, as a user makes it and as the updates that it records.

use crate::common::fields::{Fault, Fields, Lack};
use std::sync::Arc;
use steepest::Tensor;
use steepest::graph::{Op, record_shared};
use steepest::ops::update::{self, Variance, scaled};
use steepest::optim::{self, Optimizer};

/// An optimizer of the index, twice.
pub struct Built {
    /// As a user makes it.
    pub optimizer: Box<dyn Fn(Vec<Tensor>) -> Box<dyn Optimizer>>,
    /// The updates of its k-th step, from 1, of parameter, gradient and state: for the reference. Their outputs, one after the other, are the
    /// parameter and the state after it.
    pub updates: Updates,
    /// The state of a parameter, and where that starts.
    pub state: Vec<Slot>,
}

type Updates = Box<dyn Fn(u64, &Tensor, &Tensor, &[Tensor]) -> Vec<Tensor>>;

/// A tensor of an optimizer's state.
pub struct Slot {
    pub name: &'static str,
    pub start: f64,
    /// Its shape for a parameter's; no elements where there is no such state.
    pub shape: fn(&[usize]) -> Vec<usize>,
}

impl Slot {
    fn new(name: &'static str, start: f64) -> Slot {
        Slot { name, start, shape: <[usize]>::to_vec }
    }
}

/// The updates of an optimizer whose step is one op.
fn one<O: Op>(op: impl Fn(u64) -> O + 'static) -> Updates {
    Box::new(move |step, parameter, gradient, state| {
        let inputs: Vec<&Tensor> = [parameter, gradient].into_iter().chain(state).collect();
        vec![record_shared(parameter.node().backend(), Arc::new(op(step)), &inputs)]
    })
}

/// Both moments of Adam and its kin.
fn moments() -> Vec<Slot> {
    vec![Slot::new("exp_avg", 0.0), Slot::new("exp_avg_sq", 0.0)]
}

/// Two numbers.
fn pair(s: &Fields<'_>, name: &str, absent: (f64, f64)) -> Result<(f64, f64), Fault> {
    s.read_or(name, absent, |v| if let [a, b] = v.as_array()?[..].as_ref() { Some((a.as_f64()?, b.as_f64()?)) } else { None })
}

/// The optimizer of a case, with PyTorch's values for settings that are not given. What it has no use for is what the case lacks.
pub fn build(name: &str, s: &Fields<'_>) -> Result<Built, Fault> {
    let built = match name {
        "SGD" => sgd(s)?,
        "Adam" | "AdamW" => adam(s, name == "AdamW")?,
        "NAdam" => nadam(s)?,
        "RAdam" => radam(s)?,
        "Adamax" => adamax(s)?,
        "Lion" => lion(s)?,
        "LAMB" => lamb(s)?,
        "Adafactor" => adafactor(s)?,
        "Adagrad" => adagrad(s)?,
        "RMSprop" => rmsprop(s)?,
        "Adadelta" => adadelta(s)?,
        _ => return Err(Fault::Lacking(Lack::Op)),
    };
    s.all_read()?;
    Ok(built)
}

fn sgd(s: &Fields<'_>) -> Result<Built, Fault> {
    let (lr, weight_decay) = (s.float_or("lr", 1e-3)?, s.float_or("weight_decay", 0.0)?);
    let (momentum, nesterov) = (s.float_or("momentum", 0.0)?, s.flag("nesterov")?);
    let (dampening, maximize) = (s.float_or("dampening", 0.0)?, s.flag("maximize")?);
    let moving = (momentum > 0.0).then_some(momentum);
    let plain = one(move |step| {
        let gain = if step == 1 { 1.0 } else { 1.0 - dampening };
        update::Sgd { lr, momentum: moving, gain, nesterov, weight_decay }
    });
    Ok(Built {
        optimizer: Box::new(move |p| {
            let sgd = optim::Sgd::new(p, lr).momentum(momentum).nesterov(nesterov).weight_decay(weight_decay);
            Box::new(sgd.dampening(dampening).maximize(maximize))
        }),
        updates: if maximize { Box::new(move |step, p, g, state| plain(step, p, &g.neg(), state)) } else { plain },
        state: if momentum > 0.0 { vec![Slot::new("momentum_buffer", 0.0)] } else { vec![] },
    })
}

fn adam(s: &Fields<'_>, decoupled: bool) -> Result<Built, Fault> {
    let (lr, betas, eps) = (s.float_or("lr", 1e-3)?, pair(s, "betas", (0.9, 0.999))?, s.float_or("eps", 1e-8)?);
    let weight_decay = s.float_or("weight_decay", if decoupled { 0.01 } else { 0.0 })?;
    let amsgrad = s.flag("amsgrad")?;
    let mut state = moments();
    state.extend(amsgrad.then(|| Slot::new("max_exp_avg_sq", 0.0)));
    Ok(Built {
        optimizer: Box::new(move |p| {
            let adam = if decoupled { optim::Adam::w(p, lr) } else { optim::Adam::new(p, lr) };
            Box::new(adam.betas(betas.0, betas.1).eps(eps).weight_decay(weight_decay).amsgrad(amsgrad))
        }),
        updates: one(move |step| update::Adam { lr, betas, eps, weight_decay, decoupled, amsgrad, step }),
        state,
    })
}

fn nadam(s: &Fields<'_>) -> Result<Built, Fault> {
    let (lr, betas, eps) = (s.float_or("lr", 2e-3)?, pair(s, "betas", (0.9, 0.999))?, s.float_or("eps", 1e-8)?);
    let (weight_decay, decoupled) = (s.float_or("weight_decay", 0.0)?, s.flag("decoupled_weight_decay")?);
    let momentum_decay = s.float_or("momentum_decay", 4e-3)?;
    Ok(Built {
        optimizer: Box::new(move |p| {
            let nadam = optim::NAdam::new(p, lr).betas(betas.0, betas.1).eps(eps).weight_decay(weight_decay);
            Box::new(nadam.decoupled_weight_decay(decoupled).momentum_decay(momentum_decay))
        }),
        updates: one(move |step| {
            let product = (1..step).map(|t| update::NAdam::momentum(betas.0, momentum_decay, t)).product();
            update::NAdam { lr, betas, eps, weight_decay, decoupled, momentum_decay, step, product }
        }),
        state: moments(),
    })
}

fn radam(s: &Fields<'_>) -> Result<Built, Fault> {
    let (lr, betas, eps) = (s.float_or("lr", 1e-3)?, pair(s, "betas", (0.9, 0.999))?, s.float_or("eps", 1e-8)?);
    let (weight_decay, decoupled) = (s.float_or("weight_decay", 0.0)?, s.flag("decoupled_weight_decay")?);
    Ok(Built {
        optimizer: Box::new(move |p| {
            let radam = optim::RAdam::new(p, lr).betas(betas.0, betas.1).eps(eps).weight_decay(weight_decay);
            Box::new(radam.decoupled_weight_decay(decoupled))
        }),
        updates: one(move |step| update::RAdam { lr, betas, eps, weight_decay, decoupled, step }),
        state: moments(),
    })
}

fn adamax(s: &Fields<'_>) -> Result<Built, Fault> {
    let (lr, betas, eps) = (s.float_or("lr", 2e-3)?, pair(s, "betas", (0.9, 0.999))?, s.float_or("eps", 1e-8)?);
    let (weight_decay, decoupled) = (s.float_or("weight_decay", 0.0)?, s.flag("decoupled_weight_decay")?);
    Ok(Built {
        optimizer: Box::new(move |p| {
            let adamax = optim::Adamax::new(p, lr).betas(betas.0, betas.1).eps(eps).weight_decay(weight_decay);
            Box::new(adamax.decoupled_weight_decay(decoupled))
        }),
        updates: one(move |step| update::Adamax { lr, betas, eps, weight_decay, decoupled, step }),
        state: vec![Slot::new("exp_avg", 0.0), Slot::new("exp_inf", 0.0)],
    })
}

fn lion(s: &Fields<'_>) -> Result<Built, Fault> {
    let (lr, betas, weight_decay) = (s.float_or("lr", 1e-4)?, pair(s, "betas", (0.9, 0.99))?, s.float_or("weight_decay", 0.0)?);
    Ok(Built {
        optimizer: Box::new(move |p| Box::new(optim::Lion::new(p, lr).betas(betas.0, betas.1).weight_decay(weight_decay))),
        updates: one(move |_| update::Lion { lr, betas, weight_decay }),
        state: vec![Slot::new("exp_avg", 0.0)],
    })
}

fn lamb(s: &Fields<'_>) -> Result<Built, Fault> {
    let (lr, betas, eps) = (s.float_or("lr", 1e-3)?, pair(s, "betas", (0.9, 0.999))?, s.float_or("eps", 1e-6)?);
    let weight_decay = s.float_or("weight_decay", 0.0)?;
    Ok(Built {
        optimizer: Box::new(move |p| {
            Box::new(optim::Lamb::new(p, lr).betas(betas.0, betas.1).eps(eps).weight_decay(weight_decay))
        }),
        updates: Box::new(move |step, p, g, state| {
            p.lamb_update(g, &state[0], &state[1], &update::Lamb { lr, betas, eps, weight_decay, step })
        }),
        state: moments(),
    })
}

fn adafactor(s: &Fields<'_>) -> Result<Built, Fault> {
    let (lr, beta2_decay, eps) = (s.float_or("lr", 1e-2)?, s.float_or("beta2_decay", -0.8)?, pair(s, "eps", (1.2e-7, 1e-3))?);
    let (d, weight_decay) = (s.float_or("d", 1.0)?, s.float_or("weight_decay", 0.0)?);
    fn factor<const K: usize>(dims: &[usize]) -> Vec<usize> {
        update::Adafactor::factors(dims).map_or(vec![0], |factors| factors[K].clone())
    }
    let whole = |dims: &[usize]| if dims.len() > 1 { vec![0] } else { dims.to_vec() };
    Ok(Built {
        optimizer: Box::new(move |p| {
            let adafactor = optim::Adafactor::new(p, lr).beta2_decay(beta2_decay).eps(eps.0, eps.1);
            Box::new(adafactor.clip(d).weight_decay(weight_decay))
        }),
        updates: Box::new(move |step, p, g, state| {
            let variance = match p.shape().rank() {
                0 | 1 => Variance::Whole(&state[2]),
                _ => Variance::Factors(&state[0], &state[1]),
            };
            let settings = update::Adafactor { lr, beta2_decay, eps, d, weight_decay, step };
            p.adafactor_update(g, variance, &settings)
        }),
        state: vec![
            Slot { name: "row_var", start: 0.0, shape: factor::<0> },
            Slot { name: "col_var", start: 0.0, shape: factor::<1> },
            Slot { name: "variance", start: 0.0, shape: whole },
        ],
    })
}

fn adagrad(s: &Fields<'_>) -> Result<Built, Fault> {
    let (lr, lr_decay, eps) = (s.float_or("lr", 1e-2)?, s.float_or("lr_decay", 0.0)?, s.float_or("eps", 1e-10)?);
    let (weight_decay, start) = (s.float_or("weight_decay", 0.0)?, s.float_or("initial_accumulator_value", 0.0)?);
    Ok(Built {
        optimizer: Box::new(move |p| {
            let adagrad = optim::AdaGrad::new(p, lr).lr_decay(lr_decay).initial_sum(start);
            Box::new(adagrad.eps(eps).weight_decay(weight_decay))
        }),
        updates: one(move |step| scaled::AdaGrad { lr, lr_decay, eps, weight_decay, step }),
        state: vec![Slot::new("sum", start)],
    })
}

fn rmsprop(s: &Fields<'_>) -> Result<Built, Fault> {
    let (lr, alpha, eps) = (s.float_or("lr", 1e-2)?, s.float_or("alpha", 0.99)?, s.float_or("eps", 1e-8)?);
    let (momentum, weight_decay) = (s.float_or("momentum", 0.0)?, s.float_or("weight_decay", 0.0)?);
    let centered = s.flag("centered")?;
    let moving = (momentum > 0.0).then_some(momentum);
    let (mean, velocity) = (centered.then_some("grad_avg"), moving.map(|_| "momentum_buffer"));
    let state = ["square_avg"].into_iter().chain(mean).chain(velocity);
    Ok(Built {
        optimizer: Box::new(move |p| {
            let rmsprop = optim::RmsProp::new(p, lr).alpha(alpha).eps(eps).momentum(momentum);
            Box::new(rmsprop.centered(centered).weight_decay(weight_decay))
        }),
        updates: one(move |_| scaled::RmsProp { lr, alpha, eps, momentum: moving, centered, weight_decay }),
        state: state.map(|name| Slot::new(name, 0.0)).collect(),
    })
}

fn adadelta(s: &Fields<'_>) -> Result<Built, Fault> {
    let (lr, rho, eps) = (s.float_or("lr", 1.0)?, s.float_or("rho", 0.9)?, s.float_or("eps", 1e-6)?);
    let weight_decay = s.float_or("weight_decay", 0.0)?;
    Ok(Built {
        optimizer: Box::new(move |p| Box::new(optim::Adadelta::new(p, lr).rho(rho).eps(eps).weight_decay(weight_decay))),
        updates: one(move |_| scaled::Adadelta { lr, rho, eps, weight_decay }),
        state: vec![Slot::new("square_avg", 0.0), Slot::new("acc_delta", 0.0)],
    })
}
