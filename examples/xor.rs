//! XOR, the smallest problem no straight line solves: two inputs, eight hidden units, one output.

mod common;

use steepest::nn::{Activation, Linear, Module, Sequential};
use steepest::optim::{Adam, Optimizer};
use steepest::plot;

fn main() -> std::process::ExitCode {
    common::run(example)
}

fn example() -> anyhow::Result<()> {
    let args = common::Args::parse("XOR by a network with one hidden layer", 500)?;
    let output = args.output()?;
    let device = args.device()?;

    let x = device.tensor(&[0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0], [4, 2]);
    let y = device.tensor(&[0.0, 1.0, 1.0, 0.0], [4, 1]);
    let model = Sequential::new()
        .add(Linear::new(&device, 2, 8, args.seed))
        .add(Activation::Tanh)
        .add(Linear::new(&device, 8, 1, args.seed + 1))
        .add(Activation::Sigmoid);
    let mut opt = Adam::new(model.parameters(), 0.05);

    for epoch in 0..args.epochs {
        let loss = model.forward(&x).mse(&y);
        opt.step(loss.backward())?;
        if (epoch + 1) % 100 == 0 {
            println!("epoch {:>4}  loss {:.5}", epoch + 1, loss.item()?);
        }
    }
    for (pair, p) in ["0 xor 0", "0 xor 1", "1 xor 0", "1 xor 1"].iter().zip(model.forward(&x).to_vec::<f32>()?) {
        println!("{pair} = {p:.3}");
    }

    let classify = |points: &[[f32; 2]]| {
        let p = model.forward(&device.tensor(points.as_flattened(), [points.len(), 2])).to_vec::<f32>()?;
        Ok(p.into_iter().map(|p| u32::from(p > 0.5)).collect())
    };
    let figure = plot::decision_boundary(
        "XOR: what the network says of the square",
        (-0.5, 1.5),
        (-0.5, 1.5),
        100,
        classify,
        &["0", "1"],
    )?;
    let figure = figure.labels("x₁", "x₂").points("0", [(0.0, 0.0), (1.0, 1.0)]).points("1", [(0.0, 1.0), (1.0, 0.0)]);
    output.picture("xor.svg", |path| figure.save(path))?;
    Ok(())
}
