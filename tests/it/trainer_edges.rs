//! A trainer where its settings meet: parts of a step that are not equal, averages that have not begun, figures that are not taken, counts that no
//! run reaches, folders that cannot be written.
#![cfg(feature = "save")]
#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use steepest::data::{DataLoader, Dataset, Labels};
use steepest::nn::{self, *};
use steepest::optim::{Adam, Sgd};
use steepest::save::Checkpoint;
use steepest::train::{EarlyStopping, End, Every, Flow, Trainer};
use steepest::{Device, Error, Result, Tensor, random, sequential};

/// 12 rows of 4 features in 3 classes, in batches of 5, 5 and 2.
fn loader(device: &Device) -> DataLoader {
    let features = random::normal_host(12 * 4, 0.0, 1.0, 3, 0);
    let classes = features.chunks(4).map(|r| if r[0] > 0.4 { 2 } else { u32::from(r[1] > 0.0) }).collect();
    let rows = Dataset::new(features, &[4], Labels::Classes(classes, 3)).unwrap();
    DataLoader::new(&rows, 5).on_device(device).unwrap()
}

fn loss(logits: &Tensor, labels: &Tensor) -> Tensor {
    logits.cross_entropy(labels)
}

fn numbers(model: &dyn Module) -> Vec<(String, Vec<f32>)> {
    model.named_state().iter().map(|(name, tensor)| (name.clone(), tensor.to_vec().unwrap())).collect()
}

fn message(result: Result<impl std::fmt::Debug>) -> String {
    match result.unwrap_err() {
        Error::Config { message, .. } => message,
        other => other.to_string(),
    }
}

/// The loss of a step of several batches is that of all their rows, each batch by its share.
#[test]
fn batches_of_a_step_count_by_their_rows() {
    let device = Device::cpu();
    let model = nn::mlp(&device, &[4, 6, 3], 1);
    let all = loader(&device);
    let (mut expected, mut rows) = (0.0, 0.0);
    for batch in all.epoch_at(0) {
        let of = f64::from(loss(&model.forward(&batch.x), &batch.y).item().unwrap());
        expected += of * batch.len as f64;
        rows += batch.len as f64;
    }
    let seen = RefCell::new(vec![]);
    let sgd = Sgd::new(model.parameters(), 0.1);
    let mut trainer = Trainer::new(&model, sgd, loss).quiet().epochs(1).accumulate(3).on_step(|step| {
        seen.borrow_mut().push(f64::from(step.loss.item()?));
        Ok(Flow::Go)
    });
    let report = trainer.fit(&all).unwrap();
    drop(trainer);
    let seen = seen.into_inner();
    assert_eq!((seen.len(), rows), (1, 12.0));
    assert!((seen[0] - expected / rows).abs() < 1e-6, "{seen:?}, not {}", expected / rows);
    assert!((report.history.records[0].loss - expected / rows).abs() < 1e-6);
}

/// An average that has not begun gives the model nothing, and an exponential one leaves running statistics as they are.
#[test]
fn averages_that_have_not_begun_and_statistics_that_stay() {
    let device = Device::cpu();
    let train = |set: &dyn for<'a> Fn(Trainer<'a>) -> Trainer<'a>| {
        let model = sequential![
            Linear::new(&device, 4, 6, 1),
            BatchNorm1d::new(&device, 6),
            Activation::Relu,
            Linear::new(&device, 6, 3, 2)
        ];
        let adam = Adam::new(model.parameters(), 0.05);
        set(Trainer::new(&model, adam, loss).quiet().epochs(2)).fit(&loader(&device)).unwrap();
        numbers(&model)
    };
    let plain = train(&|t| t);
    assert_eq!(train(&|t| t.swa(9)), plain, "it begins after the last epoch");
    let running = |all: &[(String, Vec<f32>)]| {
        let of: Vec<_> = all.iter().filter(|(name, _)| name.contains("running")).cloned().collect();
        assert!(!of.is_empty(), "{all:?}");
        of
    };
    let averaged = train(&|t| t.ema(0.5));
    assert_ne!(averaged, plain);
    assert_eq!(running(&averaged), running(&plain), "statistics of the run itself");
    assert_ne!(running(&train(&|t| t.swa(1))), running(&plain), "of the averaged weights they are taken anew");
}

#[test]
fn early_stopping_looks_at_what_is_taken() {
    let device = Device::cpu();
    let all = loader(&device);
    let fit = |monitor: &str, validated: bool| {
        let model = nn::mlp(&device, &[4, 6, 3], 1);
        let adam = Adam::new(model.parameters(), 0.05);
        let trainer = Trainer::new(&model, adam, loss).quiet().early_stopping(EarlyStopping::new(3).monitor(monitor));
        let mut trainer = if validated { trainer.validate(&all) } else { trainer };
        trainer.fit(&all)
    };
    for (monitor, validated) in [("loss", false), ("loss", true), ("val_loss", true), ("lr", false)] {
        assert!(fit(monitor, validated).is_ok(), "{monitor}, validation {validated}");
    }
    for (monitor, validated) in [("val_loss", false), ("other", true), ("other", false)] {
        assert!(message(fit(monitor, validated)).contains("which is not taken"), "{monitor}, validation {validated}");
    }
}

/// Counts of a checkpoint are those of a run, or the checkpoint is refused with the name of the count.
#[test]
fn counts_that_no_run_reaches_are_refused() {
    let device = Device::cpu();
    let all = loader(&device);
    let folder = tempfile::tempdir().unwrap();
    let fit = |at: &std::path::Path| {
        let model = nn::mlp(&device, &[4, 6, 3], 1);
        let sgd = Sgd::new(model.parameters(), 0.1);
        Trainer::new(&model, sgd, loss).quiet().epochs(2).checkpoints(at, Every::Epochs(1)).resume().fit(&all)
    };
    assert_eq!(fit(folder.path()).unwrap().end, End::Finished);
    let name = "step-000000000003.safetensors";
    let first = Checkpoint::read(folder.path().join(name)).unwrap();
    let with = |count: &str, value: u64| {
        let other = tempfile::tempdir().unwrap();
        let mut changed = first.clone();
        assert!(changed.progress.insert(count.to_owned(), value.to_string()).is_some(), "{count}");
        changed.write(other.path().join(name)).unwrap();
        fit(other.path())
    };
    for count in ["epoch", "step", "rows"] {
        for far in [u64::MAX, u64::MAX / 2, u64::MAX / 4 + 1] {
            let text = message(with(count, far));
            assert!(text.contains(&format!("`{count}` is {far}")), "{text}");
        }
    }
    // As many steps as may be are only many.
    assert_eq!(with("step", u64::MAX / 4).unwrap().steps, u64::MAX / 4 + 3);
    for far in [4, 5, u64::MAX / 4] {
        assert!(message(with("batch", far)).contains(&format!("`batch` is {far}, an epoch has 3")), "batch {far}");
    }
    // After its last batch an epoch may end.
    assert!(with("batch", 3).is_ok());
    assert!(message(with("batches", 4)).contains("4 batches"));
}

/// What is found out before the first step, where a folder cannot be made, and what is told of when it goes wrong later: each reason once.
#[test]
#[cfg(target_os = "linux")]
fn folders_that_cannot_be_written() {
    let device = Device::cpu();
    let all = loader(&device);
    let steps = RefCell::new(0);
    let model = nn::mlp(&device, &[4, 6, 3], 1);
    // In this folder nobody makes another, root neither.
    let sgd = Sgd::new(model.parameters(), 0.1);
    let mut trainer =
        Trainer::new(&model, sgd, loss).quiet().checkpoints("/proc/of/no/process", Every::Epochs(1)).on_step(|_| {
            *steps.borrow_mut() += 1;
            Ok(Flow::Go)
        });
    assert!(trainer.fit(&all).is_err());
    drop(trainer);
    assert_eq!(steps.into_inner(), 0, "steps before it was found out");

    // Later a file stands in its place, then a file in the place of the folder above it.
    let parent = tempfile::tempdir().unwrap();
    let above = parent.path().join("above");
    let folder = above.join("run");
    let sgd = Sgd::new(model.parameters(), 0.1);
    let breaks = |epoch: usize| -> std::io::Result<()> {
        match epoch {
            1 => {
                std::fs::remove_dir_all(&folder).or_else(|e| if folder.exists() { Err(e) } else { Ok(()) })?;
                std::fs::create_dir_all(&above)?;
                std::fs::write(&folder, "")
            }
            4 => {
                std::fs::remove_dir_all(&above)?;
                std::fs::write(&above, "")
            }
            _ => Ok(()),
        }
    };
    let mut trainer =
        Trainer::new(&model, sgd, loss).quiet().epochs(6).checkpoints(&folder, Every::Steps(3)).on_epoch(|history| {
            breaks(history.records.len()).unwrap();
            Ok(Flow::Go)
        });
    let report = trainer.fit(&all).unwrap();
    let failed: Vec<(u64, u64, u64)> = report.failed_checkpoints.iter().map(|f| (f.first, f.last, f.count)).collect();
    println!("{:?}", report.failed_checkpoints);
    assert_eq!(failed.iter().map(|(_, _, count)| count).sum::<u64>(), 6 - u64::from(report.checkpoint.is_some()), "{failed:?}");
    assert!(failed.len() == 2 && failed[0].1 < failed[1].0, "{failed:?}");
    assert_ne!(report.failed_checkpoints[0].message, report.failed_checkpoints[1].message);
    assert!(report.checkpointed().is_err());
}
