//! Verification: every op on a device against the f64 reference, and every gradient against central differences.
//!
//! [`full`] does all of it on a device of the user's; [`grad_check`] checks a function of the user's, and [`check_op`] an op of the user's.

mod cases;
mod check_op;
mod derivative;
mod first;
mod full;
mod gradcheck;
mod guarded;
mod kernels;
mod merged;
#[cfg(feature = "gpu")]
mod modules;
mod on_device;
pub mod plant;
mod probe;
mod report;
mod second;
mod selection;
mod unmoved;
mod values;
#[cfg(feature = "gpu")]
mod wgsl;

pub use cases::{SEED, cases};
pub use check_op::{OpCheck, check_op, check_op_async};
pub use derivative::{Quotients, derivative, quotients};
pub use first::{gradient_of, gradients};
pub use full::{KnownAnswer, Outcome, Stage, full, full_async};
pub use gradcheck::{
    Entry, GradCheck, GradCheckOptions, Verdict, grad_check, grad_check_async, grad_check_with, grad_check_with_async,
};
#[cfg(feature = "gpu")]
pub use modules::{CaseVariant, Form, ShaderModule, merged_with_a_product, modules, variants, variants_of};
pub use probe::{DriverRow, driver, driver_async, driver_variants};
pub use report::Report;
pub use second::second_order;
pub use selection::Depth;
pub use values::{one, ops, ops_async};
