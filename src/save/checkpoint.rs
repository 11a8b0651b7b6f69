//! Checkpoints: all that a training run needs to go on as if it had never stopped.

use super::TensorFile;
use crate::error::{Error, Malformed, Result};
use crate::nn::{Array, Module, StateDict, Values, device_of};
use crate::optim::{self, Optimizer};
use crate::platform::waited;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

/// The entry of the metadata that makes a file a checkpoint.
pub(super) const STATE: &str = "steepest.checkpoint";
const START: &str = "step-";
const END: &str = ".safetensors";

/// A training run at one moment: model, optimizer, which random numbers come next, and what the loop itself keeps in mind (epoch, batch,
/// schedules), as text by name.
///
/// ```
/// use steepest::{Device, nn::{self, Module}, optim::Adam, save::Checkpoint};
/// let device = Device::cpu();
/// let model = nn::mlp(&device, &[2, 3, 1], 1);
/// let mut opt = Adam::new(model.parameters(), 1e-3);
/// let mut checkpoint = Checkpoint::of(&model, &opt)?;
/// checkpoint.progress.insert("epoch".to_owned(), "3".to_owned());
/// checkpoint.restore(&model, &mut opt)?;
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    /// The model's parameters and buffers.
    pub model: StateDict,
    /// The best ones so far.
    pub best: Option<StateDict>,
    /// What the optimizer carries.
    pub optimizer: optim::State,
    /// Averages of the weights, where they are taken: see [`optim::Average::state`].
    pub average: Option<optim::State>,
    /// Which random numbers come next, by the name of the layer that draws them.
    pub counters: BTreeMap<String, u64>,
    /// What the loop keeps in mind.
    pub progress: BTreeMap<String, String>,
    /// What must be done to rows before the model sees them.
    pub preprocessing: Option<String>,
    /// How the training went so far, as CSV.
    pub history: Option<String>,
}

impl Checkpoint {
    /// Reads a model and an optimizer.
    ///
    /// # Errors
    /// As [`Tensor::to_vec`](crate::Tensor::to_vec).
    pub fn of(model: &dyn Module, optimizer: &dyn Optimizer) -> Result<Checkpoint> {
        waited(&device_of(model), Checkpoint::of_async(model, optimizer))
    }

    /// [`Checkpoint::of`] without blocking.
    ///
    /// # Errors
    /// As [`Checkpoint::of`].
    pub async fn of_async(model: &dyn Module, optimizer: &dyn Optimizer) -> Result<Checkpoint> {
        let mut counters = BTreeMap::new();
        model.visit_counters(&mut |name, counter| {
            counters.insert(name.to_owned(), counter.load(Ordering::Relaxed));
        });
        let (model, optimizer) = (StateDict::of_async(model).await?, optim::State::of_async(optimizer).await?);
        Ok(Checkpoint { model, optimizer, counters, ..Checkpoint::default() })
    }

    /// Puts everything back into a model and an optimizer made as the first ones were. What does not fit is found before the model is changed.
    ///
    /// # Errors
    /// [`Error::State`]: another model. [`Error::Config`]: another optimizer, or other layers that draw random numbers.
    pub fn restore(&self, model: &dyn Module, optimizer: &mut dyn Optimizer) -> Result<()> {
        let mut names = vec![];
        model.visit_counters(&mut |name, _| names.push(name.to_owned()));
        names.sort();
        if !names.iter().eq(self.counters.keys()) {
            let message = format!("{names:?} draw random numbers in the model, {:?} in the checkpoint", self.counters.keys());
            return Err(Error::Config { what: "checkpoint", message });
        }
        let report = self.model.compare(model);
        if !report.is_complete() {
            return Err(Error::State { report: report.to_string() });
        }
        optimizer.restore(&self.optimizer)?;
        self.model.load(model)?;
        model.visit_counters(&mut |name, counter| {
            if let Some(&count) = self.counters.get(name) {
                counter.store(count, Ordering::Relaxed);
            }
        });
        Ok(())
    }

    /// The file that holds it.
    fn to_file(&self) -> TensorFile {
        let mut tensors = StateDict::default();
        let best = self.best.iter().flat_map(|best| best.iter().map(|(name, array)| ("best", name, array)));
        for (room, name, array) in self.model.iter().map(|(name, array)| ("model", name, array)).chain(best) {
            tensors.insert(format!("{room}.{name}"), array.clone());
        }
        let mut text = BTreeMap::from([(STATE.to_owned(), "1".to_owned()), ("format".to_owned(), "steepest".to_owned())]);
        let average = self.average.iter().map(|state| ("average", state));
        for (room, state) in [("optimizer", &self.optimizer)].into_iter().chain(average) {
            for (name, of_all) in &state.tensors {
                text.insert(format!("{room}.count.{name}"), of_all.len().to_string());
                for (i, values) in of_all.iter().enumerate() {
                    tensors.insert(format!("{room}.{name}.{i}"), Array::f32(values.clone(), &[values.len()]));
                }
            }
            text.insert(format!("{room}.kind"), state.kind.clone());
            text.insert(format!("{room}.lr"), format!("{:?}", state.lr));
            text.insert(format!("{room}.steps"), list(&state.steps));
        }
        text.extend(self.counters.iter().map(|(name, count)| (format!("counter.{name}"), count.to_string())));
        text.extend(self.progress.iter().map(|(name, value)| (format!("progress.{name}"), value.clone())));
        if self.best.is_some() {
            text.insert("best".to_owned(), "yes".to_owned());
        }
        for (key, value) in [("steepest.preprocessing", &self.preprocessing), ("steepest.history", &self.history)] {
            text.extend(value.clone().map(|value| (key.to_owned(), value)));
        }
        TensorFile { tensors, metadata: text, ..TensorFile::default() }
    }

    /// Writes it: whole or not at all, with a checksum.
    ///
    /// # Errors
    /// As [`TensorFile::write`].
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        self.to_file().write(path)
    }

    /// Reads one.
    ///
    /// # Errors
    /// As [`TensorFile::read`]; [`Error::Malformed`] for a file that is no checkpoint.
    pub fn read(path: impl AsRef<Path>) -> Result<Checkpoint> {
        let path = path.as_ref();
        Checkpoint::of_file(path, TensorFile::read(path)?)
    }

    /// Reads the bytes of a file; `path` is for messages.
    ///
    /// # Errors
    /// As [`Checkpoint::read`].
    pub fn parse(path: impl AsRef<Path>, bytes: &[u8]) -> Result<Checkpoint> {
        Checkpoint::of_file(path.as_ref(), TensorFile::parse(path.as_ref(), bytes)?)
    }

    fn of_file(path: &Path, file: TensorFile) -> Result<Checkpoint> {
        if let Some(left) = file.left_out.values().next() {
            return Err(Error::Malformed { path: path.to_owned(), fault: left.fault.clone() });
        }
        Checkpoint::from_file(file)
            .map_err(|(key, message)| Error::Malformed { path: path.to_owned(), fault: Malformed::Metadata { key, message } })
    }

    fn from_file(mut file: TensorFile) -> Result<Checkpoint, (String, String)> {
        let bad = |key: &str, message: &str| (key.to_owned(), message.to_owned());
        match file.metadata.get(STATE).map(String::as_str) {
            Some("1") => {}
            Some(other) => return Err(bad(STATE, &format!("it is of version {other}, this library reads 1"))),
            None => return Err(bad(STATE, "it is missing: this is no checkpoint")),
        }
        let mut checkpoint = Checkpoint {
            preprocessing: file.metadata.remove("steepest.preprocessing"),
            history: file.metadata.remove("steepest.history"),
            best: file.metadata.remove("best").map(|_| StateDict::default()),
            ..Checkpoint::default()
        };
        checkpoint.optimizer = carried(&mut file, "optimizer")?;
        if file.metadata.contains_key("average.kind") {
            checkpoint.average = Some(carried(&mut file, "average")?);
        }
        for (key, value) in &file.metadata {
            if let Some(name) = key.strip_prefix("counter.") {
                let count = value.parse().map_err(|_| bad(key, &format!("{value:?} is no whole number")))?;
                checkpoint.counters.insert(name.to_owned(), count);
            } else if let Some(name) = key.strip_prefix("progress.") {
                checkpoint.progress.insert(name.to_owned(), value.clone());
            }
        }
        for (name, array) in file.tensors {
            if let Some(name) = name.strip_prefix("model.") {
                checkpoint.model.insert(name, array);
            } else if let (Some(name), Some(best)) = (name.strip_prefix("best."), &mut checkpoint.best) {
                best.insert(name, array);
            } else {
                return Err(bad(STATE, &format!("tensor `{name}` belongs to nothing in a checkpoint")));
            }
        }
        Ok(checkpoint)
    }
}

/// Takes what an optimizer or an average carries out of a file. The error is a key of its metadata, and what is wrong there.
fn carried(file: &mut TensorFile, room: &str) -> Result<optim::State, (String, String)> {
    let bad = |key: &str, message: &str| (key.to_owned(), message.to_owned());
    let mut state = optim::State::default();
    let start = format!("{room}.count.");
    for (key, value) in &file.metadata {
        let Some(name) = key.strip_prefix(&start) else { continue };
        let count = value.parse::<u64>().map_err(|_| bad(key, &format!("{value:?} is no whole number")))?;
        let mut of_all = vec![];
        for i in 0..count {
            let tensor = file.tensors.remove(&format!("{room}.{name}.{i}")).map(|array| array.values);
            let Some(Values::F32(values)) = tensor else { return Err(bad(key, &format!("tensor {i} is missing"))) };
            of_all.push(values);
        }
        state.tensors.insert(name.to_owned(), of_all);
    }
    let text = |name: &str| {
        let key = format!("{room}.{name}");
        file.metadata.get(&key).cloned().ok_or_else(|| bad(&key, "it is missing"))
    };
    state.kind = text("kind")?;
    state.lr = text("lr")?.parse().map_err(|_| bad(&format!("{room}.lr"), "it is no number"))?;
    let steps = text("steps")?.split_whitespace().map(str::parse).collect::<Result<_, _>>();
    state.steps = steps.map_err(|_| bad(&format!("{room}.steps"), "they are no whole numbers"))?;
    Ok(state)
}

fn list(numbers: &[u64]) -> String {
    numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(" ")
}

/// A folder of checkpoints, the newest few of a run: `step-000000001200.safetensors`.
///
/// ```
/// use steepest::{Device, nn::{self, Module}, optim::Sgd, save::{Checkpoint, Checkpoints}};
/// # let folder = tempfile::tempdir().unwrap();
/// let device = Device::cpu();
/// let model = nn::mlp(&device, &[2, 1], 1);
/// let checkpoints = Checkpoints::new(folder.path()).keep(2);
/// for step in [10, 20, 30] {
///     checkpoints.write(step, &Checkpoint::of(&model, &Sgd::new(model.parameters(), 0.1))?)?;
/// }
/// let (path, _) = checkpoints.newest()?.expect("some were written");
/// assert!(path.ends_with("step-000000000030.safetensors"));
/// assert_eq!(checkpoints.files()?.len(), 2);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoints {
    folder: PathBuf,
    keep: usize,
}

impl Checkpoints {
    /// Those in a folder, which is made when the first is written; the newest three are kept.
    pub fn new(folder: impl Into<PathBuf>) -> Checkpoints {
        Checkpoints { folder: folder.into(), keep: 3 }
    }

    /// Keeps the newest `count`, at least one.
    pub fn keep(self, count: usize) -> Checkpoints {
        Checkpoints { keep: count.max(1), ..self }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Finds out before a run whether one can be written: into the folder, or into the one that it will be made in.
    pub(crate) fn check(&self) -> Result<()> {
        let there = self.folder.ancestors().find(|folder| folder.as_os_str().is_empty() || folder.exists());
        crate::files::check(&there.unwrap_or(&self.folder).join("checkpoint"))
    }

    /// Writes the checkpoint after `step`, and then, when it is on the disk, removes those that are too many.
    ///
    /// # Errors
    /// [`Error::File`]: the folder or the file cannot be written.
    pub fn write(&self, step: u64, checkpoint: &Checkpoint) -> Result<PathBuf> {
        fs::create_dir_all(&self.folder).map_err(|e| Error::file(&self.folder, e.to_string()))?;
        let path = self.folder.join(format!("{START}{step:012}{END}"));
        checkpoint.write(&path)?;
        // Only those of earlier steps: a run that was taken up from an older one must not lose what it writes.
        let older = self.files()?.into_iter().filter(|(found, _)| *found < step).skip(self.keep - 1);
        for (_, old) in older {
            if let Err(error) = fs::remove_file(&old) {
                tracing::warn!("an old checkpoint was not removed: {}: {error}", old.display());
            }
        }
        Ok(path)
    }

    /// Steps and files, the newest first; whether they are valid is not known.
    ///
    /// # Errors
    /// [`Error::File`]: the folder is there and cannot be read.
    pub fn files(&self) -> Result<Vec<(u64, PathBuf)>> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
            Err(e) => return Err(Error::file(&self.folder, e.to_string())),
        };
        let step = |path: &Path| path.file_name()?.to_str()?.strip_prefix(START)?.strip_suffix(END)?.parse().ok();
        let mut files = vec![];
        for entry in entries {
            // One that is not seen could be the newest.
            let path = entry.map_err(|e| Error::file(&self.folder, e.to_string()))?.path();
            files.extend(step(&path).map(|step| (step, path)));
        }
        files.sort_by(|a, b| b.cmp(a));
        Ok(files)
    }

    /// The newest valid checkpoint; damaged ones are passed over with a warning. `None` where there are no files.
    ///
    /// # Errors
    /// The newest file's error, if none of them is valid.
    pub fn newest(&self) -> Result<Option<(PathBuf, Checkpoint)>> {
        let mut first = None;
        for (_, path) in self.files()? {
            match Checkpoint::read(&path) {
                Ok(checkpoint) => return Ok(Some((path, checkpoint))),
                Err(error) => {
                    tracing::warn!("a checkpoint is passed over: {error}");
                    first.get_or_insert(error);
                }
            }
        }
        first.map_or(Ok(None), Err)
    }
}
