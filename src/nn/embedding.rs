//! Embedding: a learned row for every number.

use super::{Blueprint, Init, Module, Site, parts};
use crate::error::{At, Error, OpError, Result};
use crate::{Device, Tensor};

/// Numbers (u32 or i32, below `rows`) \[…\] → their rows of the table \[…, width\].
///
/// A number outside is an error where the numbers are known at recording, else its row is NaN.
///
/// ```
/// use steepest::{Device, nn::{Embedding, Module}};
/// let device = Device::cpu();
/// let words = Embedding::new(&device, 1000, 4, 0).padding(0);
/// let sentence = words.forward(&device.tensor(&[17u32, 5, 0, 0], [1, 4])); // two words and two places left over
/// assert_eq!(sentence.shape().dims(), [1, 4, 4]);
/// assert_eq!(sentence.to_vec::<f32>()?[8..], [0.0; 8]);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Debug)]
pub struct Embedding {
    weight: Tensor,
    rows: usize,
    width: usize,
    padding: Option<usize>,
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
        Embedding { weight: weight.start("embedding", device, &[rows, width], (1, width), seed, 0), rows, width, padding: None }
    }

    /// A layer of a given table \[rows, width\], which another layer may have too: see [`Linear::from_parameters`](super::Linear::from_parameters).
    ///
    /// # Errors
    /// The error the table carries, or one that is no f32 matrix.
    #[track_caller]
    pub fn from_parameters(weight: Tensor) -> Result<Embedding> {
        let (spec, at) = (weight.spec()?, At::caller());
        let &[rows, width] = spec.shape.dims() else {
            let message = format!("the table is {spec}, expected two axes, [rows, width]");
            return Err(Error::op("embedding", at, OpError::Shape(message)));
        };
        parts::is_f32("embedding", "table", &weight, at)?;
        Ok(Embedding { weight, rows, width, padding: None })
    }

    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        let (rows, width) = (site.size("rows")?, site.size("width")?);
        site.reserve(&[&[rows, width]])?;
        let padding = if site.blueprint().settings().contains_key("padding") { Some(site.size("padding")?) } else { None };
        if let Some(padding) = padding.filter(|&padding| padding >= rows) {
            return Err(site.blueprint().refuse(format!("padding is {padding}, expected the number of one of {rows} rows")));
        }
        Ok(Box::new(Embedding { padding, ..Embedding::with_init(site.device(), rows, width, Init::Constant(0.0), 0) }))
    }

    /// The same with one row that stands for "nothing here": it starts as zeros and gets no gradient, so it stays what it is (PyTorch's
    /// `padding_idx`). The table is made anew: call this before its weight is handed to an optimizer. A number that is no row's is refused when
    /// the layer is used.
    #[track_caller]
    pub fn padding(self, row: usize) -> Embedding {
        let weight = match self.weight.to_vec::<f32>() {
            Ok(mut numbers) if row < self.rows => {
                numbers[row * self.width..][..self.width].fill(0.0);
                self.weight.device().parameter(&numbers, [self.rows, self.width])
            }
            Err(error) => Tensor::invalid(self.weight.node().backend(), error, At::caller()),
            Ok(_) => self.weight,
        };
        Embedding { weight, padding: Some(row), ..self }
    }

    /// The table \[rows, width\].
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }
}

impl Module for Embedding {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        let _layer = crate::nn::entered(self);
        match self.padding {
            Some(padding) => self.weight.embedding_padded(x, padding),
            None => self.weight.embedding(x),
        }
    }

    fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        visit("weight", &self.weight);
    }

    fn visit_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor)) {
        visit("weight", &mut self.weight);
    }

    fn blueprint(&self) -> Option<Blueprint> {
        let blueprint = Blueprint::new("Embedding").set("rows", self.rows).set("width", self.width);
        Some(match self.padding {
            Some(padding) => blueprint.set("padding", padding),
            None => blueprint,
        })
    }

    fn describe(&self) -> String {
        let padding = self.padding.map_or(String::new(), |row| format!(", row {row} is padding"));
        format!("Embedding({} × {}{padding})", self.rows, self.width)
    }
}
