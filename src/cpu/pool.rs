//! Memory of outputs, kept for the next run: fresh pages from the system cost more than most kernels that fill them.

use crate::threads::lock;
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
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

impl Words {
    /// Words of no pool.
    pub fn own(words: Vec<u32>) -> Words {
        Words { words, pool: None }
    }
}

impl Deref for Words {
    type Target = Vec<u32>;
    fn deref(&self) -> &Vec<u32> {
        &self.words
    }
}

impl DerefMut for Words {
    fn deref_mut(&mut self) -> &mut Vec<u32> {
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
#[derive(Debug, Default)]
pub struct Pool {
    /// Words handed out.
    used: AtomicUsize,
    free: Mutex<Free>,
}

#[derive(Debug, Default)]
struct Free {
    /// Each with the time at which it was freed.
    vectors: BTreeMap<usize, Vec<(u64, Vec<u32>)>>,
    words: usize,
    clock: u64,
}

impl Free {
    /// Lets the vector go that has been free for the longest time.
    fn drop_oldest(&mut self) {
        let oldest = self.vectors.iter().min_by_key(|(_, list)| list.first().map_or(u64::MAX, |entry| entry.0));
        let Some(len) = oldest.map(|(&len, _)| len) else { return };
        let Some(list) = self.vectors.get_mut(&len) else { return };
        list.remove(0);
        self.words -= len;
        if list.is_empty() {
            self.vectors.remove(&len);
        }
    }
}

impl Pool {
    fn free(&self) -> MutexGuard<'_, Free> {
        lock(&self.free)
    }

    /// `len` words. What they hold is left over from before.
    pub fn take(self: &Arc<Pool>, len: usize) -> Words {
        if len < LEAST {
            return Words::own(vec![0; len]);
        }
        let found = {
            let mut free = self.free();
            let found = free.vectors.get_mut(&len).and_then(Vec::pop);
            if found.is_some() {
                free.words -= len;
                if free.vectors.get(&len).is_some_and(Vec::is_empty) {
                    free.vectors.remove(&len);
                }
            }
            found
        };
        self.used.fetch_add(len, Ordering::Relaxed);
        Words { words: found.map_or_else(|| vec![0; len], |(_, words)| words), pool: Some(Arc::clone(self)) }
    }

    fn give_back(&self, words: Vec<u32>) {
        let len = words.len();
        let used = self.used.fetch_sub(len, Ordering::Relaxed) - len;
        let mut free = self.free();
        free.clock += 1;
        free.words += len;
        let stamp = free.clock;
        free.vectors.entry(len).or_default().push((stamp, words));
        while free.words > SPARE.max(used) {
            free.drop_oldest();
        }
    }

    /// Words kept for later.
    #[cfg(test)]
    fn kept(&self) -> usize {
        self.free().words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_freed_last_comes_back() {
        let pool = Arc::new(Pool::default());
        let (mut a, mut b) = (pool.take(LEAST), pool.take(LEAST));
        (a[0], b[0]) = (1, 2);
        drop(a);
        drop(b);
        assert_eq!(pool.kept(), 2 * LEAST);
        let (b, a) = (pool.take(LEAST), pool.take(LEAST));
        assert_eq!((a[0], b[0], pool.kept()), (1, 2, 0));
        assert_eq!(pool.take(LEAST + 1).len(), LEAST + 1);
    }

    #[test]
    fn no_more_is_kept_than_is_in_use_or_spare() {
        let pool = Arc::new(Pool::default());
        let sizes = [SPARE / 2, SPARE / 4, SPARE / 3, SPARE];
        for &size in sizes.iter().cycle().take(40) {
            drop(pool.take(size));
            assert!(pool.kept() <= SPARE, "{} words are kept", pool.kept());
        }
        let large = pool.take(3 * SPARE);
        drop([pool.take(SPARE), pool.take(SPARE), pool.take(SPARE)]);
        assert_eq!(pool.kept(), 3 * SPARE);
        drop(large);
        assert!(pool.kept() <= SPARE);
        // Small ones are nobody's business.
        drop(pool.take(LEAST - 1));
        assert!(pool.kept() <= SPARE);
    }
}
