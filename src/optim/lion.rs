//! Lion (Chen et al. 2023): steps of the sign of a mean of gradients.

use super::group::{Common, betas, carries, common};
use super::{Optimizer, check_betas};
use crate::error::Result;
use crate::ops::update;
use crate::{Gradients, Tensor};

/// p ← p − ηλp − η sign(β₁m + (1 − β₁)g), then m ← β₂m + (1 − β₂)g: every element moves by η, whatever the size of its gradient. Weight decay is
/// decoupled, as AdamW's. A learning rate a third to a tenth of Adam's and a weight decay as much larger are usual.
///
/// ```
/// use steepest::{Device, optim::{Lion, Optimizer}};
/// let w = Device::cpu().parameter(&[3.0], 1);
/// let mut opt = Lion::new([w.clone()], 0.1);
/// opt.step(w.square().sum(&[]).backward())?;
/// assert!((w.item()? - 2.9).abs() < 1e-6);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Debug)]
pub struct Lion {
    common: Common,
    mean: Vec<Tensor>,
    betas: (f64, f64),
}

common!(Lion);
betas!(Lion);

impl Lion {
    /// Lion with learning rate `lr` (η), β = (0.9, 0.99), and no weight decay.
    pub fn new(parameters: impl IntoIterator<Item = Tensor>, lr: f64) -> Lion {
        Lion { common: Common::new(parameters, lr), mean: vec![], betas: (0.9, 0.99) }
    }
}

impl Optimizer for Lion {
    carries!(Lion, ["exp_avg": mean]);

    #[track_caller]
    fn step(&mut self, gradients: Gradients) -> Result<()> {
        let _line = crate::location::on_behalf_of_caller();
        check_betas(self.betas)?;
        self.common.grow(&mut self.mean, 0.0)?;
        self.common.apply(gradients, |i, parameter, gradient, rates| {
            let settings = update::Lion { lr: rates.lr, betas: self.betas, weight_decay: rates.weight_decay };
            parameter.lion_update(gradient, &self.mean[i], settings)
        })
    }
}
