//! llvmpipe leaves all loops of a kernel once it has counted 65,535 iterations, without a word.
//!
//! Which: llvmpipe of every version of Mesa that was tried, 22.3 and later; told by the adapter's name. Iterations are counted for the lanes of a vector together.
//! What follows: a variant says how many iterations one invocation makes ([`Variant::max_loop_iterations`]). One that makes more is done in several
//! dispatches, each of which continues from the output of the one before ([`Variant::in_parts`]), or else is not used; and no more small
//! dispatches are merged than make so many together.
//!
//! [`Variant::max_loop_iterations`]: crate::plan::Variant::max_loop_iterations
//! [`Variant::in_parts`]: crate::plan::Variant::in_parts

use super::is_llvmpipe;
use crate::plan::MAX_LOOP_ITERATIONS;

/// Loop iterations that one invocation of a kernel may make.
pub(in crate::gpu) fn most(info: &wgpu::AdapterInfo) -> usize {
    if is_llvmpipe(info) { MAX_LOOP_ITERATIONS } else { usize::MAX }
}
