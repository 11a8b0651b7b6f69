//! The examples, run as a newcomer runs them, with few steps.
#![allow(clippy::unwrap_used)]

mod common;

use std::process::Command;

/// Runs an example and gives back what it printed.
fn run(name: &str, flags: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--example", name, "--"])
        .args(flags)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name} {flags:?}:\n{out}\n{err}");
    out.into_owned()
}

/// The figure in the last line, `test accuracy: 97.50 %`.
fn accuracy(text: &str) -> f64 {
    let last = text.trim_end().lines().last().unwrap();
    let figure = last.strip_prefix("test accuracy: ").and_then(|s| s.strip_suffix(" %"));
    figure.unwrap_or_else(|| panic!("last line: {last}")).parse().unwrap()
}

#[test]
fn xor_learns_all_four() {
    let text = run("xor", &["--device", "cpu"]);
    for (line, want) in text.lines().filter(|l| l.contains(" xor ")).zip([0.0, 1.0, 1.0, 0.0]) {
        let found: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
        assert!((found - want).abs() < 0.2, "{line}");
    }
}

#[test]
fn line_finds_slope_and_offset() {
    let text = run("line", &["--device", "cpu"]);
    let fitted = text.lines().last().unwrap();
    let numbers: Vec<f64> = fitted.split([' ', ',']).filter_map(|w| w.parse().ok()).collect();
    assert!((numbers[0] - 2.0).abs() < 0.1 && (numbers[1] - 1.0).abs() < 0.1, "{fitted}");
}

#[test]
fn digits_reach_their_figure_on_the_cpu() {
    let text = run("digits", &["--device", "cpu"]);
    assert!(accuracy(&text) >= 97.0, "{text}");
    assert!(text.contains("device: cpu") && text.contains("parameters") && text.contains("epoch 30"), "{text}");
}

#[test]
fn digits_learn_on_the_gpu() {
    let Some(device) = common::gpu("digits") else { return };
    let text = run("digits", &["--device", device.name(), "--epochs", "3"]);
    assert!(accuracy(&text) >= 85.0, "{text}");
}

#[test]
fn mnist_learns() {
    let Ok(data) = std::env::var("STEEPEST_DATA") else {
        println!("SKIPPED (STEEPEST_DATA is not set): mnist");
        return;
    };
    let text = run("mnist", &["--device", "cpu", "--data", &data, "--epochs", "1"]);
    assert!(accuracy(&text) >= 94.0, "{text}");
}

#[test]
fn the_environment_chooses_the_device() {
    let chosen = |device: &str| {
        let mut command = Command::new(env!("CARGO"));
        command.args(["run", "--quiet", "--example", "xor", "--", "--epochs", "1"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        command.env("STEEPEST_DEVICE", device).output().unwrap()
    };
    assert!(String::from_utf8_lossy(&chosen("cpu").stdout).contains("device: cpu"));
    assert!(String::from_utf8_lossy(&chosen("abacus").stderr).contains("no device named `abacus`"));
    if let Some(gpu) = common::gpu("the device of the environment") {
        assert!(String::from_utf8_lossy(&chosen(gpu.name()).stdout).contains(&format!("device: gpu:{}", gpu.name())));
    }
}

#[test]
fn wrong_flags_are_explained() {
    let output = |flags: &[&str]| {
        let output = Command::new(env!("CARGO"))
            .args(["run", "--quiet", "--example", "digits", "--"])
            .args(flags)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(output(&["--device", "gpu:abacus"]).contains("no device named `gpu:abacus`; available: "));
    assert!(output(&["--epochs", "many"]).contains("--epochs takes a whole number"));
}

#[test]
fn a_saddle_is_found_and_left() {
    let text = run("saddle", &["--device", "cpu"]);
    let (stuck, free) = text.split_once("after leaving").unwrap();
    assert!(stuck.contains("\nsaddle\n") && stuck.contains("50.0 % positive"), "{text}");
    assert!(free.contains("\nminimum\n"), "{text}");
    let last = text.trim_end().lines().last().unwrap();
    let now: f64 = last.strip_suffix(" now").and_then(|s| s.rsplit(' ').next()).unwrap().parse().unwrap();
    assert!(now < 1e-4, "{last}");
}
