//! Memory that native kernels work in, beside what they read and write: a few blocks per thread, kept from call to call. Where there is none, the
//! kernel leaves its work undone, and who ran it is told.

use crate::budget::Budget;
use std::cell::RefCell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Numbers in a cache line, on which blocks begin.
const LINE: usize = 16;
/// Numbers of the largest block that a thread keeps: no large part of a program's memory.
const MOST_KEPT: usize = 1 << 22;
/// Blocks of more numbers count while they are in use; all threads' smaller ones together are as small as their stacks.
const COUNTED: usize = 1 << 17;

thread_local! {
    /// Blocks not in use. More than one, because work that has a block may call for another, or take up other work meanwhile.
    static BLOCKS: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Where a kernel gets such memory during one run, and whether any was refused.
#[derive(Debug)]
pub struct Workspace<'b> {
    budget: &'b Budget,
    /// Bytes of the largest block that was refused.
    refused: AtomicU64,
    /// What a kernel says it cannot do.
    fault: OnceLock<String>,
}

impl<'b> Workspace<'b> {
    /// Memory that counts as that of a device.
    pub fn new(budget: &'b Budget) -> Workspace<'b> {
        Workspace { budget, refused: AtomicU64::new(0), fault: OnceLock::new() }
    }

    /// Hands `work` memory of `len` numbers that begins on a cache line. What it holds is left from earlier work. Where there is none, `work` is
    /// not done.
    pub fn with(&self, len: usize, work: impl FnOnce(&mut [f32])) {
        let whole = len.saturating_add(LINE);
        let counted = if whole > COUNTED { 4 * whole as u64 } else { 0 };
        if !self.budget.asks() || (counted > 0 && !self.budget.take(counted)) {
            return self.refuse(whole);
        }
        let mut block = BLOCKS.with_borrow_mut(Vec::pop).unwrap_or_default();
        if block.len() < whole {
            drop(block);
            block = bytemuck::allocation::try_zeroed_vec(whole).unwrap_or_default();
        }
        if block.len() < whole {
            self.refuse(whole);
        } else {
            // A whole number of f32 away; too far where the address is unknown.
            let start = block.as_ptr().align_offset(4 * LINE).min(LINE);
            work(&mut block[start..start + len]);
            if block.len() <= MOST_KEPT {
                BLOCKS.with_borrow_mut(|blocks| blocks.push(block));
            }
        }
        self.budget.give_back(counted);
    }

    fn refuse(&self, len: usize) {
        self.refused.fetch_max((len as u64).saturating_mul(4), Relaxed);
    }

    /// Says that a kernel cannot do its work; the first to say so counts.
    pub(crate) fn fail(&self, message: String) {
        let _ = self.fault.set(message);
    }

    /// What a kernel said it cannot do.
    pub(crate) fn fault(&self) -> Option<&str> {
        self.fault.get().map(String::as_str)
    }

    /// Bytes of the largest block that was refused, if any was: what the kernel wrote is not its result.
    pub fn refused(&self) -> Option<u64> {
        let bytes = self.refused.load(Relaxed);
        (bytes > 0).then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_without_room_is_not_done_and_that_is_known() {
        let budget = Budget::elsewhere("cpu", Some(8 << 20));
        let room = Workspace::new(&budget);
        let (mut done, mut nested) = (0, 0);
        room.with(1 << 18, |memory| {
            assert_eq!((memory.len(), memory.as_ptr().align_offset(64)), (1 << 18, 0));
            assert!(budget.memory_use().live > 1 << 20);
            done += 1;
            room.with(1 << 18, |_| nested += 1);
        });
        assert_eq!((done, nested, room.refused(), budget.memory_use().live), (1, 1, None, 0));
        room.with(4 << 20, |_| done += 1);
        assert_eq!((done, room.refused()), (1, Some(4 * (16 + (4 << 20)))));
        // More than any machine has.
        budget.set_limit(None);
        let room = Workspace::new(&budget);
        room.with(usize::MAX / 16, |_| done += 1);
        assert!(done == 1 && room.refused().is_some() && budget.memory_use().live == 0);
        budget.fail(1);
        let room = Workspace::new(&budget);
        room.with(1, |_| done += 1);
        assert!(done == 1 && room.refused().is_some());
    }
}
