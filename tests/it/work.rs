//! The multiply-adds of a summary: derived by hand, and those of all products and convolutions that a forward pass records.
//!
//! A bug that was planted to see it fail: a transposed convolution counted as one that is not.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use steepest::graph::node::{Body, Node};
use steepest::nn::recurrent::Cell;
use steepest::nn::{self, *};
use steepest::{ConvOptions, Device, Interpolation, Tensor, sequential};

/// Half of the floating-point operations of the products and convolutions that a value is computed by.
fn recorded(y: &Tensor) -> usize {
    let (mut seen, mut stack, mut sum) = (HashSet::new(), vec![y.node().clone()], 0);
    while let Some(node) = stack.pop() {
        let Body::Call { op, inputs } = node.body() else { continue };
        if !seen.insert(node.id()) {
            continue;
        }
        if ["matmul", "conv2d", "conv2d_input", "conv2d_weight"].contains(&op.name()) {
            let spec = |node: &Node| *node.spec().as_ref().unwrap();
            let specs: Vec<_> = inputs.iter().map(|input| spec(&input.node)).collect();
            sum += op.flops(&specs, &spec(&node)) as usize / 2;
        }
        stack.extend(inputs.iter().map(|input| input.node.clone()));
    }
    sum
}

/// A model, an input, and its multiply-adds by hand.
fn models(d: &Device) -> Vec<(&'static str, Sequential, Tensor, usize)> {
    let numbers = |shape: &[usize]| d.uniform(shape, -1.0, 1.0, 9);
    let tokens = d.tensor(&[0u32, 3, 1, 2, 2, 1], [2, 3]);
    vec![
        ("an MLP", mlp(d, &[6, 5, 3], 0), numbers(&[4, 6]), 4 * (6 * 5 + 5 * 3)),
        // 2 rows of 6 filters, (15 + 4 − 2·2 − 1)/2 + 1 = 8 places, 2 channels of a group, 3 taps.
        (
            "conv1d",
            sequential![Conv1d::new(d, 4, 6, 3, 0).padding(2).dilation(2).stride(2).groups(2)],
            numbers(&[2, 4, 15]),
            2 * 6 * 8 * 2 * 3,
        ),
        // 7×5 by 3×2 with strides 2 and 1 and padding 1 and 0: 4×4 places.
        (
            "conv2d",
            sequential![Conv2d::new(d, 3, 8, (3, 2), 0).stride((2, 1)).padding((1, 0)).without_bias(), Activation::Relu],
            numbers(&[2, 3, 7, 5]),
            2 * 8 * 16 * 3 * 6,
        ),
        ("depthwise", sequential![Conv2d::new(d, 8, 8, 3, 0).groups(8).same()], numbers(&[1, 8, 6, 5]), 8 * 30 * 9),
        // The size stays: 4·3·5 places.
        ("conv3d, same", sequential![Conv3d::new(d, 2, 4, 3, 0).same()], numbers(&[2, 2, 4, 3, 5]), 2 * 4 * 60 * 2 * 27),
        // 3×2×3 places of 6×4×5 by 2×3×1 with strides 2, 1 and 2.
        (
            "conv3d, strides",
            sequential![Conv3d::new(d, 4, 6, (2, 3, 1), 0).stride((2, 1, 2)).groups(2)],
            numbers(&[1, 4, 6, 4, 5]),
            6 * 18 * 2 * 6,
        ),
        // 3×2×3 places of 4×4×5: no padding, stride 1.
        ("conv3d, plain", sequential![Conv3d::new(d, 1, 2, (2, 3, 3), 0)], numbers(&[1, 1, 4, 4, 5]), 2 * 18 * 18),
        // Every element of the input meets every weight of its channel's group.
        (
            "conv_transpose1d",
            sequential![ConvTranspose1d::new(d, 4, 6, 3, 0).stride(2).groups(2)],
            numbers(&[2, 4, 5]),
            2 * 4 * 5 * 3 * 3,
        ),
        (
            "conv_transpose2d",
            sequential![ConvTranspose2d::new(d, 4, 6, (3, 2), 0).stride(2).padding(1).output_padding(1)],
            numbers(&[2, 4, 5, 3]),
            2 * 4 * 15 * 6 * 6,
        ),
        (
            "conv_transpose3d",
            sequential![ConvTranspose3d::new(d, 4, 2, 2, 0).stride(2).groups(2)],
            numbers(&[1, 4, 2, 3, 2]),
            4 * 12 * 8,
        ),
        (
            "a CNN with pooling and norms",
            sequential![
                Conv2d::new(d, 1, 4, 3, 0).padding(1),
                BatchNorm2d::new(d, 4),
                Activation::Relu,
                MaxPool2d::new(2),
                InstanceNorm2d::new(4),
                Upsample::by(2.0, Interpolation::Nearest),
                AdaptiveAvgPool2d::new(2),
                Flatten,
                Dropout::new(0.5, 1),
                Linear::new(d, 16, 3, 1)
            ],
            numbers(&[2, 1, 8, 8]),
            2 * 4 * 64 * 9 + 2 * 16 * 3,
        ),
        (
            "a U-turn",
            sequential![Unfold::new(2, ConvOptions::new().stride(2)), Fold::new(4, 2, ConvOptions::new().stride(2)), Flatten],
            numbers(&[1, 3, 4, 4]),
            0,
        ),
        // 5 steps of 2 rows; a gate reads 4 inputs and 3 numbers of the state for each of its 3 units.
        ("an RNN", sequential![Rnn::new(d, 4, 3, 0)], numbers(&[5, 2, 4]), 10 * 3 * 7),
        ("a GRU", sequential![Gru::new(d, 4, 3, 0).batch_first()], numbers(&[2, 5, 4]), 10 * 3 * 3 * 7),
        ("an LSTM", sequential![Lstm::new(d, 4, 3, 0).last_only()], numbers(&[5, 2, 4]), 10 * 4 * 3 * 7),
        // Two layers in both directions: the second reads what both of the first make.
        (
            "an LSTM of two layers in both directions",
            sequential![Lstm::new(d, 4, 3, 0).layers(2).bidirectional()],
            numbers(&[5, 2, 4]),
            2 * 10 * 4 * 3 * (4 + 3) + 2 * 10 * 4 * 3 * (6 + 3),
        ),
        ("cells", sequential![GruCell::new(d, 4, 3, 0), LstmCell::new(d, 3, 2, 0)], numbers(&[6, 4]), 6 * (9 * 7 + 8 * 5)),
        // 3 tokens of width 8: four projections, scores and sums of 3·3 pairs in all heads.
        (
            "attention",
            sequential![Embedding::new(d, 5, 8, 0), MultiHeadAttention::new(d, 8, 2, 0)],
            tokens.clone(),
            6 * 4 * 64 + 2 * 2 * 9 * 8,
        ),
        // Keys and values of one head of four: 2 of 8 numbers each.
        (
            "attention with fewer keys",
            sequential![Embedding::new(d, 5, 8, 0), MultiHeadAttention::new(d, 8, 4, 0).kv_heads(1)],
            tokens.clone(),
            6 * (2 * 64 + 2 * 8 * 2) + 2 * 2 * 9 * 8,
        ),
        (
            "a transformer",
            sequential![Embedding::new(d, 5, 8, 0), PositionalEncoding::new(), TransformerBlock::new(d, 8, 2, 12, 0.1, 0)],
            tokens.clone(),
            6 * 4 * 64 + 2 * 2 * 9 * 8 + 6 * 2 * 8 * 12,
        ),
        ("residual", sequential![Residual::new(sequential![Linear::new(d, 4, 4, 0)])], numbers(&[3, 4]), 3 * 16),
        ("tables", sequential![FeatureEmbedding::new(d, 2, &[3, 4], 5, 0)], d.tensor(&[0.5, 1.0, 2.0, 3.0], [1, 4]), 10),
    ]
}

#[test]
fn a_summary_counts_every_product_of_a_forward_pass() {
    let device = Device::cpu();
    let models = models(&device);
    assert!(models.len() > 12);
    for (name, model, x, by_hand) in models {
        let summary = nn::summary_of(&model, &x).unwrap();
        assert_eq!(summary.multiply_adds, by_hand, "{name}:\n{summary}");
        let y = model.forward(&x);
        assert_eq!(recorded(&y), by_hand, "{name} as it is recorded:\n{summary}");
        assert_eq!(summary.rows.last().unwrap().output.unwrap(), y.shape(), "{name}");
    }
}
