//! The user's line and the layer's path: in errors of every kind of layer, in plans, profiles, traces, and what the modes say.
#![allow(clippy::unwrap_used)]

use crate::common;
use crate::common::layers::{kinds, models};
use crate::teeth::{Bug, Planted};
use std::collections::BTreeSet;
use std::sync::Arc;
use steepest::error::{At, OpError};
use steepest::graph::record;
use steepest::nn::{self, *};
use steepest::ops::softmax::Softmax;
use steepest::optim::{Optimizer, Sgd};
use steepest::{Anomaly, Device, Error, Tensor, layer, no_grad, sequential};

fn at_of(error: &Error) -> At {
    match error {
        Error::Op { at, .. } | Error::Check { at, .. } | Error::NonFinite { at, .. } => *at,
        other => panic!("{other}"),
    }
}

/// That an error is of this line of this file, and of this layer; what it says is of both.
#[track_caller]
fn named(error: &Error, line: u32, path: &str) {
    let at = at_of(error);
    assert!(at.file().ends_with("it/lines.rs"), "{error}");
    assert_eq!((at.line(), at.layer().as_str()), (line, path), "{error}");
    let text = error.to_string();
    let expected = format!("layer {path} (at {}:{line}): ", at.file());
    assert!(text.contains(&expected), "{text} has no {expected}");
}

/// Tensors that most layers cannot work on.
fn bad_inputs(device: &Device) -> Vec<Tensor> {
    vec![
        device.tensor(&[true], ()),
        device.tensor(&[true, false], 2),
        device.tensor(&[7u32, 8, 9], 3),
        device.zeros([1, 1, 1, 1, 1, 1, 1, 3]),
        device.zeros([3, 0]),
        device.tensor(&[-1i32, 99], [2, 1]),
        device.tensor_f16(&[1.0; 3], 3),
    ]
}

#[test]
fn every_kind_of_layer_names_the_line_that_called_it_and_itself() {
    let device = Device::cpu();
    let (mut refusing, mut all) = (BTreeSet::new(), BTreeSet::new());
    let mut check = |model: &Sequential, blueprint: &Blueprint| {
        model.eval();
        // Lists the names.
        let count = model.named_parameters().len();
        for (i, part) in model.layers().iter().enumerate() {
            let mut own = BTreeSet::new();
            kinds(&blueprint.parts()[i].1, &mut own);
            all.extend(own.iter().cloned());
            for bad in bad_inputs(&device) {
                let line = line!() + 1;
                let alone = part.forward(&bad);
                if let Err(error) = alone.check() {
                    let at = at_of(&error);
                    assert!(at.file().ends_with("it/lines.rs") && at.line() == line, "{own:?}: {error}");
                    assert!(!at.layer().is_empty(), "{own:?}: {error}");
                    refusing.extend(own.iter().cloned());
                }
                // In a container: by its number, whatever is inside.
                let line = line!() + 1;
                let within = layer("model", || nn::watch(&Around(part), &bad).0);
                if let Err(error) = within.check() {
                    let at = at_of(&error);
                    assert!(at.file().ends_with("it/lines.rs") && at.line() == line, "{own:?}: {error}");
                    assert!(at.layer().as_str().starts_with("model") || count > 0, "{own:?}: {error}");
                }
            }
        }
        // The whole model on what its first layer cannot read.
        for bad in bad_inputs(&device) {
            let line = line!() + 1;
            let y = model.forward(&bad);
            if let Err(error) = y.check() {
                let at = at_of(&error);
                assert!(at.file().ends_with("it/lines.rs") && at.line() == line, "{error}");
                let first = at.layer().as_str().split('.').next().unwrap();
                assert!(first.parse::<usize>().is_ok(), "{error}");
            }
        }
    };
    for (model, _) in models(&device) {
        check(&model, &model.blueprint().unwrap());
        // As a file would have it: through `dyn Module` all the way.
        let blueprint = model.blueprint().unwrap();
        let again = Registry::new().build(&device, &blueprint).unwrap();
        let line = line!() + 1;
        let y = again.forward(&device.tensor(&[true], 1));
        if let Err(error) = y.check() {
            assert_eq!((at_of(&error).line(), at_of(&error).file().ends_with("it/lines.rs")), (line, true), "{error}");
        }
    }
    let line = line!() + 1;
    let two = Bilinear::new(&device, 2, 3, 4, 1).forward_all(&[device.ones([1, 2]), device.ones([1, 4])]);
    named(&two[0].check().unwrap_err(), line, "Bilinear");
    all.insert("Bilinear".to_owned());
    refusing.insert("Bilinear".to_owned());
    let known: BTreeSet<String> = Registry::new().kinds().map(str::to_owned).collect();
    assert_eq!(all, known, "every kind was asked");
    // These take whatever they are given, or only hand it on.
    let takes_all = ["AlphaDropout", "ChannelDropout", "Dropout", "Flatten", "Identity"];
    let silent: Vec<&String> = known.difference(&refusing).filter(|kind| !takes_all.contains(&kind.as_str())).collect();
    assert!(silent.is_empty(), "nothing was refused by {silent:?}");
}

/// A layer of the program's own around another.
struct Around<'a>(&'a dyn Module);

impl Module for Around<'_> {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.0.forward(x)
    }
}

struct Block {
    inner: Linear,
    norm: LayerNorm,
    heads: Vec<Linear>,
}

/// Where the block calls its parts.
const INNER: u32 = line!() + 5;
const OWN: u32 = INNER + 1;

impl Module for Block {
    fn forward(&self, x: &Tensor) -> Tensor {
        let y = self.inner.forward(x);
        let y = &y + y.matmul(&self.heads[0].weight().t());
        self.norm.forward(&y)
    }
    steepest::parts!(inner, norm, heads);
}

fn block(device: &Device, inputs: usize, width: usize) -> Block {
    let inner = Linear::new(device, inputs, width, 1);
    Block { inner, norm: LayerNorm::new(device, width), heads: vec![Linear::new(device, width, width, 2)] }
}

struct Model {
    encoder: Sequential,
    block: Block,
    activation: Activation,
}

impl Module for Model {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.activation.forward(&self.block.forward(&self.encoder.forward(x)))
    }
    steepest::parts!(encoder, block, activation);
}

#[test]
fn layers_of_ones_own_have_paths_and_lines_of_their_own() {
    let device = Device::cpu();
    let encoder = sequential![Linear::new(&device, 3, 4, 1), Activation::Relu, block(&device, 5, 4)];
    let model = Model { encoder, block: block(&device, 4, 4), activation: Activation::Tanh };
    let x = device.zeros([2, 3]);
    // Before anybody has listed the model's parameters, kinds and numbers are all there is.
    named(&model.forward(&x).check().unwrap_err(), INNER, "2.Linear");
    assert_eq!(model.named_parameters()[0].0, "encoder.0.weight");
    named(&model.forward(&x).check().unwrap_err(), INNER, "encoder.2.inner");
    // A part's own names do not take the place of the whole model's.
    assert_eq!(model.encoder.parameters().len(), 8);
    named(&model.forward(&x).check().unwrap_err(), INNER, "encoder.2.inner");
    // What a layer of one's own does by itself has its own line, and the path of where it is.
    let skewed = Block { heads: vec![Linear::new(&device, 3, 4, 1)], ..block(&device, 3, 4) };
    let within = sequential![Activation::Relu, skewed];
    named(&within.forward(&x).check().unwrap_err(), OWN, "1");
    let line = line!() + 1;
    let y = layer("decoder", || model.block.norm.forward(&device.zeros([2, 7])));
    named(&y.check().unwrap_err(), line, "block.norm");
    let line = line!() + 1;
    let y = layer("decoder", || layer("scores", || x.matmul(&x)));
    named(&y.check().unwrap_err(), line, "decoder.scores");
    // Afterwards all is as before.
    let error = x.matmul(&x).check().unwrap_err();
    assert!(error.to_string().starts_with("matmul at "), "{error}");
    let line = line!() + 1;
    let error = nn::summary(&model, &device, [2, 3]).unwrap_err();
    assert!(matches!(at_of(&error).line(), l if l == INNER || l == line), "{error}");
    let line = line!() + 1;
    let error = nn::summary(&sequential![Activation::Relu, Linear::new(&device, 7, 2, 1)], &device, [2, 3]).unwrap_err();
    named(&error, line, "1");
    // A name that is odd cannot steer a terminal.
    let error = layer("a\u{1b}[31m", || x.matmul(&x)).check().unwrap_err();
    assert!(!error.to_string().contains('\u{1b}'), "{error}");
}

/// A perceptron, and the numbers of the lines that call it and make the loss.
fn step(device: &Device) -> (Sequential, Tensor, [u32; 2]) {
    let model = nn::mlp(device, &[6, 5, 3], 1);
    let (x, y) = (device.ones([4, 6]), device.tensor(&[0u32, 1, 2, 0], 4));
    device.run([&x]).unwrap();
    let forward = line!() + 1;
    let logits = model.forward(&x);
    let loss = logits.cross_entropy(&y);
    (model, loss, [forward, forward + 1])
}

#[test]
fn plans_name_layers_and_lines_of_what_they_compute() {
    for device in common::devices("plans of layers") {
        let (model, loss, [forward, of_loss]) = step(&device);
        let gradients = loss.backward();
        let slopes: Vec<Tensor> = model.parameters().iter().map(|p| gradients.wrt(p).unwrap()).collect();
        let plan = device.plan(slopes.iter().chain([&loss])).unwrap();
        let text = plan.to_string();
        let mut layers = BTreeSet::new();
        for dispatch in &plan.dispatches {
            assert!(dispatch.at.file().ends_with("it/lines.rs"), "{text}");
            let path = dispatch.at.layer().as_str();
            layers.insert(path);
            // Gradients belong to the line and the layer of what they are gradients of.
            assert_eq!(dispatch.at.line(), if path.is_empty() { of_loss } else { forward }, "{text}");
        }
        assert!(layers.contains("0") && layers.contains("2"), "{text}");
        assert!(text.contains(&format!("(lines.rs:{forward}, layer 2)")) && text.contains(&format!("(lines.rs:{of_loss})")));
        // A step is its caller's.
        let mut sgd = Sgd::new(model.parameters(), 0.1);
        let line = line!() + 1;
        sgd.step(gradients).unwrap();
        let plan = device.last_plan().unwrap();
        assert!(plan.dispatches.iter().any(|d| d.at.line() == line && d.at.file().ends_with("it/lines.rs")), "{plan}");
        assert!(plan.dispatches.iter().all(|d| d.at.file().ends_with("it/lines.rs")), "{plan}");
    }
}

#[test]
fn profiles_and_traces_are_by_layer() {
    for device in common::devices("profiles of layers") {
        device.set_profile(true);
        let (model, loss, [forward, _]) = step(&device);
        Sgd::new(model.parameters(), 0.1).step(loss.backward()).unwrap();
        let profile = device.profile();
        let rows = profile.rows();
        let of = |path: &str| rows.iter().filter(|row| row.layer == path).map(|row| (row.calls, row.total)).collect::<Vec<_>>();
        for path in ["0", "2"] {
            let found = of(path);
            assert!(!found.is_empty() && rows.iter().filter(|r| r.layer == path).all(|r| r.line == forward), "{profile}");
            let sum = found.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
            let layers = profile.layers();
            assert_eq!(layers.iter().find(|l| l.0 == path).map(|l| (l.1, l.2)), Some(sum), "{profile}");
            let calls = profile.trace().matches(&format!("\"layer\":\"{path}\"")).count();
            assert_eq!(calls as u64, sum.0, "{profile}");
        }
        let all: u64 = profile.layers().iter().map(|layer| layer.1).sum();
        assert_eq!(all, profile.calls());
        let text = profile.to_string();
        assert!(text.contains(&format!("(lines.rs:{forward}, layer 0)")), "{text}");
        // Two layers of one shape share a plan, and not their names.
        device.set_profile(true);
        for name in ["first", "second"] {
            layer(name, || device.ones([7, 7]).exp()).run().unwrap();
        }
        let (profile, (runs, misses)) = (device.profile(), device.runs_and_misses());
        assert!(["first", "second"].iter().all(|path| profile.rows().iter().any(|r| r.layer == *path)), "{profile}");
        assert!(misses < runs, "{misses} of {runs}");
        let table: Vec<&str> = text.lines().skip_while(|line| !line.trim_end().ends_with("share  layer")).skip(1).collect();
        assert!(table.len() >= 3 && table.iter().any(|line| line.ends_with("  (none)")), "{text}");
    }
}

/// A model whose second layer makes infinities, or is wrong, and the line where it is.
fn faulty(device: &Device, bug: Bug) -> (Sequential, u32) {
    let softmax = move |x: &Tensor| record(Planted::new(Arc::new(Softmax { axis: 1, log: false }), bug), &[x]);
    let line = line!() - 1;
    (sequential![Linear::new(device, 6, 600, 1), Function::new("faulty", softmax)], line)
}

#[test]
fn what_the_modes_find_is_named() {
    for device in common::devices("modes and layers") {
        let x = device.tensor(&(0..600).map(|i| (i % 7) as f32 - 3.0).collect::<Vec<_>>(), [100, 6]);
        device.set_check(true);
        let (model, _) = faulty(&device, Bug::None);
        model.forward(&x).run().unwrap();
        let (model, line) = faulty(&device, Bug::WrongKernel);
        named(&model.forward(&x).run().unwrap_err(), line, "1");
        device.set_check(false);

        device.set_anomaly(Anomaly::NonFinite);
        let model = sequential![Linear::new(&device, 6, 3, 1), Linear::new(&device, 3, 2, 1)];
        let weight = &model.named_parameters()[2].1;
        weight.set(&[f32::MAX, 0.0, 0.0, 1.0, 1.0, 1.0]).unwrap();
        let line = line!() + 1;
        let y = model.forward(&(&x * 1e6));
        let error = y.run().unwrap_err();
        named(&error, line, "1");
        assert!(error.to_string().contains("infinity in step"), "{error}");
        device.set_anomaly(Anomaly::Off);
    }
}

#[test]
fn memory_and_stale_values_are_named() {
    for device in common::devices("memory of layers") {
        let model = sequential![Linear::new(&device, 4, 4, 1), Linear::new(&device, 4, 1 << 18, 1)];
        model.eval();
        let x = device.ones([64, 4]);
        device.run([&x]).unwrap();
        let line = line!() + 1;
        let y = no_grad(|| model.forward(&x));
        device.set_memory_limit(Some(32 << 20));
        let error = y.run().unwrap_err();
        let Error::OutOfMemory { what, .. } = &error else { panic!("{error}") };
        assert!(what.contains(&format!("lines.rs:{line} in layer 1")), "{device}: {error}");
        device.set_memory_limit(None);
    }
    let device = Device::cpu();
    let model = nn::mlp(&device, &[2, 2, 2], 1);
    let line = line!() + 1;
    let y = model.forward(&device.ones([1, 2]));
    model.parameters()[0].set(&[0.0; 4]).unwrap();
    named(&y.run().unwrap_err(), line, "0");
    let cut = sequential![Linear::new(&device, 2, 2, 1), Function::new("cut", |x: &Tensor| x.detach())];
    let line = line!() - 1;
    let w = device.parameter(&[1.0; 2], 2);
    let loss = (cut.forward(&device.ones([1, 2])) * &w).sum(&[]);
    let error = loss.backward().wrt(&cut.parameters()[0]).unwrap_err();
    named(&error, line, "1");
    assert!(matches!(error, Error::Op { error: OpError::Disconnected(_), .. }));
}

#[test]
fn threads_have_paths_of_their_own() {
    let device = Device::cpu();
    std::thread::scope(|scope| {
        for i in 0..4 {
            let device = &device;
            scope.spawn(move || {
                for _ in 0..50 {
                    let x = device.zeros([2, 3]);
                    let error = layer(&format!("thread {i}"), || x.matmul(&x)).check().unwrap_err();
                    assert_eq!(at_of(&error).layer().as_str(), format!("thread {i}"));
                }
            });
        }
    });
    // A panic in a layer leaves no path behind.
    let caught = std::panic::catch_unwind(|| layer("gone", || panic!("on purpose")));
    assert!(caught.is_err());
    let x = device.zeros([2, 3]);
    assert!(at_of(&x.matmul(&x).check().unwrap_err()).layer().is_empty());
}
