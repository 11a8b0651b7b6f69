//! A layer with a way around it: y = x + f(x).

use super::path::{KeptPath, into_part};
use super::{Blueprint, Module, Row, Site};
use crate::Tensor;
use crate::error::{OpError, Result};

/// x + f(x) (He et al. 2015) for any layer f that keeps the shape; its parameters are named `inner.…`.
pub struct Residual {
    inner: Box<dyn Module>,
    path: KeptPath,
}

impl Residual {
    /// A way around `inner`.
    pub fn new(inner: impl Module + 'static) -> Residual {
        Residual { inner: Box::new(inner), path: KeptPath::default() }
    }

    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        Ok(Box::new(Residual { inner: site.part("inner")?, path: KeptPath::default() }))
    }
}

/// x + y, or an invalid tensor if the shapes differ: a residual does not broadcast.
#[track_caller]
fn joined(x: &Tensor, y: &Tensor) -> Tensor {
    match (x.try_shape(), y.try_shape()) {
        (Ok(a), Ok(b)) if a != b => x.refuse("residual", OpError::Shape(format!("input {a} and output {b} of the layer differ"))),
        _ => x + y,
    }
}

impl Module for Residual {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        let _layer = crate::nn::path::entered_container(self, &self.path);
        joined(x, &{
            let _part = into_part("inner");
            self.inner.forward(x)
        })
    }

    crate::parts!(inner);

    fn trace(&self, name: &str, x: &Tensor, rows: &mut Vec<Row>) -> Tensor {
        let _layer = crate::nn::path::entered_container(self, &self.path);
        joined(x, &{
            let _part = into_part("inner");
            self.inner.trace(&super::summary::within(name, "inner"), x, rows)
        })
    }

    fn blueprint(&self) -> Option<Blueprint> {
        Blueprint::new("Residual").part("inner", &*self.inner)
    }

    fn describe(&self) -> String {
        format!("Residual({})", self.inner.describe())
    }
}
