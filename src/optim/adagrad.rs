//! AdaGrad (Duchi, Hazan and Singer 2011).

use super::group::{Common, carries, common};
use super::{Optimizer, check};
use crate::error::Result;
use crate::ops::update::scaled;
use crate::{Gradients, Tensor};

/// s ← s + g²; p ← p − η/(1 + (t − 1)δ) · g / (√s + ε): each element's own rate falls with what its gradients were so far. As PyTorch's.
///
/// ```
/// use steepest::{Device, optim::{AdaGrad, Optimizer}};
/// let w = Device::cpu().parameter(&[3.0], 1);
/// let mut opt = AdaGrad::new([w.clone()], 1.0);
/// for _ in 0..100 {
///     opt.step(w.square().sum(&[]).backward())?;
/// }
/// assert!(w.item()?.abs() < 0.05);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Debug)]
pub struct AdaGrad {
    common: Common,
    sum: Vec<Tensor>,
    start: f64,
    lr_decay: f64,
    eps: f64,
    /// Steps each parameter has had.
    steps: Vec<u64>,
}

common!(AdaGrad);

impl AdaGrad {
    /// AdaGrad with learning rate `lr` (η; PyTorch's default is 0.01), ε = 1e-10, without decay of the rate.
    pub fn new(parameters: impl IntoIterator<Item = Tensor>, lr: f64) -> AdaGrad {
        AdaGrad { common: Common::new(parameters, lr), sum: vec![], start: 0.0, lr_decay: 0.0, eps: 1e-10, steps: vec![] }
    }

    /// δ, by which the rate falls from step to step besides.
    pub fn lr_decay(mut self, decay: f64) -> AdaGrad {
        self.lr_decay = decay;
        self
    }

    /// What the sum of squares starts with.
    pub fn initial_sum(mut self, start: f64) -> AdaGrad {
        self.start = start;
        self
    }

    /// ε, which keeps the division finite.
    pub fn eps(mut self, eps: f64) -> AdaGrad {
        self.eps = eps;
        self
    }
}

impl Optimizer for AdaGrad {
    carries!(AdaGrad, ["sum": sum], steps);

    #[track_caller]
    fn step(&mut self, gradients: Gradients) -> Result<()> {
        let _line = crate::location::on_behalf_of_caller();
        check("decay of the learning rate", self.lr_decay, 0.0, f64::INFINITY)?;
        check("initial sum", self.start, 0.0, f64::INFINITY)?;
        check("epsilon", self.eps, 0.0, f64::INFINITY)?;
        self.common.grow(&mut self.sum, self.start)?;
        let mut steps = self.steps.clone();
        steps.resize(self.common.len(), 0);
        self.common.apply(gradients, |i, parameter, gradient, rates| {
            steps[i] = steps[i].saturating_add(1);
            let settings = scaled::AdaGrad {
                lr: rates.lr,
                lr_decay: self.lr_decay,
                eps: self.eps,
                weight_decay: rates.weight_decay,
                step: steps[i],
            };
            parameter.adagrad_update(gradient, &self.sum[i], settings)
        })?;
        // Only a step that ran counts.
        self.steps = steps;
        Ok(())
    }
}
