//! Embedding: a learned row for every number.

use super::{Blueprint, Init, Module, Site};
use crate::error::Result;
use crate::{Device, Tensor};

/// Numbers (u32 or i32, below `rows`) \[…\] → their rows of the table \[…, width\].
///
/// A number outside is an error where the numbers are known at recording, else its row is NaN.
#[derive(Debug)]
pub struct Embedding {
    weight: Tensor,
    rows: usize,
    width: usize,
}

impl Embedding {
    /// A table `weight` \[rows, width\] that starts as PyTorch's does, normal with standard deviation 1.
    #[track_caller]
    pub fn new(device: &Device, rows: usize, width: usize, seed: u64) -> Embedding {
        Embedding::with_init(device, rows, width, Init::Normal(1.0), seed)
    }

    /// A table with the given start.
    #[track_caller]
    pub fn with_init(device: &Device, rows: usize, width: usize, weight: Init, seed: u64) -> Embedding {
        Embedding { weight: weight.parameter(device, &[rows, width], (rows, width), seed, 0), rows, width }
    }

    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        let (rows, width) = (site.size("rows")?, site.size("width")?);
        site.reserve(&[&[rows, width]])?;
        Ok(Box::new(Embedding::with_init(site.device(), rows, width, Init::Constant(0.0), 0)))
    }

    /// The table \[rows, width\].
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }
}

impl Module for Embedding {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.weight.embedding(x)
    }

    fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        visit("weight", &self.weight);
    }

    fn blueprint(&self) -> Option<Blueprint> {
        Some(Blueprint::new("Embedding").set("rows", self.rows).set("width", self.width))
    }

    fn describe(&self) -> String {
        format!("Embedding({} × {})", self.rows, self.width)
    }
}
