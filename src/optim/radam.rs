//! RAdam (Liu et al. 2020): Adam with a rectified start.

use super::group::{Common, betas, carries, common};
use super::{Optimizer, check_moments};
use crate::error::Result;
use crate::ops::update;
use crate::{Gradients, Tensor};

/// Adam, but for the first steps: while the mean of squares rests on too few gradients, a step is plain momentum, and then grows into Adam's. It needs
/// no warm-up of the learning rate. As PyTorch's; [`update::RAdam`](crate::ops::update::RAdam) has the formula.
///
/// ```
/// use steepest::{Device, optim::{RAdam, Optimizer}};
/// let w = Device::cpu().parameter(&[3.0], 1);
/// let mut opt = RAdam::new([w.clone()], 0.1);
/// for _ in 0..200 {
///     opt.step(w.square().sum(&[]).backward())?;
/// }
/// assert!(w.item()?.abs() < 0.1);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Debug)]
pub struct RAdam {
    common: Common,
    first: Vec<Tensor>,
    second: Vec<Tensor>,
    betas: (f64, f64),
    eps: f64,
    decoupled: bool,
    /// Steps each parameter has had.
    steps: Vec<u64>,
}

common!(RAdam);
betas!(RAdam, eps, decoupled);

impl RAdam {
    /// RAdam with learning rate `lr` (η; PyTorch's default is 0.001), β = (0.9, 0.999), ε = 1e-8.
    pub fn new(parameters: impl IntoIterator<Item = Tensor>, lr: f64) -> RAdam {
        RAdam {
            common: Common::new(parameters, lr),
            first: vec![],
            second: vec![],
            betas: (0.9, 0.999),
            eps: 1e-8,
            decoupled: false,
            steps: vec![],
        }
    }
}

impl Optimizer for RAdam {
    carries!(RAdam, ["exp_avg": first, "exp_avg_sq": second], steps);

    #[track_caller]
    fn step(&mut self, gradients: Gradients) -> Result<()> {
        let _line = crate::location::on_behalf_of_caller();
        check_moments(self.common.lr, self.betas, self.eps)?;
        self.common.grow(&mut self.first, 0.0)?;
        self.common.grow(&mut self.second, 0.0)?;
        let mut steps = self.steps.clone();
        steps.resize(self.common.len(), 0);
        self.common.apply(gradients, |i, parameter, gradient, rates| {
            steps[i] = steps[i].saturating_add(1);
            let settings = update::RAdam {
                lr: rates.lr,
                betas: self.betas,
                eps: self.eps,
                weight_decay: rates.weight_decay,
                decoupled: self.decoupled,
                step: steps[i],
            };
            parameter.radam_update(gradient, &self.first[i], &self.second[i], settings)
        })?;
        // Only a step that ran counts.
        self.steps = steps;
        Ok(())
    }
}
