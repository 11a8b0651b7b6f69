//! The settings of `steepest fit`, given by flags and by a TOML file with the same names: flags go before the file, the file before the defaults.

use clap::ValueEnum;
use serde::{Deserialize, Deserializer, Serialize};
use std::path::{Path, PathBuf};

/// What kind of target it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Decided by the column: text, yes/no and few whole numbers are classes, other numbers a regression
    #[default]
    Auto,
    /// Predict a number
    Regression,
    /// Predict one of several classes
    Classes,
    /// Several yes/no columns at once
    Labels,
}

/// The shape of the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Model {
    /// A multi-layer perceptron: layers of neurons, one after the other
    #[default]
    Mlp,
    /// No hidden layers: linear, logistic or softmax regression
    Linear,
}

/// What stands between two layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    #[default]
    Relu,
    LeakyRelu,
    Tanh,
    Sigmoid,
    Gelu,
    Silu,
    Elu,
    Softplus,
}

/// How the weights are moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Optimizer {
    /// Adam with weight decay apart from the gradient
    #[default]
    Adamw,
    Adam,
    /// Gradient descent on batches
    Sgd,
    /// Gradient descent with momentum 0.9
    Momentum,
    /// Gradient descent with Nesterov's momentum 0.9
    Nesterov,
    Rmsprop,
    Adagrad,
    Adadelta,
}

/// How the rate changes from epoch to epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// Halved when the validation loss has not fallen for a third of the patience
    #[default]
    Plateau,
    /// The same from first to last
    Constant,
    /// Falls to a hundredth along a cosine over all epochs
    Cosine,
}

/// In which form the target of a regression is learned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetScale {
    /// Logarithms if all values are above zero and the logarithms are less skewed
    #[default]
    Auto,
    /// Mean 0 and standard deviation 1
    Standard,
    /// The same of the logarithms
    Log,
}

/// In which order the parts of a date stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
pub enum Dates {
    /// 2024-05-31
    #[value(name = "y/m/d")]
    #[serde(rename = "y/m/d")]
    YearMonthDay,
    /// 31.5.2024, 31/5/2024
    #[value(name = "d/m/y")]
    #[serde(rename = "d/m/y")]
    DayMonthYear,
    /// 5/31/2024
    #[value(name = "m/d/y")]
    #[serde(rename = "m/d/y")]
    MonthDayYear,
}

/// Which columns are learned from. Each is tested on the training rows alone; at most one in twenty of those kept is there by chance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Select {
    /// Those that correlate with the target by more than chance, if there are more features than rows; else all
    #[default]
    Wide,
    /// Those that correlate with the target by more than chance
    Related,
    /// All that can be learned from
    All,
}

macro_rules! settings {
    ($($(#[$meta:meta])* $name:ident: $kind:ty,)*) => {
        /// Flags and entries of a TOML file; what is not given is `None`.
        #[derive(Clone, Debug, Default, PartialEq, clap::Args, Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
        pub struct Settings {
            $($(#[$meta])* pub $name: Option<$kind>,)*
        }

        impl Settings {
            /// What is set here, and where nothing is, what is set there.
            pub fn or(self, other: Settings) -> Settings {
                Settings { $($name: self.$name.or(other.$name),)* }
            }
        }
    };
}

settings! {
    /// The column to predict; more than once for several numbers, or several yes/no columns
    #[arg(long, value_name = "COLUMN", help_heading = "The table")]
    #[serde(deserialize_with = "one_or_many")]
    target: Vec<String>,
    /// What kind of target it is, if the column's values mislead [default: auto]
    #[arg(long, value_name = "TASK", help_heading = "The table")]
    task: Task,
    /// Learn from these columns and no others; free text among them becomes a category
    #[arg(long, value_name = "COLUMN,…", help_heading = "The table")]
    #[serde(deserialize_with = "one_or_many")]
    only: Vec<String>,
    /// Do not learn from these columns
    #[arg(long, value_name = "COLUMN,…", help_heading = "The table")]
    #[serde(deserialize_with = "one_or_many")]
    without: Vec<String>,
    /// Learn from these columns although they give the target away or number the rows
    #[arg(long, value_name = "COLUMN,…", help_heading = "The table")]
    #[serde(deserialize_with = "one_or_many")]
    keep: Vec<String>,
    /// Take these columns as categories, though they look like numbers (codes, months)
    #[arg(long, value_name = "COLUMN,…", help_heading = "The table")]
    #[serde(deserialize_with = "one_or_many")]
    category: Vec<String>,
    /// More texts that stand for a missing value, besides nothing at all, NA, N/A, NaN, null and the like, and among numbers and
    /// dates also None, ?, -, . and the like; a number (-999) counts however it is written
    #[arg(long, value_name = "TEXT,…", value_delimiter = ',', allow_hyphen_values = true, help_heading = "The table")]
    #[serde(deserialize_with = "one_or_many")]
    missing: Vec<String>,
    /// Only an empty field and what --missing names is missing: NA, None, ? and the like are values
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL", help_heading = "The table")]
    no_default_missing: bool,
    /// What stands before the fraction of a number: . or , [default: found out column by column]
    #[arg(long, value_name = "CHAR", help_heading = "The table")]
    decimal: String,
    /// What stands between thousands: , or . or ' or `space` [default: found out column by column]
    #[arg(long, value_name = "CHAR", help_heading = "The table")]
    thousands: String,
    /// In which order day, month and year stand, where a column leaves it open
    #[arg(long, value_name = "ORDER", help_heading = "The table")]
    dates: Dates,
    /// At most this many categories of a column are told apart, the most frequent ones; the others count as one [default: 131072,
    /// fewer of several such columns]
    #[arg(long, value_name = "N", help_heading = "The table")]
    most_categories: usize,
    /// What stands between fields: one character, or `tab` [default: , or what a first line `sep=;` says]
    #[arg(long, value_name = "CHAR", help_heading = "The table")]
    delimiter: String,
    /// The first line is no header: the columns are named column1, column2, …
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL", help_heading = "The table")]
    no_header: bool,
    /// Numbers more than this many standard deviations from their mean are taken for the nearest ones that are not; such as have
    /// nothing to do with the others do not count for either; 0: as they are [default: 4]
    #[arg(long, value_name = "DEVIATIONS", help_heading = "The table")]
    outliers: f64,
    /// Which columns are learned from, where there are many [default: wide]
    #[arg(long, value_name = "WHICH", help_heading = "The table")]
    select: Select,
    /// Refuse what is otherwise left out, guessed or filled in with a note: constant and empty columns, NaN and other markers of
    /// missing values but NA, texts among numbers, giveaways
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL", help_heading = "The table")]
    strict: bool,

    /// The kind of model [default: mlp]
    #[arg(long, value_name = "MODEL", help_heading = "The model")]
    model: Model,
    /// Neurons of each hidden layer of an mlp [default: 64,32]
    #[arg(long, value_name = "N,…", value_delimiter = ',', help_heading = "The model")]
    layers: Vec<usize>,
    /// The function between layers [default: relu]
    #[arg(long, value_name = "NAME", help_heading = "The model")]
    activation: Activation,
    /// The share of neurons that are switched off at random in each training step, against learning by heart [default: 0.1]
    #[arg(long, value_name = "SHARE", help_heading = "The model")]
    dropout: f64,
    /// Train this many models, each with other rows to stop by, and predict their mean: steadier than one, and so many times
    /// slower [default: 5 for up to 10,000 rows, else 1]
    #[arg(long, value_name = "N", help_heading = "The model")]
    ensemble: usize,
    /// In which form a number is learned [default: auto]
    #[arg(long, value_name = "FORM", help_heading = "The model")]
    target_scale: TargetScale,

    /// How the weights are moved [default: adamw]
    #[arg(long, value_name = "NAME", help_heading = "Training")]
    optimizer: Optimizer,
    /// The learning rate: how far they are moved in a step [default: 0.002, of sgd 0.05]
    #[arg(long, value_name = "RATE", help_heading = "Training")]
    rate: f64,
    /// How the rate changes from epoch to epoch [default: plateau]
    #[arg(long, value_name = "NAME", help_heading = "Training")]
    schedule: Schedule,
    /// Weight decay (L2): how strongly weights are pulled to zero, against learning by heart [default: 0.01 with adamw]
    #[arg(long, value_name = "STRENGTH", help_heading = "Training")]
    decay: f64,
    /// L1 penalty: pulls each weight to zero by the same strength, so that those of features which say little get there
    /// [default: 0]
    #[arg(long, value_name = "STRENGTH", help_heading = "Training")]
    l1: f64,
    /// Rows that each step looks at [default: by the number of rows, 16 to 256; more with columns of thousands of categories]
    #[arg(long, value_name = "ROWS", help_heading = "Training")]
    batch: usize,
    /// At most this many rounds through the training rows [default: 300]
    #[arg(long, value_name = "N", help_heading = "Training")]
    epochs: usize,
    /// Stop after this many epochs without a better validation loss, and keep the best weights [default: 30]
    #[arg(long, value_name = "EPOCHS", help_heading = "Training")]
    patience: usize,
    /// The longest gradient allowed in a step (its norm); longer ones are shortened to it
    #[arg(long, value_name = "NORM", help_heading = "Training")]
    clip: f64,

    /// The share of all rows that training never sees, and the model is judged by [default: 0.2]
    #[arg(long, value_name = "SHARE", help_heading = "Judging")]
    test: f64,
    /// The share of all rows that says when to stop [default: 0.15]
    #[arg(long, value_name = "SHARE", help_heading = "Judging")]
    validation: f64,
    /// Judge by K-fold cross-validation too: K models, each judged by another K-th of the rows
    #[arg(long, value_name = "K", help_heading = "Judging")]
    folds: usize,
    /// Where all random numbers start: the same seed on the same device gives the same model, to the bit [default: 1]
    #[arg(long, value_name = "N", help_heading = "Judging")]
    seed: u64,
    /// cpu, gpu, best, or part of an adapter's name (see `steepest devices`) [default: best]
    #[arg(long, value_name = "NAME", help_heading = "Judging")]
    device: String,

    /// The table to learn from, where the command line names none
    #[arg(skip)]
    data: PathBuf,
    /// Where the model goes [default: model.safetensors]
    #[arg(long, short, value_name = "FILE", help_heading = "Output")]
    out: PathBuf,
}

/// `target = "price"` and `target = ["length", "width"]`.
fn one_or_many<'d, D: Deserializer<'d>>(from: D) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a text, or a list of texts")]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(Some(match OneOrMany::deserialize(from)? {
        OneOrMany::One(text) => vec![text],
        OneOrMany::Many(texts) => texts,
    }))
}

/// What a run does, decided: written into reports and models.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Chosen {
    pub model: Model,
    pub layers: Vec<usize>,
    pub activation: Activation,
    pub dropout: f64,
    /// `None`: by the number of rows.
    pub ensemble: Option<usize>,
    pub target_scale: TargetScale,
    pub select: Select,
    pub optimizer: Optimizer,
    pub rate: f64,
    pub schedule: Schedule,
    pub decay: f64,
    pub l1: f64,
    /// `None`: by the number of rows.
    pub batch: Option<usize>,
    pub epochs: usize,
    pub patience: usize,
    pub clip: Option<f64>,
    pub test: f64,
    pub validation: f64,
    pub folds: Option<usize>,
    pub seed: u64,
}

impl Settings {
    /// Reads a TOML file of settings.
    pub fn read(path: &Path) -> anyhow::Result<Settings> {
        let text = String::from_utf8(steepest::files::read(path)?);
        let text = text.map_err(|e| anyhow::anyhow!("{}: cannot be read: {}, expected UTF-8", path.display(), e.utf8_error()))?;
        Settings::parse(path, &text)
    }

    /// Reads the text of such a file; `path` is for messages.
    pub fn parse(path: &Path, text: &str) -> anyhow::Result<Settings> {
        toml::from_str(text).map_err(|e| anyhow::anyhow!("{}: {}", path.display(), at_line(text, &e)))
    }

    /// The settings with every gap filled, and checked.
    pub fn chosen(&self) -> anyhow::Result<Chosen> {
        let optimizer = self.optimizer.unwrap_or_default();
        let model = self.model.unwrap_or_default();
        let usual = match optimizer {
            Optimizer::Adamw | Optimizer::Adam | Optimizer::Rmsprop => 2e-3,
            Optimizer::Sgd => 5e-2,
            Optimizer::Momentum | Optimizer::Nesterov | Optimizer::Adagrad => 1e-2,
            Optimizer::Adadelta => 1.0,
        };
        let linear = model == Model::Linear;
        anyhow::ensure!(!linear || self.layers.is_none(), "--layers: a linear model has no hidden layers; take --model mlp");
        let chosen = Chosen {
            model,
            layers: if linear { vec![] } else { self.layers.clone().unwrap_or_else(|| vec![64, 32]) },
            activation: self.activation.unwrap_or_default(),
            dropout: self.dropout.unwrap_or(if linear { 0.0 } else { 0.1 }),
            ensemble: self.ensemble,
            target_scale: self.target_scale.unwrap_or_default(),
            select: self.select.unwrap_or_default(),
            optimizer,
            rate: self.rate.unwrap_or(usual),
            schedule: self.schedule.unwrap_or_default(),
            decay: self.decay.unwrap_or(if optimizer == Optimizer::Adamw { 0.01 } else { 0.0 }),
            l1: self.l1.unwrap_or(0.0),
            batch: self.batch,
            epochs: self.epochs.unwrap_or(300),
            patience: self.patience.unwrap_or(30),
            clip: self.clip,
            test: self.test.unwrap_or(0.2),
            validation: self.validation.unwrap_or(0.15),
            folds: self.folds,
            seed: self.seed.unwrap_or(1),
        };
        chosen.check()?;
        Ok(chosen)
    }
}

/// No run is that long.
const MOST_EPOCHS: usize = 1_000_000_000;

impl Chosen {
    /// The same with what depends on the number of rows.
    pub fn for_rows(self, rows: usize) -> Chosen {
        /// Up to so many rows five models are trained in seconds.
        const ENSEMBLE_BELOW: usize = 10_000;
        Chosen { ensemble: Some(self.ensemble.unwrap_or(if rows <= ENSEMBLE_BELOW { 5 } else { 1 })), ..self }
    }

    /// How many models are trained.
    pub fn members(&self) -> usize {
        self.ensemble.unwrap_or(1)
    }

    fn check(&self) -> anyhow::Result<()> {
        let share = |name: &str, x: f64, zero: bool| {
            let fits = (x > 0.0 || (zero && x == 0.0)) && x < 1.0;
            let least = if zero { "0" } else { "above 0" };
            anyhow::ensure!(fits, "--{name}: found {x}, expected a share: {least}, and below 1");
            Ok(())
        };
        share("dropout", self.dropout, true)?;
        share("test", self.test, false)?;
        share("validation", self.validation, true)?;
        anyhow::ensure!(
            self.test + self.validation < 0.95,
            "--test {} and --validation {}: too few rows are left to train on",
            self.test,
            self.validation
        );
        let positive = |name: &str, x: f64| {
            anyhow::ensure!(x > 0.0 && x.is_finite(), "--{name}: found {x}, expected a number above 0");
            Ok(())
        };
        positive("rate", self.rate)?;
        self.clip.map_or(Ok(()), |clip| positive("clip", clip))?;
        for (name, x) in [("decay", self.decay), ("l1", self.l1)] {
            anyhow::ensure!(x >= 0.0 && x.is_finite(), "--{name}: found {x}, expected 0 or more");
        }
        for (name, n) in [("epochs", self.epochs), ("patience", self.patience), ("ensemble", self.members())] {
            anyhow::ensure!(n > 0, "--{name}: found 0, expected 1 or more");
        }
        for (name, n) in [("epochs", self.epochs), ("patience", self.patience)] {
            anyhow::ensure!(n <= MOST_EPOCHS, "--{name}: found {n}, expected {MOST_EPOCHS} at most");
        }
        anyhow::ensure!(self.members() <= 100, "--ensemble: found {}, expected 100 at most", self.members());
        anyhow::ensure!(self.batch != Some(0), "--batch: found 0, expected 1 or more");
        anyhow::ensure!(self.folds.is_none_or(|k| k >= 2), "--folds: found {}, expected 2 or more", self.folds.unwrap_or(0));
        let sizes = self.layers.iter().all(|&n| (1..=65_536).contains(&n)) && self.layers.len() <= 64;
        anyhow::ensure!(sizes, "--layers: found {:?}, expected at most 64 layers of 1 to 65536 neurons", self.layers);
        anyhow::ensure!(
            self.model == Model::Linear || !self.layers.is_empty(),
            "--layers: found none, expected at least one hidden layer, or --model linear"
        );
        Ok(())
    }
}

/// A TOML error with its line, in one line.
fn at_line(text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    format!("line {line}: {}; the names are those of the flags (`steepest fit --help`)", error.message().replace('\n', " "))
}
