//! Optimizers: gradients in, parameters updated in place. Built on Tensor's public methods only.

mod accumulate;
mod adadelta;
mod adafactor;
mod adagrad;
mod adam;
mod adamax;
mod average;
mod clip;
mod group;
mod lamb;
mod lbfgs;
mod lion;
mod muon;
mod nadam;
mod radam;
mod rmsprop;
pub mod schedule;
mod sgd;
mod state;

pub use accumulate::Accumulator;
pub use adadelta::Adadelta;
pub use adafactor::Adafactor;
pub use adagrad::AdaGrad;
pub use adam::Adam;
pub use adamax::Adamax;
pub use average::Average;
pub use group::Group;
pub use lamb::Lamb;
pub use lbfgs::{Lbfgs, LbfgsEnd, LbfgsReport};
pub use lion::Lion;
pub use muon::Muon;
pub use nadam::NAdam;
pub use radam::RAdam;
pub use rmsprop::RmsProp;
pub use schedule::Schedule;
pub use sgd::Sgd;
pub use state::State;

pub use crate::ops::update::Scale as MuonScale;

use crate::error::{Error, Result, finite};
use crate::location::{on_behalf_of_caller, recording_for_caller};
use crate::platform;
use crate::{Device, Gradients, Tensor};
use std::pin::Pin;

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

    /// [`Optimizer::step`] without blocking: what a run waits for by itself (values that the host computes from, CHECK and anomaly mode, times of a profile) is
    /// awaited. In a browser a loop awaits this, or calls `step` and awaits [`Device::caught_up_async`](crate::Device::caught_up_async). Natively it is `step`, in
    /// the first poll.
    ///
    /// ```
    /// use steepest::{Device, optim::{Optimizer, Sgd}};
    /// let w = Device::cpu().parameter(&[2.0], 1);
    /// let mut opt = Sgd::new([w.clone()], 0.5);
    /// pollster::block_on(opt.step_async(w.square().sum(&[]).backward()))?;
    /// assert_eq!(w.item()?, 0.0);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Optimizer::step`].
    #[track_caller]
    fn step_async(&mut self, gradients: Gradients) -> Pin<Box<dyn Future<Output = Result<()>> + '_>> {
        Box::pin(recording_for_caller(async move {
            if platform::may_wait() {
                return self.step(gradients);
            }
            let (device, steps) = (gradients.loss().device(), self.steps().to_vec());
            let stepped = Device::started(|| self.step(gradients)).await;
            if stepped.is_err() {
                // It was counted before its run was.
                self.set_steps(&steps);
            }
            stepped?;
            device.caught_up_async().await
        }))
    }

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

    /// Puts the counts of [`Optimizer::steps`] back after a step that failed.
    #[doc(hidden)]
    fn set_steps(&mut self, _steps: &[u64]) {}

    /// Goes on from a state taken with [`State::of`]: learning rate, counted steps and tensors.
    ///
    /// # Errors
    /// [`Error::Config`]: a state of another kind of optimizer, or of parameters of other shapes. Nothing is changed then.
    fn restore(&mut self, state: &State) -> Result<()>;
}

impl<O: Optimizer + ?Sized> Optimizer for Box<O> {
    #[track_caller]
    fn step(&mut self, gradients: Gradients) -> Result<()> {
        let _line = on_behalf_of_caller();
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
    fn set_steps(&mut self, steps: &[u64]) {
        (**self).set_steps(steps);
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

/// Checks the settings of an optimizer with two moments that are corrected for their start at 0.
fn check_moments(lr: f64, betas: (f64, f64), eps: f64) -> Result<()> {
    check_betas(betas)?;
    check("epsilon", eps, 0.0, f64::INFINITY)?;
    // The first step's, after its correction, is the largest.
    check("learning rate", lr, 0.0, f64::from(f32::MAX) * (1.0 - betas.0))
}

fn check_betas(betas: (f64, f64)) -> Result<()> {
    check("beta 1", betas.0, 0.0, 1.0)?;
    check("beta 2", betas.1, 0.0, 1.0)
}
