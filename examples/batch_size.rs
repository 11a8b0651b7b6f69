//! Batch size: all rows, 32, and a single row at a time; steps, time and held-out accuracy of each.

mod common;

use std::time::Instant;
use steepest::data::{self, DataLoader, Prepare};
use steepest::nn::{self, Module};
use steepest::optim::{Optimizer, Sgd};
use steepest::plot::{Figure, Panels};

fn main() -> std::process::ExitCode {
    common::run(example)
}

fn example() -> anyhow::Result<()> {
    let args = common::Args::parse("Full, mini and single-row batches compared", 15)?;
    let output = args.output()?;
    let table = args.table("breast_cancer.csv", &["diagnosis"])?;
    let device = args.device()?;
    let (classes, names) = table.classes("diagnosis")?;
    let (train, _, test) = table.parts(&data::stratified_parts(&classes, 0.0, 0.25, args.seed)?)?;
    let (train, test) = common::prepare(&Prepare::new().target("diagnosis"), &train, &test)?;
    let held_out = DataLoader::full_batch(&test).on_device(&device)?;

    println!("\n{} rows to learn from, {} held out, {} epochs of SGD at rate 0.05", train.len(), test.len(), args.epochs);
    let mut reached = vec![];
    println!("{:<12} {:>13} {:>8} {:>9} {:>9} {:>18}", "batch", "steps/epoch", "steps", "seconds", "loss", "held-out accuracy");
    let by = |title: &str, x: &str, y: &str| Figure::new(title).labels(x, y);
    let mut figures = [
        by("loss by epoch: the same rows seen", "epoch", "mean cross-entropy"),
        by("loss by step: the same number of updates", "step", "cross-entropy of the batch").log_x(),
        by("loss by time", "seconds", "mean cross-entropy").log_x(),
        by("held out, by epoch", "epoch", "accuracy"),
    ];
    let mut ends = vec![];
    for (name, size) in [("all rows", train.len()), ("32 rows", 32), ("one row", 1)] {
        // All three take the same rows in the same order and start from the same weights.
        let loader = DataLoader::new(&train, size).shuffle(args.seed).on_device(&device)?;
        let model = nn::mlp(&device, &[train.row_len(), 16, names.len()], args.seed);
        let mut opt = Sgd::new(model.parameters(), 0.05);
        let (mut by_step, mut by_epoch, mut by_time, mut accuracies) = (vec![], vec![], vec![], vec![]);
        let mut seconds = 0.0;
        for epoch in 1..=args.epochs {
            let (start, mut losses) = (Instant::now(), vec![]);
            for batch in loader.epoch() {
                let loss = model.forward(&batch.x).cross_entropy(&batch.y);
                opt.step(loss.backward())?;
                losses.push(loss);
            }
            device.wait()?;
            seconds += start.elapsed().as_secs_f64();
            let losses = losses.iter().map(|loss| loss.item().map(f64::from)).collect::<Result<Vec<_>, _>>()?;
            let mean = losses.iter().sum::<f64>() / losses.len() as f64;
            by_step.extend(losses);
            by_epoch.push((epoch as f64, mean));
            by_time.push((seconds, mean));
            accuracies.push((epoch as f64, common::evaluate(&model, &held_out, names.len())?.accuracy()));
        }
        let (steps, last) = (by_step.len(), accuracies.last().map_or(0.0, |(_, a)| *a));
        let loss = by_epoch.last().map_or(f64::NAN, |(_, loss)| *loss);
        println!("{name:<12} {:>13} {steps:>8} {seconds:>9.3} {loss:>9.4} {:>16.2} %", loader.len(), 100.0 * last);
        ends.push(format!("{:.2} % with {name}", 100.0 * last));
        reached.push(100.0 * last);
        // A single row's loss says little: every point is the mean of a hundredth of the steps.
        let bundle = steps.div_ceil(100).max(1);
        let smooth = by_step
            .chunks(bundle)
            .enumerate()
            .map(|(i, part)| ((i * bundle + part.len()) as f64, part.iter().sum::<f64>() / part.len() as f64));
        let [epochs, each, times, unseen] = figures;
        figures =
            [epochs.line(name, by_epoch), each.line(name, smooth), times.line(name, by_time), unseen.line(name, accuracies)];
    }
    let panels = Panels::new(2, figures).title("Batch size: few good steps or many noisy ones");
    output.picture("batch_size.svg", |path| panels.save(path))?;
    common::figures(&[("all_rows", reached[0]), ("rows_32", reached[1]), ("one_row", reached[2])]);
    println!("held-out accuracy: {}", ends.join(", "));
    Ok(())
}
