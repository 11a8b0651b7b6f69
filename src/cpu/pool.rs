//! Memory of values, kept for the next run: fresh pages from the system cost more than most kernels that fill them.

use crate::executor::Budget;
use crate::plan::Result;
use crate::threads::lock;
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard};

/// Vectors shorter than this are left to the allocator, which is quick with them.
const LEAST: usize = 1 << 10;
/// Words that may be kept even if little is in use.
const SPARE: usize = 4 << 20;

/// Words that go back to their pool when they are dropped.
#[derive(Debug, Default)]
pub struct Words {
    words: Vec<u32>,
    pool: Option<Arc<Pool>>,
}

impl Deref for Words {
    type Target = [u32];
    fn deref(&self) -> &[u32] {
        &self.words
    }
}

impl DerefMut for Words {
    fn deref_mut(&mut self) -> &mut [u32] {
        &mut self.words
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            pool.give_back(std::mem::take(&mut self.words));
        }
    }
}

/// Free vectors by length. The one freed last is taken first: it is the likeliest to be in a cache.
#[derive(Debug)]
pub struct Pool {
    pub budget: Budget,
    free: Mutex<Free>,
}

#[derive(Debug, Default)]
struct Free {
    /// Each with the time at which it was freed.
    vectors: BTreeMap<usize, Vec<(u64, Vec<u32>)>>,
    words: usize,
    clock: u64,
}

fn bytes(len: usize) -> u64 {
    4 * len as u64
}

impl Free {
    /// Lets the vector go that has been free for the longest time.
    fn drop_oldest(&mut self, budget: &Budget) {
        let oldest = self.vectors.iter().min_by_key(|(_, list)| list.first().map_or(u64::MAX, |entry| entry.0));
        let Some(len) = oldest.map(|(&len, _)| len) else { return };
        let Some(list) = self.vectors.get_mut(&len) else { return };
        list.remove(0);
        self.words -= len;
        budget.give_back(bytes(len));
        if list.is_empty() {
            self.vectors.remove(&len);
        }
    }
}

impl Pool {
    /// A pool without anything yet.
    pub fn new(budget: Budget) -> Pool {
        Pool { budget, free: Mutex::default() }
    }

    fn free(&self) -> MutexGuard<'_, Free> {
        lock(&self.free)
    }

    /// `len` words. What they hold is left over from before.
    ///
    /// # Errors
    /// No room.
    pub fn take(self: &Arc<Pool>, len: usize) -> Result<Words> {
        if !self.budget.asks() {
            return Err(self.budget.refusal("a value", bytes(len)));
        }
        let found = if len < LEAST { None } else { self.taken_before(len) };
        let words = found.map_or_else(|| self.fresh(len), Ok)?;
        Ok(Words { words, pool: Some(Arc::clone(self)) })
    }

    fn taken_before(&self, len: usize) -> Option<Vec<u32>> {
        let mut free = self.free();
        let (_, found) = free.vectors.get_mut(&len).and_then(Vec::pop)?;
        free.words -= len;
        if free.vectors.get(&len).is_some_and(Vec::is_empty) {
            free.vectors.remove(&len);
        }
        self.budget.set_kept(bytes(free.words));
        Some(found)
    }

    /// Zeros from the system; for want of room, once more when nothing is kept any more.
    fn fresh(&self, len: usize) -> Result<Vec<u32>> {
        let allocate = || {
            if !self.budget.take(bytes(len)) {
                return None;
            }
            let words = bytemuck::allocation::try_zeroed_vec(len);
            if words.is_err() {
                self.budget.give_back(bytes(len));
            }
            words.ok()
        };
        let tried = allocate();
        let tried = if tried.is_none() && self.trim() > 0 { allocate() } else { tried };
        tried.ok_or_else(|| self.budget.refusal("a value", bytes(len)))
    }

    /// Gives what is kept back to the system; says how many bytes.
    pub fn trim(&self) -> u64 {
        let freed = std::mem::take(&mut *self.free());
        self.budget.set_kept(0);
        self.budget.give_back(bytes(freed.words));
        bytes(freed.words)
    }

    fn give_back(&self, words: Vec<u32>) {
        let len = words.len();
        if len < LEAST {
            return self.budget.give_back(bytes(len));
        }
        let mut free = self.free();
        free.clock += 1;
        free.words += len;
        let stamp = free.clock;
        free.vectors.entry(len).or_default().push((stamp, words));
        self.budget.set_kept(bytes(free.words));
        let most = bytes(SPARE).max(self.budget.memory_use().live);
        while bytes(free.words) > most {
            free.drop_oldest(&self.budget);
        }
        self.budget.set_kept(bytes(free.words));
    }

    /// Words kept for later.
    #[cfg(test)]
    fn kept(&self) -> usize {
        self.free().words
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_was_freed_last_comes_back() {
        let pool = Arc::new(Pool::new(Budget::in_main_memory("cpu")));
        let (mut a, mut b) = (pool.take(LEAST).unwrap(), pool.take(LEAST).unwrap());
        (a[0], b[0]) = (1, 2);
        drop(a);
        drop(b);
        assert_eq!(pool.kept(), 2 * LEAST);
        let (b, a) = (pool.take(LEAST).unwrap(), pool.take(LEAST).unwrap());
        assert_eq!((a[0], b[0], pool.kept()), (1, 2, 0));
        assert_eq!(pool.take(LEAST + 1).unwrap().len(), LEAST + 1);
    }

    #[test]
    fn no_more_is_kept_than_is_in_use_or_spare() {
        let pool = Arc::new(Pool::new(Budget::in_main_memory("cpu")));
        let sizes = [SPARE / 2, SPARE / 4, SPARE / 3, SPARE];
        for &size in sizes.iter().cycle().take(40) {
            drop(pool.take(size).unwrap());
            assert!(pool.kept() <= SPARE, "{} words are kept", pool.kept());
        }
        let large = pool.take(3 * SPARE).unwrap();
        drop([pool.take(SPARE).unwrap(), pool.take(SPARE).unwrap(), pool.take(SPARE).unwrap()]);
        assert_eq!(pool.kept(), 3 * SPARE);
        drop(large);
        assert!(pool.kept() <= SPARE);
        // Small ones are nobody's business.
        drop(pool.take(LEAST - 1).unwrap());
        assert!(pool.kept() <= SPARE);
    }

    #[test]
    fn what_is_kept_is_given_up_before_anything_is_refused() {
        let pool = Arc::new(Pool::new(Budget::in_main_memory("cpu")));
        pool.budget.set_limit(Some(bytes(3 * LEAST)));
        let first = pool.take(LEAST).unwrap();
        drop((pool.take(LEAST + 1).unwrap(), pool.take(LEAST - 1).unwrap()));
        let used = pool.budget.memory_use();
        assert_eq!((used.live, used.kept), (bytes(LEAST), bytes(LEAST + 1)));
        let second = pool.take(2 * LEAST).unwrap();
        assert_eq!((pool.kept(), pool.budget.memory_use().kept, pool.budget.memory_use().live), (0, 0, bytes(3 * LEAST)));
        assert!(pool.take(1).is_err());
        drop((first, second));
        // What no machine has is refused too where no limit says so.
        pool.budget.set_limit(None);
        assert!(pool.take(usize::MAX / 8).is_err() && pool.take(LEAST).is_ok());
        assert_eq!(pool.budget.memory_use().live, 0);
    }
}
