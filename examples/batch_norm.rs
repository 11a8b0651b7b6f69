//! Batch normalisation: a deep network that does not learn without it, learns with it; and why it keeps running statistics.

mod common;

use steepest::data::{self, DataLoader, Dataset, Labels};
use steepest::nn::{Activation::Relu, BatchNorm1d, Linear, Module, Sequential};
use steepest::optim::{Optimizer, Sgd};
use steepest::plot::{Figure, Panels};
use steepest::train::metrics::{Metric, Predictions, Score};
use steepest::{Device, Result, no_grad};

const HIDDEN_LAYERS: usize = 12;
const WIDTH: usize = 64;

fn main() -> std::process::ExitCode {
    common::run(example)
}

/// Linear layers with ReLUs between them, and a normalisation before each ReLU or not. Same seed, same weights at the start.
fn deep(device: &Device, normalised: bool, seed: u64) -> Sequential {
    let mut model = Sequential::new();
    for layer in 0..HIDDEN_LAYERS {
        let inputs = if layer == 0 { 64 } else { WIDTH };
        model = model.add(Linear::new(device, inputs, WIDTH, seed + 100 * layer as u64));
        if normalised {
            model = model.add(BatchNorm1d::new(device, WIDTH));
        }
        model = model.add(Relu);
    }
    model.add(Linear::new(device, WIDTH, 10, seed + 99))
}

/// Training loss and held-out accuracy, epoch by epoch.
type Curve = Vec<(f64, f64)>;

fn train(args: &common::Args, name: &str, model: &Sequential, loader: &DataLoader, test: &DataLoader) -> Result<Curve> {
    let mut opt = Sgd::new(model.parameters(), 0.02).momentum(0.9);
    let mut curve = vec![];
    for epoch in 1..=args.epochs {
        model.train();
        let mut losses = vec![];
        for batch in loader.epoch() {
            let loss = model.forward(&batch.x).cross_entropy(&batch.y);
            opt.step(loss.backward())?;
            losses.push(loss);
        }
        let loss = losses.iter().map(|loss| loss.item()).sum::<Result<f32>>()? / losses.len() as f32;
        let accuracy = Score::Accuracy.of(&Predictions::of(model, test)?)?;
        curve.push((f64::from(loss), accuracy));
        if epoch % 5 == 0 || epoch == args.epochs {
            println!("{name}: epoch {epoch:>2}  loss {loss:.4}  held-out accuracy {:.2} %", 100.0 * accuracy);
        }
    }
    Ok(curve)
}

/// Accuracy on batches of one digit each, in the mode the model is in: with a batch's own statistics, or with the running ones.
fn one_digit_at_a_time(model: &Sequential, device: &Device, test: &Dataset) -> Result<f64> {
    let Labels::Classes(classes, _) = test.labels() else { return Ok(f64::NAN) };
    let mut right = 0;
    for digit in 0..10 {
        let rows: Vec<usize> = (0..test.len()).filter(|&row| classes[row] == digit).collect();
        let batch = test.subset(&rows)?;
        let x = device.tensor(batch.features(), [batch.len(), 64]);
        let read = no_grad(|| model.forward(&x).argmax(1)).to_vec::<u32>()?;
        right += read.iter().filter(|&&class| class == digit).count();
    }
    Ok(right as f64 / test.len() as f64)
}

fn example() -> anyhow::Result<()> {
    let args = common::Args::parse("a network of 12 hidden layers on digits, with and without batch normalisation", 30)?;
    let output = args.output()?;
    let device = args.device()?;
    let digits = data::digits()?;
    let rows: Vec<usize> = (0..digits.len()).collect();
    let (learn, test) = (digits.subset(&rows[..args.rows(1437)])?, digits.subset(&rows[1437..])?);
    let loader = DataLoader::new(&learn, 32).shuffle(args.seed).drop_last(true).on_device(&device)?;
    let held_out = DataLoader::new(&test, 360).on_device(&device)?;

    let mut curves = vec![];
    let (without, with) = (deep(&device, false, args.seed), deep(&device, true, args.seed));
    for (name, model) in [("without", &without), ("with batch normalisation", &with)] {
        curves.push((name, train(&args, name, model, &loader, &held_out)?));
    }

    // At test time an answer must not depend on the other rows of the batch: the statistics gathered while learning serve.
    let running = one_digit_at_a_time(&with, &device, &test)?;
    with.train();
    let of_batch = one_digit_at_a_time(&with, &device, &test)?;
    println!("\nheld-out digits, all of one kind in a batch: {:.2} % right with running statistics,", 100.0 * running);
    println!("{:.2} % with those of the batch itself: what tells one digit from another was subtracted", 100.0 * of_batch);

    let part = |title: &str, y: &str, of: fn(&(f64, f64)) -> f64| {
        curves.iter().fold(Figure::new(title).labels("epoch", y), |figure, (name, curve)| {
            figure.line(*name, curve.iter().enumerate().map(|(i, record)| (i as f64 + 1.0, of(record))))
        })
    };
    let title = format!("{HIDDEN_LAYERS} hidden layers, SGD");
    let loss = part(&title, "training loss (nats)", |record| record.0);
    let accuracy = part("Digits of other writers", "held-out accuracy (%)", |record| 100.0 * record.1);
    output.picture("batch_norm.svg", |path| Panels::new(2, [loss, accuracy]).save(path))?;

    let last = |i: usize| curves[i].1.last().map_or(f64::NAN, |record| 100.0 * record.1);
    common::figures(&[("accuracy", last(1)), ("without", last(0)), ("running", 100.0 * running), ("of_batch", 100.0 * of_batch)]);
    println!("without batch normalisation: {:.2} %", last(0));
    println!("test accuracy: {:.2} %", last(1));
    Ok(())
}
