//! Fine-tuning: what a network learned of the digits 0 to 4 helps it to learn 5 to 9 from a handful of examples.

mod common;

use std::path::Path;
use steepest::data::{self, DataLoader, Dataset, Labels};
use steepest::nn::{Activation::Relu, Conv2d, Flatten, Linear, MaxPool2d, Module, Sequential, StateDict};
use steepest::optim::Adam;
use steepest::plot::Figure;
use steepest::random::permutation;
use steepest::save::{self, ModelFile};
use steepest::train::Trainer;
use steepest::train::metrics::{Metric, Predictions, Score};
use steepest::{Device, Tensor, sequential};

/// Examples of each new digit to learn from.
const SHOTS: [usize; 4] = [1, 5, 20, 50];
/// Drawings of the examples, over which accuracies are averaged.
const DRAWS: u64 = 2;
/// Steps of the optimizer with few examples, and rows in each at most.
const FEW_STEPS: usize = 120;
const BATCH: usize = 32;

fn main() -> std::process::ExitCode {
    common::run(example)
}

/// What is learned of pictures in general (layers 0 to 6), and what is made of it (7 and 9).
fn network(device: &Device, seed: u64) -> Sequential {
    sequential![
        Conv2d::new(device, 1, 16, 5, seed).padding(2), // 16 × 28 × 28
        Relu,
        MaxPool2d::new(2),
        Conv2d::new(device, 16, 32, 5, seed + 1).padding(2), // 32 × 14 × 14
        Relu,
        MaxPool2d::new(2), // 32 × 7 × 7
        Flatten,
        Linear::new(device, 32 * 7 * 7, 64, seed + 2),
        Relu,
        Linear::new(device, 64, 5, seed + 3),
    ]
}

/// The last layer knows the old classes only: it begins anew.
const HEAD: &str = "9.";
/// What is kept as it is.
const FROZEN: [&str; 2] = ["0.", "3."];

/// The rows of five digits from `first` on, as the classes 0 to 4.
fn five(set: &Dataset, first: u32) -> steepest::Result<Dataset> {
    let Labels::Classes(digits, _) = set.labels() else { return Ok(set.clone()) };
    let rows: Vec<usize> = (0..set.len()).filter(|&row| (first..first + 5).contains(&digits[row])).collect();
    let classes = rows.iter().map(|&row| digits[row] - first).collect();
    Dataset::new(set.subset(&rows)?.features().to_vec(), &[1, 28, 28], Labels::Classes(classes, 5))
}

/// The first `count` rows of each class in a random order.
fn few(set: &Dataset, count: usize, seed: u64) -> steepest::Result<Dataset> {
    let Labels::Classes(classes, _) = set.labels() else { return Ok(set.clone()) };
    let order = permutation(set.len(), seed, 0);
    let of = |class| order.iter().map(|&row| row as usize).filter(move |&row| classes[row] == class).take(count);
    let rows: Vec<usize> = (0..5).flat_map(of).collect();
    set.subset(&rows)
}

/// Trains the given parameters and leaves the others as they are: what is not given to an optimizer is frozen.
fn learn(model: &dyn Module, parameters: Vec<Tensor>, train: &Dataset, steps: usize, seed: u64) -> anyhow::Result<()> {
    let loader = DataLoader::new(train, BATCH).shuffle(seed).on_device(&parameters[0].device())?;
    let trainer = Trainer::new(model, Adam::new(parameters, 1e-3), |y, t| y.cross_entropy(t));
    trainer.epochs(steps.div_ceil(loader.len())).quiet().fit(&loader)?;
    Ok(())
}

/// A new network with the file's features and a fresh head.
fn from_file(path: &Path, device: &Device, seed: u64) -> anyhow::Result<Sequential> {
    let model = network(device, seed);
    let learned = ModelFile::read(path)?.state.renamed(|name| (!name.starts_with(HEAD)).then(|| name.to_owned()));
    let report = learned.load_partial(&model)?;
    anyhow::ensure!(report.missing.len() == 2, "{}: expected all but the head's two parameters: {report}", path.display());
    Ok(model)
}

type Named = Vec<(String, Tensor)>;

/// The parameters that are frozen, and the others.
fn parts(model: &Sequential) -> (Named, Named) {
    model.named_parameters().into_iter().partition(|(name, _)| FROZEN.iter().any(|layer| name.starts_with(layer)))
}

fn example() -> anyhow::Result<()> {
    let args =
        common::Args::parse("a network pretrained on MNIST's 0 to 4 learns 5 to 9 from few examples; needs --data DIR", 2)?;
    let output = args.output()?;
    let what = "MNIST, handwritten digits of 28×28 pixels in four IDX files, plain or as .gz";
    let folder = args.published("mnist", what, "yann.lecun.com/exdb/mnist (Y. LeCun, C. Cortes, C. Burges)")?;
    let (learned, tested) = data::mnist(folder)?;
    let learned = learned.subset(&(0..args.rows(learned.len())).collect::<Vec<_>>())?;
    let (old, new) = (five(&learned, 0)?, five(&learned, 5)?);
    let device = args.device()?;
    let test = |first| DataLoader::new(&five(&tested, first)?, 500).on_device(&device);
    let (test_old, test) = (test(0)?, test(5)?);
    let accuracy = |model: &Sequential, test: &DataLoader| Score::Accuracy.of(&Predictions::of(model, test)?);

    // The first task, with many examples; its result is a file, as one that others have published would be.
    let path = output.path("digits-0-to-4.safetensors");
    let teacher = network(&device, args.seed);
    let steps = args.epochs * old.len().div_ceil(BATCH);
    learn(&teacher, teacher.parameters(), &old, steps, args.seed)?;
    save::save(&teacher, &path)?;
    let right = 100.0 * accuracy(&teacher, &test_old)?;
    println!("0 to 4: {} examples, {right:.2} % right of held-out ones; weights in {}", old.len(), path.display());

    println!("\nexamples of each of 5 to 9   fine-tuned   from scratch");
    let (mut of_tuned, mut of_scratch) = (vec![], vec![]);
    for shots in SHOTS {
        let (mut sums, all) = ([0.0; 2], DRAWS as f64);
        for draw in 0..DRAWS {
            let seed = args.seed + 1000 * draw;
            let train = few(&new, shots, seed)?;
            let tuned = from_file(&path, &device, seed)?;
            let (before, (frozen, free)) = (StateDict::of(&tuned)?, parts(&tuned));
            learn(&tuned, free.into_iter().map(|(_, parameter)| parameter).collect(), &train, FEW_STEPS, seed)?;
            let after = StateDict::of(&tuned)?;
            let kept = frozen.iter().all(|(name, _)| before.get(name) == after.get(name));
            anyhow::ensure!(kept, "a frozen parameter has changed");
            let scratch = network(&device, seed);
            learn(&scratch, scratch.parameters(), &train, FEW_STEPS, seed)?;
            sums[0] += 100.0 * accuracy(&tuned, &test)?;
            sums[1] += 100.0 * accuracy(&scratch, &test)?;
        }
        println!("{shots:>26} {:>10.2} % {:>12.2} %", sums[0] / all, sums[1] / all);
        of_tuned.push((shots as f64, sums[0] / all));
        of_scratch.push((shots as f64, sums[1] / all));
    }

    let names = |part: Named| part.into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
    let (frozen, free) = parts(&teacher);
    println!("\nfrozen, and to the bit what the file has: {}\ntrained: {}", names(frozen), names(free));
    let (tuned, scratch) = (of_tuned[1].1, of_scratch[1].1);
    let (many, many_scratch) = (of_tuned[3].1, of_scratch[3].1);
    let figure = Figure::new("Learning 5 to 9 after 0 to 4")
        .labels("examples of each digit", "held-out accuracy (%)")
        .line("fine-tuned", of_tuned)
        .line("from scratch", of_scratch)
        .log_x();
    output.picture("fine_tune.svg", |path| figure.save(path))?;
    common::figures(&[("few", tuned), ("few_scratch", scratch), ("many", many), ("many_scratch", many_scratch)]);
    println!("from scratch with {} examples of each: {scratch:.2} %", SHOTS[1]);
    println!("test accuracy: {tuned:.2} %");
    Ok(())
}
