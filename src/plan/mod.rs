//! HOW to compute a graph: kernels, buffers, order. Plain data, made by small pure passes: order → fuse → place.
//!
//! No file imports from one that imports from it: `types`, `switches` and `steps` have what all share, `build` puts the passes in order.

mod build;
mod definition;
pub mod fuse;
mod lowering;
pub mod multi_tensor;
pub mod nonfinite;
pub mod place;
pub mod pointwise;
pub mod slots;
pub mod steps;
mod switches;
mod types;

pub use crate::error::{At, Error, Result};
pub use crate::graph::half;
pub use crate::graph::op::{Io, Kernel, MAX_LOOP_ITERATIONS, Native, Params, SelfTest, Target, Trial, Variant, Wgsl, Workspace};
pub use switches::Switches;
pub use types::{Buffer, Dispatch, ParameterArena, Place, Plan, Recorded};
