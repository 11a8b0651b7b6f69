//! Softmax regression: iris flowers and wines by one linear layer, softmax and cross-entropy, each judged by five folds.

mod common;

use steepest::data::{self, DataLoader, Prepare, Table};
use steepest::nn::{Linear, Module};
use steepest::optim::{Adam, Optimizer};
use steepest::plot::{self, Figure, Panels};
use steepest::train::metrics::ConfusionMatrix;
use steepest::{Device, Result, Tensor};

/// Descends on the cross-entropy −1/m Σ log softmax(x Wᵀ + b)[y], with a little decay of W.
fn fit(model: &Linear, rows: &DataLoader, epochs: usize) -> Result<()> {
    let mut opt = Adam::w(model.parameters(), 0.02).weight_decay(0.01);
    for batch in (0..epochs).flat_map(|_| rows.epoch()) {
        // Softmax is built into the loss, where it can neither overflow nor round to 0.
        opt.step(model.forward(&batch.x).cross_entropy(&batch.y).backward())?;
    }
    Ok(())
}

/// Five rounds of learning four fifths of the rows and judging by the last: all answers in one matrix.
fn judge(table: &Table, target: &str, device: &Device, args: &common::Args) -> anyhow::Result<ConfusionMatrix> {
    let (classes, names) = table.classes(target)?;
    let folds = data::stratified_folds(&classes, 5, args.seed)?;
    let prepare = Prepare::new().target(target).task(data::Task::Classes);
    let mut answers = ConfusionMatrix::empty(names.len())?.with_names(names.clone())?;
    let scores = data::cross_validate(table, &prepare, &folds, |fold| {
        let model = Linear::new(device, fold.preprocessor.width(), names.len(), args.seed);
        fit(&model, &DataLoader::new(&fold.train, 16).shuffle(args.seed).on_device(device)?, args.epochs)?;
        let x = device.tensor(fold.test.features(), [fold.test.len(), fold.test.row_len()]);
        let predicted = model.forward(&x).argmax(1).to_vec::<u32>()?;
        answers.add(&predicted, common::classes(&fold.test)?)?;
        anyhow::Ok(steepest::train::metrics::accuracy(&predicted, common::classes(&fold.test)?)?)
    })?;
    println!("\n{target}: accuracy {scores}\n{answers}");
    Ok(answers)
}

/// What softmax makes of three scores, by the one of them that moves.
fn softmax_figure(device: &Device) -> anyhow::Result<Figure> {
    let scores: Vec<f64> = (-60..=60).map(|i| f64::from(i) / 10.0).collect();
    let rows: Vec<f32> = scores.iter().flat_map(|&s| [s as f32, 0.0, 1.0]).collect();
    let shares: Tensor = device.tensor(&rows, [scores.len(), 3]).softmax(1);
    let shares = shares.to_vec::<f32>()?;
    let column =
        |class: usize| scores.iter().enumerate().map(|(i, s)| (*s, f64::from(shares[3 * i + class]))).collect::<Vec<_>>();
    let figure = Figure::new("softmax of the scores (z, 0, 1): positive shares that sum to 1").labels("z", "share");
    Ok(figure.line("class 0, score z", column(0)).line("class 1, score 0", column(1)).line("class 2, score 1", column(2)))
}

fn main() -> std::process::ExitCode {
    common::run(example)
}

fn example() -> anyhow::Result<()> {
    let args = common::Args::parse("Iris and wine by softmax regression", 100)?;
    let output = args.output()?;
    let iris = args.table("iris.csv", &["petal_length", "petal_width", "species"])?;
    let wine = args.table("wine.csv", &["alcohol", "class"])?;
    let device = args.device()?;
    let flowers = judge(&iris, "species", &device, &args)?;
    let wines = judge(&wine, "class", &device, &args)?;

    // Two features and all rows, for a picture: between any two classes the boundary is a straight line.
    let petals = Prepare::new().only(["petal_length", "petal_width"]).scale(data::Scale::None).target("species");
    let rows = petals.fit(&iris)?.dataset(&iris)?.0;
    let names: Vec<&str> = rows.class_names().iter().map(String::as_str).collect();
    let model = Linear::new(&device, 2, names.len(), args.seed);
    fit(&model, &DataLoader::new(&rows, 16).shuffle(args.seed).on_device(&device)?, args.epochs)?;
    let classify =
        |points: &[[f32; 2]]| model.forward(&device.tensor(points.as_flattened(), [points.len(), 2])).argmax(1).to_vec();
    let mut regions = plot::decision_boundary("iris by its petals", (0.5, 7.5), (0.0, 2.8), 150, classify, &names)?;
    regions = regions.labels("petal length (cm)", "petal width (cm)");
    for (class, name) in (0..).zip(&names) {
        regions = regions.points(*name, common::places(&rows, class)?);
    }

    let kinds = ["cultivar 1", "cultivar 2", "cultivar 3"];
    let matrices =
        [plot::confusion(&flowers, &names).note("iris, five folds"), plot::confusion(&wines, &kinds).note("wine, five folds")];
    let panels = [regions, softmax_figure(&device)?].into_iter().chain(matrices);
    let panels = Panels::new(2, panels).title("Softmax regression: iris and wine");
    output.picture("softmax_regression.svg", |path| panels.save(path))?;
    common::figures(&[("iris", 100.0 * flowers.accuracy()), ("wine", 100.0 * wines.accuracy())]);
    println!("held-out accuracy: iris {:.2} %, wine {:.2} %", 100.0 * flowers.accuracy(), 100.0 * wines.accuracy());
    Ok(())
}
