//! When training fails: a network that learns 24 cars by heart, and what more cars, a smaller network, L2, dropout and early stopping do.

mod common;

use anyhow::Context;
use steepest::data::{self, DataLoader, Dataset, Prepare, Target, Task};
use steepest::nn::{Activation, Dropout, Linear, Module, Sequential};
use steepest::optim::Adam;
use steepest::plot::{self, Figure, Panels};
use steepest::train::metrics::{Metric, Predictions, Score};
use steepest::train::{EarlyStopping, History, Trainer};
use steepest::{Device, no_grad};

/// One way of training.
#[derive(Clone, Copy)]
struct Way {
    name: &'static str,
    more_cars: bool,
    width: usize,
    l2: f64,
    dropout: f64,
    stops_early: bool,
}

/// The way that fails; the others differ from it in one thing.
const PLAIN: Way = Way { name: "plain", more_cars: false, width: 64, l2: 0.0, dropout: 0.0, stops_early: false };

/// Cars to learn (few, or all), to decide by when to stop, to judge by.
struct Cars {
    few: Dataset,
    all: Dataset,
    validation: Dataset,
    test: Dataset,
}

/// A trained network, how it went, and its root mean square errors on cars learned and on cars held out.
fn train(way: Way, cars: &Cars, device: &Device, args: &common::Args) -> anyhow::Result<(Sequential, History, [f64; 2])> {
    let model = Sequential::new()
        .add(Linear::new(device, 1, way.width, args.seed))
        .add(Activation::Tanh)
        .add(Dropout::new(way.dropout, args.seed))
        .add(Linear::new(device, way.width, way.width, args.seed + 1))
        .add(Activation::Tanh)
        .add(Linear::new(device, way.width, 1, args.seed + 2));
    let learned = if way.more_cars { &cars.all } else { &cars.few };
    let (rows, validation) =
        (DataLoader::full_batch(learned).on_device(device)?, DataLoader::full_batch(&cars.validation).on_device(device)?);
    let adam = Adam::new(model.parameters(), 0.005);
    let mut trainer = Trainer::new(&model, adam, |y, truth| y.mse(truth)).epochs(args.epochs).l2(way.l2).quiet();
    trainer = trainer.validate(&validation);
    if way.stops_early {
        trainer = trainer.early_stopping(EarlyStopping::new(100));
    }
    let history = trainer.fit(&rows)?.history;
    drop(trainer);
    let error = |rows: &Dataset| -> anyhow::Result<f64> {
        let loader = DataLoader::full_batch(rows).on_device(device)?;
        Ok(Score::Rmse.of(&Predictions::of(&model, &loader)?)?)
    };
    let errors = [error(learned)?, error(&cars.test)?];
    Ok((model, history, errors))
}

fn main() -> std::process::ExitCode {
    common::run(example)
}

fn example() -> anyhow::Result<()> {
    let args = common::Args::parse("Overfitting, and what helps against it", 1000)?;
    let output = args.output()?;
    let table = args.table("mpg.csv", &["mpg", "horsepower"])?.without_missing_rows(&["horsepower"])?;
    let device = args.device()?;

    let parts = data::random_parts(table.len(), 0.15, 0.3, args.seed)?;
    let (train_rows, validation, test) = table.parts(&parts)?;
    let fitted = Prepare::new().only(["horsepower"]).target("mpg").task(Task::Regression).fit(&train_rows)?;
    let dataset = |rows| fitted.dataset(rows).map(|(rows, _)| rows);
    let cars = dataset(&train_rows)?;
    let every = cars.len() / 24;
    let few = cars.subset(&(0..24).map(|i| i * every).collect::<Vec<_>>())?;
    let cars = Cars { few, all: cars, validation: dataset(&validation)?, test: dataset(&test)? };
    let Some(target @ Target::Values { scale, .. }) = fitted.target() else { anyhow::bail!("mpg is no number") };
    let scale = scale[0];

    let ways = [
        PLAIN,
        Way { name: "more cars", more_cars: true, ..PLAIN },
        Way { name: "smaller network", width: 2, ..PLAIN },
        Way { name: "L2", l2: 0.01, ..PLAIN },
        Way { name: "dropout", dropout: 0.3, ..PLAIN },
        Way { name: "early stopping", stops_early: true, ..PLAIN },
    ];
    println!(
        "\nmiles per gallon by horsepower; {} cars decide when to stop, {} are held out",
        cars.validation.len(),
        cars.test.len()
    );
    println!("{:<24} {:>6} {:>8} {:>14} {:>16}", "", "cars", "epochs", "RMSE learned", "RMSE held out");
    let dots = |rows: &Dataset| -> anyhow::Result<Vec<(f64, f64)>> {
        Ok(rows.features().iter().map(|&x| f64::from(x)).zip(target.inverse(common::values(rows)?)).collect())
    };
    let fine: Vec<f32> = (0..=300).map(|i| -1.7 + 5.0 * i as f32 / 300.0).collect();
    let (mut panels, mut bars, mut held_out) = (vec![], vec![], vec![]);
    for way in ways {
        let (model, history, errors) = train(way, &cars, &device, &args)?;
        let [learned, unseen] = errors.map(|e| e * scale);
        let count = if way.more_cars { cars.all.len() } else { cars.few.len() };
        println!("{:<24} {count:>6} {:>8} {learned:>14.2} {unseen:>16.2}", way.name, history.records.len());
        if way.name == PLAIN.name {
            panels.push(
                plot::learning_curves(&history)
                    .labels("epoch", "mean squared error, in variances")
                    .note("the plain way: 24 cars, 2 × 64 units"),
            );
        }
        model.eval();
        let curve = no_grad(|| model.forward(&device.tensor(&fine, [fine.len(), 1]))).to_vec::<f32>()?;
        let curve = fine.iter().map(|&x| f64::from(x)).zip(target.inverse(&curve));
        let figure =
            Figure::new(format!("{}: {unseen:.2} held out", way.name)).labels("horsepower (standardised)", "miles per gallon");
        let shown = dots(if way.more_cars { &cars.all } else { &cars.few })?;
        panels.push(figure.points("held out", dots(&cars.test)?).points("learned", shown).line("network", curve));
        bars.push((way.name.to_owned(), unseen));
        held_out.push((unseen, way.name));
    }
    panels.push(Figure::new("root mean square error on cars held out").labels("", "miles per gallon").bars("RMSE", bars));
    let panels = Panels::new(2, panels).title("Overfitting, and what helps");
    output.picture("overfitting.svg", |path| panels.save(path))?;
    let best = held_out[1..].iter().min_by(|a, b| a.0.total_cmp(&b.0)).context("no ways")?;
    let names = ["plain", "more_cars", "smaller", "l2", "dropout", "stopped"];
    let reached: Vec<(&str, f64)> = names.into_iter().zip(held_out.iter().map(|way| way.0)).collect();
    common::figures(&reached);
    println!("held-out RMSE: {:.2} plain, {:.2} with {}", held_out[0].0, best.0, best.1);
    Ok(())
}
