//! Layers: what has parameters and turns one tensor into another. Built on Tensor's public methods only.

mod activation;
pub mod attention;
pub mod batch_norm;
mod conv;
mod dropout;
mod embedding;
mod init;
mod linear;
pub mod loss;
pub mod norm;
mod pool;
pub mod recurrent;
mod residual;
mod sequential;
mod summary;

pub use activation::Activation;
pub use attention::{MultiHeadAttention, TransformerBlock};
pub use batch_norm::{BatchNorm, BatchNorm1d, BatchNorm2d};
pub use conv::{Conv1d, Conv2d, ConvTranspose2d};
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use init::Init;
pub use linear::Linear;
pub use loss::Reduction;
pub use norm::{GroupNorm, LayerNorm, RmsNorm};
pub use pool::{AdaptiveAvgPool2d, AvgPool2d, MaxPool2d};
pub use recurrent::{Gru, GruCell, Lstm, LstmCell, Recurrent, Rnn, RnnCell};
pub use residual::Residual;
pub use sequential::{Flatten, Sequential, mlp};
pub use summary::{Row, Summary, summary, summary_of};

use crate::{Shape, Tensor};

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

/// Writes what a [`Module`](crate::nn::Module) made of modules needs besides `forward`: `visit`, `visit_buffers` and `set_training`,
/// handed on to the named fields. Goes inside the `impl` block.
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
