//! A saddle of the loss: getting to one, looking around there, and the way out of it.

use crate::formula;
use crate::playground::{Playground, Task, loss};
use crate::settings::Loss;
use serde::Serialize;
use steepest::critical::{self, CriticalPoint, Spectrum};
use steepest::nn::{Module, Sequential};
use steepest::{Result, Tensor, no_grad};

/// What is around a point of the loss.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Surroundings {
    /// Minimum, saddle and so on, in words.
    pub verdict: String,
    /// The same as a word: `minimum`, `maximum`, `saddle`, `plateau`.
    pub kind: &'static str,
    /// Whether the gradient vanishes.
    pub critical: bool,
    /// The loss of the rows looked at.
    pub loss: f64,
    /// The norm of its gradient.
    pub gradient: f64,
    /// The Hessian's eigenvalues, ascending: all of them, or the lowest and the highest.
    pub eigenvalues: Vec<f64>,
    /// Whether these are all.
    pub all: bool,
    /// Eigenvalues up to this count as 0.
    pub flat: f64,
    /// The verdict with its numbers, as text.
    pub text: String,
    /// The way out: the largest components of the eigenvector of the lowest eigenvalue, where that is negative.
    pub direction: Vec<Component>,
    /// The loss along the way out, from `-span` to `span`.
    pub along: Vec<f32>,
    /// The loss over the plane of the way out (from left to right) and of the steepest way up (from bottom to top), rows from the top, from `-span` to
    /// `span`; empty where there is not both.
    pub plane: Vec<f32>,
    /// Numbers of a side of the plane.
    pub side: usize,
    /// How far these reach.
    pub span: f64,
}

/// A part of a direction.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    /// The weight, as `x₁ → a₂`, or bias, as `1 → a₂`.
    pub parameter: String,
    /// How much of the direction it is, from −1 to 1.
    pub amount: f64,
}

/// Components that are named.
const NAMED: usize = 8;

/// Numbers along the way out.
const ALONG: usize = 61;

/// Multiplications that the picture of the plane may take, about.
const WORK: usize = 400_000_000;

impl Playground {
    /// Puts the network on the symmetric point of its loss: all weights and hidden biases 0, the last biases as they are best without them. There the
    /// gradient of every weight vanishes, and with one hidden layer it is a saddle wherever the inputs say something of the target.
    ///
    /// # Errors
    /// What the device reports.
    pub async fn to_saddle(&self) -> Result<()> {
        let (copy, x, y) = self.copy().await?;
        let parameters = copy.parameters();
        for parameter in &parameters {
            parameter.set(&vec![0.0; parameter.try_shape()?.numel()])?;
        }
        if let Some(bias) = parameters.last() {
            bias.set(&self.best_constant(bias.try_shape()?.numel(), &y)?)?;
        }
        drop(x);
        self.take_over(&copy)
    }

    /// The output that is best of all that do not look at the row; for losses other than the squared one and cross-entropy near it.
    fn best_constant(&self, outputs: usize, y: &Tensor) -> Result<Vec<f32>> {
        let squared = self.settings.loss != Loss::CrossEntropy;
        match self.task {
            Task::Values(width) => {
                let values = y.to_vec::<f32>()?;
                let rows = (values.len() / width.max(1)).max(1) as f32;
                Ok((0..width).map(|i| values.iter().skip(i).step_by(width).sum::<f32>() / rows).collect())
            }
            _ => {
                let labels = y.to_vec::<u32>()?;
                let share = |class: u32| {
                    let count = labels.iter().filter(|&&label| label == class).count();
                    // No class without a row: its logarithm would be infinite.
                    (count as f32).max(0.5) / labels.len().max(1) as f32
                };
                Ok(match (self.task == Task::TwoClasses, squared) {
                    (true, true) => vec![share(1) - share(0)],
                    (true, false) => vec![(share(1) / share(0)).ln()],
                    (false, true) => (0..outputs as u32).map(share).collect(),
                    (false, false) => (0..outputs as u32).map(|class| share(class).ln()).collect(),
                })
            }
        }
    }

    /// The numbers of a copy on the CPU.
    fn take_over(&self, copy: &Sequential) -> Result<()> {
        for (parameter, copied) in self.model.parameters().iter().zip(copy.parameters()) {
            parameter.set(&copied.to_vec::<f32>()?)?;
        }
        Ok(())
    }

    /// What is around the network's place on the loss of some rows; and the point itself, for [`Playground::leave`].
    ///
    /// # Errors
    /// What the examination reports.
    pub async fn look_around(&self) -> Result<(Surroundings, CriticalPoint)> {
        let (copy, x, y) = self.copy().await?;
        let parameters = copy.parameters();
        let by: Vec<&Tensor> = parameters.iter().collect();
        let recorded = loss(&self.settings, &self.task, &copy.forward(&x), &y);
        let point = critical::examine(&recorded, &by)?;
        let (eigenvalues, all) = match &point.spectrum {
            Spectrum::Full(values) => (values.clone(), true),
            ends => (vec![ends.lowest(), ends.highest()], false),
        };
        let steepest = point.spectrum.lowest().abs().max(point.flat);
        let span = (2.0 * point.loss.abs().max(0.02) / steepest).sqrt().clamp(0.3, 6.0);
        let mut found = Surroundings {
            verdict: point.verdict(),
            kind: word(point.kind),
            critical: point.is_critical,
            loss: point.loss,
            gradient: point.gradient_norm,
            eigenvalues,
            all,
            flat: point.flat,
            text: point.to_string(),
            direction: vec![],
            along: vec![],
            plane: vec![],
            side: 0,
            span,
        };
        let Some(escape) = &point.escape else { return Ok((found, point)) };
        found.direction = self.named(&escape.direction);
        // The way up is the way down of the loss turned over.
        let turned = critical::examine(&recorded.neg(), &by)?;
        let here = Around { playground: self, copy: &copy, x: &x, y: &y, center: numbers_of(&parameters)? };
        let place = |i: usize, count: usize| span * (2.0 * i as f64 / (count - 1) as f64 - 1.0);
        found.along = (0..ALONG).map(|i| here.at(&[(&escape.direction, place(i, ALONG))])).collect::<Result<_>>()?;
        if let Some(up) = &turned.escape {
            let each = escape.direction.len() * x.shape().dims()[0];
            let side = [31, 21, 13].into_iter().find(|side| side * side * each <= WORK).unwrap_or(9);
            for i in 0..side * side {
                let (right, top) = (place(i % side, side), -place(i / side, side));
                found.plane.push(here.at(&[(&escape.direction, right), (&up.direction, top)])?);
            }
            found.side = side;
        }
        Ok((found, point))
    }

    /// Goes a step along the way out of a point that [`Playground::look_around`] found, half as far for as long as the loss is not lower there: the loss
    /// of the rows looked at, before and after.
    ///
    /// # Errors
    /// There is no way out, the network is another one, or what the device reports.
    pub async fn leave(&self, point: &CriticalPoint, step: f64) -> Result<(f32, f32)> {
        let (copy, x, y) = self.copy().await?;
        let parameters = copy.parameters();
        let by: Vec<&Tensor> = parameters.iter().collect();
        let now = || loss(&self.settings, &self.task, &copy.forward(&x), &y).item();
        let before = now()?;
        let center = numbers_of(&parameters)?;
        let mut step = step;
        for _ in 0..24 {
            point.leave(&by, step)?;
            let after = now()?;
            if after < before {
                self.take_over(&copy)?;
                return Ok((before, after));
            }
            for (parameter, numbers) in parameters.iter().zip(&center) {
                parameter.set(numbers)?;
            }
            step /= 2.0;
        }
        Ok((before, before))
    }

    /// The largest components of a direction, with the weights' names.
    fn named(&self, direction: &[f64]) -> Vec<Component> {
        let mut seen = self.inputs.clone();
        let mut names = vec![];
        let widths: Vec<usize> = self.model.parameters().iter().skip(1).step_by(2).map(|bias| bias.shape().numel()).collect();
        for (layer, &width) in widths.iter().enumerate() {
            let last = layer + 1 == widths.len();
            let neurons: Vec<String> = (0..width)
                .map(|i| {
                    if last {
                        formula::output(i, width, &self.task, &self.classes)
                    } else {
                        formula::neuron(layer, i, widths.len())
                    }
                })
                .collect();
            for neuron in &neurons {
                names.extend(seen.iter().map(|from| format!("{from} → {neuron}")));
            }
            names.extend(neurons.iter().map(|neuron| format!("1 → {neuron}")));
            seen = neurons;
        }
        let mut found: Vec<Component> =
            names.into_iter().zip(direction).map(|(parameter, &amount)| Component { parameter, amount }).collect();
        found.sort_by(|a, b| b.amount.abs().total_cmp(&a.amount.abs()));
        found.truncate(NAMED);
        found.retain(|component| component.amount.abs() > 1e-3);
        found
    }
}

/// The loss of some rows around a place.
struct Around<'a> {
    playground: &'a Playground,
    copy: &'a Sequential,
    x: &'a Tensor,
    y: &'a Tensor,
    center: Vec<Vec<f32>>,
}

impl Around<'_> {
    /// The loss so far off along these directions.
    fn at(&self, off: &[(&Vec<f64>, f64)]) -> Result<f32> {
        let mut begin = 0;
        for (parameter, center) in self.copy.parameters().iter().zip(&self.center) {
            let moved = |(i, &number): (usize, &f32)| {
                off.iter().fold(f64::from(number), |sum, (direction, far)| sum + far * direction[begin + i]) as f32
            };
            parameter.set(&center.iter().enumerate().map(moved).collect::<Vec<f32>>())?;
            begin += center.len();
        }
        let playground = self.playground;
        no_grad(|| loss(&playground.settings, &playground.task, &self.copy.forward(self.x), self.y)).item()
    }
}

fn numbers_of(parameters: &[Tensor]) -> Result<Vec<Vec<f32>>> {
    parameters.iter().map(|parameter| parameter.to_vec::<f32>()).collect()
}

fn word(kind: critical::Kind) -> &'static str {
    match kind {
        critical::Kind::Minimum => "minimum",
        critical::Kind::Maximum => "maximum",
        critical::Kind::Saddle => "saddle",
        critical::Kind::Plateau => "plateau",
    }
}
