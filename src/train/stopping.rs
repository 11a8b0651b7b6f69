//! Early stopping: a run ends when a measure has stopped getting better, and the best weights are kept.

use crate::error::{Error, Result};

/// When to end a run, and what counts as better.
///
/// ```
/// use steepest::train::EarlyStopping;
/// // After 5 epochs in a row without a better accuracy, better by more than 0.001.
/// let stopping = EarlyStopping::new(5).monitor("accuracy").min_delta(1e-3);
/// # let _ = stopping;
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct EarlyStopping {
    pub(super) patience: usize,
    pub(super) monitor: Option<String>,
    pub(super) min_delta: f64,
}

impl EarlyStopping {
    /// Ends after `patience` epochs in a row that were no better than the best one, by the validation loss (the training loss
    /// where there is no validation set).
    pub fn new(patience: usize) -> EarlyStopping {
        EarlyStopping { patience, monitor: None, min_delta: 0.0 }
    }

    /// Never ends a run, but keeps its best weights.
    pub fn never() -> EarlyStopping {
        EarlyStopping::new(usize::MAX)
    }

    /// Looks at another figure: `loss`, `val_loss` or a metric by its name. Whether more is better is the metric's to say.
    pub fn monitor(mut self, name: impl Into<String>) -> EarlyStopping {
        self.monitor = Some(name.into());
        self
    }

    /// Better is better by more than this.
    pub fn min_delta(mut self, delta: f64) -> EarlyStopping {
        self.min_delta = delta;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.patience == 0 || !(self.min_delta >= 0.0 && self.min_delta.is_finite()) {
            let message =
                format!("patience {} and least difference {}, expected 1 or more and 0 or more", self.patience, self.min_delta);
            return Err(Error::Config { what: "early stopping", message });
        }
        Ok(())
    }

    /// NaN is never better.
    pub(super) fn is_better(&self, value: f64, best: Option<f64>, upwards: bool) -> bool {
        match best {
            None => !value.is_nan(),
            Some(best) if upwards => value > best + self.min_delta,
            Some(best) => value < best - self.min_delta,
        }
    }
}
