//! Plans that were prepared and are kept: as many as their share of memory holds, the ones used last.

use crate::error::At;
use crate::executor::PreparedPlan;
use crate::plan::nonfinite::Seen;
use crate::plan::{Plan, Recorded};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Plans that are kept however large they are: those of training and of evaluation, with a shorter last batch each, and a few more.
const ALWAYS: usize = 8;
/// What plans a device keeps; see [`Device::plan_cache`](crate::Device::plan_cache).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanCacheUse {
    /// How many plans are kept.
    pub plans: usize,
    /// Bytes that they take: the values inside them on the device, and what describes them in this program's memory, about.
    pub bytes: u64,
    /// How many bytes they may take, but for the last eight used.
    pub limit: u64,
}

/// A plan and what the executor made of it.
pub(super) struct Cached {
    pub(super) plan: Arc<Plan>,
    pub(super) prepared: PreparedPlan,
    /// Of a plan of anomaly mode, what its flags stand for.
    pub(super) seen: Vec<Seen>,
    bytes: u64,
    /// When it was used last, in lookups.
    used: AtomicU64,
}

impl Cached {
    pub(super) fn new(plan: Arc<Plan>, prepared: PreparedPlan, seen: Vec<Seen>) -> Cached {
        let bytes = (plan.slot_bytes() + plan.own_bytes()) as u64;
        Cached { plan, prepared, seen, bytes, used: AtomicU64::new(0) }
    }
}

/// The plan that ran last, and where that run's ops were recorded.
#[derive(Default)]
pub(super) struct LastRun {
    plan: Option<Arc<Plan>>,
    places: Vec<At>,
}

impl LastRun {
    pub(super) fn set(&mut self, plan: &Arc<Plan>, recorded: Recorded<'_>) {
        self.places.clear();
        self.places.extend(plan.places(recorded));
        self.plan = Some(plan.clone());
    }

    /// The plan with the lines and layers of that run, which are others than its own if another graph of its key ran before.
    pub(super) fn plan(&self) -> Option<Arc<Plan>> {
        let plan = self.plan.as_ref()?;
        if plan.dispatches.iter().zip(&self.places).all(|(dispatch, at)| dispatch.at == *at) {
            return Some(plan.clone());
        }
        let mut plan = Plan::clone(plan);
        plan.dispatches.iter_mut().zip(&self.places).for_each(|(dispatch, at)| dispatch.at = *at);
        Some(Arc::new(plan))
    }
}

/// Plans by the keys of their graphs.
#[derive(Default)]
pub(super) struct PlanCache {
    plans: FxHashMap<Vec<u32>, Arc<Cached>>,
    bytes: u64,
    lookups: AtomicU64,
}

impl PlanCache {
    pub(super) fn get(&self, key: &[u32]) -> Option<Arc<Cached>> {
        let found = self.plans.get(key)?;
        found.used.store(self.lookups.fetch_add(1, Relaxed), Relaxed);
        Some(found.clone())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Cached>> {
        self.plans.values()
    }

    /// Keeps a plan. Where all together are more than `most` bytes, those go that were not used for longest.
    pub(super) fn insert(&mut self, key: &[u32], cached: Arc<Cached>, most: u64) {
        cached.used.store(self.lookups.fetch_add(1, Relaxed), Relaxed);
        let key_bytes = size_of_val(key) as u64;
        self.bytes += cached.bytes + key_bytes;
        if let Some(before) = self.plans.insert(key.to_vec(), cached) {
            self.bytes -= before.bytes + key_bytes;
        }
        self.shrink(most);
    }

    /// Lets plans go until the others are at most `most` bytes: then an eighth less, so that they are put in order once for many new ones.
    pub(super) fn shrink(&mut self, most: u64) {
        if self.bytes <= most || self.plans.len() <= ALWAYS {
            return;
        }
        let mut by_use: Vec<(u64, Vec<u32>)> = self.plans.iter().map(|(key, c)| (c.used.load(Relaxed), key.clone())).collect();
        by_use.sort_unstable_by_key(|(used, _)| *used);
        by_use.truncate(self.plans.len() - ALWAYS);
        for (_, key) in by_use {
            if self.bytes <= most - most / 8 {
                return;
            }
            self.remove(&key);
        }
    }

    fn remove(&mut self, key: &[u32]) -> Option<Arc<Cached>> {
        let removed = self.plans.remove(key)?;
        self.bytes -= removed.bytes + size_of_val(key) as u64;
        Some(removed)
    }

    /// Takes out the plan that was not used for longest and is not in use. It is dropped by the caller, who need not hold a lock then.
    pub(super) fn take_oldest_idle(&mut self) -> Option<Arc<Cached>> {
        let idle = self.plans.iter().filter(|(_, cached)| Arc::strong_count(cached) == 1);
        let oldest = idle.min_by_key(|(_, cached)| cached.used.load(Relaxed)).map(|(key, _)| key.clone());
        oldest.and_then(|key| self.remove(&key))
    }

    /// How many plans are kept, and their bytes.
    pub(super) fn size(&self) -> (usize, u64) {
        (self.plans.len(), self.bytes)
    }

    pub(super) fn clear(&mut self) {
        self.plans.clear();
        self.bytes = 0;
    }
}
