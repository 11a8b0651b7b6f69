//! House prices in Ames: 80 columns with thousands of holes to the logarithm of a price, by a line and by a network; and a file of predictions.

mod common;

use anyhow::Context;
use std::fmt::Write as _;
use steepest::data::{self, DataLoader, Dataset, Labels, Prepare, Preprocessor, Table, Task};
use steepest::nn::{self, Module};
use steepest::optim::{Adam, schedule::Cosine};
use steepest::plot::{Figure, Panels};
use steepest::train::Trainer;
use steepest::train::metrics::{Metric, Predictions, Score};

/// Natural logarithm of the price of a typical house: what is learned is how far the others are from it, in shares of ⅖.
const TYPICAL: f32 = 12.0;
const UNIT: f32 = 0.4;

/// A table as features and log prices: half the price of a cheap house is as wrong as half the price of a palace.
fn dataset(fitted: &Preprocessor, table: &Table) -> anyhow::Result<Dataset> {
    let features = fitted.features(table)?;
    let prices = common::numbers(table, "SalePrice")?;
    let logs = prices.into_iter().map(|price| (price.ln() - TYPICAL) / UNIT).collect();
    Ok(Dataset::new(features.to_f32(), &[fitted.width()], Labels::Values(logs, 1))?)
}

fn main() -> std::process::ExitCode {
    common::run(example)
}

fn example() -> anyhow::Result<()> {
    let args = common::Args::parse("House prices from a table with holes", 60)?;
    let output = args.output()?;
    let table = args.table("ames_housing.csv", &["SalePrice", "MS SubClass", "Gr Liv Area", "Overall Qual", "PID"])?;
    let device = args.device()?;
    // Five houses of more than 4,000 square feet: who published the data advises to leave them out. Decided by their size, before any split.
    let area = common::numbers(&table, "Gr Liv Area")?;
    let table = table.rows(&(0..table.len()).filter(|&row| area[row] <= 4000.0).collect::<Vec<_>>())?;

    // Medians, categories and scales come from the training rows. Numbers that are names are told to be categories.
    let (train_rows, validation_rows, test_rows) = table.parts(&data::random_parts(table.len(), 0.15, 0.25, args.seed)?)?;
    let settings =
        Prepare::new().target("SalePrice").task(Task::Regression).without(["Order", "PID"]).as_category(["MS SubClass"]);
    let fitted = settings.rare(10).fit(&train_rows)?;
    let [train, validation, test] = [&train_rows, &validation_rows, &test_rows].map(|rows| dataset(&fitted, rows));
    let (train, validation, test) = (train?, validation?, test?);
    let holes: usize = table.columns().map(|column| column.missing()).sum();
    println!("{holes} missing values; {} features of {} columns", fitted.width(), table.columns().len());
    println!("{} houses to learn from, {} to choose by, {} held out\n", train.len(), validation.len(), test.len());
    println!("{:<26} {:>12} {:>14}", "log price by", "R² learned", "R² to choose by");

    let on = |rows: &Dataset| DataLoader::full_batch(rows).on_device(&device);
    let (validation_rows, test_loader) = (on(&validation)?, on(&test)?);
    let mut best: Option<(f64, &str, nn::Sequential)> = None;
    let mut curves = Figure::new("houses to choose by, while learning").labels("epoch", "mean squared error").log_y();
    for (name, hidden, decay) in
        [("a line", &[][..], 0.3), ("a line, little decay", &[], 0.03), ("a network of 64 units", &[64], 1.0)]
    {
        let sizes: Vec<usize> = [train.row_len()].iter().chain(hidden).chain(&[1]).copied().collect();
        let model = nn::mlp(&device, &sizes, args.seed);
        let loader = DataLoader::new(&train, 64).shuffle(args.seed).on_device(&device)?;
        let adam = Adam::w(model.parameters(), 3e-3).weight_decay(decay);
        let mut trainer = Trainer::new(&model, adam, |y, truth| y.mse(truth)).epochs(args.epochs).quiet();
        trainer = trainer.validate(&validation_rows).schedule(Cosine::new(3e-3, args.epochs.max(1), 1e-5)?);
        let history = trainer.fit(&loader)?.history;
        drop(trainer);
        let score = |rows: &DataLoader| -> steepest::Result<f64> { Score::R2.of(&Predictions::of(&model, rows)?) };
        let (learned, chosen) = (score(&on(&train)?)?, score(&validation_rows)?);
        println!("{name:<26} {learned:>12.4} {chosen:>14.4}");
        curves = curves.line(name, history.records.iter().filter_map(|r| Some((r.epoch as f64, r.val_loss?))));
        if best.as_ref().is_none_or(|best| chosen > best.0) {
            best = Some((chosen, name, model));
        }
    }
    let (_, name, model) = best.context("no models")?;

    // The rows held out are asked once, by the model that was chosen without them.
    let answers = Predictions::of(&model, &test_loader)?;
    let (r2, rmse) = (Score::R2.of(&answers)?, f64::from(UNIT) * Score::Rmse.of(&answers)?);
    let dollars = |log: &f32| f64::from(log * UNIT + TYPICAL).exp();
    let prices = common::numbers(&test_rows, "SalePrice")?;
    let said: Vec<f64> = answers.outputs().iter().map(dollars).collect();
    let mut file = "PID,price,predicted\n".to_owned();
    for (row, (price, said)) in prices.iter().zip(&said).enumerate() {
        let id = test_rows.column("PID")?.text(row).unwrap_or_default();
        writeln!(file, "{id},{price},{said:.0}")?;
    }
    steepest::files::write_whole(&output.path("predictions.csv"), file.as_bytes())?;
    println!("\npredictions: {}", output.path("predictions.csv").display());
    println!("typical error: {:.1} % of the price", 100.0 * (rmse.exp() - 1.0));

    let thousands = prices.iter().zip(&said).map(|(price, said)| (f64::from(*price) / 1000.0, said / 1000.0));
    let scatter =
        Figure::new(format!("each house held out, by {name}")).labels("price (thousand dollars)", "predicted").log_x().log_y();
    let scatter = scatter.points("houses", thousands).line("where both are equal", [(30.0, 30.0), (650.0, 650.0)]);
    let panels = Panels::new(2, [scatter, curves]).title("House prices in Ames, Iowa");
    output.picture("ames.svg", |path| panels.save(path))?;
    common::figures(&[("r2", r2)]);
    println!("held-out R²: {r2:.4} of the log price by {name}");
    Ok(())
}
