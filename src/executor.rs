//! `Executor`: all that a device asks of the machine that executes its plans, a GPU (`gpu/`) or the processor (`cpu/`).
//!
//! A device holds one executor and is the same code for every machine: values are [`Storage`], prepared plans are [`PreparedPlan`], and only the
//! executor that made them looks inside. Whatever may be asked in the middle of a training step returns at once: `execute` starts the work of a
//! run and does not wait for it. What has to wait is a future: reading, finishing, and the report of a run that was guarded or timed. So an
//! executor in a browser, where nothing may block, has this same form; only the device decides to block on a future, in methods that say so.
//! Opening is not part of it: whoever opened a machine, by awaiting an adapter or by taking over a device that the application has open already,
//! gives the executor to the device.

pub use crate::budget::Budget;
use crate::error::{Error, Result};
pub use crate::graph::node::{Reading, Storage, Taker};
pub use crate::plan::Recorded;
use crate::plan::{Dispatch, ParameterArena, Plan};
use smallvec::SmallVec;
use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;

/// What will be known later.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// A plan made ready by an executor: what it compiled, and memory.
pub type PreparedPlan = Box<dyn Any + Send + Sync>;

/// A run that was started.
pub struct Execution<'e> {
    /// The plan's outputs. They may be used at once: what reads them comes after the run.
    pub outputs: Vec<Arc<dyn Storage>>,
    /// Of a run that was guarded or timed, what is known at its end: when its dispatches ran, or which of them wrote beyond the end of a value.
    pub report: Option<Pending<'e, Vec<Span>>>,
}

/// When a dispatch ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its index in the plan.
    pub dispatch: usize,
    /// Nanoseconds from the start of the run to the start of this dispatch.
    pub start: u64,
    /// The same to its end.
    pub end: u64,
}

/// The buffer of an arena.
pub struct PlacedArena {
    /// The buffer.
    pub buffer: Arc<dyn Storage>,
    /// Whether its leaves had to be copied there.
    pub moved: bool,
}

/// Executes plans. All methods may be called from several threads.
pub trait Executor: Any + Send + Sync {
    /// How a device of this name is presented to people: `gpu:NAME`, `cpu (8 threads)`.
    fn describe(&self, name: &str) -> String;

    /// The account of its memory.
    fn budget(&self) -> &Budget;

    /// Bytes of the largest value that a kernel can read or write.
    fn largest_value(&self) -> u64;

    /// Whether dispatches are timed by the machine itself and not by the host's clock.
    fn has_timestamps(&self) -> bool;

    /// Whether it runs the native forms of kernels, and not their WGSL.
    fn runs_native(&self) -> bool {
        false
    }

    /// Makes a plan ready to be executed any number of times.
    ///
    /// # Errors
    /// A value too large for the machine, no memory, a kernel that is refused, or a lost device.
    fn prepare(&self, plan: Arc<Plan>) -> Result<PreparedPlan>;

    /// Copies words to the machine.
    ///
    /// # Errors
    /// The value is too large for the machine, or the machine is out of memory or lost.
    fn upload(&self, words: &[u32]) -> Result<Arc<dyn Storage>>;

    /// The buffer in which the leaves of an arena are stored one after the other. If they are not, they are copied into a new one, and replaced
    /// by parts of it.
    ///
    /// # Errors
    /// No memory, or a lost device.
    fn place_arena(&self, arena: &ParameterArena, leaves: &mut [Arc<dyn Storage>]) -> Result<PlacedArena>;

    /// Starts a run of a plan on its leaves, arenas and scalars. Errors name the lines and layers that `recorded` gives.
    ///
    /// # Errors
    /// Values that are not the plan's, no memory, a call refused by the driver, or a lost device.
    fn execute<'e>(
        &'e self,
        plan: &PreparedPlan,
        leaves: &[Arc<dyn Storage>],
        arenas: &[Arc<dyn Storage>],
        scalars: &[u32],
        recorded: Recorded<'_>,
    ) -> Result<Execution<'e>>;

    /// The words of a value, once all runs started so far are done.
    fn read(&self, value: Arc<dyn Storage>) -> Pending<'_, Vec<u32>>;

    /// Begins to read a value as all runs started so far leave it. What this returns waits for it; the waiting may be done on another thread.
    ///
    /// # Errors
    /// No memory, or a lost device.
    fn begin_read(&self, value: Arc<dyn Storage>) -> Result<Reading>;

    /// Submits what runs have recorded so far, where that is put off.
    ///
    /// # Errors
    /// A call refused by the driver, or a lost device.
    fn flush(&self) -> Result<()> {
        Ok(())
    }

    /// Ready once so few runs are under way that more may be started. At once where whoever starts one waits for that.
    fn caught_up(&self) -> Pending<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Ready once all runs started so far are done.
    fn finish(&self) -> Pending<'_, ()>;

    /// The WGSL that the driver is given for a dispatch of a plan; `None` where kernels are native.
    ///
    /// # Errors
    /// No variant of the kernel is within the machine's limits, or a shader that does not parse.
    fn shader_text(&self, _dispatch: &Dispatch) -> Result<Option<String>> {
        Ok(None)
    }

    /// For tests: memory is filled with NaN before each run, and writes beyond the end of a value are found where the machine allows it.
    fn set_guarded(&self, on: bool);

    /// Times every dispatch of every run from now on, or stops.
    fn set_timed(&self, on: bool);

    /// Whether small dispatches that follow each other become one.
    fn set_merging(&self, _on: bool) {}

    /// For tests: uses the given variant of every kernel in plans prepared from now on.
    fn force_variant(&self, _index: Option<usize>) {}

    /// Gives memory kept for later use back to the system.
    fn trim(&self) {}
}

/// That a value or a plan is not this executor's.
fn foreign(device: &str, what: &str) -> Error {
    Error::Device { device: device.to_owned(), message: format!("a {what} of another machine") }
}

/// A value as the type of the executor that made it.
///
/// # Errors
/// Another executor made it.
pub fn own_buffer<'v, B: Storage>(value: &'v Arc<dyn Storage>, device: &str) -> Result<&'v B> {
    let any: &dyn Any = &**value;
    any.downcast_ref().ok_or_else(|| foreign(device, "buffer"))
}

/// As [`own_buffer`], of several.
///
/// # Errors
/// Another executor made one of them.
pub fn own_buffers<'v, B: Storage>(values: &'v [Arc<dyn Storage>], device: &str) -> Result<SmallVec<[&'v B; 16]>> {
    let mut buffers = SmallVec::with_capacity(values.len());
    for value in values {
        buffers.push(own_buffer(value, device)?);
    }
    Ok(buffers)
}

/// A plan as the type of the executor that prepared it.
///
/// # Errors
/// Another executor prepared it.
pub fn own_plan<'p, P: Any>(plan: &'p PreparedPlan, device: &str) -> Result<&'p P> {
    plan.downcast_ref().ok_or_else(|| foreign(device, "plan"))
}
