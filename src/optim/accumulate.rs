//! Gradients of several backward passes added up before one step: a batch that does not fit into memory, in parts.

use super::check;
use crate::error::Result;
use crate::{Gradients, Tensor};
use std::collections::BTreeMap;

/// Adds up gradients of several losses, each computed when it is added: the memory is that of one of them and of the sums, however many there are.
///
/// ```
/// use steepest::{Device, optim::{Accumulator, Optimizer, Sgd}};
/// let device = Device::cpu();
/// let w = device.parameter(&[1.0], 1);
/// let (mut opt, mut gradients) = (Sgd::new([w.clone()], 0.5), Accumulator::mean());
/// for part in [&[1.0, 2.0][..], &[6.0]] {
///     let x = device.tensor(part, part.len());
///     // The mean of all three rows is that of the parts by their rows.
///     gradients.add_weighted((&w * &x).mean(&[]).backward(), part.len() as f64)?;
/// }
/// opt.step(gradients.take()?)?;
/// assert_eq!(w.item()?, 1.0 - 0.5 * 3.0);
/// # Ok::<(), steepest::Error>(())
/// ```
pub struct Accumulator {
    mean: bool,
    /// By the number of the parameter: the sum, and whether it holds anything since the last [`Accumulator::take`].
    sums: BTreeMap<u64, (Tensor, bool)>,
    /// The weight of the first gradients, and of all.
    first: f64,
    total: f64,
    /// The gradients added last, without the gradients: they know of which loss they were.
    last: Option<Gradients>,
}

impl Accumulator {
    /// Adds gradients, as several calls of PyTorch's `backward` without `zero_grad` between them do.
    pub fn sum() -> Accumulator {
        Accumulator { mean: false, sums: BTreeMap::new(), first: 0.0, total: 0.0, last: None }
    }

    /// Takes the mean of gradients, each by its weight: with the rows of each part as weights, means over parts become the mean over all rows.
    pub fn mean() -> Accumulator {
        Accumulator { mean: true, ..Accumulator::sum() }
    }

    /// Whether nothing was added since the last [`Accumulator::take`].
    pub fn is_empty(&self) -> bool {
        self.last.is_none()
    }

    /// Computes gradients, the loss they are of, and what [`Gradients::and_run`] added, and adds them with a weight of 1.
    ///
    /// # Errors
    /// As [`Accumulator::add_weighted`].
    #[track_caller]
    pub fn add(&mut self, gradients: Gradients) -> Result<()> {
        self.add_weighted(gradients, 1.0)
    }

    /// The same with a weight above 0. A parameter that a loss does not depend on has a gradient of 0 there; one that no loss depended on has none.
    ///
    /// # Errors
    /// A weight that is not above 0 and finite, the error of an invalid loss, or what the device reports. Nothing is added then.
    #[track_caller]
    pub fn add_weighted(&mut self, mut gradients: Gradients, weight: f64) -> Result<()> {
        check("weight of gradients", weight, f64::MIN_POSITIVE, f64::INFINITY)?;
        let first = if self.is_empty() { weight } else { self.first };
        // In units of the first weight the sum of equal parts is one of plain gradients.
        let gain = if self.mean { weight / first } else { weight };
        let found = gradients.take()?;
        let mut wanted: Vec<Tensor> = gradients.roots().cloned().collect();
        for (id, gradient) in &found {
            if !self.sums.contains_key(id) {
                let shape = gradient.try_shape()?;
                let sum = gradient.device().filled("step", "a sum of gradients", shape.dims(), 0.0)?;
                self.sums.insert(*id, (sum, false));
            }
            let (sum, holds) = &self.sums[id];
            wanted.push(sum.running_update(gradient, if *holds { 1.0 } else { 0.0 }, gain));
        }
        let ids: Vec<u64> = found.iter().map(|(id, _)| *id).collect();
        // The gradients themselves need not outlive the run.
        drop(found);
        gradients.loss().device().run(&wanted)?;
        for id in ids {
            self.sums.entry(id).and_modify(|(_, holds)| *holds = true);
        }
        self.total = if self.is_empty() { weight } else { self.total + weight };
        (self.first, self.last) = (first, Some(gradients));
        Ok(())
    }

    /// The sum or the mean of all that was added, for an optimizer's step, and begins anew. It must be used before something is added again; the
    /// memory of the sums is kept.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config): nothing was added.
    #[track_caller]
    pub fn take(&mut self) -> Result<Gradients> {
        let Some(last) = self.last.take() else {
            return Err(super::config("gradients", "none were added".to_owned()));
        };
        let share = if self.mean { self.first / self.total } else { 1.0 };
        let mut found = vec![];
        for (id, (sum, holds)) in &mut self.sums {
            if std::mem::take(holds) {
                // Recorded, so that a use after the sum has changed is an error.
                found.push((*id, if share == 1.0 { sum.detach() } else { sum.mul_scalar(share) }));
            }
        }
        Ok(last.put(found))
    }
}
