//! What the oracle has and the library has not: the one list of it.
//!
//! A case that is not computed must be explained by this list, and a case that the list speaks of must not be computed. So nothing drops out
//! unseen, and who adds an op or a parameter takes its line off.

use crate::common::fields::Lack;

/// Ops, optimizers or schedules, each with what it lacks.
pub type Missing = &'static [(&'static str, Lack)];

const fn field(path: &'static str) -> Lack {
    Lack::field(path)
}

const fn value(path: &'static str, held: &'static str) -> Lack {
    Lack::value(path, held)
}

/// Of gradients.json.
pub const OPS: Missing = &[
    // Parameters, values of parameters and inputs of ops that are there.
    ("compose", value("params.formula", "acos(clamp(x, -1, 1))")),
    ("compose", value("params.formula", "asin(clamp(x, -1, 1))")),
    ("embedding", field("params.padding_idx")),
    ("gru", value("params.layers", "2")),
    ("index_put", value("params.accumulate", "false")),
    ("lstm", value("params.bidirectional", "true")),
    ("lstm", value("params.layers", "2")),
    ("pad", value("params.mode", "circular")),
    ("pad", value("params.mode", "edge")),
    ("pad", value("params.mode", "reflect")),
    ("repeat_interleave", value("params.repeats", "[1,0,3]")),
    ("repeat_interleave", value("params.repeats", "[2,1,4]")),
    ("scatter", value("params.reduce", "max")),
    ("scatter", value("params.reduce", "min")),
    ("scatter", value("params.reduce", "set")),
    // Ops.
    ("acos", Lack::Op),
    ("acosh", Lack::Op),
    ("asin", Lack::Op),
    ("asinh", Lack::Op),
    ("atan", Lack::Op),
    ("atan2", Lack::Op),
    ("atanh", Lack::Op),
    ("celu", Lack::Op),
    ("cosh", Lack::Op),
    ("cosine_similarity", Lack::Op),
    ("cross", Lack::Op),
    ("exp2", Lack::Op),
    ("gaussian_nll", Lack::Op),
    ("glu", Lack::Op),
    ("hard_swish", Lack::Op),
    ("hard_tanh", Lack::Op),
    ("hypot", Lack::Op),
    ("kron", Lack::Op),
    ("linspace", Lack::Op),
    ("log10", Lack::Op),
    ("log2", Lack::Op),
    ("log_sigmoid", Lack::Op),
    ("logaddexp", Lack::Op),
    ("meshgrid", Lack::Op),
    ("mish", Lack::Op),
    ("pixel_shuffle", Lack::Op),
    ("pixel_unshuffle", Lack::Op),
    ("poisson_nll", Lack::Op),
    ("prelu", Lack::Op),
    ("relu6", Lack::Op),
    ("selu", Lack::Op),
    ("sinh", Lack::Op),
    ("smooth_l1", Lack::Op),
    ("softsign", Lack::Op),
    ("squared_hinge", Lack::Op),
    ("swiglu", Lack::Op),
    ("tan", Lack::Op),
    ("triplet_margin", Lack::Op),
    ("upsample_bilinear2d", Lack::Op),
    ("upsample_nearest2d", Lack::Op),
];

/// Of the trajectories in optimizers.json.
pub const OPTIMIZERS: Missing = &[
    ("Adam", field("accumulate")),
    ("Adam", field("ema")),
    ("SGD", field("accumulate")),
    ("SGD", field("ema")),
    ("SGD", field("swa")),
];

/// Of the schedules in optimizers.json.
pub const SCHEDULES: Missing = &[];
