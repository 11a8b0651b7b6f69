//! Optimizers: gradients in, parameters updated in place. Built on Tensor's public methods only.

mod adam;
mod sgd;

pub use adam::Adam;
pub use sgd::Sgd;

use crate::error::{Error, Result};
use crate::{Gradients, Tensor};

/// What updates parameters.
pub trait Optimizer {
    /// Computes the loss, its gradients and the updates in one run.
    ///
    /// The differentiated loss keeps its value, and so does every tensor still held that the run passes through. Other
    /// values that depend on the parameters can be read only if they were computed before, or added with
    /// [`Gradients::and_run`].
    ///
    /// # Errors
    /// The error of an invalid loss, a setting that makes no sense, a loss that depends on none of the parameters, or
    /// what the device reports. Nothing is updated then.
    fn step(&mut self, gradients: Gradients) -> Result<()>;

    /// The learning rate.
    fn lr(&self) -> f64;

    /// Changes the learning rate. It is data, not structure: no new plan.
    fn set_lr(&mut self, lr: f64);

    /// What it carries from step to step, by PyTorch's names (`momentum_buffer`, `exp_avg`): one tensor per parameter, in the
    /// order of the parameters. Empty before the first step.
    fn state(&self) -> Vec<(&'static str, &[Tensor])>;
}

/// Records an update for each parameter that has a gradient, and runs them all.
pub(crate) fn apply(
    parameters: &[Tensor],
    gradients: Gradients,
    mut update: impl FnMut(usize, &Tensor, &Tensor) -> Tensor,
) -> Result<()> {
    let Some(first) = parameters.first() else {
        return Err(config("parameters", "there are none to update".to_owned()));
    };
    let mut wanted: Vec<Tensor> = gradients.roots().cloned().collect();
    let others = wanted.len();
    for (i, parameter) in parameters.iter().enumerate() {
        if let Some(gradient) = gradients.get(parameter)? {
            wanted.push(update(i, parameter, gradient));
        }
    }
    if wanted.len() == others {
        return Err(config("gradients", "the loss depends on none of the parameters given to the optimizer".to_owned()));
    }
    // The gradients themselves need not outlive the run.
    drop(gradients);
    first.device().run(&wanted)
}

pub(crate) fn config(what: &'static str, message: String) -> Error {
    Error::Config { what, message }
}

/// Refuses NaN, infinities and what lies outside `low..high` (either end included where `closed`).
pub(crate) fn check(what: &'static str, value: f64, low: f64, high: f64) -> Result<()> {
    if value >= low && value < high {
        return Ok(());
    }
    Err(config(what, format!("{value} is not in {low}..{high}")))
}

/// A zero tensor for each parameter: the state an optimizer carries.
pub(crate) fn zeros(parameters: &[Tensor]) -> Result<Vec<Tensor>> {
    parameters
        .iter()
        .map(|p| {
            let shape = p.try_shape()?;
            Ok(p.device().tensor(&vec![0.0f32; shape.numel()], shape))
        })
        .collect()
}
