//! Multi-label tagging: several yes-or-no answers about one house, by sigmoids and binary cross-entropy, each with its own threshold.

mod common;

use anyhow::Context;
use steepest::data::{self, Column, DataLoader, Dataset, Labels, Prepare, Table};
use steepest::nn::loss::{Reduction, bce_with_logits};
use steepest::nn::{Activation::Relu, Dropout, Linear, Module};
use steepest::optim::{Adam, schedule::Cosine};
use steepest::plot::Figure;
use steepest::sequential;
use steepest::train::Trainer;
use steepest::train::metrics::{Predictions, roc_auc};

/// A tag: its name, the column it is read from, and what that column says of a house that has it.
type Tag = (&'static str, &'static str, fn(&Column, usize) -> bool);

const TAGS: [Tag; 8] = [
    ("fireplace", "Fireplaces", some),
    ("central air", "Central Air", |column, row| column.text(row) == Some("Y")),
    ("attached garage", "Garage Type", |column, row| column.text(row) == Some("Attchd")),
    ("finished basement", "BsmtFin SF 1", some),
    ("second floor", "2nd Flr SF", some),
    ("wood deck", "Wood Deck SF", some),
    ("open porch", "Open Porch SF", some),
    ("fence", "Fence", |column, row| column.text(row).is_some()),
];

/// What is known of a house: nothing that names one of the tags.
#[rustfmt::skip]
const KNOWN: [&str; 20] = [
    "Lot Frontage", "Lot Area", "Lot Shape", "Neighborhood", "Bldg Type", "Overall Qual", "Overall Cond", "Year Built", "Foundation",
    "Year Remod/Add", "Roof Style", "Heating QC", "Total Bsmt SF", "Gr Liv Area", "Full Bath", "Bedroom AbvGr", "Kitchen Qual",
    "TotRms AbvGrd", "Paved Drive", "SalePrice",
];

fn some(column: &Column, row: usize) -> bool {
    column.number(row).is_some_and(|amount| amount > 0.0)
}

fn main() -> std::process::ExitCode {
    common::run(example)
}

/// A 1 or 0 per row and tag.
fn tags(table: &Table) -> anyhow::Result<Vec<f32>> {
    let columns = TAGS.iter().map(|(_, column, _)| table.column(column)).collect::<Result<Vec<_>, _>>()?;
    let of_row = |row| TAGS.iter().zip(&columns).map(move |((.., is), column)| f32::from(u8::from(is(column, row))));
    Ok((0..table.len()).flat_map(of_row).collect())
}

/// One tag's probabilities and truths, of all rows.
fn one(tag: usize, predictions: &Predictions, truth: &[f32]) -> (Vec<f32>, Vec<bool>) {
    let scores = predictions.outputs().iter().skip(tag).step_by(TAGS.len()).map(|logit| 1.0 / (1.0 + (-logit).exp()));
    (scores.collect(), truth.iter().skip(tag).step_by(TAGS.len()).map(|&t| t == 1.0).collect())
}

/// Precision, recall and their harmonic mean F1 of saying yes from a threshold on.
fn f1(scores: &[f32], truth: &[bool], threshold: f32) -> (f64, f64, f64) {
    let count =
        |test: fn(bool, bool) -> bool| scores.iter().zip(truth).filter(|&(&s, &t)| test(s >= threshold, t)).count() as f64;
    let (hits, said, are) = (count(|said, is| said && is), count(|said, _| said), count(|_, is| is));
    (hits / said.max(1.0), hits / are.max(1.0), 2.0 * hits / (said + are).max(1.0))
}

fn example() -> anyhow::Result<()> {
    let args = common::Args::parse("eight tags of houses in Ames, from what else is known of them", 40)?;
    let output = args.output()?;
    let columns: Vec<&str> = KNOWN.into_iter().chain(TAGS.map(|(_, column, _)| column)).collect();
    let table = args.table("ames_housing.csv", &columns)?;
    let (train, validation, test) = table.parts(&data::random_parts(table.len(), 0.15, 0.2, args.seed)?)?;
    let fitted = Prepare::new().only(KNOWN).rare(10).fit(&train)?;
    let truths = (tags(&validation)?, tags(&test)?);
    let set = |table: &Table| -> anyhow::Result<Dataset> {
        Ok(Dataset::new(fitted.features(table)?.to_f32(), &[fitted.width()], Labels::Values(tags(table)?, TAGS.len()))?)
    };

    let device = args.device()?;
    let loader = DataLoader::new(&set(&train)?, 64).shuffle(args.seed).on_device(&device)?;
    let validation = DataLoader::new(&set(&validation)?, 500).on_device(&device)?;
    let test = DataLoader::new(&set(&test)?, 500).on_device(&device)?;
    let model = sequential![
        Linear::new(&device, fitted.width(), 64, args.seed),
        Relu,
        Dropout::new(0.3, args.seed + 1),
        Linear::new(&device, 64, TAGS.len(), args.seed + 2),
    ];
    // One sigmoid per tag, not one softmax over all: a house may have every tag or none.
    let loss = |logits: &_, truth: &_| bce_with_logits(logits, truth, None, Reduction::Mean);
    Trainer::new(&model, Adam::w(model.parameters(), 2e-3).weight_decay(0.02), loss)
        .epochs(args.epochs)
        .schedule(Cosine::new(2e-3, args.epochs.max(1), 1e-5)?)
        .fit(&loader)?;

    let (watched, tested) = (Predictions::of(&model, &validation)?, Predictions::of(&model, &test)?);
    println!(
        "\n{:<18} {:>6} {:>6} {:>9} {:>9} {:>6} {:>6} {:>11}",
        "tag", "share", "AUC", "threshold", "precision", "recall", "F1", "always yes"
    );
    let (mut ours, mut always) = (vec![], vec![]);
    for (tag, (name, ..)) in TAGS.iter().enumerate() {
        // The threshold with the best F1 on rows held back for that; the test rows have no say in it.
        let (scores, truth) = one(tag, &watched, &truths.0);
        let thresholds = (1..40).map(|step| step as f32 / 40.0);
        let best = thresholds.max_by(|&a, &b| f1(&scores, &truth, a).2.total_cmp(&f1(&scores, &truth, b).2));
        let threshold = best.context("there are thresholds to choose from")?;
        let (scores, truth) = one(tag, &tested, &truths.1);
        let (precision, recall, score) = f1(&scores, &truth, threshold);
        let (share, _, yes) = f1(&scores, &truth, 0.0);
        let auc = roc_auc(&scores, &truth)?;
        println!("{name:<18} {share:>6.2} {auc:>6.3} {threshold:>9.3} {precision:>9.2} {recall:>6.2} {score:>6.3} {yes:>11.3}");
        ours.push((name.to_string(), score));
        always.push((name.to_string(), yes));
    }
    let mean = |scores: &[(String, f64)]| scores.iter().map(|score| score.1).sum::<f64>() / scores.len() as f64;
    let figures = (mean(&ours), mean(&always));
    let figure = Figure::new("Tags of houses not seen in training").labels("tag", "F1");
    let figure = figure.bars("network", ours).bars("always yes", always).size(1000, 500);
    output.picture("tagging.svg", |path| figure.save(path))?;
    common::figures(&[("f1", figures.0), ("always", figures.1)]);
    println!("always yes: mean F1 {:.3}", figures.1);
    println!("test mean F1: {:.3}", figures.0);
    Ok(())
}
