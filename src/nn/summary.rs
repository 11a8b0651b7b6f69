//! A model as a table: layers, output shapes, parameters, work and memory.

use super::Module;
use crate::error::Result;
use crate::escape::escaped;
use crate::location::on_behalf_of_caller;
use crate::{Device, Shape, Tensor, ToShape, no_grad};
use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

/// One layer of a summary.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name inside the model.
    pub name: String,
    /// Kind and sizes.
    pub layer: String,
    /// Shape of its output; `None` where the layer does not accept its input.
    pub output: Option<Shape>,
    /// Numbers it learns.
    pub parameters: usize,
    /// Multiplications with an addition of one forward pass; elementwise work is not counted.
    pub multiply_adds: usize,
    /// Bytes of its parameters and buffers and of its outputs.
    pub bytes: usize,
    /// Numbers and lengths of its parameters and buffers: those that several layers share count once in a sum.
    tensors: Vec<(u64, usize)>,
    /// What went in and came out, for [`watch`](super::watch); a summary lets them go.
    pub(super) seen: Option<(Vec<Tensor>, Vec<Tensor>)>,
}

impl Row {
    /// The line of a layer that made `output` of `input`.
    pub fn of(name: &str, layer: &(impl Module + ?Sized), input: &Tensor, output: &Tensor) -> Row {
        Row::of_all(name, layer, std::slice::from_ref(input), std::slice::from_ref(output))
    }

    /// The line of a layer that made several `outputs` of several `inputs`; shape and multiply-adds are those of the first.
    pub fn of_all(name: &str, layer: &(impl Module + ?Sized), inputs: &[Tensor], outputs: &[Tensor]) -> Row {
        let first = |tensors: &[Tensor]| tensors.first().and_then(|t| t.try_shape().ok());
        let (input, output) = (first(inputs), first(outputs));
        let parameters = layer.parameter_count();
        let size = |tensor: &Tensor| tensor.try_shape().map_or(0, |s| s.numel());
        let mut tensors: Vec<(u64, usize)> = layer.parameters().iter().map(|p| (p.id(), size(p))).collect();
        layer.visit_buffers(&mut |_, buffer| tensors.push((buffer.id(), size(buffer))));
        let words = tensors.iter().map(|(_, words)| words).sum::<usize>() + outputs.iter().map(size).sum::<usize>();
        let multiply_adds = input.zip(output).map_or(0, |(input, output)| layer.multiply_adds(&input, &output));
        let seen = Some((inputs.to_vec(), outputs.to_vec()));
        Row { name: name.to_owned(), layer: layer.describe(), output, parameters, multiply_adds, bytes: 4 * words, tensors, seen }
    }
}

/// A model's layers for a given input.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The shapes of the inputs.
    pub inputs: Vec<Shape>,
    /// The layers in order.
    pub rows: Vec<Row>,
    /// Numbers learned in all.
    pub parameters: usize,
    /// Multiplications with an addition of one forward pass, as far as the layers know theirs.
    pub multiply_adds: usize,
    /// Bytes of parameters, buffers and all activations, as a training step keeps them for its gradients (4 per number).
    pub bytes: usize,
}

thread_local! {
    static TRACING: Cell<bool> = const { Cell::new(false) };
}

/// Whether a summary is being made: a look at the shapes is no training step, so no statistics are taken and no masks drawn.
pub(super) fn tracing() -> bool {
    TRACING.get()
}

/// Follows an input of shape `input` through a model, recording only: nothing is computed.
///
/// # Errors
/// The first layer's error that does not accept what it is given.
///
/// ```
/// use steepest::{Device, nn};
/// let device = Device::cpu();
/// println!("{}", nn::summary(&nn::mlp(&device, &[64, 32, 10], 0), &device, [1, 64])?);
/// # Ok::<(), steepest::Error>(())
/// ```
#[track_caller]
pub fn summary(model: &(impl Module + ?Sized), device: &Device, input: impl ToShape) -> Result<Summary> {
    summary_of(model, &device.zeros(input))
}

/// [`summary`] for an input of any type, such as the token numbers that an embedding reads. Only its shape and type matter.
///
/// # Errors
/// As [`summary`].
#[track_caller]
pub fn summary_of(model: &(impl Module + ?Sized), input: &Tensor) -> Result<Summary> {
    summary_of_all(model, std::slice::from_ref(input))
}

/// [`summary_of`] for a model of several inputs.
///
/// # Errors
/// As [`summary`].
#[track_caller]
pub fn summary_of_all(model: &(impl Module + ?Sized), inputs: &[Tensor]) -> Result<Summary> {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            TRACING.set(self.0);
        }
    }
    let _line = on_behalf_of_caller();
    let mut rows = Vec::new();
    {
        let _restore = Restore(TRACING.replace(true));
        no_grad(|| model.trace_all("", inputs, &mut rows)).iter().try_for_each(Tensor::check)?;
    }
    rows.iter_mut().for_each(|row| row.seen = None);
    let total = |of: fn(&Row) -> usize| rows.iter().map(of).fold(0, usize::saturating_add);
    let mut seen = HashSet::new();
    let shared = rows.iter().flat_map(|row| &row.tensors).filter(|(id, _)| !seen.insert(*id)).map(|(_, words)| 4 * words);
    let bytes = total(|r| r.bytes).saturating_sub(shared.sum());
    let multiply_adds = total(|r| r.multiply_adds);
    let inputs = inputs.iter().map(Tensor::try_shape).collect::<Result<_>>()?;
    Ok(Summary { inputs, parameters: model.parameter_count(), multiply_adds, bytes, rows })
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = |row: &Row| row.output.map_or("-".to_owned(), |s| s.to_string());
        let width = |text: &dyn Fn(&Row) -> String, least: usize| {
            self.rows.iter().map(|r| text(r).chars().count()).max().unwrap_or(0).max(least)
        };
        let (name, layer) = (|r: &Row| escaped(&r.name).into_owned(), |r: &Row| escaped(&r.layer).into_owned());
        let (a, b, c) = (width(&name, 5), width(&layer, 5), width(&shape, 12));
        let number = |n: usize| if n == 0 { String::new() } else { n.to_string() };
        let mut line = |texts: [&str; 6]| {
            let [name, kind, shape, parameters, work, bytes] = texts;
            let text = format!("{name:<a$}  {kind:<b$}  {shape:<c$}  {parameters:>10}  {work:>13}  {bytes:>11}");
            writeln!(f, "{}", text.trim_end())
        };
        line(["layer", "kind", "output shape", "parameters", "multiply-adds", "bytes"])?;
        for input in &self.inputs {
            line(["input", "", &input.to_string(), "", "", ""])?;
        }
        for row in &self.rows {
            let [parameters, work, bytes] = [row.parameters, row.multiply_adds, row.bytes].map(number);
            line([&name(row), &layer(row), &shape(row), &parameters, &work, &bytes])?;
        }
        let (parameters, work, bytes) = (self.parameters, self.multiply_adds, self.bytes);
        write!(f, "{:<a$}  {:<b$}  {:<c$}  {parameters:>10}  {work:>13}  {bytes:>11}", "total", "", "")
    }
}

/// The name of a part of a layer.
pub(super) fn within(name: &str, part: &str) -> String {
    if name.is_empty() { part.to_owned() } else { format!("{name}.{part}") }
}
