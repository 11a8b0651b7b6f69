//! What the examples share: flags, and a progress bar that keeps silent when nobody watches.
#![allow(dead_code)]

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;
use steepest::data::DataLoader;
use steepest::nn::Module;
use steepest::train::metrics::ConfusionMatrix;
use steepest::{Device, no_grad};

/// The flags of every example.
pub struct Args {
    /// `--device cpu|gpu|best|ADAPTER`; without it the best there is (or `STEEPEST_DEVICE`).
    pub device: Option<String>,
    /// `--epochs N`
    pub epochs: usize,
    /// `--seed N`
    pub seed: u64,
    /// `--data DIR`, or the variable `STEEPEST_DATA`.
    pub data: Option<PathBuf>,
    /// `--out DIR`: where files are written.
    pub out: Option<PathBuf>,
}

impl Args {
    /// Reads the command line; `epochs` is the default.
    pub fn parse(about: &str, epochs: usize) -> anyhow::Result<Args> {
        let data = std::env::var_os("STEEPEST_DATA").map(PathBuf::from);
        let mut args = Args { device: None, epochs, seed: 1, data, out: None };
        let mut parser = lexopt::Parser::from_env();
        while let Some(arg) = parser.next()? {
            use lexopt::prelude::*;
            match arg {
                Long("device") => args.device = Some(parser.value()?.string()?),
                Long("epochs") => args.epochs = parser.value()?.parse().context("--epochs takes a whole number")?,
                Long("seed") => args.seed = parser.value()?.parse().context("--seed takes a whole number")?,
                Long("data") => args.data = Some(parser.value()?.into()),
                Long("out") => args.out = Some(parser.value()?.into()),
                Long("help") | Short('h') => {
                    println!(
                        "{about}\n\nFlags: --device cpu|gpu|best|ADAPTER  --epochs {epochs}  --seed 1  --data DIR  --out DIR"
                    );
                    std::process::exit(0);
                }
                other => bail!("{}; try --help", other.unexpected()),
            }
        }
        Ok(args)
    }

    /// Opens the device and says which it is.
    pub fn device(&self) -> anyhow::Result<Device> {
        let device = match &self.device {
            Some(name) => Device::named(name)?,
            None => Device::best()?,
        };
        println!("device: {device}");
        Ok(device)
    }
}

/// A bar for one epoch; shows nothing where the output is no terminal.
pub fn bar(epoch: usize, epochs: usize, batches: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} [{bar:30}] {pos}/{len} {msg} {eta}");
    ProgressBar::new(batches as u64)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "))
        .with_prefix(format!("epoch {:>2}/{epochs}", epoch + 1))
}

/// Predicts every row of a loader and counts what became of each class.
pub fn evaluate(model: &impl Module, loader: &DataLoader, classes: usize) -> anyhow::Result<ConfusionMatrix> {
    let mut matrix = ConfusionMatrix::empty(classes)?;
    model.eval();
    for batch in loader.epoch_at(0) {
        let predicted = no_grad(|| model.forward(&batch.x).argmax(1));
        matrix.add(&predicted.to_vec()?, &batch.y.to_vec()?)?;
    }
    model.train();
    Ok(matrix)
}
