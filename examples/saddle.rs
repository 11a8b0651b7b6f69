//! A saddle found, recognised and left: y = w₁ w₂ x fitted to the point (1, 1). At w = 0 the gradient vanishes, but it is no minimum.

mod common;

use steepest::critical::{CriticalPoint, examine};
use steepest::optim::{Optimizer, Sgd};
use steepest::{Device, Result, Tensor};

/// (1 − w₁ w₂)²
fn loss(w: &[Tensor; 2]) -> Tensor {
    (1.0 - &w[0] * &w[1]).square().sum(&[])
}

/// Gradient descent, then a look at where it ended.
fn descend(w: &[Tensor; 2], steps: usize) -> Result<CriticalPoint> {
    let mut opt = Sgd::new(w.clone(), 0.1);
    for _ in 0..steps {
        opt.step(loss(w).backward())?;
    }
    examine(&loss(w), &[&w[0], &w[1]])
}

fn report(device: &Device, what: &str, w: &[Tensor; 2], point: &CriticalPoint) -> Result<()> {
    device.run(w)?;
    println!("{what}: w = ({:.4}, {:.4})\n{point}\n", w[0].item()?, w[1].item()?);
    Ok(())
}

fn main() -> std::process::ExitCode {
    common::run(example)
}

fn example() -> anyhow::Result<()> {
    let args = common::Args::parse("Finds a saddle and leaves it", 60)?;
    let device = args.device()?;

    // On the line w₁ = −w₂ the gradient points straight at the saddle: descent goes there and stays.
    let w = [device.parameter(&[0.6], 1), device.parameter(&[-0.6], 1)];
    let stuck = descend(&w, args.epochs)?;
    report(&device, "gradient descent stops", &w, &stuck)?;

    // A small step along the eigenvector of the negative eigenvalue, and descent goes on.
    stuck.leave(&[&w[0], &w[1]], 0.1)?;
    let free = descend(&w, args.epochs)?;
    report(&device, "after leaving the saddle", &w, &free)?;
    println!("loss: {:.4} at the saddle, {:.6} now", stuck.loss, free.loss);
    Ok(())
}
