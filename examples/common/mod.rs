//! What the examples share: flags, the folder of their pictures, their end, and a progress bar that keeps silent when nobody watches.
#![allow(dead_code)]

mod solve;
#[cfg(feature = "tables")]
mod tables;
pub mod text;

use anyhow::{Context, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use steepest::data::DataLoader;
use steepest::nn::Module;
use steepest::train::metrics::ConfusionMatrix;
use steepest::{Device, no_grad};

#[allow(unused_imports)]
pub use solve::{normal_equation, solve};
#[cfg(feature = "tables")]
#[allow(unused_imports)]
pub use tables::{classes, numbers, places, prepare, rows, values};

/// The whole of an example: what goes wrong is one message and exit code 2.
pub fn run(example: fn() -> anyhow::Result<()>) -> ExitCode {
    match example() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

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
    /// Whether the folder was named by the flag: then even tables that come with the project are read from there.
    pub data_named: bool,
    /// `--out DIR`: where files are written.
    pub out: Option<PathBuf>,
    /// `--png`: pictures as PNG instead of SVG.
    pub png: bool,
    /// `--rows N`: learn from the first N rows (characters of a text) only.
    pub rows: Option<usize>,
    /// `--cell gru|lstm|rnn`: the kind of a recurrent network.
    pub cell: Option<String>,
}

impl Args {
    /// Reads the command line; `epochs` is the default.
    pub fn parse(about: &str, epochs: usize) -> anyhow::Result<Args> {
        let data = std::env::var_os("STEEPEST_DATA").map(PathBuf::from);
        let mut args =
            Args { device: None, epochs, seed: 1, data, data_named: false, out: None, png: false, rows: None, cell: None };
        let mut parser = lexopt::Parser::from_env();
        while let Some(arg) = parser.next()? {
            use lexopt::prelude::*;
            match arg {
                Long("device") => args.device = Some(parser.value()?.string()?),
                Long("epochs") => args.epochs = parser.value()?.parse().context("--epochs takes a whole number")?,
                Long("seed") => args.seed = parser.value()?.parse().context("--seed takes a whole number")?,
                Long("data") => (args.data, args.data_named) = (Some(parser.value()?.into()), true),
                Long("rows") => args.rows = Some(parser.value()?.parse().context("--rows takes a whole number")?),
                Long("cell") => args.cell = Some(parser.value()?.string()?),
                Long("png") => args.png = true,
                Long("out") => args.out = Some(parser.value()?.into()),
                Long("help") | Short('h') => {
                    println!(
                        "{about}\n\nFlags: --device cpu|gpu|best|ADAPTER  --epochs {epochs}  --seed 1  --data DIR  --out DIR  --png"
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

    /// How many of `all` rows to learn from.
    pub fn rows(&self, all: usize) -> usize {
        self.rows.map_or(all, |rows| rows.min(all))
    }

    /// The folder for pictures: `--out`, or one named after the example among the system's temporary files. It is made, and a file is
    /// written to it, now: who waits for a training wants to keep its result.
    pub fn output(&self) -> anyhow::Result<Output> {
        let name = concat!("steepest-", env!("CARGO_BIN_NAME"));
        let folder = self.out.clone().unwrap_or_else(|| std::env::temp_dir().join(name));
        std::fs::create_dir_all(&folder)
            .and_then(|()| tempfile::tempfile_in(&folder))
            .with_context(|| format!("cannot write to the folder {}; name another with --out DIR", folder.display()))?;
        Ok(Output { folder, png: self.png })
    }

    /// A file or folder of data that does not come with the project: `DIR/PLACE`, or `DIR` itself where it is called like the last
    /// part of that place. `what` and `published` tell those who do not have it what it is and where to get it.
    pub fn published(&self, place: &str, what: &str, published: &str) -> anyhow::Result<PathBuf> {
        let get = format!("{what}, published at {published}; say where it is with --data DIR (or the variable STEEPEST_DATA)");
        let folder = self.data.as_ref().with_context(|| format!("this needs {get}"))?;
        ensure!(folder.exists(), "no such folder: {}. This needs {get}", folder.display());
        let last = Path::new(place).file_name().unwrap_or_default();
        let mut found = [folder.join(place), folder.join(last)].into_iter().find(|path| path.exists());
        found = found.or_else(|| (folder.file_name() == Some(last)).then(|| folder.clone()));
        found.with_context(|| format!("{} has no {place}. This needs {get}", folder.display()))
    }
}

/// The folder an example writes to.
pub struct Output {
    folder: PathBuf,
    png: bool,
}

impl Output {
    /// The path of a file in it.
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// Saves a picture and says where it is: `output.picture("path.svg", |path| figure.save(path))`.
    pub fn picture<E: Into<anyhow::Error>>(&self, file: &str, save: impl FnOnce(&Path) -> Result<(), E>) -> anyhow::Result<()> {
        let path = self.path(file);
        let path = if self.png { path.with_extension("png") } else { path };
        save(&path).map_err(Into::into)?;
        println!("picture: {}", path.display());
        Ok(())
    }
}

/// What the example reached, for programs to read; `examples/figures` takes it into the tables of README and docs.
pub fn figures(figures: &[(&str, f64)]) {
    let list: Vec<String> = figures.iter().map(|(name, value)| format!("{name}={value:.6}")).collect();
    println!("figures: {}", list.join(" "));
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
