//! A model as a table: layers, output shapes, parameters.

use super::Module;
use crate::error::Result;
use crate::{Device, Shape, ToShape, no_grad};
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
}

/// A model's layers for a given input.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The input's shape.
    pub input: Shape,
    /// The layers in order.
    pub rows: Vec<Row>,
    /// Numbers learned in all.
    pub parameters: usize,
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
pub fn summary(model: &impl Module, device: &Device, input: impl ToShape) -> Result<Summary> {
    let mut rows = Vec::new();
    let x = device.zeros(input);
    no_grad(|| model.trace("", &x, &mut rows)).check()?;
    Ok(Summary { input: x.try_shape()?, rows, parameters: model.parameter_count() })
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = |row: &Row| row.output.map_or("-".to_owned(), |s| s.to_string());
        let width = |text: &dyn Fn(&Row) -> String, least: usize| {
            self.rows.iter().map(|r| text(r).chars().count()).max().unwrap_or(0).max(least)
        };
        let (a, b, c) = (width(&|r| r.name.clone(), 5), width(&|r| r.layer.clone(), 5), width(&shape, 12));
        writeln!(f, "{:<a$}  {:<b$}  {:<c$}  {:>10}", "layer", "kind", "output shape", "parameters")?;
        writeln!(f, "{:<a$}  {:<b$}  {:<c$}", "input", "", self.input.to_string())?;
        for row in &self.rows {
            let parameters = if row.parameters == 0 { String::new() } else { row.parameters.to_string() };
            writeln!(f, "{:<a$}  {:<b$}  {:<c$}  {parameters:>10}", row.name, row.layer, shape(row))?;
        }
        write!(f, "{:<a$}  {:<b$}  {:<c$}  {:>10}", "total", "", "", self.parameters)
    }
}
