//! The executor of plans on the processor: native kernels, one after the other, each on all cores where that pays.

mod pool;

use crate::executor::{
    Budget, Execution, Executor, Pending, PlacedArena, PreparedPlan, Reading, Span, Storage, own_buffer, own_buffers, own_plan,
};
use crate::plan::{Buffer, Dispatch, Error, Io, ParameterArena, Place, Plan, Result, Workspace};
use crate::threads::{self, lock, words_of};
use pool::{Pool, Words};
use smallvec::SmallVec;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

/// What fills memory before a guarded run: a NaN, so that a value nobody wrote shows.
const POISON: u32 = 0x7fc0_dead;

/// The name in errors.
const NAME: &str = "cpu";

/// A value in main memory: words of its own, or a part of a [`ParameterArena`]'s.
#[derive(Debug)]
pub struct CpuBuffer {
    words: Arc<RwLock<Words>>,
    start: usize,
    len: usize,
    /// Whether the words are those of an arena: only leaves of that arena have them.
    in_arena: bool,
}

impl CpuBuffer {
    /// A value of its own.
    fn new(words: Words) -> CpuBuffer {
        CpuBuffer { start: 0, len: words.len(), in_arena: false, words: Arc::new(RwLock::new(words)) }
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

impl Storage for CpuBuffer {
    fn words(&self) -> usize {
        self.len
    }
}

/// The processor as a device.
#[derive(Debug)]
pub struct Cpu {
    guarded: AtomicBool,
    timed: AtomicBool,
    pool: Arc<Pool>,
    /// Whether kernels must not find rayon's own pool, which has no threads here.
    forked: bool,
}

impl Default for Cpu {
    /// It may use what this program may use.
    fn default() -> Cpu {
        let pool = Arc::new(Pool::new(Budget::in_main_memory(NAME)));
        Cpu { guarded: AtomicBool::new(false), timed: AtomicBool::new(false), pool, forked: threads::is_forked() }
    }
}

/// A plan with its memory.
struct Prepared {
    plan: Arc<Plan>,
    slots: Mutex<Vec<Words>>,
    /// Whether there is a kernel in it that threads are likely to share.
    shared: bool,
}

/// Operations, and bytes, of a kernel that is likely to be shared by threads.
const SHARED_FLOPS: u64 = 1 << 20;
const SHARED_BYTES: u64 = 1 << 17;

impl Executor for Cpu {
    fn describe(&self, name: &str) -> String {
        format!("{name} ({} threads)", rayon::current_num_threads())
    }

    fn budget(&self) -> &Budget {
        &self.pool.budget
    }

    fn largest_value(&self) -> u64 {
        4 * u64::from(u32::MAX)
    }

    fn has_timestamps(&self) -> bool {
        false
    }

    fn runs_native(&self) -> bool {
        true
    }

    /// Allocates a plan's slots.
    fn prepare(&self, plan: Arc<Plan>) -> Result<PreparedPlan> {
        if let Some(dispatch) = plan.dispatches.iter().find(|dispatch| !dispatch.kernel.has_native()) {
            return Err(dispatch.fault("it has no native form, which the CPU needs (`Kernel::with_native`)"));
        }
        let slots = self.take_all(&plan, &plan.slots, Buffer::Slot)?.into_vec();
        let large = |dispatch: &Dispatch| dispatch.flops >= SHARED_FLOPS || dispatch.bytes() >= SHARED_BYTES;
        let shared = plan.dispatches.iter().any(large);
        Ok(Box::new(Prepared { plan, slots: Mutex::new(slots), shared }))
    }

    fn upload(&self, words: &[u32]) -> Result<Arc<dyn Storage>> {
        let mut own = self.pool.take(words.len())?;
        own.copy_from_slice(words);
        Ok(Arc::new(CpuBuffer::new(own)))
    }

    /// Copied is also a single leaf, whose memory may be that of another value too, such as a reshape of it that was computed in the same run.
    fn place_arena(&self, arena: &ParameterArena, leaves: &mut [Arc<dyn Storage>]) -> Result<PlacedArena> {
        let first: &CpuBuffer = own_buffer(&leaves[arena.members[0].0], NAME)?;
        let mut placed = first.in_arena && first.read().len() == arena.words;
        for &(leaf, start) in &arena.members {
            let leaf: &CpuBuffer = own_buffer(&leaves[leaf], NAME)?;
            placed &= Arc::ptr_eq(&leaf.words, &first.words) && leaf.start == start;
        }
        let part = |words: &Arc<RwLock<Words>>, start: usize, len: usize| {
            Arc::new(CpuBuffer { words: Arc::clone(words), start, len, in_arena: true })
        };
        if placed {
            return Ok(PlacedArena { buffer: part(&first.words, 0, arena.words), moved: false });
        }
        let mut words = self.pool.take(arena.words)?;
        words.fill(0);
        for &(leaf, start) in &arena.members {
            let value: &CpuBuffer = own_buffer(&leaves[leaf], NAME)?;
            words[start..start + value.len].copy_from_slice(&value.read()[value.range()]);
        }
        let whole = CpuBuffer::new(words);
        for &(leaf, start) in &arena.members {
            leaves[leaf] = part(&whole.words, start, leaves[leaf].words());
        }
        Ok(PlacedArena { buffer: Arc::new(whole), moved: true })
    }

    fn execute<'e>(
        &'e self,
        plan: &PreparedPlan,
        leaves: &[Arc<dyn Storage>],
        arenas: &[Arc<dyn Storage>],
        scalars: &[u32],
    ) -> Result<Execution<'e>> {
        let prepared: &Prepared = own_plan(plan, NAME)?;
        let (leaves, arenas) = (own_buffers(leaves, NAME)?, own_buffers(arenas, NAME)?);
        let run = || self.run(prepared, &leaves, &arenas, scalars);
        // On one of the threads that share them: to hand each over and to be woken when it is done costs more than some kernels.
        let (outputs, spans) = if prepared.shared || self.forked { threads::install(run) } else { run() }?;
        let report = self.timed.load(Ordering::Relaxed).then(|| Box::pin(std::future::ready(Ok(spans))) as Pending<'_, _>);
        Ok(Execution { outputs, report })
    }

    fn read(&self, value: Arc<dyn Storage>) -> Pending<'_, Vec<u32>> {
        Box::pin(std::future::ready(self.copied(&value)))
    }

    fn begin_read(&self, value: Arc<dyn Storage>) -> Result<Reading> {
        let words = self.copied(&value)?;
        Ok(Box::new(|taker| taker(Ok(words))))
    }

    /// A run is done when it was started.
    fn finish(&self) -> Pending<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Nothing but the NaN: a native kernel cannot write beyond the end of a value.
    fn set_guarded(&self, on: bool) {
        self.guarded.store(on, Ordering::Relaxed);
    }

    fn set_timed(&self, on: bool) {
        self.timed.store(on, Ordering::Relaxed);
    }

    fn trim(&self) {
        self.pool.trim();
    }
}

/// The outputs of a run, and when each dispatch ran.
type Computed = (Vec<Arc<dyn Storage>>, Vec<Span>);

impl Cpu {
    /// The words of a value.
    fn copied(&self, value: &Arc<dyn Storage>) -> Result<Vec<u32>> {
        let buffer: &CpuBuffer = own_buffer(value, NAME)?;
        self.budget().copied(|| "a value that is read".to_owned(), &buffer.read()[buffer.range()])
    }

    /// Computes a plan's outputs, and when each dispatch ran if runs are timed.
    fn run(&self, prepared: &Prepared, leaves: &[&CpuBuffer], arenas: &[&CpuBuffer], scalars: &[u32]) -> Result<Computed> {
        let begun = self.timed.load(Ordering::Relaxed).then(Instant::now);
        let since = |begun: Instant| begun.elapsed().as_nanos() as u64;
        let plan = &prepared.plan;
        let mut slots = lock(&prepared.slots);
        let outputs = self.take_all(plan, &plan.outputs, Buffer::Output)?;
        let room = Workspace::new(self.budget());
        let mut memory = Memory { leaves, arenas, slots: &mut slots, outputs, room: &room };
        if self.guarded.load(Ordering::Relaxed) {
            memory.slots.iter_mut().for_each(|slot| slot.fill(POISON));
            memory.outputs.iter_mut().for_each(|output| output.fill(POISON));
        }
        let mut spans = vec![];
        for (index, dispatch) in plan.dispatches.iter().enumerate() {
            if dispatch.writes.iter().all(|p| p.words == 0) {
                continue;
            }
            let start = begun.map(since);
            memory.run(dispatch, &scalars[dispatch.scalars.clone()])?;
            if let Some(bytes) = room.refused() {
                let Dispatch { label, at, .. } = dispatch;
                return Err(self.budget().refusal(format!("the work of {label} at {at}"), bytes));
            }
            if let Some(message) = room.fault() {
                return Err(dispatch.fault(message));
            }
            if let (Some(begun), Some(start)) = (begun, start) {
                spans.push(Span { dispatch: index, start, end: since(begun) });
            }
        }
        let outputs = memory.outputs.into_iter().map(|words| Arc::new(CpuBuffer::new(words)) as Arc<dyn Storage>);
        Ok((outputs.collect(), spans))
    }

    /// Memory for buffers of a plan.
    fn take_all(&self, plan: &Plan, sizes: &[usize], buffer: fn(usize) -> Buffer) -> Result<SmallVec<[Words; 4]>> {
        let mut taken = SmallVec::with_capacity(sizes.len());
        for (i, &words) in sizes.iter().enumerate() {
            taken.push(self.pool.take(words).map_err(|error| error.for_what(|| plan.use_of(buffer(i))))?);
        }
        Ok(taken)
    }
}

/// The memory of one run.
struct Memory<'r> {
    leaves: &'r [&'r CpuBuffer],
    arenas: &'r [&'r CpuBuffer],
    slots: &'r mut Vec<Words>,
    outputs: SmallVec<[Words; 4]>,
    room: &'r Workspace<'r>,
}

/// What a kernel writes, taken out of its place for the time of the kernel.
enum Written<'a> {
    Slot(Words),
    Output(Words),
    Arena(RwLockWriteGuard<'a, Words>),
}

impl<'r> Memory<'r> {
    /// Runs one kernel. What it reads stays in its place: that is never the buffer it writes.
    fn run(&mut self, dispatch: &Dispatch, scalars: &[u32]) -> Result<()> {
        let mut written = self.take_written(dispatch)?;
        let arenas_and_leaves: SmallVec<[Option<RwLockReadGuard<'r, Words>>; 4]> =
            dispatch.reads.iter().map(|place| self.shared(place.buffer).map(CpuBuffer::read)).collect();
        let (mut few_reads, mut many_reads): ([&[u32]; BUFFERS_ON_THE_STACK], _) = (Default::default(), vec![]);
        let reads = dispatch.reads.iter().zip(&arenas_and_leaves).map(|(place, guard)| {
            let (words, start): (&[u32], usize) = match (place.buffer, guard) {
                (Buffer::Slot(i), _) => (&self.slots[i], 0),
                (Buffer::Output(i), _) => (&self.outputs[i], 0),
                (Buffer::Leaf(i), Some(guard)) => (guard, self.leaves[i].start),
                (_, Some(guard)) => (guard, 0),
                // Never reached: a guard was taken for every leaf and arena.
                (_, None) => (&[], 0),
            };
            &words[start + place.start()..][..place.words]
        });
        let reads = collected(&mut few_reads, &mut many_reads, reads);
        let (mut few_writes, mut many_writes): ([&mut [u32]; BUFFERS_ON_THE_STACK], _) = (Default::default(), vec![]);
        let writes = written.iter_mut().zip(&dispatch.writes).map(|(written, place)| match written {
            Written::Slot(words) => &mut words[place.start()..][..place.words],
            Written::Output(words) => &mut words[place.start()..][..place.words],
            Written::Arena(guard) => &mut guard[place.start()..][..place.words],
        });
        let writes = collected(&mut few_writes, &mut many_writes, writes);
        let mut io = Io { reads, writes, scalars, finish: None, room: self.room };
        // A kernel may come from outside: one that panics leaves its output as it is, and everything in its place for the next run.
        let ran = catch_unwind(AssertUnwindSafe(|| (dispatch.kernel.native)(&mut io)));
        drop(arenas_and_leaves);
        for (place, written) in dispatch.writes.iter().zip(written) {
            match (place.buffer, written) {
                (Buffer::Slot(i), Written::Slot(words)) => self.slots[i] = words,
                (Buffer::Output(i), Written::Output(words)) => self.outputs[i] = words,
                _ => {}
            }
        }
        ran.map_err(|panic| dispatch.fault(format!("its native form panicked: {}", words_of(&*panic))))
    }

    /// Takes out what a kernel writes.
    fn take_written(&mut self, dispatch: &Dispatch) -> Result<SmallVec<[Written<'r>; 4]>> {
        let fault = |message| Error::Device { device: NAME.to_owned(), message };
        let mut written = SmallVec::new();
        for place in &dispatch.writes {
            written.push(match place.buffer {
                Buffer::Slot(i) => Written::Slot(std::mem::take(&mut self.slots[i])),
                Buffer::Output(i) => Written::Output(std::mem::take(&mut self.outputs[i])),
                Buffer::Arena(i) => Written::Arena(self.arenas[i].write()),
                Buffer::Leaf(_) => return Err(fault(format!("kernel {} writes {place}", dispatch.kernel.name))),
            });
        }
        let aliased = |p: &Place| dispatch.writes.iter().any(|w| w.buffer == p.buffer);
        match dispatch.reads.iter().find(|p| aliased(p)) {
            Some(place) => Err(fault(format!("kernel {} reads {place} and writes it", dispatch.kernel.name))),
            None => Ok(written),
        }
    }

    /// A buffer that other runs may have too, and that is locked for the time of a kernel.
    fn shared(&self, buffer: Buffer) -> Option<&'r CpuBuffer> {
        match buffer {
            Buffer::Leaf(i) => Some(self.leaves[i]),
            Buffer::Arena(i) => Some(self.arenas[i]),
            Buffer::Slot(_) | Buffer::Output(_) => None,
        }
    }
}

/// Buffers of a kernel for which no memory is asked for.
const BUFFERS_ON_THE_STACK: usize = 8;

/// What an iterator gives, in `few` if there is room, else in `many`.
fn collected<'a, T>(
    few: &'a mut [T; BUFFERS_ON_THE_STACK],
    many: &'a mut Vec<T>,
    items: impl ExactSizeIterator<Item = T>,
) -> &'a mut [T] {
    let count = items.len();
    if count > BUFFERS_ON_THE_STACK {
        many.extend(items);
        return many;
    }
    few.iter_mut().zip(items).for_each(|(place, item)| *place = item);
    &mut few[..count]
}
