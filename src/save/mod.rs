//! Models in files, and training that can be taken up again.
//!
//! One safetensors file holds a model: its weights under PyTorch's names and layouts, and as text in the file's metadata the model's
//! description, its preprocessing and its history. [`load`] builds the model without knowing it beforehand.
//!
//! ```
//! use steepest::{Device, nn::{self, Module}, save};
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("model.safetensors");
//! let device = Device::cpu();
//! let model = nn::mlp(&device, &[4, 16, 3], 1);
//! save::save(&model, &path)?;
//!
//! let same = save::load(&path, &device)?;
//! let x = device.tensor(&[0.1, 0.2, 0.3, 0.4], [1, 4]);
//! assert_eq!(same.forward(&x).to_vec::<f32>()?, model.forward(&x).to_vec::<f32>()?);
//! # Ok::<(), steepest::Error>(())
//! ```
//!
//! # Names and layouts
//!
//! Those of PyTorch's `state_dict`; `model.load_state_dict(safetensors.torch.load_file(path))` takes them.
//!
//! | layer | tensors |
//! |---|---|
//! | `Linear` | `weight` \[outputs, inputs\], `bias` \[outputs\] |
//! | `Conv1d`, `Conv2d` | `weight` \[outputs, inputs/groups, k…\], `bias` \[outputs\] |
//! | `ConvTranspose2d` | `weight` \[inputs, outputs/groups, kh, kw\], `bias` \[outputs\] |
//! | `BatchNorm1d`, `BatchNorm2d` | `weight`, `bias`, `running_mean`, `running_var`, each \[channels\]; `num_batches_tracked` is neither written nor needed |
//! | `LayerNorm`, `GroupNorm`, `RmsNorm` | `weight`, `bias` (`RmsNorm` has none) |
//! | `Embedding` | `weight` \[rows, width\] |
//! | `Rnn`, `Gru`, `Lstm` | `weight_ih_l0` \[g·hidden, inputs\], `weight_hh_l0` \[g·hidden, hidden\], `bias_ih_l0`, `bias_hh_l0`; gates r, z, n and i, f, g, o. The second direction: `weight_ih_l0_reverse`, …; the next layer: `weight_ih_l1` \[g·hidden, directions·hidden\], … |
//! | `RnnCell`, `GruCell`, `LstmCell` | the same without `_l0` |
//! | `MultiHeadAttention` | `q_proj`, `k_proj`, `v_proj`, `out_proj`; PyTorch packs the first three into one `in_proj_weight`, in this order |
//! | `TransformerBlock` | `self_attn`, `linear1`, `linear2`, `norm1`, `norm2` as in PyTorch's `TransformerEncoderLayer`; `multihead_attn` and `norm3` as in its `TransformerDecoderLayer`; `linear_gate` where it is gated |
//! | `Sequential` | its layers by position: `0.weight` |
//!
//! # The metadata
//!
//! | entry | what |
//! |---|---|
//! | `format` | `steepest` |
//! | `steepest.version` | `1` |
//! | `steepest.model` | the description: a JSON object of kind, settings and parts; `shared` has the names of parameters that are one (tied weights) |
//! | `steepest.preprocessing` | what must be done to rows before the model sees them: any text; this module does not read it |
//! | `steepest.history` | how the training went, as CSV |
//! | `steepest.checksum` | CRC-32 of the file, with `crc32:00000000` in its place |

mod checkpoint;
mod describe;
mod header;
mod tensors;

pub use checkpoint::{Checkpoint, Checkpoints};
pub use tensors::{LeftOut, TensorFile};

use crate::Device;
use crate::error::{Error, Malformed, Result};
use crate::nn::{Blueprint, Module, Registry, StateDict, device_of};
use crate::platform::waited;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const VERSION: &str = "1";

/// Writes a model into a file. [`ModelFile`] does the same with preprocessing and history.
///
/// # Errors
/// As [`ModelFile::of`] and [`ModelFile::save`].
pub fn save(model: &dyn Module, path: impl AsRef<Path>) -> Result<()> {
    ModelFile::of(model)?.save(path)
}

/// Reads a model of this crate's layers from a file, in evaluation mode.
///
/// # Errors
/// As [`ModelFile::read`] and [`ModelFile::build`].
pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Box<dyn Module>> {
    ModelFile::read(path)?.build(device)
}

/// All that a file of a model holds.
///
/// ```
/// use steepest::{Device, nn, save::ModelFile};
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("model.safetensors");
/// let device = Device::cpu();
/// let model = nn::mlp(&device, &[4, 16, 3], 1);
/// ModelFile::of(&model)?.preprocessing("{\"scaler\": …}").note("target", "species").save(&path)?;
///
/// let file = ModelFile::read(&path)?;
/// assert_eq!(file.preprocessing.as_deref(), Some("{\"scaler\": …}"));
/// assert_eq!(file.notes["target"], "species");
/// let model = file.build(&device)?;
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFile {
    /// Parameters and buffers.
    pub state: StateDict,
    /// How the model is built; `None` in files of other programs, and for models with layers that do not tell.
    pub blueprint: Option<Blueprint>,
    /// What must be done to rows before the model sees them.
    pub preprocessing: Option<String>,
    /// How the training went, as CSV.
    pub history: Option<String>,
    /// Other texts in the file's metadata.
    pub notes: BTreeMap<String, String>,
    /// Tensors of the file that are not in `state`, by name, and why. A model that needs one of them is refused.
    pub left_out: BTreeMap<String, LeftOut>,
    path: PathBuf,
}

impl ModelFile {
    /// Reads a model's numbers and description.
    ///
    /// # Errors
    /// As [`StateDict::of`].
    pub fn of(model: &dyn Module) -> Result<ModelFile> {
        waited(&device_of(model), ModelFile::of_async(model))
    }

    /// [`ModelFile::of`] without blocking; [`ModelFile::to_bytes`] then gives a page the file.
    ///
    /// ```
    /// use steepest::{Device, nn, save::ModelFile};
    /// let model = nn::mlp(&Device::cpu(), &[2, 3, 1], 1);
    /// let bytes = pollster::block_on(ModelFile::of_async(&model))?.to_bytes()?;
    /// assert_eq!(ModelFile::parse("model.safetensors", &bytes)?.state.len(), 4);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`StateDict::of`].
    pub async fn of_async(model: &dyn Module) -> Result<ModelFile> {
        Ok(ModelFile {
            state: StateDict::of_async(model).await?,
            blueprint: Blueprint::of(model),
            preprocessing: None,
            history: None,
            notes: BTreeMap::new(),
            left_out: BTreeMap::new(),
            path: PathBuf::new(),
        })
    }

    /// The same with a preprocessing.
    pub fn preprocessing(mut self, text: impl Into<String>) -> ModelFile {
        self.preprocessing = Some(text.into());
        self
    }

    /// The same with a history.
    pub fn history(mut self, csv: impl Into<String>) -> ModelFile {
        self.history = Some(csv.into());
        self
    }

    /// The same with another text.
    pub fn note(mut self, key: impl Into<String>, text: impl Into<String>) -> ModelFile {
        self.notes.insert(key.into(), text.into());
        self
    }

    /// Writes the file: whole or not at all.
    ///
    /// # Errors
    /// [`Error::Config`]: a note with a name that this module uses. As [`TensorFile::write`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.to_file()?.write(path)
    }

    /// The bytes of the file: the same for the same content.
    ///
    /// # Errors
    /// As [`ModelFile::save`], but for those of writing.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.to_file()?.to_bytes()
    }

    fn to_file(&self) -> Result<TensorFile> {
        let mut metadata = self.notes.clone();
        if let Some(key) = metadata.keys().find(|key| *key == "format" || key.starts_with("steepest.")) {
            return Err(Error::Config {
                what: "notes of a model's file",
                message: format!("`{key}` is a name of the file's own"),
            });
        }
        let blueprint = self.blueprint.as_ref().map(describe::to_json).transpose()?;
        let entries = [
            ("format", Some("steepest".to_owned())),
            ("steepest.version", Some(VERSION.to_owned())),
            ("steepest.model", blueprint),
            ("steepest.preprocessing", self.preprocessing.clone()),
            ("steepest.history", self.history.clone()),
        ];
        metadata.extend(entries.into_iter().filter_map(|(key, text)| Some((key.to_owned(), text?))));
        Ok(TensorFile { tensors: self.state.clone(), metadata, left_out: self.left_out.clone() })
    }

    /// Reads a file, of this library or of another program.
    ///
    /// # Errors
    /// As [`TensorFile::read`]; [`Error::Malformed`] with a description that cannot be read, or of a later version.
    pub fn read(path: impl AsRef<Path>) -> Result<ModelFile> {
        ModelFile::from_file(TensorFile::read(path.as_ref())?, path.as_ref())
    }

    /// Reads the bytes of a file; `path` is for messages.
    ///
    /// # Errors
    /// As [`ModelFile::read`].
    pub fn parse(path: impl AsRef<Path>, bytes: &[u8]) -> Result<ModelFile> {
        ModelFile::from_file(TensorFile::parse(path.as_ref(), bytes)?, path.as_ref())
    }

    fn from_file(file: TensorFile, path: &Path) -> Result<ModelFile> {
        let mut notes = file.metadata;
        let bad = |key: &str, message: String| Error::Malformed {
            path: path.to_owned(),
            fault: Malformed::Metadata { key: key.to_owned(), message },
        };
        if let Some(version) = notes.remove("steepest.version")
            && version != VERSION
        {
            return Err(bad("steepest.version", format!("it is {version}, this library reads {VERSION}")));
        }
        if notes.contains_key(checkpoint::STATE) {
            return Err(bad(checkpoint::STATE, "it is a checkpoint of a training run, not a model's file".to_owned()));
        }
        let description = notes.remove("steepest.model");
        let blueprint = description.map(|text| describe::from_json(&text)).transpose().map_err(|e| bad("steepest.model", e))?;
        notes.remove("format");
        Ok(ModelFile {
            state: file.tensors,
            blueprint,
            preprocessing: notes.remove("steepest.preprocessing"),
            history: notes.remove("steepest.history"),
            notes,
            left_out: file.left_out,
            path: path.to_owned(),
        })
    }

    /// Builds the model on a device, in evaluation mode.
    ///
    /// # Errors
    /// [`Error::Malformed`]: the file has no description, or one of layers that are not known. [`Error::State`]: the file's tensors are
    /// not those of the model described.
    pub fn build(&self, device: &Device) -> Result<Box<dyn Module>> {
        self.build_with(&Registry::new(), device)
    }

    /// The same with layers of one's own.
    ///
    /// # Errors
    /// As [`ModelFile::build`].
    pub fn build_with(&self, registry: &Registry, device: &Device) -> Result<Box<dyn Module>> {
        let bad = |message: String| {
            let fault = Malformed::Metadata { key: "steepest.model".to_owned(), message };
            Error::Malformed { path: self.path.clone(), fault }
        };
        let Some(blueprint) = &self.blueprint else {
            return Err(bad("there is no description of the model: build it yourself and load into it".to_owned()));
        };
        // No description makes a model larger than the numbers that are there to fill it; those left out are told of below.
        let left = |left: &LeftOut| left.shape.iter().fold(1, |all: u64, &n| all.saturating_mul(n as u64));
        let numbers = self.left_out.values().map(left).fold(self.state.numbers(), u64::saturating_add);
        let model = registry.build_within(device, blueprint, numbers).map_err(|e| match e {
            error @ Error::Blueprint { .. } => bad(error.to_string()),
            other => other,
        })?;
        self.load_into(&*model)?;
        model.eval();
        Ok(model)
    }

    /// Puts the numbers into a model that has exactly these names and shapes. For a part of them see [`StateDict::load_partial`].
    ///
    /// # Errors
    /// [`Error::Malformed`] with a tensor that the model needs and that could not be read; [`Error::State`] with the file's name and all that
    /// is missing, unexpected or of another shape.
    pub fn load_into(&self, model: &dyn Module) -> Result<()> {
        if let Some(left) = self.state.compare(model).missing.iter().find_map(|name| self.left_out.get(name)) {
            return Err(Error::Malformed { path: self.path.clone(), fault: left.fault.clone() });
        }
        self.state.load(model).map_err(|e| match e {
            Error::State { report } => Error::State { report: format!("{}: {report}", self.path.display()) },
            other => other,
        })
    }
}
