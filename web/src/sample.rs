//! One sample in a network: what each neuron says of it; and weights changed by hand.

use crate::playground::{Playground, Weights};
use serde::Serialize;
use steepest::data::Labels;
use steepest::nn::Module;
use steepest::{Error, Result};

/// A row that was held back.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// What the first layer sees of it.
    pub features: Vec<f32>,
    /// What is to be said of it: the class's name, or the values.
    pub label: String,
}

/// A weight or a bias, as it is changed by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The layer, hidden ones first, from 0.
    pub layer: usize,
    /// Its neuron.
    pub neuron: usize,
    /// What that neuron sees; nothing for its bias.
    pub input: Option<usize>,
}

fn refused(message: String) -> Error {
    Error::Config { what: "network", message }
}

impl Playground {
    /// What each neuron says of one row of features, hidden ones after their function: `[layer][neuron]`.
    ///
    /// # Errors
    /// A row of another width, or what the device reports.
    pub async fn activations(&self, row: &[f32]) -> Result<Vec<Vec<f32>>> {
        if row.len() != self.inputs.len() {
            return Err(refused(format!("a row of {} features, where the network sees {}", row.len(), self.inputs.len())));
        }
        Ok(self.layers_of(row, 1).await?.into_iter().map(|layer| layer.into_iter().flatten().collect()).collect())
    }

    /// A row of those held back.
    ///
    /// # Errors
    /// There are fewer.
    pub fn sample(&self, index: usize) -> Result<Sample> {
        let rows = &self.tested;
        let Some(features) = rows.row(index) else {
            return Err(refused(format!("there is no row {index}: {} rows are held back, from 0", rows.len())));
        };
        let label = match rows.labels() {
            Labels::Classes(classes, _) => {
                let class = classes[index] as usize;
                self.classes.get(class).cloned().unwrap_or_else(|| class.to_string())
            }
            Labels::Values(values, width) => {
                values[index * width..(index + 1) * width].iter().map(f32::to_string).collect::<Vec<_>>().join(", ")
            }
            Labels::Maps(..) => String::new(),
        };
        Ok(Sample { features: features.to_vec(), label })
    }

    /// Changes one weight or bias.
    ///
    /// # Errors
    /// There is no such weight, the number is not finite, or what the device reports.
    pub async fn set_weight(&self, place: Place, value: f32) -> Result<()> {
        if !value.is_finite() {
            return Err(refused(format!("a weight of {value}; write a number")));
        }
        let index = 2 * place.layer + usize::from(place.input.is_none());
        let parameters = self.read_parameters().await?;
        let Some((_, mut numbers, shape)) = parameters.into_iter().nth(index) else {
            return Err(refused(format!("there is no layer {}", place.layer + 1)));
        };
        let width = if place.input.is_some() { shape[1] } else { 1 };
        let input = place.input.unwrap_or(0);
        if place.neuron >= shape[0] || input >= width {
            return Err(refused(format!("layer {} has {} neurons of {width} inputs", place.layer + 1, shape[0])));
        }
        numbers[place.neuron * width + input] = value;
        self.model.parameters()[index].set(&numbers)
    }

    /// Puts all weights, and how many steps were taken to them: a network goes on where it was. Momentum and the like begin anew.
    ///
    /// # Errors
    /// Weights of another network, or what the device reports; the network stays as it was.
    pub fn restore(&mut self, weights: &[Weights], steps: u64, epochs: u64) -> Result<()> {
        let parameters = self.model.parameters();
        let fits = |parameter: &steepest::Tensor, count: usize| parameter.try_shape().is_ok_and(|shape| shape.numel() == count);
        let numbers: Vec<Vec<f32>> = weights.iter().flat_map(|layer| [layer.weight.concat(), layer.bias.clone()]).collect();
        if numbers.len() != parameters.len() || !parameters.iter().zip(&numbers).all(|(p, numbers)| fits(p, numbers.len())) {
            return Err(refused("the weights are those of another network".to_owned()));
        }
        for (parameter, numbers) in parameters.iter().zip(&numbers) {
            parameter.set(numbers)?;
        }
        (self.steps, self.epochs) = (steps, epochs);
        Ok(())
    }
}
