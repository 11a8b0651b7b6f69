//! The executor of plans on the processor: native kernels, one after the other, each on all cores where that pays.

mod pool;

use crate::executor::{
    Budget, Execution, Executor, Pending, PlacedArena, PreparedPlan, Reading, Recorded, Span, Storage, own_buffer, own_buffers,
    own_plan,
};
use crate::plan::{Buffer, Dispatch, Error, Io, Native, ParameterArena, Place, Plan, Result, Workspace};
use crate::platform::Instant;
use crate::threads::{self, lock, words_of};
use pool::{Pool, Words};
use smallvec::SmallVec;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

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
    /// What runs look at, side by side: for small kernels, to fetch it from memory takes longer than the work.
    calls: Vec<KernelCall>,
    /// What the calls bind, call by call: reads, then writes.
    places: Vec<Bound>,
    /// Whether there is a kernel in it that threads are likely to share.
    shared: bool,
}

/// A dispatch of a plan, ready to run.
struct KernelCall {
    native: Native,
    /// How many of the places it reads, and how many it writes.
    reads: usize,
    writes: usize,
    scalars: Range<usize>,
    /// Whether there is nothing to write.
    is_empty: bool,
}

/// A part of a buffer.
#[derive(Clone, Copy)]
struct Bound {
    buffer: Buffer,
    start: usize,
    words: usize,
}

impl From<&Place> for Bound {
    fn from(place: &Place) -> Bound {
        Bound { buffer: place.buffer, start: place.start(), words: place.words }
    }
}

/// Operations, and bytes, of a kernel that is likely to be shared by threads.
const SHARED_FLOPS: u64 = 1 << 20;
const SHARED_BYTES: u64 = 1 << 17;

impl Executor for Cpu {
    fn describe(&self, name: &str) -> String {
        match rayon::current_num_threads() {
            1 => format!("{name} (1 thread)"),
            count => format!("{name} ({count} threads)"),
        }
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
        let slots = self.take_all(&plan, &plan.slots, Buffer::Slot, Recorded::in_plan())?.into_vec();
        let large = |dispatch: &Dispatch| dispatch.flops >= SHARED_FLOPS || dispatch.bytes() >= SHARED_BYTES;
        let shared = plan.dispatches.iter().any(large);
        let mut calls = Vec::with_capacity(plan.dispatches.len());
        let mut places = vec![];
        for dispatch in &plan.dispatches {
            check(dispatch)?;
            let Dispatch { kernel, reads, writes, scalars, .. } = dispatch;
            places.extend(reads.iter().chain(writes).map(Bound::from));
            let is_empty = writes.iter().all(|place| place.words == 0);
            let (native, scalars) = (Arc::clone(&kernel.native), scalars.clone());
            calls.push(KernelCall { native, reads: reads.len(), writes: writes.len(), scalars, is_empty });
        }
        Ok(Box::new(Prepared { plan, slots: Mutex::new(slots), calls, places, shared }))
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
        recorded: Recorded<'_>,
    ) -> Result<Execution<'e>> {
        let prepared: &Prepared = own_plan(plan, NAME)?;
        let (leaves, arenas) = (own_buffers(leaves, NAME)?, own_buffers(arenas, NAME)?);
        let run = || self.run(prepared, &leaves, &arenas, scalars, recorded);
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
    fn run(
        &self,
        prepared: &Prepared,
        leaves: &[&CpuBuffer],
        arenas: &[&CpuBuffer],
        scalars: &[u32],
        recorded: Recorded<'_>,
    ) -> Result<Computed> {
        let begun = self.timed.load(Ordering::Relaxed).then(Instant::now);
        let since = |begun: Instant| begun.elapsed().as_nanos() as u64;
        let plan = &prepared.plan;
        let mut slots = lock(&prepared.slots);
        let outputs = self.take_all(plan, &plan.outputs, Buffer::Output, recorded)?;
        let room = Workspace::new(self.budget());
        let held: SmallVec<[Option<RwLockReadGuard<'_, Words>>; 8]> =
            leaves.iter().map(|leaf| (!leaf.in_arena).then(|| leaf.read())).collect();
        let mut memory = Memory { leaves, arenas, held: &held, slots: &mut slots, outputs, room: &room };
        if self.guarded.load(Ordering::Relaxed) {
            memory.slots.iter_mut().for_each(|slot| slot.fill(POISON));
            memory.outputs.iter_mut().for_each(|output| output.fill(POISON));
        }
        let mut spans = vec![];
        let mut places = &prepared.places[..];
        for (index, call) in prepared.calls.iter().enumerate() {
            let (reads, rest) = places.split_at(call.reads);
            let (writes, rest) = rest.split_at(call.writes);
            places = rest;
            if call.is_empty {
                continue;
            }
            let start = begun.map(since);
            let ran = memory.run(call, reads, writes, &scalars[call.scalars.clone()]);
            ran.map_err(|message| plan.dispatches[index].fault_of(recorded, None, message))?;
            if let Some(bytes) = room.refused() {
                let dispatch = &plan.dispatches[index];
                let what = format!("the work of {} at {}", dispatch.label, recorded.at(dispatch));
                return Err(self.budget().refusal(what, bytes));
            }
            if let Some(message) = room.fault() {
                return Err(plan.dispatches[index].fault_of(recorded, None, message.to_owned()));
            }
            if let (Some(begun), Some(start)) = (begun, start) {
                spans.push(Span { dispatch: index, start, end: since(begun) });
            }
        }
        let outputs = memory.outputs.into_iter().map(|words| Arc::new(CpuBuffer::new(words)) as Arc<dyn Storage>);
        Ok((outputs.collect(), spans))
    }

    /// Memory for buffers of a plan.
    fn take_all(
        &self,
        plan: &Plan,
        sizes: &[usize],
        buffer: fn(usize) -> Buffer,
        recorded: Recorded<'_>,
    ) -> Result<SmallVec<[Words; 4]>> {
        let mut taken = SmallVec::with_capacity(sizes.len());
        for (i, &words) in sizes.iter().enumerate() {
            taken.push(self.pool.take(words).map_err(|error| error.for_what(|| plan.use_of(buffer(i), recorded)))?);
        }
        Ok(taken)
    }
}

/// The memory of one run.
struct Memory<'r> {
    leaves: &'r [&'r CpuBuffer],
    arenas: &'r [&'r CpuBuffer],
    /// Leaves outside arenas, which nobody writes: locked once for the whole run.
    held: &'r [Option<RwLockReadGuard<'r, Words>>],
    slots: &'r mut Vec<Words>,
    outputs: SmallVec<[Words; 4]>,
    room: &'r Workspace<'r>,
}

/// What a kernel writes, taken out of its place for the time of the kernel.
enum Written<'a> {
    Slot(Words),
    Output(Words),
    Arena(RwLockWriteGuard<'a, Words>),
    Leaf,
}

impl<'r> Memory<'r> {
    /// Runs one kernel. What it reads stays in its place: that is never the buffer it writes.
    fn run(&mut self, call: &KernelCall, reads: &[Bound], writes: &[Bound], scalars: &[u32]) -> Result<(), String> {
        let mut written: SmallVec<[Written<'r>; 4]> = writes.iter().map(|place| self.take_written(place.buffer)).collect();
        let locked: SmallVec<[Option<RwLockReadGuard<'r, Words>>; 4]> =
            reads.iter().map(|place| self.shared(place.buffer).map(CpuBuffer::read)).collect();
        let bound_writes = writes;
        let (mut few_reads, mut many_reads): ([&[u32]; BUFFERS_ON_THE_STACK], _) = (Default::default(), vec![]);
        let reads = reads.iter().zip(&locked).map(|(place, locked)| {
            let (words, start): (&[u32], usize) = match place.buffer {
                Buffer::Slot(i) => (&self.slots[i], 0),
                Buffer::Output(i) => (&self.outputs[i], 0),
                // Every leaf is locked, here or for the whole run.
                Buffer::Leaf(i) => (locked.as_ref().or(self.held[i].as_ref()).map_or(&[], |words| words), self.leaves[i].start),
                Buffer::Arena(_) => (locked.as_ref().map_or(&[], |words| words), 0),
            };
            &words[start + place.start..][..place.words]
        });
        let reads = collected(&mut few_reads, &mut many_reads, reads);
        let (mut few_writes, mut many_writes): ([&mut [u32]; BUFFERS_ON_THE_STACK], _) = (Default::default(), vec![]);
        let writes = written.iter_mut().zip(bound_writes).map(|(written, place)| match written {
            Written::Slot(words) | Written::Output(words) => &mut words[place.start..][..place.words],
            Written::Arena(guard) => &mut guard[place.start..][..place.words],
            // Never reached: `check` refuses such a plan.
            Written::Leaf => &mut [],
        });
        let writes = collected(&mut few_writes, &mut many_writes, writes);
        let mut io = Io { reads, writes, scalars, finish: None, room: self.room };
        // A kernel may come from outside: one that panics leaves its output as it is, and everything in its place for the next run.
        let ran = catch_unwind(AssertUnwindSafe(|| (call.native)(&mut io)));
        drop(locked);
        for (place, written) in bound_writes.iter().zip(written) {
            match (place.buffer, written) {
                (Buffer::Slot(i), Written::Slot(words)) => self.slots[i] = words,
                (Buffer::Output(i), Written::Output(words)) => self.outputs[i] = words,
                _ => {}
            }
        }
        ran.map_err(|panic| format!("its native form panicked: {}", words_of(&*panic)))
    }

    /// Takes out what a kernel writes.
    fn take_written(&mut self, buffer: Buffer) -> Written<'r> {
        match buffer {
            Buffer::Slot(i) => Written::Slot(std::mem::take(&mut self.slots[i])),
            Buffer::Output(i) => Written::Output(std::mem::take(&mut self.outputs[i])),
            Buffer::Arena(i) => Written::Arena(self.arenas[i].write()),
            Buffer::Leaf(_) => Written::Leaf,
        }
    }

    /// A buffer that other runs may write, and that is locked for the time of a kernel.
    fn shared(&self, buffer: Buffer) -> Option<&'r CpuBuffer> {
        match buffer {
            Buffer::Leaf(i) => self.leaves[i].in_arena.then_some(self.leaves[i]),
            Buffer::Arena(i) => Some(self.arenas[i]),
            Buffer::Slot(_) | Buffer::Output(_) => None,
        }
    }
}

/// That a kernel writes no leaf, and nothing that it reads.
fn check(dispatch: &Dispatch) -> Result<()> {
    let name = dispatch.kernel.name;
    let fault = |message| Err(Error::Device { device: NAME.to_owned(), message });
    if let Some(place) = dispatch.writes.iter().find(|place| matches!(place.buffer, Buffer::Leaf(_))) {
        return fault(format!("kernel {name} writes {place}"));
    }
    let written = |place: &&Place| dispatch.writes.iter().any(|write| write.buffer == place.buffer);
    match dispatch.reads.iter().find(written) {
        Some(place) => fault(format!("kernel {name} reads {place} and writes it")),
        None => Ok(()),
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
