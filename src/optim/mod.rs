//! Optimizers: gradients in, parameters updated in place. Built on Tensor's public methods only.

mod adadelta;
mod adagrad;
mod adam;
mod clip;
mod group;
mod rmsprop;
pub mod schedule;
mod sgd;
mod state;

pub use adadelta::Adadelta;
pub use adagrad::AdaGrad;
pub use adam::Adam;
pub use group::Group;
pub use rmsprop::RmsProp;
pub use schedule::Schedule;
pub use sgd::Sgd;
pub use state::State;

use crate::error::{Error, Result, finite};
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

    /// The kind of optimizer, by the name of its type: a state of one kind is no state of another.
    fn kind(&self) -> &'static str;

    /// Steps each parameter has had, where the optimizer counts them (Adam, AdaGrad).
    fn steps(&self) -> &[u64] {
        &[]
    }

    /// Goes on from a state taken with [`State::of`]: learning rate, counted steps and tensors.
    ///
    /// # Errors
    /// [`Error::Config`]: a state of another kind of optimizer, or of parameters of other shapes. Nothing is changed then.
    fn restore(&mut self, state: &State) -> Result<()>;
}

impl<O: Optimizer + ?Sized> Optimizer for Box<O> {
    fn step(&mut self, gradients: Gradients) -> Result<()> {
        (**self).step(gradients)
    }
    fn lr(&self) -> f64 {
        (**self).lr()
    }
    fn set_lr(&mut self, lr: f64) {
        (**self).set_lr(lr);
    }
    fn state(&self) -> Vec<(&'static str, &[Tensor])> {
        (**self).state()
    }
    fn kind(&self) -> &'static str {
        (**self).kind()
    }
    fn steps(&self) -> &[u64] {
        (**self).steps()
    }
    fn restore(&mut self, state: &State) -> Result<()> {
        (**self).restore(state)
    }
}

pub(crate) fn config(what: &'static str, message: String) -> Error {
    Error::Config { what, message }
}

/// Refuses NaN, what is infinite in f32, and what is outside `low..high`.
pub(crate) fn check(what: &'static str, value: f64, low: f64, high: f64) -> Result<()> {
    if value >= low && value < high && finite(value) {
        return Ok(());
    }
    Err(config(what, format!("{value} is not in {low}..{high}")))
}
