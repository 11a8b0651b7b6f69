//! A straight line fitted by gradient descent: y = a x + b, mean squared error, nothing hidden.

mod common;

use steepest::optim::{Optimizer, Sgd};
use steepest::plot::{Field, Figure, Panels};

fn main() -> std::process::ExitCode {
    common::run(example)
}

fn example() -> anyhow::Result<()> {
    let args = common::Args::parse("A straight line by gradient descent", 200)?;
    let output = args.output()?;
    let device = args.device()?;

    // Points around y = 2 x + 1.
    let x = device.uniform(64, -1.0, 1.0, args.seed);
    let noise = device.normal(64, 0.0, 0.1, args.seed + 1);
    let y = (&x * 2.0 + 1.0 + noise).detach();
    device.run([&x, &y])?;

    let a = device.parameter(&[0.0], ());
    let b = device.parameter(&[0.0], ());
    let mut opt = Sgd::new([a.clone(), b.clone()], 0.3);
    let mut path = vec![(0.0, 0.0)];
    for step in 0..args.epochs {
        let loss = (&a * &x + &b).mse(&y);
        opt.step(loss.backward())?;
        path.push((a.item()?.into(), b.item()?.into()));
        if (step + 1) % 40 == 0 {
            println!("step {:>3}  loss {:.5}  y = {:.3} x + {:.3}", step + 1, loss.item()?, a.item()?, b.item()?);
        }
    }

    let points: Vec<(f64, f64)> =
        x.to_vec::<f32>()?.into_iter().zip(y.to_vec::<f32>()?).map(|(x, y)| (x.into(), y.into())).collect();
    let cost = |a: f64, b: f64| points.iter().map(|(x, y)| (a * x + b - y).powi(2)).sum::<f64>() / points.len() as f64;
    let (slope, offset) = path[path.len() - 1];
    let fit = Figure::new("points and the line").labels("x", "y").points("points", points.iter().copied());
    let fit = fit.line("y = a x + b", [-1.0, 1.0].map(|x| (x, slope * x + offset)));
    let valley = Field::sample((-0.5, 4.0), (-1.0, 3.0), 60, cost)?;
    let descent = Figure::new("mean squared error, and the way down").labels("a", "b").contour(&valley).path("descent", path);
    let panels = Panels::new(2, [fit, descent]).title("A line by gradient descent");
    output.picture("line.svg", |path| panels.save(path))?;
    println!("fitted: y = {:.3} x + {:.3}, drawn around y = 2 x + 1", a.item()?, b.item()?);
    Ok(())
}
