//! Adamax (Kingma and Ba 2015): Adam by the largest gradient.

use super::group::{Common, betas, carries, common};
use super::{Optimizer, check_moments};
use crate::error::Result;
use crate::ops::update;
use crate::{Gradients, Tensor};

/// m ← β₁m + (1 − β₁)g; u ← max(β₂u, |g| + ε); p ← p − η/(1 − β₁ᵗ) · m/u: no step is much longer than η. As PyTorch's.
///
/// ```
/// use steepest::{Device, optim::{Adamax, Optimizer}};
/// let w = Device::cpu().parameter(&[3.0], 1);
/// let mut opt = Adamax::new([w.clone()], 0.1);
/// for _ in 0..200 {
///     opt.step(w.square().sum(&[]).backward())?;
/// }
/// assert!(w.item()?.abs() < 0.1);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Debug)]
pub struct Adamax {
    common: Common,
    first: Vec<Tensor>,
    largest: Vec<Tensor>,
    betas: (f64, f64),
    eps: f64,
    decoupled: bool,
    /// Steps each parameter has had.
    steps: Vec<u64>,
}

common!(Adamax);
betas!(Adamax, eps, decoupled);

impl Adamax {
    /// Adamax with learning rate `lr` (η; PyTorch's default is 0.002), β = (0.9, 0.999), ε = 1e-8.
    pub fn new(parameters: impl IntoIterator<Item = Tensor>, lr: f64) -> Adamax {
        Adamax {
            common: Common::new(parameters, lr),
            first: vec![],
            largest: vec![],
            betas: (0.9, 0.999),
            eps: 1e-8,
            decoupled: false,
            steps: vec![],
        }
    }
}

impl Optimizer for Adamax {
    carries!(Adamax, ["exp_avg": first, "exp_inf": largest], steps);

    #[track_caller]
    fn step(&mut self, gradients: Gradients) -> Result<()> {
        let _line = crate::location::on_behalf_of_caller();
        check_moments(self.common.lr, self.betas, self.eps)?;
        self.common.grow(&mut self.first, 0.0)?;
        self.common.grow(&mut self.largest, 0.0)?;
        let mut steps = self.steps.clone();
        steps.resize(self.common.len(), 0);
        self.common.apply(gradients, |i, parameter, gradient, rates| {
            steps[i] = steps[i].saturating_add(1);
            let settings = update::Adamax {
                lr: rates.lr,
                betas: self.betas,
                eps: self.eps,
                weight_decay: rates.weight_decay,
                decoupled: self.decoupled,
                step: steps[i],
            };
            parameter.adamax_update(gradient, &self.first[i], &self.largest[i], settings)
        })?;
        // Only a step that ran counts.
        self.steps = steps;
        Ok(())
    }
}
