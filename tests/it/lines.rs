//! The user's line and the layer's path: in errors of every kind of layer, in plans, profiles, traces, and what the modes say.
#![allow(clippy::unwrap_used)]

use crate::common;
use crate::common::layers::{kinds, models};
use crate::teeth::{Bug, Planted};
use std::collections::BTreeSet;
use std::sync::Arc;
use steepest::error::{At, OpError};
use steepest::graph::op::{Array, Lowering, Op, Spec};
use steepest::graph::{Io, Kernel, Params, Variant, Wgsl, record};
use steepest::nn::{self, *};
use steepest::ops::softmax::Softmax;
use steepest::optim::{Optimizer, Sgd};
use steepest::plan::Switches;
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

/// Whatever a container calls, and whatever a layer calls that is made of layers, has the path of its own parameters.
#[test]
fn parts_of_layers_have_paths_of_their_own() {
    let device = Device::cpu();
    device.set_switches(Switches { fuse: false, ..Switches::default() });
    let inner = sequential![Linear::new(&device, 4, 4, 1), Activation::Tanh, LayerNorm::new(&device, 4)];
    let blocks =
        Transformer::new((0..2).map(|i| TransformerBlock::new(&device, 4, 2, 8, 0.0, i))).norm(LayerNorm::new(&device, 4));
    let model = sequential![Residual::new(inner), blocks, Linear::new(&device, 4, 2, 2)];
    let names: Vec<String> = model.named_parameters().into_iter().map(|(name, _)| name).collect();
    let y = model.forward(&device.ones([1, 3, 4]));
    let plan = device.plan([&y]).unwrap();
    let layers: BTreeSet<&str> = plan.dispatches.iter().map(|dispatch| dispatch.at.layer().as_str()).collect();
    for name in &names {
        let path = name.rsplit_once('.').unwrap().0;
        assert!(layers.contains(path), "{path} computes nothing: {layers:?}");
    }
}

/// A layer of one's own around whatever layer.
struct Boxed {
    inner: Box<dyn Module>,
}

/// Where it calls that.
const BOXED: u32 = line!() + 4;

impl Module for Boxed {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.inner.forward(x)
    }
    fn forward_all(&self, inputs: &[Tensor]) -> Vec<Tensor> {
        self.inner.forward_all(inputs)
    }
    steepest::parts!(inner);
}

#[test]
fn what_is_called_without_knowing_its_kind_has_the_callers_line() {
    let device = Device::cpu();
    let boxed = |layer: Box<dyn Module>| Boxed { inner: layer };
    let x = device.zeros([2, 3]);
    // The innermost line of the program, also where the layer around it was called by the library.
    let model = sequential![Activation::Relu, boxed(Box::new(Linear::new(&device, 4, 4, 1)))];
    named(&model.forward(&x).check().unwrap_err(), BOXED, "1");
    assert_eq!(model.parameters().len(), 2);
    named(&model.forward(&x).check().unwrap_err(), BOXED, "1.inner");
    let two = boxed(Box::new(Bilinear::new(&device, 2, 3, 4, 1)));
    let outputs = two.forward_all(&[device.ones([1, 2]), device.ones([1, 4])]);
    named(&outputs[0].check().unwrap_err(), BOXED + 3, "Bilinear");
    // A container that nobody has named, of parts without parameters: by the name of its first parameter.
    let square = Function::new("square", |x: &Tensor| x.matmul(x));
    let line = line!() - 1;
    let parts: Box<dyn Module> = Box::new(sequential![Linear::new(&device, 3, 3, 1), square]);
    let model = boxed(parts);
    named(&model.forward(&x).check().unwrap_err(), line, "1");
    assert_eq!(model.named_parameters()[0].0, "inner.0.weight");
    named(&model.forward(&x).check().unwrap_err(), line, "inner.1");
}

/// A name that is too long is left out, and what is inside it has a path all the same.
#[test]
fn names_without_end_are_left_out() {
    let device = Device::cpu();
    let x = device.zeros([2, 3]);
    let long = "x".repeat(1025);
    let path = |f: &dyn Fn() -> Tensor| at_of(&f().check().unwrap_err()).layer().as_str();
    let wrong = || x.matmul(&x);
    assert_eq!(path(&|| layer(&long, wrong)), "");
    assert_eq!(path(&|| layer("a", || layer(&long, || layer("b", wrong)))), "a.b");
    assert_eq!(path(&|| layer(&long[..1024], wrong)).len(), 1024);
    assert_eq!(path(&|| layer(&long[..1024], || layer("c", wrong))).len(), 1024);
}

/// Copies its input, unless its scalar says that it is to go wrong: then its native form panics, and its WGSL writes beyond the end of its output.
#[derive(Clone, Debug)]
struct Copies(bool);

/// The WGSL of [`Copies`].
const COPIES: &str = "// Copies, or writes too far.
struct Params { count: u32 }
struct Scalars { wrong: f32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(14) var<uniform> params: Params;
@group(0) @binding(15) var<uniform> scalars: Scalars;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < params.count { out[id.x] = x[id.x]; }
    if scalars.wrong > 0.0 { out[params.count] = 1.0; }
}
";

impl Op for Copies {
    fn name(&self) -> &'static str {
        "copies"
    }
    fn scalars(&self) -> Vec<u32> {
        vec![f32::from(u8::from(self.0)).to_bits()]
    }
    fn sources(&self) -> &[Wgsl] {
        static SOURCE: std::sync::LazyLock<[Wgsl; 1]> = std::sync::LazyLock::new(|| [Wgsl::from_text("copies", COPIES)]);
        &*SOURCE
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        Ok(inputs[0])
    }
    fn lower(&self, _: &[Spec], output: &Spec) -> Lowering {
        let variant = Variant::source(&self.sources()[0], [1; 3]).max_loop_iterations(0);
        let kernel = Kernel::new("copies", Params::new().set("count", output.shape.numel()), vec![variant]);
        let native = |io: &mut Io<'_>| {
            assert!(io.scalar(0) == 0.0, "on purpose");
            let x = io.read(0);
            io.write(0).copy_from_slice(x);
        };
        Lowering::kernel(kernel.with_native(native), 1)
    }
    fn reference(&self, inputs: &[&Array], _: &Spec) -> Array {
        inputs[0].clone()
    }
}

/// What follows is recorded by the caller's line.
#[track_caller]
fn copied(x: &Tensor, wrong: bool) -> Tensor {
    record(Copies(wrong), &[x])
}

#[track_caller]
fn stepped(model: &Sequential, opt: &mut Sgd, x: &Tensor) -> Result<(), Error> {
    let labels = x.device().tensor(&[0u32, 1, 2, 0], 4);
    opt.step(model.forward(x).cross_entropy(&labels).backward())
}

#[track_caller]
fn inverse(x: &Tensor) -> Tensor {
    x.reciprocal().exp()
}

/// That a text is of layer `beta` and the second of two lines, and not of layer `alpha` and the first.
#[track_caller]
fn of_second(text: &str, [first, second]: [u32; 2]) {
    assert!(text.contains("beta") && text.contains(&format!("lines.rs:{second}")), "{text}");
    assert!(!text.contains("alpha") && !text.contains(&format!("lines.rs:{first}")), "{text}");
}

/// Graphs of one key share a plan; whatever is said of a run is of the graph that is run.
#[test]
fn what_shares_a_plan_is_named_apart() {
    for device in common::devices("lines of shared plans") {
        let plans = || device.runs_and_misses().1;
        let x = device.tensor(&[1.0, 2.0, 4.0], 3);
        x.run().unwrap();
        // The plan that ran last.
        let lines = [line!() + 1, line!() + 2];
        let alpha = |x: &Tensor| layer("alpha", || inverse(x));
        let beta = |x: &Tensor| layer("beta", || inverse(x));
        alpha(&x).run().unwrap();
        let own = device.last_plan().unwrap().to_string();
        let before = plans();
        beta(&x).run().unwrap();
        of_second(&device.last_plan().unwrap().to_string(), lines);
        alpha(&x).run().unwrap();
        assert_eq!((device.last_plan().unwrap().to_string(), plans()), (own, before));
        // Times.
        device.set_profile(true);
        alpha(&x).run().unwrap();
        let before = plans();
        device.set_profile(true);
        alpha(&x).run().unwrap();
        beta(&x).run().unwrap();
        assert_eq!(plans(), before + 1, "profiling forgets plans");
        let profile = device.profile();
        let rows: Vec<(&str, u32)> = profile.rows().iter().map(|row| (row.layer, row.line)).collect();
        assert!(rows.contains(&("alpha", lines[0])) && rows.contains(&("beta", lines[1])), "{profile}");
        let trace = profile.trace();
        assert!(["alpha", "beta"].iter().all(|path| trace.contains(&format!("\"layer\":\"{path}\""))), "{trace}");
        device.set_profile(false);
        // What is not finite, and the plan that finds it.
        device.set_anomaly(Anomaly::NonFinite);
        alpha(&x).run().unwrap();
        // As the other it is given and not computed, so that the graphs are the same.
        let zeros = device.tensor(&[0.0; 3], 3);
        zeros.run().unwrap();
        of_second(&beta(&zeros).run().unwrap_err().to_string(), lines);
        of_second(&device.last_plan().unwrap().to_string(), lines);
        device.set_anomaly(Anomaly::Off);
        // What goes wrong in a kernel.
        device.set_guarded(true);
        let lines = [line!() + 1, line!() + 3];
        layer("alpha", || copied(&x, false)).run().unwrap();
        let before = plans();
        let error = layer("beta", || copied(&x, true)).run().unwrap_err().to_string();
        device.set_guarded(false);
        of_second(&error, lines);
        assert_eq!(plans(), before);
    }
}

/// As above, wherever memory is refused: for values, slots, arenas, and the work of kernels.
#[test]
fn memory_is_refused_to_what_is_run_and_not_to_what_shares_its_plan() {
    for device in common::devices("memory of shared plans") {
        let x = device.normal([4, 70], 0.0, 1.0, 1);
        x.run().unwrap();
        let made = || {
            let model = nn::mlp(&device, &[70, 90, 3], 1);
            let opt = Sgd::new(model.parameters(), 0.1).momentum(0.9);
            (model, opt)
        };
        let mut named = BTreeSet::new();
        for nth in 1.. {
            let (model, mut opt) = made();
            let first = line!() + 1;
            layer("alpha", || stepped(&model, &mut opt, &x)).unwrap();
            let (model, mut opt) = made();
            device.fail_allocation(nth);
            let second = line!() + 1;
            let failed = layer("beta", || stepped(&model, &mut opt, &x));
            let to_come = device.fail_allocation(0);
            let Err(error) = failed else {
                assert!(to_come > 0, "{device}: allocation {nth} failed, and nothing was said");
                break;
            };
            let text = error.to_string();
            assert!(!text.contains("alpha") && !text.contains(&format!("lines.rs:{first}")), "{device}, {nth}: {text}");
            if text.contains(&format!("lines.rs:{second}")) {
                named.insert(text.split(&[':', ' '][..]).filter(|word| word.len() > 3).take(8).collect::<Vec<_>>().join(" "));
            }
        }
        // The output of a graph, in full.
        let wide = device.normal([256, 256], 0.0, 1.0, 1);
        wide.run().unwrap();
        let lines = [line!() + 1, line!() + 4];
        let kept = layer("alpha", || inverse(&wide));
        kept.run().unwrap();
        device.set_memory_limit(Some(device.memory_use().live));
        let error = layer("beta", || inverse(&wide)).run().unwrap_err().to_string();
        device.set_memory_limit(None);
        of_second(&error, lines);
        assert!(named.len() > 1, "{device}: {named:?}");
    }
}
