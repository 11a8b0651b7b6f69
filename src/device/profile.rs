//! Profiling: the times that executors report are booked.

use super::state::{Device, DeviceState};
use crate::executor::Span;
use crate::graph::key::Graph;
use crate::plan::{Plan, Recorded};
use crate::platform::{self, Instant};
use crate::profile::{Call, Profile};
use crate::threads::lock;
use std::sync::atomic::{AtomicU64, Ordering};

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
        let _no_run = platform::wait(self.state.running.take());
        if on {
            self.state.begin_profile();
        }
        self.state.profiler.on.store(on, Ordering::Relaxed);
        self.state.executor.set_timed(on);
        lock(&self.state.plans).clear();
    }

    /// What the kernels took since [`Device::set_profile`]. Shares of the peak are in it once [`Device::measure_peak`] was called.
    pub fn profile(&self) -> Profile {
        self.state.profile()
    }
}

impl DeviceState {
    /// Empties the book and sets its clock to zero.
    pub(super) fn begin_profile(&self) {
        *lock(&self.profiler.book) = Profile::new(self.name.clone(), self.executor.has_timestamps());
        *lock(&self.profiler.begun) = Instant::now();
    }

    fn profile(&self) -> Profile {
        let mut profile = lock(&self.profiler.book).clone();
        profile.peak = *lock(&self.profiler.peak);
        profile
    }

    /// Books the calls of a run of `plan` that was started at `start`.
    pub(super) fn book(&self, plan: &Plan, graph: &Graph, start: Instant, spans: &[Span]) {
        let begun = *lock(&self.profiler.begun);
        let start = start.saturating_duration_since(begun).as_nanos() as u64;
        let mut book = lock(&self.profiler.book);
        book.runs += 1;
        let (mut before, recorded) = (None, Recorded::in_graph(graph));
        for span in spans {
            let dispatch = &plan.dispatches[span.dispatch];
            let at = recorded.at(dispatch);
            // A dispatch done in parts is booked with the first of them.
            let again = before.replace(span.dispatch) == Some(span.dispatch);
            book.add(&Call {
                kernel: dispatch.kernel.name,
                label: &dispatch.label,
                file: at.file(),
                line: at.line(),
                layer: at.layer().as_str(),
                flops: if again { 0 } else { dispatch.flops },
                bytes: if again { 0 } else { dispatch.bytes() },
                start: start + span.start,
                time: span.end - span.start,
            });
        }
    }
}

/// What the environment asked for.
impl Drop for DeviceState {
    fn drop(&mut self) {
        if lock(&self.profiler.book).calls() == 0 {
            return;
        }
        if self.profiler.print {
            // Without it the table has a column less.
            let _ = platform::wait(self.peak());
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
