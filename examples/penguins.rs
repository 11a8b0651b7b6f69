//! From a table with holes in it to a network: which species a penguin belongs to, judged by cross-validation.

mod common;

use steepest::data::{self, DataLoader, Prepare, Table};
use steepest::nn::{self, Module};
use steepest::optim::{Adam, Optimizer};

fn main() -> std::process::ExitCode {
    common::run(example)
}

fn example() -> anyhow::Result<()> {
    let args = common::Args::parse("Species of penguins from a CSV file, with 5-fold cross-validation", 30)?;
    let device = args.device()?;

    let table = Table::read(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/penguins.csv"))?;
    println!("\n{}\n", table.report());

    // Medians, categories and scales come from the training rows of each fold; the rows it is judged by have no say in them.
    let prepare = Prepare::new().target("species");
    let (species, names) = table.classes("species")?;
    let folds = data::stratified_folds(&species, 5, args.seed)?;
    let mut features = vec![];
    let scores = data::cross_validate(&table, &prepare, &folds, |fold| {
        let width = fold.preprocessor.width();
        features = fold.preprocessor.feature_names();
        let loader = DataLoader::new(&fold.train, 16).shuffle(args.seed).on_device(&device)?;
        let model = nn::mlp(&device, &[width, 16, names.len()], args.seed);
        let mut opt = Adam::new(model.parameters(), 1e-2);
        for batch in (0..args.epochs).flat_map(|_| loader.epoch()) {
            let loss = model.forward(&batch.x).cross_entropy(&batch.y);
            opt.step(loss.backward())?;
        }
        let held_out = DataLoader::full_batch(&fold.test).on_device(&device)?;
        let accuracy = common::evaluate(&model, &held_out, names.len())?.accuracy();
        println!(
            "fold {}  {} rows to learn, {} to judge by, accuracy {accuracy:.4}",
            fold.index + 1,
            fold.train.len(),
            fold.test.len()
        );
        anyhow::Ok(accuracy)
    })?;
    println!("\nfeatures: {}", features.join(", "));
    println!("accuracy: {scores}");
    common::figures(&[("accuracy", 100.0 * scores.mean())]);
    println!("test accuracy: {:.2} %", 100.0 * scores.mean());
    Ok(())
}
