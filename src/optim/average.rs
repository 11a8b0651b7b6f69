//! Averages of weights over the steps of a training run: exponential ones, and the plain mean (Polyak and Juditsky 1992; Izmailov et al. 2018).

use super::{State, check, config};
use crate::Tensor;
use crate::error::Result;
use crate::platform::waited;

/// A moving average of parameters, or of whatever tensors of f32: buffers too, where they are to be averaged.
///
/// ```
/// use steepest::{Device, optim::{Average, Optimizer, Sgd}};
/// let w = Device::cpu().parameter(&[1.0], 1);
/// let mut opt = Sgd::new([w.clone()], 0.25);
/// let mut average = Average::ema([w.clone()], 0.5);
/// for _ in 0..2 {
///     opt.step(w.square().sum(&[]).backward())?; // 0.5, 0.25
///     average.update()?; // 0.5 · 1 + 0.5 · 0.5, 0.5 · 0.75 + 0.5 · 0.25
/// }
/// assert_eq!(average.evaluate(|| w.item())??, 0.5); // with the average
/// assert_eq!(w.item()?, 0.25); // and on with the weights
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Debug)]
pub struct Average {
    tensors: Vec<Tensor>,
    averages: Vec<Tensor>,
    rule: Rule,
    updates: u64,
    /// Whether the tensors hold the averages, and the averages the weights.
    swapped: bool,
}

#[derive(Clone, Copy, Debug)]
enum Rule {
    /// Decay, and whether it is less in the beginning.
    Exponential(f64, bool),
    Mean,
}

impl Average {
    /// An exponential moving average: e ← d e + (1 − d) p with decay d, 0 ≤ d < 1, from the values at the first update on: those that the tensors
    /// have now are its start.
    pub fn ema(tensors: impl IntoIterator<Item = Tensor>, decay: f64) -> Average {
        Average::by(tensors, Rule::Exponential(decay, false))
    }

    /// The plain mean of the values at all updates: that of stochastic weight averaging, with an update after every epoch from some epoch on. What the
    /// tensors have before the first update does not count.
    ///
    /// Statistics of batch normalisation are of other weights: [`nn::update_statistics`](crate::nn::update_statistics) takes them anew.
    pub fn swa(tensors: impl IntoIterator<Item = Tensor>) -> Average {
        Average::by(tensors, Rule::Mean)
    }

    fn by(tensors: impl IntoIterator<Item = Tensor>, rule: Rule) -> Average {
        Average { tensors: tensors.into_iter().collect(), averages: vec![], rule, updates: 0, swapped: false }.begun()
    }

    /// With a first average: a tensor's value now.
    fn begun(mut self) -> Average {
        self.averages = self.tensors.iter().map(Tensor::detach).collect();
        // What they are now is no longer known after a step. An error here is met again at the first update.
        if let Some(first) = self.averages.first() {
            let _ = first.device().run(&self.averages);
        }
        self
    }

    /// A smaller decay in the beginning, min(d, (1 + n)/(10 + n)) in update n from 1, so that the start is soon forgotten. Of an exponential average
    /// only.
    pub fn warmup(mut self) -> Average {
        if let Rule::Exponential(_, warm) = &mut self.rule {
            *warm = true;
        }
        self
    }

    /// Takes up the values that the tensors have now.
    ///
    /// # Errors
    /// A decay that is not in 0..1, no tensors, an update while weights and averages are exchanged, or what the device reports.
    pub fn update(&mut self) -> Result<()> {
        self.check()?;
        let n = self.updates as f64;
        let (keep, gain) = match self.rule {
            Rule::Exponential(decay, warm) => {
                let decay = if warm { decay.min((2.0 + n) / (11.0 + n)) } else { decay };
                (decay, 1.0 - decay)
            }
            Rule::Mean => (n / (n + 1.0), 1.0 / (n + 1.0)),
        };
        let pairs = self.averages.iter().zip(&self.tensors);
        self.run(&pairs.map(|(average, tensor)| average.running_update(tensor, keep, gain)).collect::<Vec<_>>())?;
        self.updates = self.updates.saturating_add(1);
        Ok(())
    }

    fn check(&self) -> Result<()> {
        if let Rule::Exponential(decay, _) = self.rule {
            check("decay of an average", decay, 0.0, 1.0)?;
        }
        if self.swapped {
            return Err(config("average", "weights and averages are exchanged: swap them back first".to_owned()));
        }
        Ok(())
    }

    fn run(&self, updates: &[Tensor]) -> Result<()> {
        match self.tensors.first() {
            Some(first) => first.device().run(updates),
            None => Err(config("average", "there are no tensors to average".to_owned())),
        }
    }

    /// Updates so far.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// The averages, in the order of the tensors; while they are exchanged, the weights.
    pub fn averages(&self) -> &[Tensor] {
        &self.averages
    }

    /// Exchanges weights and averages: the tensors have the averages until it is called again.
    ///
    /// # Errors
    /// No tensors, or what the device reports.
    pub fn swap(&mut self) -> Result<()> {
        let mut updates = vec![];
        for (average, tensor) in self.averages.iter().zip(&self.tensors) {
            // Copies, because each reads what the other overwrites.
            updates.push(average.running_update(&tensor.detach(), 0.0, 1.0));
            updates.push(tensor.running_update(&average.detach(), 0.0, 1.0));
        }
        self.run(&updates)?;
        self.swapped = !self.swapped;
        Ok(())
    }

    /// Calls `f` while the tensors have the averages; afterwards they have the weights again.
    ///
    /// # Errors
    /// As [`Average::swap`].
    pub fn evaluate<R>(&mut self, f: impl FnOnce() -> R) -> Result<R> {
        self.swap()?;
        let result = f();
        self.swap()?;
        Ok(result)
    }

    /// Puts the averages into other tensors of the same shapes: the parameters of a model that is to have them.
    ///
    /// # Errors
    /// Another number of tensors or another shape; an average while it is exchanged; what the device reports.
    pub fn copy_to(&self, tensors: &[Tensor]) -> Result<()> {
        self.check()?;
        if tensors.len() != self.averages.len() {
            return Err(config("average", format!("{} tensors for {} averages", tensors.len(), self.averages.len())));
        }
        let pairs = tensors.iter().zip(&self.averages);
        self.run(&pairs.map(|(tensor, average)| tensor.running_update(&average.detach(), 0.0, 1.0)).collect::<Vec<_>>())
    }

    fn kind(&self) -> &'static str {
        match self.rule {
            Rule::Exponential(..) => "Ema",
            Rule::Mean => "Swa",
        }
    }

    /// The averages and how many updates they had, in this program's memory. As of an optimizer, the settings are not in it.
    ///
    /// # Errors
    /// An average while it is exchanged, or as [`Tensor::to_vec`].
    pub fn state(&self) -> Result<State> {
        let device = self.averages.first().map_or_else(|| "cpu".to_owned(), |first| first.device().name().to_owned());
        waited(&device, self.state_async())
    }

    /// [`Average::state`] without blocking.
    ///
    /// # Errors
    /// As [`Average::state`].
    pub async fn state_async(&self) -> Result<State> {
        self.check()?;
        let mut averages = Vec::with_capacity(self.averages.len());
        for average in &self.averages {
            averages.push(average.fetch().await?);
        }
        let tensors = [("average".to_owned(), averages)].into();
        Ok(State { kind: self.kind().to_owned(), lr: 0.0, steps: vec![self.updates], tensors })
    }

    /// Goes on from a state taken with [`Average::state`].
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config): a state of another kind, or of tensors of other shapes. Nothing is changed then.
    pub fn restore(&mut self, state: &State) -> Result<()> {
        self.check()?;
        let wrong = |message: String| Err(config("state of an average", message));
        if state.kind != self.kind() {
            return wrong(format!("it is that of {}, the average is {}", state.kind, self.kind()));
        }
        let (Some(averages), [updates]) = (state.tensors.get("average"), &state.steps[..]) else {
            return wrong("it has no averages, or no number of updates".to_owned());
        };
        if averages.len() != self.tensors.len() {
            return wrong(format!("it has {} averages, there are {} tensors", averages.len(), self.tensors.len()));
        }
        let mut made = vec![];
        for (i, (values, tensor)) in averages.iter().zip(&self.tensors).enumerate() {
            let shape = tensor.try_shape()?;
            if values.len() != shape.numel() {
                return wrong(format!("average {i} has {} elements, the tensor is {shape}", values.len()));
            }
            made.push(tensor.device().tensor(values, shape));
        }
        (self.averages, self.updates) = (made, *updates);
        Ok(())
    }
}
