//! The ops: a file for each, with its WGSL beside it.

mod row_energy;
mod softsign;
mod standardize;

pub use row_energy::row_energy;
pub use softsign::softsign;
pub use standardize::standardize;

use steepest::ops::case::{Case, Gen};

/// Test inputs of each op, for `verify::check_op`.
pub fn cases() -> [Vec<Case>; 3] {
    let mut g = Gen::new(1);
    [softsign::cases(&mut g), row_energy::cases(&mut g), standardize::cases(&mut g)]
}
