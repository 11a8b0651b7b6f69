//! Handwritten digits, 8×8 pixels: a network that learns 1,437 of them and is asked about 360 it has never seen.

mod common;

use steepest::data::{self, DataLoader};
use steepest::nn::{self, Module};
use steepest::optim::{Adam, Optimizer};

fn main() -> std::process::ExitCode {
    common::run(example)
}

fn example() -> anyhow::Result<()> {
    let args = common::Args::parse("Digit classification on the embedded 8x8 digits", 30)?;
    let device = args.device()?;

    // A fifth of every class is kept aside for the test.
    let (train, test) = data::digits()?.stratified_split(0.2, args.seed)?;
    println!("data: {} digits to learn, {} to be tested on", train.len(), test.len());
    let loader = DataLoader::new(&train, 32).shuffle(args.seed).on_device(&device)?;
    let held_out = DataLoader::new(&test, 360).on_device(&device)?;

    let model = nn::mlp(&device, &[64, 128, 64, 10], args.seed);
    println!("\n{}\n", nn::summary(&model, &device, [32, 64])?);
    let mut opt = Adam::w(model.parameters(), 2e-3);

    for epoch in 0..args.epochs {
        let bar = common::bar(epoch, args.epochs, loader.len());
        let mut losses = vec![];
        for batch in loader.epoch() {
            let loss = model.forward(&batch.x).cross_entropy(&batch.y);
            opt.step(loss.backward())?;
            losses.push(loss);
            bar.inc(1);
        }
        let mean = losses.iter().map(|l| l.item()).sum::<Result<f32, _>>()? / losses.len() as f32;
        bar.finish_and_clear();
        let accuracy = common::evaluate(&model, &held_out, 10)?.accuracy();
        println!("epoch {:>2}  loss {mean:.4}  held-out accuracy {:.2} %", epoch + 1, 100.0 * accuracy);
    }

    let matrix = common::evaluate(&model, &held_out, 10)?;
    println!("\nrows: the digit shown, columns: the digit seen\n{matrix}");
    common::figures(&[("accuracy", 100.0 * matrix.accuracy())]);
    println!("test accuracy: {:.2} %", 100.0 * matrix.accuracy());
    Ok(())
}
