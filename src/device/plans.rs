//! What memory a device's plans may take.

use super::cached::PlanCacheUse;
use super::state::{Device, DeviceState};
use crate::memory;
use crate::threads::lock;
use std::sync::atomic::Ordering::Relaxed;

/// Unless set otherwise, plans may take one part in so many of what the device may use,
const SHARE: u64 = 8;
/// and this many bytes where only a driver knows how much that is.
const WITHOUT_LIMIT: u64 = 2 << 30;

/// Not set by the caller.
const UNSET: u64 = u64::MAX;

impl DeviceState {
    /// How many bytes the plans of one cache may take.
    pub(super) fn plan_bytes(&self) -> u64 {
        match self.plan_limit.load(Relaxed) {
            UNSET => match self.executor.budget().memory_use().limit {
                Some(limit) => limit / SHARE,
                None => WITHOUT_LIMIT.min(memory::most() / SHARE),
            },
            set => set,
        }
    }
}

impl Device {
    /// What plans the device keeps. A graph of the same ops and shapes as an earlier one runs by the plan of that one; a new shape, such as a batch
    /// or a sequence of another length, has a plan of its own, which takes much longer to make than to find.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// for length in [3, 5, 3, 5] {
    ///     device.ones([length]).sum(&[]).item()?;
    /// }
    /// assert_eq!(device.plan_cache().plans, 2);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    pub fn plan_cache(&self) -> PlanCacheUse {
        let limit = self.state.plan_bytes();
        let ((plans, bytes), watched) = (lock(&self.state.plans).size(), lock(&self.state.watch.plans).size());
        PlanCacheUse { plans: plans + watched.0, bytes: bytes + watched.1, limit }
    }

    /// Sets how many bytes of memory plans may take that are kept for later runs; `None` is an eighth of
    /// [what the device may use](Device::memory_limit), or 2 GiB where only a driver knows that. Where there are more, those go that were not used
    /// for longest. The last eight stay, unless memory is needed for something else: then all that are not running may go, the oldest first.
    ///
    /// Sequences of many lengths need fewer plans where they are padded to a few: [`Buckets`](crate::data::Buckets).
    pub fn set_plan_cache_limit(&self, bytes: Option<u64>) {
        self.state.plan_limit.store(bytes.map_or(UNSET, |bytes| bytes.min(UNSET - 1)), Relaxed);
        let most = self.state.plan_bytes();
        lock(&self.state.plans).shrink(most);
        lock(&self.state.watch.plans).shrink(most);
    }
}
