//! Looking at activations: what every layer was given and made in a forward pass, and figures of it.

use super::{Module, Row};
use crate::error::{Error, Result};
use crate::location::on_behalf_of_caller;
use crate::platform::waited;
use crate::{Tensor, memory};

/// What a layer was given and what it made of it: see [`watch`].
#[derive(Clone, Debug)]
pub struct LayerOutput {
    /// The layer's name inside the model; empty for the model itself.
    pub name: String,
    /// Kind and sizes.
    pub layer: String,
    /// What it was given.
    pub inputs: Vec<Tensor>,
    /// What it made: recorded like everything else, so it can be read, and be differentiated by.
    pub outputs: Vec<Tensor>,
}

/// Figures of an activation: [`LayerOutput::statistics`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statistics {
    /// How many numbers there are.
    pub elements: usize,
    /// How many are NaN or infinite; they count in no other figure.
    pub not_finite: usize,
    /// How many are 0: after a ReLU, what is off.
    pub zeros: usize,
    /// The mean; NaN of nothing.
    pub mean: f64,
    /// The standard deviation (over n, not n − 1).
    pub std: f64,
    /// The smallest.
    pub least: f64,
    /// The largest.
    pub most: f64,
}

impl LayerOutput {
    /// Its output, of several the first; `None` where it has none.
    pub fn output(&self) -> Option<&Tensor> {
        self.outputs.first()
    }

    /// Mean, deviation and range of its first output. Reading waits for the device.
    ///
    /// # Errors
    /// As [`Tensor::to_vec`]; no output, or one that is not f32.
    pub fn statistics(&self) -> Result<Statistics> {
        waited(&self.device(), self.statistics_async())
    }

    /// [`LayerOutput::statistics`] without blocking.
    ///
    /// # Errors
    /// As [`LayerOutput::statistics`].
    pub async fn statistics_async(&self) -> Result<Statistics> {
        let values = self.values().await?;
        let finite: Vec<f64> = values.iter().copied().filter(|x| x.is_finite()).collect();
        let n = finite.len() as f64;
        let mean = finite.iter().sum::<f64>() / n;
        Ok(Statistics {
            elements: values.len(),
            not_finite: values.len() - finite.len(),
            zeros: finite.iter().filter(|x| **x == 0.0).count(),
            mean,
            std: (finite.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt(),
            least: finite.iter().copied().fold(f64::NAN, f64::min),
            most: finite.iter().copied().fold(f64::NAN, f64::max),
        })
    }

    /// How many numbers of its first output are in each of `bins` parts of equal width between the smallest and the largest: the edges (one more than
    /// parts) and the counts. Numbers that are not finite are left out; where all are the same they are in the first part.
    ///
    /// # Errors
    /// As [`LayerOutput::statistics`], and no parts, or no number that is finite.
    pub fn histogram(&self, bins: usize) -> Result<(Vec<f64>, Vec<usize>)> {
        waited(&self.device(), self.histogram_async(bins))
    }

    /// [`LayerOutput::histogram`] without blocking.
    ///
    /// # Errors
    /// As [`LayerOutput::histogram`].
    pub async fn histogram_async(&self, bins: usize) -> Result<(Vec<f64>, Vec<usize>)> {
        let Statistics { elements, not_finite, least, most, .. } = self.statistics_async().await?;
        if bins == 0 || elements == not_finite {
            return Err(self.wrong(format!("a histogram in {bins} parts of {} finite numbers", elements - not_finite)));
        }
        let width = (most - least) / bins as f64;
        let mut counts = memory::filled(format_args!("{bins} parts of a histogram"), bins, 0).map_err(Error::NoRoom)?;
        for x in self.values().await?.into_iter().filter(|x| x.is_finite()) {
            let bin = if width > 0.0 { ((x - least) / width) as usize } else { 0 };
            counts[bin.min(bins - 1)] += 1;
        }
        let mut edges = memory::room(format_args!("the edges of {bins} parts"), bins.saturating_add(1)).map_err(Error::NoRoom)?;
        edges.extend((0..=bins).map(|i| least + width * i as f64));
        Ok((edges, counts))
    }

    fn device(&self) -> String {
        self.output().map_or_else(|| "cpu".to_owned(), |output| output.device().name().to_owned())
    }

    async fn values(&self) -> Result<Vec<f64>> {
        let output = self.output().ok_or_else(|| self.wrong("it has no output".to_owned()))?;
        Ok(output.fetch::<f32>().await?.into_iter().map(f64::from).collect())
    }

    fn wrong(&self, message: String) -> Error {
        Error::Config { what: "activation", message: format!("layer `{}`: {message}", self.name) }
    }
}

/// A forward pass that also hands out what every layer was given and made, in the order of the pass: the same numbers as [`Module::forward`] gives, for
/// looking at activations.
///
/// The layers are those that [`summary`](fn@super::summary) shows: containers are looked into; a module of one's own is one layer, unless its [`Module::trace`] hands
/// on to its parts. Whoever holds the activations has them kept in memory.
///
/// ```
/// use steepest::{Device, nn};
/// let device = Device::cpu();
/// let model = nn::mlp(&device, &[4, 8, 8, 2], 1);
/// let x = device.tensor(&[1.0, -2.0, 0.5, 3.0], [1, 4]);
/// let (y, layers) = nn::watch(&model, &x);
/// assert_eq!(layers.iter().map(|seen| seen.name.as_str()).collect::<Vec<_>>(), ["0", "1", "2", "3", "4"]);
/// let hidden = layers[1].output().expect("a ReLU has one");
/// assert!(layers[1].statistics()?.least >= 0.0);
/// // The gradient of the loss by an activation.
/// let slope = y.square().sum(&[]).backward_retaining(&[hidden]).wrt(hidden)?;
/// device.run([&y, &slope])?;
/// assert_eq!(slope.shape(), hidden.shape());
/// # Ok::<(), steepest::Error>(())
/// ```
#[track_caller]
pub fn watch(model: &(impl Module + ?Sized), x: &Tensor) -> (Tensor, Vec<LayerOutput>) {
    let _line = on_behalf_of_caller();
    let mut rows = Vec::new();
    let y = model.trace("", x, &mut rows);
    (y, seen(rows))
}

/// [`watch`] for a model of several inputs.
#[track_caller]
pub fn watch_all(model: &(impl Module + ?Sized), inputs: &[Tensor]) -> (Vec<Tensor>, Vec<LayerOutput>) {
    let _line = on_behalf_of_caller();
    let mut rows = Vec::new();
    let outputs = model.trace_all("", inputs, &mut rows);
    (outputs, seen(rows))
}

fn seen(rows: Vec<Row>) -> Vec<LayerOutput> {
    let each = |Row { name, layer, seen, .. }: Row| seen.map(|(inputs, outputs)| LayerOutput { name, layer, inputs, outputs });
    rows.into_iter().filter_map(each).collect()
}
