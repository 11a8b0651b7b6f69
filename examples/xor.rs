//! XOR, the smallest problem no straight line solves: two inputs, eight hidden units, one output.

mod common;

use steepest::nn::{Activation, Linear, Module, Sequential};
use steepest::optim::{Adam, Optimizer};

fn main() -> std::process::ExitCode {
    common::run(example)
}

fn example() -> anyhow::Result<()> {
    let args = common::Args::parse("XOR by a network with one hidden layer", 500)?;
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
    Ok(())
}
