//! What is trained. `mlp_b64`, `cnn_b64` and `linreg_b16` are those of `examples/peer.rs`, number by number; `transformer` is a block of a transformer.

#[path = "../../../examples/common/hashed.rs"]
mod hashed;

use hashed::{labels, numbers};
use steepest::nn::{Module, TransformerBlock};
use steepest::optim::{Optimizer, Sgd};
use steepest::{ConvOptions, Device, Result, Tensor};

/// Sequences, their length, and the width of the transformer's block.
const SEQUENCES: usize = 16;
const LENGTH: usize = 32;
const WIDTH: usize = 64;

/// A model with its data.
pub struct Workload {
    parameters: Vec<(String, Tensor)>,
    x: Tensor,
    y: Tensor,
    loss: Box<dyn Fn(&Workload) -> Tensor>,
    optimizer: Sgd,
}

impl Workload {
    /// The training of a name; `None` if there is none.
    pub fn new(device: &Device, name: &str) -> Option<Workload> {
        Some(match name {
            "linreg_b16" => {
                let x = numbers(1, 16, 2.0);
                let y: Vec<f32> = x.iter().map(|x| 2.0 * x + 1.0).collect();
                let data = [device.tensor(&x, [16, 1]), device.tensor(&y, [16, 1])];
                Workload::of(layers(device, 30, &[&[1, 1]]), data, |all| all.linear(&all.x, 0).mse(&all.y))
            }
            "mlp_b64" => {
                let data = [device.tensor(&numbers(1, 64 * 784, 2.0), [64, 784]), device.tensor(&labels(2, 64, 10), 64)];
                Workload::of(layers(device, 10, &[&[256, 784], &[128, 256], &[10, 128]]), data, Workload::perceptron)
            }
            "cnn_b64" => {
                let x = device.tensor(&numbers(1, 64 * 784, 2.0), [64, 1, 28, 28]);
                let shapes: [&[usize]; 3] = [&[16, 1, 3, 3], &[32, 16, 3, 3], &[10, 1568]];
                Workload::of(layers(device, 20, &shapes), [x, device.tensor(&labels(2, 64, 10), 64)], Workload::convolutional)
            }
            "transformer" => {
                let [x, y] = [1, 2].map(|seed| {
                    device.tensor(&numbers(seed, SEQUENCES * LENGTH * WIDTH, 2.0), [SEQUENCES, LENGTH, WIDTH])
                });
                let block = TransformerBlock::new(device, WIDTH, 4, 4 * WIDTH, 0.0, 0);
                Workload::of(block.named_parameters(), [x, y], move |all| block.forward(&all.x).mse(&all.y))
            }
            _ => return None,
        })
    }

    fn of(parameters: Vec<(String, Tensor)>, [x, y]: [Tensor; 2], loss: impl Fn(&Workload) -> Tensor + 'static) -> Workload {
        let optimizer = Sgd::new(parameters.iter().map(|(_, parameter)| parameter.clone()), 0.01).momentum(0.9);
        Workload { parameters, x, y, loss: Box::new(loss), optimizer }
    }

    fn linear(&self, x: &Tensor, layer: usize) -> Tensor {
        x.matmul(&self.parameters[2 * layer].1.t()) + &self.parameters[2 * layer + 1].1
    }

    fn perceptron(&self) -> Tensor {
        let hidden = self.linear(&self.x, 0).relu();
        let hidden = self.linear(&hidden, 1).relu();
        self.linear(&hidden, 2).cross_entropy(&self.y)
    }

    fn convolutional(&self) -> Tensor {
        let block = |x: &Tensor, layer: usize| {
            let [weight, bias] = [2 * layer, 2 * layer + 1].map(|i| &self.parameters[i].1);
            x.conv2d(weight, Some(bias), ConvOptions::new().padding(1)).relu().max_pool2d(2, 2, 0)
        };
        let features = block(&block(&self.x, 0), 1);
        self.linear(&features.reshape([64, 1568]), 2).cross_entropy(&self.y)
    }

    /// Data and parameters, with names.
    pub fn tensors(&self) -> impl Iterator<Item = (String, Tensor)> {
        let data = [("x", &self.x), ("y", &self.y)].map(|(name, tensor)| (name.to_owned(), tensor.clone()));
        data.into_iter().chain(self.parameters.iter().cloned())
    }

    /// A step; the loss before it.
    ///
    /// # Errors
    /// What the device reports.
    pub fn step(&mut self) -> Result<Tensor> {
        let loss = (self.loss)(self);
        self.optimizer.step(loss.backward())?;
        Ok(loss)
    }
}

/// Weights and biases of layers, uniform in ±1/√fan_in, as all libraries of `examples/peer.rs` start.
fn layers(device: &Device, seed: u32, shapes: &[&[usize]]) -> Vec<(String, Tensor)> {
    let mut parameters = vec![];
    for (layer, shape) in shapes.iter().enumerate() {
        let fan_in: usize = shape[1..].iter().product();
        for (kind, shape, seed) in [("weight", *shape, seed), ("bias", &shape[..1], seed + 1)] {
            let values = numbers(seed + 2 * layer as u32, shape.iter().product(), 2.0 / (fan_in as f32).sqrt());
            parameters.push((format!("{layer}.{kind}"), device.parameter(&values, shape)));
        }
    }
    parameters
}
