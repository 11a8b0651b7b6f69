//! What a device has done, counted, for tests and benches.

pub use crate::gpu_info::Counts;
use std::sync::atomic::{AtomicU64, Ordering};

/// Running totals of one device.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) dispatches: AtomicU64,
    pub(super) submissions: AtomicU64,
    pub(super) bind_groups: AtomicU64,
    pub(super) pipelines: AtomicU64,
    pub(super) buffers: AtomicU64,
}

pub(super) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

impl Counters {
    pub(super) fn read(&self) -> Counts {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            dispatches: get(&self.dispatches),
            submissions: get(&self.submissions),
            bind_groups: get(&self.bind_groups),
            pipelines: get(&self.pipelines),
            buffers: get(&self.buffers),
        }
    }
}
