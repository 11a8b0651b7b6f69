//! Layers: what has parameters and turns one tensor into another. Built on Tensor's public methods only.

mod activation;
pub mod attention;
pub mod batch_norm;
mod bilinear;
mod blocks;
mod blueprint;
mod conv;
mod ctc;
mod dropout;
mod embedding;
mod ensemble;
mod feature_embedding;
mod gated;
mod init;
pub mod instance_norm;
mod linear;
pub mod loss;
pub mod norm;
mod parts;
mod path;
mod per_sample;
mod plain;
mod pool;
pub mod position;
pub mod recurrent;
mod registry;
mod resample;
mod residual;
mod sequential;
mod state;
mod statistics;
mod summary;
mod transformer;
mod unfold;
mod waiting;
mod watch;
mod weight_norm;

pub use activation::Activation;
pub use attention::{KeyValueCache, MultiHeadAttention};
pub use batch_norm::{BatchNorm, BatchNorm1d, BatchNorm2d, BatchNorm3d};
pub use bilinear::Bilinear;
pub use blocks::Transformer;
pub use blueprint::{Blueprint, Setting};
pub use conv::{Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d};
pub use dropout::{AlphaDropout, ChannelDropout, Dropout, Dropout1d, Dropout2d, Dropout3d};
pub use embedding::Embedding;
pub use ensemble::Ensemble;
pub use feature_embedding::FeatureEmbedding;
pub use gated::{Glu, PRelu, SwiGlu};
pub use init::{Fan, Init, Nonlinearity, Role};
pub use instance_norm::{InstanceNorm, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d};
pub use linear::Linear;
pub use loss::Reduction;
pub use norm::{GroupNorm, LayerNorm, RmsNorm};
pub use parts::{Part, with_parameters, wrong_inputs};
pub use per_sample::per_sample_gradients;
pub use plain::{FlattenAxes, Function, Identity, Unflatten};
pub use pool::{
    AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d, AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d,
};
pub use pool::{AvgPool1d, AvgPool2d, AvgPool3d, GlobalPool, MaxPool1d, MaxPool2d, MaxPool3d};
pub use position::{PositionalEncoding, RotaryEmbedding, alibi, sinusoids};
pub use recurrent::{Gru, GruCell, Lstm, LstmCell, Recurrent, Rnn, RnnCell};
pub use registry::{Registry, Site};
pub use resample::{ChannelShuffle, Pad, PixelShuffle, PixelUnshuffle, Upsample};
pub use residual::Residual;
pub use sequential::{Flatten, Sequential, mlp};
pub(crate) use state::device_of;
pub use state::{Array, LoadReport, StateDict, Values};
pub use statistics::{update_statistics, update_statistics_all};
pub use summary::{Row, Summary, summary, summary_of, summary_of_all};
pub use transformer::TransformerBlock;
pub use unfold::{Fold, Unfold};
pub use watch::{LayerOutput, Statistics, watch, watch_all};
pub use weight_norm::{SpectralNorm, WeightNorm};

pub(crate) use path::entered;

use crate::error::{OpError, Result};
use crate::{Shape, Tensor};
use std::collections::HashSet;
use std::sync::atomic::AtomicU64;

/// Makes a layer of its blueprint.
type Make = fn(&Site<'_>) -> Result<Box<dyn Module>>;

/// Every kind of layer that a file may name, and what makes it.
const KINDS: &[(&str, Make)] = &[
    ("Activation", Activation::build),
    ("AdaptiveAvgPool1d", AdaptiveAvgPool1d::build),
    ("AdaptiveAvgPool2d", AdaptiveAvgPool2d::build),
    ("AdaptiveAvgPool3d", AdaptiveAvgPool3d::build),
    ("AdaptiveMaxPool1d", AdaptiveMaxPool1d::build),
    ("AdaptiveMaxPool2d", AdaptiveMaxPool2d::build),
    ("AdaptiveMaxPool3d", AdaptiveMaxPool3d::build),
    ("AlphaDropout", AlphaDropout::build),
    ("AvgPool1d", AvgPool1d::build),
    ("AvgPool2d", AvgPool2d::build),
    ("AvgPool3d", AvgPool3d::build),
    ("BatchNorm1d", BatchNorm1d::build),
    ("BatchNorm2d", BatchNorm2d::build),
    ("BatchNorm3d", BatchNorm3d::build),
    ("Bilinear", Bilinear::build),
    ("ChannelDropout", ChannelDropout::build),
    ("ChannelShuffle", ChannelShuffle::build),
    ("Conv1d", Conv1d::build),
    ("Conv2d", Conv2d::build),
    ("Conv3d", Conv3d::build),
    ("ConvTranspose1d", ConvTranspose1d::build),
    ("ConvTranspose2d", ConvTranspose2d::build),
    ("ConvTranspose3d", ConvTranspose3d::build),
    ("Dropout", Dropout::build),
    ("Embedding", Embedding::build),
    ("Ensemble", Ensemble::build),
    ("FeatureEmbedding", FeatureEmbedding::build),
    ("Flatten", Flatten::build),
    ("FlattenAxes", FlattenAxes::build),
    ("Fold", Fold::build),
    ("GlobalPool", GlobalPool::build),
    ("Glu", Glu::build),
    ("GroupNorm", GroupNorm::build),
    ("Gru", Gru::build),
    ("GruCell", GruCell::build),
    ("Identity", Identity::build),
    ("InstanceNorm1d", InstanceNorm1d::build),
    ("InstanceNorm2d", InstanceNorm2d::build),
    ("InstanceNorm3d", InstanceNorm3d::build),
    ("LayerNorm", LayerNorm::build),
    ("Linear", Linear::build),
    ("Lstm", Lstm::build),
    ("LstmCell", LstmCell::build),
    ("MaxPool1d", MaxPool1d::build),
    ("MaxPool2d", MaxPool2d::build),
    ("MaxPool3d", MaxPool3d::build),
    ("MultiHeadAttention", MultiHeadAttention::build),
    ("Pad", Pad::build),
    ("PixelShuffle", PixelShuffle::build),
    ("PixelUnshuffle", PixelUnshuffle::build),
    ("PositionalEncoding", PositionalEncoding::build),
    ("PRelu", PRelu::build),
    ("Residual", Residual::build),
    ("RmsNorm", RmsNorm::build),
    ("Rnn", Rnn::build),
    ("RnnCell", RnnCell::build),
    ("RotaryEmbedding", RotaryEmbedding::build),
    ("Sequential", Sequential::build),
    ("SpectralNorm", SpectralNorm::build),
    ("SwiGlu", SwiGlu::build),
    ("Transformer", Transformer::build),
    ("TransformerBlock", TransformerBlock::build),
    ("Unflatten", Unflatten::build),
    ("Unfold", Unfold::build),
    ("Upsample", Upsample::build),
    ("WeightNorm", WeightNorm::build),
];

/// A layer or a model.
///
/// One's own needs `forward`, or `forward_all` if it has several inputs or outputs; [`parts!`](crate::parts) writes the rest of the names of the
/// fields that are modules or parameters. Bad input is refused with [`Tensor::refuse`], not with a panic.
///
/// ```
/// use steepest::{Device, Tensor, nn::{BatchNorm1d, Linear, Module}};
///
/// struct Block { inner: Linear, norm: BatchNorm1d, factor: Tensor }
///
/// impl Module for Block {
///     fn forward(&self, x: &Tensor) -> Tensor {
///         x + self.norm.forward(&self.inner.forward(x)).relu() * &self.factor
///     }
///     steepest::parts!(inner, norm, factor);
/// }
///
/// let device = Device::cpu();
/// let (inner, norm) = (Linear::new(&device, 4, 4, 0), BatchNorm1d::new(&device, 4));
/// let model = Block { inner, norm, factor: device.parameter(&[0.1], 1) };
/// let names: Vec<String> = model.named_parameters().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["inner.weight", "inner.bias", "norm.weight", "norm.bias", "factor"]);
/// assert_eq!(model.named_buffers()[0].0, "norm.running_mean");
/// assert_eq!(model.parameter_count(), 29);
/// ```
pub trait Module: Send + Sync {
    /// Records the layer's output. A model of several inputs or outputs has [`Module::forward_all`] in its place; what has neither is refused.
    fn forward(&self, x: &Tensor) -> Tensor {
        let message = format!("{} has no forward of one tensor; is it a model of several, for forward_all?", self.describe());
        x.refuse("forward", OpError::Value(message))
    }

    /// Records all outputs for all inputs; for a layer of one input and one output that is [`Module::forward`].
    ///
    /// A model of several inputs or outputs says this one. [`Trainer`](crate::train::Trainer) hands it all inputs of a batch, in the order of the
    /// data set.
    ///
    /// ```
    /// use steepest::{Device, Tensor, nn::{self, Linear, Module}};
    ///
    /// struct Both { picture: Linear, table: Linear, class: Linear, age: Linear }
    ///
    /// impl Module for Both {
    ///     fn forward_all(&self, inputs: &[Tensor]) -> Vec<Tensor> {
    ///         let [picture, table] = inputs else { return nn::wrong_inputs("Both", inputs, 2) };
    ///         let joined = (self.picture.forward(picture) + self.table.forward(table)).relu();
    ///         vec![self.class.forward(&joined), self.age.forward(&joined)]
    ///     }
    ///     steepest::parts!(picture, table, class, age);
    /// }
    ///
    /// let device = Device::cpu();
    /// let made = |inputs, outputs| Linear::new(&device, inputs, outputs, 1);
    /// let model = Both { picture: made(64, 16), table: made(3, 16), class: made(16, 10), age: made(16, 1) };
    /// let outputs = model.forward_all(&[device.zeros([8, 64]), device.zeros([8, 3])]);
    /// assert_eq!((outputs[0].shape().dims(), outputs[1].shape().dims()), (&[8, 10][..], &[8, 1][..]));
    /// assert!(model.forward_all(&[device.zeros([8, 64])])[0].check().is_err()); // one input is missing
    /// ```
    fn forward_all(&self, inputs: &[Tensor]) -> Vec<Tensor> {
        match inputs {
            [x] => vec![self.forward(x)],
            _ => wrong_inputs(&self.describe(), inputs, 1),
        }
    }

    /// Hands every parameter to `visit`, with its name; names of parts are joined with dots.
    fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        let _ = visit;
    }

    /// As [`Module::visit`], of parameters that may be exchanged for others of the same shape: so a model that is built from its description gets its
    /// layers' shared parameters (tied weights). [`parts!`](crate::parts) writes it. A layer that has parameters and not this method takes part in no
    /// sharing that a file describes; that is refused then.
    fn visit_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor)) {
        let _ = visit;
    }

    /// Hands every buffer to `visit`: what belongs to the model and is not learned by gradients (running statistics), named as parameters
    /// are. Buffers are given tensors: `set` loads them.
    fn visit_buffers(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        let _ = visit;
    }

    /// Hands every counter to `visit` that says which random numbers come next (dropout's passes), named as parameters are: a run that is
    /// taken up again needs them.
    fn visit_counters(&self, visit: &mut dyn FnMut(&str, &AtomicU64)) {
        let _ = visit;
    }

    /// What the layer is made of, so that [`Registry`] can make it again; `None` where that is not known. Kind, settings, and the parts'
    /// blueprints; the parameters are not in it, nor which of them several layers share: [`Blueprint::of`] adds that.
    fn blueprint(&self) -> Option<Blueprint> {
        None
    }

    /// Switches between training and evaluation, for layers that differ (dropout, batch normalisation).
    fn set_training(&self, on: bool) {
        let _ = on;
    }

    /// Kind and sizes, for summaries: `Linear(784 → 256)`.
    fn describe(&self) -> String {
        std::any::type_name::<Self>().rsplit("::").next().unwrap_or_default().to_owned()
    }

    /// Records the output and notes a line per layer, for summaries. Containers hand this on to their parts.
    fn trace(&self, name: &str, x: &Tensor, rows: &mut Vec<Row>) -> Tensor {
        let outputs = self.forward_all(std::slice::from_ref(x));
        rows.push(Row::of_all(name, self, std::slice::from_ref(x), &outputs));
        outputs.into_iter().next().unwrap_or_else(|| x.clone())
    }

    /// [`Module::trace`] for several inputs. A model of several that hands this on to its parts shows a line for each; else it is one line.
    fn trace_all(&self, name: &str, inputs: &[Tensor], rows: &mut Vec<Row>) -> Vec<Tensor> {
        if let [x] = inputs {
            return vec![self.trace(name, x, rows)];
        }
        let outputs = self.forward_all(inputs);
        rows.push(Row::of_all(name, self, inputs, &outputs));
        outputs
    }

    /// Multiplications with an addition that `forward` makes of an input to its output, for summaries; 0 for what is elementwise.
    fn multiply_adds(&self, input: &Shape, output: &Shape) -> usize {
        let _ = (input, output);
        0
    }

    /// The parameters with their names, in a fixed order. One that several layers share (tied weights) is there once, under its first name.
    ///
    /// ```
    /// use steepest::{Device, nn::{self, Linear, Module, Sequential}};
    /// let device = Device::cpu();
    /// let first = Linear::new(&device, 4, 4, 1);
    /// let tied = Linear::from_parameters(first.weight().clone(), None)?;
    /// let model = Sequential::new().add(first).add(tied);
    /// let names: Vec<String> = model.named_parameters().into_iter().map(|(name, _)| name).collect();
    /// assert_eq!((names, model.parameter_count()), (vec!["0.weight".to_owned(), "0.bias".to_owned()], 20));
    /// # Ok::<(), steepest::Error>(())
    /// ```
    fn named_parameters(&self) -> Vec<(String, Tensor)> {
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        self.visit(&mut |name, parameter| {
            if seen.insert(parameter.id()) {
                parameter.node().set_name(name);
                found.push((name.to_owned(), parameter.clone()));
            }
        });
        found
    }

    /// The buffers with their names, in a fixed order.
    fn named_buffers(&self) -> Vec<(String, Tensor)> {
        let mut found = Vec::new();
        self.visit_buffers(&mut |name, buffer| found.push((name.to_owned(), buffer.clone())));
        found
    }

    /// Parameters and buffers with their names: what a file of the model holds. [`StateDict`] reads and loads them. A parameter that several layers
    /// share is there under each of its names, so that a model which does not share it can read the file.
    fn named_state(&self) -> Vec<(String, Tensor)> {
        let mut found = parts::all_names(self);
        found.extend(self.named_buffers());
        found
    }

    /// The parameters, in the order of [`Module::named_parameters`]; each once, also one that several layers share.
    fn parameters(&self) -> Vec<Tensor> {
        self.named_parameters().into_iter().map(|(_, parameter)| parameter).collect()
    }

    /// Freezes the parameters whose names match a pattern, in which `*` stands for any text and `?` for any one character; says how many. A frozen
    /// parameter gets no gradient, costs no work for one, and no optimizer changes it; files have it as ever. See [`Tensor::set_frozen`].
    ///
    /// Running statistics are no parameters: a normalisation is held still by its `eval`.
    ///
    /// ```
    /// use steepest::{Device, nn::{self, Module}};
    /// let model = nn::mlp(&Device::cpu(), &[4, 8, 8, 2], 1);
    /// assert_eq!(model.freeze("*")?, 6);
    /// assert_eq!(model.unfreeze("4.*")?, 2); // only the last layer is learned
    /// assert!(model.freeze("decoder.*").is_err()); // there is none of that name
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config): a pattern that matches no parameter.
    fn freeze(&self, pattern: &str) -> Result<usize> {
        parts::set_frozen(&parts::all_names(self), pattern, true)
    }

    /// Has the parameters whose names match a pattern learned again; says how many.
    ///
    /// # Errors
    /// As [`Module::freeze`].
    fn unfreeze(&self, pattern: &str) -> Result<usize> {
        parts::set_frozen(&parts::all_names(self), pattern, false)
    }

    /// How many numbers are learned, frozen ones among them; those that several layers share count once.
    fn parameter_count(&self) -> usize {
        self.parameters().iter().filter_map(|p| p.try_shape().ok()).map(|s| s.numel()).sum()
    }

    /// Training mode: dropout drops, batches are normalised by their own statistics.
    fn train(&self) {
        self.set_training(true);
    }

    /// Evaluation mode: every layer is a fixed function.
    fn eval(&self) {
        self.set_training(false);
    }
}
