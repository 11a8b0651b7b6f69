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
#[cfg(all(test, feature = "save"))]
mod resume_tests;
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
use crate::error::{Error, Result};
use crate::nn::Module;
use std::path::PathBuf;

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
    /// The step after which the newest checkpoint was written, or read where the run went on from one.
    pub checkpoint: Option<u64>,
    /// Checkpoints that could not be written. Training went on without them: [`Report::checkpointed`] tells if the newest is among them.
    pub failed_checkpoints: Vec<FailedCheckpoint>,
}

impl Report {
    /// Whether the newest checkpoint that was due has been written, or none was. A run that ends early can be taken up from there only then; ask
    /// once the model is safe.
    ///
    /// # Errors
    /// [`Error::File`]: it could not be written, and which one there is in its place.
    pub fn checkpointed(&self) -> Result<()> {
        let newest = self.failed_checkpoints.last().filter(|failed| self.checkpoint.is_none_or(|step| step < failed.last));
        let Some(failed) = newest else { return Ok(()) };
        let there = match self.checkpoint {
            Some(step) => format!("the newest checkpoint is that of step {step}"),
            None => "there is no checkpoint".to_owned(),
        };
        Err(Error::file(&failed.path, format!("{}; {there}", failed.message)))
    }
}

/// A checkpoint that could not be written, or several one after the other for the same reason.
#[derive(Clone, Debug, PartialEq)]
pub struct FailedCheckpoint {
    /// The step of the first of them.
    pub first: u64,
    /// The step of the last of them.
    pub last: u64,
    /// How many they are.
    pub count: u64,
    /// The file that was to be written, or the folder that could not be made, of the last.
    pub path: PathBuf,
    /// Why.
    pub message: String,
}
