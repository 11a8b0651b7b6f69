//! Learning rates made of others or of a function: lines, parts in turn, products.

use super::{Schedule, config, count, factor, rate};
use crate::error::Result;
use crate::optim::check;
use std::fmt;

/// From one multiple of a rate to another in a straight line, where it stays. PyTorch's LinearLR.
///
/// ```
/// use steepest::optim::schedule::{Linear, Schedule};
/// let schedule = Linear::new(0.1, 1.0, 0.0, 4)?;
/// assert_eq!([0, 1, 2, 3, 4, 5].map(|epoch| schedule.lr(epoch)), [0.1, 0.07500000000000001, 0.05, 0.025, 0.0, 0.0]);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Linear {
    lr: f64,
    start: f64,
    end: f64,
    epochs: usize,
}

impl Linear {
    /// From `lr` times `start` to `lr` times `end` in `epochs`.
    ///
    /// # Errors
    /// A number that is negative or not finite, or 0 epochs.
    pub fn new(lr: f64, start: f64, end: f64, epochs: usize) -> Result<Linear> {
        rate(lr)?;
        factor(start)?;
        factor(end)?;
        count("epochs of the line", epochs)?;
        Ok(Linear { lr, start, end, epochs })
    }
}

impl Schedule for Linear {
    fn lr(&self, epoch: usize) -> f64 {
        let done = epoch.min(self.epochs) as f64 / self.epochs as f64;
        self.lr * (self.start + (self.end - self.start) * done)
    }
}

/// A part of a rate for the first epochs, then all of it. PyTorch's ConstantLR.
#[derive(Clone, Debug)]
pub struct ConstantFactor {
    lr: f64,
    factor: f64,
    epochs: usize,
}

impl ConstantFactor {
    /// `lr` times `share` for `epochs`, then `lr`.
    ///
    /// # Errors
    /// A number that is negative or not finite.
    pub fn new(lr: f64, share: f64, epochs: usize) -> Result<ConstantFactor> {
        rate(lr)?;
        factor(share)?;
        Ok(ConstantFactor { lr, factor: share, epochs })
    }
}

impl Schedule for ConstantFactor {
    fn lr(&self, epoch: usize) -> f64 {
        if epoch < self.epochs { self.lr * self.factor } else { self.lr }
    }
}

/// A rate times what a function says of each epoch. PyTorch's LambdaLR.
///
/// ```
/// use steepest::optim::schedule::{Lambda, Schedule};
/// // That of the transformer's authors: up for 4,000 steps, then down with the root of their number.
/// let schedule = Lambda::new(2.0, |step| 512f64.powf(-0.5) * ((step + 1) as f64).powf(-0.5).min((step + 1) as f64 * 4000f64.powf(-1.5)))?;
/// assert!(schedule.lr(3999) > schedule.lr(100) && schedule.lr(3999) > schedule.lr(20_000));
/// # Ok::<(), steepest::Error>(())
/// ```
pub struct Lambda<F> {
    lr: f64,
    of: F,
}

impl<F: Fn(usize) -> f64 + Send + Sync> Lambda<F> {
    /// `lr` times `of(epoch)`. A factor that makes no rate is the error of the optimizer's next step. What the function takes from elsewhere is not
    /// saved with a run: it should depend on the epoch alone.
    ///
    /// # Errors
    /// A learning rate that is negative or not finite.
    pub fn new(lr: f64, of: F) -> Result<Lambda<F>> {
        rate(lr)?;
        Ok(Lambda { lr, of })
    }
}

impl<F> fmt::Debug for Lambda<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lambda").field("lr", &self.lr).finish_non_exhaustive()
    }
}

impl<F: Fn(usize) -> f64 + Send + Sync> Schedule for Lambda<F> {
    fn lr(&self, epoch: usize) -> f64 {
        self.lr * (self.of)(epoch)
    }
}

/// Several schedules in turn, each of which counts from its own epoch 0. PyTorch's SequentialLR; its milestones are the sums of the lengths here.
///
/// ```
/// use steepest::optim::schedule::{Constant, Cosine, Linear, Schedule, Sequence};
/// let schedule = Sequence::new(Cosine::new(0.1, 20, 0.0)?) // the last one, which has no end
///     .before(Constant::new(0.1)?, 10)?
///     .before(Linear::new(0.1, 0.1, 1.0, 5)?, 5)?;
/// assert_eq!((schedule.lr(5), schedule.lr(14), schedule.lr(15)), (0.1, 0.1, 0.1));
/// assert!((schedule.lr(0) - 0.01).abs() < 1e-12 && (schedule.lr(25) - 0.05).abs() < 1e-12);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Debug)]
pub struct Sequence<'a> {
    /// The last one first.
    parts: Vec<(Box<dyn Schedule + 'a>, usize)>,
}

impl<'a> Sequence<'a> {
    /// One schedule.
    pub fn new(last: impl Schedule + 'a) -> Sequence<'a> {
        Sequence { parts: vec![(Box::new(last), usize::MAX)] }
    }

    /// Has another schedule stand before those that are there, for so many epochs.
    ///
    /// # Errors
    /// 0 epochs.
    pub fn before(mut self, schedule: impl Schedule + 'a, epochs: usize) -> Result<Sequence<'a>> {
        count("epochs of a part", epochs)?;
        self.parts.push((Box::new(schedule), epochs));
        Ok(self)
    }
}

impl Schedule for Sequence<'_> {
    fn lr(&self, epoch: usize) -> f64 {
        let mut epoch = epoch;
        for (schedule, epochs) in self.parts.iter().rev() {
            if epoch < *epochs {
                return schedule.lr(epoch);
            }
            epoch -= epochs;
        }
        0.0
    }
}

/// Several schedules at once: η₀ times the share that each of them has of it. PyTorch's ChainedScheduler.
///
/// ```
/// use steepest::optim::schedule::{Exponential, Linear, Product, Schedule};
/// let schedule = Product::new(0.1, [Box::new(Linear::new(0.1, 0.5, 1.0, 4)?) as Box<dyn Schedule>, Box::new(Exponential::new(0.1, 0.9)?)])?;
/// assert!((schedule.lr(2) - 0.1 * 0.75 * 0.81).abs() < 1e-12);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Debug)]
pub struct Product<'a> {
    lr: f64,
    factors: Vec<Box<dyn Schedule + 'a>>,
}

impl<'a> Product<'a> {
    /// Schedules that were made for the learning rate `lr` (η₀).
    ///
    /// # Errors
    /// A learning rate that is not above 0 and finite, or no schedules.
    pub fn new(lr: f64, factors: impl IntoIterator<Item = Box<dyn Schedule + 'a>>) -> Result<Product<'a>> {
        check("learning rate", lr, f64::MIN_POSITIVE, f64::INFINITY)?;
        let factors: Vec<Box<dyn Schedule + 'a>> = factors.into_iter().collect();
        if factors.is_empty() {
            return Err(config("schedules", "there are none to multiply".to_owned()));
        }
        Ok(Product { lr, factors })
    }
}

impl Schedule for Product<'_> {
    fn lr(&self, epoch: usize) -> f64 {
        self.lr * self.factors.iter().map(|schedule| schedule.lr(epoch) / self.lr).product::<f64>()
    }
}
