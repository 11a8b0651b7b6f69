//! Building a model by its settings, and training it: one, or several whose mean is taken.

use crate::aside;
use crate::settings::{self, Chosen, Schedule};
use std::io::IsTerminal;
use steepest::data::{
    DataLoader, Dataset, Parts, Preprocessor, Table, Target, folds, random_parts, stratified_folds, stratified_parts,
};
use steepest::nn::{Activation, Dropout, Ensemble, FeatureEmbedding, Init, Linear, Module, Sequential};
use steepest::optim::schedule::{Cosine, Plateau};
use steepest::optim::{AdaGrad, Adadelta, Adam, RmsProp, Sgd};
use steepest::train::metrics::Score;
use steepest::train::{EarlyStopping, End, Report, Trainer};
use steepest::{Device, Tensor, nn};

/// Seeds of members and layers lie far apart.
const APART: u64 = 0x9e37_79b9_7f4a_7c15;

/// A model and how its training went.
pub struct Trained {
    pub model: Box<dyn Module>,
    /// One per member of an ensemble.
    pub runs: Vec<Report>,
}

impl Trained {
    /// Whether somebody pressed Ctrl-C.
    pub fn interrupted(&self) -> bool {
        self.runs.iter().any(|run| run.end == End::Interrupted)
    }
}

/// Trains on a data set of which a part says when to stop. `share` is that part of the set; `quiet` shows no bar.
pub fn train(
    device: &Device,
    chosen: &Chosen,
    set: &Dataset,
    fitted: &Preprocessor,
    target: &Target,
    share: f64,
    quiet: bool,
) -> anyhow::Result<Trained> {
    check_memory(chosen, fitted, target)?;
    let parts = parts(chosen, set, target, share)?;
    let indices = indices(fitted);
    let mut members: Vec<Box<dyn Module>> = vec![];
    let mut runs = vec![];
    for (i, part) in parts.iter().enumerate() {
        if parts.len() > 1 && !quiet && std::io::stderr().is_terminal() {
            aside!("member {} of {}", i + 1, parts.len());
        }
        let seed = chosen.seed.wrapping_add((i as u64).wrapping_mul(APART));
        let model = build(device, chosen, set.row_len(), &indices, target.width(), seed);
        let batch = batch_size(chosen, &indices, part.train.len());
        let run = train_member(device, chosen, &model, set, part, target, batch, seed, quiet)?;
        let interrupted = run.end == End::Interrupted;
        members.push(Box::new(model));
        runs.push(run);
        if interrupted {
            break;
        }
    }
    let model = match members.len() {
        1 => members.remove(0),
        _ => Box::new(Ensemble::new(members)) as Box<dyn Module>,
    };
    model.eval();
    Ok(Trained { model, runs })
}

/// The rows to train on and to stop by, for each member. Members of an ensemble stop by other rows each: together they learn from all.
fn parts(chosen: &Chosen, set: &Dataset, target: &Target, share: f64) -> anyhow::Result<Vec<Parts>> {
    let rows = set.len();
    let classes = match (target, set.labels()) {
        (Target::Classes { .. }, steepest::data::Labels::Classes(classes, _)) => Some(classes),
        _ => None,
    };
    if share <= 0.0 || (rows as f64 * share).round() < 1.0 {
        let all = Parts { train: (0..rows).collect(), validation: vec![], test: vec![] };
        return Ok(vec![all; chosen.members()]);
    }
    if chosen.members() == 1 {
        let found = match classes {
            Some(classes) => stratified_parts(classes, 0.0, share, chosen.seed)?,
            None => random_parts(rows, 0.0, share, chosen.seed)?,
        };
        return Ok(vec![Parts { train: found.train, validation: found.test, test: vec![] }]);
    }
    let k = ((1.0 / share).round() as usize).clamp(2, rows.max(2));
    let mut all = vec![];
    for round in 0..chosen.members().div_ceil(k) {
        let seed = chosen.seed.wrapping_add(round as u64);
        let folds = match classes {
            Some(classes) => stratified_folds(classes, k, seed)?,
            None => folds(rows, k, seed)?,
        };
        all.extend(folds.into_iter().map(|fold| Parts { train: fold.train, validation: fold.test, test: vec![] }));
    }
    all.truncate(chosen.members());
    Ok(all)
}

/// Below which number each of the features is that are indices: the last ones.
pub fn indices(fitted: &Preprocessor) -> Vec<usize> {
    fitted.indices().into_iter().map(|(_, count)| count).collect()
}

/// Inputs and outputs of each layer of a model; an index counts as many inputs as it has values.
fn layers(chosen: &Chosen, fitted: &Preprocessor, target: &Target) -> Vec<(u64, u64)> {
    let indices = indices(fitted);
    let numbers = fitted.width() - indices.len() + indices.iter().sum::<usize>();
    let sizes: Vec<u64> = [numbers].iter().chain(&chosen.layers).chain(&[target.width()]).map(|&size| size as u64).collect();
    sizes.windows(2).map(|pair| (pair[0], pair[1])).collect()
}

/// Weights and biases of a model.
fn weights(layers: &[(u64, u64)]) -> u64 {
    layers.iter().fold(0, |all, &(inputs, outputs)| all.saturating_add((inputs + 1).saturating_mul(outputs)))
}

/// Refuses, before anything is trained, models that no tensors can hold or that there is no memory for: the weights of every model, and of the
/// one that is trained its gradients, what the optimizer keeps and the best weights so far.
pub fn check_memory(chosen: &Chosen, fitted: &Preprocessor, target: &Target) -> anyhow::Result<()> {
    let (layers, members) = (layers(chosen, fitted, target), chosen.members() as u64);
    for &(inputs, outputs) in &layers {
        anyhow::ensure!(
            inputs.saturating_mul(outputs) <= u64::from(u32::MAX),
            "--layers: found {:?}: a layer of {inputs} inputs and {outputs} neurons has more than {} weights, use fewer",
            chosen.layers,
            u32::MAX
        );
    }
    let kept = match chosen.optimizer {
        settings::Optimizer::Sgd => 0,
        settings::Optimizer::Momentum | settings::Optimizer::Nesterov | settings::Optimizer::Adagrad => 1,
        settings::Optimizer::Rmsprop => 1,
        settings::Optimizer::Adamw | settings::Optimizer::Adam | settings::Optimizer::Adadelta => 2,
    };
    let (numbers, most) = (weights(&layers), steepest::memory::most());
    let bytes = numbers.saturating_mul(4 * (members + 2 + kept));
    anyhow::ensure!(
        bytes <= most,
        "--layers: found {:?}, and --ensemble {members}: {numbers} weights of a model, with their gradients and what --optimizer keeps, \
         take {bytes} bytes, this program may use {most}; use fewer neurons or models",
        chosen.layers
    );
    Ok(())
}

/// How many bytes the model's file takes at least that a training with these settings leaves: the weights of all models.
pub fn bytes_saved(chosen: &Chosen, fitted: &Preprocessor, target: &Target) -> u64 {
    weights(&layers(chosen, fitted, target)).saturating_mul(4 * chosen.members() as u64)
}

/// Rows of a batch, for so many rows to learn from, with such indices.
pub fn batch_size(chosen: &Chosen, indices: &[usize], rows: usize) -> usize {
    // Each step moves all weights of the tables that are looked up: with few rows a step, an epoch would do little else.
    let most = (indices.iter().sum::<usize>() / 16).next_power_of_two().max(256);
    chosen.batch.unwrap_or_else(|| (rows / 24).next_power_of_two().clamp(16, most)).min(rows.max(1))
}

/// The layers: linear, activation, dropout, and so on to a linear one. The last of the inputs are indices, below these numbers, and the
/// first layer looks them up.
fn build(device: &Device, chosen: &Chosen, inputs: usize, indices: &[usize], outputs: usize, seed: u64) -> Sequential {
    let sizes: Vec<usize> = [inputs].into_iter().chain(chosen.layers.iter().copied()).chain([outputs]).collect();
    if chosen.activation == settings::Activation::Relu && chosen.dropout == 0.0 && indices.is_empty() {
        return nn::mlp(device, &sizes, seed);
    }
    let activation = match chosen.activation {
        settings::Activation::Relu => Activation::Relu,
        settings::Activation::LeakyRelu => Activation::LeakyRelu(0.01),
        settings::Activation::Tanh => Activation::Tanh,
        settings::Activation::Sigmoid => Activation::Sigmoid,
        settings::Activation::Gelu => Activation::Gelu,
        settings::Activation::Silu => Activation::Silu,
        settings::Activation::Elu => Activation::Elu(1.0),
        settings::Activation::Softplus => Activation::Softplus,
    };
    // Kaiming's rule for what cuts one half off, Xavier's for what does not.
    let init = match activation {
        Activation::Tanh | Activation::Sigmoid => Init::XavierNormal,
        _ => Init::KaimingNormal,
    };
    let mut model = Sequential::new();
    for (i, pair) in sizes.windows(2).enumerate() {
        let seed = seed.wrapping_add((i as u64).wrapping_mul(APART));
        if i > 0 {
            model = model.add(activation);
            if chosen.dropout > 0.0 {
                model = model.add(Dropout::new(chosen.dropout, seed));
            }
        }
        let (zero, numbers) = (Init::Constant(0.0), pair[0] - if i == 0 { indices.len() } else { 0 });
        model = if i == 0 && !indices.is_empty() {
            model.add(FeatureEmbedding::with_init(device, numbers, indices, pair[1], init, zero, seed))
        } else {
            model.add(Linear::with_init(device, pair[0], pair[1], init, zero, seed))
        };
    }
    model
}

#[expect(clippy::too_many_arguments, reason = "all of them are what a run needs, and it is called once")]
fn train_member(
    device: &Device,
    chosen: &Chosen,
    model: &Sequential,
    set: &Dataset,
    parts: &Parts,
    target: &Target,
    batch: usize,
    seed: u64,
    quiet: bool,
) -> anyhow::Result<Report> {
    // What is on the device is not kept here as well.
    let loader = DataLoader::new(&set.subset(&parts.train)?, batch).shuffle(seed).on_device(device)?;
    let held = match &parts.validation[..] {
        [] => None,
        rows => Some(DataLoader::new(&set.subset(rows)?, rows_at_once(set.row_len())).on_device(device)?),
    };
    let loss: fn(&Tensor, &Tensor) -> Tensor = match target {
        Target::Values { .. } => |y, t| y.mse(t),
        Target::Classes { .. } => |y, t| y.cross_entropy(t),
        Target::Labels { .. } => |y, t| nn::loss::bce_with_logits(y, t, None, nn::Reduction::Mean),
    };
    let (weights, rate, decay) = (model.parameters(), chosen.rate, chosen.decay);
    let mut trainer = match chosen.optimizer {
        settings::Optimizer::Adamw => Trainer::new(model, Adam::w(weights, rate).weight_decay(decay), loss),
        settings::Optimizer::Adam => Trainer::new(model, Adam::new(weights, rate).weight_decay(decay), loss),
        settings::Optimizer::Sgd => Trainer::new(model, Sgd::new(weights, rate).weight_decay(decay), loss),
        settings::Optimizer::Momentum => Trainer::new(model, Sgd::new(weights, rate).momentum(0.9).weight_decay(decay), loss),
        settings::Optimizer::Nesterov => {
            Trainer::new(model, Sgd::new(weights, rate).momentum(0.9).nesterov(true).weight_decay(decay), loss)
        }
        settings::Optimizer::Rmsprop => Trainer::new(model, RmsProp::new(weights, rate).weight_decay(decay), loss),
        settings::Optimizer::Adagrad => Trainer::new(model, AdaGrad::new(weights, rate).weight_decay(decay), loss),
        settings::Optimizer::Adadelta => Trainer::new(model, Adadelta::new(weights, rate).weight_decay(decay), loss),
    };
    trainer = trainer.epochs(chosen.epochs).l1(chosen.l1).stop_on_ctrl_c();
    trainer = match chosen.schedule {
        Schedule::Constant => trainer,
        Schedule::Cosine => trainer.schedule(Cosine::new(rate, chosen.epochs, rate * 0.01)?),
        Schedule::Plateau => trainer.plateau(Plateau::new(0.5, (chosen.patience / 3).max(1))?),
    };
    if let Some(norm) = chosen.clip {
        trainer = trainer.clip_norm(norm);
    }
    if quiet {
        trainer = trainer.quiet();
    }
    if let Some(held) = &held {
        trainer = trainer.validate(held).early_stopping(EarlyStopping::new(chosen.patience));
        trainer = match target {
            Target::Values { .. } if parts.validation.len() > 1 => trainer.metric(Score::R2),
            Target::Classes { .. } => trainer.metric(Score::Accuracy),
            _ => trainer,
        };
    }
    Ok(trainer.fit(&loader)?)
}

/// The rows that are put to a model at a time: of very many features fewer.
pub fn rows_at_once(width: usize) -> usize {
    const ROWS: usize = 4096;
    const FEATURES: usize = 1 << 21;
    (FEATURES / width.max(1)).clamp(64, ROWS)
}

/// The rows of a table as a data set. `bytes`: the size of the table's file.
pub fn data_set(fitted: &Preprocessor, table: Table, bytes: u64) -> anyhow::Result<(Dataset, Vec<String>)> {
    /// So much and half the file a data set may take that is there whole, and on the device besides; larger ones are made batch by batch.
    const WHOLE: u64 = 16_000_000;
    let whole = 4 * table.len() as u64 * fitted.width() as u64;
    Ok(if whole <= WHOLE + bytes / 2 { fitted.dataset(&table)? } else { fitted.lazy_dataset(table)? })
}

/// What a model says of every row of a data set, row after row.
pub fn outputs(model: &dyn Module, device: &Device, set: &Dataset) -> anyhow::Result<Vec<f32>> {
    let (rows, width) = (set.len(), set.row_len());
    let mut all: Vec<f32> = vec![];
    for first in (0..rows).step_by(rows_at_once(width)) {
        let some: Vec<usize> = (first..(first + rows_at_once(width)).min(rows)).collect();
        let said = said(model, device, &set.features_of(&some), width)?;
        if first == 0 {
            // Room for all of them at once: a vector that grows holds them twice now and then.
            all.reserve_exact(said.len() / some.len() * rows);
        }
        all.extend(said);
    }
    Ok(all)
}

/// What a model says of some rows of features, row after row.
pub fn said(model: &dyn Module, device: &Device, features: &[f32], width: usize) -> anyhow::Result<Vec<f32>> {
    model.eval();
    let x = device.tensor(features, [features.len() / width, width]);
    Ok(steepest::no_grad(|| model.forward(&x)).to_vec::<f32>()?)
}
