//! Dropout: in training, zeroes each element with probability p and scales the others by 1 / (1 − p).

use super::{Blueprint, Module, Site, summary};
use crate::Tensor;
use crate::error::Result;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Dropout (Srivastava et al. 2014). Every forward pass in training draws a new mask from the same seed.
#[derive(Debug)]
pub struct Dropout {
    pub(super) p: f64,
    pub(super) seed: u64,
    passes: AtomicU64,
    training: AtomicBool,
}

impl Dropout {
    /// Drops elements with probability `p`. A `p` outside 0 ≤ p < 1 makes the output invalid.
    pub fn new(p: f64, seed: u64) -> Dropout {
        Dropout { p, seed, passes: AtomicU64::new(0), training: AtomicBool::new(true) }
    }

    /// Probability, seed and stream of the next mask; `None` where nothing is dropped.
    pub(super) fn draw(&self) -> Option<(f64, u64, u64)> {
        // A look at the shapes is no training step: it draws no mask.
        let drops = self.p != 0.0 && self.training.load(Ordering::Relaxed) && !summary::tracing();
        drops.then(|| (self.p, self.seed, self.passes.fetch_add(1, Ordering::Relaxed)))
    }

    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        Ok(Box::new(Dropout::new(site.number("p")?, site.blueprint().whole("seed")?)))
    }
}

impl Module for Dropout {
    fn forward(&self, x: &Tensor) -> Tensor {
        match self.draw() {
            Some((p, seed, stream)) => x.dropout(p, seed, stream),
            None => x.clone(),
        }
    }

    fn visit_counters(&self, visit: &mut dyn FnMut(&str, &AtomicU64)) {
        visit("passes", &self.passes);
    }

    fn set_training(&self, on: bool) {
        self.training.store(on, Ordering::Relaxed);
    }

    fn blueprint(&self) -> Option<Blueprint> {
        Some(Blueprint::new("Dropout").set("p", self.p).set("seed", self.seed))
    }

    fn describe(&self) -> String {
        format!("Dropout({})", self.p)
    }
}
