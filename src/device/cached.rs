//! Plans that were prepared and are kept.

use crate::executor::PreparedPlan;
use crate::plan::Plan;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// A plan and what the executor made of it.
pub(super) struct Cached {
    pub(super) plan: Arc<Plan>,
    pub(super) prepared: PreparedPlan,
    /// When it was used last, in runs.
    pub(super) used: AtomicU64,
}
