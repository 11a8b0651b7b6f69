//! A straight line fitted by gradient descent: y = a x + b, mean squared error, nothing hidden.

mod common;

use steepest::optim::{Optimizer, Sgd};

fn main() -> std::process::ExitCode {
    common::run(example)
}

fn example() -> anyhow::Result<()> {
    let args = common::Args::parse("A straight line by gradient descent", 200)?;
    let device = args.device()?;

    // Points around y = 2 x + 1.
    let x = device.uniform(64, -1.0, 1.0, args.seed);
    let noise = device.normal(64, 0.0, 0.1, args.seed + 1);
    let y = (&x * 2.0 + 1.0 + noise).detach();
    device.run([&x, &y])?;

    let a = device.parameter(&[0.0], ());
    let b = device.parameter(&[0.0], ());
    let mut opt = Sgd::new([a.clone(), b.clone()], 0.3);
    for step in 0..args.epochs {
        let loss = (&a * &x + &b).mse(&y);
        opt.step(loss.backward())?;
        if (step + 1) % 40 == 0 {
            println!("step {:>3}  loss {:.5}  y = {:.3} x + {:.3}", step + 1, loss.item()?, a.item()?, b.item()?);
        }
    }
    println!("fitted: y = {:.3} x + {:.3}, drawn around y = 2 x + 1", a.item()?, b.item()?);
    Ok(())
}
