//! The catalogue of ops. One file per op or family; one line in the registry below. Nobody else knows op names.

mod attention;
pub mod case;
pub mod cat;
pub mod conv;
pub mod cross_entropy;
mod einsum;
pub mod elementwise;
mod gemm;
pub mod half;
pub mod index;
pub mod layout;
mod math;
pub mod matmul;
mod methods;
mod norms;
pub mod pointwise;
pub mod pool;
pub mod propagate;
pub mod random;
pub mod recurrence;
pub mod reduce;
mod rows;
pub mod scan;
mod scratch;
mod simd;
pub mod softmax;
pub mod sort;
pub mod tolerance;
pub mod triangle;
pub mod update;
pub mod update_scaled;
pub mod window;

pub use cat::{cat, stack};
pub use einsum::einsum;

use crate::graph::op::{Array, Op};
use case::{Case, Gen};
use tolerance::Class;

/// A family of ops: how exact devices must be, and its test inputs.
pub struct Family {
    /// Stem of its Rust file.
    pub name: &'static str,
    /// The accuracy class of an op on these inputs; `None` if the op is not of this family.
    pub class: fn(&dyn Op, &[&Array]) -> Option<Class>,
    /// Test inputs.
    pub cases: fn(&mut Gen) -> Vec<Case>,
}

/// Every op of the engine, by family.
pub const REGISTRY: &[Family] = &[
    Family { name: "elementwise", class: pointwise::class, cases: pointwise::cases },
    Family { name: "layout", class: layout::class, cases: layout::cases },
    Family { name: "matmul", class: matmul::class, cases: matmul::cases },
    Family { name: "half", class: half::class, cases: half::cases },
    Family { name: "conv", class: conv::class, cases: conv::cases },
    Family { name: "pool", class: pool::class, cases: pool::cases },
    Family { name: "random", class: random::class, cases: random::cases },
    Family { name: "reduce", class: reduce::class, cases: reduce::cases },
    Family { name: "softmax", class: softmax::class, cases: softmax::cases },
    Family { name: "cross_entropy", class: cross_entropy::class, cases: cross_entropy::cases },
    Family { name: "update", class: update::class, cases: update::cases },
    Family { name: "update_scaled", class: update_scaled::class, cases: update_scaled::cases },
    Family { name: "index", class: index::class, cases: index::cases },
    Family { name: "cat", class: cat::class, cases: cat::cases },
    Family { name: "scan", class: scan::class, cases: scan::cases },
    Family { name: "sort", class: sort::class, cases: sort::cases },
    Family { name: "triangle", class: triangle::class, cases: triangle::cases },
    Family { name: "recurrence", class: recurrence::class, cases: recurrence::cases },
];

/// How exact a device must be at an op.
pub fn class_of(op: &dyn Op, inputs: &[&Array]) -> Class {
    let mut op = op;
    while let Some(wrapped) = op.wrapped() {
        op = wrapped;
    }
    // An op that no family knows and that does not say is held to the strictest bound, so that forgetting its line shows.
    let known = REGISTRY.iter().find_map(|family| (family.class)(op, inputs));
    let stated = || op.accuracy().map(|[relative, absolute]| Class::Stated { relative, absolute });
    known.or_else(stated).unwrap_or(Class::Exact)
}
