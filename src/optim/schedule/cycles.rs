//! Learning rates that rise and fall again and again: warm restarts, cycles.

use super::{Schedule, config, cosine, count, rate};
use crate::error::Result;
use crate::optim::check;

/// η₁ + ½ (η₀ − η₁)(1 + cos(π c / T)), c epochs after the last restart, T epochs from there to the next one (Loshchilov and Hutter 2017).
/// PyTorch's CosineAnnealingWarmRestarts.
///
/// ```
/// use steepest::optim::schedule::{CosineRestarts, Schedule};
/// let schedule = CosineRestarts::new(0.1, 10, 2, 0.0)?; // restarts at 10, 30, 70, …
/// assert_eq!((schedule.lr(0), schedule.lr(10), schedule.lr(30)), (0.1, 0.1, 0.1));
/// assert!((schedule.lr(20) - 0.05).abs() < 1e-12);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CosineRestarts {
    lr: f64,
    first: usize,
    times: usize,
    least: f64,
}

impl CosineRestarts {
    /// From `lr` (η₀) down to `least` (η₁) in `first` epochs (T₀), then again, each time in `times` as many as before.
    ///
    /// # Errors
    /// A number that is negative or not finite, 0 epochs, or 0 times.
    pub fn new(lr: f64, first: usize, times: usize, least: f64) -> Result<CosineRestarts> {
        rate(lr)?;
        rate(least)?;
        count("epochs before the first restart", first)?;
        count("factor of the epochs between restarts", times)?;
        Ok(CosineRestarts { lr, first, times, least })
    }
}

impl Schedule for CosineRestarts {
    fn lr(&self, epoch: usize) -> f64 {
        let (mut since, mut length) = (epoch, self.first);
        if self.times == 1 {
            since %= length;
        }
        // Lengths at least double, so there are few.
        while since >= length {
            since -= length;
            length = length.saturating_mul(self.times);
        }
        cosine(self.lr, self.least, since as f64 / length as f64)
    }
}

/// What becomes of the height of a [`Cyclic`] schedule.
#[derive(Clone, Copy, Debug)]
enum Height {
    Constant,
    Halving,
    Falling(f64),
}

/// In straight lines from a lower rate to an upper one and back, again and again (Smith 2017). PyTorch's CyclicLR; it counts *steps*, one per
/// batch.
///
/// ```
/// use steepest::optim::schedule::{Cyclic, Schedule};
/// let schedule = Cyclic::new(0.1, 0.5, 4)?.down(2)?.halving();
/// assert_eq!((schedule.lr(0), schedule.lr(4), schedule.lr(6)), (0.1, 0.5, 0.1));
/// assert!((schedule.lr(10) - 0.3).abs() < 1e-12);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Cyclic {
    low: f64,
    high: f64,
    up: usize,
    down: usize,
    height: Height,
}

impl Cyclic {
    /// From `low` to `high` in `steps`, and back in as many.
    ///
    /// # Errors
    /// A rate that is negative or not finite, or 0 steps.
    pub fn new(low: f64, high: f64, steps: usize) -> Result<Cyclic> {
        rate(low)?;
        rate(high)?;
        count("steps of a rise", steps)?;
        Ok(Cyclic { low, high, up: steps, down: steps, height: Height::Constant })
    }

    /// Steps of the way back.
    ///
    /// # Errors
    /// 0 steps.
    pub fn down(mut self, steps: usize) -> Result<Cyclic> {
        count("steps of a fall", steps)?;
        self.down = steps;
        Ok(self)
    }

    /// Each cycle is half as high as the one before. PyTorch's `triangular2`.
    pub fn halving(mut self) -> Cyclic {
        self.height = Height::Halving;
        self
    }

    /// In step k the height is `gamma`^k times what it was. PyTorch's `exp_range`.
    ///
    /// # Errors
    /// A number that is negative or not finite, or above 1.
    pub fn falling(mut self, gamma: f64) -> Result<Cyclic> {
        if !(0.0..=1.0).contains(&gamma) {
            return Err(config("gamma of a cycle", format!("{gamma} is not in 0..=1")));
        }
        self.height = Height::Falling(gamma);
        Ok(self)
    }
}

impl Schedule for Cyclic {
    fn lr(&self, step: usize) -> f64 {
        let length = self.up.saturating_add(self.down);
        let (cycle, at) = (step / length, step % length);
        let share = if at <= self.up { at as f64 / self.up as f64 } else { (length - at) as f64 / self.down as f64 };
        let height = match self.height {
            Height::Constant => 1.0,
            Height::Halving => 0.5f64.powf(cycle as f64),
            Height::Falling(gamma) => gamma.powf(step as f64),
        };
        self.low + (self.high - self.low) * share * height
    }
}

/// η₀ (1 − e/T)^power, and 0 from epoch T on. PyTorch's PolynomialLR.
#[derive(Clone, Debug)]
pub struct Polynomial {
    lr: f64,
    epochs: usize,
    power: f64,
}

impl Polynomial {
    /// From `lr` to 0 in `epochs` (T); in a straight line with a `power` of 1.
    ///
    /// # Errors
    /// A number that is negative or not finite, or 0 epochs.
    pub fn new(lr: f64, epochs: usize, power: f64) -> Result<Polynomial> {
        rate(lr)?;
        count("epochs of the polynomial", epochs)?;
        check("power", power, 0.0, f64::INFINITY)?;
        Ok(Polynomial { lr, epochs, power })
    }
}

impl Schedule for Polynomial {
    fn lr(&self, epoch: usize) -> f64 {
        if epoch >= self.epochs {
            // 0⁰ is no rate of 1.
            return if self.power == 0.0 { self.lr } else { 0.0 };
        }
        self.lr * (1.0 - epoch as f64 / self.epochs as f64).powf(self.power)
    }
}
