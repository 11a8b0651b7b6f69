//! Kernels of a plan under construction, before their values have buffers.

use super::types::ParameterArena;
use crate::error::At;
use crate::graph::op::Kernel;
use rustc_hash::FxHashMap;

/// A value inside a plan under construction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ValueId {
    /// Given to the run.
    Leaf(usize),
    /// Computed by a call.
    Call(usize),
    /// Scratch of one call.
    Temp(usize),
    /// Leaves that are contiguous in one buffer.
    Arena(usize),
}

/// One kernel, before its values have buffers.
pub struct Step {
    /// The kernel.
    pub kernel: Kernel,
    /// Values read.
    pub reads: Vec<ValueId>,
    /// Values written.
    pub writes: Vec<ValueId>,
    /// Calls it computes and whose scalars it takes, in this order.
    pub scalars: Vec<usize>,
    /// What it computes, for people.
    pub label: String,
    /// The last call it computes.
    pub call: Option<usize>,
    /// The line of that call.
    pub at: At,
}

/// The kernels of a graph.
pub struct Steps {
    /// In order.
    pub steps: Vec<Step>,
    /// Words of each temporary.
    pub temps: Vec<usize>,
    /// The value each call's result is found in: its own, or its input's where the call is only a change of shape.
    pub storage_of: Vec<ValueId>,
    /// Leaves that are contiguous in one buffer.
    pub arenas: Vec<ParameterArena>,
    /// Values that are computed into a part of another: `(whole, first word)`.
    pub suballocated: FxHashMap<ValueId, (ValueId, usize)>,
    /// See [`Plan::cacheable`](super::Plan::cacheable).
    pub cacheable: bool,
}
