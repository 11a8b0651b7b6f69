//! Stochastic gradient descent with momentum, Nesterov's look-ahead and weight decay.

use super::group::{Common, carries, common};
use super::{Optimizer, check, config};
use crate::error::Result;
use crate::ops::update;
use crate::{Gradients, Tensor};

/// g ← g + λp; v ← μv + (1 − τ)g, and v ← g in a parameter's first step; p ← p − η v (Polyak 1964), or p − η (g + μv) with Nesterov's
/// look-ahead. As PyTorch's; τ is the dampening, 0 unless set.
///
/// ```
/// use steepest::{Device, optim::{Optimizer, Sgd}};
/// let w = Device::cpu().parameter(&[3.0], 1);
/// let mut opt = Sgd::new([w.clone()], 0.1).momentum(0.9);
/// for _ in 0..100 {
///     opt.step(w.square().sum(&[]).backward())?;
/// }
/// assert!(w.item()?.abs() < 0.1);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Debug)]
pub struct Sgd {
    common: Common,
    velocity: Vec<Tensor>,
    momentum: f64,
    dampening: f64,
    nesterov: bool,
    /// Steps each parameter has had; counted with dampening, which the first step is without.
    steps: Vec<u64>,
}

common!(Sgd);

impl Sgd {
    /// Plain gradient descent with learning rate `lr` (η).
    pub fn new(parameters: impl IntoIterator<Item = Tensor>, lr: f64) -> Sgd {
        let common = Common::new(parameters, lr);
        Sgd { common, velocity: vec![], momentum: 0.0, dampening: 0.0, nesterov: false, steps: vec![] }
    }

    /// Momentum μ, 0 ≤ μ < 1.
    pub fn momentum(mut self, momentum: f64) -> Sgd {
        self.momentum = momentum;
        self
    }

    /// Dampening τ of the momentum, 0 ≤ τ ≤ 1: how much of a gradient does not go into the velocity.
    pub fn dampening(mut self, dampening: f64) -> Sgd {
        self.dampening = dampening;
        self
    }

    /// Nesterov's look-ahead; needs momentum, and no dampening.
    pub fn nesterov(mut self, on: bool) -> Sgd {
        self.nesterov = on;
        self
    }
}

impl Optimizer for Sgd {
    carries!(Sgd, ["momentum_buffer": velocity], steps);

    #[track_caller]
    fn step(&mut self, gradients: Gradients) -> Result<()> {
        let _line = crate::location::on_behalf_of_caller();
        check("momentum", self.momentum, 0.0, 1.0)?;
        if self.nesterov && self.momentum == 0.0 {
            return Err(config("nesterov", "it needs a momentum above 0".to_owned()));
        }
        if !(0.0..=1.0).contains(&self.dampening) {
            return Err(config("dampening", format!("{} is not in 0..=1", self.dampening)));
        }
        if self.nesterov && self.dampening > 0.0 {
            return Err(config("nesterov", "it needs a dampening of 0".to_owned()));
        }
        let moving = self.momentum > 0.0;
        if moving {
            self.common.grow(&mut self.velocity, 0.0)?;
        }
        let counted = moving && self.dampening > 0.0;
        let mut steps = self.steps.clone();
        steps.resize(if counted { self.common.len() } else { steps.len() }, 0);
        self.common.apply(gradients, |i, parameter, gradient, rates| {
            let first = counted && steps[i] == 0;
            if counted {
                steps[i] = steps[i].saturating_add(1);
            }
            let settings = update::Sgd {
                lr: rates.lr,
                momentum: moving.then_some(self.momentum),
                gain: if first { 1.0 } else { 1.0 - self.dampening },
                nesterov: self.nesterov,
                weight_decay: rates.weight_decay,
            };
            parameter.sgd_update_with(gradient, self.velocity.get(i).filter(|_| moving), settings)
        })?;
        // Only a step that ran counts.
        self.steps = steps;
        Ok(())
    }
}
