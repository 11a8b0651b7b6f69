//! MNIST: 60,000 handwritten digits of 28×28 pixels, learned by a network 784-256-128-10.

mod common;

use anyhow::Context;
use steepest::data::{self, DataLoader};
use steepest::nn::{self, Module};
use steepest::optim::{Adam, Optimizer};

fn main() -> std::process::ExitCode {
    common::run(example)
}

fn example() -> anyhow::Result<()> {
    let args = common::Args::parse("MNIST by a multi-layer perceptron; needs --data DIR with the four IDX files", 8)?;
    let folder = args.data.clone().context(
        "this needs MNIST, four IDX files, published at yann.lecun.com/exdb/mnist; say where it is with --data DIR (or the variable \
        STEEPEST_DATA)",
    )?;
    let nested = folder.join("mnist");
    let (train, test) = data::mnist(if nested.is_dir() { nested } else { folder })?;
    let device = args.device()?;
    println!("data: {} images to learn, {} to be tested on", train.len(), test.len());
    let loader = DataLoader::new(&train, 128).shuffle(args.seed).on_device(&device)?;
    let held_out = DataLoader::new(&test, 1000).on_device(&device)?;

    let model = nn::mlp(&device, &[784, 256, 128, 10], args.seed);
    println!("\n{}\n", nn::summary(&model, &device, [128, 784])?);
    let mut opt = Adam::new(model.parameters(), 1e-3);
    let steps = args.epochs * loader.len();

    for epoch in 0..args.epochs {
        let bar = common::bar(epoch, args.epochs, loader.len());
        let mut losses = vec![];
        for (i, batch) in loader.epoch().enumerate() {
            // The rate falls along half a cosine, so that the last steps settle.
            let done = (epoch * loader.len() + i) as f64 / steps as f64;
            opt.set_lr(5e-4 * (1.0 + (std::f64::consts::PI * done).cos()) + 1e-6);
            let loss = model.forward(&batch.x).cross_entropy(&batch.y);
            opt.step(loss.backward())?;
            losses.push(loss);
            bar.inc(1);
        }
        let mean = losses.iter().map(|l| l.item()).sum::<Result<f32, _>>()? / losses.len() as f32;
        bar.finish_and_clear();
        let accuracy = common::evaluate(&model, &held_out, 10)?.accuracy();
        println!("epoch {:>2}  loss {mean:.4}  test accuracy {:.2} %", epoch + 1, 100.0 * accuracy);
    }

    let matrix = common::evaluate(&model, &held_out, 10)?;
    println!("\nrows: the digit shown, columns: the digit seen\n{matrix}");
    common::figures(&[("accuracy", 100.0 * matrix.accuracy())]);
    println!("test accuracy: {:.2} %", 100.0 * matrix.accuracy());
    Ok(())
}
