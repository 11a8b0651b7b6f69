//! A model of a table, from start to end: fitted, judged, asked, saved and loaded. What the npm package offers; the page's playground is beside it.
//!
//! The files are those of the library and of the program `steepest fit`: one made here is read there, and one made there is read here.

use crate::settings::{self, Function, Method};
use crate::table::{self, Loaded};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use steepest::data::{self, Csv, DataLoader, Dataset, Labels, Preprocessor, Table, Target};
use steepest::nn::{self, Module, Reduction};
use steepest::optim::{Adam, RmsProp, Sgd};
use steepest::save::ModelFile;
use steepest::train::metrics::{Metric, Predictions, Score, Truth, mae, r2, rmse};
use steepest::train::{EarlyStopping, Flow, History, Trainer};
use steepest::{Device, Error, Result, Tensor};

/// What a fit is told besides the table. Only the target has to be said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Options {
    /// The column to predict.
    pub target: String,
    /// What kind of target it is: `auto`, `regression` or `classes`.
    pub task: Task,
    /// Columns to leave out.
    pub without: Vec<String>,
    /// Neurons of each hidden layer; none for a linear model.
    pub layers: Vec<usize>,
    /// The function of the hidden layers.
    pub activation: Function,
    /// The optimizer.
    pub optimizer: Method,
    /// The learning rate.
    pub rate: f64,
    /// Weight of the sum of absolute weights in the loss.
    pub l1: f64,
    /// Weight of half the sum of squared weights in the loss.
    pub l2: f64,
    /// Rows of a batch; 0: chosen by the number of rows.
    pub batch: usize,
    /// Passes over the rows, at the most.
    pub epochs: usize,
    /// Epochs without a better loss of the rows held back after which training ends; the best weights are kept.
    pub patience: usize,
    /// The part of the rows that is held back to see when to stop, from 0 to 0.9; with 0 all epochs are run.
    pub held_out: f64,
    /// The seed of weights, of the rows held back and of their order.
    pub seed: u64,
    /// Where it is computed.
    pub device: Where,
    /// What errors call the table.
    pub name: String,
}

/// Where a model is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Where {
    /// On WebGPU where the browser has it and it is no software, else on the CPU.
    #[default]
    Auto,
    /// On the CPU, by WebAssembly.
    Cpu,
    /// On the browser's GPU.
    Webgpu,
}

impl Where {
    /// Opens the device.
    ///
    /// # Errors
    /// There is no WebGPU, and it was asked for.
    pub async fn open(self) -> Result<Device> {
        match self {
            Where::Cpu => Ok(Device::cpu()),
            Where::Auto => Device::best_async().await,
            // A browser has one adapter; a software one is taken only by its name, which is this where it has none.
            Where::Webgpu => match Device::named_async("gpu").await {
                Ok(device) => Ok(device),
                Err(refused) => Device::named_async("webgpu").await.map_err(|_| refused),
            },
        }
    }
}

/// What kind of target it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Task {
    /// As the column has it.
    #[default]
    Auto,
    /// Numbers.
    Regression,
    /// One class per row.
    Classes,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            target: String::new(),
            task: Task::Auto,
            without: vec![],
            layers: vec![64, 32],
            activation: Function::Relu,
            optimizer: Method::Adam,
            rate: 0.001,
            l1: 0.0,
            l2: 0.0,
            batch: 0,
            epochs: 300,
            patience: 30,
            held_out: 0.2,
            seed: 1,
            device: Where::Auto,
            name: "table.csv".to_owned(),
        }
    }
}

impl Options {
    /// Options of their JSON.
    ///
    /// # Errors
    /// A sentence that says which option is wrong and what may stand there.
    pub fn from_json(text: &str) -> Result<Options> {
        let wrong = |message: String| Error::Config { what: "options", message };
        let options: Options = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        let within = |name: &str, value: f64, low: f64, high: f64| {
            let fits = value.is_finite() && value >= low && value <= high;
            fits.then_some(()).ok_or_else(|| wrong(format!("{name} is {value}; choose {low} to {high}")))
        };
        if options.target.is_empty() {
            return Err(wrong("target is not said; name the column to predict".to_owned()));
        }
        within("rate", options.rate, 1e-8, 100.0)?;
        within("l1", options.l1, 0.0, 10.0)?;
        within("l2", options.l2, 0.0, 10.0)?;
        within("heldOut", options.held_out, 0.0, 0.9)?;
        within("epochs", options.epochs as f64, 1.0, 1e6)?;
        within("the number of layers", options.layers.len() as f64, 0.0, 64.0)?;
        options.layers.iter().try_for_each(|&width| within("the size of a layer", width as f64, 1.0, 16_384.0))?;
        Ok(options)
    }
}

/// How far a fit is, told after each epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Epoch {
    /// Its number, from 1.
    pub epoch: usize,
    /// The mean loss of its batches.
    pub loss: f64,
    /// The loss of the rows held back.
    pub held_out_loss: Option<f64>,
}

/// A model with what its rows are made of.
pub struct Model {
    device: Device,
    model: Box<dyn Module>,
    preprocessor: Preprocessor,
    target: Target,
    history: Option<String>,
    notes: Vec<String>,
}

impl Model {
    /// Learns a column of a table (CSV). `each` is told after every epoch how far it is; if it says false, the fit ends there.
    ///
    /// # Errors
    /// A table or a target that cannot be learned, with line and column, or what the device reports.
    pub async fn fit(device: &Device, bytes: &[u8], options: &Options, mut each: impl FnMut(Epoch) -> bool) -> Result<Model> {
        let loaded = Loaded::parse(&options.name, bytes)?;
        let task = match options.task {
            Task::Auto => data::Task::Auto,
            Task::Regression => data::Task::Regression,
            Task::Classes => data::Task::Classes,
        };
        let prepared = loaded.prepare_as(&options.target, &options.without, task)?;
        let (set, preprocessor) = (prepared.dataset, prepared.preprocessor);
        let target = preprocessor.target().cloned().ok_or_else(|| config("the preprocessing has no target"))?;
        let (training, held_out) = match (options.held_out > 0.0 && set.len() > 2, set.labels()) {
            (false, _) => (set, None),
            (true, Labels::Classes(..)) => split(set.stratified_split(options.held_out, options.seed)?),
            (true, _) => split(set.split(options.held_out, options.seed)?),
        };
        let batch = match options.batch {
            0 => (training.len() / 24).next_power_of_two().clamp(16, 256),
            batch => batch,
        };
        let (inputs, outputs) = (training.row_len(), target.width());
        let model = settings::network(device, inputs, &options.layers, options.activation, outputs, options.seed);
        let loader = DataLoader::new(&training, batch.min(training.len())).shuffle(options.seed).on_device(device)?;
        let held_out = held_out.map(|rows| DataLoader::new(&rows, ROWS_AT_ONCE).on_device(device)).transpose()?;
        let (weights, rate) = (model.parameters(), options.rate);
        let loss = loss_of(&target);
        let trainer = match options.optimizer {
            Method::Sgd => Trainer::new(&model, Sgd::new(weights, rate), loss),
            Method::Momentum => Trainer::new(&model, Sgd::new(weights, rate).momentum(0.9), loss),
            Method::RmsProp => Trainer::new(&model, RmsProp::new(weights, rate), loss),
            Method::Adam => Trainer::new(&model, Adam::new(weights, rate), loss),
        };
        let mut trainer = trainer.epochs(options.epochs).l1(options.l1).l2(options.l2).quiet().on_epoch(|history: &History| {
            let Some(last) = history.last() else { return Ok(Flow::Go) };
            let epoch = Epoch { epoch: history.records.len(), loss: last.loss, held_out_loss: last.val_loss };
            Ok(if each(epoch) { Flow::Go } else { Flow::Stop })
        });
        if let Some(held_out) = &held_out {
            trainer = trainer.validate(held_out).early_stopping(EarlyStopping::new(options.patience));
        }
        let report = trainer.fit_async(&loader).await?;
        drop(trainer);
        model.eval();
        let history = Some(report.history.to_csv());
        Ok(Model { device: device.clone(), model: Box::new(model), preprocessor, target, history, notes: prepared.notes })
    }

    /// A model that [`Model::save`], the library or `steepest fit` saved.
    ///
    /// # Errors
    /// A file that is no model, or one without its preprocessing.
    pub fn load(device: &Device, name: &str, bytes: &[u8]) -> Result<Model> {
        let file = ModelFile::parse(name, bytes)?;
        let text = file.preprocessing.as_deref().ok_or_else(|| {
            config(&format!("{name} holds no preprocessing: how a table becomes its input is not known; save a model that was fitted to a table"))
        })?;
        let preprocessor = Preprocessor::from_json(name, text)?;
        let target = preprocessor.target().cloned().ok_or_else(|| config(&format!("{name} does not say what it predicts")))?;
        let model = file.build(device)?;
        model.eval();
        Ok(Model { device: device.clone(), model, preprocessor, target, history: file.history.clone(), notes: vec![] })
    }

    /// The safetensors file: layers, weights, preprocessing, learning curve.
    ///
    /// # Errors
    /// What the device reports, or no memory.
    pub async fn save(&self) -> Result<Vec<u8>> {
        let mut file = ModelFile::of_async(&*self.model).await?.preprocessing(self.preprocessor.to_json()?);
        if let Some(history) = &self.history {
            file = file.history(history.as_str());
        }
        file.to_bytes()
    }

    /// What it learned from and what it says: `{target, task, classes, features, notes, epochs}`.
    pub fn describe(&self) -> Value {
        let task = match self.target {
            Target::Values { .. } => "regression",
            Target::Classes { .. } => "classes",
            Target::Labels { .. } => "labels",
        };
        json!({
            "target": self.target.columns(),
            "task": task,
            "classes": self.target.names(),
            "features": self.preprocessor.feature_names(),
            "notes": self.notes,
            "device": self.device.to_string(),
        })
    }

    /// How good it is on a table whose target is known: `{rows, figures, confusion}`; rows without a target are left out.
    ///
    /// # Errors
    /// A table without the columns it needs, with what is missing, or what the device reports.
    pub async fn evaluate(&self, name: &str, bytes: &[u8]) -> Result<Value> {
        let table = self.table(name, bytes)?;
        for column in self.target.columns() {
            table.column(column)?;
        }
        let known = table.without_missing_rows(self.target.columns())?;
        if known.is_empty() {
            let message = format!("{name} has no row with a value of {}", self.target.columns().join(", "));
            return Err(Error::Config { what: "evaluate", message });
        }
        let (outputs, _) = self.outputs(&known).await?;
        let (rows, width) = (known.len(), self.target.width());
        let mut figures = Map::new();
        let mut confusion = Value::Null;
        match &self.target {
            Target::Values { .. } => {
                // Of differences from a value in the middle: nothing is lost where numbers are large and close together.
                let (said, origin) = (self.target.differences(&outputs), self.target.origin());
                let values = self.target.values(&known)?;
                let right: Vec<f64> = values.iter().enumerate().map(|(i, x)| x - origin[i % width]).collect();
                if rows > 1 {
                    figures.insert("r2".to_owned(), json!(r2(&said, &right, width)?));
                }
                figures.insert("rmse".to_owned(), json!(rmse(&said, &right, width)?));
                figures.insert("mae".to_owned(), json!(mae(&said, &right, width)?));
            }
            Target::Classes { classes, .. } => {
                let Labels::Classes(right, _) = self.target.encode(&known)? else {
                    return Err(config("a target without classes"));
                };
                let predictions = Predictions::new(outputs, width, Truth::Classes(right))?;
                let matrix = predictions.confusion()?;
                figures.insert("accuracy".to_owned(), json!(matrix.accuracy()));
                figures.insert("macroF1".to_owned(), json!(matrix.macro_f1()));
                // Where a class has no row there is none.
                if let Ok(area) = Score::RocAuc.of(&predictions) {
                    figures.insert("rocAuc".to_owned(), json!(area));
                }
                figures.insert("logLoss".to_owned(), json!(Score::LogLoss.of(&predictions)?));
                let counts: Vec<Vec<u64>> =
                    (0..width).map(|label| (0..width).map(|said| matrix.count(label, said)).collect()).collect();
                confusion = json!({"classes": classes, "counts": counts});
            }
            Target::Labels { .. } => {
                let Labels::Values(right, _) = self.target.encode(&known)? else { return Err(config("a target without labels")) };
                let hits = outputs.iter().zip(&right).filter(|&(&said, &right)| (said > 0.0) == (right > 0.5)).count();
                figures.insert("accuracy".to_owned(), json!(hits as f64 / right.len().max(1) as f64));
            }
        }
        Ok(json!({"rows": rows, "figures": figures, "confusion": confusion}))
    }

    /// What it says of the rows of a table: `{predictions, probabilities, notes}`, one prediction per row: a number in the target's own units, the
    /// name of a class, or for several targets an array.
    ///
    /// # Errors
    /// As [`Model::evaluate`].
    pub async fn predict(&self, name: &str, bytes: &[u8]) -> Result<Value> {
        let table = self.table(name, bytes)?;
        let (outputs, notes) = self.outputs(&table).await?;
        let width = self.target.width();
        let shares = self.target.probabilities(&outputs);
        let probabilities = if shares.is_empty() { Value::Null } else { json!(shares.chunks(width).collect::<Vec<_>>()) };
        let mut predictions = vec![];
        match &self.target {
            Target::Values { .. } => {
                let numbers = self.target.inverse(&outputs);
                predictions.extend(numbers.chunks(width).map(|row| if width == 1 { json!(row[0]) } else { json!(row) }));
            }
            Target::Classes { classes, .. } => {
                let largest = |row: &[f32]| (1..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best });
                predictions.extend(outputs.chunks(width).map(|row| json!(classes[largest(row)])));
            }
            Target::Labels { .. } => {
                predictions
                    .extend(outputs.chunks(width).map(|row| json!(row.iter().map(|&x| u8::from(x > 0.0)).collect::<Vec<_>>())));
            }
        }
        Ok(json!({"predictions": predictions, "probabilities": probabilities, "notes": notes}))
    }

    /// A table, its numbers and dates written as in the one that was learned from.
    fn table(&self, name: &str, bytes: &[u8]) -> Result<Table> {
        table::check_size(name, bytes)?;
        Csv::new().as_in(&self.preprocessor).parse(name, bytes)
    }

    /// The model's outputs for all rows of a table, some rows at a time, and what was noticed.
    async fn outputs(&self, table: &Table) -> Result<(Vec<f32>, Vec<String>)> {
        let features = self.preprocessor.features(table)?;
        let (numbers, width) = (features.to_f32(), self.preprocessor.width());
        let mut outputs = vec![];
        for rows in numbers.chunks(ROWS_AT_ONCE * width.max(1)) {
            let x = self.device.tensor(rows, [rows.len() / width.max(1), width]);
            outputs.extend(steepest::no_grad(|| self.model.forward(&x)).to_vec_async::<f32>().await?);
        }
        if outputs.len() != table.len() * self.target.width() {
            let message = format!(
                "the model gives {} numbers for {} rows, expected {}: it does not belong to its preprocessing",
                outputs.len(),
                table.len(),
                table.len() * self.target.width()
            );
            return Err(Error::Config { what: "model", message });
        }
        if let Some(at) = outputs.iter().position(|x| !x.is_finite()) {
            let row = at / self.target.width().max(1) + 1;
            let message = format!("row {row}: the model says {}; are its values far outside those it learned from?", outputs[at]);
            return Err(Error::Config { what: "model", message });
        }
        Ok((outputs, features.notes))
    }
}

/// Rows that are put to a model at a time.
const ROWS_AT_ONCE: usize = 4096;

fn split((training, held_out): (Dataset, Dataset)) -> (Dataset, Option<Dataset>) {
    (training, Some(held_out))
}

fn loss_of(target: &Target) -> fn(&Tensor, &Tensor) -> Tensor {
    match target {
        Target::Values { .. } => |y, t| y.mse(t),
        Target::Classes { .. } => |y, t| y.cross_entropy(t),
        Target::Labels { .. } => |y, t| nn::loss::bce_with_logits(y, t, None, Reduction::Mean),
    }
}

fn config(message: &str) -> Error {
    Error::Config { what: "model", message: message.to_owned() }
}
