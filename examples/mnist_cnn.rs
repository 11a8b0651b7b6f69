//! Convolution: a network that looks at neighbouring pixels together reads 99 % of MNIST's test digits.

mod common;

use steepest::data::{self, DataLoader};
use steepest::nn::{self, Activation::Relu, Conv2d, Dropout, Flatten, Linear, MaxPool2d};
use steepest::optim::{Adam, schedule::OneCycle};
use steepest::plot;
use steepest::sequential;
use steepest::train::Trainer;
use steepest::train::metrics::{Metric, Predictions, Score};

fn main() -> std::process::ExitCode {
    common::run(example)
}

fn example() -> anyhow::Result<()> {
    let args = common::Args::parse("MNIST by a convolutional network; needs --data DIR with the four IDX files", 6)?;
    let output = args.output()?;
    let what = "MNIST, handwritten digits of 28×28 pixels in four IDX files, plain or as .gz";
    let folder = args.published("mnist", what, "yann.lecun.com/exdb/mnist (Y. LeCun, C. Cortes, C. Burges)")?;
    let (learn, test) = data::mnist(folder)?;
    let learn = learn.subset(&(0..args.rows(learn.len())).collect::<Vec<_>>())?;
    // One channel of 28×28: only so does a convolution know which pixels are neighbours.
    let image = |set: data::Dataset| set.normalized(data::MNIST_MEAN, data::MNIST_STD)?.with_row_shape(&[1, 28, 28]);
    let (learn, pictures, test) = (image(learn)?, test.clone(), image(test)?);
    // The curve is drawn of images held back from the 60,000; the 10,000 are looked at once, at the end.
    let (train, validation) = learn.split(1.0 / 12.0, args.seed)?;
    println!("data: {} images to learn, {} to watch, {} to be tested on", train.len(), validation.len(), test.len());

    let device = args.device()?;
    let loader = DataLoader::new(&train, 64).shuffle(args.seed).on_device(&device)?;
    let validation = DataLoader::new(&validation, 500).on_device(&device)?;
    let test = DataLoader::new(&test, 500).on_device(&device)?;

    let seed = args.seed;
    let model = sequential![
        Conv2d::new(&device, 1, 16, 3, seed).padding(1), // 16 × 28 × 28
        Relu,
        MaxPool2d::new(2),                                    // 16 × 14 × 14
        Conv2d::new(&device, 16, 32, 3, seed + 1).padding(1), // 32 × 14 × 14
        Relu,
        MaxPool2d::new(2), // 32 × 7 × 7
        Flatten,
        Linear::new(&device, 32 * 7 * 7, 128, seed + 2),
        Relu,
        Dropout::new(0.25, seed + 3),
        Linear::new(&device, 128, 10, seed + 4),
    ];
    println!("\n{}\n", nn::summary(&model, &device, [64, 1, 28, 28])?);

    let steps = (args.epochs * loader.len()).max(1);
    let report = Trainer::new(&model, Adam::new(nn::Module::parameters(&model), 1e-3), |y, t| y.cross_entropy(t))
        .epochs(args.epochs)
        .validate(&validation)
        .metric(Score::Accuracy)
        // The learning rate climbs to 0.003 and sinks to almost nothing: fast on the way, exact at the end.
        .schedule_by_step(OneCycle::new(3e-3, steps)?)
        .on_epoch(|history| {
            let Some(last) = history.last() else { return Ok(steepest::train::Flow::Go) };
            let held = 100.0 * last.get("accuracy").unwrap_or(f64::NAN);
            println!("epoch {:>2}  loss {:.4}  held back: {held:.2} %  {:.0} s", last.epoch, last.loss, last.seconds);
            Ok(steepest::train::Flow::Go)
        })
        .fit(&loader)?;

    let predictions = Predictions::of(&model, &test)?;
    let (read, right) = (predictions.predicted(), predictions.labels()?);
    let wrong: Vec<usize> = (0..right.len()).filter(|&row| read[row] != right[row]).collect();
    println!("\nrows: the digit shown, columns: the digit seen\n{}", predictions.confusion()?);

    let curves = [plot::learning_curves(&report.history), plot::metric_curves(&report.history)];
    output.picture("mnist_cnn_curve.svg", |path| plot::Panels::new(2, curves).save(path))?;
    let shown = &wrong[..wrong.len().min(48)];
    let pixels: Vec<f32> = shown.iter().filter_map(|&row| pictures.row(row)).flatten().copied().collect();
    let captions: Vec<String> = shown.iter().map(|&row| format!("{} read as {}", right[row], read[row])).collect();
    let title = format!("{} of {} wrongly read digits of MNIST", shown.len(), wrong.len());
    let grid = plot::images(title, &pixels, (28, 28), &captions, &vec![true; shown.len()])?;
    output.picture("mnist_cnn_mistakes.svg", |path| grid.save(path))?;
    common::figures(&[("accuracy", 100.0 * Score::Accuracy.of(&predictions)?)]);
    println!("test accuracy: {:.2} %", 100.0 * Score::Accuracy.of(&predictions)?);
    Ok(())
}
