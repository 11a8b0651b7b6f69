//! Device memory: buffers that go back to a pool when their last owner drops them.

use super::core::Core;
use super::counters::add;
use crate::error::{Error, Result};
use crate::platform;
use crate::threads::lock;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Words after a guarded buffer's own that nothing may change.
pub(super) const GUARD: usize = 16;
/// A NaN that no arithmetic makes: what guarded memory holds before anything is written.
pub(super) const POISON: u32 = 0x7fc0_dead;
/// The smallest buffer, in words: never zero bytes, and room for one vector of four where a kernel reads vectors.
const SMALLEST: usize = 16;
/// Free bytes that may be kept even if little is in use.
const SPARE: u64 = 256 << 20;

/// A wgpu buffer with a name of its own that is never given to another.
#[derive(Clone)]
pub(super) struct Raw {
    pub(super) buffer: wgpu::Buffer,
    pub(super) id: u64,
    pub(super) capacity: usize,
}

impl Raw {
    fn bytes(&self) -> u64 {
        4 * self.capacity as u64
    }
}

/// Memory on a device that holds one value. Its memory goes back to the device's pool when the last owner drops it.
pub struct GpuBuffer {
    raw: Raw,
    words: usize,
    pool: Arc<Pool>,
    /// The buffer this is a part of, and where it starts there, in words.
    part: Option<(Arc<GpuBuffer>, usize)>,
    /// Of a value in a buffer of the application's: where it starts there, in bytes.
    outside: Option<u64>,
}

impl GpuBuffer {
    /// Words of the value.
    pub fn words(&self) -> usize {
        self.words
    }

    /// Words allocated: at least those of the value.
    pub fn capacity(&self) -> usize {
        self.raw.capacity
    }

    pub(super) fn raw(&self) -> &wgpu::Buffer {
        &self.raw.buffer
    }

    /// Tells one piece of memory from another, for the life of the process.
    pub(super) fn id(&self) -> u64 {
        self.raw.id
    }

    /// A part of a buffer, under a name of its own. The whole lives as long as its parts.
    pub(super) fn part(whole: &Arc<GpuBuffer>, start: usize, words: usize) -> Arc<GpuBuffer> {
        let raw = Raw { buffer: whole.raw.buffer.clone(), id: next_id(), capacity: words };
        Arc::new(GpuBuffer { raw, words, pool: Arc::clone(&whole.pool), part: Some((Arc::clone(whole), start)), outside: None })
    }

    /// The buffer this is a part of, and where it starts there, in words.
    pub(super) fn whole(&self) -> Option<(&Arc<GpuBuffer>, usize)> {
        self.part.as_ref().map(|(whole, start)| (whole, *start))
    }

    /// Where it starts in its memory, in bytes.
    pub(super) fn offset(&self) -> u64 {
        self.outside.unwrap_or_else(|| self.part.as_ref().map_or(0, |(_, start)| 4 * *start as u64))
    }

    /// A value in a buffer of the application's, which counts nowhere and goes back to no pool.
    pub(super) fn in_outside(pool: &Arc<Pool>, buffer: &wgpu::Buffer, offset: u64, words: usize) -> Arc<GpuBuffer> {
        let raw = Raw { buffer: buffer.clone(), id: next_id(), capacity: words };
        Arc::new(GpuBuffer { raw, words, pool: Arc::clone(pool), part: None, outside: Some(offset) })
    }

    /// Whether its memory is the application's.
    pub(super) fn is_outside(&self) -> bool {
        self.outside.is_some()
    }

    pub(super) fn belongs_to(&self, pool: &Arc<Pool>) -> bool {
        Arc::ptr_eq(&self.pool, pool)
    }
}

impl Drop for GpuBuffer {
    fn drop(&mut self) {
        if self.part.is_none() && self.outside.is_none() {
            self.pool.give_back(self.raw.clone());
        }
    }
}

impl std::fmt::Debug for GpuBuffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GpuBuffer(#{}, {} of {} words)", self.raw.id, self.words, self.raw.capacity)
    }
}

/// Free buffers by capacity. The one freed last is taken first, so that a steady loop meets the same buffers, and their bind groups, again.
pub(super) struct Pool {
    core: Arc<Core>,
    /// Bytes handed out.
    in_use: AtomicU64,
    free: Mutex<Free>,
}

#[derive(Default)]
struct Free {
    buffers: BTreeMap<usize, VecDeque<(u64, Raw)>>,
    bytes: u64,
    clock: u64,
}

impl Free {
    /// Takes the buffer out that has been free for the longest time.
    fn oldest(&mut self) -> Option<Raw> {
        let (&capacity, _) = self.buffers.iter().min_by_key(|(_, queue)| queue.front().map_or(u64::MAX, |entry| entry.0))?;
        let queue = self.buffers.get_mut(&capacity)?;
        let (_, raw) = queue.pop_front()?;
        if queue.is_empty() {
            self.buffers.remove(&capacity);
        }
        self.bytes -= raw.bytes();
        Some(raw)
    }
}

/// Rounds up to one of sixteen sizes between two powers of two: at most an eighth is wasted.
fn size_class(words: usize) -> usize {
    let step = (words.next_power_of_two() / 16).max(SMALLEST);
    words.next_multiple_of(step)
}

impl Pool {
    pub(super) fn new(core: Arc<Core>) -> Pool {
        Pool { core, in_use: AtomicU64::new(0), free: Mutex::default() }
    }

    /// Bytes handed out.
    pub(super) fn live_bytes(&self) -> u64 {
        self.in_use.load(Ordering::Relaxed)
    }

    /// Bytes kept for later.
    pub(super) fn free_bytes(&self) -> u64 {
        lock(&self.free).bytes
    }

    /// A buffer for `words` words, with a guard after them if asked. What it holds is left over from before.
    pub(super) fn take(self: &Arc<Self>, words: usize, guarded: bool) -> Result<Arc<GpuBuffer>> {
        let limits = &self.core.limits;
        if 4 * words as u64 > limits.binding_bytes {
            return Err(Error::TooLarge { device: self.core.name.clone(), bytes: 4 * words as u64, limit: limits.binding_bytes });
        }
        self.core.asks("a value")?;
        let needed = words.max(SMALLEST) + if guarded { GUARD } else { 0 };
        let largest = usize::try_from(limits.buffer_bytes / 4).unwrap_or(usize::MAX);
        let capacity = size_class(needed).min(largest).max(needed);
        let found = {
            let mut free = lock(&self.free);
            let found = free.buffers.get_mut(&capacity).and_then(VecDeque::pop_back);
            if let Some((_, raw)) = &found {
                free.bytes -= raw.bytes();
                self.core.budget.set_kept(free.bytes);
                if free.buffers.get(&capacity).is_some_and(VecDeque::is_empty) {
                    free.buffers.remove(&capacity);
                }
            }
            found
        };
        let raw = match found {
            Some((_, raw)) => raw,
            None => self.allocate(capacity)?,
        };
        self.in_use.fetch_add(raw.bytes(), Ordering::Relaxed);
        Ok(Arc::new(GpuBuffer { raw, words, pool: Arc::clone(self), part: None, outside: None }))
    }

    fn allocate(&self, capacity: usize) -> Result<Raw> {
        let descriptor = wgpu::BufferDescriptor {
            label: None,
            size: 4 * capacity as u64,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        };
        let create = || self.core.buffer("a value", &descriptor);
        let mut result = create();
        if matches!(result, Err(Error::OutOfMemory { .. })) && self.trim() > 0 {
            // Memory of destroyed buffers is free once the work that used them is done.
            let nothing = self.core.submit()?;
            if platform::may_wait() {
                self.core.wait(&nothing)?;
            }
            result = create();
        }
        let buffer = result?;
        if let Err(error) = self.core.check() {
            self.core.budget.give_back(descriptor.size);
            return Err(error);
        }
        add(&self.core.counters.buffers, 1);
        Ok(Raw { buffer, id: next_id(), capacity })
    }

    /// Gives all free buffers back to the driver; returns their bytes.
    pub(super) fn trim(&self) -> u64 {
        let freed = std::mem::take(&mut *lock(&self.free));
        self.core.budget.set_kept(0);
        self.core.budget.give_back(freed.bytes);
        self.submit_users();
        freed.buffers.into_values().flatten().for_each(|(_, raw)| raw.buffer.destroy());
        freed.bytes
    }

    fn give_back(&self, raw: Raw) {
        let bytes = raw.bytes();
        let live = self.in_use.fetch_sub(bytes, Ordering::Relaxed) - bytes;
        let mut surplus = vec![];
        {
            let mut free = lock(&self.free);
            free.clock += 1;
            free.bytes += bytes;
            let stamp = free.clock;
            free.buffers.entry(raw.capacity).or_default().push_back((stamp, raw));
            while free.bytes > SPARE.max(live) {
                surplus.extend(free.oldest());
            }
            self.core.budget.give_back(surplus.iter().map(Raw::bytes).sum());
            self.core.budget.set_kept(free.bytes);
        }
        // Destroyed, not only dropped: bind groups that are kept for reuse may still know it.
        if !surplus.is_empty() {
            self.submit_users();
        }
        surplus.iter().for_each(|raw: &Raw| raw.buffer.destroy());
    }

    /// Commands that wait may use what is about to be destroyed.
    fn submit_users(&self) {
        // What goes wrong is counted: the next run reports it.
        if let Err(error) = self.core.flush() {
            tracing::error!("{error}");
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if self.core.opened_in.was_forked() {
            std::mem::forget(std::mem::take(&mut *lock(&self.free)));
        } else {
            self.trim();
        }
    }
}

fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_classes_waste_at_most_an_eighth() {
        for words in [1, 16, 17, 100, 255, 256, 257, 1000, 1024, 1025, 1 << 20, (1 << 20) + 1, 3_000_001] {
            let class = size_class(words);
            assert!(class >= words && class - words < (words / 8).max(SMALLEST), "{words} -> {class}");
            assert_eq!(size_class(class), class);
        }
        assert_eq!(size_class(1024), 1024);
    }
}
