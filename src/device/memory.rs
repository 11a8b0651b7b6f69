//! A device's memory: what is used, the limit, and what is given up before anything is refused.

use super::cached::PlanCache;
use super::state::{Device, DeviceState};
use crate::budget::MemoryUse;
use crate::error::{Error, Result};
use crate::graph::node::{Node, Storage, Value};
use crate::threads::lock;
use std::sync::{Arc, Mutex};

impl Device {
    /// What memory the device uses and may use: values, prepared plans, and what is on its way to or from the device.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let x = device.ones([1000, 1000]);
    /// x.run()?;
    /// assert!(device.memory_use().live >= 4_000_000);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    pub fn memory_use(&self) -> MemoryUse {
        self.state.executor.budget().memory_use()
    }

    /// Sets how many bytes the device may use in all. What would go beyond fails with [`Error::OutOfMemory`], after which everything else goes on;
    /// before that, memory kept for later use is given back, and plans that were kept are forgotten.
    ///
    /// Without this the limit of a device whose values lie in main memory (the CPU, software adapters) is what this program may use: the machine's
    /// memory, or less where a container or `ulimit -v` allows less, or the environment variable `STEEPEST_MEMORY` (`800MB`, `2GiB`). `None`
    /// leaves it to the system or the driver to refuse.
    ///
    /// ```
    /// use steepest::{Device, Error};
    /// let device = Device::cpu();
    /// device.set_memory_limit(Some(1 << 20));
    /// let error = device.ones([1000, 1000]).run().unwrap_err();
    /// assert!(matches!(error, Error::OutOfMemory { bytes: 4_000_000, limit: Some(1_048_576), .. }));
    /// assert_eq!(device.ones([10, 10]).sum(&[]).item()?, 100.0);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn set_memory_limit(&self, bytes: Option<u64>) {
        self.state.executor.budget().set_limit(bytes);
    }

    /// How many bytes the device may use in all; see [`Device::set_memory_limit`].
    pub fn memory_limit(&self) -> Option<u64> {
        self.memory_use().limit
    }

    /// Gives memory that is kept for later use back to the system or the driver.
    pub fn trim_memory(&self) {
        self.state.executor.trim();
    }

    /// Test switch: the n-th time from now on that memory is asked for, there is none; 0 switches it off. Says how many times the one set before was
    /// still away: 0 if it has come.
    pub fn fail_allocation(&self, nth: u64) -> u64 {
        self.state.executor.budget().fail(nth)
    }
}

impl DeviceState {
    /// Tries something again for want of memory as long as there is something to give up. It must leave nothing half done where it fails so.
    pub(super) fn with_room<T>(&self, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
        let mut trimmed = false;
        loop {
            match attempt() {
                Err(Error::OutOfMemory { .. }) if self.gives_up_something(&mut trimmed) => {}
                result => return result,
            }
        }
    }

    /// Gives up what is kept for later; where that was done before, the plan that was not used for longest and is not in use. `false` if there is
    /// nothing to give up.
    fn gives_up_something(&self, trimmed: &mut bool) -> bool {
        let budget = self.executor.budget();
        if budget.end_of_failure() {
            return false;
        }
        let first = !std::mem::replace(trimmed, true);
        let found = (first && budget.memory_use().kept > 0) || self.forgets_a_plan();
        if found {
            self.executor.trim();
        }
        found
    }

    fn forgets_a_plan(&self) -> bool {
        let take_oldest = |plans: &Mutex<PlanCache>| lock(plans).take_oldest_idle();
        take_oldest(&self.plans).or_else(|| take_oldest(&self.watch.plans)).is_some()
    }

    /// The words of a value on the device.
    pub(super) async fn read_with_room(&self, stored: Arc<dyn Storage>) -> Result<Vec<u32>> {
        let mut trimmed = false;
        loop {
            match self.executor.read(stored.clone()).await {
                Err(Error::OutOfMemory { .. }) if self.gives_up_something(&mut trimmed) => {}
                result => return result,
            }
        }
    }

    /// The words of a node's value.
    pub(super) async fn node_words(&self, node: &Arc<Node>) -> Result<Vec<u32>> {
        let of_node = || of(node);
        match node.value() {
            Some(Value::Host(words)) => self.with_room(|| self.executor.budget().copied(of_node, &words)),
            Some(Value::Stored(stored)) => self.read_with_room(stored).await.map_err(|error| error.for_what(of_node)),
            None => Err(self.fault("a value that is not there")),
        }
    }

    /// That there is room for so many f64 in this program's memory: for references and host ops, which allocate what they need where no error can
    /// be given back.
    pub(super) fn room_for_numbers(&self, what: impl FnOnce() -> String, count: usize) -> Result<()> {
        let bytes = (count as u64).saturating_mul(8);
        let budget = self.executor.budget();
        let look = || if budget.has_room(bytes) { Ok(()) } else { Err(budget.refusal("", bytes)) };
        self.with_room(look).map_err(|error| error.for_what(what))
    }
}

/// A value, with the op that computes it and the caller's line.
pub(super) fn of(node: &Node) -> String {
    let spec = node.spec().as_ref().map_or_else(|_| String::new(), |spec| format!(" {spec}"));
    format!("the value of {}{spec} at {}", node.op_name(), node.at())
}
