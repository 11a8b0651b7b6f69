//! What anomaly mode looks for, and the plans it has made.

use super::cached::Cached;
use crate::plan::nonfinite::Seen;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU64};
use std::sync::{Arc, Mutex};

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

/// Plans kept for watched runs; past this all are made anew.
pub(super) const PLANS: usize = 64;

/// A plan with flags, and what they stand for.
pub(super) struct Watching {
    pub(super) cached: Cached,
    pub(super) seen: Vec<Seen>,
}

/// The state of anomaly mode.
pub(super) struct Watch {
    pub(super) mode: AtomicU8,
    /// Runs with an update since the mode was switched on.
    pub(super) steps: AtomicU64,
    pub(super) plans: Mutex<HashMap<Vec<u32>, Arc<Watching>>>,
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
