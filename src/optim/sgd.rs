//! Stochastic gradient descent with momentum, Nesterov's look-ahead and weight decay.

use super::{Optimizer, apply, check, config, zeros};
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
    parameters: Vec<Tensor>,
    velocity: Vec<Tensor>,
    lr: f64,
    momentum: f64,
    nesterov: bool,
    weight_decay: f64,
}

impl Sgd {
    /// Plain gradient descent with learning rate `lr` (η).
    pub fn new(parameters: impl IntoIterator<Item = Tensor>, lr: f64) -> Sgd {
        let parameters = parameters.into_iter().collect();
        Sgd { parameters, velocity: vec![], lr, momentum: 0.0, nesterov: false, weight_decay: 0.0 }
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

    /// Weight decay λ: adds λp to the gradient, the gradient of ½λ‖p‖².
    pub fn weight_decay(mut self, decay: f64) -> Sgd {
        self.weight_decay = decay;
        self
    }
}

impl Optimizer for Sgd {
    fn step(&mut self, gradients: Gradients) -> Result<()> {
        check("learning rate", self.lr, 0.0, f64::INFINITY)?;
        check("momentum", self.momentum, 0.0, 1.0)?;
        check("weight decay", self.weight_decay, 0.0, f64::INFINITY)?;
        if self.nesterov && self.momentum == 0.0 {
            return Err(config("nesterov", "it needs a momentum above 0".to_owned()));
        }
        if self.momentum > 0.0 && self.velocity.is_empty() {
            self.velocity = zeros(&self.parameters)?;
        }
        apply(&self.parameters, gradients, |i, parameter, gradient| {
            let velocity = self.velocity.get(i).map(|v| (v, self.momentum, self.nesterov));
            parameter.sgd_update(gradient, velocity, self.lr, self.weight_decay)
        })
    }

    fn lr(&self) -> f64 {
        self.lr
    }

    fn set_lr(&mut self, lr: f64) {
        self.lr = lr;
    }

    fn state(&self) -> Vec<(&'static str, &[Tensor])> {
        if self.velocity.is_empty() { vec![] } else { vec![("momentum_buffer", &self.velocity)] }
    }
}
