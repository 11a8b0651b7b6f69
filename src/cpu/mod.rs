//! The executor of plans on the processor: native kernels, one after the other, each on all cores where that pays.

mod pool;

use crate::plan::{Buffer, Dispatch, Error, Io, ParameterArena, Place, Plan, Result};
use crate::threads;
use pool::{Pool, Words};
use smallvec::SmallVec;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// What fills memory before a guarded run: a NaN, so that a value nobody wrote shows.
const POISON: u32 = 0x7fc0_dead;

/// A value in main memory: words of its own, or a part of a [`ParameterArena`]'s.
#[derive(Debug)]
pub struct CpuBuffer {
    words: Arc<RwLock<Words>>,
    start: usize,
    len: usize,
    /// Whether the words are those of a row: only leaves of that row have them.
    in_row: bool,
}

impl CpuBuffer {
    /// Takes words over.
    pub fn new(words: Vec<u32>) -> Arc<CpuBuffer> {
        Arc::new(CpuBuffer { start: 0, len: words.len(), in_row: false, words: Arc::new(RwLock::new(Words::own(words))) })
    }

    /// Its length.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no words.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A copy of the words.
    pub fn to_vec(&self) -> Vec<u32> {
        self.read()[self.range()].to_vec()
    }

    fn range(&self) -> Range<usize> {
        self.start..self.start + self.len
    }

    fn read(&self) -> RwLockReadGuard<'_, Words> {
        self.words.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Words> {
        self.words.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The processor as a device.
#[derive(Debug, Default)]
pub struct Cpu {
    guarded: std::sync::atomic::AtomicBool,
    pool: Arc<Pool>,
}

/// A plan with its memory.
pub struct Prepared {
    plan: Arc<Plan>,
    slots: Mutex<Vec<Vec<u32>>>,
    /// Whether there is a kernel in it that threads are likely to share.
    shared: bool,
}

/// Operations, and bytes, of a kernel that is likely to be shared by threads.
const SHARED_FLOPS: u64 = 1 << 20;
const SHARED_BYTES: u64 = 1 << 17;

impl Cpu {
    /// Fills slots and outputs with NaN before every run.
    pub fn set_guarded(&self, on: bool) {
        self.guarded.store(on, std::sync::atomic::Ordering::Relaxed);
    }

    /// Allocates a plan's slots.
    pub fn prepare(&self, plan: Arc<Plan>) -> Prepared {
        let slots = plan.slots.iter().map(|&words| vec![0; words]).collect();
        let large = |dispatch: &Dispatch| dispatch.flops >= SHARED_FLOPS || dispatch.bytes() >= SHARED_BYTES;
        let shared = plan.dispatches.iter().any(large);
        Prepared { plan, slots: Mutex::new(slots), shared }
    }

    /// The buffer in which the leaves of a row are stored consecutively. If they are not, they are copied into a new one and replaced: also a
    /// single leaf, whose memory may be that of another value too, such as a reshape of it that was computed in the same run.
    pub fn row(&self, row: &ParameterArena, leaves: &mut [Arc<CpuBuffer>]) -> Arc<CpuBuffer> {
        let first = &leaves[row.members[0].0];
        let lies =
            |&(leaf, start): &(usize, usize)| Arc::ptr_eq(&leaves[leaf].words, &first.words) && leaves[leaf].start == start;
        if first.in_row && first.read().len() == row.words && row.members.iter().all(lies) {
            return Arc::new(CpuBuffer { words: first.words.clone(), start: 0, len: row.words, in_row: true });
        }
        let mut words = vec![0; row.words];
        for &(leaf, start) in &row.members {
            let value = &leaves[leaf];
            words[start..start + value.len].copy_from_slice(&value.read()[value.range()]);
        }
        let whole = CpuBuffer::new(words);
        for &(leaf, start) in &row.members {
            leaves[leaf] = Arc::new(CpuBuffer { words: whole.words.clone(), start, len: leaves[leaf].len, in_row: true });
        }
        whole
    }

    /// Computes a plan's outputs from its leaves and scalars.
    ///
    /// # Errors
    /// A dispatch that reads what it writes: a fault of the plan.
    pub fn run(
        &self,
        prepared: &Prepared,
        leaves: &[Arc<CpuBuffer>],
        arenas: &[Arc<CpuBuffer>],
        scalars: &[u32],
    ) -> Result<Vec<Arc<CpuBuffer>>> {
        if prepared.shared {
            // On one of the threads that share them: to hand each over and to be woken when it is done costs more than some kernels.
            threads::install(|| self.run_here(prepared, leaves, arenas, scalars))
        } else {
            self.run_here(prepared, leaves, arenas, scalars)
        }
    }

    fn run_here(
        &self,
        prepared: &Prepared,
        leaves: &[Arc<CpuBuffer>],
        arenas: &[Arc<CpuBuffer>],
        scalars: &[u32],
    ) -> Result<Vec<Arc<CpuBuffer>>> {
        let plan = &prepared.plan;
        let fault = |message| Error::Device { device: "cpu".to_owned(), message };
        let mut slots = threads::lock(&prepared.slots);
        let guarded = self.guarded.load(std::sync::atomic::Ordering::Relaxed);
        let mut outputs: SmallVec<[Words; 4]> = plan.outputs.iter().map(|&words| self.pool.take(words)).collect();
        if guarded {
            slots.iter_mut().for_each(|slot| slot.fill(POISON));
            outputs.iter_mut().for_each(|output| output.fill(POISON));
        }

        for dispatch in &plan.dispatches {
            if dispatch.writes.iter().all(|p| p.words == 0) {
                continue;
            }
            // What is written leaves its place for the time of the kernel; what is read stays: they are never the same buffer.
            let mut taken: SmallVec<[Taken<'_>; 4]> = SmallVec::new();
            for place in &dispatch.writes {
                taken.push(match place.buffer {
                    Buffer::Slot(i) => Taken::Slot(std::mem::take(&mut slots[i])),
                    Buffer::Output(i) => Taken::Output(std::mem::take(&mut outputs[i])),
                    Buffer::Arena(i) => Taken::Arena(arenas[i].write()),
                    Buffer::Leaf(_) => return Err(fault(format!("kernel {} writes {place}", dispatch.kernel.name))),
                });
            }
            let aliased = |p: &Place| dispatch.writes.iter().any(|w| w.buffer == p.buffer);
            if let Some(place) = dispatch.reads.iter().find(|p| aliased(p)) {
                return Err(fault(format!("kernel {} reads {place} and writes it", dispatch.kernel.name)));
            }
            let guards: SmallVec<[Option<RwLockReadGuard<'_, Words>>; 4]> = dispatch
                .reads
                .iter()
                .map(|p| match p.buffer {
                    Buffer::Leaf(i) => Some(leaves[i].read()),
                    Buffer::Arena(i) => Some(arenas[i].read()),
                    _ => None,
                })
                .collect();
            let (mut few_reads, mut many_reads): ([&[u32]; FEW], _) = (Default::default(), vec![]);
            let reads = dispatch.reads.iter().zip(&guards).map(|(place, guard)| {
                let (words, start): (&[u32], usize) = match (place.buffer, guard) {
                    (Buffer::Slot(i), _) => (&slots[i], 0),
                    (Buffer::Output(i), _) => (&outputs[i], 0),
                    (Buffer::Leaf(i), Some(guard)) => (guard, leaves[i].start),
                    (_, Some(guard)) => (guard, 0),
                    // Never reached: a guard was taken for every leaf and row.
                    (_, None) => (&[], 0),
                };
                &words[start + place.start()..][..place.words]
            });
            let reads = collected(&mut few_reads, &mut many_reads, reads);
            let (mut few_writes, mut many_writes): ([&mut [u32]; FEW], _) = (Default::default(), vec![]);
            let writes = taken.iter_mut().zip(&dispatch.writes).map(|(t, place)| match t {
                Taken::Slot(words) => &mut words[place.start()..][..place.words],
                Taken::Output(words) => &mut words[place.start()..][..place.words],
                Taken::Arena(guard) => &mut guard[place.start()..][..place.words],
            });
            let writes = collected(&mut few_writes, &mut many_writes, writes);
            let scalars = &scalars[dispatch.scalars.clone()];
            (dispatch.kernel.native)(&mut Io { reads, writes, scalars, finish: None });
            drop(guards);
            for (place, t) in dispatch.writes.iter().zip(taken) {
                match (place.buffer, t) {
                    (Buffer::Slot(i), Taken::Slot(words)) => slots[i] = words,
                    (Buffer::Output(i), Taken::Output(words)) => outputs[i] = words,
                    _ => {}
                }
            }
        }
        let buffer = |words: Words| CpuBuffer { start: 0, len: words.len(), in_row: false, words: Arc::new(RwLock::new(words)) };
        Ok(outputs.into_iter().map(|words| Arc::new(buffer(words))).collect())
    }
}

/// Buffers of a kernel for which no memory is asked for.
const FEW: usize = 8;

/// What an iterator gives, in `few` if there is room, else in `many`.
fn collected<'a, T>(few: &'a mut [T; FEW], many: &'a mut Vec<T>, items: impl ExactSizeIterator<Item = T>) -> &'a mut [T] {
    let count = items.len();
    if count > FEW {
        many.extend(items);
        return many;
    }
    few.iter_mut().zip(items).for_each(|(place, item)| *place = item);
    &mut few[..count]
}

enum Taken<'a> {
    Slot(Vec<u32>),
    Output(Words),
    Arena(RwLockWriteGuard<'a, Words>),
}
