//! A first layer for tables: numbers, and columns of categories as one index each instead of a feature per category.

use super::{Blueprint, Init, Module, Site};
use crate::error::{At, OpError, Result};
use crate::{Device, Shape, Tensor, memory};

/// What errors call it.
const NAME: &str = "feature_embedding";

/// y = x Wᵀ + b + Σ Tₖ\[iₖ\]: \[…, inputs + columns\] → \[…, outputs\]. Of each row the first `inputs` numbers are x, and each of the others
/// is an index iₖ into a table Tₖ \[rows, outputs\] of its own.
///
/// It is a [`Linear`](crate::nn::Linear) layer over one-hot rows without the one-hot: a column of thousands of categories is one number of a row, and its
/// product is a look-up. An index is a number of f32, exact below 2²⁴, and cut to a whole one; one outside its table makes the row's output NaN,
/// and NaN counts as 0. [`Prepare::index_above`](crate::data::Prepare::index_above) makes such rows of tables, where 0 stands for a
/// category that training did not have.
///
/// ```
/// use steepest::{Device, nn::{FeatureEmbedding, Module}};
/// let device = Device::cpu();
/// let layer = FeatureEmbedding::new(&device, 2, &[8001], 64, 0); // two numbers, a column of 8,000 categories
/// let y = layer.forward(&device.tensor(&[0.5, -1.0, 7204.0, 0.1, 0.0, 0.0], [2, 3]));
/// assert_eq!(y.shape().dims(), [2, 64]);
/// assert_eq!(layer.parameter_count(), 2 * 64 + 64 + 8001 * 64);
/// ```
#[derive(Debug)]
pub struct FeatureEmbedding {
    weight: Option<Tensor>,
    bias: Tensor,
    tables: Vec<Tensor>,
    inputs: usize,
    rows: Vec<usize>,
    outputs: usize,
}

impl FeatureEmbedding {
    /// A layer that starts as PyTorch's linear layers do, uniform in ±1 / √n of n one-hot inputs. `rows`: of the table of each column, one
    /// more than its greatest index.
    #[track_caller]
    pub fn new(device: &Device, inputs: usize, rows: &[usize], outputs: usize, seed: u64) -> FeatureEmbedding {
        FeatureEmbedding::with_init(device, inputs, rows, outputs, Init::FanIn, Init::FanIn, seed)
    }

    /// A layer with the given starts of weights (W and tables) and bias. They are those of the [`Linear`](crate::nn::Linear) layer of the
    /// same seed over the numbers and a one-hot input for each index but 0, number for number. Row 0 of each table starts at 0: what
    /// stands for no category that is known says nothing, until it is trained.
    #[track_caller]
    pub fn with_init(
        device: &Device,
        inputs: usize,
        rows: &[usize],
        outputs: usize,
        weight: Init,
        bias: Init,
        seed: u64,
    ) -> FeatureEmbedding {
        let at = At::caller();
        let refused = |error| {
            let bias = device.invalid(NAME, at, error);
            FeatureEmbedding { weight: None, bias, tables: vec![], inputs, rows: rows.to_vec(), outputs }
        };
        let wide = rows.iter().fold(inputs, |wide, rows| wide.saturating_add(rows.saturating_sub(1)));
        // All tables together, and then one after the other.
        let drawn = Shape::new(&[outputs, wide]).and_then(|_| weight.values(&[outputs, wide], (wide, outputs), seed, 0));
        let drawn = match drawn {
            Ok(drawn) => drawn,
            Err(error) => return refused(error),
        };
        // W of the linear layer, by rows; a table has the columns of its categories as rows.
        let mut first = inputs;
        let mut tables = Vec::with_capacity(rows.len());
        for &rows in rows {
            let columns = first..first + rows.saturating_sub(1);
            first = columns.end;
            // The first category's row is 0.
            match picked(device, outputs, rows, |row, of| {
                row.checked_sub(1).map_or(0.0, |category| drawn[of * wide + columns.start + category])
            }) {
                Ok(table) => tables.push(table),
                Err(error) => return refused(error),
            }
        }
        let weight = if inputs == 0 {
            None
        } else {
            match picked(device, inputs, outputs, |row, of| drawn[row * wide + of]) {
                Ok(weight) => Some(weight),
                Err(error) => return refused(error),
            }
        };
        let bias = bias.start(NAME, device, &[outputs], (wide, outputs), seed, 1);
        FeatureEmbedding { weight, bias, tables, inputs, rows: rows.to_vec(), outputs }
    }

    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        let (inputs, outputs) = (site.size("inputs")?, site.size("outputs")?);
        let rows = site.blueprint().list("rows")?;
        site.reserve(&[&[outputs, inputs], &[outputs]])?;
        rows.iter().try_for_each(|&rows| site.reserve(&[&[rows, outputs]]))?;
        let made = |shape: &[usize]| Init::Constant(0.0).start(NAME, site.device(), shape, (inputs, outputs), 0, 0);
        let weight = (inputs > 0).then(|| made(&[outputs, inputs]));
        let tables = rows.iter().map(|&rows| made(&[rows, outputs])).collect();
        Ok(Box::new(FeatureEmbedding { weight, bias: made(&[outputs]), tables, inputs, rows, outputs }))
    }

    /// W \[outputs, inputs\]; `None` where no input is a number.
    pub fn weight(&self) -> Option<&Tensor> {
        self.weight.as_ref()
    }

    /// b \[outputs\].
    pub fn bias(&self) -> &Tensor {
        &self.bias
    }

    /// Tₖ \[rows, outputs\], in the order of the columns.
    pub fn tables(&self) -> &[Tensor] {
        &self.tables
    }
}

/// A parameter \[rows, width\] of numbers that `number` says for each row and column.
#[track_caller]
fn picked(device: &Device, width: usize, rows: usize, number: impl Fn(usize, usize) -> f32) -> Result<Tensor, OpError> {
    let shape = Shape::new(&[rows, width])?;
    let what = format_args!("a parameter of shape [{rows}, {width}]").to_string();
    let places = (0..shape.numel()).map(|at| number(at / width, at % width));
    Ok(device.parameter(&memory::collected(what, places).map_err(OpError::NoRoom)?, shape))
}

impl Module for FeatureEmbedding {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        let _layer = crate::nn::entered(self);
        let Ok(shape) = x.try_shape() else { return x.clone() };
        let width = self.inputs.saturating_add(self.rows.len());
        let before = match shape.dims() {
            [before @ .., last] if *last == width && width > 0 => before,
            _ => {
                let (inputs, columns) = (self.inputs, self.rows.len());
                let expected = format!("expected […, {width}]: {inputs} numbers and {columns} indices");
                return x.refuse(NAME, OpError::Shape(format!("input is {shape}, {expected}")));
            }
        };
        let inputs = self.inputs as isize;
        let numbers = self.weight.as_ref().map(|weight| x.slice(-1, ..inputs).matmul(&weight.t()));
        let looked_up = self.tables.iter().zip(inputs..).map(|(table, at)| {
            // Signed, so that one below 0 is outside and no 0.
            table.embedding(&x.slice(-1, at..=at).to_i32().reshape(before))
        });
        // Without weights and tables it is a layer that was refused: b says why.
        let sum = numbers.into_iter().chain(looked_up).reduce(|sum, part| sum + part);
        sum.map_or_else(|| self.bias.clone(), |sum| sum + &self.bias)
    }

    fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        if let Some(weight) = &self.weight {
            visit("weight", weight);
        }
        visit("bias", &self.bias);
        self.tables.iter().enumerate().for_each(|(i, table)| visit(&format!("tables.{i}"), table));
    }

    fn visit_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor)) {
        if let Some(weight) = &mut self.weight {
            visit("weight", weight);
        }
        visit("bias", &mut self.bias);
        self.tables.iter_mut().enumerate().for_each(|(i, table)| visit(&format!("tables.{i}"), table));
    }

    fn multiply_adds(&self, _: &Shape, output: &Shape) -> usize {
        output.numel().saturating_mul(self.inputs)
    }

    fn blueprint(&self) -> Option<Blueprint> {
        let blueprint = Blueprint::new("FeatureEmbedding").set("inputs", self.inputs).set("outputs", self.outputs);
        Some(blueprint.set("rows", &self.rows[..]))
    }

    fn describe(&self) -> String {
        let rows: Vec<String> = self.rows.iter().map(usize::to_string).collect();
        format!("FeatureEmbedding({} and tables of {} → {})", self.inputs, rows.join(", "), self.outputs)
    }
}
