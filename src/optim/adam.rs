//! Adam (Kingma and Ba 2015) and AdamW (Loshchilov and Hutter 2019).

use super::{Optimizer, apply, check, zeros};
use crate::error::Result;
use crate::{Gradients, Tensor};

/// m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²; p ← p − η m̂ / (√v̂ + ε), m̂ and v̂ corrected for their start at 0. As PyTorch's.
///
/// ```
/// use steepest::{Device, optim::{Adam, Optimizer}};
/// let w = Device::cpu().parameter(&[3.0], 1);
/// let mut opt = Adam::new([w.clone()], 0.1);
/// for _ in 0..200 {
///     opt.step(w.square().sum(&[]).backward())?;
/// }
/// assert!(w.item()?.abs() < 0.05);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Debug)]
pub struct Adam {
    parameters: Vec<Tensor>,
    first: Vec<Tensor>,
    second: Vec<Tensor>,
    lr: f64,
    betas: (f64, f64),
    eps: f64,
    weight_decay: f64,
    decoupled: bool,
    /// Steps each parameter has had: one without a gradient is not stepped, and its correction must not run ahead.
    steps: Vec<u64>,
}

impl Adam {
    /// Adam with learning rate `lr` (η), β = (0.9, 0.999), ε = 1e-8.
    pub fn new(parameters: impl IntoIterator<Item = Tensor>, lr: f64) -> Adam {
        let parameters: Vec<Tensor> = parameters.into_iter().collect();
        let steps = vec![0; parameters.len()];
        Adam {
            parameters,
            first: vec![],
            second: vec![],
            lr,
            betas: (0.9, 0.999),
            eps: 1e-8,
            weight_decay: 0.0,
            decoupled: false,
            steps,
        }
    }

    /// AdamW: weight decay that shrinks the parameter by ηλp apart from the gradient, λ = 0.01 unless changed.
    pub fn w(parameters: impl IntoIterator<Item = Tensor>, lr: f64) -> Adam {
        Adam { decoupled: true, weight_decay: 0.01, ..Adam::new(parameters, lr) }
    }

    /// Decay rates β₁ and β₂ of the moving means, each 0 ≤ β < 1.
    pub fn betas(mut self, first: f64, second: f64) -> Adam {
        self.betas = (first, second);
        self
    }

    /// ε, which keeps the division finite.
    pub fn eps(mut self, eps: f64) -> Adam {
        self.eps = eps;
        self
    }

    /// Weight decay λ.
    pub fn weight_decay(mut self, decay: f64) -> Adam {
        self.weight_decay = decay;
        self
    }
}

impl Optimizer for Adam {
    fn step(&mut self, gradients: Gradients) -> Result<()> {
        check("learning rate", self.lr, 0.0, f64::INFINITY)?;
        check("beta 1", self.betas.0, 0.0, 1.0)?;
        check("beta 2", self.betas.1, 0.0, 1.0)?;
        check("epsilon", self.eps, 0.0, f64::INFINITY)?;
        check("weight decay", self.weight_decay, 0.0, f64::INFINITY)?;
        if self.first.is_empty() {
            self.first = zeros(&self.parameters)?;
            self.second = zeros(&self.parameters)?;
        }
        let mut steps = self.steps.clone();
        apply(&self.parameters, gradients, |i, parameter, gradient| {
            steps[i] += 1;
            parameter.adam_update(
                gradient,
                &self.first[i],
                &self.second[i],
                crate::ops::update::Adam {
                    lr: self.lr,
                    betas: self.betas,
                    eps: self.eps,
                    weight_decay: self.weight_decay,
                    decoupled: self.decoupled,
                    step: steps[i],
                },
            )
        })?;
        // Only a step that ran counts.
        self.steps = steps;
        Ok(())
    }

    fn lr(&self) -> f64 {
        self.lr
    }

    fn set_lr(&mut self, lr: f64) {
        self.lr = lr;
    }

    fn state(&self) -> Vec<(&'static str, &[Tensor])> {
        if self.first.is_empty() { vec![] } else { vec![("exp_avg", &self.first), ("exp_avg_sq", &self.second)] }
    }
}
