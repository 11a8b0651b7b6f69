//! Adam (Kingma and Ba 2015), AdamW (Loshchilov and Hutter 2019), AMSGrad (Reddi, Kale and Kumar 2018).

use super::group::{Common, betas, carries, common};
use super::{Optimizer, check_moments};
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
betas!(Adam, eps);

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

    /// AMSGrad: divides by the largest v so far in place of v, so that a step never grows because gradients became small.
    pub fn amsgrad(mut self, on: bool) -> Adam {
        self.amsgrad = on;
        self
    }
}

impl Optimizer for Adam {
    carries!(Adam, ["exp_avg": first, "exp_avg_sq": second, "max_exp_avg_sq": largest], steps);

    #[track_caller]
    fn step(&mut self, gradients: Gradients) -> Result<()> {
        let _line = crate::location::on_behalf_of_caller();
        check_moments(self.common.lr, self.betas, self.eps)?;
        self.common.grow(&mut self.first, 0.0)?;
        self.common.grow(&mut self.second, 0.0)?;
        if self.amsgrad {
            self.common.grow(&mut self.largest, 0.0)?;
        }
        let mut steps = self.steps.clone();
        steps.resize(self.common.len(), 0);
        self.common.apply(gradients, |i, parameter, gradient, rates| {
            steps[i] = steps[i].saturating_add(1);
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
}
