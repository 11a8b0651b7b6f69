//! Networks like those of the examples, each with its loss and gradients: the kernels of their plans, as elementwise functions are fused after them.

use anyhow::Result;
use steepest::graph::key::Graph;
use steepest::nn::{
    self, Activation::Relu, Conv2d, Embedding, Flatten, Linear, LstmCell, MaxPool2d, Module, Recurrent, TransformerBlock,
};
use steepest::plan::{Plan, Switches};
use steepest::verify::{CaseVariant, variants_of};
use steepest::{Device, Tensor};

/// The loss of a network.
type Loss = fn(&Device) -> Tensor;

/// What is fused in each network, as the variants of its plan's kernels.
pub fn variants() -> Result<Vec<(&'static str, Vec<CaseVariant>)>> {
    // Recording needs a device; nothing runs on it, and its plans are made for a GPU.
    let device = Device::cpu();
    let networks: [(&'static str, Loss); 5] =
        [("mlp", mlp), ("cnn", cnn), ("transformer", transformer), ("lstm", lstm), ("regression", regression)];
    let of = |(name, loss): (&'static str, Loss)| {
        let loss = loss(&device);
        let gradients = loss.backward();
        let roots: Vec<_> = std::iter::once(&loss).chain(gradients.iter()?).map(|t| t.node().clone()).collect();
        let plan = Plan::build(&Graph::collect(&roots)?, Switches::default(), false)?;
        Ok((name, variants_of(plan.dispatches.iter().map(|dispatch| &dispatch.kernel))))
    };
    networks.into_iter().map(of).collect()
}

/// Labels of so many rows.
fn labels(device: &Device, rows: usize, classes: u32) -> Tensor {
    let labels: Vec<u32> = (0..rows as u32).map(|row| row % classes).collect();
    device.tensor(&labels, rows)
}

fn mlp(device: &Device) -> Tensor {
    let model = nn::mlp(device, &[784, 256, 128, 10], 1);
    model.forward(&device.zeros([64, 784])).cross_entropy(&labels(device, 64, 10))
}

fn cnn(device: &Device) -> Tensor {
    let model = steepest::sequential![
        Conv2d::new(device, 1, 16, 3, 1).padding(1),
        Relu,
        Conv2d::new(device, 16, 32, 3, 2).padding(1),
        Relu,
        MaxPool2d::new(2),
        Flatten,
        Linear::new(device, 32 * 14 * 14, 10, 3)
    ];
    model.forward(&device.zeros([32, 1, 28, 28])).cross_entropy(&labels(device, 32, 10))
}

fn transformer(device: &Device) -> Tensor {
    let (token, block) = (Embedding::new(device, 65, 64, 1), TransformerBlock::new(device, 64, 4, 256, 0.1, 2).causal());
    let head = Linear::new(device, 64, 65, 3);
    let x = labels(device, 16 * 64, 65).reshape([16, 64]);
    let x = block.forward(&token.forward(&x)).reshape([16 * 64, 64]);
    head.forward(&x).cross_entropy(&labels(device, 16 * 64, 65))
}

fn lstm(device: &Device) -> Tensor {
    let (cell, head) = (Recurrent::<LstmCell>::new(device, 32, 64, 1), Linear::new(device, 64, 10, 2));
    let x = cell.forward(&device.zeros([32, 8, 32])).reshape([32 * 8, 64]);
    head.forward(&x).cross_entropy(&labels(device, 32 * 8, 10))
}

fn regression(device: &Device) -> Tensor {
    let model = Linear::new(device, 13, 1, 1);
    model.forward(&device.zeros([64, 13])).mse(&device.zeros([64, 1]))
}
