//! Too little memory: every allocation of a workload fails once, limits of all sizes are set, and programs run under `ulimit -v`. What fails is an
//! error that says for what, nothing is half done, and the same work gives the same bits afterwards.
#![allow(clippy::unwrap_used)]

use crate::common;
use steepest::nn::{self, Module};
use steepest::optim::{Adam, Optimizer, Sgd};
use steepest::plan::Switches;
use steepest::{Anomaly, Device, Error, Result, Tensor};

/// Numbers that are no round ones, and all different.
fn numbers(n: usize) -> Vec<f32> {
    (0..n as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / 8_388_608.0 - 1.0).collect()
}

fn given(device: &Device, sizes: &[usize]) -> Tensor {
    device.tensor(&numbers(sizes.iter().product()), sizes)
}

fn bits(tensors: &[&Tensor]) -> Result<Vec<u32>> {
    let mut all = vec![];
    for tensor in tensors {
        all.extend(tensor.to_vec::<f32>()?.into_iter().map(f32::to_bits));
    }
    Ok(all)
}

fn labels(device: &Device, n: usize) -> Tensor {
    device.tensor(&(0..n as u32).map(|i| i % 3).collect::<Vec<_>>(), n)
}

/// Some steps of a training; the parameters it leads to.
fn trained(model: &dyn Module, opt: &mut dyn Optimizer, x: &Tensor, labels: &Tensor, steps: usize) -> Result<Vec<u32>> {
    for _ in 0..steps {
        opt.step(model.forward(x).cross_entropy(labels).backward())?;
    }
    bits(&model.parameters().iter().collect::<Vec<_>>())
}

/// A workload, from the tensors it is given to the numbers that are read.
type Work = (&'static str, fn(&Device) -> Result<Vec<u32>>);

fn perceptron(device: &Device) -> Result<Vec<u32>> {
    let model = nn::mlp(device, &[20, 12, 3], 1);
    let mut opt = Adam::new(model.parameters(), 0.01);
    trained(&model, &mut opt, &given(device, &[8, 20]), &labels(device, 8), 2)
}

fn convolutions(device: &Device) -> Result<Vec<u32>> {
    use nn::{Activation, BatchNorm2d, Conv2d, Flatten, Linear, MaxPool2d};
    let model = steepest::sequential![
        Conv2d::new(device, 2, 4, 3, 1).padding(1),
        BatchNorm2d::new(device, 4),
        Activation::Relu,
        MaxPool2d::new(2),
        Flatten,
        Linear::new(device, 4 * 9, 3, 3),
    ];
    let mut opt = Sgd::new(model.parameters(), 0.05).momentum(0.9);
    trained(&model, &mut opt, &given(device, &[4, 2, 6, 6]), &labels(device, 4), 2)
}

fn transformer(device: &Device) -> Result<Vec<u32>> {
    let block = nn::TransformerBlock::new(device, 8, 2, 16, 0.0, 3);
    let y = block.forward(&given(device, &[2, 5, 8]));
    let gradients = y.square().mean(&[]).backward();
    let mut all = bits(&[&y])?;
    for parameter in block.parameters() {
        all.extend(bits(&[gradients.get(&parameter)?.unwrap()])?);
    }
    Ok(all)
}

fn sorted(device: &Device) -> Result<Vec<u32>> {
    let x = given(device, &[3, 300]);
    let (values, order) = x.sort(1, true);
    let rows = device.tensor(&(0..200u32).map(|i| i * 7 % 50).collect::<Vec<_>>(), 200);
    let added = given(device, &[200, 3]).index_add(0, &rows, 50);
    let chosen = x.masked_select(&x.gt_scalar(0.9))?;
    let different = device.tensor(&[3u32, 1, 3, 2, 1], 5).unique()?;
    let mut all = bits(&[&values, &x.gather(1, &order), &added, &chosen, &x.cumsum(1, false), &x.cummax(0).0])?;
    for found in [different.values, different.inverse, different.counts] {
        all.extend(found.to_vec::<u32>()?);
    }
    all.extend(x.gt_scalar(0.0).nonzero()?.to_vec::<u32>()?);
    Ok(all)
}

fn factored(device: &Device) -> Result<Vec<u32>> {
    let x = given(device, &[4, 6, 6]);
    let positive = x.matmul(&x.t()).add(&device.eye(6));
    let factor = positive.cholesky(false);
    bits(&[&factor, &factor.matmul(&factor.t()), &positive.inverse()])
}

fn halves(device: &Device) -> Result<Vec<u32>> {
    let (a, b) = (given(device, &[70, 40]).to_f16(), given(device, &[40, 60]).to_f16());
    let rows = device.tensor(&[3u32, 9, 3], 3);
    bits(&[&a.matmul(&b), &a, &a.index_select(0, &rows)])
}

fn drawn(device: &Device) -> Result<Vec<u32>> {
    let x = device.normal([50], 0.0, 1.0, 7);
    let places = x.abs().multinomial(10, true, 5)?;
    let mut all = bits(&[&x, &device.uniform([9], 0.0, 1.0, 2), &x.abs().poisson(3)?])?;
    all.extend(places.to_vec::<u32>()?);
    Ok(all)
}

/// Larger than what shares a list of commands with others, on both ways.
fn moved(device: &Device) -> Result<Vec<u32>> {
    let x = given(device, &[40_000]);
    let flags = x.gt_scalar(0.0);
    let mut all = bits(&[&(&x * 2.0), &x.sum(&[])])?;
    all.extend(flags.to_vec::<bool>()?.into_iter().map(u32::from));
    Ok(all)
}

fn with(device: &Device, switch: impl Fn(bool), work: fn(&Device) -> Result<Vec<u32>>) -> Result<Vec<u32>> {
    switch(true);
    let found = work(device);
    switch(false);
    found
}

fn guarded(device: &Device) -> Result<Vec<u32>> {
    with(device, |on| device.set_guarded(on), convolutions)
}

fn profiled(device: &Device) -> Result<Vec<u32>> {
    with(device, |on| device.set_profile(on), perceptron)
}

fn checked(device: &Device) -> Result<Vec<u32>> {
    with(device, |on| device.set_check(on), |device| transformer(device).and_then(|_| factored(device)))
}

fn watched(device: &Device) -> Result<Vec<u32>> {
    with(device, |on| device.set_anomaly(if on { Anomaly::NonFinite } else { Anomaly::Off }), transformer)
}

/// Read by a future; on a GPU also handed out, and in again as if the application had made it.
fn lent(device: &Device) -> Result<Vec<u32>> {
    let x = given(device, &[700]) * 2.0;
    let read = pollster::block_on(x.to_vec_async::<f32>())?.into_iter().map(f32::to_bits);
    #[cfg_attr(not(feature = "gpu"), allow(unused_mut))]
    let mut all: Vec<u32> = read.collect();
    #[cfg(feature = "gpu")]
    if device.is_gpu() {
        let given = given(device, &[30]);
        for tensor in [&x, &given] {
            let place = tensor.buffer()?;
            let count = tensor.try_shape()?.numel();
            let again = device.tensor_from_buffer(&place.buffer, place.offset, count, steepest::DType::F32)?;
            all.extend(bits(&[&(again + 1.0)])?);
        }
    }
    Ok(all)
}

const WORKS: [Work; 14] = [
    ("perceptron with Adam", perceptron),
    ("convolutions", convolutions),
    ("transformer", transformer),
    ("sorting and indexing", sorted),
    ("factorisations on the host", factored),
    ("halves", halves),
    ("random numbers", drawn),
    ("large uploads and reads", moved),
    ("guarded", guarded),
    ("profiled", profiled),
    ("checked", checked),
    ("watched", watched),
    ("lent", lent),
    ("small", |device| bits(&[&(given(device, &[5]) + 1.0)])),
];

/// An error for want of memory, which says for what.
fn is_out_of_memory(error: &Error, device: &Device, what: &str) {
    let Error::OutOfMemory { device: name, what: tensor, .. } = error else { panic!("{what}: {error}") };
    assert!(device.to_string().contains(name.as_str()) && tensor.len() > 5, "{what}: {error}");
}

/// Has the first, the second, … allocation of a workload fail until none is left; how many there were.
fn every_allocation(device: &Device, (name, work): Work, plans_are_new: bool) -> u64 {
    let expected = work(device).unwrap_or_else(|error| panic!("{device}, {name}: {error}"));
    assert_eq!(work(device).unwrap(), expected, "{device}, {name}: not the same bits twice");
    device.wait().unwrap();
    let live = device.memory_use().live;
    let (mut nth, mut places) = (0, 0);
    loop {
        // Not all of many, for time: on a GPU new plans have shaders to compile, and a checked run has a plan for each op.
        nth += 1 + match (device.is_gpu(), name) {
            (true, "checked") => nth,
            (true, _) => nth / 4,
            (false, "checked") => nth / 8,
            (false, _) => 0,
        };
        let what = format!("{device}, {name}, allocation {nth}");
        if plans_are_new {
            device.set_switches(Switches::default());
        }
        device.fail_allocation(nth);
        let found = work(device);
        let to_come = device.fail_allocation(0);
        match found {
            Ok(found) => {
                assert!(to_come > 0, "{what}: nobody was told that it failed");
                assert!(found == expected, "{what}: other bits");
                return places;
            }
            Err(error) => is_out_of_memory(&error, device, &what),
        }
        let after = work(device).unwrap_or_else(|error| panic!("{what}: afterwards {error}"));
        assert!(after == expected, "{what}: other bits afterwards");
        device.wait().unwrap();
        let now = device.memory_use().live;
        // Staging and uploads are kept or not as it comes.
        let spare = if device.is_gpu() { 4 << 20 } else { 0 };
        assert!(now <= live + spare, "{what}: {now} bytes live, {live} before");
        places += 1;
    }
}

#[test]
fn whatever_allocation_fails_the_next_run_gives_the_same_bits() {
    for device in common::devices("allocations that fail") {
        let mut places = 0;
        for work in WORKS {
            let (fresh, known) = (every_allocation(&device, work, true), every_allocation(&device, work, false));
            println!("{device}, {}: {fresh} allocations with new plans, {known} with known ones", work.0);
            assert!(known > 0 && fresh >= known, "{device}, {}: {fresh}, {known}", work.0);
            places += fresh + known;
        }
        assert!(places >= 200, "{device}: only {places} allocations");
    }
}

/// The bits of parameters and optimizer state, and the steps counted.
fn everything(model: &dyn Module, opt: &dyn Optimizer) -> (Vec<u32>, Vec<u64>) {
    let mut all = model.parameters();
    all.extend(opt.state().into_iter().flat_map(|(_, tensors)| tensors.iter().cloned()));
    (bits(&all.iter().collect::<Vec<_>>()).unwrap(), opt.steps().to_vec())
}

/// A step that fails, at its first, second, … allocation, changes nothing; the step after it is the one that would have been.
#[test]
fn a_step_without_room_changes_nothing() {
    use nn::{Activation, BatchNorm1d, Linear};
    for device in common::devices("steps that fail") {
        let fresh = || {
            let model = steepest::sequential![
                Linear::new(&device, 20, 12, 1),
                BatchNorm1d::new(&device, 12),
                Activation::Relu,
                Linear::new(&device, 12, 3, 2)
            ];
            let opt = Adam::new(model.parameters(), 0.01);
            (model, opt)
        };
        let (x, labels) = (given(&device, &[8, 20]), labels(&device, 8));
        let buffers = |model: &dyn Module| {
            let buffers: Vec<Tensor> = model.named_buffers().into_iter().map(|(_, buffer)| buffer).collect();
            bits(&buffers.iter().collect::<Vec<_>>()).unwrap()
        };
        // What a run that never fails comes to after each step; in the end with the running statistics.
        let run = |nth: u64, never_failed: Option<&[_]>| {
            let (model, mut opt) = fresh();
            let (mut states, mut failures) = (vec![], 0);
            for k in 0..3 {
                device.set_switches(Switches::default());
                let before = everything(&model, &opt);
                let loss = model.forward(&x).cross_entropy(&labels);
                device.fail_allocation(nth);
                let result = opt.step(loss.backward());
                let to_come = device.fail_allocation(0);
                let what = format!("{device}, step {k}, allocation {nth}");
                if let Err(error) = result {
                    is_out_of_memory(&error, &device, &what);
                    // State that a first step makes may be there already.
                    let after = everything(&model, &opt);
                    let same = after.0.starts_with(&before.0) && (k == 0 || after.0.len() == before.0.len());
                    assert!(same && after.1 == before.1, "{what}: something changed");
                    failures += 1;
                    opt.step(loss.backward()).unwrap();
                } else {
                    assert!(nth == 0 || to_come > 0, "{what}: nobody was told that it failed");
                }
                states.push((everything(&model, &opt), vec![]));
                if k == 2 {
                    states.push((everything(&model, &opt), buffers(&model)));
                }
                if let Some(expected) = never_failed {
                    assert!(states[..] == expected[..states.len()], "{what}: not as if it had never failed");
                }
            }
            (states, failures)
        };
        for merge_at_once in [false, true] {
            if let Some(gpu) = device.as_gpu() {
                gpu.merge_after(merge_at_once.then_some(1));
            }
            let (never_failed, _) = run(0, None);
            let mut nth = 0;
            loop {
                nth += if device.is_gpu() { 1 + nth / 6 } else { 1 };
                let (_, failures) = run(nth, Some(&never_failed));
                if failures == 0 {
                    assert!(nth > 5, "{device}: only {nth} allocations");
                    break;
                }
            }
        }
    }
}

#[test]
fn every_limit_is_an_error_or_the_same_bits() {
    for device in common::devices("limits") {
        for (name, work) in [("perceptron", perceptron as fn(&Device) -> _), ("convolutions", convolutions), ("moved", moved)] {
            let unlimited = device.memory_limit();
            let expected = work(&device).unwrap();
            let need = device.memory_use().live + (1 << 20);
            let (mut refused, mut done) = (0, 0);
            for sixteenths in (0..=24).rev() {
                device.set_switches(Switches::default());
                device.set_memory_limit(Some(need * sixteenths / 16));
                match work(&device) {
                    Ok(found) => {
                        assert!(found == expected, "{device}, {name}, {sixteenths}/16");
                        done += 1;
                    }
                    Err(error) => {
                        is_out_of_memory(&error, &device, name);
                        refused += 1;
                    }
                }
                device.set_memory_limit(unlimited);
                assert!(work(&device).unwrap() == expected, "{device}, {name}, after {sixteenths}/16");
            }
            assert!(refused > 0 && done > 0, "{device}, {name}: {refused} refused, {done} done");
        }
    }
}

/// What is kept for speed is given up first: free memory, then plans that were not used for longest.
#[test]
fn plans_are_forgotten_before_anything_is_refused() {
    const N: usize = 1 << 18;
    for device in common::devices("plans that are forgotten") {
        // Each has a value inside it, which takes a slot of 1 MiB.
        let work = |k: usize| {
            let x = device.tensor(&numbers(N), [N]);
            let inside = (&x * 2.0).cumsum(0, false);
            (0..k).fold(inside, |y, _| y.cumsum(0, false)).sum(&[]).item()
        };
        let expected: Vec<_> = (0..5).map(|k| work(k).unwrap().to_bits()).collect();
        device.wait().unwrap();
        let live = device.memory_use().live;
        // All plans are kept. As much again as one run takes is not there.
        device.set_memory_limit(Some(live + (2 << 20)));
        for (k, expected) in expected.iter().enumerate().cycle().take(15) {
            assert_eq!(work(k).unwrap().to_bits(), *expected, "{device}");
        }
        let kept = (0..40).map(|_| device.ones([N])).collect::<Vec<_>>();
        let errors = kept.iter().filter_map(|x| x.run().err()).collect::<Vec<_>>();
        is_out_of_memory(&errors[0], &device, "ones");
        assert!(device.memory_use().live <= live + (2 << 20), "{device}: {:?}", device.memory_use());
        drop(kept);
        assert_eq!(work(3).unwrap().to_bits(), expected[3], "{device}");
    }
}

#[test]
fn an_error_says_what_the_memory_was_for() {
    let device = Device::cpu();
    device.set_memory_limit(Some(1 << 16));
    let given = device.tensor(&numbers(1000), [10, 100]);
    let line = line!() + 1;
    let error = given.matmul(&given.t()).matmul(&given).expand([1000, 10, 100]).exp().run().unwrap_err();
    let Error::OutOfMemory { device: name, what, bytes, live, limit } = &error else { panic!("{error}") };
    assert_eq!((name.as_str(), *bytes, *limit), ("cpu", 4_000_000, Some(1 << 16)));
    assert!(*live >= 4000 && *live < 1 << 16, "{live}");
    assert!(what.contains("exp") && what.contains(&format!("out_of_memory.rs:{line}")), "{what}");
    let text = error.to_string();
    assert!(text.contains("4000000 bytes asked for") && text.contains("the limit is 65536"), "{text}");
    let large = device.tensor(&vec![1.0; 20_000], 20_000);
    let error = large.sum(&[]).item().unwrap_err();
    assert!(error.to_string().contains("20000 numbers given at"), "{error}");
}

/// Programs of their own, under limits that the system sets.
#[cfg(target_os = "linux")]
mod programs {
    use super::*;
    use std::process::{Command, Output};
    use std::time::{Duration, Instant};

    /// Has a program run the test of that name, with `setup` before it in the shell.
    fn run(test: &str, setup: &str, memory: Option<&str>) -> Output {
        let program = std::env::current_exe().unwrap();
        let script = format!("{setup} exec \"$0\" --exact out_of_memory::programs::{test} --nocapture --test-threads=1");
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).arg(program).env("STEEPEST_OUT_OF_MEMORY", "1");
        command.env_remove("STEEPEST_MEMORY").env("RAYON_NUM_THREADS", "2").env("LP_NUM_THREADS", "2");
        if let Some(memory) = memory {
            command.env("STEEPEST_MEMORY", memory);
        }
        let mut child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
        let begun = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if begun.elapsed() > Duration::from_secs(120) {
                child.kill().unwrap();
                let output = child.wait_with_output().unwrap();
                panic!("{test} under `{setup}` {memory:?} does not end: {output:?}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        child.wait_with_output().unwrap()
    }

    fn ends_well(test: &str, setup: &str, memory: Option<&str>) {
        let output = run(test, setup, memory);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("ALL DONE"),
            "{test} under `{setup}` {memory:?}: {:?}\n{said}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn in_a_program_of_its_own() -> bool {
        std::env::var("STEEPEST_OUT_OF_MEMORY").is_ok()
    }

    /// Keeps tensors of so many words until there is no room; then a small computation.
    fn fill(device: &Device, words: usize) -> Vec<Tensor> {
        let mut kept = vec![];
        loop {
            let x = device.full([words], kept.len() as f64);
            match x.run() {
                Ok(()) => kept.push(x),
                Err(error) => {
                    is_out_of_memory(&error, device, "tensors that are kept");
                    break;
                }
            }
            assert!(kept.len() < 1000, "there is no limit");
        }
        assert!(!kept.is_empty());
        let few = kept.split_off(kept.len() - 1);
        drop(kept);
        assert_eq!((few[0].slice(0, ..3) + 1.0).sum(&[]).item().unwrap(), few[0].slice(0, ..1).item().unwrap() * 3.0 + 3.0);
        few
    }

    #[test]
    fn on_the_processor() {
        if !in_a_program_of_its_own() {
            return ends_well("on_the_processor", "ulimit -v 1200000;", None);
        }
        let device = Device::cpu();
        assert!(device.memory_limit().unwrap() <= 1_200_000 * 1024);
        let huge = [
            device.ones([u32::MAX as usize]).sum(&[]).item().map(|_| ()),
            device.zeros([1 << 30]).exp().to_vec::<f32>().map(|_| ()),
            device.zeros([1 << 28]).to_vec::<f32>().map(|_| ()),
        ];
        for result in huge {
            is_out_of_memory(&result.unwrap_err(), &device, "huge");
        }
        drop(fill(&device, 64 << 20));
        // What is there can be read only as far as there is room for another copy.
        let x = device.ones([180 << 20]);
        x.run().unwrap();
        is_out_of_memory(&x.to_vec::<f32>().unwrap_err(), &device, "reading");
        assert_eq!(x.sum(&[]).item().unwrap(), (180 << 20) as f32);
        drop(x);
        // Little by little.
        drop(fill(&device, 1 << 20));
        assert_eq!(perceptron(&device).unwrap().len(), 20 * 12 + 12 + 12 * 3 + 3);
        println!("ALL DONE");
    }

    #[test]
    fn on_a_software_adapter() {
        if !in_a_program_of_its_own() {
            if common::gpu("programs with little memory").is_none_or(|device| !device.as_gpu().unwrap().is_software()) {
                println!("SKIPPED (no software adapter): programs with little memory");
                return;
            }
            ends_well("on_a_software_adapter", "", Some("600MB"));
            return ends_well("on_a_software_adapter", "ulimit -v 3000000;", Some("400MB"));
        }
        let device = common::gpu("in its own program").unwrap();
        assert!(device.memory_limit().unwrap() <= 600_000_000);
        // A value of 120 MB, and more than there is room for beside it.
        let y = (device.ones([30 << 20]).cumsum(0, false) + 1.0).cumsum(0, false);
        let parts: Vec<Tensor> = (0..6).map(|k| (&y * f64::from(k)).cumsum(0, false)).collect();
        is_out_of_memory(&device.run(&parts).unwrap_err(), &device, "large");
        drop((y, parts));
        drop(fill(&device, 16 << 20));
        drop(fill(&device, 1 << 20));
        assert_eq!(perceptron(&device).unwrap().len(), 20 * 12 + 12 + 12 * 3 + 3);
        println!("ALL DONE");
    }
}
