//! The training loop: epochs, validation, schedules, early stopping, checkpoints, progress.

use super::bar::{Bar, Shown};
use super::metrics::{Predictions, Truth, gather};
use super::settings::{Averaging, Settings, Trainer};
use super::{EarlyStopping, End, FailedCheckpoint, Flow, History, Record, Report, StepInfo};
use crate::data::{Batch, DataLoader};
use crate::error::{Error, Result};
use crate::location::recording_for_caller;
use crate::memory;
use crate::nn::{Array, Module, StateDict, device_of, update_statistics_all};
use crate::optim::{Average, Optimizer};
use crate::platform::{self, Instant, waited};
use crate::{Device, Gradients, Tensor, no_grad};
use std::sync::atomic::Ordering;

/// Losses that may wait to be read: reading waits for the device.
const WAITING: usize = 64;

/// Metrics by name.
type Figures = Vec<(String, f64)>;

/// Where a run is.
pub(super) struct Run {
    /// Epochs that are over.
    pub(super) epoch: usize,
    /// Batches of this epoch that are over.
    pub(super) batch: usize,
    /// Steps over all epochs.
    pub(super) step: u64,
    /// Sum of the losses of this epoch's rows, and their number.
    pub(super) sum: f64,
    pub(super) rows: u64,
    /// The best value of what is monitored, its epoch (from 1), and the weights there.
    pub(super) best: Option<(f64, usize)>,
    pub(super) best_state: Option<StateDict>,
    /// Epochs in a row that were no better.
    pub(super) bad: usize,
    pub(super) history: History,
    pub(super) average: Option<Average>,
    /// The step of the newest checkpoint, and those that could not be written.
    pub(super) checkpoint: Option<u64>,
    pub(super) failed: Vec<FailedCheckpoint>,
    /// Losses not read yet: step, rows, learning rate.
    waiting: Vec<(u64, usize, f64, Tensor)>,
}

impl Run {
    pub(super) fn new(average: Option<Average>) -> Run {
        Run {
            epoch: 0,
            batch: 0,
            step: 0,
            sum: 0.0,
            rows: 0,
            best: None,
            best_state: None,
            bad: 0,
            history: History::default(),
            average,
            checkpoint: None,
            failed: vec![],
            waiting: vec![],
        }
    }

    /// Reads the losses that wait.
    async fn read(&mut self) -> Result<()> {
        for (step, rows, lr, loss) in std::mem::take(&mut self.waiting) {
            let loss = loss.fetch_item().await?;
            if !loss.is_finite() {
                return Err(Error::Diverged { epoch: self.epoch + 1, step, loss, lr });
            }
            self.sum += f64::from(loss) * rows as f64;
            self.rows += rows as u64;
        }
        Ok(())
    }

    fn shown(&self, epochs: usize, batches: usize, lr: f64) -> Shown {
        let loss = self.sum / self.rows as f64;
        Shown { epoch: self.epoch, epochs, batch: self.batch, batches, rows: self.rows, loss, lr }
    }
}

impl Trainer<'_> {
    /// Trains until the epochs are over or something ends the run before.
    ///
    /// With early stopping the model has the best weights afterwards, else the last ones or their averages; it is left in evaluation mode.
    ///
    /// # Errors
    /// [`Error::Config`]: settings that make no sense. [`Error::Diverged`]: a loss that is not finite. [`Error::File`]: before the first step, a
    /// place where no checkpoint can be written; one that fails later is in the report. What the device, a callback or a metric reports.
    #[track_caller]
    pub fn fit(&mut self, train: &DataLoader) -> Result<Report> {
        waited(&device_of(self.model), self.fit_async(train))
    }

    /// [`Trainer::fit`] without blocking, for a page: steps, losses, validation and checkpoints are awaited, and the page's loop goes on meanwhile. Natively all is
    /// done in the first poll.
    ///
    /// Dropped, it is given up: the model has the weights of the last step that ran. Callbacks must not wait; what they are to read of a model, read
    /// between two calls of this with few epochs each.
    ///
    /// ```
    /// use steepest::{Device, data, nn::{self, Module}, optim::Adam, train::Trainer};
    /// let device = Device::cpu();
    /// let (train, _) = data::digits()?.stratified_split(0.9, 0)?;
    /// let loader = data::DataLoader::new(&train, 32).on_device(&device)?;
    /// let model = nn::mlp(&device, &[64, 8, 10], 1);
    /// let optimizer = Adam::new(model.parameters(), 0.01);
    /// let mut trainer = Trainer::new(&model, optimizer, |output, labels| output.cross_entropy(labels)).epochs(2).quiet();
    /// let report = pollster::block_on(trainer.fit_async(&loader))?;
    /// assert_eq!(report.history.records.len(), 2);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Trainer::fit`].
    #[track_caller]
    pub fn fit_async<'t>(&'t mut self, train: &'t DataLoader) -> impl Future<Output = Result<Report>> + 't {
        recording_for_caller(self.fitted(train))
    }

    async fn fitted(&mut self, train: &DataLoader) -> Result<Report> {
        self.settings.check()?;
        let mut run = Device::started(|| self.begin(train)).await?;
        self.settings.interrupt.clear();
        #[cfg(feature = "progress")]
        let _listening = self.settings.ctrl_c.then(|| super::interrupt::Listening::new(&self.settings.interrupt)).transpose()?;
        let mut bar = Bar::new(self.settings.quiet);
        let end = self.run(&mut run, train, &mut bar).await;
        self.model.eval();
        let end = end?;
        drop(bar);
        match &run.best_state {
            Some(best) => best.load(self.model)?,
            None => drop(self.put_averages(&mut run, train).await?),
        }
        self.model.eval();
        let Run { history, best, step: steps, checkpoint, failed: failed_checkpoints, .. } = run;
        Ok(Report { history, end, best, steps, checkpoint, failed_checkpoints })
    }

    async fn run(&mut self, run: &mut Run, train: &DataLoader, bar: &mut Bar) -> Result<End> {
        loop {
            if self.settings.stopping.as_ref().is_some_and(|stopping| run.bad >= stopping.patience) {
                return Ok(End::EarlyStopping);
            }
            if run.epoch >= self.settings.epochs {
                return Ok(End::Finished);
            }
            let start = Instant::now();
            if let Some(end) = self.steps(run, train, bar).await? {
                self.save(run, train, bar).await?;
                return Ok(end);
            }
            let flow = self.end_epoch(run, start, train, bar).await?;
            let interrupted = self.settings.interrupt.after_epoch();
            if self.settings.saves_epoch(run.epoch) || flow == Flow::Stop || interrupted {
                self.save(run, train, bar).await?;
            }
            if flow == Flow::Stop {
                return Ok(End::Callback);
            }
            if interrupted {
                return Ok(End::Interrupted);
            }
        }
    }

    /// The steps of an epoch that are left; why the run ends, if it ends there.
    async fn steps(&mut self, run: &mut Run, train: &DataLoader, bar: &mut Bar) -> Result<Option<End>> {
        let (epochs, batches) = (self.settings.epochs, train.len());
        self.model.train();
        if let (0, Some(schedule)) = (run.batch, &self.settings.by_epoch) {
            self.optimizer.set_lr(schedule.lr(run.epoch));
        }
        bar.begin(&run.shown(epochs, batches, self.optimizer.lr()));
        let mut left = train.epoch_at(run.epoch as u64).skip(run.batch);
        while let Some(batch) = left.next() {
            if let Some(schedule) = &self.settings.by_step {
                self.optimizer.set_lr(schedule.lr(run.step as usize));
            }
            platform::let_page_go_on().await;
            let (loss, last) = self.step(run, batch, &mut left).await?;
            let lr = self.optimizer.lr();
            let info = StepInfo { epoch: run.epoch + 1, batch: last, step: run.step, lr, loss: &loss };
            let mut flow = Flow::Go;
            for callback in &mut self.settings.callbacks {
                flow = flow.or(callback.on_step(&info)?);
            }
            if run.waiting.len() >= WAITING || bar.is_due() {
                run.read().await?;
                bar.draw(&run.shown(epochs, batches, lr));
            }
            let end = match flow {
                Flow::Stop => Some(End::Callback),
                Flow::Go if self.settings.interrupt.after_batch() => Some(End::Interrupted),
                Flow::Go => None,
            };
            if end.is_some() {
                run.read().await?;
                return Ok(end);
            }
            if self.settings.saves_step(run.step) {
                run.read().await?;
                self.save(run, train, bar).await?;
            }
        }
        run.read().await?;
        Ok(None)
    }

    /// One step, of a batch and as many of those that are left as belong to it; its loss without penalties, which has been computed, and the last
    /// batch's number.
    async fn step(&mut self, run: &mut Run, first: Batch, left: &mut impl Iterator<Item = Batch>) -> Result<(Tensor, usize)> {
        let mut last = first.index;
        let mut losses = vec![];
        if self.settings.accumulate == 1 {
            let (loss, gradients) = self.gradients(&first);
            self.optimizer.step_async(self.settings.clipped(gradients)).await?;
            losses.push((first.len, loss));
        } else {
            for batch in std::iter::once(first).chain(left.take(self.settings.accumulate - 1)) {
                let (loss, gradients) = self.gradients(&batch);
                Device::started(|| self.sums.add_weighted(gradients, batch.len as f64)).await?;
                losses.push((batch.len, loss));
                last = batch.index;
            }
            let gradients = self.sums.take()?;
            self.optimizer.step_async(self.settings.clipped(gradients)).await?;
        }
        (run.step, run.batch) = (run.step + 1, run.batch + losses.len());
        if let (Some(average), Some(Averaging::Ema(_))) = (&mut run.average, self.settings.averaging) {
            Device::started(|| average.update()).await?;
        }
        let rows: usize = losses.iter().map(|(rows, _)| rows).sum();
        let share = |(rows_of, loss): &(usize, Tensor)| match *rows_of == rows {
            true => loss.clone(),
            false => loss.mul_scalar(*rows_of as f64 / rows as f64),
        };
        let mean = losses.iter().map(share).reduce(|sum, part| sum.add(&part));
        let lr = self.optimizer.lr();
        run.waiting.extend(losses.into_iter().map(|(rows, loss)| (run.step, rows, lr, loss)));
        match mean {
            Some(mean) => Ok((mean, last)),
            None => Err(Error::Config { what: "training", message: "a step of no batches".to_owned() }),
        }
    }

    /// A batch's loss without penalties, and the gradients of the loss with them.
    fn gradients(&self, batch: &Batch) -> (Tensor, Gradients) {
        let loss = (self.loss)(&self.model.forward_all(&batch.inputs()), batch);
        let gradients = self.settings.penalised(self.model, &loss).backward();
        (loss, gradients)
    }

    /// The average of the model's weights, not begun yet.
    pub(super) fn average(&self) -> Option<Average> {
        self.settings.averaging.map(|how| match how {
            Averaging::Ema(decay) => Average::ema(self.model.parameters(), decay),
            Averaging::Swa(_) => Average::swa(self.model.parameters()),
        })
    }

    /// Gives the model the averages of its weights, if there are any yet, and takes its running statistics anew where they are of other weights.
    /// What the model had then is handed back.
    async fn put_averages(&self, run: &mut Run, train: &DataLoader) -> Result<Option<Before>> {
        let Some(average) = run.average.as_mut().filter(|average| average.updates() > 0) else { return Ok(None) };
        let mut before = Before::default();
        Device::started(|| average.swap()).await?;
        let buffers = self.model.named_buffers();
        if matches!(self.settings.averaging, Some(Averaging::Swa(_))) && !buffers.is_empty() {
            for (name, buffer) in &buffers {
                before.buffers.insert(name, Array::of_async(buffer).await?);
            }
            self.model.visit_counters(&mut |_, counter| before.counters.push(counter.load(Ordering::Relaxed)));
            update_statistics_all(self.model, train.epoch_at(0).map(|batch| batch.inputs()))?;
        }
        Ok(Some(before))
    }

    /// Gives the model back what it had before it was given averages.
    async fn put_back(&self, run: &mut Run, before: Before) -> Result<()> {
        if let Some(average) = &mut run.average {
            Device::started(|| average.swap()).await?;
        }
        let _report = before.buffers.load_partial(self.model)?;
        let mut counters = before.counters.into_iter();
        self.model.visit_counters(&mut |_, counter| {
            if let Some(count) = counters.next() {
                counter.store(count, Ordering::Relaxed);
            }
        });
        Ok(())
    }

    /// What comes after an epoch's steps, with averaged weights where there are any.
    async fn end_epoch(&mut self, run: &mut Run, start: Instant, train: &DataLoader, bar: &mut Bar) -> Result<Flow> {
        if let (Some(average), Some(Averaging::Swa(first))) = (&mut run.average, self.settings.averaging)
            && run.epoch + 1 >= first
        {
            Device::started(|| average.update()).await?;
        }
        let before = self.put_averages(run, train).await?;
        let flow = self.measure_epoch(run, start, bar).await;
        match before {
            Some(before) => self.put_back(run, before).await.and(flow),
            None => flow,
        }
    }

    /// Validation, the record, schedules, the best weights, callbacks.
    async fn measure_epoch(&mut self, run: &mut Run, start: Instant, bar: &mut Bar) -> Result<Flow> {
        let (val_loss, metrics) = self.validated().await?;
        let seconds = start.elapsed().as_secs_f64();
        let (loss, lr) = (run.sum / run.rows as f64, self.optimizer.lr());
        let record = Record { epoch: run.epoch + 1, steps: run.step, lr, loss, val_loss, metrics, seconds };
        if let Some(plateau) = &mut self.settings.plateau {
            plateau.step(record.val_loss.unwrap_or(record.loss), &mut self.optimizer);
        }
        if let Some(stopping) = &self.settings.stopping {
            let (value, upwards) = self.settings.monitored(stopping, &record)?;
            if stopping.is_better(value, run.best.map(|(best, _)| best), upwards) {
                run.best = Some((value, record.epoch));
                run.best_state = Some(StateDict::of_async(self.model).await?);
                run.bad = 0;
            } else {
                run.bad = run.bad.saturating_add(1);
            }
        }
        bar.epoch(&record, self.settings.epochs);
        tracing::info!("{}", super::bar::line(&record, self.settings.epochs));
        run.history.records.push(record);
        (run.epoch, run.batch, run.sum, run.rows) = (run.epoch + 1, 0, 0.0, 0);
        let mut flow = Flow::Go;
        for callback in &mut self.settings.callbacks {
            flow = flow.or(callback.on_epoch(&run.history, self.model)?);
        }
        Ok(flow)
    }

    /// Loss and metrics of the validation set.
    async fn validated(&self) -> Result<(Option<f64>, Figures)> {
        let Settings { validation: Some(loader), metrics, .. } = &self.settings else { return Ok((None, vec![])) };
        self.model.eval();
        let (mut sum, mut rows, mut width) = (0.0, 0, 1);
        let (mut all, mut classes, mut values) = (vec![], vec![], vec![]);
        for batch in loader.epoch_at(0) {
            let (outputs, loss) = no_grad(|| {
                let outputs = self.model.forward_all(&batch.inputs());
                let loss = (self.loss)(&outputs, &batch);
                (outputs, loss)
            });
            // The loss of no output is an error.
            let output = outputs.first().unwrap_or(&loss);
            // One run for both.
            loader.device().run_async([output, &loss]).await?;
            sum += f64::from(loss.fetch_item().await?) * batch.len as f64;
            rows += batch.len;
            if !metrics.is_empty() {
                if all.is_empty() {
                    // Room for all at once: a vector that grows holds them twice now and then.
                    let count = output.try_shape()?.numel().saturating_mul(loader.len());
                    all = memory::room("the outputs for the validation rows", count).map_err(Error::NoRoom)?;
                }
                width = gather(output, &batch.y, (&mut all, &mut classes, &mut values)).await?;
            }
        }
        let mut measured = vec![];
        if !metrics.is_empty() {
            let truth = if values.is_empty() { Truth::Classes(classes) } else { Truth::Values(values) };
            let predictions = Predictions::new(all, width, truth)?;
            for metric in metrics {
                measured.push((metric.name(), metric.of(&predictions)?));
            }
        }
        Ok((Some(sum / rows as f64), measured))
    }
}

/// What a model had before it was given averages of its weights.
#[derive(Default)]
struct Before {
    buffers: StateDict,
    counters: Vec<u64>,
}

impl Settings<'_> {
    fn clipped(&self, gradients: Gradients) -> Gradients {
        match (self.clip_norm, self.clip_value) {
            (Some(norm), _) => gradients.clip_by_norm(norm),
            (None, Some(value)) => gradients.clip_by_value(value),
            (None, None) => gradients,
        }
    }

    /// The loss with its penalties: λ₁ Σ|w| + ½ λ₂ Σ w² over the weights, which are the parameters of two or more axes.
    fn penalised(&self, model: &dyn Module, loss: &Tensor) -> Tensor {
        let mut total = loss.clone();
        if self.l1 == 0.0 && self.l2 == 0.0 {
            return total;
        }
        for weight in model.parameters().iter().filter(|p| p.try_shape().is_ok_and(|s| s.rank() > 1)) {
            if self.l1 > 0.0 {
                total = total.add(&weight.abs().sum(&[]).mul_scalar(self.l1));
            }
            if self.l2 > 0.0 {
                total = total.add(&weight.square().sum(&[]).mul_scalar(0.5 * self.l2));
            }
        }
        total
    }

    /// The figure that early stopping looks at, and whether more of it is better.
    fn monitored(&self, stopping: &EarlyStopping, record: &Record) -> Result<(f64, bool)> {
        let usual = if record.val_loss.is_some() { "val_loss" } else { "loss" };
        let name = stopping.monitor.as_deref().unwrap_or(usual);
        let upwards = self.metrics.iter().any(|metric| metric.name() == name && metric.upwards());
        match record.get(name) {
            Some(value) => Ok((value, upwards)),
            None => Err(Error::Config { what: "early stopping", message: format!("no figure is called `{name}`") }),
        }
    }
}
