//! Whole trainings, from the start of a process to an accuracy on images never seen.

use super::{Linear, Probe, common, convolutional};
use anyhow::{Context, bail};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::Instant;
use steepest::Device;
use steepest::data::{self, DataLoader, Dataset};
use steepest::nn::{self, Activation::Relu, Module};
use steepest::optim::{Adam, Optimizer};

/// Task, what it is, and the accuracy at which it ends.
const TASKS: [(&str, &str, f64); 2] = [("mlp", "784-256-128-10", 0.98), ("cnn", "two convolutions, two layers", 0.99)];
const EPOCHS: usize = 8;

/// Trains in a process of its own, as somebody who starts a program meets it.
pub fn measure(probe: &mut Probe, data: Option<&Path>) -> anyhow::Result<()> {
    println!("\nMNIST, from the start of the process to an accuracy on its 10,000 test images");
    let Some(data) = data else {
        println!("not measured: --data DIR names a folder with the four files");
        return Ok(());
    };
    for (task, what, goal) in TASKS {
        let start = Instant::now();
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--train", task, "--device", probe.device.name()]).arg("--data").arg(data);
        let output = command.args(probe.quick.then_some("--quick")).output()?;
        let seconds = start.elapsed().as_secs_f64();
        if !output.status.success() {
            bail!("training {task}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let mut line: Value = serde_json::from_slice(&output.stdout).with_context(|| format!("what training {task} printed"))?;
        let (accuracy, epochs) = (line["accuracy"].as_f64().unwrap_or(f64::NAN), line["epochs"].as_u64().unwrap_or(0));
        let end = if accuracy >= goal { "reached" } else { "NOT reached" };
        println!("{what:<44} {:.0} % {end}: {:.2} % in {epochs} epochs, {seconds:.2} s", 100.0 * goal, 100.0 * accuracy);
        line["group"] = "whole".into();
        line["seconds"] = seconds.into();
        probe.found.push(line);
    }
    Ok(())
}

/// The process itself: prints a line of JSON.
pub fn train(task: &str, device: &Device, data: Option<&Path>, quick: bool) -> anyhow::Result<()> {
    let Some((name, what, goal)) = TASKS.into_iter().find(|(name, ..)| *name == task) else { bail!("no task named `{task}`") };
    let folder = data.context("--train needs --data DIR")?;
    let nested = folder.join("mnist");
    let (train, test) = data::mnist(if nested.is_dir() { nested } else { folder.to_owned() })?;
    let (train, test) = if quick { (first(&train, 2000)?, first(&test, 1000)?) } else { (train, test) };
    let (accuracy, epochs) = if name == "mlp" {
        learn(&nn::mlp(device, &[784, 256, 128, 10], 1), device, [train, test], goal, quick)?
    } else {
        let model = convolutional(device).add(Linear::new(device, 1568, 128, 3)).add(Relu).add(Linear::new(device, 128, 10, 4));
        // One channel of 28×28: only so does a convolution know which pixels are neighbours.
        let images = [train.with_row_shape(&[1, 28, 28])?, test.with_row_shape(&[1, 28, 28])?];
        learn(&model, device, images, goal, quick)?
    };
    println!("{}", json!({ "name": name, "what": what, "accuracy": accuracy, "goal": goal, "epochs": epochs }));
    Ok(())
}

/// Trains until the goal is reached or the epochs are over; the accuracy on the second set, and how many epochs it took.
fn learn(
    model: &impl Module,
    device: &Device,
    [train, test]: [Dataset; 2],
    goal: f64,
    quick: bool,
) -> anyhow::Result<(f64, usize)> {
    let loader = DataLoader::new(&train, if quick { 32 } else { 128 }).shuffle(1).on_device(device)?;
    let held_out = DataLoader::new(&test, 1000).on_device(device)?;
    let mut optimizer = Adam::new(model.parameters(), 2e-3);
    let epochs = if quick { 1 } else { EPOCHS };
    let (mut done, mut accuracy) = (0, 0.0);
    while done < epochs && accuracy < goal {
        for (i, batch) in loader.epoch().enumerate() {
            // The rate falls along half a cosine, so that the last steps settle.
            let share = (done * loader.len() + i) as f64 / (epochs * loader.len()) as f64;
            optimizer.set_lr(1e-3 * (1.0 + (std::f64::consts::PI * share).cos()) + 1e-6);
            optimizer.step(model.forward(&batch.x).cross_entropy(&batch.y).backward())?;
        }
        done += 1;
        accuracy = common::evaluate(model, &held_out, 10)?.accuracy();
    }
    Ok((accuracy, done))
}

fn first(set: &Dataset, rows: usize) -> steepest::Result<Dataset> {
    set.subset(&(0..rows.min(set.len())).collect::<Vec<_>>())
}
