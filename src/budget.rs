//! What memory a device may use: bytes are asked for, counted and given back, and refused beyond a limit before the system or a driver has to.

use crate::error::Error;
use crate::memory;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bytes of this program's memory that are left for everything but the values of its devices.
const LEFT_FREE: u64 = 32 << 20;
/// Bytes by which a device grows before it is looked again whether this program has that much.
const STRIDE: u64 = 16 << 20;

/// Bytes from which on it is looked whether they are there, each time.
const WORTH_A_LOOK: u64 = 1 << 20;

/// Instead of a number of allocations: none is to fail; all fail.
const NONE: u64 = 0;
const ALL: u64 = u64::MAX;

/// What memory a device uses and may use; see [`Device::memory_use`](crate::Device::memory_use).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryUse {
    /// Bytes of values, of prepared plans, and of what is on its way to and from the device.
    pub live: u64,
    /// Bytes that are free and kept for later use.
    pub kept: u64,
    /// Bytes that the device may use in all; `None` if only the device itself knows.
    pub limit: Option<u64>,
}

/// The account of one device.
#[derive(Debug)]
pub struct Budget {
    device: String,
    /// `u64::MAX` is none.
    limit: AtomicU64,
    /// Bytes live and kept.
    held: AtomicU64,
    kept: AtomicU64,
    /// Up to how many bytes it is known that this program has room.
    looked: AtomicU64,
    /// Allocations to the one that fails, for tests.
    failing: AtomicU64,
}

impl Budget {
    /// Of a device whose values lie in this program's memory: what the program may use.
    pub fn in_main_memory(device: &str) -> Budget {
        Budget { looked: AtomicU64::new(0), ..Budget::elsewhere(device, Some(memory::most())) }
    }

    /// Of a device with memory of its own.
    pub fn elsewhere(device: &str, limit: Option<u64>) -> Budget {
        Budget {
            device: device.to_owned(),
            limit: AtomicU64::new(limit.unwrap_or(u64::MAX)),
            held: AtomicU64::new(0),
            kept: AtomicU64::new(0),
            looked: AtomicU64::new(u64::MAX),
            failing: AtomicU64::new(NONE),
        }
    }

    /// What is used and may be used.
    pub fn memory_use(&self) -> MemoryUse {
        let limit = self.limit.load(Relaxed);
        let kept = self.kept.load(Relaxed);
        let live = self.held.load(Relaxed).saturating_sub(kept);
        MemoryUse { live, kept, limit: (limit < u64::MAX).then_some(limit) }
    }

    /// Sets the limit; what is held beyond it stays.
    pub fn set_limit(&self, limit: Option<u64>) {
        self.limit.store(limit.unwrap_or(u64::MAX), Relaxed);
    }

    /// Says how much of what is held is free.
    pub fn set_kept(&self, bytes: u64) {
        self.kept.store(bytes, Relaxed);
    }

    /// Counts bytes that are about to be allocated, unless there is no room for them.
    #[must_use]
    pub fn take(&self, bytes: u64) -> bool {
        let held = self.held.fetch_add(bytes, Relaxed).saturating_add(bytes);
        if held <= self.limit.load(Relaxed) && (held <= self.looked.load(Relaxed) || self.look(bytes, held)) {
            return true;
        }
        self.held.fetch_sub(bytes, Relaxed);
        false
    }

    /// Looks whether this program has the room, and some left over: an allocation that is too small to be asked for cannot be refused in order.
    #[cold]
    fn look(&self, bytes: u64, held: u64) -> bool {
        let there = memory::is_there(bytes.saturating_add(LEFT_FREE));
        if there {
            self.looked.store(held.saturating_add(STRIDE), Relaxed);
        }
        there
    }

    /// Counts bytes that were freed.
    pub fn give_back(&self, bytes: u64) {
        self.held.fetch_sub(bytes, Relaxed);
    }

    /// Whether there is room for so many bytes at this moment: for what is allocated in places that cannot be refused one by one.
    pub fn has_room(&self, bytes: u64) -> bool {
        if !self.asks() {
            return false;
        }
        // Of a device with memory of its own only this program's room counts.
        let elsewhere = self.looked.load(Relaxed) == u64::MAX;
        let taken = elsewhere || self.take(bytes);
        if taken && !elsewhere {
            self.give_back(bytes);
        }
        taken && (bytes < WORTH_A_LOOK || memory::is_there(bytes))
    }

    /// An empty vector in this program's memory, for what goes to or comes from the device.
    ///
    /// # Errors
    /// No room.
    pub fn room<T>(&self, what: impl FnOnce() -> String, count: usize) -> Result<Vec<T>, Error> {
        let bytes = (count as u64).saturating_mul(size_of::<T>() as u64);
        let mut found = Vec::new();
        let beyond =
            self.looked.load(Relaxed) < u64::MAX && self.held.load(Relaxed).saturating_add(bytes) > self.limit.load(Relaxed);
        if self.asks() && !beyond && bytes <= memory::most() && found.try_reserve_exact(count).is_ok() {
            return Ok(found);
        }
        Err(self.refusal(what(), bytes))
    }

    /// A copy of words, with [`Budget::room`].
    ///
    /// # Errors
    /// No room.
    pub fn copied(&self, what: impl FnOnce() -> String, words: &[u32]) -> Result<Vec<u32>, Error> {
        let mut copy = self.room(what, words.len())?;
        copy.extend_from_slice(words);
        Ok(copy)
    }

    /// Whether the next allocation may be made: not if a test has it fail.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.failing.load(Relaxed) == NONE || self.counts_down()
    }

    #[cold]
    fn counts_down(&self) -> bool {
        let next = |left| match left {
            NONE | ALL => None,
            1 => Some(ALL),
            left => Some(left - 1),
        };
        matches!(self.failing.fetch_update(Relaxed, Relaxed, next), Ok(2..) | Err(NONE))
    }

    /// For tests: the n-th allocation from now on fails, and all that is tried in its place; 0 is none. Says how many there were still to come of
    /// those before: 0 if it has failed.
    pub fn fail(&self, nth: u64) -> u64 {
        let before = self.failing.swap(nth, Relaxed);
        if before == ALL { 0 } else { before }
    }

    /// Whether an allocation failed for a test; the next ones do not.
    pub fn end_of_failure(&self) -> bool {
        self.failing.compare_exchange(ALL, NONE, Relaxed, Relaxed).is_ok()
    }

    /// That there is no room.
    pub fn refusal(&self, what: impl Into<String>, bytes: u64) -> Error {
        let MemoryUse { live, limit, .. } = self.memory_use();
        Error::OutOfMemory { device: self.device.clone(), what: what.into(), bytes, live, limit }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_held_beyond_the_limit() {
        let budget = Budget::elsewhere("gpu", Some(100));
        assert!(budget.take(60) && !budget.take(41) && budget.take(40));
        budget.set_kept(30);
        assert_eq!(budget.memory_use(), MemoryUse { live: 70, kept: 30, limit: Some(100) });
        let Error::OutOfMemory { what, bytes: 41, live: 70, limit: Some(100), .. } = budget.refusal("the mean", 41) else {
            panic!()
        };
        assert_eq!(what, "the mean");
        budget.give_back(60);
        assert!(!budget.take(u64::MAX) && budget.take(60));
        budget.set_limit(None);
        assert!(budget.take(1 << 60));
    }

    #[test]
    fn main_memory_is_looked_at_before_it_is_used_up() {
        let budget = Budget::in_main_memory("cpu");
        budget.set_limit(None);
        assert!(budget.take(1 << 20));
        // No machine has so much.
        assert!(!budget.take(1 << 60) && !budget.has_room(1 << 60) && budget.has_room(1 << 20));
        assert_eq!(budget.memory_use().live, 1 << 20);
    }

    #[test]
    fn an_allocation_fails_when_it_is_told_to_until_that_is_noticed() {
        let budget = Budget::elsewhere("gpu", None);
        assert!(budget.asks());
        budget.fail(3);
        assert!(budget.asks() && budget.asks() && !budget.end_of_failure());
        assert!(!budget.asks() && !budget.asks());
        assert!(budget.room::<u8>(|| "x".to_owned(), 1).is_err());
        assert!(budget.end_of_failure() && !budget.end_of_failure() && budget.asks());
        budget.fail(1);
        assert_eq!(budget.fail(0), 1);
        assert!(budget.asks() && !budget.end_of_failure());
    }
}
