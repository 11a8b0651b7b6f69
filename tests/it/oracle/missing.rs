//! What the oracle has and the library has not: the one list of it.
//!
//! A case that is not computed must be explained by this list, and a case that the list speaks of must not be computed. So nothing drops out
//! unseen, and who adds an op or a parameter takes its line off.

use crate::common::fields::Lack;

/// Ops, optimizers or schedules, each with what it lacks.
pub type Missing = &'static [(&'static str, Lack)];

const fn value(path: &'static str, held: &'static str) -> Lack {
    Lack::value(path, held)
}

/// Of gradients.json.
pub const OPS: Missing = &[
    // Parameters, values of parameters and inputs of ops that are there.
    ("gru", value("params.layers", "2")),
    ("lstm", value("params.bidirectional", "true")),
    ("lstm", value("params.layers", "2")),
    // Ops.
];

/// Of the trajectories in optimizers.json.
pub const OPTIMIZERS: Missing = &[];

/// Of the schedules in optimizers.json.
pub const SCHEDULES: Missing = &[];
