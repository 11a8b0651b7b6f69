//! Gradients added up over several passes, averages of weights, and both in the trainer.
#![allow(clippy::unwrap_used)]

use crate::common;
#[cfg(feature = "save")]
use std::path::Path;
use steepest::data::{DataLoader, Dataset, Labels};
use steepest::nn::{self, *};
use steepest::optim::{Accumulator, Adam, Average, Optimizer, Sgd};
use steepest::train::{EarlyStopping, End, Flow, Trainer};
use steepest::{Device, Error, Tensor, random, sequential};
#[cfg(feature = "save")]
use steepest::{save::Checkpoint, train::Every};

/// 44 rows of 4 features in 3 classes.
fn rows() -> Dataset {
    let features = random::normal_host(44 * 4, 0.0, 1.0, 3, 0);
    let classes = features.chunks(4).map(|r| if r[0] > 0.4 { 2 } else { u32::from(r[1] * r[2] > 0.0) }).collect();
    Dataset::new(features, &[4], Labels::Classes(classes, 3)).unwrap()
}

fn loader(device: &Device, size: usize) -> DataLoader {
    DataLoader::new(&rows(), size).on_device(device).unwrap()
}

/// With running statistics and a random counter.
fn normalised(device: &Device, seed: u64) -> Sequential {
    sequential![
        Linear::new(device, 4, 8, seed),
        BatchNorm1d::new(device, 8),
        Activation::Relu,
        Dropout::new(0.25, 11),
        Linear::new(device, 8, 3, seed + 1)
    ]
}

fn loss(logits: &Tensor, labels: &Tensor) -> Tensor {
    logits.cross_entropy(labels)
}

fn numbers(model: &dyn Module) -> Vec<Vec<f32>> {
    model.named_state().iter().map(|(_, tensor)| tensor.to_vec().unwrap()).collect()
}

fn near(a: &[Vec<f32>], b: &[Vec<f32>], by: f32) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= by))
}

fn config(result: steepest::Result<impl Sized>) -> &'static str {
    match result.err().expect("an error") {
        Error::Config { what, .. } => what,
        other => panic!("{other}"),
    }
}

#[test]
fn several_small_batches_are_one_large_one() {
    for device in common::devices("small batches") {
        let train = |size: usize, accumulate: usize, set: &dyn for<'a> Fn(Trainer<'a>) -> Trainer<'a>| {
            let model = nn::mlp(&device, &[4, 8, 3], 1);
            let adam = Adam::new(model.parameters(), 0.02);
            let mut seen = vec![];
            let report = {
                let trainer = Trainer::new(&model, adam, loss).epochs(3).accumulate(accumulate);
                let trainer = set(trainer).on_step(|step| {
                    seen.push((step.step, step.batch, step.loss.item()?));
                    Ok(Flow::Go)
                });
                let mut trainer = trainer;
                trainer.fit(&loader(&device, size)).unwrap()
            };
            (numbers(&model), report, seen)
        };
        // 8 + 8 + 8 rows, then 8 + 8 + 4; 4 times 8, then 8 + 4.
        for (parts, accumulate) in [(8, 3), (8, 4), (11, 2), (4, 20)] {
            for set in [(|t| t) as for<'a> fn(Trainer<'a>) -> Trainer<'a>, |t| t.l2(0.1).clip_norm(0.2)] {
                let (parted, report, seen) = train(parts, accumulate, &set);
                let (whole, expected, all) = train(parts * accumulate, 1, &set);
                let what = format!("{device}: {accumulate} batches of {parts}");
                assert!(near(&parted, &whole, 2e-6), "{what}: {parted:?}, not {whole:?}");
                assert_eq!((report.steps, report.end), (expected.steps, End::Finished), "{what}");
                assert_eq!(seen.len(), all.len(), "{what}");
                let same = |(a, b): (&(u64, usize, f32), &(u64, usize, f32))| a.0 == b.0 && (a.2 - b.2).abs() < 1e-5;
                assert!(seen.iter().zip(&all).all(same), "{what}: {seen:?}, not {all:?}");
                let losses = |r: &steepest::train::Report| r.history.column("loss").into_iter().flatten().collect::<Vec<_>>();
                assert!(losses(&report).iter().zip(losses(&expected)).all(|(a, b)| (a - b).abs() < 1e-6), "{what}");
            }
        }
        let (.., seen) = train(8, 4, &|t| t);
        assert_eq!(seen.iter().map(|s| s.1).collect::<Vec<_>>(), [3, 5, 3, 5, 3, 5], "the last batch of each step");
    }
}

#[test]
fn gradients_are_added_up_by_their_weights() {
    for device in common::devices("an accumulator") {
        let (a, b, c) = (device.parameter(&[1.0, 2.0], 2), device.parameter(&[3.0], 1), device.parameter(&[0.5], 1));
        let mut sums = Accumulator::mean();
        assert!(sums.is_empty());
        assert_eq!(config(sums.take()), "gradients");
        for round in 0..3 {
            // b is in one of the losses only, c in none.
            sums.add_weighted((&a * 2.0).sum(&[]).backward(), 3.0).unwrap();
            sums.add_weighted(((&a * 6.0).sum(&[]) + b.sum(&[])).backward(), 1.0).unwrap();
            let gradients = sums.take().unwrap();
            assert!(sums.is_empty());
            assert_eq!(gradients.wrt(&a).unwrap().to_vec::<f32>().unwrap(), [3.0, 3.0], "round {round} on {device}");
            assert_eq!(gradients.wrt(&b).unwrap().item().unwrap(), 0.25, "{device}");
            assert!(gradients.get(&c).unwrap().is_none());
        }
        let mut plain = Accumulator::sum();
        plain.add((&a * 2.0).sum(&[]).backward()).unwrap();
        plain.add_weighted((&a * 6.0).sum(&[]).backward(), 0.5).unwrap();
        let late = plain.take().unwrap();
        // What was not used before something is added again is gone, and says so.
        plain.add((&a * 7.0).sum(&[]).backward()).unwrap();
        assert!(matches!(Sgd::new([a.clone()], 0.5).step(late), Err(Error::Op { .. })));
        Sgd::new([a.clone()], 0.5).step(plain.take().unwrap().clip_by_value(2.0)).unwrap();
        assert_eq!(a.to_vec::<f32>().unwrap(), [0.0, 1.0], "{device}");

        // A sum that became NaN is forgotten with its step.
        plain.add((&a * f64::MAX).sum(&[]).backward()).unwrap();
        drop(plain.take().unwrap());
        plain.add((&a * 2.0).sum(&[]).backward()).unwrap();
        assert_eq!(plain.take().unwrap().wrt(&a).unwrap().to_vec::<f32>().unwrap(), [2.0, 2.0], "{device}");

        // An op that cuts a parameter off is found at the step, as without an accumulator.
        plain.add((a.detach() * &b).sum(&[]).backward()).unwrap();
        let error = Sgd::new([a.clone(), b.clone()], 0.5).step(plain.take().unwrap()).unwrap_err();
        assert!(error.to_string().starts_with("detach at "), "{error}");

        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(config(plain.add_weighted(a.sum(&[]).backward(), bad)), "weight of gradients");
        }
        assert!(matches!(plain.add(a.backward()), Err(Error::Op { .. })), "no scalar");
        assert!(plain.is_empty());
    }
}

#[test]
fn adding_up_needs_no_more_memory_with_every_pass() {
    let device = Device::cpu();
    let model = nn::mlp(&device, &[4, 64, 3], 1);
    let x = device.ones([16, 4]);
    let (mut sums, mut opt) = (Accumulator::mean(), Adam::new(model.parameters(), 0.01));
    let mut nodes = vec![];
    for pass in 1..=60 {
        sums.add(model.forward(&x).square().mean(&[]).backward()).unwrap();
        if pass % 20 == 0 {
            opt.step(sums.take().unwrap()).unwrap();
        }
        nodes.push(device.live_nodes());
    }
    assert_eq!(nodes[25], nodes[38], "{nodes:?}");
    assert_eq!(nodes[30], nodes[50], "{nodes:?}");
    // One plan of the first pass, one of the later ones, one of the step.
    assert_eq!(device.runs_and_misses(), (63, 3));
}

#[test]
fn averages_follow_their_weights() {
    for device in common::devices("averages") {
        // More than one kernel takes, and one without elements.
        let tensors: Vec<Tensor> =
            (0..140).map(|i| device.parameter(&[i as f32, 1.0], 2)).chain([device.parameter(&[], 0)]).collect();
        let first = |tensors: &[Tensor]| tensors.iter().map(|t| t.to_vec::<f32>().unwrap()).collect::<Vec<_>>();
        let descend = || {
            let sum = tensors.iter().map(|t| t.sum(&[])).reduce(|a, b| a + b).unwrap();
            Sgd::new(tensors.clone(), 1.0).step(sum.backward()).unwrap();
        };
        let value = |at: f32| (0..140).map(|i| vec![i as f32 + at, 1.0 + at]).chain([vec![]]).collect::<Vec<_>>();
        let (mut ema, mut swa) = (Average::ema(tensors.clone(), 0.5), Average::swa(tensors.clone()));
        let mut warm = Average::ema(tensors.clone(), 0.999).warmup();
        descend();
        assert_eq!(first(ema.averages()), value(0.0), "{device}");
        for average in [&mut ema, &mut swa, &mut warm] {
            average.update().unwrap();
        }
        descend();
        ema.update().unwrap();
        descend();
        swa.update().unwrap();
        // ½ (½ · 0 − ½ · 1) − ½ · 2; the mean of −1 and −3; 2/11 of 0 and 9/11 of −1.
        assert!(near(&first(ema.averages()), &value(-1.25), 2e-5), "{device}");
        assert!(near(&first(swa.averages()), &value(-2.0), 2e-5), "{device}");
        assert!(near(&first(warm.averages()), &value(-9.0 / 11.0), 2e-5), "{device}");
        assert_eq!((ema.updates(), swa.updates()), (2, 2));

        let averages = first(ema.averages());
        ema.swap().unwrap();
        assert_eq!(first(&tensors), averages, "{device}");
        assert_eq!(first(ema.averages()), value(-3.0), "{device}");
        assert_eq!(config(ema.update()), "average");
        assert_eq!(config(ema.state()), "average");
        assert_eq!(config(ema.copy_to(&tensors)), "average");
        ema.swap().unwrap();
        assert_eq!(first(&tensors), value(-3.0), "{device}");
        assert_eq!(ema.evaluate(|| first(&tensors)).unwrap(), averages, "{device}");
        assert_eq!(first(&tensors), value(-3.0), "{device}");

        let others: Vec<Tensor> = tensors.iter().map(|t| device.zeros(t.shape())).collect();
        ema.copy_to(&others).unwrap();
        assert_eq!(first(&others), averages, "{device}");
        assert_eq!(config(ema.copy_to(&others[1..])), "average");
        let mut shorter = others.clone();
        shorter[3] = device.zeros(7);
        assert!(matches!(ema.copy_to(&shorter), Err(Error::Op { .. })));

        // To the bit from another place.
        let state = ema.state().unwrap();
        let mut again = Average::ema(tensors.clone(), 0.5);
        again.restore(&state).unwrap();
        descend();
        ema.update().unwrap();
        again.update().unwrap();
        assert_eq!((first(again.averages()), again.updates()), (first(ema.averages()), 3), "{device}");
        assert_eq!(config(swa.restore(&state)), "state of an average");
        assert_eq!(config(Average::ema(tensors[1..].to_vec(), 0.5).restore(&state)), "state of an average");
        let turned: Vec<Tensor> = tensors.iter().rev().cloned().collect();
        assert_eq!(config(Average::ema(turned, 0.5).restore(&state)), "state of an average");
    }
    let w = Device::cpu().parameter(&[1.0], 1);
    for bad in [-0.1, 1.0, f64::NAN] {
        assert_eq!(config(Average::ema([w.clone()], bad).update()), "decay of an average");
    }
    assert_eq!(config(Average::swa([]).update()), "average");
    // A decay of 0 is the last value, whatever was there.
    let mut last = Average::ema([w.clone()], 0.0);
    w.set(&[f32::NAN]).unwrap();
    last.update().unwrap();
    w.set(&[4.0f32]).unwrap();
    last.update().unwrap();
    assert_eq!(last.averages()[0].item().unwrap(), 4.0);
}

#[test]
fn the_trainer_averages_every_step() {
    for device in common::devices("averages of steps") {
        let (by_hand, trained) = (normalised(&device, 1), normalised(&device, 1));
        let (train, held_out) = (loader(&device, 8), loader(&device, 44));
        let (mut opt, mut ema) = (Adam::new(by_hand.parameters(), 0.02), Average::ema(by_hand.parameters(), 0.9));
        let mut losses = vec![];
        for _ in 0..3 {
            by_hand.train();
            for batch in train.epoch() {
                opt.step(loss(&by_hand.forward(&batch.x), &batch.y).backward()).unwrap();
                ema.update().unwrap();
            }
            by_hand.eval();
            let batch = held_out.epoch().next().unwrap();
            let val = ema.evaluate(|| loss(&by_hand.forward(&batch.x), &batch.y).item().unwrap()).unwrap();
            losses.push(Some(f64::from(val)));
        }
        ema.swap().unwrap();
        let adam = Adam::new(trained.parameters(), 0.02);
        let report = Trainer::new(&trained, adam, loss).epochs(3).ema(0.9).validate(&held_out).fit(&loader(&device, 8)).unwrap();
        assert_eq!(report.history.column("val_loss"), losses, "{device}");
        assert_eq!(numbers(&trained), numbers(&by_hand), "{device}");
    }
}

#[test]
fn the_trainer_averages_the_ends_of_epochs() {
    let device = Device::cpu();
    let (by_hand, trained) = (normalised(&device, 1), normalised(&device, 1));
    let train = loader(&device, 8);
    let (mut opt, mut swa) = (Sgd::new(by_hand.parameters(), 0.2), Average::swa(by_hand.parameters()));
    for epoch in 1..=4 {
        by_hand.train();
        for batch in train.epoch() {
            opt.step(loss(&by_hand.forward(&batch.x), &batch.y).backward()).unwrap();
        }
        if epoch >= 2 {
            swa.update().unwrap();
        }
    }
    assert_eq!(swa.updates(), 3);
    swa.swap().unwrap();
    nn::update_statistics(&by_hand, train.epoch().map(|batch| batch.x)).unwrap();
    let sgd = Sgd::new(trained.parameters(), 0.2);
    Trainer::new(&trained, sgd, loss).epochs(4).swa(2).fit(&loader(&device, 8)).unwrap();
    assert_eq!(numbers(&trained), numbers(&by_hand));
    // With early stopping the best averages are kept, statistics and all.
    let best = normalised(&device, 1);
    let sgd = Sgd::new(best.parameters(), 0.2);
    let held_out = loader(&device, 44);
    let mut trainer = Trainer::new(&best, sgd, loss).epochs(4).swa(2).validate(&held_out);
    let report = {
        trainer = trainer.early_stopping(EarlyStopping::never());
        trainer.fit(&loader(&device, 8)).unwrap()
    };
    let (value, _) = report.best.unwrap();
    let batch = held_out.epoch().next().unwrap();
    let again = f64::from(loss(&best.forward(&batch.x), &batch.y).item().unwrap());
    assert!((again - value).abs() < 1e-6, "{again} and {value}");
}

#[cfg(feature = "save")]
/// A run of 3 epochs with averages that may stop after `stop` steps; its weights after it.
fn run(device: &Device, folder: &Path, ema: bool, stop: u64, seed: u64) -> Vec<Vec<f32>> {
    let model = normalised(device, seed);
    let held_out = loader(device, 30);
    let report = {
        let adam = Adam::new(model.parameters(), 0.02);
        let trainer = Trainer::new(&model, adam, loss).epochs(3).accumulate(2).validate(&held_out);
        let trainer = if ema { trainer.ema(0.8) } else { trainer.swa(1) };
        let trainer = trainer.checkpoints(folder, Every::Steps(1)).resume();
        let mut trainer = trainer.on_step(|step| Ok(if step.step == stop { Flow::Stop } else { Flow::Go }));
        trainer.fit(&loader(device, 8)).unwrap()
    };
    assert_eq!((report.end, report.steps), if stop == 0 { (End::Finished, 9) } else { (End::Callback, stop) });
    numbers(&model)
}

#[cfg(feature = "save")]
#[test]
fn averages_go_on_where_a_run_stopped() {
    let device = Device::cpu();
    for ema in [true, false] {
        let whole = run(&device, tempfile::tempdir().unwrap().path(), ema, 0, 1);
        for stop in [1, 3, 5, 6, 8] {
            let folder = tempfile::tempdir().unwrap();
            run(&device, folder.path(), ema, stop, 1);
            // Everything new, and the weights start elsewhere.
            assert_eq!(run(&device, folder.path(), ema, 0, 99), whole, "{ema}, stopped after {stop}");
        }
        // The file says what kind of run it was of.
        let folder = tempfile::tempdir().unwrap();
        run(&device, folder.path(), ema, 4, 1);
        let model = normalised(&device, 1);
        let refused = |set: fn(Trainer<'_>) -> Trainer<'_>| {
            let adam = Adam::new(model.parameters(), 0.02);
            let trainer = set(Trainer::new(&model, adam, loss)).checkpoints(folder.path(), Every::Steps(1)).resume();
            let mut trainer = trainer;
            trainer.fit(&loader(&device, 8)).unwrap_err().to_string()
        };
        assert!(refused(|t| t).contains("the run averaged its weights"));
        assert!(refused(if ema { |t| t.swa(1) } else { |t| t.ema(0.8) }).contains("state of an average"));
        let kept = Checkpoint::read(folder.path().join("step-000000000004.safetensors")).unwrap();
        let path = folder.path().join("again.safetensors");
        kept.write(&path).unwrap();
        assert!(kept.average.is_some() && Checkpoint::read(&path).unwrap() == kept);
    }
}

#[test]
fn settings_of_averages_that_make_no_sense_are_refused() {
    let device = Device::cpu();
    let model = nn::mlp(&device, &[4, 3], 1);
    let refused = |part: &str, set: fn(Trainer<'_>) -> Trainer<'_>| {
        let sgd = Sgd::new(model.parameters(), 0.1);
        let mut trainer = set(Trainer::new(&model, sgd, loss));
        let error = trainer.fit(&loader(&device, 8)).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    refused("0 batches", |t| t.accumulate(0));
    refused("from epoch 0", |t| t.swa(0));
    refused("decay of an average", |t| t.ema(1.0));
    refused("decay of an average", |t| t.ema(f64::NAN));
    assert!(nn::update_statistics(&model, []).is_err());
    assert!(nn::update_statistics(&model, [device.zeros([2, 5])]).is_err());
}
