//! Titanic: who survived; a column that gives the answer away is found and left out, then a line and a network are judged by five folds.

mod common;

use steepest::data::{self, DataLoader, Prepare};
use steepest::nn::{self, Module};
use steepest::no_grad;
use steepest::optim::{Adam, Optimizer};
use steepest::plot::{self, Figure, Panels};
use steepest::train::metrics::{ConfusionMatrix, accuracy};

fn main() -> std::process::ExitCode {
    common::run(example)
}

fn example() -> anyhow::Result<()> {
    let args = common::Args::parse("Survivors of the Titanic from a table with holes", 40)?;
    let output = args.output()?;
    let table = args.table("titanic.csv", &["survived", "sex", "age", "pclass", "alive"])?;
    let device = args.device()?;

    // A column that says the target in other words makes any model look perfect, and useless on the day.
    let giveaways = table.giveaways("survived")?;
    giveaways.iter().for_each(|(column, why)| println!("left out: {column}: {why}"));
    let mut leave_out: Vec<String> = giveaways.into_iter().map(|(column, _)| column).collect();
    // These three only repeat pclass and embarked, or are empty for three of four rows.
    leave_out.extend(["class", "embark_town", "deck"].map(str::to_owned));
    let table = table.without(&leave_out)?;

    let prepare = Prepare::new().target("survived").classes(["0", "1"]).as_category(["pclass"]);
    let (survived, _) = table.classes("survived")?;
    let folds = data::stratified_folds(&survived, 5, args.seed)?;
    println!("\n{} passengers, each asked of a model that has not learned them", table.len());
    let (mut best, mut figures) = (f64::MIN, vec![]);
    let mut bars = vec![("all died".to_owned(), survived.iter().filter(|&&s| s == 0).count() as f64 / table.len() as f64)];
    println!("{:<24} {:.4}", bars[0].0, bars[0].1);
    for (name, hidden) in [("a line", &[][..]), ("a network of 16 units", &[16])] {
        let (mut logits, mut truth) = (vec![], vec![]);
        let mut matrix = ConfusionMatrix::empty(2)?.with_names(["died", "survived"])?;
        let scores = data::cross_validate(&table, &prepare, &folds, |fold| {
            let sizes: Vec<usize> = [fold.train.row_len()].iter().chain(hidden).chain(&[2]).copied().collect();
            let model = nn::mlp(&device, &sizes, args.seed);
            let rows = DataLoader::new(&fold.train, 32).shuffle(args.seed).on_device(&device)?;
            let mut opt = Adam::w(model.parameters(), 5e-3).weight_decay(0.1);
            for batch in (0..args.epochs).flat_map(|_| rows.epoch()) {
                opt.step(model.forward(&batch.x).cross_entropy(&batch.y).backward())?;
            }
            let unseen = device.tensor(fold.test.features(), [fold.test.len(), fold.test.row_len()]);
            let found = no_grad(|| model.forward(&unseen)).to_vec::<f32>()?;
            let (said, right) =
                (found.chunks(2).map(|row| u32::from(row[1] > row[0])).collect::<Vec<_>>(), common::classes(&fold.test)?);
            matrix.add(&said, right)?;
            logits.extend(found.chunks(2).map(|row| row[1] - row[0]));
            truth.extend_from_slice(right);
            anyhow::Ok(accuracy(&said, right)?)
        })?;
        println!("{name:<24} {scores}");
        bars.push((name.to_owned(), scores.mean()));
        if scores.mean() > best {
            best = scores.mean();
            println!("{matrix}");
            figures = vec![plot::confusion(&matrix, &["died", "survived"]), plot::roc(&logits, &truth)?];
        }
    }
    let bars_shown: Vec<f64> = bars[1..].iter().map(|bar| bar.1).collect();
    figures.push(Figure::new("share of passengers told right").labels("", "accuracy").bars("accuracy", bars));
    let panels = Panels::new(2, figures).title("Survivors of the Titanic");
    output.picture("titanic.svg", |path| panels.save(path))?;
    common::figures(&[("line", 100.0 * bars_shown[0]), ("network", 100.0 * bars_shown[1])]);
    println!("held-out accuracy: {:.2} % by a line, {:.2} % by a network", 100.0 * bars_shown[0], 100.0 * bars_shown[1]);
    Ok(())
}
