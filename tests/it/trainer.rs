//! The training loop: what it does at each step and epoch, and that a run taken up again is the run that never stopped.
#![cfg(feature = "save")]
#![allow(clippy::unwrap_used)]

use crate::common;
use std::cell::{Cell, RefCell};
use std::path::Path;
use steepest::data::{DataLoader, Dataset, Labels};
use steepest::nn::{self, *};
use steepest::optim::schedule::{Cosine, OneCycle, Plateau, Schedule, Step};
use steepest::optim::{AdaGrad, Adadelta, Adafactor, Adam, Adamax, Lamb, Lion, Muon, NAdam, Optimizer, RAdam, RmsProp, Sgd};
use steepest::save::TensorFile;
use steepest::train::metrics::{Metric, Predictions, Score};
use steepest::train::{EarlyStopping, End, Every, Flow, History, Interrupt, Report, Trainer};
use steepest::{Device, Error, Result, Tensor, random, sequential};

/// 44 rows of 4 features in 3 classes.
fn rows() -> Dataset {
    let features = random::normal_host(44 * 4, 0.0, 1.0, 3, 0);
    let classes = features.chunks(4).map(|r| if r[0] > 0.4 { 2 } else { u32::from(r[1] * r[2] > 0.0) }).collect();
    Dataset::new(features, &[4], Labels::Classes(classes, 3)).unwrap()
}

/// 6 batches of 8, the last of 4.
fn loader(device: &Device) -> DataLoader {
    DataLoader::new(&rows(), 8).shuffle(7).on_device(device).unwrap()
}

/// All that has a state of its own: running statistics, a random counter.
fn model(device: &Device, seed: u64) -> Sequential {
    let drop = Dropout::new(0.25, 11);
    sequential![
        Linear::new(device, 4, 8, seed),
        BatchNorm1d::new(device, 8),
        Activation::Relu,
        drop,
        Linear::new(device, 8, 3, seed + 1)
    ]
}

fn loss(logits: &Tensor, labels: &Tensor) -> Tensor {
    logits.cross_entropy(labels)
}

/// A model's numbers, to the bit.
fn bits(model: &dyn Module) -> Vec<u8> {
    TensorFile { tensors: StateDict::of(model).unwrap(), ..TensorFile::default() }.to_bytes().unwrap()
}

/// A history without what a clock says.
fn timeless(history: &History) -> History {
    let mut history = history.clone();
    history.records.iter_mut().for_each(|record| record.seconds = 0.0);
    history
}

#[test]
fn the_loop_is_the_one_written_by_hand() {
    let device = Device::cpu();
    let (by_hand, trained) = (model(&device, 1), model(&device, 1));
    let train = loader(&device);
    let mut opt = Adam::new(by_hand.parameters(), 0.01);
    let mut losses = vec![];
    for _ in 0..3 {
        let mut sum = 0.0;
        for batch in train.epoch() {
            let loss = loss(&by_hand.forward(&batch.x), &batch.y);
            opt.step(loss.backward()).unwrap();
            sum += f64::from(loss.item().unwrap()) * batch.len as f64;
        }
        losses.push(Some(sum / 44.0));
    }
    let adam = Adam::new(trained.parameters(), 0.01);
    let report = Trainer::new(&trained, adam, loss).epochs(3).fit(&loader(&device)).unwrap();
    assert_eq!((report.end, report.steps, report.best), (End::Finished, 18, None));
    assert_eq!(report.history.column("loss"), losses);
    assert_eq!(bits(&trained), bits(&by_hand));
}

/// A metric that says what it was told to, epoch by epoch.
struct Told(RefCell<Vec<f64>>);

impl Metric for Told {
    fn name(&self) -> String {
        "told".to_owned()
    }
    fn of(&self, predictions: &Predictions) -> Result<f64> {
        assert_eq!((predictions.rows(), predictions.width()), (44, 3));
        Ok(self.0.borrow_mut().remove(0))
    }
    fn upwards(&self) -> bool {
        true
    }
}

#[test]
fn early_stopping_keeps_the_best_weights() {
    let device = Device::cpu();
    let (train, held_out) = (loader(&device), loader(&device));
    let fit = |told: &[f64], stopping: EarlyStopping| {
        let model = model(&device, 1);
        let adam = Adam::new(model.parameters(), 0.01);
        let report = {
            let told = Told(RefCell::new(told.to_vec()));
            let trainer = Trainer::new(&model, adam, loss).epochs(8).validate(&held_out).metric(told);
            trainer.early_stopping(stopping.monitor("told")).fit(&train).unwrap()
        };
        (report, bits(&model))
    };
    let after = |epochs: usize| {
        let model = model(&device, 1);
        let adam = Adam::new(model.parameters(), 0.01);
        Trainer::new(&model, adam, loss).epochs(epochs).fit(&train).unwrap();
        bits(&model)
    };
    // The third is better by too little, NaN is never better: after two bad ones in a row it ends.
    let (report, weights) = fit(&[0.5, 0.6, 0.605, f64::NAN, 9.0], EarlyStopping::new(2).min_delta(0.01));
    assert_eq!((report.end, report.best, report.history.records.len()), (End::EarlyStopping, Some((0.6, 2)), 4));
    assert!(weights == after(2), "not the weights of the best epoch");
    // One good epoch in between starts the count anew.
    let (report, weights) = fit(&[0.5, 0.4, 0.6, 0.5, 0.7, 0.6, 0.65, 0.1], EarlyStopping::new(2));
    assert_eq!((report.end, report.best, report.history.records.len()), (End::EarlyStopping, Some((0.7, 5)), 7));
    assert!(weights == after(5));
    let (report, weights) = fit(&[0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2], EarlyStopping::never());
    assert_eq!((report.end, report.best), (End::Finished, Some((0.9, 1))));
    assert!(weights == after(1));
}

#[test]
fn validation_is_by_evaluation_and_schedules_are_followed() {
    let device = Device::cpu();
    let (train, held_out) = (loader(&device), DataLoader::new(&rows(), 44).on_device(&device).unwrap());
    let with = |set: &dyn for<'a> Fn(Trainer<'a>) -> Trainer<'a>| {
        let model = model(&device, 1);
        let sgd = Sgd::new(model.parameters(), 0.5);
        let mut rates = vec![];
        let report = {
            let trainer = Trainer::new(&model, sgd, loss).epochs(4).validate(&held_out).metric(Score::Accuracy);
            let trainer = set(trainer).on_step(|step| {
                rates.push(step.lr);
                Ok(Flow::Go)
            });
            let mut trainer = trainer;
            trainer.fit(&train).unwrap()
        };
        // What the history says of the last epoch is what the model is: dropout is off, statistics are the running ones.
        let predictions = Predictions::of(&model, &held_out).unwrap();
        let last = report.history.last().unwrap();
        assert_eq!(last.get("accuracy"), Some(Score::Accuracy.of(&predictions).unwrap()));
        let batch = held_out.epoch_at(0).next().unwrap();
        assert_eq!(last.val_loss, Some(f64::from(loss(&model.forward(&batch.x), &batch.y).item().unwrap())));
        rates
    };
    let by_epoch = Cosine::new(0.5, 4, 0.1).unwrap();
    let rates = with(&|t| t.schedule(Cosine::new(0.5, 4, 0.1).unwrap()));
    assert_eq!(rates, (0..24).map(|step| by_epoch.lr(step / 6)).collect::<Vec<_>>());
    let by_step = OneCycle::new(0.5, 24).unwrap();
    let rates = with(&|t| t.schedule_by_step(OneCycle::new(0.5, 24).unwrap()));
    assert_eq!(rates, (0..24).map(|step| by_step.lr(step)).collect::<Vec<_>>());
    // Nothing is ever better by 10⁹: the rate falls after each epoch but the first.
    let rates = with(&|t| t.plateau(Plateau::new(0.5, 0).unwrap().absolute_threshold(1e9).unwrap()));
    assert_eq!(rates.chunks(6).map(|epoch| epoch[0]).collect::<Vec<_>>(), [0.5, 0.5, 0.25, 0.125]);
}

#[test]
fn penalties_and_clipping_change_the_step_and_not_the_loss() {
    let device = Device::cpu();
    let x = Dataset::new(vec![1.0, -2.0, 0.5, 1.0], &[2], Labels::Values(vec![1.0, 0.0], 1)).unwrap();
    let train = DataLoader::new(&x, 2).on_device(&device).unwrap();
    let mse = |y: &Tensor, t: &Tensor| y.mse(t);
    let start = || {
        let model = Linear::new(&device, 2, 1, 4);
        model.weight().set(&[0.5f32, -0.25]).unwrap();
        model.bias().unwrap().set(&[0.125f32]).unwrap();
        model
    };
    let step = |set: &dyn for<'a> Fn(Trainer<'a>) -> Trainer<'a>| {
        let model = start();
        let sgd = Sgd::new(model.parameters(), 1.0);
        let mut trainer = set(Trainer::new(&model, sgd, mse).epochs(1));
        let report = trainer.fit(&train).unwrap();
        let weights: Vec<f32> = model.parameters().iter().flat_map(|p| p.to_vec::<f32>().unwrap()).collect();
        // y = (1.125, 0.125): loss (0.125² + 0.125²) / 2.
        assert_eq!(report.history.records[0].loss, 0.015625);
        weights
    };
    // ∂/∂w = Σ (y − t) x = 0.125 (1, −2) + 0.125 (0.5, 1) = (0.1875, −0.125); ∂/∂b = 0.25.
    assert_eq!(step(&|t| t), [0.3125, -0.125, -0.125]);
    assert_eq!(step(&|t| t.l1(0.25)), [0.3125 - 0.25, -0.125 + 0.25, -0.125]);
    assert_eq!(step(&|t| t.l2(0.5)), [0.3125 - 0.25, -0.125 + 0.125, -0.125]);
    assert_eq!(step(&|t| t.clip_value(0.15625)), [0.5 - 0.15625, -0.125, 0.125 - 0.15625]);
    // The norm is √(0.1875² + 0.125² + 0.25²) = 0.3366…; a tenth of it.
    let norm = (0.1875f64.powi(2) + 0.125f64.powi(2) + 0.25f64.powi(2)).sqrt();
    let clipped = step(&|t| t.clip_norm(norm / 10.0));
    for (found, expected) in clipped.iter().zip([0.5 - 0.01875, -0.25 + 0.0125, 0.125 - 0.025]) {
        assert!((f64::from(*found) - expected).abs() < 1e-6, "{clipped:?}");
    }
}

#[test]
fn a_run_ends_when_asked_and_never_goes_on_with_nan() {
    let device = Device::cpu();
    let train = loader(&device);
    let fit = |set: &mut dyn FnMut(u64) -> Result<Flow>, interrupt: &Interrupt| {
        let model = model(&device, 1);
        let adam = Adam::new(model.parameters(), 0.01);
        let trainer = Trainer::new(&model, adam, loss).epochs(3).interrupt(interrupt);
        let mut trainer = trainer.on_step(|step| set(step.step));
        trainer.fit(&train)
    };
    let interrupt = Interrupt::new();
    let report = fit(&mut |step| Ok(if step == 8 { Flow::Stop } else { Flow::Go }), &interrupt).unwrap();
    assert_eq!((report.end, report.steps, report.history.records.len()), (End::Callback, 8, 1));
    for (asked, steps) in [(1, 12), (2, 8)] {
        let mut ask = |step| {
            (0..if step == 8 { asked } else { 0 }).for_each(|_| interrupt.ask());
            Ok(Flow::Go)
        };
        let report = fit(&mut ask, &interrupt).unwrap();
        assert_eq!((report.end, report.steps), (End::Interrupted, steps));
    }
    let error = fit(&mut |_| Err(Error::Config { what: "callback", message: "no more".to_owned() }), &interrupt).unwrap_err();
    assert!(error.to_string().contains("no more"));

    let (model, count) = (nn::mlp(&device, &[4, 3], 1), Cell::new(0));
    let sgd = Sgd::new(model.parameters(), 0.5);
    let ninth = |y: &Tensor, t: &Tensor| {
        count.set(count.get() + 1);
        loss(y, t).mul_scalar(if count.get() == 9 { f64::NAN } else { 1.0 })
    };
    let error = Trainer::new(&model, sgd, ninth).fit(&train).unwrap_err();
    assert!(matches!(error, Error::Diverged { epoch: 2, step: 9, lr: 0.5, .. }), "{error}");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let device = Device::cpu();
    let (train, held_out) = (loader(&device), loader(&device));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("step-000000000007.safetensors"), "").unwrap();
    let refused = |part: &str, set: &dyn for<'a> Fn(Trainer<'a>, &'a DataLoader) -> Trainer<'a>| {
        let model = model(&device, 1);
        let sgd = Sgd::new(model.parameters(), 0.1);
        let error = set(Trainer::new(&model, sgd, loss), &held_out).fit(&train).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    refused("there are none", &|t, _| t.metric(Score::Accuracy));
    refused("looks at `accuracy`", &|t, v| t.validate(v).early_stopping(EarlyStopping::new(1).monitor("accuracy")));
    refused("looks at `val_loss`", &|t, _| t.early_stopping(EarlyStopping::new(1).monitor("val_loss")));
    refused("patience 0", &|t, _| t.early_stopping(EarlyStopping::new(0)));
    refused("two figures are called `accuracy`", &|t, v| t.validate(v).metric(Score::Accuracy).metric(Score::Accuracy));
    refused("more than one schedule", &|t, _| t.plateau(Plateau::new(0.5, 1).unwrap()).schedule(Step::new(0.1, 1, 0.1).unwrap()));
    refused("both by norm and by value", &|t, _| t.clip_norm(1.0).clip_value(1.0));
    refused("norm to clip by", &|t, _| t.clip_norm(-1.0));
    refused("an L2 penalty of NaN", &|t, _| t.l2(f64::NAN));
    refused("labels are classes", &|t, v| t.validate(v).metric(Score::Rmse));
    let path = folder.path();
    refused("after every 0", &|t, _| t.checkpoints(path.join("new"), Every::Steps(0)));
    refused("resume that run, or choose another folder", &|t, _| t.checkpoints(path, Every::Steps(1)));
    // The only checkpoint there is no checkpoint.
    refused("too short", &|t, _| t.checkpoints(path, Every::Steps(1)).resume());
}

/// What a run leaves behind: losses of its steps by number, the model's bits, the report.
struct Left {
    losses: Vec<(u64, u32)>,
    weights: Vec<u8>,
    report: Option<Report>,
}

type Make = fn(Vec<Tensor>) -> Box<dyn Optimizer>;

/// A run of 18 steps that stops after `stop` (0: never), by a crash or cleanly.
fn run(device: &Device, optimizer: Make, folder: &Path, every: Every, stop: u64, crash: bool, seed: u64) -> Left {
    let (train, held_out) = (loader(device), DataLoader::new(&rows(), 30).on_device(device).unwrap());
    let model = model(device, seed);
    let mut losses = vec![];
    let result = {
        let opt = optimizer(model.parameters());
        let trainer = Trainer::new(&model, opt, loss).epochs(3).validate(&held_out).metric(Score::Accuracy);
        let trainer =
            trainer.plateau(Plateau::new(0.5, 0).unwrap()).early_stopping(EarlyStopping::new(9)).clip_norm(2.0).l2(1e-3);
        let mut trainer = trainer.checkpoints(folder, every).resume().preprocessing("scaler").on_step(|step| {
            losses.push((step.step, step.loss.item()?.to_bits()));
            match (step.step == stop, crash) {
                (true, true) => Err(Error::Config { what: "test", message: "crash".to_owned() }),
                (true, false) => Ok(Flow::Stop),
                _ => Ok(Flow::Go),
            }
        });
        trainer.fit(&train)
    };
    if stop == 0 || !crash {
        let report = result.unwrap();
        assert_eq!(report.end, if stop == 0 { End::Finished } else { End::Callback });
        return Left { losses, weights: bits(&model), report: Some(report) };
    }
    assert!(result.unwrap_err().to_string().contains("crash"));
    Left { losses, weights: bits(&model), report: None }
}

fn resumes(device: &Device, optimizer: Make, stops: &[u64], crash: Option<u64>) {
    let whole_folder = tempfile::tempdir().unwrap();
    let whole = run(device, optimizer, whole_folder.path(), Every::Epochs(1), 0, false, 1);
    assert_eq!(whole.losses.len(), 18);
    for &stop in stops {
        let folder = tempfile::tempdir().unwrap();
        let every = Every::Steps(crash.unwrap_or(1000));
        let first = run(device, optimizer, folder.path(), every, stop, crash.is_some(), 1);
        // Everything new, and the weights start elsewhere.
        let second = run(device, optimizer, folder.path(), every, 0, false, 99);
        let from = crash.map_or(stop, |every| (stop - 1) / every * every);
        let what = format!("{device:?}, stopped after step {stop}, went on after {from}");
        assert_eq!(first.losses, whole.losses[..stop as usize], "{what}");
        assert_eq!(second.losses, whole.losses[from as usize..], "{what}");
        assert!(second.weights == whole.weights, "{what}: other weights");
        let (a, b) = (second.report.unwrap(), whole.report.as_ref().unwrap());
        assert_eq!(timeless(&a.history), timeless(&b.history), "{what}");
        assert_eq!((a.end, a.best, a.steps), (b.end, b.best, b.steps), "{what}");
    }
}

const ADAM: Make = |p| Box::new(Adam::w(p, 0.02).amsgrad(true));

#[test]
fn a_run_taken_up_at_any_step_is_the_run_that_never_stopped() {
    resumes(&Device::cpu(), ADAM, &(1..18).collect::<Vec<_>>(), None);
}

#[test]
fn a_run_that_crashed_goes_on_from_its_last_checkpoint() {
    resumes(&Device::cpu(), ADAM, &[5, 6, 7, 13, 18], Some(4));
}

#[test]
fn every_optimizer_goes_on() {
    const OTHERS: [Make; 13] = [
        |p| Box::new(AdaGrad::new(p, 0.1).lr_decay(0.01).initial_sum(0.1)),
        |p| Box::new(RmsProp::new(p, 0.01).centered(true).momentum(0.5)),
        |p| Box::new(Adadelta::new(p, 1.0)),
        |p| Box::new(Sgd::new(p, 0.1).momentum(0.9).nesterov(true)),
        |p| Box::new(Sgd::new(p, 0.1)),
        |p| Box::new(Sgd::new(p, 0.1).momentum(0.9).dampening(0.5)),
        |p| Box::new(NAdam::new(p, 0.01)),
        |p| Box::new(RAdam::new(p, 0.01).betas(0.9, 0.95)),
        |p| Box::new(Adamax::new(p, 0.01)),
        |p| Box::new(Lion::new(p, 0.01)),
        |p| Box::new(Lamb::new(p, 0.01)),
        |p| Box::new(Adafactor::new(p, 0.01)),
        |p| Box::new(Muon::new(p, 0.01)),
    ];
    OTHERS.into_iter().for_each(|optimizer| resumes(&Device::cpu(), optimizer, &[8], None));
}

#[test]
fn a_run_goes_on_on_the_gpu() {
    let Some(device) = common::gpu("resumed runs") else { return };
    resumes(&device, ADAM, &[1, 5, 6, 7, 14], None);
    resumes(&device, ADAM, &[11], Some(4));
}

#[test]
fn a_run_goes_on_only_with_what_it_had() {
    let (device, folder) = (Device::cpu(), tempfile::tempdir().unwrap());
    run(&device, ADAM, folder.path(), Every::Steps(1000), 8, false, 1);
    let fit = |model: &dyn Module, opt: Box<dyn Optimizer>, batch: usize| {
        let train = DataLoader::new(&rows(), batch).shuffle(7).on_device(&device).unwrap();
        let before = bits(model);
        let plateau = Plateau::new(0.5, 0).unwrap();
        let mut trainer = Trainer::new(model, opt, loss).plateau(plateau).checkpoints(folder.path(), Every::Steps(1000)).resume();
        let error = trainer.fit(&train).unwrap_err().to_string();
        assert!(bits(model) == before, "a model was changed by a checkpoint that does not fit: {error}");
        error
    };
    let same = model(&device, 1);
    let error = fit(&same, ADAM(same.parameters()), 11);
    assert!(error.contains("step-000000000008") && error.contains("an epoch had 6 batches, the loader makes 4"), "{error}");
    let error = fit(&same, Box::new(Sgd::new(same.parameters(), 0.1)), 8);
    assert!(error.contains("it is that of Adam, the optimizer is Sgd"), "{error}");
    let other = nn::mlp(&device, &[4, 8, 3], 1);
    assert!(fit(&other, ADAM(other.parameters()), 8).contains("draw random numbers"));
    let wider = sequential![
        Linear::new(&device, 4, 9, 1),
        BatchNorm1d::new(&device, 9),
        Activation::Relu,
        Dropout::new(0.25, 11),
        Linear::new(&device, 9, 3, 2)
    ];
    assert!(fit(&wider, ADAM(wider.parameters()), 8).contains("0.weight is f32 [8, 4], the model's is f32 [9, 4]"));
}

#[test]
fn a_finished_run_taken_up_again_has_its_best_weights() {
    let (device, folder) = (Device::cpu(), tempfile::tempdir().unwrap());
    let first = run(&device, ADAM, folder.path(), Every::Epochs(1), 0, false, 1);
    let again = run(&device, ADAM, folder.path(), Every::Epochs(1), 0, false, 5);
    assert_eq!(again.losses, []);
    assert!(again.weights == first.weights);
    assert_eq!(again.report.unwrap().best, first.report.unwrap().best);
    let (_, checkpoint) = steepest::save::Checkpoints::new(folder.path()).newest().unwrap().unwrap();
    assert_eq!(checkpoint.preprocessing.as_deref(), Some("scaler"));
    assert_eq!(History::from_csv(&checkpoint.history.unwrap()).unwrap().records.len(), 3);
}

#[test]
fn a_history_that_is_none_is_refused() {
    let head = "epoch,steps,lr,loss,val_loss,seconds,f1\n";
    let odd = format!("{head}1,6,0.1,NaN,,0.5,inf\n");
    let history = History::from_csv(&odd).unwrap();
    assert!(history.records[0].loss.is_nan() && history.records[0].val_loss.is_none());
    assert_eq!(history.to_csv(), odd);
    for (csv, part) in [
        (String::new(), "line 1"),
        ("epoch,loss\n".to_owned(), "expected"),
        (format!("{head}1,6,0.1\n"), "line 2: 3 cells for 7 columns"),
        (format!("{head}1,6,0.1,x,,0.5,1\n"), "`x` in column loss is no number"),
        (format!("{head}-1,6,0.1,1,,0.5,1\n"), "`-1` in column epoch"),
    ] {
        let error = History::from_csv(&csv).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}
