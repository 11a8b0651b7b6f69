//! What the oracle has and the library has not: the one list of it.
//!
//! A case that is not computed must be explained by this list, and a case that the list speaks of must not be computed. So nothing drops out
//! unseen, and who adds an op or a parameter takes its line off.

use crate::common::fields::Lack;

/// Ops, optimizers or schedules, each with what it lacks.
pub type Missing = &'static [(&'static str, Lack)];

/// Of gradients.json.
pub const OPS: Missing = &[];

/// Of the trajectories in optimizers.json.
pub const OPTIMIZERS: Missing = &[];

/// Of the schedules in optimizers.json.
pub const SCHEDULES: Missing = &[];
