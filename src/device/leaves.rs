//! Given tensors of equal numbers: buffers of layers, state of optimizers; an error where there is no room for them.

use super::state::Device;
use crate::error::{At, Error, OpError, Result};
use crate::graph::node::{Tensor, Value};
use crate::graph::op::{DType, Spec};
use crate::shape::Shape;
use std::fmt;
use std::sync::Arc;

/// A round of a recorded loop (a step of a sequence, of an iteration) is at least so many values.
const LEAST_OF_A_ROUND: usize = 8;

impl Device {
    /// A given tensor of f32 in which every element is the same; `what` names it in the error, which is `op`'s.
    ///
    /// # Errors
    /// A shape that no tensor may have; [`Error::OutOfMemory`]: no room for it.
    #[track_caller]
    pub(crate) fn filled(&self, op: &'static str, what: impl fmt::Display, shape: &[usize], value: f32) -> Result<Tensor> {
        let at = At::caller();
        let shape = Shape::new(shape).map_err(|error| Error::op(op, at, error))?;
        let budget = self.state.executor.budget();
        let mut words = self.state.with_room(|| budget.room(|| what.to_string(), shape.numel()))?;
        words.resize(shape.numel(), value.to_bits());
        let (spec, value) = (Spec::new(shape, DType::F32), Value::Host(Arc::new(words)));
        Ok(Tensor::leaf(self.backend(), Ok(spec), Some(value), false, at))
    }

    /// Why a loop of so many rounds, each of which records, cannot be recorded; `what` names the rounds.
    pub(crate) fn too_many_rounds(&self, what: &str, rounds: usize) -> Option<OpError> {
        let most = self.backend().live().limit() / LEAST_OF_A_ROUND;
        (rounds > most).then(|| OpError::Value(format!("{what} is {rounds}, expected at most {most}: more are not recorded")))
    }
}
