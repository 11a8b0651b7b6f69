//! Everything one wants to know of a new GPU, in one command: what it allows, what dispatches cost, how fast it copies and multiplies, what that
//! makes of training steps and of whole trainings, whether its numbers are right, and what PyTorch does on the same card. Prints tables and what
//! became of the project's targets; `--json FILE` writes the same as JSON.
//!
//! `cargo run --release --example probe -- --device gpu --data DIR --torch python3 --json probe.json`; `--quick` takes small sizes and short samples,
//! for a look whether it runs. `DIR` holds MNIST; `python3` has torch. Without them those parts are left out, and it says so.

mod beside;
#[path = "../common/mod.rs"]
mod common;
mod whole;

use anyhow::bail;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use steepest::device::ShaderChecks;
use steepest::nn::{self, Conv2d, Flatten, Linear, MaxPool2d, Module, Sequential};
use steepest::optim::{Adam, Optimizer, Sgd};
use steepest::plan::Switches;
use steepest::profile::Peak;
use steepest::{Device, Result, Tensor, no_grad, verify};

/// A part of the whole: a table.
type Part = fn(&mut Probe) -> Result<()>;

struct Probe {
    device: Device,
    peak: Peak,
    quick: bool,
    /// Everything measured, as it will lie in the file.
    found: Vec<Value>,
}

impl Probe {
    /// `full`, or `small` for a quick look.
    fn sized<T>(&self, full: T, small: T) -> T {
        if self.quick { small } else { full }
    }

    /// Seconds of one call of `f`, which starts work on the device, when many follow each other: the best and the median of some samples.
    fn time(&self, mut f: impl FnMut() -> Result<()>) -> Result<[f64; 2]> {
        let long = self.sized(Duration::from_millis(100), Duration::from_millis(5));
        let mut sample = |calls: usize| -> Result<f64> {
            let start = Instant::now();
            (0..calls).try_for_each(|_| f())?;
            self.device.wait()?;
            Ok(start.elapsed().as_secs_f64() / calls as f64)
        };
        // The first compiles, the second tells how many make a sample.
        sample(1)?;
        let calls = (long.as_secs_f64() / sample(1)?.max(1e-7)).clamp(1.0, 10_000.0) as usize;
        let mut times = (0..self.sized(7, 2)).map(|_| sample(calls)).collect::<Result<Vec<f64>>>()?;
        times.sort_by(f64::total_cmp);
        Ok([times[0], times[times.len() / 2]])
    }

    /// Sides of square products.
    fn sizes(&self) -> &'static [usize] {
        self.sized(&[512, 1024, 2048, 4096, 8192], &[128, 256])
    }

    /// Rows of a batch.
    fn batches(&self) -> &'static [usize] {
        self.sized(&[64, 512], &[8])
    }

    /// Numbers in a tensor of memory-bound work.
    fn numbers(&self) -> usize {
        self.sized(32 << 20, 1 << 16).min(self.device.tensor_bytes() as usize / 4)
    }

    /// Median microseconds of a line measured before.
    fn median(&self, group: &str, name: &str) -> Option<f64> {
        let line = self.found.iter().find(|line| line["group"] == group && line["name"] == name)?;
        line["median_us"].as_f64()
    }

    /// Runs a part. If it fails, that is noted, and what was measured so far and the other parts are not lost.
    fn attempt(&mut self, name: &str, part: impl FnOnce(&mut Probe) -> anyhow::Result<()>) {
        if let Err(error) = part(self) {
            println!("\nFAILED: {name}: {error:#}");
            self.found.push(json!({ "group": "failed", "name": name, "error": format!("{error:#}") }));
        }
    }

    fn title(&self, title: &str) {
        println!("\n{title}\n{:<44} {:>12} {:>12} {:>12} {:>10}", "", "best µs", "median µs", "rate", "of peak");
    }

    /// Measures a line: `flops` and `bytes` of one call (0 where that says nothing), each held against what the device can do at most.
    fn line(&mut self, group: &str, name: &str, flops: f64, bytes: f64, f: impl FnMut() -> Result<()>) -> Result<()> {
        let [best, median] = self.time(f)?;
        let (gflops, gigabytes) = (1e-9 * flops / median, 1e-9 * bytes / median);
        let (rate, share) = match (flops > 0.0, bytes > 0.0) {
            (true, _) => (format!("{gflops:.1} GF/s"), gflops / self.peak.gflops),
            (false, true) => (format!("{gigabytes:.1} GB/s"), gigabytes / self.peak.gigabytes),
            _ => (String::new(), f64::NAN),
        };
        let share = if share.is_nan() { String::new() } else { format!("{:.0}%", 100.0 * share) };
        println!("{name:<44} {:>12.2} {:>12.2} {rate:>12} {share:>10}", best * 1e6, median * 1e6);
        self.found.push(json!({
            "group": group, "name": name, "best_us": best * 1e6, "median_us": median * 1e6, "flops": flops, "bytes": bytes,
            "gflops": gflops, "gigabytes": gigabytes,
        }));
        Ok(())
    }

    fn dispatches(&mut self) -> Result<()> {
        let n = self.sized(1000, 100);
        self.title(&format!("Dispatches of one workgroup, {n} in one run, recording and encoding included (per run)"));
        // Without fusion each call is a kernel of its own.
        let device = self.device.clone();
        device.set_switches(Switches { fuse: false, ..Switches::default() });
        let x = device.ones(16);
        x.run()?;
        self.line("dispatch", &format!("chain of {n} dependent"), 0.0, 0.0, || {
            no_grad(|| (0..n).fold(x.clone(), |x, _| x.add_scalar(1.0))).run()
        })?;
        let inputs: Vec<Tensor> = (0..n).map(|i| device.tensor(&[i as f32; 16], 16)).collect();
        device.run(&inputs)?;
        self.line("dispatch", &format!("{n} independent"), 0.0, 0.0, || {
            let sums: Vec<Tensor> = no_grad(|| inputs.iter().map(|x| x.add_scalar(1.0)).collect());
            device.run(&sums)
        })?;
        device.set_switches(Switches::default());
        self.line("dispatch", "one dispatch, submitted alone", 0.0, 0.0, || no_grad(|| x.add_scalar(1.0)).run())?;
        self.line("dispatch", "one dispatch and its 64 bytes read", 0.0, 0.0, || {
            no_grad(|| x.add_scalar(1.0)).to_vec::<f32>().map(|_| ())
        })
    }

    fn matmul(&mut self) -> Result<()> {
        self.title("Matrix products (worst error of a row against f64, in units of 2⁻²⁴ Σ|a b|)");
        for &n in self.sizes() {
            if 4 * (n * n) as u64 > self.device.tensor_bytes() {
                println!("{n:<44} larger than one binding");
                continue;
            }
            let (a, b) = (self.device.uniform([n, n], -1.0, 1.0, 1), self.device.uniform([n, n], -1.0, 1.0, 2));
            self.device.run([&a, &b])?;
            let flops = 2.0 * (n as f64).powi(3);
            for (name, ta, tb) in [("A B", false, false), ("A Bᵀ", false, true), ("Aᵀ B", true, false)] {
                let read = |x: &Tensor, t: bool| if t { x.t() } else { x.clone() };
                self.line("matmul", &format!("{n}: {name}"), flops, 0.0, || {
                    no_grad(|| read(&a, ta).matmul(&read(&b, tb))).run()
                })?;
            }
            // On cooperative matrices, where this GPU has them and passed the self-test.
            let halves = no_grad(|| (a.to_f16(), b.to_f16()));
            self.device.run([&halves.0, &halves.1])?;
            self.line("matmul", &format!("{n}: A B of halves"), flops, 0.0, || no_grad(|| halves.0.matmul(&halves.1)).run())?;
            if n <= 2048 {
                let error = row_error(&a, &b, n)?;
                println!("{:<44} {error:>12.3}", format!("{n}: error of the last row"));
                self.found.push(json!({ "group": "matmul", "name": format!("{n}: error"), "error": error }));
            }
        }
        Ok(())
    }

    fn memory(&mut self) -> Result<()> {
        let device = self.device.clone();
        let n = self.numbers();
        self.title(&format!("Memory, {n} numbers a tensor"));
        let tensors: Vec<Tensor> = (0..3).map(|seed| device.uniform(n, -1.0, 1.0, seed)).collect();
        device.run(&tensors)?;
        let [x, y, z] = [&tensors[0], &tensors[1], &tensors[2]];
        let bytes = 4.0 * n as f64;
        self.line("memory", "x + 1", 0.0, 2.0 * bytes, || no_grad(|| x + 1.0).run())?;
        self.line("memory", "relu(x y + z)", 0.0, 4.0 * bytes, || no_grad(|| (x * y + z).relu()).run())?;
        self.line("memory", "sum of all", 0.0, bytes, || no_grad(|| x.sum(&[])).run())?;
        let rows = x.reshape([n / 1024, 1024]);
        self.line("memory", "sum of rows of 1024", 0.0, bytes, || no_grad(|| rows.sum(&[1])).run())?;
        self.line("memory", "sum of columns", 0.0, bytes, || no_grad(|| rows.sum(&[0])).run())?;
        self.line("memory", "softmax of rows of 1024", 0.0, 2.0 * bytes, || no_grad(|| rows.softmax(1)).run())?;
        let (count, classes) = self.sized((4096, 1000), (64, 100));
        let logits = device.parameter(&steepest::ops::random::uniform_host(count * classes, -4.0, 4.0, 1, 0), [count, classes]);
        let labels = device.tensor(&(0..count).map(|i| (i % classes) as u32).collect::<Vec<_>>(), count);
        let bytes = 8.0 * (count * classes) as f64;
        self.line("memory", &format!("cross-entropy and gradient, {count}×{classes}"), 0.0, bytes, || {
            logits.cross_entropy(&labels).backward().wrt(&logits)?.run()
        })
    }

    fn updates(&mut self) -> Result<()> {
        let n = self.sized(16 << 20, 1 << 14);
        self.title(&format!("Optimizers, one parameter of {n} numbers (its gradient is a kernel beside)"));
        let device = self.device.clone();
        let (p, g) = (device.parameter(&vec![0.5; n], n), device.uniform(n, -1.0, 1.0, 1));
        device.run([&g])?;
        let mut update = |name: &str, words: f64, optimizer: &mut dyn Optimizer| {
            // p · g reads both, and its gradient is a copy of g.
            self.line("update", name, 0.0, 4.0 * n as f64 * words, || optimizer.step((&p * &g).sum(&[]).backward()))
        };
        update("SGD with momentum", 5.0, &mut Sgd::new([p.clone()], 1e-3).momentum(0.9))?;
        update("Adam", 7.0, &mut Adam::new([p.clone()], 1e-3))
    }

    fn steps(&mut self) -> Result<()> {
        self.title("Training steps, SGD with momentum, the data on the device (per step)");
        let device = self.device.clone();
        for &rows in self.batches() {
            let mlp = nn::mlp(&device, &[784, 256, 128, 10], 1);
            let work = 3.0 * 2.0 * (rows * (784 * 256 + 256 * 128 + 128 * 10)) as f64;
            self.step(&format!("784-256-128-10, batch {rows}"), &mlp, &[rows, 784], work)?;
            let cnn = convolutional(&device).add(Linear::new(&device, 1568, 10, 3));
            let work = 3.0 * 2.0 * (rows * (784 * 16 * 9 + 196 * 32 * 144 + 15_680)) as f64;
            self.step(&format!("conv 16, conv 32, linear, batch {rows}"), &cnn, &[rows, 1, 28, 28], work)?;
        }
        Ok(())
    }

    /// Products and steps with the checks of WGSL and without, in turns.
    fn checks(&mut self) -> Result<()> {
        if !self.device.is_gpu() {
            return Ok(());
        }
        self.title("Shaders checked, and trusted to need no checks");
        let device = self.device.clone();
        let both = [("checked", ShaderChecks::Checked), ("trusted", ShaderChecks::Trusted)];
        for &n in self.sizes().iter().filter(|&&n| 4 * (n * n) as u64 <= device.tensor_bytes()) {
            let (a, b) = (device.uniform([n, n], -1.0, 1.0, 1), device.uniform([n, n], -1.0, 1.0, 2));
            device.run([&a, &b])?;
            for (name, checks) in both {
                device.set_shader_checks(checks);
                let flops = 2.0 * (n as f64).powi(3);
                self.line("checks", &format!("{n}: A B, {name}"), flops, 0.0, || no_grad(|| a.matmul(&b)).run())?;
            }
        }
        let rows = self.batches()[0];
        let labels = device.tensor(&(0..rows as u32).map(|i| i % 10).collect::<Vec<_>>(), rows);
        let cnn = convolutional(&device).add(Linear::new(&device, 1568, 10, 3));
        let mlp = nn::mlp(&device, &[784, 256, 128, 10], 1);
        let models: [(_, &dyn Module, &[usize]); 2] =
            [("perceptron", &mlp, &[rows, 784]), ("convolutions", &cnn, &[rows, 1, 28, 28])];
        for (what, model, shape) in models {
            let x = device.uniform(shape, -1.0, 1.0, 1);
            device.run([&x])?;
            let mut optimizer = Sgd::new(model.parameters(), 0.01).momentum(0.9);
            for (name, checks) in both {
                device.set_shader_checks(checks);
                self.line("checks", &format!("step of {what}, batch {rows}, {name}"), 0.0, 0.0, || {
                    optimizer.step(model.forward(&x).cross_entropy(&labels).backward())
                })?;
            }
        }
        device.set_shader_checks(ShaderChecks::Checked);
        Ok(())
    }

    /// Every op against the reference.
    fn verify(&mut self) -> Result<()> {
        let filter = self.sized("", "softmax").to_owned();
        let outcome = verify::full(&self.device, &verify::Depth { filter, ..Default::default() }, &mut |_, _, _| {})?;
        println!("\nVerified against the f64 reference\n{:<44} {:>12} {:>12} {:>12}", "", "cases", "elements", "wrong");
        for stage in &outcome.stages {
            let (cases, elements, wrong) = (stage.report.cases, stage.report.elements, stage.report.failures.len());
            println!("{:<44} {cases:>12} {elements:>12} {wrong:>12}", stage.name);
        }
        let failures = outcome.failures();
        failures.iter().for_each(|failure| println!("WRONG: {failure}"));
        self.found.push(json!({
            "group": "verify", "name": "all", "passed": outcome.passed(), "cases": outcome.cases(), "elements": outcome.elements(),
            "seconds": outcome.seconds, "failures": failures,
        }));
        Ok(())
    }

    fn step(&mut self, name: &str, model: &dyn Module, shape: &[usize], flops: f64) -> Result<()> {
        let device = self.device.clone();
        let x = device.uniform(shape, -1.0, 1.0, 1);
        let labels = device.tensor(&(0..shape[0] as u32).map(|i| i % 10).collect::<Vec<_>>(), shape[0]);
        device.run([&x])?;
        let mut optimizer = Sgd::new(model.parameters(), 0.01).momentum(0.9);
        let mut step = || optimizer.step(model.forward(&x).cross_entropy(&labels).backward());
        self.line("step", name, flops, 0.0, &mut step)?;
        // Then the same kernel by kernel.
        device.set_profile(true);
        (0..self.sized(20, 2)).try_for_each(|_| step())?;
        let profile = device.profile();
        device.set_profile(false);
        println!("\n{profile}");
        let ranked = profile.rows();
        let rows = ranked.iter().map(|row| {
            json!({ "kernel": row.kernel, "what": row.label, "calls": row.calls, "median_us": row.median() as f64 * 1e-3,
                "gflops": row.gflops(), "gigabytes": row.gigabytes(), "share": row.share_of(&self.peak) })
        });
        self.found.push(json!({ "group": "profile", "name": name, "rows": rows.collect::<Vec<_>>() }));
        Ok(())
    }
}

/// Two convolutions, as in every comparison: `[n,1,28,28]` to `[n,1568]`.
fn convolutional(device: &Device) -> Sequential {
    Sequential::new()
        .add(Conv2d::new(device, 1, 16, 3, 1).padding(1))
        .add(nn::Activation::Relu)
        .add(MaxPool2d::new(2))
        .add(Conv2d::new(device, 16, 32, 3, 2).padding(1))
        .add(nn::Activation::Relu)
        .add(MaxPool2d::new(2))
        .add(Flatten)
}

/// The worst error of the last row of A B, in units of what rounding each product once may make.
fn row_error(a: &Tensor, b: &Tensor, n: usize) -> Result<f64> {
    let last = n as isize - 1;
    let found = no_grad(|| a.matmul(b)).slice(0, last..).to_vec::<f32>()?;
    let (row, b) = (a.slice(0, last..).to_vec::<f32>()?, b.to_vec::<f32>()?);
    let (mut sums, mut sizes) = (vec![0.0f64; n], vec![0.0f64; n]);
    for (x, columns) in row.iter().zip(b.chunks(n)) {
        for ((sum, size), y) in sums.iter_mut().zip(&mut sizes).zip(columns) {
            let product = f64::from(*x) * f64::from(*y);
            *sum += product;
            *size += product.abs();
        }
    }
    let unit = (-24f64).exp2();
    Ok(found
        .iter()
        .zip(sums.iter().zip(&sizes))
        .map(|(f, (sum, size))| (f64::from(*f) - sum).abs() / (unit * size))
        .fold(0.0, f64::max))
}

fn main() -> std::process::ExitCode {
    common::run(measure)
}

fn measure() -> anyhow::Result<()> {
    let path = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let (mut device, mut quick, mut json, mut train) = (None, false, None, None);
    let (mut data, mut torch) = (path("STEEPEST_DATA"), path("STEEPEST_TORCH"));
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        use lexopt::prelude::*;
        match arg {
            Long("device") => device = Some(parser.value()?.string()?),
            Long("json") => json = Some(PathBuf::from(parser.value()?)),
            Long("data") => data = Some(PathBuf::from(parser.value()?)),
            Long("torch") => torch = Some(PathBuf::from(parser.value()?)),
            Long("train") => train = Some(parser.value()?.string()?),
            Long("quick") => quick = true,
            Long("help") => {
                println!("probe [--device cpu|gpu|NAME] [--data DIR] [--torch PYTHON] [--quick] [--json FILE]");
                return Ok(());
            }
            other => bail!("{}; try --help", other.unexpected()),
        }
    }
    let opened = Instant::now();
    let device = device.map_or_else(Device::best, |name| Device::named(&name))?;
    if let Some(task) = train {
        return whole::train(&task, &device, data.as_deref(), quick);
    }
    let opened = opened.elapsed().as_secs_f64() * 1e3;
    let mut facts = vec![("device", device.to_string()), ("version", env!("CARGO_PKG_VERSION").to_owned())];
    facts.push(("opened in", format!("{opened:.1} ms")));
    if let Some(gpu) = device.as_gpu() {
        facts.extend(gpu.details());
    }
    let peak = device.measure_peak()?;
    facts.push(("multiply-adds at most", format!("{:.1} GFLOP/s", peak.gflops)));
    facts.push(("copy at most", format!("{:.1} GB/s", peak.gigabytes)));
    facts.iter().for_each(|(name, value)| println!("{name:<26} {value}"));

    let mut probe = Probe { device, peak, quick, found: vec![] };
    let parts: [(&str, Part); 7] = [
        ("dispatches", Probe::dispatches),
        ("matrix products", Probe::matmul),
        ("memory", Probe::memory),
        ("optimizers", Probe::updates),
        ("training steps", Probe::steps),
        ("checks of shaders", Probe::checks),
        ("verification", Probe::verify),
    ];
    for (name, part) in parts {
        probe.attempt(name, |probe| Ok(part(probe)?));
    }
    probe.attempt("whole trainings", |probe| whole::measure(probe, data.as_deref()));
    let mut rival = None;
    if let Some(python) = torch {
        probe.attempt("PyTorch", |probe| {
            let (found, end) = beside::Torch::measure(probe, &python)?;
            rival = Some(found);
            end
        });
    }
    beside::compare(&mut probe, rival.as_ref());
    if let Some(gpu) = probe.device.as_gpu() {
        let (read, kept) = gpu.pipeline_cache_bytes();
        println!("\ncompiled pipelines: {read} bytes read from their file, {kept} kept there");
        facts.push(("pipeline cache bytes", format!("{read} read, {kept} kept")));
    }
    if let Some(path) = json {
        let facts: serde_json::Map<String, Value> = facts.into_iter().map(|(k, v)| (k.to_owned(), v.into())).collect();
        let text =
            json!({ "facts": facts, "peak": { "gflops": peak.gflops, "gigabytes": peak.gigabytes }, "found": probe.found });
        steepest::files::write_whole(&path, format!("{text:#}\n").as_bytes())?;
        println!("\nwritten: {}", path.display());
    }
    let failed = probe.found.iter().filter(|line| line["group"] == "failed").count();
    anyhow::ensure!(failed == 0, "{failed} part(s) failed, see above");
    Ok(())
}
