//! The inputs of a case. Which were taken is recorded: one that nobody has taken makes the case *not computed*.

use super::judge::Recording;
use crate::common::fields::{Fault, Lack};
use std::cell::RefCell;
use std::collections::BTreeSet;
use steepest::{DType, Tensor};

/// Tensors in the order of the case.
pub struct Inputs<'r> {
    tensors: Vec<Tensor>,
    recording: &'r Recording<'r>,
    taken: RefCell<BTreeSet<usize>>,
}

impl<'r> Inputs<'r> {
    /// Inputs that were recorded there.
    pub fn new(tensors: Vec<Tensor>, recording: &'r Recording<'r>) -> Inputs<'r> {
        Inputs { tensors, recording, taken: RefCell::default() }
    }

    /// An input that must be there.
    pub fn get(&self, place: usize) -> Result<&Tensor, Fault> {
        self.optional(place).ok_or_else(|| format!("{} inputs, expected one at place {place}", self.tensors.len()).into())
    }

    /// An input that may be there.
    pub fn optional(&self, place: usize) -> Option<&Tensor> {
        self.taken.borrow_mut().insert(place);
        self.tensors.get(place)
    }

    /// The inputs from a place on.
    pub fn from(&self, place: usize) -> &[Tensor] {
        self.taken.borrow_mut().extend(place..self.tensors.len());
        self.tensors.get(place..).unwrap_or(&[])
    }

    /// All of them.
    pub fn all(&self) -> Vec<&Tensor> {
        self.from(0).iter().collect()
    }

    /// Numbers of a parameter as a tensor, on the reference in f64.
    pub fn constant(&self, shape: &[usize], data: &[f64]) -> Result<Tensor, Fault> {
        Ok(self.recording.leaf(shape, data, DType::F32, false)?)
    }

    /// Other inputs of the same recording.
    pub fn others(&self, tensors: Vec<Tensor>) -> Inputs<'r> {
        Inputs::new(tensors, self.recording)
    }

    /// Nothing if all inputs were taken; else the first that was not is what the case lacks.
    pub fn all_taken(&self) -> Result<(), Fault> {
        let taken = self.taken.borrow();
        match (0..self.tensors.len()).find(|place| !taken.contains(place)) {
            Some(place) => Err(Fault::Lacking(Lack::Input(place))),
            None => Ok(()),
        }
    }
}
