//! Updates of buffers that wait for the next step of an optimizer: what follows from activations and leads to no loss.

use crate::Tensor;

/// Passes whose updates may wait for a step before they are computed without one.
const MOST: usize = 16;

/// What one pass has to say.
#[derive(Debug)]
struct Pass {
    /// The first buffer's version; another one by now means that the updates ran or cannot run any more.
    version: u64,
    updates: Vec<Tensor>,
    /// Held so that a run of the output keeps them, and the updates need not compute them again.
    _held: Vec<Tensor>,
}

/// The updates of a layer's buffers that have not run yet.
#[derive(Debug, Default)]
pub(super) struct Waiting(Vec<Pass>);

impl Waiting {
    /// Runs those that have waited long. Before what a pass has to say is recorded: running changes the buffers.
    pub(super) fn make_room(&mut self, first: &Tensor) {
        self.settle(first, MOST);
    }

    /// Has updates in place of buffers, of which `first` is the first, wait: a chain of new tensors would grow from step to step, as no loss depends
    /// on it.
    pub(super) fn add(&mut self, first: &Tensor, updates: Vec<Tensor>, held: Vec<Tensor>) {
        updates.iter().for_each(|update| update.device().update_with_next_step(update));
        self.0.push(Pass { version: first.node().version(), updates, _held: held });
    }

    /// Runs all that wait: the buffers are about to be read.
    pub(super) fn run(&mut self, first: &Tensor) {
        self.settle(first, 0);
    }

    /// Drops what ran already, and runs the rest if there are more than `most`.
    fn settle(&mut self, first: &Tensor, most: usize) {
        let version = first.node().version();
        self.0.retain(|pass| pass.version == version);
        if self.0.len() > most {
            let waiting = std::mem::take(&mut self.0);
            let Some(newest) = waiting.last() else { return };
            // The others run along, but for those whose inputs were replaced by `set`: they cannot be known any more, and do not count.
            if let Err(error) = first.device().run(&newest.updates) {
                tracing::warn!("buffers were not updated: {error}");
            }
        }
    }
}
