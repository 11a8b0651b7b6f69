//! The catalogue of ops. One file per op or family; one line in the registry below. Nobody else knows op names.

mod activations;
mod arithmetic;
pub mod attention;
pub mod case;
mod closeness;
pub mod conv;
pub mod distance;
mod einsum;
pub mod elementwise;
pub mod f16;
pub mod fft;
mod gemm;
pub mod index;
pub mod layout;
pub mod linalg;
mod math;
pub mod matmul;
mod methods;
mod operators;
mod over_samples;
pub mod pool;
pub mod propagate;
pub mod random;
pub mod reduce;
pub mod resample;
pub mod rope;
mod rows;
pub mod scan;
mod simd;
pub mod softmax;
pub mod sort;
mod statistics;
pub mod tolerance;
pub mod unfold;
pub mod update;
pub mod window;

pub use einsum::einsum;
pub use index::Reduce;
pub use layout::arrange::{Indexing, block_diag, broadcast_tensors, hstack, meshgrid, vstack};
pub use layout::cat::{cat, stack};
pub use scan::{extreme, recurrence};
pub use softmax::cross_entropy;

use crate::graph::Accuracy;
use crate::graph::op::{Array, Op};
use case::{Case, Gen};

/// The bit of the sign of an f32: `params.sign` of shaders that use `shared/compensated`, which no compiler must know.
pub(crate) const SIGN_BIT: u32 = 1 << 31;

/// A family of ops and its test inputs.
pub struct Family {
    /// Stem of its Rust file.
    pub name: &'static str,
    /// Test inputs.
    pub cases: fn(&mut Gen) -> Vec<Case>,
}

/// Every op of the engine, by family.
pub const REGISTRY: &[Family] = &[
    Family { name: "elementwise", cases: elementwise::cases },
    Family { name: "layout", cases: layout::cases },
    Family { name: "matmul", cases: matmul::cases },
    Family { name: "f16", cases: f16::cases },
    Family { name: "conv", cases: conv::cases },
    Family { name: "pool", cases: pool::cases },
    Family { name: "unfold", cases: unfold::cases },
    Family { name: "random", cases: random::cases },
    Family { name: "resample", cases: resample::cases },
    Family { name: "reduce", cases: reduce::cases },
    Family { name: "softmax", cases: softmax::cases },
    Family { name: "cross_entropy", cases: cross_entropy::cases },
    Family { name: "update", cases: update::cases },
    Family { name: "update_scaled", cases: update::scaled_cases },
    Family { name: "update_moments", cases: update::moments_cases },
    Family { name: "index", cases: index::cases },
    Family { name: "cat", cases: layout::cat::cases },
    Family { name: "scan", cases: scan::cases },
    Family { name: "sort", cases: sort::cases },
    Family { name: "triangle", cases: layout::triangle::cases },
    Family { name: "recurrence", cases: recurrence::cases },
    Family { name: "extreme", cases: extreme::cases },
    Family { name: "distance", cases: distance::cases },
    Family { name: "linalg", cases: linalg::cases },
];

/// How exact a device must be at an op, seen through the ops that wrap it.
pub fn accuracy(op: &dyn Op, inputs: &[&Array]) -> Accuracy {
    let mut op = op;
    while let Some(wrapped) = op.wrapped() {
        op = wrapped;
    }
    op.accuracy(inputs)
}
