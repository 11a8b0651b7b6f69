//! Diabetes: how far the disease goes in a year, from ten measurements; a line, a line held small, a network, judged by five folds.

mod common;

use steepest::data::{self, DataLoader, FoldData, Prepare, Task};
use steepest::nn::{self, Module};
use steepest::optim::{Adam, Optimizer};
use steepest::plot::{Figure, Panels};
use steepest::train::metrics::r2;
use steepest::{Device, no_grad};

/// The model that was meant before any was judged; the others are for comparison.
const MEANT: &str = "line, L2 λ = 0.05";

/// Trains a network of these sizes on four fifths of the rows, and says its answers for the others, and its first weights.
fn answers(
    fold: &FoldData,
    hidden: &[usize],
    decay: f64,
    device: &Device,
    args: &common::Args,
) -> anyhow::Result<(Vec<f32>, Vec<f32>)> {
    let sizes: Vec<usize> = [fold.train.row_len()].iter().chain(hidden).chain(&[1]).copied().collect();
    let model = nn::mlp(device, &sizes, args.seed);
    let rows = DataLoader::full_batch(&fold.train).on_device(device)?;
    let mut opt = Adam::new(model.parameters(), 0.02).weight_decay(decay);
    for batch in (0..args.epochs).flat_map(|_| rows.epoch()) {
        opt.step(model.forward(&batch.x).mse(&batch.y).backward())?;
    }
    let unseen = device.tensor(fold.test.features(), [fold.test.len(), fold.test.row_len()]);
    Ok((no_grad(|| model.forward(&unseen)).to_vec()?, model.parameters()[0].to_vec()?))
}

fn main() -> std::process::ExitCode {
    common::run(example)
}

fn example() -> anyhow::Result<()> {
    let args = common::Args::parse("Progression of diabetes by linear regression and by a network", 300)?;
    let output = args.output()?;
    let table = args.table("diabetes.csv", &["bmi", "bp", "s5", "progression"])?;
    let device = args.device()?;
    let prepare = Prepare::new().target("progression").task(Task::Regression);
    let folds = data::folds(table.len(), 5, args.seed)?;

    println!("\nR² of {} patients, each predicted by a model that has not learned them", table.len());
    let (mut scatter, mut weights) = (vec![], vec![]);
    let mut bars = vec![];
    for (name, hidden, decay) in
        [("line", &[][..], 0.0), (MEANT, &[], 0.05), ("network of 32 units", &[32], 0.0), ("network, L2 λ = 0.05", &[32], 0.05)]
    {
        let mut pairs = vec![];
        let scores = data::cross_validate(&table, &prepare, &folds, |fold| {
            let (said, first) = answers(fold, hidden, decay, &device, &args)?;
            let truth = common::values(&fold.test)?;
            let target = fold.preprocessor.target().ok_or_else(|| anyhow::anyhow!("no target"))?;
            pairs.extend(target.inverse(truth).into_iter().zip(target.inverse(&said)));
            if hidden.is_empty() && fold.index == 0 {
                weights = fold.preprocessor.feature_names().into_iter().zip(first.into_iter().map(f64::from)).collect();
            }
            anyhow::Ok(r2(&said, truth, 1)?)
        })?;
        println!("{name:<22} {scores}");
        bars.push((name.to_owned(), scores.mean()));
        if name == MEANT {
            scatter = pairs;
        }
    }
    let panels = [
        Figure::new(format!("each patient, by the {MEANT}"))
            .labels("progression after a year", "predicted")
            .points("patients", scatter)
            .line("where both are equal", [(25.0, 25.0), (340.0, 340.0)]),
        Figure::new("R² over five folds").labels("", "R²").bars("R²", bars.clone()),
        Figure::new("weights of the line, L2, first fold").labels("", "standard deviations").bars("θ", weights),
    ];
    let panels = Panels::new(2, panels).title("Diabetes: progression in a year");
    output.picture("diabetes.svg", |path| panels.save(path))?;
    common::figures(&[("r2", bars[1].1)]);
    println!("held-out R²: {:.4} by the {MEANT}", bars[1].1);
    Ok(())
}
