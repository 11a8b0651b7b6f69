//! The step of a 784-256-128-10 network with each optimisation switched off in turn: a table. What one brings is the ratio to the first line.
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
    fn new(name: String, device: Device, switches: Switches, rows: usize) -> Result<Line> {
        device.set_switches(switches);
        let model = nn::mlp(&device, &[784, 256, 128, 10], 1);
        let x = device.tensor(&common::numbers(rows * 784, 1), [rows, 784]);
        let labels = device.tensor(&(0..rows as u32).map(|i| i % 10).collect::<Vec<_>>(), rows);
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

fn main() -> Result<()> {
    let rows = common::sized(64, 4);
    let (rounds, steps) = common::sized((25, 10), (1, 2));
    for (kind, device) in common::devices() {
        let name = if kind == "cpu" { "cpu".to_owned() } else { device.name().to_owned() };
        let mut lines = vec![Line::new("everything on".to_owned(), device, Switches::default(), rows)?];
        for switch in Switches::NAMES {
            let switches = Switches::without(switch).unwrap_or_default();
            lines.push(Line::new(format!("{switch} off"), Device::named(&name)?, switches, rows)?);
        }
        let all_off = Switches::NAMES.map(|switch| format!("{switch}=off")).join(",").parse()?;
        lines.push(Line::new("everything off".to_owned(), Device::named(&name)?, all_off, rows)?);
        let mut losses = vec![];
        for round in 0..=rounds {
            losses.clear();
            for line in &mut lines {
                losses.push(line.run(steps)?);
                if round == 0 {
                    // The first compiles.
                    line.times.clear();
                }
            }
        }
        println!("\n784-256-128-10, {rows} rows, SGD with momentum, on {name}: median of {rounds} × {steps} steps");
        println!(
            "{:<18} {:>10} {:>6} {:>10} {:>6} {:>11} {:>11} {:>10}",
            "", "median ms", "ratio", "best ms", "ratio", "dispatches", "slot bytes", "last loss"
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
            println!(
                "{:<18} {:>10.4} {ratio:>6.2} {:>10.4} {ratio_best:>6.2} {dispatches:>11} {bytes:>11} {loss:>10.6}",
                line.name,
                median * 1e3,
                best * 1e3
            );
        }
        assert!(losses.iter().all(|loss| (loss - losses[0]).abs() < 1e-3 * losses[0].abs()), "the answers differ: {losses:?}");
    }
    Ok(())
}
