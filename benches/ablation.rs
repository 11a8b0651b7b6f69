//! The steps of a 784-256-128-10 network and of small ones with each optimisation switched off in turn: a table for each. What one brings is the
//! ratio to the first line.
//!
//! All lines are measured in turns, round by round, so that other work on the machine weighs on all of them alike.

mod common;

use std::time::Instant;
use steepest::nn::{self, Module};
use steepest::optim::{Optimizer, Sgd};
use steepest::plan::Switches;
use steepest::{Device, Result, Tensor};

/// A model in training on a device of its own, so that plans and buffers of one line are not another's.
struct Line {
    name: String,
    device: Device,
    step: Box<dyn FnMut() -> Result<Tensor>>,
    times: Vec<f64>,
}

impl Line {
    fn new(name: String, device: Device, switches: Switches, rows: usize, sizes: &[usize]) -> Result<Line> {
        device.set_switches(switches);
        let (inputs, classes) = (sizes[0], sizes[sizes.len() - 1]);
        let model = nn::mlp(&device, sizes, 1);
        let x = device.tensor(&common::numbers(rows * inputs, 1), [rows, inputs]);
        let labels = device.tensor(&(0..rows as u32).map(|i| i % classes as u32).collect::<Vec<_>>(), rows);
        let mut optimizer = Sgd::new(model.parameters(), 0.01).momentum(0.9);
        let step = move || {
            let loss = model.forward(&x).cross_entropy(&labels);
            optimizer.step(loss.backward())?;
            Ok(loss)
        };
        Ok(Line { name, device, step: Box::new(step), times: vec![] })
    }

    /// Some steps, and the loss of the last.
    fn run(&mut self, steps: usize) -> Result<f32> {
        let start = Instant::now();
        for _ in 1..steps {
            (self.step)()?;
        }
        let loss = (self.step)()?.item()?;
        self.times.push(start.elapsed().as_secs_f64() / steps as f64);
        Ok(loss)
    }
}

/// All lines of one network on a device.
fn table(kind: &str, device: &Device, rows: usize, sizes: &[usize]) -> Result<()> {
    let (rounds, steps) = common::sized((25, 10), (1, 2));
    // Small dispatches are merged after 256 runs.
    let warm = common::sized(300, 2);
    let name = if kind == "cpu" { "cpu".to_owned() } else { device.name().to_owned() };
    let line = |title: String, switches: Switches| Line::new(title, Device::named(&name)?, switches, rows, sizes);
    let mut lines = vec![line("everything on".to_owned(), Switches::default())?];
    for switch in Switches::NAMES {
        lines.push(line(format!("{switch} off"), Switches::without(switch).unwrap_or_default())?);
    }
    let all_off = Switches::NAMES.map(|switch| format!("{switch}=off")).join(",").parse()?;
    lines.push(line("everything off".to_owned(), all_off)?);
    let mut losses = vec![];
    for round in 0..=rounds {
        losses.clear();
        for line in &mut lines {
            losses.push(line.run(if round == 0 { warm } else { steps })?);
            if round == 0 {
                line.times.clear();
            }
        }
    }
    let network = sizes.iter().map(usize::to_string).collect::<Vec<_>>().join("-");
    println!("\n{network}, {rows} rows, SGD with momentum, on {name}: median of {rounds} × {steps} steps");
    println!(
        "{:<18} {:>10} {:>6} {:>10} {:>6} {:>11} {:>9} {:>11} {:>10}",
        "", "median µs", "ratio", "best µs", "ratio", "dispatches", "encoded", "slot bytes", "last loss"
    );
    let mut base = None;
    for (line, loss) in lines.iter_mut().zip(&losses) {
        line.times.sort_by(f64::total_cmp);
        let median = line.times.get(line.times.len() / 2).copied().unwrap_or(f64::NAN);
        // Other work only ever adds time: the best says most on a busy machine.
        let best = line.times.first().copied().unwrap_or(f64::NAN);
        let (base_median, base_best) = *base.get_or_insert((median, best));
        let (ratio, ratio_best) = (median / base_median, best / base_best);
        let (dispatches, bytes) = line.device.last_plan().map_or((0, 0), |plan| (plan.dispatches.len(), plan.slot_bytes()));
        // What a step hands to the GPU, once small dispatches are merged.
        let count = |line: &Line| line.device.as_gpu().map_or(0, |gpu| gpu.counts().dispatches);
        let before = count(line);
        line.run(1)?;
        let encoded = count(line) - before;
        println!(
            "{:<18} {:>10.1} {ratio:>6.2} {:>10.1} {ratio_best:>6.2} {dispatches:>11} {encoded:>9} {bytes:>11} {loss:>10.6}",
            line.name,
            median * 1e6,
            best * 1e6
        );
    }
    assert!(losses.iter().all(|loss| (loss - losses[0]).abs() < 1e-3 * losses[0].abs()), "the answers differ: {losses:?}");
    Ok(())
}

fn main() -> Result<()> {
    for (kind, device) in common::devices() {
        table(kind, &device, common::sized(64, 4), &[784, 256, 128, 10])?;
        for (rows, sizes) in [(16, &[2, 8, 2][..]), (32, &[4, 16, 3]), (64, &[13, 32, 3]), (64, &[32, 64, 10])] {
            table(kind, &device, rows, sizes)?;
        }
    }
    Ok(())
}
