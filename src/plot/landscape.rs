//! The loss around a network's weights along random directions, after Li et al., "Visualizing the Loss Landscape of Neural Nets" (2018).

use super::field::Field;
use super::figure::Figure;
use crate::error::{Error, Result};
use crate::platform::{self, waited};
use crate::{Tensor, random};

/// How many directions a figure of slices shows.
const SLICES: u64 = 3;
/// Random streams of the directions, so that they share no number with an initialisation of the same seed.
const STREAM: u64 = 0x004C_4F53_5300;

fn wrong(message: String) -> Error {
    Error::Config { what: "loss landscape", message }
}

/// Weights that go back to what they were, whatever happens in between.
struct Weights<'a> {
    parameters: &'a [Tensor],
    start: Vec<Vec<f32>>,
    restored: bool,
}

impl<'a> Weights<'a> {
    async fn of(parameters: &'a [Tensor]) -> Result<Weights<'a>> {
        if parameters.is_empty() {
            return Err(wrong("no parameters to move".to_owned()));
        }
        if let Some(at) = parameters.iter().position(|p| !p.is_leaf()) {
            return Err(wrong(format!("parameter {at} is computed from others; only given tensors can be moved")));
        }
        let mut start = Vec::with_capacity(parameters.len());
        for parameter in parameters {
            start.push(parameter.fetch::<f32>().await?);
        }
        Ok(Weights { parameters, start, restored: false })
    }

    /// start + Σ share · direction
    fn put(&self, moves: &[(f64, &[Vec<f32>])]) -> Result<()> {
        for (i, parameter) in self.parameters.iter().enumerate() {
            let mut values = self.start[i].clone();
            for (share, direction) in moves {
                for (value, step) in values.iter_mut().zip(&direction[i]) {
                    *value = (f64::from(*value) + share * f64::from(*step)) as f32;
                }
            }
            parameter.set(&values)?;
        }
        Ok(())
    }

    /// Runs with other weights in place; ends with the weights as they were. Of two errors the first is told.
    async fn during<T>(mut self, run: impl AsyncFnOnce(&Weights<'a>) -> Result<T>) -> Result<T> {
        let found = run(&self).await;
        self.restored = true;
        let back = self.put(&[]);
        found.and_then(|found| back.map(|()| found))
    }

    /// A random direction, each filter scaled to the length of the weights' filter: its place says how far, in lengths of the weights.
    /// Filters are the slices along the first axis of tensors with at least two (a neuron's weights, a filter of a convolution); biases and
    /// the scales of normalisations stay where they are.
    fn direction(&self, seed: u64, number: u64) -> Result<Vec<Vec<f32>>> {
        let mut direction = vec![];
        for (i, (parameter, start)) in self.parameters.iter().zip(&self.start).enumerate() {
            let shape = parameter.try_shape()?;
            let dims = shape.dims();
            if dims.len() < 2 || start.is_empty() {
                direction.push(vec![0.0; start.len()]);
                continue;
            }
            let mut values = random::normal_host(start.len(), 0.0, 1.0, seed, STREAM + number + (i as u64) * 16);
            let size = start.len() / dims[0];
            let length = |v: &[f32]| v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
            for (filter, weights) in values.chunks_mut(size).zip(start.chunks(size)) {
                let factor = length(weights) / length(filter).max(f64::MIN_POSITIVE);
                filter.iter_mut().for_each(|v| *v = (f64::from(*v) * factor) as f32);
            }
            direction.push(values);
        }
        if direction.iter().flatten().all(|v| *v == 0.0) {
            return Err(wrong("all weights are zero, or there are only biases: no direction has a length".to_owned()));
        }
        Ok(direction)
    }
}

/// A loss that panics leaves the weights as they were, too.
impl Drop for Weights<'_> {
    fn drop(&mut self) {
        if !self.restored {
            let _ = self.put(&[]);
        }
    }
}

fn checked(reach: f64, steps: usize) -> Result<()> {
    match reach > 0.0 && reach.is_finite() && (3..=501).contains(&steps) {
        true => Ok(()),
        false => Err(wrong(format!("{steps} steps to a reach of {reach}, expected 3 to 501 and a positive number"))),
    }
}

/// The loss along three random directions through the weights, `steps` values each, from −`reach` to `reach`: 1 is a step as long as the
/// weights themselves, filter by filter. `loss` is called with other weights in place each time (record it anew, in
/// [`no_grad`](crate::no_grad); use [`eval`](crate::nn::Module::eval)). The weights are the same bits afterwards, also if it fails.
///
/// ```
/// use steepest::{Device, nn::{self, Module}, no_grad, plot};
/// let device = Device::cpu();
/// let model = nn::mlp(&device, &[2, 8, 1], 1);
/// let (x, y) = (device.tensor(&[0.0, 0.0, 1.0, 1.0], [2, 2]), device.tensor(&[0.0, 1.0], [2, 1]));
/// let loss = || no_grad(|| model.forward(&x).mse(&y)).item();
/// let slices = plot::loss_slices(&model.parameters(), 1, 1.0, 21, loss)?;
/// let surface = plot::surface("Loss", &plot::loss_surface(&model.parameters(), 1, 1.0, 11, loss)?);
/// assert!(slices.to_svg()?.contains("direction 3") && surface.to_svg()?.contains("Loss"));
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// [`Error::Config`]: no parameters, computed ones, all of them zero; steps or reach out of range. The first error of `loss`.
pub fn loss_slices(
    parameters: &[Tensor],
    seed: u64,
    reach: f64,
    steps: usize,
    mut loss: impl FnMut() -> Result<f32>,
) -> Result<Figure> {
    waited(&device_of(parameters), loss_slices_async(parameters, seed, reach, steps, async || loss()))
}

/// [`loss_slices`] without blocking, of a loss that is awaited: `async || loss.item_async().await`. In a browser the page's loop goes on between the values.
/// Dropped, it is given up, and the weights are as they were.
///
/// # Errors
/// As [`loss_slices`].
pub async fn loss_slices_async(
    parameters: &[Tensor],
    seed: u64,
    reach: f64,
    steps: usize,
    mut loss: impl AsyncFnMut() -> Result<f32>,
) -> Result<Figure> {
    checked(reach, steps)?;
    let figure = Figure::new("Loss along random directions").labels("distance from the weights, in their own length", "loss");
    let slices = async |weights: &Weights<'_>| {
        let mut figure = figure;
        for number in 0..SLICES {
            let direction = weights.direction(seed, number)?;
            let mut points = vec![];
            for i in 0..steps {
                let share = reach * (2.0 * i as f64 / (steps - 1) as f64 - 1.0);
                weights.put(&[(share, &direction)])?;
                platform::let_page_go_on().await;
                points.push((share, f64::from(loss().await?)));
            }
            figure = figure.line(format!("direction {}", number + 1), points);
        }
        Ok(figure)
    };
    Weights::of(parameters).await?.during(slices).await
}

/// The name of the device that parameters are on, for messages.
fn device_of(parameters: &[Tensor]) -> String {
    parameters.first().map_or_else(|| "cpu".to_owned(), |first| first.device().name().to_owned())
}

/// The loss over the plane of two random directions through the weights, `steps` × `steps` values: see [`loss_slices`]. For
/// [`Figure::contour`], [`Figure::heat_map`] and [`surface`](super::surface).
///
/// # Errors
/// As [`loss_slices`].
pub fn loss_surface(
    parameters: &[Tensor],
    seed: u64,
    reach: f64,
    steps: usize,
    mut loss: impl FnMut() -> Result<f32>,
) -> Result<Field> {
    waited(&device_of(parameters), loss_surface_async(parameters, seed, reach, steps, async || loss()))
}

/// [`loss_surface`] without blocking; see [`loss_slices_async`].
///
/// # Errors
/// As [`loss_slices`].
pub async fn loss_surface_async(
    parameters: &[Tensor],
    seed: u64,
    reach: f64,
    steps: usize,
    mut loss: impl AsyncFnMut() -> Result<f32>,
) -> Result<Field> {
    checked(reach, steps)?;
    let plane = async |weights: &Weights<'_>| {
        let (one, two) = (weights.direction(seed, 0)?, weights.direction(seed, 1)?);
        let value = async |a: f64, b: f64| {
            weights.put(&[(a, &one), (b, &two)])?;
            platform::let_page_go_on().await;
            Ok(f64::from(loss().await?))
        };
        Field::try_sample_async((-reach, reach), (-reach, reach), steps, value).await
    };
    Weights::of(parameters).await?.during(plane).await
}
