//! Checkpoints on a disk that is full at any step of their writing: training goes on, and what is taken up later is the run that never stopped.
#![allow(clippy::unwrap_used)]

use super::{Every, FailedCheckpoint, Flow, Report, Trainer};
use crate::Device;
use crate::data::{DataLoader, Dataset, Labels};
use crate::error::{Error, Result};
use crate::files::testing::full_between;
use crate::nn::{Activation, BatchNorm1d, Dropout, Linear, Module, Sequential, StateDict};
use crate::optim::Adam;
use crate::save::Checkpoints;
use std::path::Path;

const STEPS: u64 = 18;
/// Steps of writing a checkpoint: made, written, synced, renamed, the folder synced.
const POINTS: usize = 5;

fn model(device: &Device, seed: u64) -> Sequential {
    let (first, last) = (Linear::new(device, 4, 8, seed), Linear::new(device, 8, 3, seed + 1));
    let model = Sequential::new().add(first).add(BatchNorm1d::new(device, 8)).add(Activation::Relu);
    model.add(Dropout::new(0.25, 11)).add(last)
}

/// Losses of the steps, the weights at the end, and the report or what ended the run.
type Left = (Vec<u32>, StateDict, Result<Report>);

/// A run of three epochs of six steps with a checkpoint after every four, that crashes after `crash`.
fn run(folder: &Path, crash: u64, seed: u64) -> Left {
    let device = Device::cpu();
    let features: Vec<f32> = (0..44 * 4).map(|i| ((i * i) as f32 * 0.37).sin()).collect();
    let classes = features.chunks(4).map(|row| u32::from(row[0] > 0.4) + u32::from(row[1] > 0.0)).collect();
    let rows = Dataset::new(features, &[4], Labels::Classes(classes, 3)).unwrap();
    let train = DataLoader::new(&rows, 8).shuffle(7).on_device(&device).unwrap();
    let model = model(&device, seed);
    let mut losses = vec![];
    let report = {
        let adam = Adam::w(model.parameters(), 0.02);
        let trainer = Trainer::new(&model, adam, |y, t| y.cross_entropy(t)).epochs(3).quiet();
        let mut trainer = trainer.checkpoints(folder, Every::Steps(4)).keep(2).resume().on_step(|step| {
            losses.push(step.loss.item()?.to_bits());
            match step.step == crash {
                true => Err(Error::Config { what: "test", message: "crash".to_owned() }),
                false => Ok(Flow::Go),
            }
        });
        trainer.fit(&train)
    };
    (losses, StateDict::of(&model).unwrap(), report)
}

fn steps(folder: &Path) -> Vec<u64> {
    Checkpoints::new(folder).files().unwrap().into_iter().map(|(step, _)| step).collect()
}

fn only_checkpoints(folder: &Path) {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let others: Vec<String> = names.filter(|name| !name.starts_with("step-")).collect();
    assert_eq!(others, [] as [String; 0]);
}

#[test]
fn a_full_disk_at_any_step_of_a_checkpoint_changes_nothing_of_the_run() {
    let place = tempfile::tempdir().unwrap();
    let (losses, weights, whole) = run(place.path(), 0, 1);
    assert_eq!((losses.len() as u64, steps(place.path())), (STEPS, vec![16, 12]));
    let whole = whole.unwrap();
    assert_eq!((whole.checkpoint, whole.failed_checkpoints), (Some(16), vec![]));

    // The first step is the one that finds out, before the run, whether one can be written.
    let place = tempfile::tempdir().unwrap();
    let (tried, _, refused) = full_between(0, 1, || run(place.path(), 0, 1));
    assert!(tried.is_empty() && matches!(refused, Err(Error::File { .. })), "{refused:?}");

    for point in 1..=4 * POINTS {
        let place = tempfile::tempdir().unwrap();
        let checkpoint = (point - 1) / POINTS + 1;
        let what = format!("point {point}, checkpoint {checkpoint}");
        // In a run that ends well.
        let (found, left, report) = full_between(point, point + 1, || run(place.path(), 0, 1));
        let report = report.unwrap();
        assert!(found == losses && left == weights, "{what}: another run");
        let step = 4 * checkpoint as u64;
        let [FailedCheckpoint { first, last, count: 1, message, .. }] = &report.failed_checkpoints[..] else {
            panic!("{what}: {:?}", report.failed_checkpoints)
        };
        assert!((*first, *last) == (step, step) && message.contains("no space left"), "{what}: {message}");
        assert_eq!(report.checkpoint, Some(if step == 16 { 12 } else { 16 }), "{what}");
        assert_eq!(report.checkpointed().is_err(), step == 16, "{what}");
        only_checkpoints(place.path());

        // In a run that crashes afterwards and is taken up again, by a model that starts elsewhere.
        let place = tempfile::tempdir().unwrap();
        let (first, _, crashed) = full_between(point, point + 1, || run(place.path(), step + 2, 1));
        assert!(crashed.unwrap_err().to_string().contains("crash"), "{what}");
        assert_eq!(first, losses[..step as usize + 2], "{what}");
        let there = steps(place.path());
        // Synced and renamed, it is there, though it is not sure that it outlives the power.
        let from = if (point - 1) % POINTS == POINTS - 1 { step } else { step - 4 };
        assert_eq!(there.first().copied().unwrap_or(0), from, "{what}: {there:?}");
        // Without a checkpoint it begins anew, as the first did.
        let (second, left, report) = run(place.path(), 0, if from == 0 { 1 } else { 99 });
        assert_eq!(second, losses[from as usize..], "{what}: went on from {from}");
        assert!(left == weights && report.is_ok(), "{what}: other weights");
    }
}

#[test]
fn a_disk_that_stays_full_is_told_of_and_older_checkpoints_stay() {
    let place = tempfile::tempdir().unwrap();
    let (losses, weights, _) = run(place.path(), 0, 1);
    let place = tempfile::tempdir().unwrap();
    // Two checkpoints are written, then no more.
    let (found, left, report) = full_between(1 + 2 * POINTS, usize::MAX, || run(place.path(), 0, 1));
    let report = report.unwrap();
    assert!(found == losses && left == weights);
    assert_eq!(steps(place.path()), [8, 4]);
    let [FailedCheckpoint { first: 12, last: 16, count: 2, path, .. }] = &report.failed_checkpoints[..] else {
        panic!("{:?}", report.failed_checkpoints)
    };
    assert!(path.ends_with("step-000000000016.safetensors"));
    let error = report.checkpointed().unwrap_err().to_string();
    assert!(
        error.contains("step-000000000016") && error.contains("no space left") && error.contains("that of step 8"),
        "{error}"
    );
    only_checkpoints(place.path());
}

#[test]
fn the_newest_checkpoint_is_that_of_the_last_step_whatever_the_clock_says() {
    let place = tempfile::tempdir().unwrap();
    let (losses, weights, _) = run(place.path(), 0, 1);
    let place = tempfile::tempdir().unwrap();
    run(place.path(), 10, 1).2.unwrap_err();
    assert_eq!(steps(place.path()), [8, 4]);
    // The newer one was written by a clock that went back by years.
    let (_, newest) = &Checkpoints::new(place.path()).files().unwrap()[0];
    let file = std::fs::OpenOptions::new().write(true).open(newest).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let (second, left, _) = run(place.path(), 0, 99);
    assert_eq!(second, losses[8..]);
    assert!(left == weights);
}

#[test]
fn a_folder_that_is_removed_is_made_again() {
    let place = tempfile::tempdir().unwrap();
    let (losses, weights, _) = run(place.path(), 0, 1);
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("deep/checkpoints");
    run(&folder, 10, 1).2.unwrap_err();
    std::fs::remove_dir_all(place.path().join("deep")).unwrap();
    let (again, left, report) = run(&folder, 0, 1);
    assert!(again == losses && left == weights && report.unwrap().failed_checkpoints.is_empty());
    // A file in its place is found before the first step.
    let taken = place.path().join("taken");
    std::fs::write(&taken, "").unwrap();
    for folder in [taken.clone(), taken.join("checkpoints")] {
        let (tried, _, refused) = run(&folder, 0, 1);
        assert!(tried.is_empty() && matches!(refused, Err(Error::File { .. })), "{refused:?}");
    }
}
