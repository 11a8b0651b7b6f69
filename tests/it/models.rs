//! Models of several inputs and outputs, trained, saved and looked into; parameters frozen, grouped and replaced by name.
#![cfg(feature = "save")]
#![allow(clippy::unwrap_used)]

use crate::common;
use std::collections::BTreeMap;
use steepest::data::{Batch, DataLoader, Dataset, Elements, Labels};
use steepest::graph::Missing;
use steepest::nn::{self, *};
use steepest::optim::{Adam, Group, Optimizer, Sgd};
use steepest::save::ModelFile;
use steepest::train::metrics::{Predictions, Score};
use steepest::train::{Every, Trainer};
use steepest::{Device, Error, Tensor, random, sequential};

/// Tokens with a mask and a table → a class and a number.
struct Reader {
    words: Embedding,
    table: Linear,
    class: Linear,
    number: Linear,
    /// A parameter that is no module's.
    scale: Tensor,
    /// A buffer.
    centre: Tensor,
}

impl Reader {
    fn new(device: &Device, seed: u64) -> Reader {
        Reader {
            words: Embedding::new(device, 11, 6, seed),
            table: Linear::new(device, 2, 6, seed + 1),
            class: Linear::new(device, 6, 3, seed + 2),
            number: Linear::new(device, 6, 1, seed + 3),
            scale: device.parameter(&[1.0], 1),
            centre: device.tensor(&[0.25, -0.25], 2),
        }
    }

    fn ends(&self, words: &Tensor, table: &Tensor, mask: &Tensor) -> Tensor {
        let mask = mask.to_f32();
        let mean = (words * mask.unsqueeze(-1)).sum(&[1]) / mask.sum_keepdim(&[1]);
        (mean * &self.scale + table).tanh()
    }
}

impl Module for Reader {
    fn forward_all(&self, inputs: &[Tensor]) -> Vec<Tensor> {
        let [tokens, table, mask] = inputs else { return nn::wrong_inputs("Reader", inputs, 3) };
        let table = self.table.forward(&(table - &self.centre));
        let both = self.ends(&self.words.forward(tokens), &table, mask);
        vec![self.class.forward(&both), self.number.forward(&both)]
    }

    fn trace_all(&self, name: &str, inputs: &[Tensor], rows: &mut Vec<Row>) -> Vec<Tensor> {
        let [tokens, table, mask] = inputs else { return nn::wrong_inputs("Reader", inputs, 3) };
        let within = |part: &str| if name.is_empty() { part.to_owned() } else { format!("{name}.{part}") };
        let words = self.words.trace(&within("words"), tokens, rows);
        let table = self.table.trace(&within("table"), &(table - &self.centre), rows);
        let both = self.ends(&words, &table, mask);
        vec![self.class.trace(&within("class"), &both, rows), self.number.trace(&within("number"), &both, rows)]
    }

    steepest::parts!(words, table, class, number, scale; buffers: centre);

    fn blueprint(&self) -> Option<Blueprint> {
        Some(Blueprint::new("test.Reader"))
    }
}

/// 20 rows: four tokens, a table of two, which tokens count; a class, and a number that is written per row.
fn rows() -> Dataset {
    let tokens: Vec<u32> = (0..80).map(|i| (i * 7 + i / 5) % 11).collect();
    let table = random::normal_host(40, 0.0, 1.0, 5, 1);
    let mask: Vec<bool> = (0..80).map(|i| i % 4 == 0 || i % 3 > 0).collect();
    let classes = tokens.chunks(4).map(|row| row[0] % 3).collect();
    let numbers: Vec<f32> = table.chunks(2).map(|row| row[0] - row[1]).collect();
    let set = Dataset::of(tokens, &[4], Labels::Classes(classes, 3)).unwrap();
    set.with_input(table, &[2]).unwrap().with_input(mask, &[4]).unwrap().with_target(numbers, &[1]).unwrap()
}

fn loss(outputs: &[Tensor], batch: &Batch) -> Tensor {
    outputs[0].cross_entropy(&batch.y) + outputs[1].mse(&batch.more_targets[0]) * 0.5
}

fn state(model: &dyn Module) -> StateDict {
    StateDict::of(model).unwrap()
}

fn misconfigured(result: Result<impl std::fmt::Debug, Error>, says: &str) {
    match result.unwrap_err() {
        Error::Config { message, .. } => assert!(message.contains(says), "{message}"),
        other => panic!("{other}"),
    }
}

#[test]
fn a_model_of_three_inputs_and_two_outputs_is_trained() {
    for device in common::devices("models of several inputs") {
        for resident in [true, false] {
            let set = rows();
            let made = || DataLoader::new(&set, 6).shuffle(3);
            let loader = if resident { made().on_device(&device) } else { made().from_host(&device) }.unwrap();
            let model = Reader::new(&device, 1);
            let adam = Adam::new(model.parameters(), 0.02);
            let mut trainer = Trainer::with_loss(&model, adam, loss).epochs(40).validate(&loader).metric(Score::Accuracy);
            let report = trainer.fit(&loader).unwrap();
            let losses = report.history.column("loss");
            assert!(losses[39].unwrap() < 0.3 * losses[0].unwrap(), "{losses:?}");
            let predicted = Predictions::of(&model, &loader).unwrap();
            assert_eq!((predicted.width(), predicted.rows()), (3, 20), "metrics are of the first output");
            assert!(report.history.last().unwrap().get("accuracy").unwrap() > 0.9);
        }
    }
}

#[test]
fn batches_of_several_inputs_hold_the_rows_of_each() {
    let set = rows();
    let device = Device::cpu();
    let table = set.inputs().nth(1).unwrap().0.as_f32().unwrap().to_vec();
    let loaders =
        [DataLoader::new(&set, 7).shuffle(5).on_device(&device), DataLoader::new(&set, 7).shuffle(5).from_host(&device)];
    for loader in loaders {
        for batch in loader.unwrap().epoch() {
            let inputs = batch.inputs();
            assert_eq!(inputs[0].dtype().to_string(), "u32");
            assert_eq!(
                inputs.iter().map(|t| t.shape().dims().to_vec()).collect::<Vec<_>>(),
                [vec![batch.len, 4], vec![batch.len, 2], vec![batch.len, 4]]
            );
            let expected: Vec<f32> = batch.rows.iter().flat_map(|&r| table[2 * r as usize..][..2].to_vec()).collect();
            assert_eq!(inputs[1].to_vec::<f32>().unwrap(), expected);
            let mask: Vec<bool> = batch.rows.iter().flat_map(|&r| (4 * r..4 * r + 4).map(|i| i % 4 == 0 || i % 3 > 0)).collect();
            assert_eq!(inputs[2].to_vec::<bool>().unwrap(), mask);
            let targets = batch.targets();
            assert_eq!((targets.len(), targets[1].shape().dims()), (2, &[batch.len, 1][..]));
            let numbers: Vec<f32> = expected.chunks(2).map(|row| row[0] - row[1]).collect();
            assert_eq!(targets[1].to_vec::<f32>().unwrap(), numbers);
        }
    }
    // Parts of the set have parts of every input.
    let part = set.subset(&[3, 3, 0]).unwrap();
    let (Elements::Bool(mask), shape) = part.inputs().nth(2).unwrap() else { panic!() };
    assert_eq!((mask.len(), shape), (12, &[4][..]));
    let (Elements::F32(numbers), _) = part.more_targets().next().unwrap() else { panic!() };
    assert_eq!(numbers, &[table[6] - table[7], table[6] - table[7], table[0] - table[1]]);
    assert_eq!((set.features(), set.row(0), set.nan_count()), (&[][..], None, 0));
    assert_eq!(set.clone().with_input(vec![f32::NAN; 20], &[1]).unwrap().nan_count(), 1 + 19);
}

#[test]
fn inputs_that_do_not_fit_the_rows_are_refused() {
    misconfigured(rows().with_input(vec![1u32; 39], &[2]), "39 elements, expected [2] for each of 20 rows");
    misconfigured(rows().with_target(vec![1.0f32; 20], &[0]), "have no elements");
    misconfigured(rows().normalized(0.0, 1.0), "not f32");
    misconfigured(rows().standardized(), "not f32");
    let model = Reader::new(&Device::cpu(), 1);
    let x = Device::cpu().zeros([2, 3]);
    let outputs = model.forward_all(std::slice::from_ref(&x));
    assert!(outputs[0].check().unwrap_err().to_string().contains("1 inputs, Reader takes 3"));
    assert!(model.forward(&x).check().unwrap_err().to_string().contains("Reader has no forward of one tensor"));
    assert!(Linear::new(&Device::cpu(), 3, 1, 0).forward_all(&[x.clone(), x]).iter().all(|y| y.check().is_err()));
}

#[test]
fn a_run_of_several_inputs_is_taken_up_again_to_the_bit() {
    let device = Device::cpu();
    let set = rows();
    let run = |epochs: &[usize]| {
        let folder = tempfile::tempdir().unwrap();
        let mut last = None;
        for (i, &epochs) in epochs.iter().enumerate() {
            // A new model each time, which starts elsewhere.
            let model = Reader::new(&device, 10 * i as u64 + 1);
            let loader = DataLoader::new(&set, 6).shuffle(3).on_device(&device).unwrap();
            let adam = Adam::new(model.parameters(), 0.02);
            let trainer = Trainer::with_loss(&model, adam, loss).epochs(epochs);
            trainer.checkpoints(folder.path(), Every::Epochs(1)).resume().fit(&loader).unwrap();
            last = Some(state(&model));
        }
        last.unwrap()
    };
    assert_eq!(run(&[6]), run(&[2, 5, 6]));
}

#[test]
fn a_model_of_several_inputs_is_saved_summed_up_and_watched() {
    let device = Device::cpu();
    let model = Reader::new(&device, 1);
    model.centre.set(&[0.5f32, 1.5]).unwrap();
    let names: Vec<String> = model.named_state().into_iter().map(|(name, _)| name).collect();
    let ends = ["class.weight", "class.bias", "number.weight", "number.bias", "scale", "centre"];
    assert_eq!(names, [&["words.weight", "table.weight", "table.bias"][..], &ends].concat());
    let registry = Registry::new().register("test.Reader", |site| Ok(Box::new(Reader::new(site.device(), 99))));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reader.safetensors");
    ModelFile::of(&model).unwrap().save(&path).unwrap();
    let same = ModelFile::read(&path).unwrap().build_with(&registry, &device).unwrap();
    assert_eq!(state(&*same), state(&model));

    let set = rows();
    let batch = DataLoader::new(&set, 20).on_device(&device).unwrap().epoch().next().unwrap();
    let summary = nn::summary_of_all(&model, &batch.inputs()).unwrap();
    assert_eq!(summary.inputs.iter().map(|s| s.dims().len()).collect::<Vec<_>>(), [2, 2, 2]);
    let lines: Vec<&str> = summary.rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(lines, ["words", "table", "class", "number"]);
    assert_eq!((summary.rows[2].output.unwrap().dims(), summary.rows[2].multiply_adds), (&[20, 3][..], 20 * 3 * 6));
    assert!(summary.to_string().contains("[20, 2]") || summary.to_string().contains("[20,2]"), "{summary}");

    let plain = model.forward_all(&batch.inputs());
    let (outputs, layers) = nn::watch_all(&model, &batch.inputs());
    for (a, b) in plain.iter().zip(&outputs) {
        assert_eq!(a.to_vec::<f32>().unwrap(), b.to_vec::<f32>().unwrap());
    }
    assert_eq!(layers[0].outputs[0].shape().dims(), [20, 4, 6]);
    // One that does not hand on to its parts is one line, with both outputs.
    struct Pair(Linear);
    impl Module for Pair {
        fn forward_all(&self, inputs: &[Tensor]) -> Vec<Tensor> {
            inputs.iter().map(|x| self.0.forward(x)).collect()
        }
    }
    let pair = Pair(Linear::new(&device, 2, 3, 1));
    let inputs = [device.ones([1, 2]), device.zeros([4, 2])];
    let (outputs, layers) = nn::watch_all(&pair, &inputs);
    assert_eq!((outputs.len(), layers.len(), layers[0].outputs.len(), layers[0].inputs.len()), (2, 1, 2, 2));
    assert_eq!(nn::summary_of_all(&pair, &inputs).unwrap().rows[0].bytes, 4 * (3 + 12));
}

/// Fields of every kind that `parts!` takes.
struct Fields {
    blocks: Vec<Linear>,
    heads: BTreeMap<String, Linear>,
    any: Box<dyn Module>,
    gains: Vec<Tensor>,
    offset: Option<Tensor>,
    none: Option<Tensor>,
    count: Tensor,
    table: Vec<Tensor>,
}

impl Module for Fields {
    fn forward(&self, x: &Tensor) -> Tensor {
        x.clone()
    }
    steepest::parts!(blocks, heads, any, gains, offset, none; buffers: count, table,);
}

#[test]
fn fields_of_every_kind_are_named() {
    struct Running {
        running: Tensor,
    }
    impl Module for Running {
        fn forward(&self, x: &Tensor) -> Tensor {
            x - &self.running
        }
        steepest::parts!(buffers: running);
    }
    let d = Device::cpu();
    let linear = || Linear::new(&d, 1, 1, 0).without_bias();
    let t = || d.parameter(&[1.0], 1);
    let model = Fields {
        blocks: vec![linear(), linear()],
        heads: BTreeMap::from([("b".to_owned(), linear()), ("a".to_owned(), linear())]),
        any: Box::new(sequential![BatchNorm1d::new(&d, 1), Running { running: d.zeros(1) }]),
        gains: vec![t(), t()],
        offset: Some(t()),
        none: None,
        count: d.tensor(&[3u32], 1),
        table: vec![d.tensor(&[1.0], 1)],
    };
    let names = |named: Vec<(String, Tensor)>| named.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let parameters = ["blocks.0.weight", "blocks.1.weight", "heads.a.weight", "heads.b.weight"];
    let rest = ["any.0.weight", "any.0.bias", "gains.0", "gains.1", "offset"];
    assert_eq!(names(model.named_parameters()), [&parameters[..], &rest].concat());
    let buffers = ["any.0.running_mean", "any.0.running_var", "any.1.running", "count", "table.0"];
    assert_eq!(names(model.named_buffers()), buffers);
}

#[test]
fn what_is_frozen_is_not_learned_and_costs_nothing() {
    for device in common::devices("frozen parameters") {
        let model = nn::mlp(&device, &[3, 5, 5, 2], 1);
        let x = device.tensor(&random::normal_host(12, 0.0, 1.0, 2, 0), [4, 3]);
        let y = device.tensor(&[0u32, 1, 1, 0], 4);
        let mut adam = Adam::w(model.parameters(), 0.05).weight_decay(0.1);
        let step = |adam: &mut Adam| adam.step(model.forward(&x).cross_entropy(&y).backward()).unwrap();
        step(&mut adam);
        misconfigured(model.freeze("encoder.*"), "`encoder.*` matches none of the parameters 0.weight, 0.bias");
        assert_eq!((model.freeze("0.*").unwrap(), model.freeze("?.bias").unwrap()), (2, 3));
        let before = state(&model);
        let gradients = model.forward(&x).cross_entropy(&y).backward();
        assert_eq!(gradients.iter().unwrap().count(), 2, "only the weights of the second and third layer have gradients");
        assert!(matches!(gradients.missing(&model.parameters()[0]), Ok(Some(Missing::Unused))));
        drop(gradients);
        // Momentum and weight decay do not move it either.
        (0..3).for_each(|_| step(&mut adam));
        let after = state(&model);
        for (name, array) in before.iter() {
            let same = after.get(name) == Some(array);
            assert_eq!(same, !["2.weight", "4.weight"].contains(&name), "{name}");
        }
        // No work for them: the plan of a step is shorter by what they took.
        let kernels = |model: &Sequential| {
            let mut sgd = Sgd::new(model.parameters(), 0.0);
            sgd.step(model.forward(&x).cross_entropy(&y).backward()).unwrap();
            device.last_plan().unwrap().to_string().lines().count()
        };
        let fewer = kernels(&model);
        assert_eq!(model.unfreeze("*").unwrap(), 6);
        assert!(fewer < kernels(&model));
        step(&mut adam);
        assert!(state(&model).iter().all(|(name, array)| after.get(name) != Some(array)), "all are learned again");
        model.freeze("*").unwrap();
        assert!(model.forward(&x).cross_entropy(&y).backward().iter().is_err(), "nothing is left to learn");
        assert_eq!(
            x.is_frozen(),
            {
                x.set_frozen(true);
                x.is_frozen()
            },
            "data cannot be frozen"
        );
    }
}

#[test]
fn parameters_are_in_one_group_each() {
    let device = Device::cpu();
    let model = sequential![Linear::new(&device, 2, 4, 1), LayerNorm::new(&device, 4), Linear::new(&device, 4, 1, 2)];
    let mut named = model.named_parameters();
    let first = Group::matching(&mut named, "0.*").unwrap().lr_factor(0.0);
    let none = Group::vectors(&mut named).weight_decay(0.0);
    assert_eq!(named.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["2.weight"]);
    misconfigured(Group::matching(&mut named, "0.*"), "`0.*` matches none of the parameters 2.weight");
    let rest: Vec<Tensor> = named.into_iter().map(|(_, parameter)| parameter).collect();
    let mut sgd = Sgd::new(rest, 1.0).weight_decay(0.5).group(first).group(none);
    let before = state(&model);
    // A loss whose gradients are all zero: what moves is what decays.
    let loss = model.forward(&device.ones([1, 2])).sum(&[]) * 0.0;
    sgd.step(loss.backward()).unwrap();
    let after = state(&model);
    for (name, array) in before.iter() {
        let moved = after.get(name) != Some(array);
        assert_eq!(moved, name == "2.weight", "{name}");
    }
}

#[test]
fn weights_are_replaced_by_name() {
    for device in common::devices("weights in the place of others") {
        let model = nn::mlp(&device, &[3, 4, 2], 1);
        let x = device.tensor(&random::normal_host(6, 0.0, 1.0, 2, 0), [2, 3]);
        let other = nn::mlp(&device, &[3, 4, 2], 9);
        let given = other.named_parameters();
        let pairs: Vec<(&str, &Tensor)> = given.iter().map(|(name, t)| (name.as_str(), t)).collect();
        let y = nn::with_parameters(&model, &pairs, || model.forward(&x)).unwrap();
        assert_eq!(y.to_vec::<f32>().unwrap(), other.forward(&x).to_vec::<f32>().unwrap());
        // Gradients flow to what stands in, and not to what it stands for; afterwards everything is as before.
        let loss = y.square().sum(&[]);
        assert!(loss.backward().get(&given[0].1).unwrap().is_some());
        assert!(loss.backward().get(&model.parameters()[0]).unwrap().is_none());
        assert!(model.forward(&x).sum(&[]).backward().get(&model.parameters()[0]).unwrap().is_some());
        // The innermost counts, and what it is made of may be replaced outside.
        let weight = &model.parameters()[0];
        let (two, three) = (weight.full_like(2.0), weight.full_like(3.0));
        let inner = Tensor::substitute(&[(weight, &two)], || {
            let doubled = weight * 2.0;
            let both = Tensor::substitute(&[(weight, &three)], || weight + 0.0);
            (doubled, both)
        });
        assert_eq!(inner.0.to_vec::<f32>().unwrap()[0], 4.0);
        assert_eq!(inner.1.to_vec::<f32>().unwrap()[0], 3.0);
        misconfigured(nn::with_parameters(&model, &[("1.weight", &two)], || ()), "none that is called `1.weight`");
        misconfigured(nn::with_parameters(&model, &[("0.bias", &two)], || ()), "is given in its place");
    }
}

#[test]
fn activations_are_watched_without_changing_the_numbers() {
    for device in common::devices("activations") {
        let model = sequential![
            Linear::new(&device, 3, 4, 1),
            Dropout::new(0.5, 3),
            Residual::new(sequential![Linear::new(&device, 4, 4, 2), Activation::Relu]),
            BatchNorm1d::new(&device, 4),
            Linear::new(&device, 4, 1, 5)
        ];
        let x = device.tensor(&random::normal_host(15, 0.0, 1.0, 2, 0), [5, 3]);
        model.train();
        let (y, layers) = nn::watch(&model, &x);
        let names: Vec<&str> = layers.iter().map(|seen| seen.name.as_str()).collect();
        assert_eq!(names, ["0", "1", "2.inner.0", "2.inner.1", "3", "4"]);
        // In training, the mask is drawn and the statistics are taken as in any pass.
        let mut passes = 0;
        model.visit_counters(&mut |_, counter| passes = counter.load(std::sync::atomic::Ordering::Relaxed));
        assert_eq!(passes, 1);
        let (hidden, normal) = (layers[3].output().unwrap(), layers[4].output().unwrap());
        assert_eq!(layers[5].inputs[0].id(), normal.id());
        let loss = y.square().sum(&[]);
        let gradients = loss.backward_retaining(&[hidden, &y, &loss]);
        let by_output = gradients.wrt(&y).unwrap();
        device.run([&y, hidden, &by_output]).unwrap();
        let twice: Vec<f32> = y.to_vec::<f32>().unwrap().into_iter().map(|v| 2.0 * v).collect();
        assert_eq!(by_output.to_vec::<f32>().unwrap(), twice);
        assert_eq!(gradients.wrt(&loss).unwrap().item().unwrap(), 1.0);
        assert_eq!(gradients.wrt(hidden).unwrap().shape(), hidden.shape());
        assert_eq!(gradients.iter().unwrap().count(), 8 + 3);
        model.eval();
        let (y, layers) = nn::watch(&model, &x);
        let figures = layers[3].statistics().unwrap();
        assert!(figures.elements == 20 && figures.zeros > 0 && figures.least == 0.0 && figures.not_finite == 0, "{figures:?}");
        assert_eq!(layers[3].histogram(5).unwrap().1.iter().sum::<usize>(), 20);
        assert_eq!(y.to_vec::<f32>().unwrap(), model.forward(&x).to_vec::<f32>().unwrap());
    }
    let given = [1.0, f32::NAN, 3.0, 0.0, f32::INFINITY, 0.5];
    let (_, layers) = nn::watch(&Activation::LeakyRelu(1.0), &Device::cpu().tensor(&given, 6));
    let Statistics { elements, not_finite, zeros, mean, std, least, most } = layers[0].statistics().unwrap();
    assert_eq!((elements, not_finite, zeros, mean, least, most), (6, 2, 1, 1.125, 0.0, 3.0));
    assert!((std - ((0.125f64.powi(2) + 1.875f64.powi(2) + 1.125f64.powi(2) + 0.625f64.powi(2)) / 4.0).sqrt()).abs() < 1e-12);
    assert_eq!(layers[0].histogram(3).unwrap(), (vec![0.0, 1.0, 2.0, 3.0], vec![2, 1, 1]));
    let (_, layers) = nn::watch(&Activation::LeakyRelu(1.0), &Device::cpu().tensor(&[2.0, 2.0], 2));
    assert_eq!(layers[0].histogram(2).unwrap().1, [2, 0]);
    misconfigured(layers[0].histogram(0), "a histogram in 0 parts");
    let (_, layers) = nn::watch(&Identity, &Device::cpu().tensor(&[f32::NAN], 1));
    assert!(layers[0].statistics().unwrap().mean.is_nan());
    misconfigured(layers[0].histogram(2), "of 0 finite numbers");
    // By hand: L = Σ (w h)², h = relu(x): ∂L/∂h = 2 w² h.
    let device = Device::cpu();
    let (w, x) = (device.parameter(&[2.0, -1.0], 2), device.parameter(&[3.0, 5.0], 2));
    let h = x.relu();
    let gradients = (&w * &h).square().sum(&[]).backward_retaining(&[&h]);
    assert_eq!(gradients.wrt(&h).unwrap().to_vec::<f32>().unwrap(), [24.0, 10.0]);
    assert_eq!(gradients.wrt(&x).unwrap().to_vec::<f32>().unwrap(), [24.0, 10.0]);
    // What the loss does not depend on has none; a parameter may be named as well.
    let gradients = w.sum(&[]).backward_retaining(&[&h, &w]);
    assert!(gradients.wrt(&h).is_err());
    assert_eq!(gradients.iter().unwrap().count(), 1);
}
