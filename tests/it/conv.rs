//! Convolutions and pooling: what is refused, conventions, second derivatives, summaries, and training of a small CNN.
//!
//! Bugs that were planted to see these tests fail: a bias of any length, a window one larger than the image, no check for 0, padding up to
//! the whole kernel, ties to the last element, cells rounded down, a divisor without the padding, the pool's second derivative at the wrong
//! place, strips as long as there are threads (their bits differ), a fourfold fan_in, parts of a weight's sum that reach into the next.
#![allow(clippy::unwrap_used)]

use crate::common;
use steepest::error::OpError;
use steepest::graph::Array;
use steepest::nn::{
    Activation, AdaptiveAvgPool2d, AvgPool2d, Conv1d, Conv2d, Conv3d, ConvTranspose2d, Flatten, Linear, MaxPool2d, Module,
    Sequential, summary,
};
use steepest::optim::{Optimizer, Sgd};
use steepest::reference::{Overrides, evaluate};
use steepest::{Conv3dOptions, ConvOptions, Device, Error, PadMode, Tensor, random};

/// The values on the tensor's device, after checking that the reference has nearly the same.
fn floats(tensor: &Tensor) -> Vec<f32> {
    let Array { data, .. } = evaluate(&[tensor], &Overrides::new()).unwrap().remove(0);
    let found = tensor.to_vec::<f32>().unwrap();
    for (&x, &reference) in found.iter().zip(&data) {
        let close = (f64::from(x) - reference).abs() <= 1e-5 * (1.0 + reference.abs());
        assert!(close || (x.is_nan() && reference.is_nan()), "{x} on the device, {reference} on the reference");
    }
    found
}

/// The op's complaint.
#[track_caller]
fn complaint(tensor: &Tensor) -> OpError {
    match tensor.check() {
        Err(Error::Op { error, .. }) => error,
        other => panic!("{other:?} where an error was expected"),
    }
}

#[track_caller]
fn shape_error(tensor: &Tensor, words: &str) {
    assert!(matches!(complaint(tensor), OpError::Shape(text) if text.contains(words)), "{:?}", complaint(tensor));
    assert!(tensor.run().is_err());
}

#[track_caller]
fn value_error(tensor: &Tensor, words: &str) {
    assert!(matches!(complaint(tensor), OpError::Value(text) if text.contains(words)), "{:?}", complaint(tensor));
}

#[test]
fn what_a_convolution_cannot_do_is_an_error() {
    let device = Device::cpu();
    let (x, w) = (device.zeros([2, 4, 6, 5]), device.zeros([6, 4, 3, 3]));
    let plain = ConvOptions::new();
    shape_error(&x.conv2d(&device.zeros([6, 4, 7, 3]), None, plain), "reaches over 7");
    shape_error(&x.conv2d(&w, None, plain.dilation([1, 3])), "reaches over 7");
    assert!(x.conv2d(&w, None, plain.dilation([1, 3]).padding([0, 1])).check().is_ok());
    shape_error(&x.conv2d(&device.zeros([6, 3, 3, 3]), None, plain), "4 channels");
    shape_error(&x.conv2d(&w, None, plain.groups(2)), "for 4 in each");
    value_error(&x.conv2d(&w, None, plain.groups(0)), "0 groups");
    value_error(&x.conv2d(&device.zeros([6, 1, 3, 3]), None, plain.groups(4)), "4 groups do not divide");
    value_error(&x.conv2d(&device.zeros([6, 1, 3, 3]), None, plain.groups(3)), "3 groups do not divide");
    value_error(&x.conv2d(&w, None, plain.stride([0, 1])), "the stride is 0 along the height");
    value_error(&x.conv2d(&w, None, plain.dilation([1, 0])), "the dilation is 0 along the width");
    value_error(&x.conv2d(&device.zeros([6, 4, 3, 0]), None, plain), "the kernel is 0 along the width");
    shape_error(&x.reshape([8, 6, 5]).conv2d(&w, None, plain), "four axes");
    shape_error(&x.conv2d(&w.flatten(), None, plain), "four axes");
    shape_error(&x.conv2d(&w, None, plain.padding(usize::MAX)), "are supported");
    shape_error(&x.conv2d(&w, None, plain.padding(1 << 28)), "are supported");
    shape_error(&x.conv2d(&w, None, plain.dilation(usize::MAX)), "are supported");
    shape_error(&x.conv2d(&w, None, plain.padding(100_000)), "elements");
    shape_error(&x.conv2d(&w, Some(&device.zeros([5])), plain), "bias [5]");
    shape_error(&x.conv2d(&w, Some(&device.zeros([6, 1])), plain), "bias [6,1]");
    assert!(matches!(complaint(&x.to_u32().conv2d(&w, None, plain)), OpError::DType(_)));
    assert!(matches!(complaint(&x.conv2d(&w.to_i32(), None, plain)), OpError::DType(_)));

    let line = device.zeros([2, 4, 6]);
    shape_error(&line.conv1d(&w, None, plain), "[N, C, L]");
    shape_error(&x.conv1d(&device.zeros([6, 4, 3]), None, plain), "[N, C, L]");
    shape_error(&line.conv1d(&device.zeros([6, 4, 7]), None, plain), "reaches over 7");
    value_error(&line.conv1d(&device.zeros([6, 4, 3]), None, plain.stride(0)), "the stride is 0 along the width");

    let w = device.zeros([4, 3, 3, 3]);
    shape_error(&x.conv_transpose2d(&device.zeros([3, 4, 3, 3]), None, plain, 0), "first axis");
    shape_error(&x.conv_transpose2d(&w, None, plain.groups(3), 0), "divide");
    shape_error(&x.conv_transpose2d(&w, None, plain.padding(4), 0), "leaves nothing");
    shape_error(&x.conv_transpose2d(&w, None, plain.stride(usize::MAX), 0), "too large");
    shape_error(&x.conv_transpose2d(&w, None, plain.stride(1 << 29), 0), "supported");
    shape_error(&x.conv_transpose2d(&device.zeros([4, 3, 0, 3]), None, plain, 0), "a height of 0");
    shape_error(&x.reshape([8, 6, 5]).conv_transpose2d(&w, None, plain, 0), "[N, C, H, W]");
    value_error(&x.conv_transpose2d(&w, None, plain.stride(2), [0, 2]), "output_padding 2 is not below the stride 2");
    value_error(&x.conv_transpose2d(&w, None, plain.stride(0), 0), "not below the stride 0");
    shape_error(&x.conv_transpose2d(&w, Some(&device.zeros([4])), plain, 0), "bias [4]");
    assert_eq!(x.conv_transpose2d(&w, Some(&device.zeros([3])), plain.stride(2), 1).shape().dims(), [2, 3, 14, 12]);

    // An invalid operand's own error goes on.
    let bad = x.reshape(7);
    for tensor in [
        bad.conv2d(&w, None, plain),
        x.conv2d(&bad, None, plain),
        bad.conv1d(&w, None, plain),
        bad.conv_transpose2d(&w, None, plain, 0),
    ] {
        assert!(matches!(tensor.check(), Err(Error::Op { op: "reshape", .. })), "{tensor:?}");
    }
    assert!(x.conv2d(&device.zeros([6, 4, 3, 3]), Some(&bad), plain).check().is_err());
}

#[test]
fn what_a_pool_cannot_do_is_an_error() {
    let device = Device::cpu();
    let x = device.zeros([2, 4, 6, 5]);
    type Pool = fn(&Tensor, [usize; 2], [usize; 2], [usize; 2]) -> Tensor;
    let pools: [Pool; 2] = [|x, k, s, p| x.max_pool2d(k, s, p), |x, k, s, p| x.avg_pool2d(k, s, p, true)];
    for pool in pools {
        shape_error(&pool(&x, [3, 6], [1, 1], [0, 0]), "a kernel of width 6");
        value_error(&pool(&x, [3, 3], [1, 1], [0, 2]), "more than half");
        value_error(&pool(&x, [0, 3], [1, 1], [0, 0]), "the kernel is 0 along the height");
        value_error(&pool(&x, [3, 3], [1, 0], [0, 0]), "the stride is 0 along the width");
        shape_error(&pool(&x, [usize::MAX; 2], [1, 1], [0, 0]), "are supported");
        shape_error(&pool(&x.reshape([8, 6, 5]), [2, 2], [1, 1], [0, 0]), "four axes");
        shape_error(&pool(&device.zeros([2, 4, 0, 5]), [2, 2], [1, 1], [1, 1]), "no elements");
        assert!(matches!(complaint(&pool(&x.to_u32(), [2, 2], [1, 1], [0, 0])), OpError::DType(_)));
        assert_eq!(pool(&device.zeros([0, 4, 6, 5]), [2, 2], [2, 2], [1, 1]).to_vec::<f32>().unwrap(), [0.0; 0]);
    }
    value_error(&x.adaptive_avg_pool2d([0, 1]), "no cells");
    shape_error(&x.adaptive_avg_pool2d([1, usize::MAX]), "too large");
    shape_error(&x.reshape([8, 6, 5]).adaptive_avg_pool2d(1), "four axes");
    shape_error(&device.zeros([2, 4, 6, 0]).adaptive_avg_pool2d(1), "no elements");
    shape_error(&x.flatten().global_avg_pool2d(), "four axes");
    shape_error(&x.max_pool1d(2, 2, 0), "three axes");
    shape_error(&x.avg_pool1d(2, 2, 0, true), "three axes");
    shape_error(&x.adaptive_avg_pool1d(2), "three axes");
    shape_error(&device.zeros([2, 3, 4]).max_pool1d(5, 1, 0), "a kernel of width 5");
}

#[test]
fn one_dimension_transposes_and_empty_batches() {
    for device in common::devices("convolutions") {
        let plain = ConvOptions::new();
        let x = device.tensor(&[1.0, 2.0, 3.0, 4.0], [1, 1, 4]);
        let w = device.tensor(&[1.0, 10.0], [1, 1, 2]);
        assert_eq!(floats(&x.conv1d(&w, None, plain)), [21.0, 32.0, 43.0]);
        // Of a pair the second number counts.
        let y = x.conv1d(&w, Some(&device.tensor(&[0.5], 1)), plain.stride([7, 3]).padding([5, 1]));
        assert_eq!((y.shape().dims(), floats(&y)), (&[1, 1, 2][..], vec![10.5, 43.5]));
        assert_eq!(floats(&x.max_pool1d(2, 2, 1)), [1.0, 3.0, 4.0]);
        assert_eq!(floats(&x.avg_pool1d(2, 2, 1, true)), [0.5, 2.5, 2.0]);
        assert_eq!(floats(&x.avg_pool1d(2, 2, 1, false)), [1.0, 2.5, 4.0]);
        assert_eq!(floats(&x.adaptive_avg_pool1d(3)), [1.5, 2.5, 3.5]);
        assert_eq!(floats(&x.reshape([1, 2, 1, 2]).global_avg_pool2d()), [1.5, 3.5]);

        let (x, w) = (device.tensor(&[1.0, 2.0], [1, 1, 1, 2]), device.tensor(&[1.0, 10.0, 100.0], [1, 1, 1, 3]));
        let y = x.conv_transpose2d(&w, None, plain.stride(2), [0, 1]);
        assert_eq!((y.shape().dims(), floats(&y)), (&[1, 1, 1, 6][..], vec![1.0, 10.0, 102.0, 20.0, 200.0, 0.0]));

        let w = device.parameter(&[1.0; 8], [2, 1, 2, 2]);
        let none = device.zeros([0, 1, 3, 3]).conv2d(&w, Some(&device.zeros(2)), plain);
        assert_eq!((none.shape().dims(), floats(&none)), (&[0, 2, 2, 2][..], vec![]));
        assert_eq!(floats(&none.sum(&[]).backward().wrt(&w).unwrap()), [0.0; 8]);
    }
}

#[test]
fn max_pools_break_ties_and_keep_nan() {
    for device in common::devices("max pooling") {
        let x = device.parameter(&[1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 2.0, 2.0, 1.0], [1, 1, 3, 3]);
        let y = x.max_pool2d(2, 1, 0);
        assert_eq!(floats(&y), [1.0, 1.0, 2.0, 2.0]);
        // All of it to the first in row order; the second row's 2 belongs to one window each.
        assert_eq!(floats(&y.sum(&[]).backward().wrt(&x).unwrap()), [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0]);
        // Σ y² has the slope 2 y there, and the curvature 2.
        let slope = y.square().sum(&[]).backward().wrt(&x).unwrap();
        let v = device.tensor(&[1.0, 10.0, 100.0, 1.0, 1.0, 1.0, 2.0, 3.0, 5.0], [1, 1, 3, 3]);
        let curved = slope.mul(&v).sum(&[]).backward().wrt(&x).unwrap();
        assert_eq!(floats(&curved), [2.0, 20.0, 0.0, 0.0, 0.0, 0.0, 4.0, 6.0, 0.0]);

        let x = device.parameter(&[9.0, f32::NAN, f32::NAN, 1.0], [1, 1, 2, 2]);
        let y = x.max_pool2d(2, 2, 0);
        assert!(floats(&y)[0].is_nan());
        assert_eq!(floats(&y.sum(&[]).backward().wrt(&x).unwrap()), [0.0, 1.0, 0.0, 0.0]);
        // Padding is no candidate, even where nothing is above −∞.
        let x = device.tensor(&[f32::NEG_INFINITY; 4], [1, 1, 2, 2]);
        assert_eq!(x.max_pool2d(2, 2, 1).to_vec::<f32>().unwrap(), [f32::NEG_INFINITY; 4]);
    }
}

/// The same bits, however many threads there are: large enough that the work is shared out.
#[test]
fn threads_do_not_change_the_bits() {
    let device = Device::cpu();
    let (x, w) = (
        device.parameter(&random::normal_host(9 * 8 * 20 * 20, 0.0, 1.0, 1, 0), [9, 8, 20, 20]),
        device.parameter(&random::normal_host(24 * 8 * 9, 0.0, 1.0, 2, 0), [24, 8, 3, 3]),
    );
    let run = || {
        let y = x.conv2d(&w, None, ConvOptions::new().padding(1)).max_pool2d(3, 2, 1);
        let gradients = y.square().sum(&[]).backward();
        let tensors = [y, gradients.wrt(&x).unwrap(), gradients.wrt(&w).unwrap()];
        tensors.map(|t| t.to_vec::<f32>().unwrap().into_iter().map(f32::to_bits).collect::<Vec<_>>())
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let other = rayon::ThreadPoolBuilder::new().num_threads(5).build().unwrap();
    let alone = pool.install(run);
    assert!(alone == other.install(run));
    assert!(alone == run());
}

fn cnn(device: &Device) -> Sequential {
    Sequential::new()
        .add(Conv2d::new(device, 1, 6, 3, 1).padding(1))
        .add(Activation::Relu)
        .add(MaxPool2d::new(2))
        .add(Conv2d::new(device, 6, 8, 3, 2))
        .add(Activation::Relu)
        .add(MaxPool2d::new(2))
        .add(Flatten)
        .add(Linear::new(device, 8 * 2 * 2, 4, 3))
}

#[test]
fn layers_describe_themselves() {
    let device = Device::cpu();
    let text = summary(&cnn(&device), &device, [5, 1, 12, 12]).unwrap().to_string();
    for line in
        ["Conv2d(1 → 6, 3×3, padding 1)", "[5,6,12,12]", "MaxPool2d(2×2)", "Conv2d(6 → 8, 3×3)", "[5,8,4,4]", "[5,8,2,2]", "632"]
    {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    let wrong = summary(&cnn(&device), &device, [5, 2, 12, 12]).unwrap_err().to_string();
    assert!(wrong.contains("conv2d") && wrong.contains("2 channels"), "{wrong}");
    let all: [(Box<dyn Module>, &str); 9] = [
        (Box::new(Conv1d::new(&device, 4, 6, 5, 0).stride(2).padding(2)), "Conv1d(4 → 6, 5, stride 2, padding 2)"),
        (Box::new(Conv1d::new(&device, 4, 6, 5, 0).dilation(3).groups(2)), "Conv1d(4 → 6, 5, dilation 3, groups 2)"),
        (
            Box::new(Conv2d::new(&device, 4, 6, [1, 5], 0).padding([0, 2]).without_bias()),
            "Conv2d(4 → 6, 1×5, padding 0×2, no bias)",
        ),
        (
            Box::new(ConvTranspose2d::new(&device, 4, 6, 4, 0).stride(2).padding(1).output_padding(1)),
            "ConvTranspose2d(4 → 6, 4×4, stride 2, padding 1, output padding 1)",
        ),
        (Box::new(MaxPool2d::new(3).stride(2).padding(1)), "MaxPool2d(3×3, stride 2, padding 1)"),
        (Box::new(MaxPool2d::new([2, 3]).stride([1, 3])), "MaxPool2d(2×3, stride 1×3)"),
        (Box::new(AvgPool2d::new(2)), "AvgPool2d(2×2)"),
        (
            Box::new(AvgPool2d::new(3).stride(1).padding(1).count_include_pad(false)),
            "AvgPool2d(3×3, stride 1, padding 1, without its padding)",
        ),
        (Box::new(AdaptiveAvgPool2d::new([1, 2])), "AdaptiveAvgPool2d(1×2)"),
    ];
    for (layer, text) in &all {
        assert_eq!(&layer.describe(), text);
        let x = if text.starts_with("Conv1d") { device.zeros([2, 4, 17]) } else { device.zeros([2, 4, 9, 8]) };
        assert!(layer.forward(&x).check().is_ok(), "{text}");
    }
}

/// Padding that is not of zeros is that of `pad_with`, over the convolution's axes alone.
#[test]
fn layers_pad_with_what_is_inside() {
    for device in common::devices("padding of layers") {
        let modes = [
            (PadMode::Reflect, "Conv2d(2 → 3, 3×2, padding before 2×0, after 1, padding reflect)"),
            (PadMode::Edge, "Conv2d(2 → 3, 3×2, padding before 2×0, after 1, padding edge)"),
            (PadMode::Circular, "Conv2d(2 → 3, 3×2, padding before 2×0, after 1, padding circular)"),
            (PadMode::Constant(-1.5), "Conv2d(2 → 3, 3×2, padding before 2×0, after 1, padding of -1.5)"),
            (PadMode::Constant(0.0), "Conv2d(2 → 3, 3×2, padding before 2×0, after 1)"),
        ];
        let (line, image) = (device.uniform([2, 2, 5], -1.0, 1.0, 1), device.uniform([2, 2, 4, 5], -1.0, 1.0, 2));
        let volume = device.uniform([1, 2, 3, 4, 5], -1.0, 1.0, 3);
        for (mode, text) in modes {
            let same = |a: &Tensor, b: &Tensor| assert_eq!(floats(a), floats(b), "{mode:?} on {device}");
            let layer = Conv1d::new(&device, 2, 3, 4, 1).same().padding_mode(mode);
            let padded = line.pad_with(&[(0, 0), (0, 0), (1, 2)], mode);
            same(&layer.forward(&line), &padded.conv1d(layer.weight(), layer.bias(), ConvOptions::new()));
            let layer = Conv2d::new(&device, 2, 3, [3, 2], 1).sides([2, 0], [1, 1]).padding_mode(mode);
            let padded = image.pad_with(&[(0, 0), (0, 0), (2, 1), (0, 1)], mode);
            same(&layer.forward(&image), &padded.conv2d(layer.weight(), layer.bias(), ConvOptions::new()));
            assert_eq!(layer.describe(), text);
            let layer = Conv3d::new(&device, 2, 3, 3, 1).padding([1, 2, 0]).stride([2, 1, 1]).padding_mode(mode);
            let padded = volume.pad_with(&[(0, 0), (0, 0), (1, 1), (2, 2), (0, 0)], mode);
            let options = Conv3dOptions::new().stride([2, 1, 1]);
            same(&layer.forward(&volume), &padded.conv3d(layer.weight(), layer.bias(), options));
        }
        // More than there is to mirror, the wrong rank, and a stride that does not keep the size.
        let layer = |padding: usize| Conv2d::new(&device, 2, 3, 3, 1).padding(padding).padding_mode(PadMode::Reflect);
        assert!(layer(4).forward(&image).check().is_err() && layer(3).forward(&image).check().is_ok());
        shape_error(&layer(1).forward(&line), "four axes");
        let layer = Conv2d::new(&device, 2, 3, 3, 1).same().stride(2).padding_mode(PadMode::Edge);
        value_error(&layer.forward(&image), "`same` padding");
    }
}

/// PyTorch's start: within ±1 / √fan_in and near it, and grouped layers draw their own.
#[test]
fn parameters_start_in_their_bounds() {
    let device = Device::cpu();
    for (layer, shape, fan_in) in [
        (Box::new(Conv2d::new(&device, 8, 12, [3, 5], 7)) as Box<dyn Module>, &[12, 8, 3, 5][..], 120),
        (Box::new(Conv2d::new(&device, 8, 12, 3, 7).groups(4)), &[12, 2, 3, 3], 18),
        (Box::new(Conv1d::new(&device, 8, 12, 6, 7)), &[12, 8, 6], 48),
        (Box::new(ConvTranspose2d::new(&device, 8, 12, 3, 7).groups(2)), &[8, 6, 3, 3], 54),
    ] {
        let named = layer.named_parameters();
        assert_eq!((named[0].0.as_str(), named[1].0.as_str()), ("weight", "bias"));
        assert_eq!((named[0].1.shape().dims(), named[1].1.shape().dims()), (shape, &[12][..]));
        let bound = 1.0 / (fan_in as f32).sqrt();
        for (name, parameter) in named {
            let largest = parameter.abs().max(&[]).item().unwrap();
            assert!(largest <= bound && largest > 0.7 * bound, "{name}: {largest} of {bound}");
        }
    }
    assert!(Conv2d::new(&device, 8, 12, 3, 7).groups(0).forward(&device.zeros([1, 8, 5, 5])).check().is_err());
    assert!(Conv2d::new(&device, 8, 12, 3, 7).groups(5).forward(&device.zeros([1, 8, 5, 5])).check().is_err());
}

/// Losses of the CNN over some steps on fixed random images, whose labels say which quarter is brightest.
fn losses(device: &Device, steps: usize) -> Vec<f32> {
    let n = 24;
    let mut images = random::normal_host(n * 144, 0.0, 1.0, 11, 0);
    let labels: Vec<u32> = (0..n as u32).map(|i| i % 4).collect();
    for (image, &label) in images.chunks_mut(144).zip(&labels) {
        for (p, x) in image.iter_mut().enumerate() {
            let quarter = (p / 72 * 2 + p % 12 / 6) as u32;
            *x += if quarter == label { 1.0 } else { 0.0 };
        }
    }
    let (x, t) = (device.tensor(&images, [n, 1, 12, 12]), device.tensor(&labels, n));
    let model = cnn(device);
    let mut sgd = Sgd::new(model.parameters(), 0.1);
    let step = |_| {
        let loss = model.forward(&x).cross_entropy(&t);
        sgd.step(loss.backward()).unwrap();
        loss.item().unwrap()
    };
    (0..steps).map(step).collect()
}

#[test]
fn a_cnn_learns_the_same_on_every_device() {
    let cpu = losses(&Device::cpu(), 60);
    println!("{:?} … {:?}", &cpu[..3], &cpu[57..]);
    assert!(cpu[59] < 0.3 * cpu[0], "{cpu:?}");
    let Some(gpu) = common::gpu("a CNN") else { return };
    for (i, (a, b)) in cpu.iter().zip(losses(&gpu, 60)).enumerate() {
        assert!((a - b).abs() <= 1e-3 * (a.abs() + 0.01), "step {i}: {a} on the CPU, {b} on {gpu}");
    }
}
