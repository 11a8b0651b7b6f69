//! Profiles: every call is booked once under its kernel and line, the trace is what Perfetto reads, and a profile that is off does nothing.
#![allow(clippy::unwrap_used)]

use crate::common;
use std::collections::HashMap;
use steepest::nn::{self, Module};
use steepest::optim::{Optimizer, Sgd};
use steepest::profile::{Call, Profile};
use steepest::{ConvOptions, Device, Tensor};

/// The CPU, and a GPU with timestamps and without, if there is one.
fn devices(what: &str) -> Vec<Device> {
    let mut devices = vec![Device::cpu()];
    if let Some(gpu) = common::gpu(what) {
        devices.push(Device::gpu_with_minimal_limits(gpu.name()).unwrap());
        devices.push(gpu);
    }
    devices
}

/// A training loop of three steps; gives back the loss.
fn train(device: &Device) -> f32 {
    let model = nn::mlp(device, &[12, 16, 4], 1);
    let x = device.uniform([8, 12], -1.0, 1.0, 2);
    let y = device.tensor(&[0u32, 1, 2, 3, 0, 1, 2, 3], 8);
    device.run([&x]).unwrap();
    let mut opt = Sgd::new(model.parameters(), 0.1).momentum(0.9);
    let mut loss = device.scalar(0.0);
    for _ in 0..3 {
        loss = model.forward(&x).cross_entropy(&y);
        opt.step(loss.backward()).unwrap();
    }
    loss.item().unwrap()
}

#[test]
fn names_and_counts_add_up() {
    for device in devices("profiles") {
        let plain = train(&device);
        assert_eq!(device.profile().calls(), 0, "nothing is timed unless asked for");
        device.set_profile(true);
        assert_eq!(train(&device), plain, "{device}: profiling changed the answer");
        let profile = device.profile();
        let plan = device.last_plan().unwrap();
        let mut expected: HashMap<(&str, u32, &str), (u64, u64)> = HashMap::new();
        for d in plan.dispatches.iter().filter(|d| d.writes.iter().any(|p| p.words > 0)) {
            // Three steps.
            expected.entry((d.kernel.name, d.at.line(), &d.label)).or_insert((0, d.bytes())).0 += 3;
        }
        let rows = profile.rows();
        for ((kernel, line, label), (calls, bytes)) in expected {
            let row = rows.iter().find(|r| (r.kernel, r.line, &*r.label) == (kernel, line, label));
            let row = row.unwrap_or_else(|| panic!("{device}: no row for {kernel} {label} of line {line}\n{profile}"));
            assert_eq!((row.calls, row.bytes), (calls, bytes), "{device}: {kernel} {label}\n{profile}");
            assert!(row.file.ends_with(".rs"), "{}", row.file);
            assert!(row.median() <= row.total);
        }
        assert_eq!(profile.calls(), rows.iter().map(|r| r.calls).sum::<u64>());
        assert_eq!(profile.total().as_nanos(), rows.iter().map(|r| u128::from(r.total)).sum::<u128>());
        assert!(profile.total().as_nanos() > 0, "{device}: no time passed");
        let (runs, _) = device.runs_and_misses();
        assert!(profile.runs > 3 && profile.runs < runs, "{} of {runs}", profile.runs);
        assert_eq!(profile.timestamps, device.as_gpu().is_some_and(|gpu| gpu.has_timestamps()));

        device.set_profile(false);
        assert_eq!(train(&device), plain);
        assert_eq!(device.profile().calls(), profile.calls(), "{device}: off is off");
        device.set_profile(true);
        assert_eq!(device.profile().calls(), 0, "{device}: each profile starts empty");
    }
}

/// The operations of the one kernel of that name.
fn flops(record: impl Fn(&Device) -> Tensor, kernel: &str) -> u64 {
    let device = Device::cpu();
    let tensor = record(&device);
    device.set_profile(true);
    tensor.run().unwrap();
    device.profile().rows().iter().filter(|row| row.kernel.starts_with(kernel)).map(|row| row.flops).sum()
}

#[test]
fn operations_are_those_of_the_definition() {
    let ones = |d: &Device, shape: &[usize]| d.tensor(&vec![1.0f32; shape.iter().product()], shape);
    assert_eq!(flops(|d| ones(d, &[3, 5]).matmul(&ones(d, &[5, 7])), "matmul"), 2 * 3 * 5 * 7);
    assert_eq!(flops(|d| ones(d, &[5, 3]).t().matmul(&ones(d, &[7, 5]).t()), "matmul"), 2 * 3 * 5 * 7);
    assert_eq!(flops(|d| ones(d, &[2, 3, 5]).matmul(&ones(d, &[5, 7])), "matmul"), 2 * 2 * 3 * 5 * 7);
    assert_eq!(flops(|d| (ones(d, &[10]) * 2.0 + 1.0).relu(), "elementwise"), 30);
    assert_eq!(flops(|d| ones(d, &[4, 6]).sum(&[1]), "sum"), 24);
    // 8×8 pixels of 3 channels, from 2 channels and 9 taps; in two groups from 1.
    let conv = |groups: usize| {
        move |d: &Device| {
            let (x, w) = (ones(d, &[1, 2, 8, 8]), ones(d, &[4, 2 / groups, 3, 3]));
            x.conv2d(&w, None, ConvOptions::new().padding(1).groups(groups))
        }
    };
    assert_eq!(flops(conv(1), "conv"), 2 * 64 * 4 * 2 * 9);
    assert_eq!(flops(conv(2), "conv"), 2 * 64 * 4 * 9);
}

#[test]
fn the_trace_is_json_that_perfetto_reads() {
    for device in devices("traces") {
        device.set_profile(true);
        let empty: serde_json::Value = serde_json::from_str(&device.profile().trace()).unwrap();
        assert_eq!(empty["traceEvents"].as_array().unwrap().len(), 2, "the two names");
        train(&device);
        let profile = device.profile();
        let file = tempfile::NamedTempFile::new().unwrap();
        profile.write_trace(file.path()).unwrap();
        let trace: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file.path()).unwrap()).unwrap();
        let events = trace["traceEvents"].as_array().unwrap();
        let calls: Vec<_> = events.iter().filter(|e| e["ph"] == "X").collect();
        assert_eq!(calls.len() as u64, profile.calls());
        let mut end = 0.0;
        for call in &calls {
            let (start, time) = (call["ts"].as_f64().unwrap(), call["dur"].as_f64().unwrap());
            // One after the other, to the nanosecond in which figures are kept.
            assert!(start >= end - 2e-3 && time >= 0.0, "{device}: {call} begins before {end}");
            end = start + time;
            assert!(call["name"].is_string() && call["args"]["where"].as_str().unwrap().contains(".rs:"));
        }
    }
    let error = Device::cpu().profile().write_trace("/nonexistent/trace.json").unwrap_err();
    assert!(error.to_string().contains("/nonexistent/trace.json"), "{error}");
}

#[test]
fn the_peak_is_above_what_kernels_reach() {
    for device in devices("peaks") {
        let peak = device.measure_peak().unwrap();
        println!("{device}: {:.1} GFLOP/s, {:.1} GB/s", peak.gflops, peak.gigabytes);
        assert!(peak.gflops > 0.1 && peak.gflops < 1e6 && peak.gigabytes > 0.1 && peak.gigabytes < 1e5, "{peak:?}");
        assert_eq!(device.measure_peak().unwrap(), peak, "measured once");
        device.set_profile(true);
        train(&device);
        let profile = device.profile();
        assert_eq!(profile.peak, Some(peak));
        assert!(profile.to_string().contains("of peak"), "{profile}");
    }
}

#[test]
fn the_environment_prints_a_table_and_writes_a_trace() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace.json");
    let mut command = common::examples::cargo("digits");
    command.args(["--device", "cpu", "--epochs", "1"]).env("STEEPEST_PROFILE", "1").env("STEEPEST_TRACE", &trace);
    let output = command.output().unwrap();
    let table = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && table.contains("median µs") && table.contains("digits.rs:"), "{table}");
    let trace: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(trace).unwrap()).unwrap();
    assert!(trace["traceEvents"].as_array().unwrap().len() > 4);
}

#[test]
fn names_may_hold_anything() {
    let mut profile = Profile::new("a \"device\"\n".to_owned(), false);
    let label = "back\\slash \"quote\" \t ü";
    profile.add(&Call { kernel: "a", label, file: "a.rs", line: 1, layer: "", flops: 0, bytes: 0, start: 1500, time: 2 });
    let trace: serde_json::Value = serde_json::from_str(&profile.trace()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    assert_eq!(events[0]["args"]["name"], "a \"device\"\n");
    assert_eq!(events[2]["args"]["what"], "back\\slash \"quote\" \t ü");
    assert_eq!((events[2]["ts"].as_f64(), events[2]["dur"].as_f64()), (Some(1.5), Some(0.002)));
}
