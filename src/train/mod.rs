//! Training: the loop, what it measures, how it went.
//!
//! [`Trainer`] is the loop with everything around it. Without it, it is ten lines:
//!
//! ```
//! use steepest::{Device, data, nn::{self, Module}, optim::{Adam, Optimizer}, train::metrics::{Metric, Predictions, Score}};
//! # let device = Device::cpu();
//! # let (train, test) = data::digits()?.stratified_split(0.2, 1)?;
//! let loader = data::DataLoader::new(&train, 64).shuffle(1).on_device(&device)?;
//! let held_out = data::DataLoader::new(&test, 360).on_device(&device)?;
//! let model = nn::mlp(&device, &[64, 32, 10], 1);
//! let mut opt = Adam::new(model.parameters(), 3e-3);
//! for epoch in 0..3 {
//!     model.train();
//!     for batch in loader.epoch() {
//!         let loss = model.forward(&batch.x).cross_entropy(&batch.y); // records
//!         opt.step(loss.backward())?; // runs
//!     }
//!     println!("epoch {epoch}: accuracy {}", Score::Accuracy.of(&Predictions::of(&model, &held_out)?)?);
//! }
//! # Ok::<(), steepest::Error>(())
//! ```

mod bar;
mod history;
mod interrupt;
pub mod metrics;
#[cfg(feature = "save")]
mod resume;
mod settings;
mod stopping;
mod trainer;

pub use history::{History, Record};
pub use interrupt::Interrupt;
#[cfg(feature = "save")]
pub use resume::Every;
pub use settings::Trainer;
pub use stopping::EarlyStopping;

use crate::Tensor;
use crate::error::Result;
use crate::nn::Module;

/// Whether a run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It goes on.
    Go,
    /// It ends here, in the middle of an epoch too.
    Stop,
}

impl Flow {
    fn or(self, other: Flow) -> Flow {
        if self == Flow::Stop { self } else { other }
    }
}

/// A step that was made.
#[derive(Debug)]
pub struct StepInfo<'s> {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// The batch in its epoch, counted from 0.
    pub batch: usize,
    /// The step over all epochs, counted from 1.
    pub step: u64,
    /// Its learning rate.
    pub lr: f64,
    /// Its loss, without penalties. Reading it waits for the device.
    pub loss: &'s Tensor,
}

/// What is told of steps and epochs, and may end the run.
pub trait Callback {
    /// After every step.
    ///
    /// # Errors
    /// Whatever is to end the run with an error.
    fn on_step(&mut self, step: &StepInfo<'_>) -> Result<Flow> {
        let _ = step;
        Ok(Flow::Go)
    }

    /// After every epoch: all epochs so far, and the model, in evaluation mode if there is a validation set.
    ///
    /// # Errors
    /// Whatever is to end the run with an error.
    fn on_epoch(&mut self, history: &History, model: &dyn Module) -> Result<Flow> {
        let _ = (history, model);
        Ok(Flow::Go)
    }
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All epochs are over.
    Finished,
    /// What early stopping looks at has stopped getting better.
    EarlyStopping,
    /// A callback said so.
    Callback,
    /// Ctrl-C, or an [`Interrupt`].
    Interrupted,
}

/// How a run went.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// A record per epoch.
    pub history: History,
    /// Why it ended.
    pub end: End,
    /// With early stopping: the best value of what it looks at, and its epoch, counted from 1.
    pub best: Option<(f64, usize)>,
    /// Steps over all epochs.
    pub steps: u64,
}
