//! One workload on one device, measured, as a line of JSON: for tables in which other libraries do the same work on the same numbers.
//!
//! `peer --device cpu mlp_b64`; workloads: `sgemm_N`, `mlp_bB`, `linreg_b16`, `cnn_bB`, `softmax_ce[_RxC]`, `elementwise_[N]m`, and `cold_` before a
//! training task: the time from the start of the process to its first finished step. `repetition_bB` is the learning of `examples/repetition.rs` in
//! batches of B cards, and `by_hand_ms` the same in plain Rust, in the same process; its losses and parameters must agree.
//!  `--switches fuse=off,reuse=off` switches optimisations off.
//! Inputs are a hash of the index, so `check` must agree between libraries: the loss after 20 steps (5 of a convolutional network, 1 of a cold
//! start), else the root mean square of the result. Environment: `PEER_BUDGET_S` (seconds of sampling, 4), `PEER_START_NS` (when the process
//! was started, Unix nanoseconds; without it the start of `main`).

#[path = "common/hashed.rs"]
mod hashed;
#[path = "repetition.rs"]
mod repetition;
#[path = "common/repetition_by_hand.rs"]
mod repetition_by_hand;

use anyhow::{Context, bail};
use hashed::{labels, numbers};
use repetition::common;
use repetition_by_hand::{ByHand, Review};
use std::time::{Duration, Instant, SystemTime};
use steepest::optim::{Adam, Optimizer, Sgd};
use steepest::plan::Switches;
use steepest::{ConvOptions, Device, Result, Tensor, no_grad};

/// Root mean square.
fn rms(values: &[f32]) -> f64 {
    (values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}

/// What a workload found.
struct Found {
    /// Milliseconds of one operation, sample by sample.
    samples: Vec<f64>,
    /// Amount of `unit · s` in one operation.
    work: f64,
    unit: &'static str,
    check: f64,
    /// Milliseconds of the same work in plain Rust, where that is there.
    by_hand: Vec<f64>,
}

impl Found {
    fn new(samples: Vec<f64>, work: f64, unit: &'static str, check: f64) -> Found {
        Found { samples, work, unit, check, by_hand: vec![] }
    }
}

/// Milliseconds of one of the `per` operations that `f` does, sampled until the budget is spent: 5 to 30 samples, 3 where they are slow.
fn sample(per: usize, mut f: impl FnMut() -> Result<()>) -> Result<Vec<f64>> {
    let budget = std::env::var("PEER_BUDGET_S").ok().and_then(|v| v.parse().ok()).unwrap_or(4.0);
    let start = Instant::now();
    let mut samples = vec![];
    loop {
        let begun = Instant::now();
        f()?;
        samples.push(begun.elapsed().as_secs_f64() * 1e3 / per as f64);
        let spent = start.elapsed().as_secs_f64();
        let enough = match samples.len() {
            0..3 => false,
            3..5 => spent > 4.0 * budget,
            n => n >= 30 || spent > budget,
        };
        if enough {
            return Ok(samples);
        }
    }
}

/// A model with its data on the device.
struct Task {
    layers: Vec<[Tensor; 2]>,
    x: Tensor,
    y: Tensor,
    loss: fn(&Task) -> Tensor,
    optimizer: Sgd,
}

impl Task {
    /// The task of a name, its parameters set to the common start.
    fn new(device: &Device, name: &str) -> anyhow::Result<Task> {
        // Uniform in ±1/√fan_in, as all libraries start.
        let parameter = |seed: u32, shape: &[usize], fan_in: usize| {
            device.parameter(&numbers(seed, shape.iter().product(), 2.0 / (fan_in as f32).sqrt()), shape)
        };
        let layer = |seed: u32, shape: &[usize]| {
            let fan_in = shape[1..].iter().product();
            [parameter(seed, shape, fan_in), parameter(seed + 1, &shape[..1], fan_in)]
        };
        let batch =
            |prefix| name.strip_prefix(prefix).map(str::parse::<usize>).transpose().with_context(|| format!("batch of {name}"));
        let (layers, x, y, loss): (_, _, _, fn(&Task) -> Tensor) = if let Some(rows) = batch("mlp_b")? {
            let layers = vec![layer(10, &[256, 784]), layer(12, &[128, 256]), layer(14, &[10, 128])];
            let x = device.tensor(&numbers(1, rows * 784, 2.0), [rows, 784]);
            (layers, x, device.tensor(&labels(2, rows, 10), rows), Task::perceptron)
        } else if let Some(rows) = batch("cnn_b")? {
            let layers = vec![layer(20, &[16, 1, 3, 3]), layer(22, &[32, 16, 3, 3]), layer(24, &[10, 1568])];
            let x = device.tensor(&numbers(1, rows * 784, 2.0), [rows, 1, 28, 28]);
            (layers, x, device.tensor(&labels(2, rows, 10), rows), Task::convolutional)
        } else if let Some(rows) = batch("linreg_b")? {
            let x = numbers(1, rows, 2.0);
            let y: Vec<f32> = x.iter().map(|x| 2.0 * x + 1.0).collect();
            (vec![layer(30, &[1, 1])], device.tensor(&x, [rows, 1]), device.tensor(&y, [rows, 1]), Task::regression)
        } else {
            bail!("no workload named `{name}`")
        };
        let optimizer = Sgd::new(layers.iter().flatten().cloned(), 0.01).momentum(0.9);
        Ok(Task { layers, x, y, loss, optimizer })
    }

    fn linear(&self, x: &Tensor, layer: usize) -> Tensor {
        let [weight, bias] = &self.layers[layer];
        x.matmul(&weight.t()) + bias
    }

    fn perceptron(&self) -> Tensor {
        let hidden = self.linear(&self.x, 0).relu();
        let hidden = self.linear(&hidden, 1).relu();
        self.linear(&hidden, 2).cross_entropy(&self.y)
    }

    fn convolutional(&self) -> Tensor {
        let block = |x: &Tensor, layer: usize| {
            let [weight, bias] = &self.layers[layer];
            x.conv2d(weight, Some(bias), ConvOptions::new().padding(1)).relu().max_pool2d(2, 2, 0)
        };
        let features = block(&block(&self.x, 0), 1);
        self.linear(&features.reshape([self.y.shape().numel(), 1568]), 2).cross_entropy(&self.y)
    }

    fn regression(&self) -> Tensor {
        self.linear(&self.x, 0).mse(&self.y)
    }

    /// Some steps; the loss before the last update, read once at the end.
    fn steps(&mut self, count: usize) -> Result<f64> {
        for _ in 1..count {
            self.optimizer.step((self.loss)(self).backward())?;
        }
        let last = (self.loss)(self);
        self.optimizer.step(last.backward())?;
        Ok(f64::from(last.item()?))
    }
}

/// C = A B, several times between two waits.
fn sgemm(device: &Device, n: usize) -> Result<Found> {
    let [a, b] = [1, 2].map(|seed| device.tensor(&numbers(seed, n * n, 1.0), [n, n]));
    let products = |count: usize| {
        let mut last = None;
        for _ in 0..count {
            let product = no_grad(|| a.matmul(&b));
            device.run([&product])?;
            last = Some(product);
        }
        device.wait()?;
        Ok(last)
    };
    (0..2).try_for_each(|_| products(1).map(|_| ()))?;
    let count = match n {
        0..=256 => 20,
        257..=512 => 10,
        513..=1024 => 3,
        _ => 1,
    };
    let samples = sample(count, || products(count).map(|_| ()))?;
    let check = products(1)?.map_or(Ok(vec![]), |c| c.to_vec())?;
    Ok(Found::new(samples, 2e-9 * (n as f64).powi(3), "GFLOP/s", rms(&check)))
}

/// Runs `record` again and again; `scale` times the root mean square of the last result is the check.
fn repeated(device: &Device, record: impl Fn() -> Result<Tensor>, work: f64, unit: &'static str, scale: f64) -> Result<Found> {
    let mut last = None;
    let mut once = || {
        let result = record()?;
        device.run([&result])?;
        last = Some(result);
        device.wait()
    };
    once()?;
    once()?;
    let samples = sample(1, &mut once)?;
    let check = scale * rms(&last.map_or(Ok(vec![]), |result| result.to_vec())?);
    Ok(Found::new(samples, work, unit, check))
}

/// Both learn from the same batches in the same order; the second is what a step costs without any library.
fn repetition(device: &Device, batch: usize) -> anyhow::Result<Found> {
    let cards = repetition::cards(10_000, &repetition::truth(), 1)?;
    let batches = repetition::batches(device, &cards, batch, 1)?;
    let reviews = batches.iter().map(repetition::Reviews::new).collect::<Result<Vec<_>>>()?;
    let plain: Vec<Vec<Review>> = (0..cards.len())
        .map(|card| cards.get(card).unwrap_or_default().chunks_exact(2).map(|review| (review[0], review[1] as u8)).collect())
        .collect();
    let rows = batches.iter().map(|batch| batch.rows.iter().map(|&row| &plain[row as usize][..]).collect());
    let rows: Vec<Vec<&[Review]>> = rows.collect();
    let theta = repetition::parameter(device, &repetition::guess());
    let mut opt = Adam::new([theta.clone()], 0.02);
    let mut by_hand = ByHand::new(repetition::guess(), 0.02);
    let mut check = 0.0;
    for step in 0..20 {
        let at = step % batches.len();
        let loss = reviews[at].loss(&theta);
        opt.step(loss.backward())?;
        check = f64::from(loss.item()?);
        let other = f64::from(by_hand.step(&rows[at]));
        anyhow::ensure!((check - other).abs() <= 1e-3 * other, "step {step}: loss {check}, by hand {other}");
    }
    for (i, (found, other)) in theta.to_vec::<f32>()?.into_iter().zip(by_hand.theta).enumerate() {
        anyhow::ensure!((found - other).abs() <= 5e-3, "parameter {i}: {found}, by hand {other}");
    }
    // An epoch at a time, or a part of one where it is long.
    let per = batches.len().min(100);
    let samples = sample(per, || {
        let mut last = None;
        for reviews in &reviews[..per] {
            let loss = reviews.loss(&theta);
            opt.step(loss.backward())?;
            last = Some(loss);
        }
        last.map_or(Ok(0.0), |loss| loss.item()).map(|_| ())
    })?;
    let plain = sample(per, || {
        for rows in &rows[..per] {
            std::hint::black_box(by_hand.step(rows));
        }
        Ok(())
    })?;
    Ok(Found { by_hand: plain, ..Found::new(samples, 1.0, "steps/s", check) })
}

/// The middle of some times.
fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    (times[(times.len() - 1) / 2] + times[times.len() / 2]) / 2.0
}

fn workload(device: &Device, name: &str, started: f64) -> anyhow::Result<Found> {
    if let Some(n) = name.strip_prefix("sgemm_") {
        return Ok(sgemm(device, n.parse().context("size of sgemm_N")?)?);
    }
    if let Some(millions) = name.strip_prefix("elementwise_").and_then(|n| n.strip_suffix('m')) {
        let count = millions.parse::<usize>().context("size of elementwise_Nm")? << 20;
        let [x, w, b] = [1, 2, 3].map(|seed| device.tensor(&numbers(seed, count, 2.0), count));
        return Ok(repeated(device, || Ok(no_grad(|| (&x * &w + &b).relu())), 16e-9 * count as f64, "GB/s", 1.0)?);
    }
    if let Some(size) = name.strip_prefix("softmax_ce") {
        let size = size.strip_prefix('_').unwrap_or("4096x1000");
        let (rows, classes) = size.split_once('x').context("size of softmax_ce_ROWSxCLASSES")?;
        let (rows, classes) = (rows.parse::<usize>()?, classes.parse::<usize>()?);
        let x = device.parameter(&numbers(1, rows * classes, 8.0), [rows, classes]);
        let y = device.tensor(&labels(2, rows, classes as u32), rows);
        return Ok(repeated(device, || x.cross_entropy(&y).backward().wrt(&x), 1.0, "iterations/s", 1e6)?);
    }
    if let Some(batch) = name.strip_prefix("repetition_b") {
        return repetition(device, batch.parse().context("batch of repetition_bB")?);
    }
    if let Some(task) = name.strip_prefix("cold_") {
        let check = Task::new(device, task)?.steps(1)?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs_f64();
        return Ok(Found::new(vec![(now - started) * 1e3], 1.0, "starts/s", check));
    }
    let mut task = Task::new(device, name)?;
    let (warm, per) = if name.starts_with("cnn") { (5, 10) } else { (20, 50) };
    let check = task.steps(warm)?;
    Ok(Found::new(sample(per, || task.steps(per).map(|_| ()))?, 1.0, "steps/s", check))
}

/// A figure of `/proc`, where there is one: the first word after `start`.
fn proc(file: &str, start: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{file}")).unwrap_or_default();
    text.lines().find_map(|l| l.strip_prefix(start)).and_then(|l| l.split_whitespace().next()).unwrap_or_default().to_owned()
}
fn main() -> std::process::ExitCode {
    common::run(measure)
}

fn measure() -> anyhow::Result<()> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64();
    let started = std::env::var("PEER_START_NS").ok().and_then(|v| v.parse::<f64>().ok()).map_or(now, |ns| ns * 1e-9);
    let (mut device, mut switches, mut name) = (None, Switches::default(), None);
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        use lexopt::prelude::*;
        match arg {
            Long("device") => device = Some(parser.value()?.string()?),
            Long("switches") => switches = parser.value()?.string()?.parse()?,
            Value(value) if name.is_none() => name = Some(value.string()?),
            Long("help") => {
                println!("peer --device cpu|gpu|gpu:NAME [--switches fuse=off,…] WORKLOAD (see the head of the source)");
                return Ok(());
            }
            other => bail!("{}; try --help", other.unexpected()),
        }
    }
    let name = name.context("which workload? For example: peer --device cpu mlp_b64")?;
    let device = device.map_or_else(Device::best, |device| Device::named(&device))?;
    device.set_switches(switches);
    let Found { mut samples, work, unit, check, mut by_hand } = workload(&device, &name, started)?;
    let median_ms = median(&mut samples);
    let mut line = serde_json::json!({
        "peer": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION"), "workload": name, "device": device.to_string(),
        "median_ms": median_ms, "min_ms": samples[0], "throughput": work / median_ms * 1e3, "throughput_best": work / samples[0] * 1e3,
        "unit": unit, "samples": samples.len(), "check": check, "load1": proc("loadavg", ""),
        "peak_rss_mb": proc("self/status", "VmHWM:").parse::<f64>().map_or(f64::NAN, |kb| (kb / 102.4).round() / 10.0),
    });
    if !by_hand.is_empty() {
        line["by_hand_ms"] = median(&mut by_hand).into();
        line["by_hand_min_ms"] = by_hand[0].into();
    }
    println!("{line}");
    Ok(())
}
