//! What a device knows of its profile.

use crate::platform::Instant;
use crate::profile::{Peak, Profile};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a device knows of its profile.
pub(super) struct Profiler {
    pub(super) on: AtomicBool,
    /// Print the table when the device is closed.
    pub(super) print: bool,
    /// Write the trace there when the device is closed.
    pub(super) trace: Option<PathBuf>,
    pub(super) begun: Mutex<Instant>,
    pub(super) book: Mutex<Profile>,
    pub(super) peak: Mutex<Option<Peak>>,
}

impl Profiler {
    /// Off, unless `STEEPEST_PROFILE=1` or `STEEPEST_TRACE=FILE` are set.
    pub(super) fn new() -> Profiler {
        let print = std::env::var("STEEPEST_PROFILE").is_ok_and(|v| v == "1");
        let trace = std::env::var_os("STEEPEST_TRACE").filter(|v| !v.is_empty()).map(PathBuf::from);
        Profiler {
            on: AtomicBool::new(print || trace.is_some()),
            print,
            trace,
            begun: Mutex::new(Instant::now()),
            book: Mutex::default(),
            peak: Mutex::new(None),
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }
}
