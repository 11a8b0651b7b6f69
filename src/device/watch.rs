//! What anomaly mode looks for, and the plans it has made.

use super::cached::PlanCache;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, AtomicU64};

/// What anomaly mode looks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Anomaly {
    /// Nothing.
    #[default]
    Off,
    /// NaN only: for programs that mean their infinities, such as masks of −∞ before a softmax.
    Nan,
    /// NaN and infinities.
    NonFinite,
}

/// The state of anomaly mode.
pub(super) struct Watch {
    pub(super) mode: AtomicU8,
    /// Runs with an update since the mode was switched on.
    pub(super) steps: AtomicU64,
    pub(super) plans: Mutex<PlanCache>,
}

impl Watch {
    /// `STEEPEST_ANOMALY=nan` or `=1`.
    pub(super) fn from_env() -> Watch {
        let mode = match std::env::var("STEEPEST_ANOMALY").as_deref() {
            Ok("nan") => Anomaly::Nan,
            Ok("1") => Anomaly::NonFinite,
            _ => Anomaly::Off,
        };
        Watch { mode: AtomicU8::new(mode as u8), steps: AtomicU64::new(0), plans: Mutex::default() }
    }
}
