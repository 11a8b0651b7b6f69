//! Digits with the ready-made training loop: press Ctrl-C, start it again, and it goes on as if nothing had happened.

mod common;

use steepest::data::{self, DataLoader};
use steepest::nn::{self, Module};
use steepest::optim::{Adam, schedule::Cosine};
use steepest::save::{self, ModelFile};
use steepest::train::metrics::{Average, Metric, Predictions, Score};
use steepest::train::{EarlyStopping, End, Every, Trainer};

fn main() -> std::process::ExitCode {
    common::run(example)
}

fn example() -> anyhow::Result<()> {
    let args = common::Args::parse("Digit classification that can be stopped and taken up again", 30)?;
    let device = args.device()?;
    let folder = args.out.clone().unwrap_or_else(|| "digits-run".into());

    let (train, test) = data::digits()?.stratified_split(0.2, args.seed)?;
    let loader = DataLoader::new(&train, 32).shuffle(args.seed).on_device(&device)?;
    let held_out = DataLoader::new(&test, 360).on_device(&device)?;

    let model = nn::mlp(&device, &[64, 128, 64, 10], args.seed);
    let adam = Adam::w(model.parameters(), 2e-3);
    let report = Trainer::new(&model, adam, |logits, labels| logits.cross_entropy(labels))
        .epochs(args.epochs)
        .validate(&held_out)
        .metric(Score::Accuracy)
        .metric(Score::F1(Average::Macro))
        .schedule(Cosine::new(2e-3, args.epochs.max(1), 1e-4)?)
        .early_stopping(EarlyStopping::new(10))
        .clip_norm(5.0)
        .checkpoints(folder.join("checkpoints"), Every::Steps(20))
        .resume()
        .stop_on_ctrl_c()
        .on_epoch(|history| {
            // A line for those who read a log; the bar is for those who watch.
            println!("epoch {} is over", history.records.len());
            Ok(steepest::train::Flow::Go)
        })
        .fit(&loader)?;
    if report.end == End::Interrupted {
        report.checkpointed()?;
        println!("interrupted after step {}; run the same again to go on", report.steps);
        return Ok(());
    }

    let path = folder.join("model.safetensors");
    ModelFile::of(&model)?.history(report.history.to_csv()).note("data", "digits").save(&path)?;
    // Whoever has the file needs nothing else.
    let same = save::load(&path, &device)?;
    let accuracy = Score::Accuracy.of(&Predictions::of(&*same, &held_out)?)?;
    println!("{} epochs, {:?}; the best was epoch {}", report.history.records.len(), report.end, report.best.map_or(0, |b| b.1));
    println!("saved {}", path.display());
    println!("test accuracy: {:.2} %", 100.0 * accuracy);
    Ok(())
}
