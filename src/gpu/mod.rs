//! The machine room: wgpu devices. Knows plans and buffers, nothing of graphs or ops.
//!
//! [`Gpu::prepare`] turns a [`Plan`](crate::plan::Plan) into pipelines and memory once; [`Gpu::run`] replays it: one pass, in a
//! command list that runs may share, and in a steady loop nothing is made anew. Errors of wgpu never panic: a refused call is an `Err` where it happened, and a lost
//! device is an `Err` from then on.

mod buffers;
mod checks;
mod core;
mod counters;

mod guard;
mod merge;
mod pipeline_cache;
mod pipelines;
mod queue;
mod quirks;
mod readback;
mod run;
mod self_test;
#[cfg(test)]
mod tests;
mod timing;
mod tune;

pub use buffers::GpuBuffer;
pub use checks::ShaderChecks;
pub use core::{AdapterInfo, GpuLimits, OpenOptions, adapters};
pub use counters::Counts;
pub use quirks::window_extensions::drivers_loaded;
pub use run::Prepared;
pub use timing::Span;
pub use tune::Tune;

use crate::error::{Error, Result};
use buffers::Pool;
use core::{Core, lock};
use pipelines::Shaders;
use readback::Staging;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use timing::Timing;
use tune::Tuning;

/// Words written at a time.
const UPLOAD_PIECE: usize = 8 << 20;

/// An open GPU. All methods may be called from several threads.
pub struct Gpu {
    core: Arc<Core>,
    pool: Arc<Pool>,
    shaders: Shaders,
    staging: Staging,
    guarded: AtomicBool,
    merge_after: AtomicU32,
    force_variant: Mutex<Option<usize>>,
    timing: Timing,
    tuning: Tuning,
}

impl Gpu {
    /// Opens the first hardware adapter, or with `name_part` the first adapter, software too, whose name or driver contains it in any case.
    /// GL is looked at only if nothing else will do.
    ///
    /// # Errors
    /// No such adapter, or it refuses.
    pub async fn open(name_part: Option<&str>) -> Result<Gpu> {
        Gpu::open_with(name_part, OpenOptions::default()).await
    }

    /// As [`Gpu::open`], with options.
    ///
    /// # Errors
    /// No such adapter, or it refuses.
    pub async fn open_with(name_part: Option<&str>, options: OpenOptions) -> Result<Gpu> {
        Ok(Gpu::of(Core::open(name_part, options).await?))
    }

    fn of(core: Core) -> Gpu {
        let core = Arc::new(core);
        Gpu {
            pool: Arc::new(Pool::new(Arc::clone(&core))),
            shaders: Shaders::new(core.inlines_uniforms),
            core,
            staging: Staging::default(),
            guarded: AtomicBool::new(false),
            merge_after: AtomicU32::new(merge::AFTER),
            force_variant: Mutex::new(None),
            timing: Timing::default(),
            tuning: Tuning::default(),
        }
    }

    /// The adapter's name.
    pub fn name(&self) -> &str {
        &self.core.name
    }

    /// Whether it computes on the CPU.
    pub fn is_software(&self) -> bool {
        self.core.software
    }

    /// What the device allows.
    pub fn limits(&self) -> GpuLimits {
        self.core.limits
    }

    /// What the adapter says of itself, name by name: driver, limits, features.
    pub fn details(&self) -> Vec<(&'static str, String)> {
        self.core.details()
    }

    /// Features of the adapter that kernels of this kind could use, and whether it has them.
    pub fn features(&self) -> Vec<(&'static str, bool)> {
        self.core.features.clone()
    }

    /// Bytes of device memory in use by values and prepared plans.
    pub fn live_bytes(&self) -> u64 {
        self.pool.live_bytes()
    }

    /// Bytes of device memory kept for later use.
    pub fn pooled_bytes(&self) -> u64 {
        self.pool.free_bytes()
    }

    /// Bytes of all buffers as wgpu counts them, staging and uniforms included; 0 unless wgpu was built with its feature `counters`.
    pub fn driver_bytes(&self) -> u64 {
        u64::try_from(self.core.device.get_internal_counters().hal.buffer_memory.read()).unwrap_or(0)
    }

    /// Gives memory kept for later use back to the driver; returns its bytes.
    pub fn trim(&self) -> u64 {
        self.pool.trim()
    }

    /// What has been done so far, counted.
    pub fn counts(&self) -> Counts {
        self.core.counters.read()
    }

    /// An error if the device was lost or has reported a fault.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] or [`Error::Device`].
    pub fn check(&self) -> Result<()> {
        self.core.check()
    }

    /// Test switch: memory is filled with NaNs (`0x7fc0dead`) before each run, and writes behind the end of a value are found after it.
    pub fn set_guarded(&self, on: bool) {
        self.guarded.store(on, Ordering::Relaxed);
    }

    pub(super) fn is_guarded(&self) -> bool {
        self.guarded.load(Ordering::Relaxed)
    }

    /// Whether small dispatches that follow each other become one in plans that run often.
    pub fn set_merging(&self, on: bool) {
        self.merge_after(on.then_some(merge::AFTER));
    }

    /// Test switch: divides kernels as if an invocation could go round loops only so often, where it cannot do less anyway.
    pub fn limit_turns(&self, most: usize) {
        self.core.limit_turns(most);
    }

    /// Test switch: after how many runs of a plan its small dispatches are merged; `None` is never.
    pub fn merge_after(&self, runs: Option<u32>) {
        self.merge_after.store(runs.unwrap_or(merge::NEVER), Ordering::Relaxed);
    }

    /// Test switch for plans prepared from now on: the i-th variant within the device's limits, or the last if there are fewer, whatever kind of
    /// device it is made for.
    pub fn force_variant(&self, index: Option<usize>) {
        *lock(&self.force_variant) = index;
    }

    /// Whether plans prepared from now on carry the checks that WGSL asks for.
    pub fn set_shader_checks(&self, checks: ShaderChecks) {
        self.shaders.set_checks(checks);
    }

    /// Test hook: destroys the device, as a driver reset would.
    pub fn lose(&self) {
        self.core.device.destroy();
    }

    /// Copies words to the device.
    ///
    /// # Errors
    /// The value is too large for the device, or the device is out of memory or lost.
    pub fn upload(&self, words: &[u32]) -> Result<Arc<GpuBuffer>> {
        self.core.check()?;
        let buffer = self.pool.take(words.len(), self.is_guarded())?;
        for (i, piece) in words.chunks(UPLOAD_PIECE).enumerate() {
            self.core.write(buffer.raw(), 4 * (i * UPLOAD_PIECE) as u64, piece)?;
        }
        Ok(buffer)
    }

    /// A copy of a value, in memory of its own.
    ///
    /// # Errors
    /// The device is out of memory or lost.
    pub fn copy(&self, buffer: &GpuBuffer) -> Result<Arc<GpuBuffer>> {
        self.core.check()?;
        self.owns(buffer)?;
        let copy = self.pool.take(buffer.words(), self.is_guarded())?;
        let bytes = 4 * buffer.words() as u64;
        if bytes > 0 {
            self.core.record(0, |encoder| {
                encoder.copy_buffer_to_buffer(buffer.raw(), buffer.offset(), copy.raw(), 0, bytes);
                Ok(())
            })?;
            self.core.settle()?;
        }
        Ok(copy)
    }

    /// Waits until everything submitted so far is done.
    ///
    /// # Errors
    /// The device was lost.
    pub fn wait(&self) -> Result<()> {
        self.core.check()?;
        let submission = self.core.submit()?;
        self.core.wait(&submission)
    }

    fn owns(&self, buffer: &GpuBuffer) -> Result<()> {
        if buffer.belongs_to(&self.pool) { Ok(()) } else { Err(self.core.fault("a buffer of another device")) }
    }
}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gpu({})", self.core.name)
    }
}

impl Core {
    /// What wgpu refused, as an error of this crate.
    fn refusal(&self, error: wgpu::Error, bytes: u64) -> Error {
        match error {
            wgpu::Error::OutOfMemory { .. } => {
                Error::OutOfMemory { device: self.name.clone(), bytes, live: self.in_use.load(Ordering::Relaxed) }
            }
            wgpu::Error::Validation { description, .. } | wgpu::Error::Internal { description, .. } => self.diagnose(description),
        }
    }
}
