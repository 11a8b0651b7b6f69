//! Structure helps: on digits of writers it never saw, a small convolutional network with shifted copies beats a plain network.

mod common;

use steepest::data::{self, DataLoader, Dataset, Labels};
use steepest::nn::{self, Activation::Relu, Conv2d, Dropout, Flatten, Linear, MaxPool2d, Module};
use steepest::optim::{Adam, schedule::Cosine};
use steepest::train::metrics::{Metric, Predictions, Score};
use steepest::train::{History, Trainer};
use steepest::{plot, sequential};

/// Rows from here on were written by people of whom no digit stands before.
const NEW_WRITERS: usize = 1437;

fn main() -> std::process::ExitCode {
    common::run(example)
}

/// The image moved by whole pixels; what comes in from outside is white.
fn shifted(image: &[f32], down: isize, right: isize) -> Vec<f32> {
    let pixel = |y: isize, x: isize| if (0..8).contains(&y) && (0..8).contains(&x) { image[(8 * y + x) as usize] } else { 0.0 };
    (0..64).map(|i| pixel(i / 8 - down, i % 8 - right)).collect()
}

/// Every image, and the same moved by one pixel up, down, left and right: five times as many rows.
fn with_shifted_copies(set: &Dataset) -> steepest::Result<Dataset> {
    let Labels::Classes(classes, count) = set.labels() else { return Ok(set.clone()) };
    let moves = [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)];
    let images = set.features().chunks_exact(64);
    let features = images.flat_map(|image| moves.iter().flat_map(|&(down, right)| shifted(image, down, right))).collect();
    let classes = classes.iter().flat_map(|&class| [class; 5]).collect();
    Dataset::new(features, &[64], Labels::Classes(classes, *count))
}

/// Trains a model and asks it about the test rows.
fn judge(args: &common::Args, model: &dyn Module, train: &Dataset, test: &DataLoader) -> anyhow::Result<(Predictions, History)> {
    let loader = DataLoader::new(train, 32).shuffle(args.seed).on_device(test.device())?;
    let report = Trainer::new(model, Adam::w(model.parameters(), 2e-3), |y, t| y.cross_entropy(t))
        .epochs(args.epochs)
        .schedule(Cosine::new(2e-3, args.epochs.max(1), 1e-5)?)
        .fit(&loader)?;
    Ok((Predictions::of(model, test)?, report.history))
}

fn example() -> anyhow::Result<()> {
    let args = common::Args::parse("8×8 digits of unseen writers: a convolutional network beside a plain one", 12)?;
    let output = args.output()?;
    let device = args.device()?;
    let digits = data::digits()?;
    let rows: Vec<usize> = (0..digits.len()).collect();
    let (train, test) = (digits.subset(&rows[..args.rows(NEW_WRITERS)])?, digits.subset(&rows[NEW_WRITERS..])?);
    let seed = args.seed;

    // The plain network takes an image as 64 numbers: it would learn as well if all pixels were shuffled.
    let plain = nn::mlp(&device, &[64, 128, 64, 10], seed);
    let flat = DataLoader::new(&test, 360).on_device(&device)?;
    let (of_plain, _) = judge(&args, &plain, &train, &flat)?;

    // The other one looks for the same small patterns everywhere, and sees every digit in five places.
    let model = sequential![
        Conv2d::new(&device, 1, 16, 3, seed).padding(1), // 16 × 8 × 8
        Relu,
        Conv2d::new(&device, 16, 32, 3, seed + 1).padding(1), // 32 × 8 × 8
        Relu,
        MaxPool2d::new(2), // 32 × 4 × 4
        Flatten,
        Dropout::new(0.3, seed + 2),
        Linear::new(&device, 32 * 4 * 4, 64, seed + 3),
        Relu,
        Linear::new(&device, 64, 10, seed + 4),
    ];
    let more = with_shifted_copies(&train)?.with_row_shape(&[1, 8, 8])?;
    let images = DataLoader::new(&test.clone().with_row_shape(&[1, 8, 8])?, 360).on_device(&device)?;
    println!("data: {} digits, {} with shifted copies; {} of other writers to be tested on", train.len(), more.len(), test.len());
    println!("parameters: plain {}, convolutional {}", plain.parameter_count(), model.parameter_count());
    let (of_model, _) = judge(&args, &model, &more, &images)?;

    let (read, right) = (of_model.predicted(), of_model.labels()?);
    let matrix = of_model.confusion()?;
    println!("\nrows: the digit shown, columns: the digit seen\n{matrix}");
    let names: Vec<String> = (0..10).map(|digit| digit.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    output.picture("digits_cnn_confusion.svg", |path| plot::confusion(&matrix, &names).save(path))?;
    let wrong: Vec<usize> = (0..right.len()).filter(|&row| read[row] != right[row]).collect();
    let pixels: Vec<f32> = wrong.iter().filter_map(|&row| test.row(row)).flatten().copied().collect();
    let captions: Vec<String> = wrong.iter().map(|&row| format!("{} read as {}", right[row], read[row])).collect();
    let title = format!("The {} wrongly read of {} digits", wrong.len(), right.len());
    if wrong.is_empty() {
        println!("no digit was read wrongly: there are none to show");
    } else {
        let grid = plot::images(title, &pixels, (8, 8), &captions, &vec![true; wrong.len()])?;
        output.picture("digits_cnn_mistakes.svg", |path| grid.save(path))?;
    }
    common::figures(&[("accuracy", 100.0 * Score::Accuracy.of(&of_model)?), ("plain", 100.0 * Score::Accuracy.of(&of_plain)?)]);
    println!("plain network: {:.2} %", 100.0 * Score::Accuracy.of(&of_plain)?);
    println!("test accuracy: {:.2} %", 100.0 * Score::Accuracy.of(&of_model)?);
    Ok(())
}
