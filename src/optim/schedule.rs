//! Learning rates that change from epoch to epoch, as PyTorch's schedulers. Call `opt.set_lr(schedule.lr(epoch))` before each epoch, or
//! `opt.set_lr(schedule.lr(step))` before each step.
//!
//! But for [`Plateau`] they are functions of the epoch alone: a run that is taken up again needs nothing of them.

mod composed;
mod cycles;

pub use composed::{ConstantFactor, Lambda, Linear, Product, Sequence};
pub use cycles::{CosineRestarts, Cyclic, Polynomial};

use super::{Optimizer, check, config};
use crate::error::Result;
use std::f64::consts::PI;
use std::fmt;

/// A learning rate for every epoch, or for every step where an epoch is one step.
///
/// ```
/// use steepest::optim::schedule::{Cosine, Schedule, Warmup};
/// let schedule = Warmup::new(5, 0.2, Cosine::new(0.1, 45, 0.0)?)?;
/// assert!((schedule.lr(0) - 0.02).abs() < 1e-12);
/// assert!((schedule.lr(5) - 0.1).abs() < 1e-12);
/// # Ok::<(), steepest::Error>(())
/// ```
pub trait Schedule: fmt::Debug + Send + Sync {
    /// The learning rate of an epoch, counted from 0.
    fn lr(&self, epoch: usize) -> f64;

    /// Gives the optimizer the learning rate of an epoch.
    fn set(&self, epoch: usize, optimizer: &mut dyn Optimizer) {
        optimizer.set_lr(self.lr(epoch));
    }
}

impl<S: Schedule + ?Sized> Schedule for Box<S> {
    fn lr(&self, epoch: usize) -> f64 {
        (**self).lr(epoch)
    }
}

fn rate(lr: f64) -> Result<()> {
    check("learning rate", lr, 0.0, f64::INFINITY)
}

fn factor(gamma: f64) -> Result<()> {
    check("factor", gamma, 0.0, f64::INFINITY)
}

fn count(what: &'static str, n: usize) -> Result<()> {
    if n > 0 { Ok(()) } else { Err(config(what, "0 is not enough".to_owned())) }
}

/// The same learning rate in every epoch.
#[derive(Clone, Debug)]
pub struct Constant {
    lr: f64,
}

impl Constant {
    /// `lr` and nothing else.
    ///
    /// # Errors
    /// A learning rate that is negative or not finite.
    pub fn new(lr: f64) -> Result<Constant> {
        rate(lr)?;
        Ok(Constant { lr })
    }
}

impl Schedule for Constant {
    fn lr(&self, _: usize) -> f64 {
        self.lr
    }
}

/// η₀ γ^⌊e / size⌋: falls after every `size` epochs. PyTorch's StepLR.
#[derive(Clone, Debug)]
pub struct Step {
    lr: f64,
    size: usize,
    gamma: f64,
}

impl Step {
    /// From `lr`, times `gamma` after every `size` epochs.
    ///
    /// # Errors
    /// A number that is negative or not finite, or steps of 0 epochs.
    pub fn new(lr: f64, size: usize, gamma: f64) -> Result<Step> {
        rate(lr)?;
        factor(gamma)?;
        count("epochs of a step", size)?;
        Ok(Step { lr, size, gamma })
    }
}

impl Schedule for Step {
    fn lr(&self, epoch: usize) -> f64 {
        self.lr * self.gamma.powf((epoch / self.size) as f64)
    }
}

/// η₀ γ^(number of milestones ≤ e): falls at given epochs. PyTorch's MultiStepLR.
#[derive(Clone, Debug)]
pub struct MultiStep {
    lr: f64,
    milestones: Vec<usize>,
    gamma: f64,
}

impl MultiStep {
    /// From `lr`, times `gamma` at each of the milestones, in any order; one that is given twice counts twice.
    ///
    /// # Errors
    /// A number that is negative or not finite.
    pub fn new(lr: f64, milestones: impl IntoIterator<Item = usize>, gamma: f64) -> Result<MultiStep> {
        rate(lr)?;
        factor(gamma)?;
        Ok(MultiStep { lr, milestones: milestones.into_iter().collect(), gamma })
    }
}

impl Schedule for MultiStep {
    fn lr(&self, epoch: usize) -> f64 {
        let passed = self.milestones.iter().filter(|&&m| m <= epoch).count();
        self.lr * self.gamma.powf(passed as f64)
    }
}

/// η₀ γ^e. PyTorch's ExponentialLR.
#[derive(Clone, Debug)]
pub struct Exponential {
    lr: f64,
    gamma: f64,
}

impl Exponential {
    /// From `lr`, times `gamma` in every epoch.
    ///
    /// # Errors
    /// A number that is negative or not finite.
    pub fn new(lr: f64, gamma: f64) -> Result<Exponential> {
        rate(lr)?;
        factor(gamma)?;
        Ok(Exponential { lr, gamma })
    }
}

impl Schedule for Exponential {
    fn lr(&self, epoch: usize) -> f64 {
        self.lr * self.gamma.powf(epoch as f64)
    }
}

/// η₁ + ½ (η₀ − η₁)(1 + cos(π e / T)) (Loshchilov and Hutter 2017), which rises again after T epochs. PyTorch's CosineAnnealingLR.
#[derive(Clone, Debug)]
pub struct Cosine {
    lr: f64,
    epochs: usize,
    least: f64,
}

impl Cosine {
    /// From `lr` down to `least` (η₁) in `epochs` (T).
    ///
    /// # Errors
    /// A number that is negative or not finite, or 0 epochs.
    pub fn new(lr: f64, epochs: usize, least: f64) -> Result<Cosine> {
        rate(lr)?;
        rate(least)?;
        count("epochs of the cosine", epochs)?;
        Ok(Cosine { lr, epochs, least })
    }
}

impl Schedule for Cosine {
    fn lr(&self, epoch: usize) -> f64 {
        cosine(self.lr, self.least, epoch as f64 / self.epochs as f64)
    }
}

/// From `start` at 0 to `end` at 1 along half a cosine.
fn cosine(start: f64, end: f64, at: f64) -> f64 {
    end + 0.5 * (start - end) * (1.0 + (PI * at).cos())
}

/// Rises in a straight line to the start of another schedule, which then goes on from its own epoch 0.
///
/// PyTorch's LinearLR before what follows; over a [`Constant`] it is LinearLR itself, and a constant rate with warm-up.
#[derive(Clone, Debug)]
pub struct Warmup<S> {
    epochs: usize,
    start_factor: f64,
    then: S,
}

impl<S: Schedule> Warmup<S> {
    /// From `start_factor` times the first learning rate of `then` up to it, in `epochs`; then `then`.
    ///
    /// # Errors
    /// A factor that is negative or not finite.
    pub fn new(epochs: usize, start_factor: f64, then: S) -> Result<Warmup<S>> {
        factor(start_factor)?;
        Ok(Warmup { epochs, start_factor, then })
    }
}

impl<S: Schedule> Schedule for Warmup<S> {
    fn lr(&self, epoch: usize) -> f64 {
        if epoch >= self.epochs {
            return self.then.lr(epoch - self.epochs);
        }
        let done = epoch as f64 / self.epochs as f64;
        self.then.lr(0) * (self.start_factor + (1.0 - self.start_factor) * done)
    }
}

/// Up to the highest rate and down far below the first, once (Smith and Topin 2018). PyTorch's OneCycleLR with two phases; it counts
/// *steps*, one per batch.
///
/// From η/25 to η along half a cosine until step 0.3 n − 1, then to η/25/10⁴ until step n − 1, where it stays.
#[derive(Clone, Debug)]
pub struct OneCycle {
    lr: f64,
    steps: usize,
    rise: f64,
    div: f64,
    final_div: f64,
    linear: bool,
}

impl OneCycle {
    /// A cycle of `steps` (n) whose highest rate is `lr` (η).
    ///
    /// # Errors
    /// A learning rate that is negative or not finite, or fewer than 4 steps.
    pub fn new(lr: f64, steps: usize) -> Result<OneCycle> {
        rate(lr)?;
        let cycle = OneCycle { lr, steps, rise: 0.3, div: 25.0, final_div: 1e4, linear: false };
        // Checks the number of steps.
        cycle.rises(0.3)
    }

    /// The share of the steps in which it rises, 0.3 unless changed.
    ///
    /// # Errors
    /// A share that leaves no step to rise or none to fall in.
    pub fn rises(mut self, share: f64) -> Result<OneCycle> {
        let n = self.steps as f64;
        if !(share * n > 1.0 && share * n < n) {
            return Err(config(
                "rising share of a cycle",
                format!("{share} of {} steps leaves none to rise or to fall in", self.steps),
            ));
        }
        self.rise = share;
        Ok(self)
    }

    /// It starts at η / `start` and ends at η / `start` / `end`.
    ///
    /// # Errors
    /// A number that is not above 0 and finite.
    pub fn divides(mut self, start: f64, end: f64) -> Result<OneCycle> {
        for divisor in [start, end] {
            check("divisor", divisor, f64::MIN_POSITIVE, f64::INFINITY)?;
        }
        (self.div, self.final_div) = (start, end);
        Ok(self)
    }

    /// Rises and falls in straight lines.
    pub fn linear(mut self) -> OneCycle {
        self.linear = true;
        self
    }
}

impl Schedule for OneCycle {
    fn lr(&self, step: usize) -> f64 {
        let (first, last) = (self.lr / self.div, self.lr / self.div / self.final_div);
        let (top, end) = (self.rise * self.steps as f64 - 1.0, self.steps as f64 - 1.0);
        let at = (step as f64).min(end);
        let (from, to, done) = if at <= top { (first, self.lr, at / top) } else { (self.lr, last, (at - top) / (end - top)) };
        if self.linear { from + (to - from) * done } else { cosine(from, to, done) }
    }
}

/// Falls when a measure has stopped getting better. PyTorch's ReduceLROnPlateau: not a function of the epoch, so no [`Schedule`].
///
/// ```
/// use steepest::{Device, optim::{Optimizer, Sgd, schedule::Plateau}};
/// let w = Device::cpu().parameter(&[3.0], 1);
/// let mut opt = Sgd::new([w.clone()], 0.1);
/// let mut plateau = Plateau::new(0.5, 1)?;
/// for loss in [1.0, 0.9, 0.9, 0.9] {
///     plateau.step(loss, &mut opt);
/// }
/// assert_eq!(opt.lr(), 0.05);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Plateau {
    factor: f64,
    patience: usize,
    threshold: f64,
    absolute: bool,
    upwards: bool,
    cooldown: usize,
    least: f64,
    eps: f64,
    best: f64,
    bad: usize,
    cooling: usize,
}

impl Plateau {
    /// Multiplies by `factor` after more than `patience` epochs that were no better than the best by 0.01 %.
    ///
    /// # Errors
    /// A factor that is not in 0..1.
    pub fn new(factor: f64, patience: usize) -> Result<Plateau> {
        check("factor", factor, 0.0, 1.0)?;
        Ok(Plateau {
            factor,
            patience,
            threshold: 1e-4,
            absolute: false,
            upwards: false,
            cooldown: 0,
            least: 0.0,
            eps: 1e-8,
            best: f64::INFINITY,
            bad: 0,
            cooling: 0,
        })
    }

    /// Better is larger, for an accuracy.
    pub fn upwards(mut self) -> Plateau {
        self.upwards = true;
        self.best = f64::NEG_INFINITY;
        self
    }

    /// By what share of the best a measure must be better, 1e-4 unless changed.
    ///
    /// # Errors
    /// A share that is negative or not finite.
    pub fn threshold(mut self, share: f64) -> Result<Plateau> {
        check("threshold", share, 0.0, f64::INFINITY)?;
        (self.threshold, self.absolute) = (share, false);
        Ok(self)
    }

    /// By how much a measure must be better, whatever the best is.
    ///
    /// # Errors
    /// An amount that is negative or not finite.
    pub fn absolute_threshold(mut self, amount: f64) -> Result<Plateau> {
        check("threshold", amount, 0.0, f64::INFINITY)?;
        (self.threshold, self.absolute) = (amount, true);
        Ok(self)
    }

    /// Epochs after a fall in which nothing counts as bad.
    pub fn cooldown(mut self, epochs: usize) -> Plateau {
        self.cooldown = epochs;
        self
    }

    /// The learning rate it never falls below.
    ///
    /// # Errors
    /// A learning rate that is negative or not finite.
    pub fn least(mut self, lr: f64) -> Result<Plateau> {
        rate(lr)?;
        self.least = lr;
        Ok(self)
    }

    /// The least change of the learning rate that is made, 1e-8 unless changed.
    ///
    /// # Errors
    /// A change that is negative or not finite.
    pub fn least_change(mut self, change: f64) -> Result<Plateau> {
        check("least change", change, 0.0, f64::INFINITY)?;
        self.eps = change;
        Ok(self)
    }

    /// What changes from epoch to epoch: the best measure, bad epochs since, epochs left to cool down. With the optimizer's learning rate it is all
    /// that is needed to go on.
    pub fn state(&self) -> (f64, usize, usize) {
        (self.best, self.bad, self.cooling)
    }

    /// Goes on from a state taken with [`Plateau::state`].
    pub fn restore(&mut self, (best, bad, cooling): (f64, usize, usize)) {
        (self.best, self.bad, self.cooling) = (best, bad, cooling);
    }

    /// Takes the measure of an epoch that is over, and sets the learning rate of the next. NaN is never better.
    pub fn step(&mut self, measure: f64, optimizer: &mut dyn Optimizer) {
        let lr = optimizer.lr();
        let next = self.next(measure, lr);
        if next != lr {
            optimizer.set_lr(next);
        }
    }

    /// The learning rate after `lr`.
    fn next(&mut self, measure: f64, lr: f64) -> f64 {
        if self.is_better(measure) {
            self.best = measure;
            self.bad = 0;
        } else {
            self.bad = self.bad.saturating_add(1);
        }
        if self.cooling > 0 {
            self.cooling -= 1;
            self.bad = 0;
        }
        if self.bad <= self.patience {
            return lr;
        }
        self.cooling = self.cooldown;
        self.bad = 0;
        let less = (lr * self.factor).max(self.least);
        if lr - less > self.eps { less } else { lr }
    }

    fn is_better(&self, measure: f64) -> bool {
        let by = if self.upwards { self.threshold } else { -self.threshold };
        let best = if self.absolute { self.best + by } else { self.best * (1.0 + by) };
        if self.upwards { measure > best } else { measure < best }
    }
}
