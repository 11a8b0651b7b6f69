//! Whole training runs of the oracle: the loss of every step, from the same initial weights on the same batches.

use super::file::Oracle;
use crate::common::fields::{Fault, Fields, Lack};
use serde_json::Value;
use std::path::Path;
use steepest::optim::{Optimizer, Sgd};
use steepest::{Device, Tensor};

/// A table of numbers with a header; words become 0 and 1 by the run's rule for its target.
fn table(path: &Path) -> (Vec<String>, Vec<Vec<String>>) {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut lines = text.lines().map(|l| l.split(',').map(|c| c.trim().to_owned()).collect::<Vec<_>>());
    (lines.next().unwrap(), lines.collect())
}

/// Columns brought to mean 0 and population standard deviation 1.
fn standardised(columns: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let one = |column: &Vec<f64>| {
        let n = column.len() as f64;
        let mean = column.iter().sum::<f64>() / n;
        let std = (column.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt();
        column.iter().map(|x| (x - mean) / std).collect()
    };
    columns.iter().map(one).collect()
}

/// Features \[rows, columns\] and targets of a run, from its table.
fn data(run: &Value, folder: &Path) -> (Vec<f32>, Vec<f64>, usize) {
    let (header, rows) = table(&folder.join(run["data"].as_str().unwrap()));
    let last = header.len() - 1;
    let target = run["name"].as_str().unwrap();
    let features: Vec<usize> = match run["features"].as_array() {
        Some(names) => names.iter().map(|n| header.iter().position(|h| h == n.as_str().unwrap()).unwrap()).collect(),
        None => (0..last).collect(),
    };
    let column = |c: usize| rows.iter().map(|r| r[c].parse::<f64>().unwrap()).collect::<Vec<f64>>();
    let mut columns: Vec<Vec<f64>> = features.iter().map(|&c| column(c)).collect();
    if target == "digits_mlp" {
        columns.iter_mut().flatten().for_each(|x| *x /= 16.0);
    } else {
        columns = standardised(&columns);
    }
    let y = rows
        .iter()
        .map(|r| match (target, r[last].as_str()) {
            ("logistic_regression", "malignant") => 1.0,
            ("logistic_regression", "benign") => 0.0,
            ("logistic_regression", word) => panic!("target {word}"),
            (_, number) => number.parse().unwrap(),
        })
        .collect();
    let x = (0..rows.len()).flat_map(|r| columns.iter().map(move |c| c[r] as f32)).collect();
    (x, y, columns.len())
}

fn weight(oracle: &Oracle, device: &Device, name: &Value) -> Tensor {
    let numbers = oracle.named(name).unwrap().unwrap();
    let values: Vec<f32> = numbers.data.iter().map(|&v| v as f32).collect();
    device.parameter(&values, &numbers.shape[..])
}

/// The losses of a run and its weights at the end.
fn train(oracle: &Oracle, run: &Value, device: &Device, folder: &Path) -> Result<(Vec<f32>, Vec<Tensor>), Fault> {
    let (momentum, lr) = settings(run)?;
    let (x, y, width) = data(run, folder);
    let rows = y.len();
    let x = device.tensor(&x, [rows, width]);
    let weights: Vec<Tensor> =
        run["initial_weights"].as_array().unwrap().iter().map(|name| weight(oracle, device, name)).collect();
    let mut opt = Sgd::new(weights.clone(), lr).momentum(momentum);
    let linear = |x: &Tensor, layer: usize| x.matmul(&weights[2 * layer].t()) + &weights[2 * layer + 1];
    let floats = || device.tensor(&y.iter().map(|&v| v as f32).collect::<Vec<_>>(), [rows, 1]);
    let mut losses = vec![];
    let mut step = |loss: Tensor| {
        opt.step(loss.backward()).unwrap();
        losses.push(loss.item().unwrap());
    };
    let steps = run["steps"].as_u64().unwrap() as usize;
    match run["name"].as_str().unwrap() {
        "linear_regression" => {
            let y = floats();
            (0..steps).for_each(|_| step(linear(&x, 0).mse(&y)));
        }
        "logistic_regression" => {
            let (y, l2) = (floats(), run["l2"].as_f64().unwrap());
            (0..steps).for_each(|_| {
                let z = linear(&x, 0);
                let entropy = (z.softplus(1.0) - &y * &z).mean(&[]);
                step(entropy + weights[0].square().sum(&[]) * (0.5 * l2));
            });
        }
        "digits_mlp" => {
            let labels = device.tensor(&y.iter().map(|&v| v as u32).collect::<Vec<_>>(), rows);
            let order = oracle.named(&run["order"]).unwrap().unwrap();
            let batch = run["batch"].as_u64().unwrap() as usize;
            for epoch in order.data.chunks(order.shape[1]) {
                for part in epoch.chunks(batch) {
                    let part = device.tensor(&part.iter().map(|&v| v as u32).collect::<Vec<_>>(), part.len());
                    let hidden = linear(&x.index_select(0, &part), 0).relu();
                    step(linear(&hidden, 1).cross_entropy(&labels.index_select(0, &part)));
                }
            }
        }
        _ => return Err(Fault::Lacking(Lack::Op)),
    }
    Ok((losses, weights))
}

/// Momentum and learning rate of a run. What else it asks for, beside what its name stands for, is what it lacks.
fn settings(run: &Value) -> Result<(f64, f64), Fault> {
    let fields = Fields::new(run);
    let held = [
        "name",
        "data",
        "features",
        "l2",
        "batch",
        "epochs",
        "steps",
        "loss",
        "initial_weights",
        "final_weights",
        "order",
        "f32_against_f64",
    ];
    let told = ["target", "preprocessing", "model", "objective", "order_layout", "note"];
    // Of f32 runs, of the normal equations, of the whole set: what is compared is the curve and the weights in f64.
    let others = [
        "loss_f32",
        "final_weights_f32",
        "final_full_loss",
        "final_full_loss_f32",
        "final_train_accuracy",
        "final_train_accuracy_f32",
        "normal_equation",
        "normal_equation_loss",
        "feature_mean",
        "feature_std",
    ];
    [&held[..], &told, &others].iter().for_each(|names| fields.pass_over(names));
    let optimizer = fields.within("optimizer")?;
    if optimizer.text("name")? != "SGD" {
        return optimizer.unknown("name");
    }
    let found = (optimizer.float_or("momentum", 0.0)?, optimizer.float("lr")?);
    optimizer.all_read()?;
    fields.all_read()?;
    Ok(found)
}

/// Compares all runs of the folder on a device.
pub fn curves(oracle: &Oracle, device: &Device, folder: &Path) {
    let runs = oracle.index["runs"].as_array().unwrap();
    let mut lacking = vec![];
    for run in runs {
        let (losses, weights) = match train(oracle, run, device, folder) {
            Ok(both) => both,
            Err(Fault::Lacking(lack)) => {
                println!("NOT COMPUTED: training run {}: {lack}", run["name"]);
                lacking.push(lack);
                continue;
            }
            Err(Fault::Wrong(message)) => panic!("{}: {message}", run["name"]),
        };
        let allowed = |field: &str| (10.0 * run["f32_against_f64"][field].as_f64().unwrap()).max(1e-4);
        let expected = &oracle.named(&run["loss"]).unwrap().unwrap().data;
        assert_eq!(losses.len(), expected.len(), "{}", run["name"]);
        let mut worst: f64 = 0.0;
        for (k, (found, expected)) in losses.iter().zip(expected).enumerate() {
            let relative = (f64::from(*found) - expected).abs() / expected.abs();
            assert!(relative <= allowed("max_relative_loss_difference"), "{} step {k}: {found}, {expected}", run["name"]);
            worst = worst.max(relative);
        }
        for (weight, name) in weights.iter().zip(run["final_weights"].as_array().unwrap()) {
            let expected = &oracle.named(name).unwrap().unwrap().data;
            for (found, expected) in weight.to_vec::<f32>().unwrap().iter().zip(expected) {
                let error = (f64::from(*found) - expected).abs();
                assert!(error <= allowed("max_absolute_weight_difference"), "{name}: {found}, {expected}");
            }
        }
        println!("{device}: {} steps of {}, worst relative loss difference {worst:.1e}", losses.len(), run["name"]);
    }
    println!("{device}: {} training runs, {} not computed", runs.len(), lacking.len());
    assert!(lacking.is_empty(), "all that the runs ask for is here: {lacking:?}");
    assert!(!runs.is_empty(), "no run in the index");
}
