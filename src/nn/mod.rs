//! Layers: what has parameters and turns one tensor into another. Built on Tensor's public methods only.

mod activation;
pub mod attention;
pub mod batch_norm;
mod blueprint;
mod conv;
mod dropout;
mod embedding;
mod ensemble;
mod feature_embedding;
mod init;
mod linear;
pub mod loss;
pub mod norm;
mod pool;
pub mod recurrent;
mod registry;
mod residual;
mod sequential;
mod state;
mod summary;

pub use activation::Activation;
pub use attention::{MultiHeadAttention, TransformerBlock};
pub use batch_norm::{BatchNorm, BatchNorm1d, BatchNorm2d};
pub use blueprint::{Blueprint, Setting};
pub use conv::{Conv1d, Conv2d, ConvTranspose2d};
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use ensemble::Ensemble;
pub use feature_embedding::FeatureEmbedding;
pub use init::Init;
pub use linear::Linear;
pub use loss::Reduction;
pub use norm::{GroupNorm, LayerNorm, RmsNorm};
pub use pool::{AdaptiveAvgPool2d, AvgPool2d, MaxPool2d};
pub use recurrent::{Gru, GruCell, Lstm, LstmCell, Recurrent, Rnn, RnnCell};
pub use registry::{Registry, Site};
pub use residual::Residual;
pub use sequential::{Flatten, Sequential, mlp};
pub use state::{Array, LoadReport, StateDict, Values};
pub use summary::{Row, Summary, summary, summary_of};

use crate::error::Result;
use crate::{Shape, Tensor};
use std::sync::atomic::AtomicU64;

/// Makes a layer of its blueprint.
type Make = fn(&Site<'_>) -> Result<Box<dyn Module>>;

/// Every kind of layer that a file may name, and what makes it.
const KINDS: &[(&str, Make)] = &[
    ("Activation", Activation::build),
    ("AdaptiveAvgPool2d", AdaptiveAvgPool2d::build),
    ("AvgPool2d", AvgPool2d::build),
    ("BatchNorm1d", BatchNorm1d::build),
    ("BatchNorm2d", BatchNorm2d::build),
    ("Conv1d", Conv1d::build),
    ("Conv2d", Conv2d::build),
    ("ConvTranspose2d", ConvTranspose2d::build),
    ("Dropout", Dropout::build),
    ("Embedding", Embedding::build),
    ("Ensemble", Ensemble::build),
    ("FeatureEmbedding", FeatureEmbedding::build),
    ("Flatten", Flatten::build),
    ("GroupNorm", GroupNorm::build),
    ("Gru", Gru::build),
    ("GruCell", GruCell::build),
    ("LayerNorm", LayerNorm::build),
    ("Linear", Linear::build),
    ("Lstm", Lstm::build),
    ("LstmCell", LstmCell::build),
    ("MaxPool2d", MaxPool2d::build),
    ("MultiHeadAttention", MultiHeadAttention::build),
    ("Residual", Residual::build),
    ("RmsNorm", RmsNorm::build),
    ("Rnn", Rnn::build),
    ("RnnCell", RnnCell::build),
    ("Sequential", Sequential::build),
    ("TransformerBlock", TransformerBlock::build),
];

/// A layer or a model.
///
/// One's own needs `forward`. If it has parts that are modules, [`parts!`](crate::parts) writes the rest; if it has parameters of its own,
/// `visit` hands them out. Bad input is refused with [`Tensor::refuse`], not with a panic.
///
/// ```
/// use steepest::{Device, Tensor, nn::{BatchNorm1d, Linear, Module}};
///
/// struct Block { inner: Linear, norm: BatchNorm1d }
///
/// impl Module for Block {
///     fn forward(&self, x: &Tensor) -> Tensor {
///         x + self.norm.forward(&self.inner.forward(x)).relu()
///     }
///     steepest::parts!(inner, norm);
/// }
///
/// struct Scale { factor: Tensor }
///
/// impl Module for Scale {
///     fn forward(&self, x: &Tensor) -> Tensor {
///         x * &self.factor
///     }
///     fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
///         visit("factor", &self.factor);
///     }
/// }
///
/// let device = Device::cpu();
/// let model = Block { inner: Linear::new(&device, 4, 4, 0), norm: BatchNorm1d::new(&device, 4) };
/// assert_eq!(model.named_parameters()[0].0, "inner.weight");
/// assert_eq!(model.named_buffers()[0].0, "norm.running_mean");
/// assert_eq!(Scale { factor: device.parameter(&[2.0], 1) }.parameter_count(), 1);
/// ```
pub trait Module: Send + Sync {
    /// Records the layer's output.
    fn forward(&self, x: &Tensor) -> Tensor;

    /// Hands every parameter to `visit`, with its name; names of parts are joined with dots.
    fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
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
    /// blueprints; the parameters are not in it.
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
        let y = self.forward(x);
        rows.push(Row::of(name, self, x, &y));
        y
    }

    /// Multiplications with an addition that `forward` makes of an input to its output, for summaries; 0 for what is elementwise.
    fn multiply_adds(&self, input: &Shape, output: &Shape) -> usize {
        let _ = (input, output);
        0
    }

    /// The parameters with their names, in a fixed order.
    fn named_parameters(&self) -> Vec<(String, Tensor)> {
        let mut found = Vec::new();
        self.visit(&mut |name, parameter| found.push((name.to_owned(), parameter.clone())));
        found
    }

    /// The buffers with their names, in a fixed order.
    fn named_buffers(&self) -> Vec<(String, Tensor)> {
        let mut found = Vec::new();
        self.visit_buffers(&mut |name, buffer| found.push((name.to_owned(), buffer.clone())));
        found
    }

    /// Parameters and buffers with their names: what a file of the model holds. [`StateDict`] reads and loads them.
    fn named_state(&self) -> Vec<(String, Tensor)> {
        let mut found = self.named_parameters();
        found.extend(self.named_buffers());
        found
    }

    /// The parameters, in the same order.
    fn parameters(&self) -> Vec<Tensor> {
        self.named_parameters().into_iter().map(|(_, parameter)| parameter).collect()
    }

    /// How many numbers are learned.
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

/// Writes what a [`Module`](crate::nn::Module) made of modules needs besides `forward`: `visit`, `visit_buffers`,
/// `visit_counters` and `set_training`, handed on to the named fields. Goes inside the `impl` block.
///
/// The fields' names are the parameters' prefixes. A field may be any module, or a `Box`, `Option` or `Vec` of one.
#[macro_export]
macro_rules! parts {
    ($($part:ident),+ $(,)?) => {
        fn visit(&self, visit: &mut dyn FnMut(&str, &$crate::Tensor)) {
            $($crate::nn::Part::each(&self.$part, stringify!($part), &mut |prefix, module| {
                module.visit(&mut |name, parameter| visit(&format!("{prefix}.{name}"), parameter));
            });)+
        }
        fn visit_buffers(&self, visit: &mut dyn FnMut(&str, &$crate::Tensor)) {
            $($crate::nn::Part::each(&self.$part, stringify!($part), &mut |prefix, module| {
                module.visit_buffers(&mut |name, buffer| visit(&format!("{prefix}.{name}"), buffer));
            });)+
        }
        fn visit_counters(&self, visit: &mut dyn FnMut(&str, &::std::sync::atomic::AtomicU64)) {
            $($crate::nn::Part::each(&self.$part, stringify!($part), &mut |prefix, module| {
                module.visit_counters(&mut |name, counter| visit(&format!("{prefix}.{name}"), counter));
            });)+
        }
        fn set_training(&self, on: bool) {
            $($crate::nn::Part::each(&self.$part, stringify!($part), &mut |_, module| module.set_training(on));)+
        }
    };
}

/// A field that [`parts!`](crate::parts) accepts.
pub trait Part {
    /// Hands every module of the field to `visit`, with its name.
    fn each(&self, name: &str, visit: &mut dyn FnMut(&str, &dyn Module));
}

impl<M: Module> Part for M {
    fn each(&self, name: &str, visit: &mut dyn FnMut(&str, &dyn Module)) {
        visit(name, self);
    }
}

impl Part for Box<dyn Module> {
    fn each(&self, name: &str, visit: &mut dyn FnMut(&str, &dyn Module)) {
        visit(name, &**self);
    }
}

impl<P: Part> Part for Option<P> {
    fn each(&self, name: &str, visit: &mut dyn FnMut(&str, &dyn Module)) {
        self.iter().for_each(|part| part.each(name, visit));
    }
}

/// Named by position: `blocks.0`.
impl<P: Part> Part for Vec<P> {
    fn each(&self, name: &str, visit: &mut dyn FnMut(&str, &dyn Module)) {
        self.iter().enumerate().for_each(|(i, part)| part.each(&format!("{name}.{i}"), visit));
    }
}
