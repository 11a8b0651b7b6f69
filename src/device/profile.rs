//! Profiling: who times the kernels, and where the times are booked.

use super::{Device, Inner, Machine, lock};
use crate::plan::{Io, Plan};
use crate::profile::{Call, Peak, Profile};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// What a device knows of its profile.
pub(super) struct Profiler {
    on: AtomicBool,
    /// Print the table when the device is closed.
    print: bool,
    /// Write the trace there when the device is closed.
    trace: Option<PathBuf>,
    begun: Mutex<Instant>,
    book: Mutex<Profile>,
    /// What native kernels have noted in the run under way: the dispatch, its start and its end.
    native: Arc<Mutex<Vec<(usize, Instant, Instant)>>>,
    pub(super) peak: Mutex<Option<Peak>>,
}

impl Profiler {
    /// Off, unless `STEEPEST_PROFILE=1` or `STEEPEST_TRACE=FILE` are set.
    pub(super) fn new() -> Profiler {
        let print = std::env::var("STEEPEST_PROFILE").is_ok_and(|v| v == "1");
        let trace = std::env::var_os("STEEPEST_TRACE").filter(|v| !v.is_empty()).map(PathBuf::from);
        Profiler {
            on: AtomicBool::new(print || trace.is_some()),
            print,
            trace,
            begun: Mutex::new(Instant::now()),
            book: Mutex::default(),
            native: Arc::default(),
            peak: Mutex::new(None),
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// Puts a clock around every native kernel of a plan.
    pub(super) fn watch(&self, plan: &mut Plan) {
        for (i, dispatch) in plan.dispatches.iter_mut().enumerate() {
            let (kernel, notes) = (dispatch.kernel.native.clone(), self.native.clone());
            dispatch.kernel.native = Arc::new(move |io: &mut Io<'_>| {
                let start = Instant::now();
                kernel(io);
                lock(&notes).push((i, start, Instant::now()));
            });
        }
    }
}

impl Device {
    /// Begins an empty profile and times every kernel from now on, or stops. While it is on, every dispatch on a GPU is a pass of its own and
    /// every run is waited for, so a program takes longer than its kernels do. Plans made so far are forgotten.
    ///
    /// `STEEPEST_PROFILE=1` profiles from the start and prints the table when the device is closed; `STEEPEST_TRACE=FILE` writes the trace
    /// there (a second device adds its number to the name).
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// device.set_profile(true);
    /// let a = device.ones([64, 64]);
    /// a.matmul(&a).run()?;
    /// let profile = device.profile();
    /// assert!(profile.rows().iter().any(|row| row.kernel == "matmul" && row.flops == 2 * 64 * 64 * 64));
    /// println!("{profile}");
    /// # Ok::<(), steepest::Error>(())
    /// ```
    pub fn set_profile(&self, on: bool) {
        // Not during a run: its calls belong to the old profile.
        let _no_run = lock(&self.inner.running);
        if on {
            self.inner.begin_profile();
        }
        self.inner.profiler.on.store(on, Ordering::Relaxed);
        if let Machine::Gpu(gpu) = &self.inner.machine {
            gpu.set_timed(on);
        }
        lock(&self.inner.plans).clear();
    }

    /// What the kernels took since [`Device::set_profile`]. Shares of the peak are in it once [`Device::measure_peak`] was called.
    pub fn profile(&self) -> Profile {
        self.inner.profile()
    }
}

impl Inner {
    /// Empties the book and sets its clock to zero.
    pub(super) fn begin_profile(&self) {
        let timestamps = matches!(&self.machine, Machine::Gpu(gpu) if gpu.has_timestamps());
        *lock(&self.profiler.book) = Profile::new(self.name.clone(), timestamps);
        *lock(&self.profiler.begun) = Instant::now();
    }

    fn profile(&self) -> Profile {
        let mut profile = lock(&self.profiler.book).clone();
        profile.peak = *lock(&self.profiler.peak);
        profile
    }

    /// Lets go of what was timed and not booked.
    pub(super) fn forget_times(&self) {
        if let Machine::Gpu(gpu) = &self.machine {
            gpu.take_spans();
        }
    }

    /// Books the calls of a run of `plan` that was started at `start`.
    pub(super) fn book(&self, plan: &Plan, start: Instant) {
        let begun = *lock(&self.profiler.begun);
        let since = |instant: Instant| instant.saturating_duration_since(begun).as_nanos() as u64;
        let calls: Vec<(usize, u64, u64)> = match &self.machine {
            Machine::Gpu(gpu) => gpu
                .take_spans()
                .into_iter()
                .map(|span| (span.dispatch, since(start) + span.start, span.end - span.start))
                .collect(),
            Machine::Cpu(_) => {
                let notes = std::mem::take(&mut *lock(&self.profiler.native));
                notes.into_iter().map(|(i, start, end)| (i, since(start), since(end) - since(start))).collect()
            }
        };
        let mut book = lock(&self.profiler.book);
        book.runs += 1;
        let mut before = None;
        for (i, start, time) in calls {
            let dispatch = &plan.dispatches[i];
            // A dispatch done in parts is booked with the first of them.
            let again = before.replace(i) == Some(i);
            book.add(&Call {
                kernel: dispatch.kernel.name,
                label: &dispatch.label,
                file: dispatch.at.file(),
                line: dispatch.at.line(),
                flops: if again { 0 } else { dispatch.flops },
                bytes: if again { 0 } else { dispatch.bytes() },
                start,
                time,
            });
        }
    }
}

/// What the environment asked for.
impl Drop for Inner {
    fn drop(&mut self) {
        if lock(&self.profiler.book).calls() == 0 {
            return;
        }
        if self.profiler.print {
            // Without it the table has a column less.
            let _ = self.peak();
            eprint!("{}", self.profile());
        }
        if let Some(path) = &self.profiler.trace {
            static WRITTEN: AtomicU64 = AtomicU64::new(0);
            let path = match WRITTEN.fetch_add(1, Ordering::Relaxed) {
                0 => path.clone(),
                n => {
                    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
                    let name = format!("{stem}-{}", n + 1);
                    path.with_file_name(name).with_extension(path.extension().unwrap_or_default())
                }
            };
            if let Err(error) = self.profile().write_trace(path) {
                tracing::error!("{error}");
                eprintln!("{error}");
            }
        }
    }
}
