//! LAMB (You et al. 2020): Adam for large batches, each tensor's step as long as the tensor.

use super::group::{Common, betas, carries, common};
use super::{Optimizer, check_moments};
use crate::error::Result;
use crate::ops::update;
use crate::{Gradients, Tensor};

/// u = m̂ / (√v̂ + ε) + λp with Adam's moments; p ← p − η ‖p‖/‖u‖ · u for each parameter: its step is η times as long as it is itself. The factor
/// is 1 where a norm is 0.
///
/// ```
/// use steepest::{Device, optim::{Lamb, Optimizer}};
/// let w = Device::cpu().parameter(&[3.0], 1);
/// let mut opt = Lamb::new([w.clone()], 0.1);
/// for _ in 0..300 {
///     opt.step(w.square().sum(&[]).backward())?;
/// }
/// assert!(w.item()?.abs() < 0.1);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Debug)]
pub struct Lamb {
    common: Common,
    first: Vec<Tensor>,
    second: Vec<Tensor>,
    betas: (f64, f64),
    eps: f64,
    /// Steps each parameter has had.
    steps: Vec<u64>,
}

common!(Lamb);
betas!(Lamb, eps);

impl Lamb {
    /// LAMB with learning rate `lr` (η), β = (0.9, 0.999), ε = 1e-6, and no weight decay.
    pub fn new(parameters: impl IntoIterator<Item = Tensor>, lr: f64) -> Lamb {
        Lamb { common: Common::new(parameters, lr), first: vec![], second: vec![], betas: (0.9, 0.999), eps: 1e-6, steps: vec![] }
    }
}

impl Optimizer for Lamb {
    carries!(Lamb, ["exp_avg": first, "exp_avg_sq": second], steps);

    #[track_caller]
    fn step(&mut self, gradients: Gradients) -> Result<()> {
        let _line = crate::location::on_behalf_of_caller();
        check_moments(self.common.lr, self.betas, self.eps)?;
        self.common.grow(&mut self.first, 0.0)?;
        self.common.grow(&mut self.second, 0.0)?;
        let mut steps = self.steps.clone();
        steps.resize(self.common.len(), 0);
        self.common.apply_all(gradients, |i, parameter, gradient, rates| {
            steps[i] = steps[i].saturating_add(1);
            let settings =
                update::Lamb { lr: rates.lr, betas: self.betas, eps: self.eps, weight_decay: rates.weight_decay, step: steps[i] };
            parameter.lamb_update(gradient, &self.first[i], &self.second[i], &settings)
        })?;
        // Only a step that ran counts.
        self.steps = steps;
        Ok(())
    }
}
