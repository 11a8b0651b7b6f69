//! The examples, run as a newcomer runs them, with few steps.
#![allow(clippy::unwrap_used)]

use crate::common;
use crate::common::examples::cargo;
#[cfg(all(feature = "save", feature = "progress"))]
use std::process::{Command, Stdio};

/// Runs an example and gives back what it printed.
fn run(name: &str, flags: &[&str]) -> String {
    let output = cargo(name).args(flags).output().unwrap();
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

#[cfg(feature = "plot")]
#[test]
fn xor_learns_all_four() {
    let text = run("xor", &["--device", "cpu"]);
    for (line, want) in text.lines().filter(|l| l.contains(" xor ")).zip([0.0, 1.0, 1.0, 0.0]) {
        let found: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
        assert!((found - want).abs() < 0.2, "{line}");
    }
}

#[cfg(feature = "plot")]
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

#[cfg(feature = "tables")]
#[test]
fn penguins_are_told_apart() {
    let text = run("penguins", &["--device", "cpu"]);
    assert!(accuracy(&text) >= 96.0, "{text}");
    assert!(text.contains("sex=(missing)") && text.contains(" ± ") && text.contains("fold 5"), "{text}");
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

/// The numbers of a line that begins like that.
fn numbers_after(text: &str, start: &str) -> Vec<f64> {
    let line = text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}: {text}"));
    line.split([' ', ',', '%']).filter_map(|word| word.parse().ok()).collect()
}

/// A formula of 21 numbers learns what the cards were made with: the loss comes near that of the truth, what is foretold happens.
#[test]
fn a_hand_made_recurrence_learns_when_cards_are_forgotten() {
    let text = run("repetition", &["--device", "cpu", "--rows", "3000", "--epochs", "12"]);
    let [before, after, truth] = numbers_after(&text, "log loss: ")[..] else { panic!("{text}") };
    assert!(before > truth + 0.01 && after < truth + 0.25 * (before - truth), "{text}");
    let found = numbers_after(&text, "stability after a first grade 3");
    let [.., start, found, truth] = found[..] else { panic!("{text}") };
    assert!((found - truth).abs() < 0.5 * (start - truth).abs(), "{text}");
    let tenths = text.lines().skip_while(|line| !line.contains("foretold")).skip(1).take_while(|line| line.contains('%'));
    let tenths: Vec<Vec<f64>> =
        tenths.map(|line| line.split([' ', '%']).filter_map(|word| word.parse().ok()).collect()).collect();
    let common: Vec<_> = tenths.iter().filter(|tenth| tenth[2] > 500.0).collect();
    assert!(common.len() > 1 && common.iter().all(|tenth| (tenth[0] - tenth[1]).abs() < 6.0), "{text}");
    assert!(text.contains("epoch  12: loss") && text.contains(" plans\n"), "{text}");
}

/// The line of the measuring program, as a table of several libraries reads it.
fn peer(device: &str, workload: &str) -> serde_json::Value {
    let output = cargo("peer").args(["--device", device, workload]).env("PEER_BUDGET_S", "0").output().unwrap();
    assert!(output.status.success(), "{workload}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Tiny workloads: the start from which the measured ones go is the same, so the figures are those that PyTorch finds for the large ones,
/// or follow from the definition.
#[test]
fn peer_measures_and_checks() {
    let mut devices = vec!["cpu".to_owned()];
    devices.extend(common::gpu("peer").map(|device| device.name().to_owned()));
    for device in devices {
        for (workload, unit, check) in [
            ("sgemm_32", "GFLOP/s", Some(0.454_214)),
            ("elementwise_1m", "GB/s", None),
            ("softmax_ce_16x10", "iterations/s", None),
            ("linreg_b16", "steps/s", Some(0.247_533)),
            ("repetition_b5000", "steps/s", None),
            ("cold_cnn_b64", "starts/s", Some(2.296_68)),
        ] {
            // Hundreds of kernels, each to be compiled.
            if workload.starts_with("repetition") && device != "cpu" {
                continue;
            }
            let line = peer(&device, workload);
            let number = |name: &str| line[name].as_f64().unwrap_or_else(|| panic!("{name} of {line}"));
            assert_eq!((line["workload"].as_str(), line["unit"].as_str()), (Some(workload), Some(unit)));
            assert!(number("median_ms") > 0.0 && number("min_ms") <= number("median_ms") && number("throughput") > 0.0, "{line}");
            assert!(number("check").is_finite());
            if let Some(check) = check {
                assert!((number("check") - check).abs() < 1e-4 * check, "{line}: check should be {check}");
            }
        }
    }
}

#[test]
fn probe_prints_tables_and_json() {
    let mut devices = vec!["cpu".to_owned()];
    devices.extend(common::gpu("probe").map(|device| device.name().to_owned()));
    for device in devices {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = run("probe", &["--quick", "--device", &device, "--json", file.path().to_str().unwrap()]);
        assert!(text.contains("chain of 100 dependent") && text.contains("median µs"), "{text}");
        let json: serde_json::Value = serde_json::from_slice(&std::fs::read(file.path()).unwrap()).unwrap();
        let found = json["found"].as_array().unwrap();
        for group in ["dispatch", "matmul", "memory", "update", "step", "profile", "verify", "target"] {
            assert!(found.iter().any(|line| line["group"] == group), "no {group} in {json:#}");
        }
        let trusted = found.iter().any(|line| line["name"] == "256: A B, trusted");
        assert_eq!(trusted, device != "cpu", "shaders without checks");
        let verified = found.iter().find(|line| line["group"] == "verify").unwrap();
        assert!(verified["passed"] == true && verified["cases"].as_u64().unwrap() > 10, "{verified}");
        if std::env::var("STEEPEST_DATA").is_ok() {
            let trained = found.iter().filter(|line| line["group"] == "whole" && line["accuracy"].as_f64().unwrap() > 0.7);
            assert_eq!(trained.count(), 2, "{text}");
        }
        // Without a PyTorch to compare with, a quick look judges nothing; it names all that is wanted.
        let judged = |line: &&serde_json::Value| line["group"] == "target" && line["verdict"] != "not measured";
        assert!(std::env::var("STEEPEST_TORCH").is_ok() || found.iter().filter(judged).count() == 0, "{text}");
        assert_eq!(found.iter().filter(|line| line["group"] == "target").count(), 4, "{text}");
        let errors: Vec<f64> = found.iter().filter_map(|line| line["error"].as_f64()).collect();
        assert!(errors.len() == 2 && errors.iter().all(|&e| e < 10.0), "{errors:?}");
    }
}

/// A program in PyTorch's place, which fails in the end: what it said is compared, and nothing that was measured is lost.
#[cfg(unix)]
#[test]
fn probe_stands_beside_another_program() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (program, file) = (folder.path().join("python"), folder.path().join("probe.json"));
    let text = r#"#!/bin/sh
        echo '{"name": "facts", "device": "another"}'
        echo '{"name": "matmul_fp32_256", "median_us": 1e9}'
        echo "out of $1" >&2
        exit 1"#;
    std::fs::write(&program, text).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    let mut command = cargo("probe");
    command.args(["--quick", "--device", "cpu", "--json"]).arg(&file).arg("--torch").arg(&program).env_remove("STEEPEST_DATA");
    let output = command.output().unwrap();
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(2), "{text}\n{errors}");
    assert!(text.contains("FAILED: PyTorch") && text.contains("out of -c"), "{text}");
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let found = json["found"].as_array().unwrap();
    let beside: Vec<_> = found.iter().filter(|line| line["group"] == "beside").collect();
    assert!(beside.len() == 1 && beside[0]["name"] == "256: A B" && beside[0]["torch_us"] == 1e9, "{beside:?}");
    assert!(found.iter().any(|line| line["group"] == "step") && found.iter().any(|line| line["group"] == "target"));
}

#[test]
fn the_environment_chooses_the_device() {
    let chosen = |device: &str| cargo("digits").args(["--epochs", "0"]).env("STEEPEST_DEVICE", device).output().unwrap();
    assert!(String::from_utf8_lossy(&chosen("cpu").stdout).contains("device: cpu"));
    let said = if cfg!(feature = "gpu") { "no device named `abacus`" } else { "`abacus`" };
    assert!(String::from_utf8_lossy(&chosen("abacus").stderr).contains(said));
    if let Some(gpu) = common::gpu("the device of the environment") {
        assert!(String::from_utf8_lossy(&chosen(gpu.name()).stdout).contains(&format!("device: gpu:{}", gpu.name())));
    }
}

#[test]
fn the_environment_says_what_is_kept_and_what_is_checked() {
    let Some(gpu) = common::gpu("compiled pipelines in a folder") else { return };
    let folder = tempfile::tempdir().unwrap();
    let run = |cache: &std::path::Path, shaders: &str| {
        let mut command = cargo("peer");
        command.args(["--device", gpu.name(), "linreg_b16"]).env("PEER_BUDGET_S", "0");
        let output = command.env("STEEPEST_CACHE", cache).env("STEEPEST_SHADERS", shaders).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let line: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        line["check"].as_f64().unwrap()
    };
    let kept = folder.path().join("kept");
    let checked = run(&kept, "checked");
    let files = std::fs::read_dir(&kept).into_iter().flatten().map(|entry| entry.unwrap().file_name());
    let pipelines = files.filter(|name| name.to_string_lossy().starts_with("pipelines-")).count();
    let possible = gpu.as_gpu().unwrap().features().contains(&("pipeline cache", true));
    assert_eq!(pipelines, usize::from(possible), "files of pipelines");
    let trusted = run("off".as_ref(), "trusted");
    assert!((checked - trusted).abs() <= 1e-6, "{checked} and {trusted}");
    assert!(!std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("off").exists(), "`off` is no folder");
}

#[test]
fn wrong_flags_are_explained() {
    let output = |flags: &[&str]| {
        let output = cargo("digits").args(flags).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let unknown = if cfg!(feature = "gpu") { "no device named `gpu:abacus`; available: " } else { "no GPU support" };
    assert!(output(&["--device", "gpu:abacus"]).contains(unknown));
    assert!(output(&["--epochs", "many"]).contains("--epochs takes a whole number"));
}

#[cfg(feature = "plot")]
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

#[cfg(all(feature = "save", feature = "progress"))]
#[test]
fn resume_is_stopped_by_ctrl_c_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let flags = ["--device", "cpu", "--epochs", "40", "--out", out];
    let whole = tempfile::tempdir().unwrap();
    let uninterrupted = run("resume", &["--device", "cpu", "--epochs", "40", "--out", whole.path().to_str().unwrap()]);

    // The program itself, not cargo around it, gets the signal; the one above has built it.
    let program = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("target")
        .join(if cfg!(debug_assertions) { "debug" } else { "release" })
        .join("examples/resume");
    if cfg!(unix) && program.exists() {
        let child = Command::new(program).args(flags).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let start = std::time::Instant::now();
        while !folder.path().join("checkpoints").exists() && start.elapsed().as_secs() < 60 {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{text}\n{errors}");
        assert!(text.contains("interrupted after step"), "{text}\n{errors}");
        // No terminal, no bar.
        assert_eq!(errors, "stopping after this epoch; Ctrl-C again to stop at once\n");
    } else {
        println!("SKIPPED (no signals, or another target folder): Ctrl-C");
    }
    let text = run("resume", &flags);
    assert_eq!(text.lines().last(), uninterrupted.lines().last(), "{text}");
    assert!(accuracy(&text) >= 97.0, "{text}");
    let model = |folder: &std::path::Path| steepest::save::TensorFile::read(folder.join("model.safetensors")).unwrap().tensors;
    assert!(model(folder.path()) == model(whole.path()), "other weights");
}
