//! A saddle found, recognised and left: y = w₁ w₂ x fitted to the point (1, 1). At w = 0 the gradient vanishes, but it is no minimum.

mod common;

use steepest::critical::{CriticalPoint, examine};
use steepest::optim::{Optimizer, Sgd};
use steepest::plot::{self, Field, Figure, Panels};
use steepest::{Device, Result, Tensor};

/// (1 − w₁ w₂)²
fn loss(w: &[Tensor; 2]) -> Tensor {
    (1.0 - &w[0] * &w[1]).square().sum(&[])
}

/// Gradient descent, then a look at where it ended; and the way there.
fn descend(w: &[Tensor; 2], steps: usize) -> Result<(CriticalPoint, Vec<(f64, f64)>)> {
    let mut opt = Sgd::new(w.clone(), 0.1);
    let place = || Ok((w[0].item()?.into(), w[1].item()?.into()));
    let mut path = vec![place()?];
    for _ in 0..steps {
        opt.step(loss(w).backward())?;
        path.push(place()?);
    }
    Ok((examine(&loss(w), &[&w[0], &w[1]])?, path))
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
    let output = args.output()?;
    let device = args.device()?;

    // On the line w₁ = −w₂ the gradient points straight at the saddle: descent goes there and stays.
    let w = [device.parameter(&[0.6], 1), device.parameter(&[-0.6], 1)];
    let (stuck, to_saddle) = descend(&w, args.epochs)?;
    report(&device, "gradient descent stops", &w, &stuck)?;

    // A small step along the eigenvector of the negative eigenvalue, and descent goes on.
    stuck.leave(&[&w[0], &w[1]], 0.1)?;
    let (free, away) = descend(&w, args.epochs)?;
    report(&device, "after leaving the saddle", &w, &free)?;

    // Fine for the lines; coarser for the surface, of which each cell is drawn.
    let valley = |n: usize| Field::sample((-1.6, 1.6), (-1.6, 1.6), n, |a, b| (1.0 - a * b).powi(2));
    let contour = Figure::new("the way to the saddle, and out of it").labels("w₁", "w₂").contour(&valley(81)?);
    let contour = contour.path("descent to the saddle", to_saddle).path("after a step along the eigenvector", away);
    let surface = plot::surface("loss (1 − w₁ w₂)²", &valley(33)?).labels("w₁", "w₂");
    let panels = Panels::new(2, [surface, contour]).title("A saddle, and the way out");
    output.picture("saddle.svg", |path| panels.save(path))?;
    println!("loss: {:.4} at the saddle, {:.6} now", stuck.loss, free.loss);
    Ok(())
}
