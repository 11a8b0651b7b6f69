//! A run's checkpoints: when they are written, and how a run goes on from one.

use super::bar::Bar;
use super::settings::{Settings, Trainer};
use super::trainer::Run;
use super::{FailedCheckpoint, History};
use crate::data::DataLoader;
use crate::error::{Error, Result};
use crate::save::{Checkpoint, Checkpoints};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

/// When a checkpoint is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// After every so many epochs.
    Epochs(usize),
    /// After every so many steps, in the middle of epochs too.
    Steps(u64),
}

/// Where checkpoints go, how often, and whether the run goes on from the newest.
pub(super) struct Saving {
    checkpoints: Checkpoints,
    every: Every,
    resume: bool,
    preprocessing: Option<String>,
}

fn wrong(message: String) -> Error {
    Error::Config { what: "checkpoints", message }
}

impl Trainer<'_> {
    /// Writes checkpoints into a folder, and one more whenever the run ends early. The newest three are kept.
    ///
    /// A folder with checkpoints of another run is refused, unless [`Trainer::resume`] says that this one goes on from there; so is one that cannot be
    /// written. A checkpoint that fails later (a full disk) does not end the training: it is told of in [`Report::failed_checkpoints`](super::Report::failed_checkpoints), as a
    /// warning, and on the terminal, and those before it stay.
    pub fn checkpoints(mut self, folder: impl Into<PathBuf>, every: Every) -> Self {
        let checkpoints = Checkpoints::new(folder);
        self.settings.saving = Some(Saving { checkpoints, every, resume: false, preprocessing: None });
        self
    }

    /// Keeps the newest `count` checkpoints.
    pub fn keep(mut self, count: usize) -> Self {
        if let Some(saving) = &mut self.settings.saving {
            saving.checkpoints = saving.checkpoints.clone().keep(count);
        }
        self
    }

    /// Goes on from the newest valid checkpoint of the folder, if there is one: with the same model, optimizer, loaders and settings, on the same
    /// device, weights and losses are to the bit those of a run that never stopped.
    pub fn resume(mut self) -> Self {
        if let Some(saving) = &mut self.settings.saving {
            saving.resume = true;
        }
        self
    }

    /// Puts the preprocessing of the rows into the checkpoints.
    pub fn preprocessing(mut self, text: impl Into<String>) -> Self {
        if let Some(saving) = &mut self.settings.saving {
            saving.preprocessing = Some(text.into());
        }
        self
    }

    /// A new run, or the one that the newest checkpoint holds.
    pub(super) fn begin(&mut self, train: &DataLoader) -> Result<Run> {
        let Some(saving) = &self.settings.saving else { return Ok(Run::new(self.average())) };
        if matches!(saving.every, Every::Epochs(0) | Every::Steps(0)) {
            return Err(wrong("one is to be written after every 0, expected 1 or more".to_owned()));
        }
        if !saving.resume {
            return match saving.checkpoints.files()?.first() {
                Some((_, path)) => {
                    Err(wrong(format!("{} is there already: resume that run, or choose another folder", path.display())))
                }
                None => saving.checkpoints.check().map(|()| Run::new(self.average())),
            };
        }
        let Some((path, checkpoint)) = saving.checkpoints.newest()? else {
            return saving.checkpoints.check().map(|()| Run::new(self.average()));
        };
        tracing::info!("going on from {}", path.display());
        let run = self.restore(checkpoint, train).map_err(|error| match error {
            Error::Config { what, message } => Error::Config { what, message: format!("{}: {message}", path.display()) },
            other => other,
        })?;
        if let Some(saving) = self.settings.saving.as_ref().filter(|_| run.epoch < self.settings.epochs) {
            saving.checkpoints.check()?;
        }
        Ok(run)
    }

    fn restore(&mut self, checkpoint: Checkpoint, train: &DataLoader) -> Result<Run> {
        let kept = Kept(&checkpoint.progress);
        let batches: usize = kept.get("batches")?;
        if batches != train.len() {
            return Err(wrong(format!("an epoch had {batches} batches, the loader makes {}", train.len())));
        }
        let mut run = Run::new(None);
        (run.epoch, run.batch, run.step) = (kept.get("epoch")?, kept.get("batch")?, kept.get("step")?);
        (run.sum, run.rows, run.bad) = (kept.get("sum")?, kept.get("rows")?, kept.get("bad")?);
        for (name, count) in [("epoch", run.epoch as u64), ("step", run.step), ("rows", run.rows)] {
            // Far beyond what any run reaches, and a run goes on counting.
            if count > u64::MAX / 4 {
                return Err(wrong(format!("the run's `{name}` is {count}, which no run reaches")));
            }
        }
        if run.batch > batches {
            return Err(wrong(format!("the run's `batch` is {}, an epoch has {batches}", run.batch)));
        }
        if kept.has("best") {
            run.best = Some((kept.get("best")?, kept.get("best_epoch")?));
        }
        if let Some(plateau) = &mut self.settings.plateau {
            plateau.restore((kept.get("plateau_best")?, kept.get("plateau_bad")?, kept.get("plateau_cooling")?));
        }
        run.history = checkpoint.history.as_deref().map_or(Ok(History::default()), History::from_csv)?;
        checkpoint.restore(self.model, &mut self.optimizer)?;
        run.average = self.average();
        match (&mut run.average, &checkpoint.average) {
            (Some(average), Some(state)) => average.restore(state)?,
            (None, None) => {}
            (Some(_), None) => return Err(wrong("the run did not average its weights".to_owned())),
            (None, Some(_)) => return Err(wrong("the run averaged its weights".to_owned())),
        }
        run.best_state = checkpoint.best;
        run.checkpoint = Some(run.step);
        Ok(run)
    }

    /// Writes a checkpoint, if there is a place for them. One that cannot be written is no reason to lose the training.
    pub(super) async fn save(&mut self, run: &mut Run, train: &DataLoader, bar: &Bar) -> Result<()> {
        let Some(saving) = &self.settings.saving else { return Ok(()) };
        let mut checkpoint = Checkpoint::of_async(self.model, &self.optimizer).await?;
        let mut keep = |name: &str, value: &dyn Display| checkpoint.progress.insert(name.to_owned(), value.to_string());
        keep("epoch", &run.epoch);
        keep("batch", &run.batch);
        keep("step", &run.step);
        keep("batches", &train.len());
        // Numbers are written so that reading them gives the same bits.
        keep("sum", &run.sum);
        keep("rows", &run.rows);
        keep("bad", &run.bad);
        if let Some((best, epoch)) = &run.best {
            keep("best", best);
            keep("best_epoch", epoch);
        }
        if let Some((best, bad, cooling)) = self.settings.plateau.as_ref().map(|plateau| plateau.state()) {
            keep("plateau_best", &best);
            keep("plateau_bad", &bad);
            keep("plateau_cooling", &cooling);
        }
        checkpoint.best.clone_from(&run.best_state);
        if let Some(average) = &run.average {
            checkpoint.average = Some(average.state_async().await?);
        }
        checkpoint.history = (!run.history.records.is_empty()).then(|| run.history.to_csv());
        checkpoint.preprocessing.clone_from(&saving.preprocessing);
        match saving.checkpoints.write(run.step, &checkpoint) {
            Ok(_) => run.checkpoint = Some(run.step),
            Err(Error::File { path, message }) => failed(run, bar, path, message),
            Err(Error::NoRoom(error)) => failed(run, bar, saving.checkpoints.folder().to_owned(), error.to_string()),
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Says that a checkpoint could not be written, and keeps it for the report.
fn failed(run: &mut Run, bar: &Bar, path: PathBuf, message: String) {
    let text = format!("step {}: no checkpoint: {}: {message}; training goes on", run.step, path.display());
    tracing::warn!("{text}");
    bar.say(&text);
    match run.failed.last_mut().filter(|last| last.message == message && run.checkpoint.is_none_or(|step| step < last.first)) {
        Some(same) => (same.last, same.count, same.path) = (run.step, same.count + 1, path),
        None => run.failed.push(FailedCheckpoint { first: run.step, last: run.step, count: 1, path, message }),
    }
}

impl Settings<'_> {
    pub(super) fn saves_epoch(&self, epoch: usize) -> bool {
        self.saving.as_ref().is_some_and(|saving| matches!(saving.every, Every::Epochs(n) if epoch.is_multiple_of(n)))
    }

    pub(super) fn saves_step(&self, step: u64) -> bool {
        self.saving.as_ref().is_some_and(|saving| matches!(saving.every, Every::Steps(n) if step.is_multiple_of(n)))
    }
}

/// What the loop kept in mind.
struct Kept<'c>(&'c BTreeMap<String, String>);

impl Kept<'_> {
    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn get<T: FromStr>(&self, name: &str) -> Result<T> {
        let text = self.0.get(name).ok_or_else(|| wrong(format!("the run's `{name}` is missing")))?;
        text.parse().map_err(|_| wrong(format!("the run's `{name}` is {text:?}")))
    }
}
