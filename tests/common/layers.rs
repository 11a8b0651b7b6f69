//! Models of this library's layers, every kind of them.
#![allow(dead_code, clippy::unwrap_used)]

use std::collections::BTreeSet;
use steepest::nn::recurrent::Cell;
use steepest::nn::*;
use steepest::{ConvOptions, Device, Interpolation, PadMode, RopeOptions, Tensor, sequential};

/// Models of every kind of layer, each with an input.
pub fn models(d: &Device) -> Vec<(Sequential, Tensor)> {
    let numbers = |shape: &[usize]| d.uniform(shape, -1.0, 1.0, 9);
    let image = || numbers(&[2, 4, 8, 8]);
    let sequence = || numbers(&[3, 2, 4]);
    let functions = || {
        use Activation::{Elu, Gelu, HardSigmoid, LeakyRelu, Relu, Sigmoid, Silu, Softplus, Tanh};
        sequential![Relu, LeakyRelu(0.07), Sigmoid, HardSigmoid, Tanh, Gelu, Silu, Softplus, Elu(0.3)]
    };
    let more_functions = || {
        use Activation::{Celu, GeluTanh, HardSwish, HardTanh, LogSigmoid, LogSoftmax, Mish, Relu6, Selu, Softmax, Softsign};
        use Activation::{Hardshrink, SoftplusBeta, Softshrink, Tanhshrink, Threshold};
        let smooth = sequential![GeluTanh, Selu, Celu(0.6), Softsign, Mish, LogSigmoid, HardSwish, HardTanh(-0.5, 2.0), Relu6];
        let bent = sequential![Softshrink(0.1), Hardshrink(0.2), Tanhshrink, Threshold(0.5, 0.25), SoftplusBeta(2.0)];
        sequential![smooth, bent, PRelu::starting_at(d, 6, 0.1), Glu::new(-1), Softmax(1), LogSoftmax(-1), SwiGlu::new(0)]
    };
    vec![
        (sequential![Linear::new(d, 4, 5, 1), functions(), Linear::new(d, 5, 3, 2).without_bias()], numbers(&[2, 4])),
        (sequential![Linear::new(d, 4, 6, 1), more_functions()], numbers(&[2, 4])),
        (
            sequential![
                Conv2d::new(d, 4, 6, (3, 2), 1).stride((1, 2)).padding((1, 0)).groups(2),
                BatchNorm2d::new(d, 6).momentum(0.3).eps(1e-3),
                MaxPool2d::new(2).stride(1).padding(1),
                AvgPool2d::new((2, 3)).padding(1).count_include_pad(false),
                ConvTranspose2d::new(d, 6, 3, 3, 2).stride(2).output_padding(1).dilation(2).without_bias(),
                GroupNorm::new(d, 3, 3).without_affine(),
                AdaptiveAvgPool2d::new((2, 3)),
                Flatten,
                Dropout::new(0.3, u64::MAX - 7),
            ],
            image(),
        ),
        (
            sequential![
                Conv1d::new(d, 2, 4, 3, 1).padding(2).dilation(2),
                BatchNorm1d::new(d, 4).without_affine(),
                RmsNorm::new(d, 4).eps(0.1)
            ],
            numbers(&[3, 2, 4]),
        ),
        (
            sequential![
                TransformerBlock::new(d, 4, 2, 8, 0.1, 3).causal(),
                MultiHeadAttention::new(d, 4, 2, 1).causal(),
                TransformerBlock::new(d, 4, 2, 8, 0.1, 3).swiglu().rms_norm().kv_heads(1).attention_dropout(0.2).without_bias(),
                TransformerBlock::new(d, 4, 2, 8, 0.0, 3)
                    .post_norm()
                    .activation(Activation::LeakyRelu(0.2))
                    .rotary(RopeOptions::new()),
                MultiHeadAttention::new(d, 4, 2, 1).kv_heads(1).dropout(0.3).without_bias().rotary(RopeOptions::new().half()),
                Transformer::new((0..2).map(|i| TransformerBlock::new(d, 4, 2, 8, 0.1, i))).norm(LayerNorm::new(d, 4)),
                PositionalEncoding::new(),
                RotaryEmbedding::new(RopeOptions::new().half().base(99.0).offset(2)),
                Residual::new(sequential![LayerNorm::new(d, [2, 4]).eps(0.01), Linear::new(d, 4, 4, 1)]),
                GroupNorm::new(d, 1, 2),
                LayerNorm::new(d, 4).without_affine(),
            ],
            sequence(),
        ),
        (sequential![Rnn::new(d, 4, 3, 1), Gru::new(d, 3, 2, 2).batch_first(), Lstm::new(d, 2, 3, 4).last_only()], sequence()),
        (
            sequential![
                Rnn::new(d, 4, 3, 1).relu().layers(2),
                Gru::new(d, 3, 2, 2).layers(3).bidirectional().dropout(0.4),
                Lstm::new(d, 4, 3, 4).bidirectional()
            ],
            sequence(),
        ),
        (sequential![RnnCell::new(d, 4, 3, 1), GruCell::new(d, 3, 2, 2), LstmCell::new(d, 2, 3, 4)], numbers(&[3, 4])),
        // More tables than a setting of sizes may have elsewhere.
        (
            sequential![FeatureEmbedding::new(d, 1, &[3; 9], 2, 1), FeatureEmbedding::new(d, 0, &[2, 2], 3, 2)],
            d.tensor(&[0.5, 0., 1., 2., 0., 1., 2., 0., 1., 2.], [1, 10]),
        ),
        (sequential![Embedding::new(d, 7, 3, 1)], d.tensor(&[0u32, 6, 3], 3)),
        (sequential![Embedding::new(d, 7, 3, 1).padding(6)], d.tensor(&[0u32, 6, 3], 3)),
        (
            sequential![
                Conv3d::new(d, 4, 6, (1, 3, 2), 1).stride((1, 2, 1)).sides((0, 1, 0), (0, 0, 1)).groups(2),
                BatchNorm3d::new(d, 6).momentum(0.3),
                Conv3d::new(d, 6, 2, (1, 3, 3), 1).same().padding_mode(PadMode::Reflect),
                InstanceNorm3d::new(2).affine(d).eps(0.01),
                ConvTranspose3d::new(d, 2, 3, 2, 2).stride((1, 2, 1)).output_padding((0, 1, 0)).without_bias(),
                Flatten,
            ],
            numbers(&[2, 4, 2, 4, 4]),
        ),
        (
            sequential![
                Conv1d::new(d, 4, 4, 4, 1).same().dilation(2).padding_mode(PadMode::Circular),
                Conv1d::new(d, 4, 4, 3, 1).padding(2).padding_mode(PadMode::Constant(0.5)),
                Conv1d::new(d, 4, 4, 3, 1).sides(2, 0).padding_mode(PadMode::Edge),
                ConvTranspose1d::new(d, 4, 6, 3, 1).stride(2).padding(1).output_padding(1).groups(2),
                InstanceNorm1d::new(6),
            ],
            numbers(&[2, 4, 11]),
        ),
        (
            sequential![
                InstanceNorm2d::new(4).affine(d),
                Unfold::new((2, 3), ConvOptions::new().stride(2).sides(0, (0, 1))),
                Fold::new(8, (2, 3), ConvOptions::new().stride(2).sides(0, (0, 1))),
            ],
            image(),
        ),
        (sequential![Ensemble::new([boxed(d, 1), boxed(d, 2)]), Linear::new(d, 2, 1, 3)], numbers(&[3, 4])),
        (
            sequential![
                MaxPool1d::new(2).stride(1).dilation(2),
                AvgPool1d::new(3).padding(1).ceil_mode(true),
                Upsample::by(1.5, Interpolation::Linear { align_corners: false }),
                Pad::new(&[(2, -1)], PadMode::Reflect),
                AdaptiveMaxPool1d::new(5),
                AdaptiveAvgPool1d::new(4),
                GlobalPool::Mean,
            ],
            numbers(&[2, 3, 20]),
        ),
        (
            sequential![
                PixelShuffle::new(2),
                Upsample::to(&[7, 5], Interpolation::Cubic { align_corners: true }),
                Pad::new(&[(0, 1), (1, 0)], PadMode::Constant(0.5)),
                AdaptiveMaxPool2d::new((4, 6)),
                PixelUnshuffle::new(2),
                ChannelShuffle::new(2),
            ],
            image(),
        ),
        (
            sequential![
                MaxPool3d::new(2).stride(1).padding(1).ceil_mode(true),
                AvgPool3d::new((1, 2, 2)).count_include_pad(false),
                AdaptiveMaxPool3d::new((3, 2, 4)),
                AdaptiveAvgPool3d::new((2, 2, 3)),
                GlobalPool::Max,
            ],
            numbers(&[1, 2, 6, 7, 8]),
        ),
        (
            sequential![
                WeightNorm::new(Linear::new(d, 4, 6, 1)).unwrap(),
                SpectralNorm::of(Box::new(Linear::new(d, 6, 6, 2)), "weight", 1, 3).unwrap().iterations(2),
                Unflatten::new(-1, [2, 3]),
                ChannelDropout::new(0.2, 5),
                AlphaDropout::new(0.1, 6),
                FlattenAxes::new(1, -1),
                Identity,
            ],
            numbers(&[3, 4]),
        ),
    ]
}

fn boxed(device: &Device, seed: u64) -> Box<dyn Module> {
    Box::new(Linear::new(device, 4, 2, seed))
}

/// The kinds of a model and its parts.
pub fn kinds(blueprint: &Blueprint, found: &mut BTreeSet<String>) {
    found.insert(blueprint.kind().to_owned());
    blueprint.parts().iter().for_each(|(_, part)| kinds(part, found));
}
