//! Given tensors of equal numbers: buffers of layers, state of optimizers; an error where there is no room for them.

use super::state::Device;
use crate::error::OpError;
use crate::graph::node::{Tensor, Value};
use crate::graph::op::{DType, Spec};
use crate::memory;
use crate::shape::Shape;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

/// A round of a recorded loop (a step of a sequence, of an iteration) is at least so many values.
const LEAST_OF_A_ROUND: usize = 8;

impl Device {
    /// A given tensor of f32 in which every element is the same; `what` names it in the error.
    ///
    /// # Errors
    /// A shape that no tensor may have, or no room for it in this program's memory.
    #[track_caller]
    pub(crate) fn filled(&self, what: impl fmt::Display, shape: &[usize], value: f32) -> Result<Tensor, OpError> {
        let shape = Shape::new(shape)?;
        let words = memory::filled(what, shape.numel(), value.to_bits()).map_err(OpError::NoRoom)?;
        let (spec, value) = (Spec::new(shape, DType::F32), Value::Host(Arc::new(words)));
        Ok(Tensor::leaf(self.backend(), Ok(spec), Some(value), false, Location::caller()))
    }

    /// Why a loop of so many rounds, each of which records, cannot be recorded; `what` names the rounds.
    pub(crate) fn too_many_rounds(&self, what: &str, rounds: usize) -> Option<OpError> {
        let most = self.backend().live().limit() / LEAST_OF_A_ROUND;
        (rounds > most).then(|| OpError::Value(format!("{what} is {rounds}, expected at most {most}: more are not recorded")))
    }
}
