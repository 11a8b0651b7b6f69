//! `steepest verify` and `steepest devices` as a user runs them: tables, JSON, exit codes, and a planted wrong kernel that must be seen.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used)]

use crate::common;
use serde_json::Value;
use std::process::{Command, Output};
use steepest::verify::{Depth, full};
use steepest::{Device, Error};

fn steepest(args: &[&str], plant: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_steepest"));
    command.args(args).env_remove("STEEPEST_PLANT").env_remove("STEEPEST_DEVICE");
    if let Some(op) = plant {
        command.env("STEEPEST_PLANT", op);
    }
    command.output().unwrap()
}

fn text(output: &Output) -> (String, String) {
    (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The names of the devices to run on.
fn names() -> Vec<String> {
    common::devices("the program")
        .iter()
        .map(|d| if d.is_gpu() { format!("gpu:{}", d.name()) } else { "cpu".to_owned() })
        .collect()
}

#[test]
fn verify_passes_and_reports() {
    for name in names() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("report.json");
        let output = steepest(&["verify", "--device", &name, "--ops", "softmax", "--json", file.to_str().unwrap()], None);
        let (out, err) = text(&output);
        assert_eq!(output.status.code(), Some(0), "{out}\n{err}");
        for part in
            ["everything is right", "gradients of gradients", "normalised", "exp", "fma rounds once", "3 of 3 known answers"]
        {
            assert!(out.contains(part), "{part} is not in\n{out}");
        }
        let report: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        assert_eq!(report["passed"], true);
        assert!(report["cases"].as_u64().unwrap() > 15 && report["elements"].as_u64().unwrap() > 1000, "{report}");
        let stages = report["stages"].as_array().unwrap();
        assert!(stages.iter().all(|s| s["failures"].as_array().unwrap().is_empty()));
        assert_eq!(stages.iter().any(|s| s["name"] == "ops, merged dispatches"), name != "cpu");
        let driver = report["driver"].as_array().unwrap();
        let exp = driver.iter().find(|r| r["function"] == "exp").unwrap();
        assert!(exp["engine_ulp"].as_f64().unwrap() < 3.0, "{exp}");

        // The same on standard output, and nothing else there.
        let output = steepest(&["verify", "--device", &name, "--ops", "triangle", "--json", "-"], None);
        let report: Value = serde_json::from_str(&text(&output).0).unwrap();
        assert_eq!((&report["depth"], &report["passed"]), (&Value::from("default"), &Value::from(true)));
    }
}

/// Wrong kernels of every sort: an elementwise rule, a row kernel, a reduction with two forms, an update in place.
#[test]
fn a_planted_wrong_kernel_is_seen() {
    for name in names() {
        for (family, op) in
            [("elementwise", "gelu"), ("softmax", "softmax"), ("reduce", "sum"), ("matmul", "matmul"), ("update", "adam")]
        {
            let output = steepest(&["verify", "--device", &name, "--ops", family], Some(op));
            let (out, err) = text(&output);
            assert_eq!(output.status.code(), Some(1), "{name} {op}: {out}\n{err}");
            assert!(out.contains("SOMETHING IS WRONG") && out.contains("WRONG ops: "), "{out}");
            // Nothing else is blamed.
            let blamed = out.lines().filter(|l| l.starts_with("WRONG ops: "));
            let mut others = blamed.filter(|l| !l.to_lowercase().contains(op));
            let form = |l: &str| op == "sum" && l.contains("kind: Sum");
            assert!(others.all(form), "{out}");
        }
    }
}

#[test]
fn what_cannot_be_verified_is_said() {
    let fails = |args: &[&str], part: &str| {
        let output = steepest(args, None);
        let (out, err) = text(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {out}\n{err}");
        assert!(err.contains(part), "{part} is not in\n{err}");
    };
    fails(&["verify", "--device", "abacus"], "no device named `abacus`");
    fails(&["verify", "--device", "cpu", "--ops", "nonsense"], "no family of ops has `nonsense`");
    fails(&["verify", "--device", "cpu", "--ops", "triangle", "--json", "/no/such/folder/x.json"], "/no/such/folder/x.json");
    fails(&["verify", "--depth"], "unexpected argument");
    fails(&[], "Usage");
}

#[test]
fn devices_are_listed() {
    let (out, _) = text(&steepest(&["devices"], None));
    assert!(out.lines().any(|l| l.starts_with("cpu")), "{out}");
    let (json, _) = text(&steepest(&["devices", "--json"], None));
    let listed: Value = serde_json::from_str(&json).unwrap();
    let listed = listed["devices"].as_array().unwrap();
    assert_eq!(listed.len(), Device::all().len());
    assert_eq!(listed.iter().filter(|d| d["default"] == true).count(), 1, "{json}");
    if common::gpu("devices").is_some() {
        assert!(out.contains("features that matter") && out.contains("storage buffers per kernel"), "{out}");
        assert!(listed.iter().any(|d| d["limits"]["invocations"].as_u64() >= Some(256)), "{json}");
    }
}

/// A device that goes away in the middle is one error, not thousands of wrong numbers.
#[test]
fn a_device_that_vanishes_during_verify_is_an_error() {
    for after in ["the driver's functions", "ops", "gradients on the device"] {
        let Some(device) = common::gpu("device loss") else { return };
        let depth = Depth { filter: "triangle".to_owned(), ..Depth::default() };
        let mut seen = 0;
        let found = full(&device, &depth, &mut |stage, _, _| {
            seen += usize::from(stage == after);
            if seen == 2 {
                device.as_gpu().unwrap().lose();
            }
        });
        assert!(matches!(found, Err(Error::DeviceLost { .. })), "{after}: {:?}", found.map(|o| o.failures()));
    }
}
