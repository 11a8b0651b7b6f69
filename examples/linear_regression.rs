//! Linear regression: miles per gallon by a car's weight, then by six features; cost, learning rate, feature scaling, normal equation.

mod common;

use anyhow::Context;
use steepest::data::{self, Dataset, Prepare, Scale, Task};
use steepest::optim::{Optimizer, Sgd};
use steepest::plot::{self, Field, Figure, Panels};
use steepest::train::metrics::r2;
use steepest::{Device, Tensor};

/// Rows of a data set as X [m, n + 1], whose first column is ones, and y [m, 1].
fn tensors(device: &Device, rows: &Dataset) -> anyhow::Result<(Tensor, Tensor)> {
    let x = device.tensor(rows.features(), [rows.len(), rows.row_len()]);
    Ok((device.ones([rows.len(), 1]).cat(&[&x], 1), device.tensor(common::values(rows)?, [rows.len(), 1])))
}

/// Gradient descent on J(θ) = 1/2m Σ (h(x) − y)² with h(x) = θ₀ + θ₁ x₁ + …, from a start: θ there and after each step.
fn descend(x: &Tensor, y: &Tensor, start: &[f32], rate: f64, steps: usize) -> anyhow::Result<Vec<Vec<f64>>> {
    let theta = x.device().parameter(start, [start.len(), 1]);
    let mut opt = Sgd::new([theta.clone()], rate);
    let mut path = vec![start.iter().map(|&t| f64::from(t)).collect()];
    for _ in 0..steps {
        let cost = x.matmul(&theta).mse(y) * 0.5;
        opt.step(cost.backward())?; // θ ← θ − rate · ∂J/∂θ
        path.push(theta.to_vec::<f32>()?.into_iter().map(f64::from).collect());
    }
    Ok(path)
}

/// J(θ₀, θ₁) of points (x, y) in plain Rust, for the pictures.
fn cost(points: &[(f64, f64)], t0: f64, t1: f64) -> f64 {
    points.iter().map(|(x, y)| (t0 + t1 * x - y).powi(2)).sum::<f64>() / (2 * points.len()) as f64
}

/// R² on rows that were not learned: the share of the variance that is explained.
fn held_out((x, y): &(Tensor, Tensor), theta: &[f64]) -> anyhow::Result<f64> {
    let theta: Vec<f32> = theta.iter().map(|&t| t as f32).collect();
    let predicted = x.matmul(&x.device().tensor(&theta, [theta.len(), 1]));
    Ok(r2(&predicted.to_vec::<f32>()?, &y.to_vec::<f32>()?, 1)?)
}

fn main() -> std::process::ExitCode {
    common::run(example)
}

fn example() -> anyhow::Result<()> {
    let args = common::Args::parse("Linear regression by gradient descent and by the normal equation", 200)?;
    let output = args.output()?;
    let columns = ["weight", "cylinders", "displacement", "horsepower", "acceleration", "model_year"];
    let table = args.table("mpg.csv", &[&columns[..], &["mpg"]].concat())?;
    let device = args.device()?;
    let (train, _, test) = table.parts(&data::random_parts(table.len(), 0.0, 0.25, args.seed)?)?;
    let prepared = |columns: &[&str], scale: Scale| {
        let settings = Prepare::new().only(columns.to_vec()).target("mpg").task(Task::Regression).was_missing(false);
        common::prepare(&settings.scale(scale).scale_target(false), &train, &test)
    };

    let mut by_weight = None;
    // One variable: h(x) = θ₀ + θ₁ x. In pounds J is a ravine: a rate small enough for θ₁ leaves θ₀ where it is. Scaled, J is a bowl.
    println!("\nmiles per gallon = θ₀ + θ₁ · weight, {} steps of gradient descent", args.epochs);
    println!("{:<28} {:>8} {:>10} {:>10} {:>12} {:>9}", "", "rate", "θ₀", "θ₁", "cost J", "R² unseen");
    let row = |name: &str, rate: &str, theta: &[f64], cost: f64, r2: f64| {
        println!("{name:<28} {rate:>8} {:>10.3} {:>10.5} {cost:>12.4} {r2:>9.3}", theta[0], theta[1]);
    };
    let mut panels = vec![];
    for (unit, scale, (range0, range1), rates) in [
        ("in pounds", Scale::None, ((-10.0, 60.0), (-0.012, 0.02)), &[("rate 1e-7", 1e-7, [0.0, 0.0])][..]),
        (
            "scaled",
            Scale::Standard,
            ((-20.0, 70.0), (-45.0, 45.0)),
            &[("too small", 0.02, [-10.0, -30.0]), ("right", 0.3, [-10.0, 30.0]), ("too large", 2.02, [50.0, 10.0])],
        ),
    ] {
        let (rows, unseen) = prepared(&columns[..1], scale)?;
        let points: Vec<(f64, f64)> =
            rows.features().iter().zip(common::values(&rows)?).map(|(x, y)| ((*x).into(), (*y).into())).collect();
        let ((x, y), unseen) = (tensors(&device, &rows)?, tensors(&device, &unseen)?);
        let bowl = Field::sample(range0, range1, 120, |t0, t1| cost(&points, t0, t1))?;
        let mut contour = Figure::new(format!("cost J(θ₀, θ₁), weight {unit}")).labels("θ₀", "θ₁").contour(&bowl);
        let mut curves = Figure::new(format!("cost by step, weight {unit}")).labels("step", "J").log_y();
        for (how, rate, start) in rates {
            let path = descend(&x, &y, start, *rate, args.epochs)?;
            let end = &path[path.len() - 1];
            row(&format!("{unit}, {how}"), &rate.to_string(), end, cost(&points, end[0], end[1]), held_out(&unseen, end)?);
            let inside = |t: &&Vec<f64>| (range0.0..=range0.1).contains(&t[0]) && (range1.0..=range1.1).contains(&t[1]);
            contour = contour.path(*how, path.iter().take_while(inside).map(|t| (t[0], t[1])));
            curves = curves.line(*how, path.iter().enumerate().map(|(step, t)| (step as f64, cost(&points, t[0], t[1]))));
        }
        let best = common::normal_equation(&x, &y, 0.0)?;
        row(&format!("{unit}, normal equation"), "", &best, cost(&points, best[0], best[1]), held_out(&unseen, &best)?);
        panels.extend([contour.points("normal equation", [(best[0], best[1])]), curves]);
        if scale == Scale::Standard {
            by_weight = Some(held_out(&unseen, &best)?);
            let ends = [-2.5, 3.0].map(|x| (x, best[0] + best[1] * x));
            let line = Figure::new("cars and the line").labels("weight (standard deviations from the mean)", "miles per gallon");
            panels.push(line.points("cars", points.iter().copied()).line("h(x) = θ₀ + θ₁ x", ends));
            let surface =
                plot::surface("cost J(θ₀, θ₁): a bowl with one lowest point", &bowl).labels("θ₀", "θ₁").value_label("J");
            output.picture("cost_surface.svg", |path| surface.save(path))?;
        }
    }

    let of_weight = by_weight.context("no scale was tried")?;
    // Several variables, by the same two ways: x is a row of X, and nothing else changes.
    let (rows, unseen) = prepared(&columns, Scale::Standard)?;
    let ((x, y), unseen) = (tensors(&device, &rows)?, tensors(&device, &unseen)?);
    let path = descend(&x, &y, &[0.0; 7], 0.3, 4 * args.epochs)?;
    let (found, best) = (&path[path.len() - 1], common::normal_equation(&x, &y, 0.0)?);
    println!("\n{:<28} {:>12} {:>16}", "h(x) = θ₀ + θ₁ x₁ + … + θ₆ x₆", "descent", "normal equation");
    for (name, (a, b)) in ["one"].iter().chain(&columns).zip(found.iter().zip(&best)) {
        println!("{name:<28} {a:>12.4} {b:>16.4}");
    }
    let r2 = held_out(&unseen, found)?;
    println!("{:<28} {r2:>12.4} {:>16.4}", "R² on cars not learned", held_out(&unseen, &best)?);
    let bars = |theta: &[f64]| columns.iter().zip(&theta[1..]).map(|(name, t)| ((*name).to_owned(), *t)).collect::<Vec<_>>();
    panels.push(
        Figure::new("what each feature adds").labels("", "miles per gallon for a standard deviation").bars("θ", bars(found)),
    );
    let panels = Panels::new(2, panels).title("Linear regression: cost, learning rate, feature scaling");
    output.picture("linear_regression.svg", |path| panels.save(path))?;
    common::figures(&[("r2", r2), ("weight", of_weight), ("normal", held_out(&unseen, &best)?)]);
    println!("held-out R²: {r2:.4}");
    Ok(())
}
