//! Stochastic gradient descent with momentum, Nesterov's look-ahead and weight decay.

use super::group::{Common, common};
use super::{Optimizer, State, check, config};
use crate::error::Result;
use crate::{Gradients, Tensor};

/// g ← g + λp; v ← μv + g; p ← p − η v (Polyak 1964), or p − η (g + μv) with Nesterov's look-ahead. As PyTorch's.
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
    nesterov: bool,
}

common!(Sgd);

impl Sgd {
    /// Plain gradient descent with learning rate `lr` (η).
    pub fn new(parameters: impl IntoIterator<Item = Tensor>, lr: f64) -> Sgd {
        Sgd { common: Common::new(parameters, lr), velocity: vec![], momentum: 0.0, nesterov: false }
    }

    /// Momentum μ, 0 ≤ μ < 1.
    pub fn momentum(mut self, momentum: f64) -> Sgd {
        self.momentum = momentum;
        self
    }

    /// Nesterov's look-ahead; needs momentum.
    pub fn nesterov(mut self, on: bool) -> Sgd {
        self.nesterov = on;
        self
    }
}

impl Optimizer for Sgd {
    fn step(&mut self, gradients: Gradients) -> Result<()> {
        check("momentum", self.momentum, 0.0, 1.0)?;
        if self.nesterov && self.momentum == 0.0 {
            return Err(config("nesterov", "it needs a momentum above 0".to_owned()));
        }
        if self.momentum > 0.0 {
            self.common.grow(&mut self.velocity, 0.0)?;
        }
        self.common.apply(gradients, |i, parameter, gradient, rates| {
            let velocity = self.velocity.get(i).map(|v| (v, self.momentum, self.nesterov));
            parameter.sgd_update(gradient, velocity, rates.lr, rates.weight_decay)
        })
    }

    fn lr(&self) -> f64 {
        self.common.lr
    }

    fn set_lr(&mut self, lr: f64) {
        self.common.lr = lr;
    }

    fn state(&self) -> Vec<(&'static str, &[Tensor])> {
        if self.velocity.is_empty() { vec![] } else { vec![("momentum_buffer", &self.velocity)] }
    }
    fn kind(&self) -> &'static str {
        "Sgd"
    }

    fn restore(&mut self, state: &State) -> Result<()> {
        let slots = &mut [("momentum_buffer", &mut self.velocity)];
        self.common.restore("Sgd", state, slots, None)
    }
}
