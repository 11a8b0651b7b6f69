//! Every option of a trainer: what it changes, what is refused, and what of it goes on with a run that is taken up again.
#![cfg(feature = "save")]
#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use steepest::data::{DataLoader, Dataset, Labels};
use steepest::nn::{self, *};
use steepest::optim::schedule::{Exponential, Plateau};
use steepest::optim::{Adam, Sgd};
use steepest::save::TensorFile;
use steepest::train::metrics::{Metric, Predictions};
use steepest::train::{EarlyStopping, End, Every, Flow, Interrupt, Report, Trainer};
use steepest::{Device, Result, Tensor, random};

/// 20 rows of 4 features in 3 classes, in batches of 8, 8 and 4.
fn loader(device: &Device) -> DataLoader {
    let features = random::normal_host(20 * 4, 0.0, 1.0, 3, 0);
    let classes = features.chunks(4).map(|r| if r[0] > 0.4 { 2 } else { u32::from(r[1] > 0.0) }).collect();
    let rows = Dataset::new(features, &[4], Labels::Classes(classes, 3)).unwrap();
    DataLoader::new(&rows, 8).shuffle(7).on_device(device).unwrap()
}

fn loss(logits: &Tensor, labels: &Tensor) -> Tensor {
    logits.cross_entropy(labels)
}

/// A model's numbers, to the bit.
fn bits(model: &dyn Module) -> Vec<u8> {
    TensorFile { tensors: StateDict::of(model).unwrap(), ..TensorFile::default() }.to_bytes().unwrap()
}

/// A metric that says what it was told to, epoch by epoch.
struct Told {
    name: &'static str,
    upwards: bool,
    figures: RefCell<Vec<f64>>,
}

impl Told {
    fn new(upwards: bool, figures: &[f64]) -> Told {
        Told { name: "told", upwards, figures: RefCell::new(figures.to_vec()) }
    }
}

impl Metric for Told {
    fn name(&self) -> String {
        self.name.to_owned()
    }
    fn of(&self, _: &Predictions) -> Result<f64> {
        Ok(self.figures.borrow_mut().remove(0))
    }
    fn upwards(&self) -> bool {
        self.upwards
    }
}

/// Settings of a trainer.
type Set<'s> = &'s dyn for<'a> Fn(Trainer<'a>) -> Trainer<'a>;

/// A run of Adam on a new model, and the model's numbers after it.
fn train(set: Set<'_>) -> (Report, Vec<u8>) {
    let device = Device::cpu();
    let (train, held_out) = (loader(&device), loader(&device));
    let model = nn::mlp(&device, &[4, 6, 3], 1);
    let report = {
        let adam = Adam::new(model.parameters(), 0.05);
        let mut trainer = set(Trainer::new(&model, adam, loss).quiet()).validate(&held_out);
        trainer.fit(&train).unwrap()
    };
    (report, bits(&model))
}

/// A run whose metric says these figures.
fn told(figures: &[f64], upwards: bool, stopping: EarlyStopping) -> (Report, Vec<u8>) {
    train(&|t| t.epochs(figures.len()).metric(Told::new(upwards, figures)).early_stopping(stopping.clone().monitor("told")))
}

#[test]
fn the_best_epoch_is_the_best_of_all_figures() {
    let never = EarlyStopping::never;
    for (figures, upwards, stopping, best) in [
        // NaN is no better than anything, in the first epoch as in any other.
        (&[f64::NAN, 0.5, 0.4][..], true, never(), Some((0.5, 2))),
        (&[f64::NAN, f64::NAN, 0.4], false, never(), Some((0.4, 3))),
        (&[f64::NAN, f64::NAN], true, never(), None),
        (&[f64::INFINITY, 0.5, 0.6], false, never(), Some((0.5, 2))),
        // What is equal is no better.
        (&[0.5, 0.5, 0.5], true, never(), Some((0.5, 1))),
        (&[0.5, 0.5, 0.5], false, never(), Some((0.5, 1))),
        // Better by more than the least difference, which is measured from the best and not from the one before.
        (&[1.0, 1.25, 1.5, 1.75], true, never().min_delta(0.25), Some((1.5, 3))),
        (&[1.0, 0.75, 0.5, 0.25], false, never().min_delta(0.25), Some((0.5, 3))),
        (&[1.0, 0.875, 0.625], false, never(), Some((0.625, 3))),
    ] {
        let (report, weights) = told(figures, upwards, stopping);
        assert_eq!(report.best, best, "{figures:?}");
        let (_, expected) = train(&|t| t.epochs(best.map_or(figures.len(), |(_, epoch)| epoch)));
        assert!(weights == expected, "{figures:?}: not the weights of the best epoch");
    }
}

#[test]
fn patience_is_counted_in_epochs_that_are_no_better() {
    for (patience, figures, epochs) in [
        (1, &[0.5, 0.4, 0.9][..], 2),
        (2, &[0.5, 0.4, 0.4, 0.9], 3),
        (2, &[0.5, 0.4, 0.6, 0.4, 0.4, 0.9], 5),
        (2, &[f64::NAN, f64::NAN, 0.9], 2),
        (1, &[0.1, 0.2, 0.3], 3),
    ] {
        let (report, _) = told(figures, true, EarlyStopping::new(patience));
        let end = if epochs == figures.len() { End::Finished } else { End::EarlyStopping };
        assert_eq!((report.history.records.len(), report.end), (epochs, end), "patience {patience}: {figures:?}");
    }
}

/// Without a word it is the validation loss that stops a run and lowers the learning rate, and the training loss where there is no validation.
#[test]
fn the_validation_loss_decides_where_there_is_one() {
    let device = Device::cpu();
    let train = loader(&device);
    // Of rows whose classes are turned, the loss rises as that of the training rows falls.
    let rows = Dataset::new(random::normal_host(20 * 4, 0.0, 1.0, 3, 0), &[4], Labels::Classes(vec![1; 20], 3)).unwrap();
    let against = DataLoader::new(&rows, 20).on_device(&device).unwrap();
    let fit = |validate: bool, stop: bool| {
        let model = nn::mlp(&device, &[4, 6, 3], 1);
        let trainer = Trainer::new(&model, Adam::new(model.parameters(), 0.05), loss).epochs(6).quiet();
        let trainer = if validate { trainer.validate(&against) } else { trainer };
        let trainer = match stop {
            true => trainer.early_stopping(EarlyStopping::new(2)),
            false => trainer.plateau(Plateau::new(0.5, 0).unwrap()),
        };
        let mut trainer = trainer;
        trainer.fit(&train).unwrap()
    };
    let report = fit(true, false);
    let column = |name: &str| report.history.column(name).into_iter().flatten().collect::<Vec<_>>();
    let rises = column("val_loss").windows(2).filter(|w| w[1] > w[0]).count();
    assert!(rises > 0 && column("loss").windows(2).all(|w| w[1] < w[0]), "{:?}", report.history);
    assert!(column("lr")[5] < 0.05, "{:?}", column("lr"));
    assert_eq!(fit(false, false).history.column("lr"), [Some(0.05); 6]);
    let best = fit(true, true).best.unwrap();
    assert_eq!(Some(best.0), fit(true, true).history.records[best.1 - 1].val_loss);
    let (report, best) = (fit(false, true), fit(false, true).best.unwrap());
    assert_eq!((report.end, best), (End::Finished, (report.history.records[5].loss, 6)));
}

#[test]
fn the_first_callback_that_says_stop_is_heard() {
    for stopper in [0, 1, 2] {
        let heard = RefCell::new(vec![0; 3]);
        let says = |k: usize, now: bool| {
            heard.borrow_mut()[k] += 1;
            Ok(if k == stopper && now { Flow::Stop } else { Flow::Go })
        };
        let device = Device::cpu();
        let (rows, model) = (loader(&device), nn::mlp(&device, &[4, 3], 1));
        for by_step in [true, false] {
            heard.replace(vec![0; 3]);
            let mut trainer = Trainer::new(&model, Sgd::new(model.parameters(), 0.1), loss).epochs(4).quiet();
            for k in 0..3 {
                trainer = match by_step {
                    true => trainer.on_step(move |step| says(k, step.step == 5)),
                    false => trainer.on_epoch(move |history| says(k, history.records.len() == 2)),
                };
            }
            let report = trainer.fit(&rows).unwrap();
            assert_eq!((report.end, report.steps), (End::Callback, if by_step { 5 } else { 6 }), "{stopper}");
            drop(trainer);
            assert_eq!(*heard.borrow(), if by_step { [5; 3] } else { [2; 3] }, "all are told of it");
        }
    }
}

#[test]
fn steps_and_epochs_say_where_they_are() {
    let device = Device::cpu();
    let (rows, model) = (loader(&device), nn::mlp(&device, &[4, 3], 1));
    let mut seen = vec![];
    let sgd = Sgd::new(model.parameters(), 0.5);
    let report = Trainer::new(&model, sgd, loss)
        .epochs(2)
        .quiet()
        .schedule_by_step(Exponential::new(0.5, 0.5).unwrap())
        .on_step(|step| {
            seen.push((step.epoch, step.batch, step.step, step.lr, f64::from(step.loss.item()?)));
            Ok(Flow::Go)
        })
        .fit(&rows)
        .unwrap();
    let places: Vec<_> = seen.iter().map(|&(epoch, batch, step, ..)| (epoch, batch, step)).collect();
    assert_eq!(places, [(1, 0, 1), (1, 1, 2), (1, 2, 3), (2, 0, 4), (2, 1, 5), (2, 2, 6)]);
    assert_eq!(seen.iter().map(|s| s.3).collect::<Vec<_>>(), (0..6).map(|k| 0.5 * 0.5f64.powi(k)).collect::<Vec<_>>());
    // An epoch's loss is the mean over its rows: batches of 8, 8 and 4.
    for (epoch, record) in report.history.records.iter().enumerate() {
        let of = &seen[3 * epoch..][..3];
        let mean = (8.0 * of[0].4 + 8.0 * of[1].4 + 4.0 * of[2].4) / 20.0;
        assert!((record.loss - mean).abs() < 1e-12 && record.steps == 3 * (epoch as u64 + 1), "{record:?}");
        assert_eq!((record.epoch, record.lr), (epoch + 1, of[2].3));
    }
}

/// A run of six epochs, stopped after epoch `stop` (0: never) and taken up again.
fn resumed(folder: &Path, stop: usize, figures: &[f64], patience: usize, seed: u64) -> (Report, Vec<u8>) {
    let device = Device::cpu();
    let (train, held_out) = (loader(&device), loader(&device));
    let model = nn::mlp(&device, &[4, 6, 3], seed);
    let report = {
        let adam = Adam::new(model.parameters(), 0.05);
        let trainer = Trainer::new(&model, adam, loss).epochs(6).validate(&held_out).metric(Told::new(true, figures)).quiet();
        let trainer = trainer.early_stopping(EarlyStopping::new(patience).monitor("told"));
        let trainer = trainer.plateau(Plateau::new(0.5, 0).unwrap().absolute_threshold(1e9).unwrap().cooldown(1));
        let stops = move |n: usize| Ok(if n == stop { Flow::Stop } else { Flow::Go });
        let mut trainer =
            trainer.checkpoints(folder, Every::Epochs(1)).resume().on_epoch(move |history| stops(history.records.len()));
        trainer.fit(&train).unwrap()
    };
    (report, bits(&model))
}

/// The best epoch may lie before the place where a run is taken up: its weights go on with the run, and so do the epochs since.
#[test]
fn a_run_taken_up_after_its_best_epoch_ends_with_its_weights() {
    for (figures, patience) in [
        ([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], 9),
        ([0.5, 0.9, 0.7, 0.6, 0.5, 0.4], 9),
        ([f64::NAN, 0.9, 0.7, 0.6, 0.5, 0.4], 9),
        ([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], 3),
        ([0.5, 0.9, 0.7, 0.6, 0.5, 0.4], 3),
        ([0.5, 0.9, 0.7, 0.95, 0.5, 0.4], 2),
    ] {
        let whole = resumed(tempfile::tempdir().unwrap().path(), 0, &figures, patience, 1);
        for stop in 1..whole.0.history.records.len() {
            let folder = tempfile::tempdir().unwrap();
            assert_eq!(resumed(folder.path(), stop, &figures, patience, 1).0.end, End::Callback);
            // Everything new, and the weights start elsewhere.
            let (report, weights) = resumed(folder.path(), 0, &figures[stop..], patience, 99);
            let what = format!("{figures:?}, stopped after epoch {stop}");
            assert_eq!((report.best, report.end, report.steps), (whole.0.best, whole.0.end, whole.0.steps), "{what}");
            assert_eq!(report.history.column("lr"), whole.0.history.column("lr"), "{what}");
            assert_eq!(report.history.column("told").len(), whole.0.history.records.len(), "{what}");
            assert!(weights == whole.1, "{what}: other weights");
        }
    }
}

/// The checkpoints in a folder by their steps.
fn steps_in(folder: &Path) -> Vec<u64> {
    let number = |entry: std::io::Result<std::fs::DirEntry>| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.strip_prefix("step-")?.strip_suffix(".safetensors")?.parse().ok()
    };
    let mut found: Vec<u64> = std::fs::read_dir(folder).unwrap().filter_map(number).collect();
    found.sort_unstable();
    found
}

#[test]
fn checkpoints_are_written_when_they_should_be() {
    let run = |set: Set<'_>| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        train(&|t| set(t.epochs(4)).checkpoints(&path, Every::Epochs(3)));
        steps_in(&path)
    };
    // Epochs have three steps. A run that ends of itself leaves none but those that were asked for.
    assert_eq!(run(&|t| t), [9]);
    assert_eq!(run(&|t| t.on_epoch(|h| Ok(if h.records.len() == 2 { Flow::Stop } else { Flow::Go }))), [6]);
    assert_eq!(run(&|t| t.on_step(|step| Ok(if step.step == 5 { Flow::Stop } else { Flow::Go }))), [5]);
    let asks = |times: usize| {
        let interrupt = Interrupt::new();
        let ask = interrupt.clone();
        run(&move |t| {
            let ask = ask.clone();
            t.interrupt(&interrupt).on_step(move |step| {
                (0..if step.step == 4 { times } else { 0 }).for_each(|_| ask.ask());
                Ok(Flow::Go)
            })
        })
    };
    assert_eq!((asks(0), asks(1), asks(2)), (vec![9], vec![6], vec![4]));

    let kept = |every: Every, keep: Option<usize>| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        train(&|t| {
            let t = t.epochs(4).checkpoints(&path, every);
            match keep {
                Some(count) => t.keep(count),
                None => t,
            }
        });
        steps_in(&path)
    };
    assert_eq!(kept(Every::Epochs(1), None), [6, 9, 12]);
    assert_eq!(kept(Every::Epochs(1), Some(1)), [12]);
    assert_eq!(kept(Every::Epochs(1), Some(9)), [3, 6, 9, 12]);
    assert_eq!(kept(Every::Epochs(2), Some(9)), [6, 12]);
    assert_eq!(kept(Every::Steps(5), Some(9)), [5, 10]);
    assert_eq!(kept(Every::Steps(1), None), [10, 11, 12]);
}

#[test]
fn a_wish_to_end_is_that_of_one_run() {
    let interrupt = Interrupt::new();
    (0..3).for_each(|_| interrupt.ask());
    let (report, _) = train(&|t| t.epochs(2).interrupt(&interrupt));
    assert_eq!((report.end, report.steps), (End::Finished, 6), "what was asked before a run is not meant for it");
}

/// However a run ends, the model is left in evaluation mode: also where running statistics were taken anew for the averages of weights.
#[test]
fn a_trained_model_is_in_evaluation_mode() {
    let device = Device::cpu();
    let rows = loader(&device);
    type Set = fn(Trainer<'_>) -> Trainer<'_>;
    let settings: [(&str, Set); 4] = [
        ("nothing", |t| t),
        ("an average of steps", |t| t.ema(0.5)),
        ("an average of epochs", |t| t.swa(1)),
        ("a callback that ends it", |t| t.on_step(|_| Ok(Flow::Stop))),
    ];
    for (name, set) in settings {
        let model = steepest::sequential![
            Linear::new(&device, 4, 8, 1),
            BatchNorm1d::new(&device, 8),
            Dropout::new(0.5, 3),
            Linear::new(&device, 8, 3, 2)
        ];
        set(Trainer::new(&model, Sgd::new(model.parameters(), 0.1), loss).epochs(1).quiet()).fit(&rows).unwrap();
        let x = rows.epoch_at(0).next().unwrap().x;
        let values = || model.forward(&x).to_vec::<f32>().unwrap();
        let found = values();
        model.eval();
        assert_eq!(found, values(), "{name}");
        model.train();
        assert!(values() != found, "{name}");
    }
}

#[test]
fn settings_are_heeded_one_by_one() {
    assert_eq!(train(&|t| t).0.history.records.len(), 10, "epochs, without a word");
    assert_eq!(train(&|t| t.epochs(2)).0.history.records.len(), 2);
    let (_, plain) = train(&|t| t.epochs(2));
    let settings: [(&str, Set<'_>); 9] = [
        ("a schedule", &|t| t.schedule(Exponential::new(0.05, 0.5).unwrap())),
        ("a schedule by steps", &|t| t.schedule_by_step(Exponential::new(0.05, 0.5).unwrap())),
        ("a clipped norm", &|t| t.clip_norm(1e-8)),
        ("clipped values", &|t| t.clip_value(1e-8)),
        ("an L1 penalty", &|t| t.l1(0.5)),
        ("an L2 penalty", &|t| t.l2(0.5)),
        ("small batches", &|t| t.accumulate(2)),
        ("an exponential average", &|t| t.ema(0.5)),
        ("an average of epochs", &|t| t.swa(1)),
    ];
    let mut seen = vec![plain];
    for (name, set) in settings {
        let (_, weights) = train(&|t| set(t.epochs(2)));
        assert!(!seen.contains(&weights), "{name} changes nothing");
        seen.push(weights);
    }
    // Gradients of several batches are clipped when they are added up, and so is their sum.
    let small = |accumulate: usize| train(&move |t| t.epochs(2).accumulate(accumulate).clip_value(1e-8)).1;
    let unclipped = |accumulate: usize| train(&move |t| t.epochs(2).accumulate(accumulate)).1;
    for accumulate in [2, 3, 9] {
        assert!(small(accumulate) != unclipped(accumulate), "{accumulate} batches are not clipped");
    }
}

/// A schedule by epochs holds for all steps of an epoch, and for those that are left when a run is taken up in the middle of one.
#[test]
fn a_schedule_by_epochs_goes_on_in_the_middle_of_one() {
    let rates = Rc::new(RefCell::new(vec![]));
    let folder = tempfile::tempdir().unwrap();
    for stop in [4, 0] {
        train(&|t| {
            let rates = rates.clone();
            let trainer = t.epochs(3).schedule(Exponential::new(0.4, 0.5).unwrap());
            trainer.checkpoints(folder.path(), Every::Epochs(1)).resume().on_step(move |step| {
                rates.borrow_mut().push(step.lr);
                Ok(if step.step == stop { Flow::Stop } else { Flow::Go })
            })
        });
    }
    assert_eq!(*rates.borrow(), [0.4, 0.4, 0.4, 0.2, 0.2, 0.2, 0.1, 0.1, 0.1]);
}

#[test]
fn more_settings_that_make_no_sense_are_refused() {
    let device = Device::cpu();
    let (rows, held_out) = (loader(&device), loader(&device));
    let named = |name: &'static str| Told { name, ..Told::new(true, &[0.5; 10]) };
    let model = nn::mlp(&device, &[4, 3], 1);
    let before = bits(&model);
    let refused = |part: &str, set: &dyn for<'a> Fn(Trainer<'a>, &'a DataLoader) -> Trainer<'a>| {
        let sgd = Sgd::new(model.parameters(), 0.1);
        let error = set(Trainer::new(&model, sgd, loss).quiet(), &held_out).fit(&rows).unwrap_err().to_string();
        assert!(error.contains(part), "{error}, expected {part}");
    };
    for name in ["epoch", "steps", "lr", "loss", "val_loss", "seconds"] {
        refused(&format!("two figures are called `{name}`"), &|t, v| t.validate(v).metric(named(name)));
    }
    for name in ["", "a,b", "a\nb", "a\rb"] {
        refused("which is no name of a column", &|t, v| t.validate(v).metric(named(name)));
    }
    for penalty in [-0.1, f64::NAN, f64::INFINITY] {
        refused("an L1 penalty of", &|t, _| t.l1(penalty));
        refused("an L2 penalty of", &|t, _| t.l2(penalty));
    }
    for delta in [-0.1, f64::NAN, f64::INFINITY] {
        refused("least difference", &|t, _| t.early_stopping(EarlyStopping::new(1).min_delta(delta)));
    }
    refused("a step of 0 batches", &|t, _| t.accumulate(0));
    refused("averaged from epoch 0", &|t, _| t.swa(0));
    refused("value to clip by", &|t, _| t.clip_value(f64::NAN));
    let (one, other) = (|| Exponential::new(0.1, 0.5).unwrap(), || Plateau::new(0.5, 1).unwrap());
    refused("more than one schedule", &|t, _| t.schedule(one()).schedule_by_step(one()));
    refused("more than one schedule", &|t, _| t.schedule_by_step(one()).plateau(other()));
    assert!(bits(&model) == before, "nothing was trained");
}
