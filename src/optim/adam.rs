//! Adam (Kingma and Ba 2015), AdamW (Loshchilov and Hutter 2019), AMSGrad (Reddi, Kale and Kumar 2018).

use super::group::{Common, common};
use super::{Optimizer, State, check};
use crate::error::Result;
use crate::ops::update;
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
    common: Common,
    first: Vec<Tensor>,
    second: Vec<Tensor>,
    largest: Vec<Tensor>,
    betas: (f64, f64),
    eps: f64,
    decoupled: bool,
    amsgrad: bool,
    /// Steps each parameter has had: one without a gradient is not stepped, and its correction must not run ahead.
    steps: Vec<u64>,
}

common!(Adam);

impl Adam {
    /// Adam with learning rate `lr` (η), β = (0.9, 0.999), ε = 1e-8.
    pub fn new(parameters: impl IntoIterator<Item = Tensor>, lr: f64) -> Adam {
        Adam {
            common: Common::new(parameters, lr),
            first: vec![],
            second: vec![],
            largest: vec![],
            betas: (0.9, 0.999),
            eps: 1e-8,
            decoupled: false,
            amsgrad: false,
            steps: vec![],
        }
    }

    /// AdamW: weight decay that shrinks the parameter by ηλp apart from the gradient, λ = 0.01 unless changed.
    pub fn w(parameters: impl IntoIterator<Item = Tensor>, lr: f64) -> Adam {
        Adam { decoupled: true, ..Adam::new(parameters, lr) }.weight_decay(0.01)
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

    /// AMSGrad: divides by the largest v so far in place of v, so that a step never grows because gradients became small.
    pub fn amsgrad(mut self, on: bool) -> Adam {
        self.amsgrad = on;
        self
    }
}

impl Optimizer for Adam {
    fn step(&mut self, gradients: Gradients) -> Result<()> {
        check("beta 1", self.betas.0, 0.0, 1.0)?;
        check("beta 2", self.betas.1, 0.0, 1.0)?;
        check("epsilon", self.eps, 0.0, f64::INFINITY)?;
        // The first step's, after its correction, is the largest.
        let most = f64::from(f32::MAX) * (1.0 - self.betas.0);
        check("learning rate", self.common.lr, 0.0, most)?;
        self.common.grow(&mut self.first, 0.0)?;
        self.common.grow(&mut self.second, 0.0)?;
        if self.amsgrad {
            self.common.grow(&mut self.largest, 0.0)?;
        }
        let mut steps = self.steps.clone();
        steps.resize(self.common.len(), 0);
        self.common.apply(gradients, |i, parameter, gradient, rates| {
            steps[i] += 1;
            let settings = update::Adam {
                lr: rates.lr,
                betas: self.betas,
                eps: self.eps,
                weight_decay: rates.weight_decay,
                decoupled: self.decoupled,
                amsgrad: self.amsgrad,
                step: steps[i],
            };
            let largest = self.largest.get(i).filter(|_| self.amsgrad);
            parameter.adam_update(gradient, &self.first[i], &self.second[i], largest, settings)
        })?;
        // Only a step that ran counts.
        self.steps = steps;
        Ok(())
    }

    fn lr(&self) -> f64 {
        self.common.lr
    }

    fn set_lr(&mut self, lr: f64) {
        self.common.lr = lr;
    }

    fn state(&self) -> Vec<(&'static str, &[Tensor])> {
        let all = [("exp_avg", &self.first[..]), ("exp_avg_sq", &self.second), ("max_exp_avg_sq", &self.largest)];
        all.into_iter().filter(|(_, tensors)| !tensors.is_empty()).collect()
    }
    fn kind(&self) -> &'static str {
        "Adam"
    }

    fn steps(&self) -> &[u64] {
        &self.steps
    }

    fn restore(&mut self, state: &State) -> Result<()> {
        let slots = &mut [("exp_avg", &mut self.first), ("exp_avg_sq", &mut self.second), ("max_exp_avg_sq", &mut self.largest)];
        self.common.restore("Adam", state, slots, Some(&mut self.steps))
    }
}
