//! A network in training, as the page shows it: steps, losses, predictions over the plane, what each neuron says, and what can be asked of it.
//!
//! Nothing here blocks: what reads numbers is a future. What needs many numbers at once (gradients against f64, a Hessian) is computed from a copy of
//! the network on the CPU, whose values are there at once.

use crate::points::{self, Point};
use crate::settings::{self, Data, Feature, Loss, Method, Settings};
use serde::{Deserialize, Serialize};
use steepest::critical::{self, CriticalPoint};
use steepest::data::{self, DataLoader, Dataset, Labels};
use steepest::nn::{self, Module, Reduction, Sequential};
use steepest::optim::{Adam, Optimizer, RmsProp, Sgd};
use steepest::verify::{GradCheckOptions, Verdict, grad_check_with};
use steepest::{Device, Error, Result, Tensor};

/// What a network says of a row.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Task {
    /// One of two classes, by one number.
    TwoClasses,
    /// One of several classes, by a number each.
    Classes(usize),
    /// Values.
    Values(usize),
}

/// A network, its data and its optimizer.
pub struct Playground {
    pub(crate) device: Device,
    pub(crate) settings: Settings,
    pub(crate) task: Task,
    /// What the first layer sees, by name.
    pub(crate) inputs: Vec<String>,
    pub(crate) classes: Vec<String>,
    points: Vec<Point>,
    /// Rows held back, by their number among all rows.
    held_out_rows: Vec<usize>,
    pub(crate) training: Dataset,
    pub(crate) tested: Dataset,
    loader: DataLoader,
    /// Batches left of the epoch under way, in reverse.
    batches: Vec<(Tensor, Tensor)>,
    training_rows: (Tensor, Tensor),
    held_out: (Tensor, Tensor),
    pub(crate) model: Sequential,
    optimizer: Box<dyn Optimizer>,
    pub(crate) steps: u64,
    pub(crate) epochs: u64,
}

/// Losses and how many rows are right, of the rows learned from and of those held back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Steps so far.
    pub step: u64,
    /// Whole passes over the rows so far.
    pub epoch: u64,
    /// The loss of the rows learned from, or of [`ROWS_JUDGED`] of them.
    pub loss: f32,
    /// The loss of the rows held back.
    pub held_out_loss: f32,
    /// The share of rows learned from that are classified rightly; not said of values.
    pub accuracy: Option<f32>,
    /// The same of the rows held back.
    pub held_out_accuracy: Option<f32>,
}

/// One layer's weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Weights {
    /// Rows are neurons, columns what they see.
    pub weight: Vec<Vec<f32>>,
    /// One per neuron.
    pub bias: Vec<f32>,
}

/// One parameter's gradient on the device beside the same in f64.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GradientCheck {
    /// The parameter's name.
    pub parameter: String,
    /// How many of its elements were compared.
    pub compared: usize,
    /// How far the device is off the f64 gradient, at the most, relative to the largest gradient of the parameter.
    pub error: f64,
    /// How many differ from central differences in f64 by more than their bound.
    pub wrong: usize,
    /// Whether all is right.
    pub right: bool,
}

/// How far a gradient in f32 may be off the one in f64, relative to the largest of its parameter: sums of some hundred rows.
const GRADIENT_BOUND: f64 = 2e-4;

/// Rows of which losses and shares are told, at the most: those of larger tables would take longer than the steps between.
pub const ROWS_JUDGED: usize = 20_000;

/// Rows of a Hessian and of a check of gradients, at the most: they are computed on the CPU, while the page waits.
const ROWS_LOOKED_AT: usize = 64;

impl Playground {
    /// A network of settings, not trained yet. `table` is the data set of a table, where the settings ask for it.
    ///
    /// # Errors
    /// Settings that make no sense, or what the device reports.
    pub fn new(device: &Device, settings: Settings, table: Option<&Dataset>) -> Result<Playground> {
        settings.check().map_err(|message| Error::Config { what: "settings", message })?;
        let seed = settings.seed;
        let (dataset, points) = match (settings.data, table) {
            (Data::Digits, _) => (data::digits()?, vec![]),
            (Data::Table, Some(table)) => (table.clone(), vec![]),
            (Data::Table, None) => {
                let message = "no table is loaded; drop a CSV file on the page first".to_owned();
                return Err(Error::Config { what: "settings", message });
            }
            (drawn, _) => {
                let points = points::draw(drawn, settings.points, settings.noise, seed)?;
                (dataset_of(&settings, &points)?, points)
            }
        };
        let task = match dataset.labels() {
            // Of a table two classes have an output each, as the files of `steepest fit` have it.
            Labels::Classes(_, 2) if settings.data != Data::Table => Task::TwoClasses,
            Labels::Classes(_, classes) => Task::Classes(*classes),
            Labels::Values(_, width) => Task::Values(*width),
            Labels::Maps(..) => {
                return Err(Error::Config { what: "data", message: "a class for each place of a row".to_owned() });
            }
        };
        settings.suits(&task).map_err(|message| Error::Config { what: "settings", message })?;
        let parts = match dataset.labels() {
            Labels::Classes(classes, _) => data::stratified_parts(classes, 0.0, settings.held_out, seed)?,
            _ => data::random_parts(dataset.len(), 0.0, settings.held_out, seed)?,
        };
        let (training, held_out) = (dataset.subset(&parts.train)?, dataset.subset(&parts.test)?);
        let inputs = match (settings.data.is_drawn(), dataset.feature_names()) {
            (true, _) => settings.features.iter().map(|feature| feature.symbol().to_owned()).collect(),
            (false, []) => (1..=dataset.row_len()).map(|i| format!("x{i}")).collect(),
            (false, names) => names.to_vec(),
        };
        let model = network(device, &settings, dataset.row_len(), &task);
        let optimizer = optimizer(&settings, model.parameters());
        let judged = |rows: &Dataset| -> Result<(Tensor, Tensor)> {
            // Spread over all of them: a table may be sorted.
            let step = rows.len().div_ceil(ROWS_JUDGED).max(1);
            let some: Vec<usize> = (0..rows.len()).step_by(step).collect();
            let loader = match step {
                1 => DataLoader::full_batch(rows).on_device(device)?,
                _ => DataLoader::full_batch(&rows.subset(&some)?).on_device(device)?,
            };
            let batch =
                loader.epoch().next().ok_or_else(|| Error::Config { what: "data", message: "no rows are left".to_owned() })?;
            Ok((batch.x, batch.y))
        };
        Ok(Playground {
            device: device.clone(),
            task,
            inputs,
            classes: dataset.class_names().to_vec(),
            points,
            loader: DataLoader::new(&training, settings.batch.min(training.len())).shuffle(seed).on_device(device)?,
            batches: vec![],
            training_rows: judged(&training)?,
            held_out: judged(&held_out)?,
            held_out_rows: parts.test,
            training,
            tested: held_out,
            model,
            optimizer,
            settings,
            steps: 0,
            epochs: 0,
        })
    }

    /// The settings it was made of.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What it learns.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// What the first layer sees, by name.
    pub fn inputs(&self) -> &[String] {
        &self.inputs
    }

    /// Names of the classes, where they have names.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The drawn points: all of them, those held back too.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Which rows are held back, by their number among all.
    pub fn held_out_rows(&self) -> &[usize] {
        &self.held_out_rows
    }

    /// The network.
    pub fn model(&self) -> &Sequential {
        &self.model
    }

    /// Changes the learning rate without beginning anew.
    pub fn set_rate(&mut self, rate: f64) {
        self.settings.rate = rate;
        self.optimizer.set_lr(rate);
    }

    /// Takes steps. Each is handed to the device; nothing is waited for.
    ///
    /// # Errors
    /// What the device reports.
    pub fn train(&mut self, steps: usize) -> Result<()> {
        for _ in 0..steps {
            if self.batches.is_empty() {
                self.batches = self.loader.epoch().map(|batch| (batch.x, batch.y)).collect();
                self.batches.reverse();
            }
            let Some((x, y)) = self.batches.pop() else { return Ok(()) };
            let loss = loss(&self.settings, &self.task, &self.model.forward(&x), &y);
            self.optimizer.step(loss.backward())?;
            self.steps += 1;
            self.epochs += u64::from(self.batches.is_empty());
        }
        Ok(())
    }

    /// How far it is.
    ///
    /// # Errors
    /// What the device reports.
    pub async fn progress(&self) -> Result<Progress> {
        let mut found = [(0.0, None); 2];
        for (found, (x, y)) in found.iter_mut().zip([&self.training_rows, &self.held_out]) {
            let outputs = nn_eval(&self.model, x);
            let loss = loss(&self.settings, &self.task, &outputs, y).item_async();
            let right = match self.task {
                Task::TwoClasses => Some(outputs.reshape([y.shape().dims()[0]]).gt_scalar(0.0).to_u32().eq(y)),
                Task::Classes(_) => Some(outputs.argmax(1).eq(y)),
                Task::Values(_) => None,
            };
            let right = right.map(|right| right.to_f32().mean(&[]).item_async());
            *found = (
                loss.await?,
                match right {
                    Some(share) => Some(share.await?),
                    None => None,
                },
            );
        }
        let [(loss, accuracy), (held_out_loss, held_out_accuracy)] = found;
        Ok(Progress { step: self.steps, epoch: self.epochs, loss, held_out_loss, accuracy, held_out_accuracy })
    }

    /// What the network says of rows of features, row-major: for two classes a number above 0 for the second one, for several the logits.
    ///
    /// # Errors
    /// Rows of another width, or what the device reports.
    pub async fn predict(&self, rows: &[f32]) -> Result<Vec<f32>> {
        let width = self.inputs.len();
        let x = self.device.tensor(rows, [rows.len() / width.max(1), width]);
        nn_eval(&self.model, &x).to_vec_async::<f32>().await
    }

    /// What each neuron says at `side` × `side` places of the plane from −1.1 to 1.1, row by row from the top: of each hidden layer, after its
    /// function, and of the last one, the output; `[layer][neuron][place]`.
    ///
    /// # Errors
    /// The network does not see points of the plane, or what the device reports.
    pub async fn neurons(&self, side: usize) -> Result<Vec<Vec<Vec<f32>>>> {
        if !self.settings.data.is_drawn() {
            return Err(Error::Config { what: "neurons", message: "the data are no points of the plane".to_owned() });
        }
        let rows: Vec<f32> = plane(side).into_iter().flat_map(|at| features(&self.settings.features, at)).collect();
        self.layers_of(&rows, side * side).await
    }

    /// What each neuron says of rows of features: `[layer][neuron][row]`.
    pub(crate) async fn layers_of(&self, rows: &[f32], count: usize) -> Result<Vec<Vec<Vec<f32>>>> {
        let mut x = self.device.tensor(rows, [count, self.inputs.len()]);
        let mut reads = vec![];
        let layers = self.model.layers();
        for (i, layer) in layers.iter().enumerate() {
            x = steepest::no_grad(|| layer.forward(&x));
            // A hidden layer is two: weights, and its function.
            if i % 2 == 1 || i + 1 == layers.len() {
                reads.push(x.t().to_vec_async::<f32>());
            }
        }
        let mut found = vec![];
        for read in reads {
            found.push(read.await?.chunks(count).map(<[f32]>::to_vec).collect());
        }
        Ok(found)
    }

    /// The weights of all layers.
    ///
    /// # Errors
    /// What the device reports.
    pub async fn weights(&self) -> Result<Vec<Weights>> {
        let parameters = self.read_parameters().await?;
        Ok(parameters
            .chunks(2)
            .filter_map(|pair| match pair {
                [(_, weight, shape), (_, bias, _)] => {
                    Some(Weights { weight: weight.chunks(shape[1].max(1)).map(<[f32]>::to_vec).collect(), bias: bias.clone() })
                }
                _ => None,
            })
            .collect())
    }

    /// Parameters with their names, numbers and shapes.
    pub(crate) async fn read_parameters(&self) -> Result<Vec<(String, Vec<f32>, Vec<usize>)>> {
        let named = self.model.named_parameters();
        let reads: Vec<_> = named.iter().map(|(_, parameter)| parameter.to_vec_async::<f32>()).collect();
        let mut found = vec![];
        for ((name, parameter), read) in named.into_iter().zip(reads) {
            found.push((name, read.await?, parameter.shape().dims().to_vec()));
        }
        Ok(found)
    }

    /// A copy of the network on the CPU, whose numbers can be read at once.
    ///
    /// # Errors
    /// What the device reports.
    pub async fn on_cpu(&self) -> Result<Sequential> {
        self.copy_on(&Device::cpu()).await
    }

    async fn copy_on(&self, host: &Device) -> Result<Sequential> {
        let model = network(host, &self.settings, self.inputs.len(), &self.task);
        let numbers = self.read_parameters().await?;
        for (parameter, (_, numbers, _)) in model.parameters().iter().zip(numbers) {
            parameter.set(&numbers)?;
        }
        Ok(model)
    }

    /// Some rows learned from, and a copy of the network, on the CPU.
    pub(crate) async fn copy(&self) -> Result<(Sequential, Tensor, Tensor)> {
        let host = Device::cpu();
        let model = self.copy_on(&host).await?;
        let rows: Vec<usize> = (0..self.training.len().min(ROWS_LOOKED_AT)).collect();
        let loader = DataLoader::full_batch(&self.training.subset(&rows)?).on_device(&host)?;
        let batch = loader.epoch().next().ok_or_else(|| Error::Config { what: "data", message: "no rows".to_owned() })?;
        Ok((model, batch.x, batch.y))
    }

    /// The device's gradients of a batch beside gradients in f64 and central differences in f64.
    ///
    /// # Errors
    /// What the device reports.
    pub async fn check_gradients(&self) -> Result<Vec<GradientCheck>> {
        let (copy, x, y) = self.copy().await?;
        let (rows, labels) = (x.to_vec::<f32>()?, &y);
        let on_device = match self.task {
            Task::Values(_) => self.device.tensor(&labels.to_vec::<f32>()?, labels.shape().dims()),
            _ => self.device.tensor(&labels.to_vec::<u32>()?, labels.shape().dims()),
        };
        let there = self.device.tensor(&rows, x.shape().dims());
        let gradients = loss(&self.settings, &self.task, &self.model.forward(&there), &on_device).backward();
        let mut reads = vec![];
        for (name, parameter) in self.model.named_parameters() {
            reads.push((name, gradients.wrt(&parameter)?.to_vec_async::<f32>()));
        }
        let options = GradCheckOptions { elements: 32, ..GradCheckOptions::default() };
        let parameters = copy.parameters();
        let check = grad_check_with(|_| loss(&self.settings, &self.task, &copy.forward(&x), &y), &parameters, options)?;
        let mut found = vec![];
        for (input, (parameter, read)) in reads.into_iter().enumerate() {
            let numbers = read.await?;
            let entries: Vec<_> = check.entries.iter().filter(|entry| entry.input == input).collect();
            let largest = entries.iter().map(|entry| entry.analytic.abs()).fold(1e-6, f64::max);
            let off = |index: usize, analytic: f64| (f64::from(numbers[index]) - analytic).abs() / largest;
            let error = entries.iter().map(|entry| off(entry.index, entry.analytic)).fold(0.0, f64::max);
            let wrong = entries.iter().filter(|entry| entry.verdict == Verdict::Wrong).count();
            // A NaN is no small error.
            let right = wrong == 0 && error <= GRADIENT_BOUND && numbers.iter().all(|x| x.is_finite());
            found.push(GradientCheck { parameter, compared: entries.len(), error, wrong, right });
        }
        Ok(found)
    }

    /// The curvature of the loss of some rows where the network is now: a minimum, a saddle, and its eigenvalues.
    ///
    /// # Errors
    /// What the examination reports.
    pub async fn curvature(&self) -> Result<CriticalPoint> {
        let (copy, x, y) = self.copy().await?;
        let parameters = copy.parameters();
        let by: Vec<&Tensor> = parameters.iter().collect();
        critical::examine(&loss(&self.settings, &self.task, &copy.forward(&x), &y), &by)
    }

    /// A loss of one batch with all its gradients: what a step computes before the updates.
    ///
    /// # Errors
    /// What the graph reports.
    pub fn step_tensors(&self) -> Result<Vec<Tensor>> {
        let batch =
            self.loader.epoch_at(0).next().ok_or_else(|| Error::Config { what: "data", message: "no rows".to_owned() })?;
        let loss = loss(&self.settings, &self.task, &self.model.forward(&batch.x), &batch.y);
        let gradients = loss.backward();
        let mut tensors = vec![loss];
        tensors.extend(gradients.iter()?.cloned());
        Ok(tensors)
    }
}

/// The features of a point.
pub fn features(chosen: &[Feature], at: [f32; 2]) -> Vec<f32> {
    chosen.iter().map(|feature| feature.of(at)).collect()
}

/// Places of the plane from −1.1 to 1.1, row by row from the top.
pub fn plane(side: usize) -> Vec<[f32; 2]> {
    let along = |i: usize| -1.1 + 2.2 * (i as f32 + 0.5) / side as f32;
    (0..side * side).map(|i| [along(i % side), -along(i / side)]).collect()
}

fn dataset_of(settings: &Settings, points: &[Point]) -> Result<Dataset> {
    let rows: Vec<f32> = points.iter().flat_map(|point| features(&settings.features, point.at)).collect();
    let labels = if settings.data.has_values() {
        Labels::Values(points.iter().map(|point| point.label).collect(), 1)
    } else {
        Labels::Classes(points.iter().map(|point| u32::from(point.label > 0.0)).collect(), 2)
    };
    Dataset::new(rows, &[settings.features.len()], labels)
}

fn network(device: &Device, settings: &Settings, inputs: usize, task: &Task) -> Sequential {
    let outputs = match *task {
        Task::TwoClasses => 1,
        Task::Classes(count) | Task::Values(count) => count,
    };
    settings::network(device, inputs, &settings.layers, settings.activation, outputs, settings.seed)
}

fn optimizer(settings: &Settings, parameters: Vec<Tensor>) -> Box<dyn Optimizer> {
    let Settings { rate, l1, l2, .. } = *settings;
    match settings.optimizer {
        Method::Sgd => Box::new(Sgd::new(parameters, rate).l1(l1).weight_decay(l2)),
        Method::Momentum => Box::new(Sgd::new(parameters, rate).momentum(0.9).l1(l1).weight_decay(l2)),
        Method::RmsProp => Box::new(RmsProp::new(parameters, rate).l1(l1).weight_decay(l2)),
        Method::Adam => Box::new(Adam::new(parameters, rate).l1(l1).weight_decay(l2)),
    }
}

/// The loss of outputs.
pub(crate) fn loss(settings: &Settings, task: &Task, outputs: &Tensor, y: &Tensor) -> Tensor {
    let target = match (task, settings.loss) {
        (Task::TwoClasses, Loss::CrossEntropy) => {
            let target = y.to_f32().unsqueeze(1);
            return nn::loss::bce_with_logits(outputs, &target, None, Reduction::Mean);
        }
        (Task::Classes(_), Loss::CrossEntropy) => return outputs.cross_entropy(y),
        (Task::Classes(_), Loss::Hinge) => return nn::loss::multi_margin(outputs, y, 1, 1.0, None, Reduction::Mean),
        (Task::Values(_), _) => y.clone(),
        (Task::TwoClasses, _) => y.to_f32().unsqueeze(1) * 2.0 - 1.0,
        (Task::Classes(count), _) => y.one_hot(*count).to_f32(),
    };
    match settings.loss {
        Loss::CrossEntropy | Loss::Squared => outputs.mse(&target),
        Loss::Absolute => nn::loss::mae(outputs, &target, Reduction::Mean),
        Loss::Huber => nn::loss::huber(outputs, &target, 1.0, Reduction::Mean),
        Loss::Hinge => nn::loss::hinge(outputs, &target, 1.0, Reduction::Mean),
    }
}

/// Outputs without gradients.
fn nn_eval(model: &Sequential, x: &Tensor) -> Tensor {
    steepest::no_grad(|| model.forward(x))
}
