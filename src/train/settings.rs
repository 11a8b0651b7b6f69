//! What a training run is told: `Trainer` and its settings.

use super::metrics::Metric;
#[cfg(feature = "save")]
use super::resume::Saving;
use super::{Callback, EarlyStopping, Flow, History, Interrupt, StepInfo};
use crate::Tensor;
use crate::data::{Batch, DataLoader};
use crate::error::{Error, OpError, Result};
use crate::nn::Module;
use crate::optim::schedule::{Plateau, Schedule};
use crate::optim::{Accumulator, Optimizer};

/// How weights are averaged.
#[derive(Clone, Copy, Debug)]
pub(super) enum Averaging {
    /// With this decay, every step.
    Ema(f64),
    /// From this epoch on, counted from 1.
    Swa(usize),
}

/// The loss of a model's outputs for a batch.
type Loss<'a> = Box<dyn Fn(&[Tensor], &Batch) -> Tensor + 'a>;

/// The training loop, with what it is told.
///
/// ```
/// use steepest::data::{self, DataLoader};
/// use steepest::optim::{Adam, schedule::Cosine};
/// use steepest::train::{EarlyStopping, Trainer, metrics::Score};
/// use steepest::{Device, nn::{self, Module}};
///
/// let device = Device::cpu();
/// let (train, held_out) = data::digits()?.stratified_split(0.2, 1)?;
/// let train = DataLoader::new(&train, 32).shuffle(1).on_device(&device)?;
/// let held_out = DataLoader::new(&held_out, 360).on_device(&device)?;
///
/// let model = nn::mlp(&device, &[64, 32, 10], 1);
/// let adam = Adam::new(model.parameters(), 1e-2);
/// let report = Trainer::new(&model, adam, |logits, labels| logits.cross_entropy(labels))
///     .epochs(5)
///     .validate(&held_out)
///     .metric(Score::Accuracy)
///     .schedule(Cosine::new(1e-2, 5, 1e-4)?)
///     .early_stopping(EarlyStopping::new(3))
///     .clip_norm(5.0)
///     .fit(&train)?;
/// let last = report.history.last().expect("five epochs");
/// assert!(last.get("accuracy") > Some(0.9));
/// println!("{}", report.history.to_csv());
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// The mean of an epoch weights each batch by its rows: a loss should be a mean over rows, as losses are unless told otherwise. There is nothing
/// random in the loop: the same model, loader, seeds and device give the same bits.
pub struct Trainer<'a> {
    pub(super) model: &'a dyn Module,
    pub(super) optimizer: Box<dyn Optimizer + 'a>,
    pub(super) loss: Loss<'a>,
    /// Gradients of the batches of a step that has several.
    pub(super) sums: Accumulator,
    pub(super) settings: Settings<'a>,
}

pub(super) struct Settings<'a> {
    pub(super) epochs: usize,
    pub(super) validation: Option<&'a DataLoader>,
    pub(super) metrics: Vec<Box<dyn Metric + 'a>>,
    pub(super) by_epoch: Option<Box<dyn Schedule + 'a>>,
    pub(super) by_step: Option<Box<dyn Schedule + 'a>>,
    pub(super) plateau: Option<Plateau>,
    pub(super) stopping: Option<EarlyStopping>,
    pub(super) clip_norm: Option<f64>,
    pub(super) clip_value: Option<f64>,
    pub(super) l1: f64,
    pub(super) l2: f64,
    /// Batches of a step.
    pub(super) accumulate: usize,
    pub(super) averaging: Option<Averaging>,
    pub(super) callbacks: Vec<Box<dyn Callback + 'a>>,
    pub(super) interrupt: Interrupt,
    #[cfg(feature = "progress")]
    pub(super) ctrl_c: bool,
    pub(super) quiet: bool,
    #[cfg(feature = "save")]
    pub(super) saving: Option<Saving>,
}

fn wrong(message: String) -> Error {
    Error::Config { what: "training", message }
}

impl<'a> Trainer<'a> {
    /// Trains `model` with `optimizer`, which has the model's parameters, on `loss` of the model's output and the batch's labels: 10 epochs,
    /// and nothing else, unless told.
    pub fn new(
        model: &'a dyn Module,
        optimizer: impl Optimizer + 'a,
        loss: impl Fn(&Tensor, &Tensor) -> Tensor + 'a,
    ) -> Trainer<'a> {
        let first = move |outputs: &[Tensor], batch: &Batch| match outputs {
            [output, ..] => loss(output, &batch.y),
            [] => batch.x.refuse("training", OpError::Value("the model gave no output".to_owned())),
        };
        Trainer::with_loss(model, optimizer, first)
    }

    /// Trains a model of several inputs or outputs ([`Module::forward_all`]) on `loss` of all its outputs and the batch, which has the targets. Metrics
    /// are taken of the first output and the labels.
    ///
    /// ```
    /// use steepest::{Device, Tensor, data::{Batch, DataLoader, Dataset, Labels}, nn::{self, Linear, Module}, optim::Adam, train::Trainer};
    ///
    /// struct Both { first: Linear, second: Linear, class: Linear, number: Linear }
    ///
    /// impl Module for Both {
    ///     fn forward_all(&self, inputs: &[Tensor]) -> Vec<Tensor> {
    ///         let [a, b] = inputs else { return nn::wrong_inputs("Both", inputs, 2) };
    ///         let joined = (self.first.forward(a) + self.second.forward(b)).tanh();
    ///         vec![self.class.forward(&joined), self.number.forward(&joined)]
    ///     }
    ///     steepest::parts!(first, second, class, number);
    /// }
    ///
    /// let device = Device::cpu();
    /// let rows = Dataset::new(vec![0.0, 1.0, 2.0, 3.0], &[2], Labels::Classes(vec![1, 0], 2))?
    ///     .with_input(vec![0.5f32, -0.5], &[1])?
    ///     .with_target(vec![2.0f32, 4.0], &[1])?;
    /// let loader = DataLoader::new(&rows, 2).on_device(&device)?;
    /// let made = |inputs, outputs| Linear::new(&device, inputs, outputs, 1);
    /// let model = Both { first: made(2, 8), second: made(1, 8), class: made(8, 2), number: made(8, 1) };
    /// let loss = |outputs: &[Tensor], batch: &Batch| {
    ///     outputs[0].cross_entropy(&batch.y) + outputs[1].mse(&batch.more_targets[0]) * 0.1
    /// };
    /// let report = Trainer::with_loss(&model, Adam::new(model.parameters(), 0.01), loss).epochs(20).fit(&loader)?;
    /// let losses = report.history.column("loss");
    /// assert!(losses[19] < losses[0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    pub fn with_loss(
        model: &'a dyn Module,
        optimizer: impl Optimizer + 'a,
        loss: impl Fn(&[Tensor], &Batch) -> Tensor + 'a,
    ) -> Trainer<'a> {
        let settings = Settings {
            epochs: 10,
            validation: None,
            metrics: vec![],
            by_epoch: None,
            by_step: None,
            plateau: None,
            stopping: None,
            clip_norm: None,
            clip_value: None,
            l1: 0.0,
            l2: 0.0,
            accumulate: 1,
            averaging: None,
            callbacks: vec![],
            interrupt: Interrupt::new(),
            #[cfg(feature = "progress")]
            ctrl_c: false,
            quiet: false,
            #[cfg(feature = "save")]
            saving: None,
        };
        Trainer { model, optimizer: Box::new(optimizer), loss: Box::new(loss), sums: Accumulator::mean(), settings }
    }

    /// At most this many epochs.
    pub fn epochs(mut self, epochs: usize) -> Self {
        self.settings.epochs = epochs;
        self
    }

    /// Takes loss and metrics of these rows after each epoch.
    pub fn validate(mut self, loader: &'a DataLoader) -> Self {
        self.settings.validation = Some(loader);
        self
    }

    /// Takes one more metric of the validation rows.
    pub fn metric(mut self, metric: impl Metric + 'a) -> Self {
        self.settings.metrics.push(Box::new(metric));
        self
    }

    /// Sets the learning rate before each epoch.
    pub fn schedule(mut self, schedule: impl Schedule + 'a) -> Self {
        self.settings.by_epoch = Some(Box::new(schedule));
        self
    }

    /// Sets the learning rate before each step; the schedule counts steps.
    pub fn schedule_by_step(mut self, schedule: impl Schedule + 'a) -> Self {
        self.settings.by_step = Some(Box::new(schedule));
        self
    }

    /// Lowers the learning rate when the validation loss (the training loss, without validation rows) has stopped falling.
    pub fn plateau(mut self, plateau: Plateau) -> Self {
        self.settings.plateau = Some(plateau);
        self
    }

    /// Ends the run when a figure has stopped getting better, and keeps the best weights.
    pub fn early_stopping(mut self, stopping: EarlyStopping) -> Self {
        self.settings.stopping = Some(stopping);
        self
    }

    /// Shortens gradients, all together, to this norm: see [`Gradients::clip_by_norm`](crate::Gradients::clip_by_norm).
    pub fn clip_norm(mut self, norm: f64) -> Self {
        self.settings.clip_norm = Some(norm);
        self
    }

    /// Moves each gradient into −`value`..`value`.
    pub fn clip_value(mut self, value: f64) -> Self {
        self.settings.clip_value = Some(value);
        self
    }

    /// Adds λ₁ Σ|w| over the weights (the parameters of two or more axes: no biases, no scales) to what is minimised. The history's losses are
    /// without it. An optimizer's own `l1` may differ by group.
    pub fn l1(mut self, penalty: f64) -> Self {
        self.settings.l1 = penalty;
        self
    }

    /// Adds ½ λ₂ Σ w² over the weights, as [`Trainer::l1`] does. For AdamW's decay, which is none of the loss, tell the optimizer.
    pub fn l2(mut self, penalty: f64) -> Self {
        self.settings.l2 = penalty;
        self
    }

    /// Makes a step of every `batches` batches, by the mean gradient of all their rows: the step of one batch that is as large, in the memory of a
    /// small one. A step is then what schedules, checkpoints, callbacks and the history count; its loss is the mean over its rows. If an epoch's
    /// last batches are fewer, they make a step by the mean of their own rows.
    ///
    /// Batch normalisation still sees the small batches.
    pub fn accumulate(mut self, batches: usize) -> Self {
        self.settings.accumulate = batches;
        self
    }

    /// Averages the weights exponentially with this decay, a step at a time ([`Average::ema`](crate::optim::Average::ema)). Validation, early
    /// stopping, callbacks after epochs and the trained model have the averages; steps go on from the weights. Buffers (running statistics) are
    /// the model's own. Not together with [`Trainer::swa`].
    pub fn ema(mut self, decay: f64) -> Self {
        self.settings.averaging = Some(Averaging::Ema(decay));
        self
    }

    /// Averages the weights that epochs end with, from epoch `start` on, counted from 1 ([`Average::swa`](crate::optim::Average::swa)). Validation,
    /// early stopping, callbacks after epochs and the trained model have the averages; steps go on from the weights. If the model has running
    /// statistics, they are taken anew for the averages, by a pass over the training rows. Not together with [`Trainer::ema`].
    pub fn swa(mut self, start: usize) -> Self {
        self.settings.averaging = Some(Averaging::Swa(start));
        self
    }

    /// Is told of steps and epochs.
    pub fn callback(mut self, callback: impl Callback + 'a) -> Self {
        self.settings.callbacks.push(Box::new(callback));
        self
    }

    /// Calls `f` after every step.
    pub fn on_step(self, f: impl FnMut(&StepInfo<'_>) -> Result<Flow> + 'a) -> Self {
        struct OnStep<F>(F);
        impl<F: FnMut(&StepInfo<'_>) -> Result<Flow>> Callback for OnStep<F> {
            fn on_step(&mut self, info: &StepInfo<'_>) -> Result<Flow> {
                (self.0)(info)
            }
        }
        self.callback(OnStep(f))
    }

    /// Calls `f` after every epoch, with all epochs so far.
    pub fn on_epoch(self, f: impl FnMut(&History) -> Result<Flow> + 'a) -> Self {
        struct OnEpoch<F>(F);
        impl<F: FnMut(&History) -> Result<Flow>> Callback for OnEpoch<F> {
            fn on_epoch(&mut self, history: &History, _: &dyn Module) -> Result<Flow> {
                (self.0)(history)
            }
        }
        self.callback(OnEpoch(f))
    }

    /// Ends when asked to: see [`Interrupt`].
    pub fn interrupt(mut self, interrupt: &Interrupt) -> Self {
        self.settings.interrupt = interrupt.clone();
        self
    }

    /// Ends the run after its epoch at the first Ctrl-C, with a checkpoint if there is a place for it; the second ends the program at once, with exit
    /// code 130. What is finished then (checkpoints, files) stays, and nothing half written is left.
    #[cfg(feature = "progress")]
    pub fn stop_on_ctrl_c(mut self) -> Self {
        self.settings.ctrl_c = true;
        self
    }

    /// Shows no progress. Without this there is a bar on standard error, if that is a terminal.
    pub fn quiet(mut self) -> Self {
        self.settings.quiet = true;
        self
    }

    /// The optimizer.
    pub fn optimizer(&self) -> &dyn Optimizer {
        &*self.optimizer
    }
}

impl Settings<'_> {
    pub(super) fn check(&self) -> Result<()> {
        self.stopping.as_ref().map_or(Ok(()), EarlyStopping::check)?;
        for (what, penalty) in [("L1", self.l1), ("L2", self.l2)] {
            if !(penalty >= 0.0 && penalty.is_finite()) {
                return Err(wrong(format!("an {what} penalty of {penalty}, expected 0 or more")));
            }
        }
        if self.accumulate == 0 {
            return Err(wrong("a step of 0 batches, expected 1 or more".to_owned()));
        }
        if matches!(self.averaging, Some(Averaging::Swa(0))) {
            return Err(wrong("weights are averaged from epoch 0 on, expected 1 or more".to_owned()));
        }
        if self.clip_norm.is_some() && self.clip_value.is_some() {
            return Err(wrong("gradients are to be clipped both by norm and by value".to_owned()));
        }
        if [self.by_epoch.is_some(), self.by_step.is_some(), self.plateau.is_some()].iter().filter(|&&set| set).count() > 1 {
            return Err(wrong("more than one schedule sets the learning rate".to_owned()));
        }
        if let (None, Some(metric)) = (self.validation, self.metrics.first()) {
            return Err(wrong(format!("`{}` is to be taken of validation rows, and there are none", metric.name())));
        }
        let mut names: Vec<String> = self.metrics.iter().map(|metric| metric.name()).collect();
        if let Some(name) = names.iter().find(|name| name.is_empty() || name.contains([',', '\n', '\r'])) {
            return Err(wrong(format!("a metric is called {name:?}, which is no name of a column")));
        }
        names.extend(["epoch", "steps", "lr", "loss", "val_loss", "seconds"].map(str::to_owned));
        names.sort();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(wrong(format!("two figures are called `{}`", pair[0])));
        }
        if let Some(name) = self.stopping.as_ref().and_then(|stopping| stopping.monitor.as_ref())
            && (!names.contains(name) || (name == "val_loss" && self.validation.is_none()))
        {
            return Err(wrong(format!("early stopping looks at `{name}`, which is not taken")));
        }
        Ok(())
    }
}

#[cfg(not(feature = "save"))]
mod unsaved {
    use super::super::bar::Bar;
    use super::super::trainer::Run;
    use super::{DataLoader, Result, Settings, Trainer};

    impl Trainer<'_> {
        pub(in crate::train) fn begin(&mut self, _: &DataLoader) -> Result<Run> {
            Ok(Run::new(self.average()))
        }

        pub(in crate::train) async fn save(&mut self, _: &mut Run, _: &DataLoader, _: &Bar) -> Result<()> {
            Ok(())
        }
    }

    impl Settings<'_> {
        pub(in crate::train) fn saves_epoch(&self, _: usize) -> bool {
            false
        }

        pub(in crate::train) fn saves_step(&self, _: u64) -> bool {
            false
        }
    }
}
