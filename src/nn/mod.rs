//! Layers: what has parameters and turns one tensor into another. Built on Tensor's public methods only.

mod activation;
mod dropout;
mod init;
mod linear;
pub mod loss;
mod sequential;
mod summary;

pub use activation::Activation;
pub use dropout::Dropout;
pub use init::Init;
pub use linear::Linear;
pub use loss::Reduction;
pub use sequential::{Flatten, Sequential, mlp};
pub use summary::{Row, Summary, summary};

use crate::Tensor;

/// A layer or a model.
///
/// One's own needs `forward`, and `visit` if it has parameters:
///
/// ```
/// use steepest::{Device, Tensor, nn::{Linear, Module}};
///
/// struct Residual { inner: Linear }
///
/// impl Module for Residual {
///     fn forward(&self, x: &Tensor) -> Tensor {
///         x + self.inner.forward(x).relu()
///     }
///     fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
///         self.inner.visit(&mut |name, p| visit(&format!("inner.{name}"), p));
///     }
/// }
///
/// let model = Residual { inner: Linear::new(&Device::cpu(), 4, 4, 0) };
/// assert_eq!(model.named_parameters()[0].0, "inner.weight");
/// ```
pub trait Module: Send + Sync {
    /// Records the layer's output.
    fn forward(&self, x: &Tensor) -> Tensor;

    /// Hands every parameter to `visit`, with its name; names of parts are joined with dots.
    fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        let _ = visit;
    }

    /// Switches between training and evaluation, for layers that differ (dropout).
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
        rows.push(Row {
            name: name.to_owned(),
            layer: self.describe(),
            output: y.try_shape().ok(),
            parameters: self.parameter_count(),
        });
        y
    }

    /// The parameters with their names, in a fixed order.
    fn named_parameters(&self) -> Vec<(String, Tensor)> {
        let mut found = Vec::new();
        self.visit(&mut |name, parameter| found.push((name.to_owned(), parameter.clone())));
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

    /// Training mode: dropout drops.
    fn train(&self) {
        self.set_training(true);
    }

    /// Evaluation mode: every layer is a fixed function.
    fn eval(&self) {
        self.set_training(false);
    }
}
