//! An open GPU: what it says of itself, its switches, and copies to and on the device. Plans are made ready and run in files beside this one.

use super::buffers::{GUARD, GpuBuffer, POISON, Pool};
use super::checks::ShaderChecks;
use super::core::{Core, GpuLimits};
use super::counters::Counts;
use super::open::OpenOptions;
use super::pipelines::Shaders;
use super::staging::Staging;
use super::tuned::Tuning;
use crate::error::Result;
use crate::executor::Executor;
use crate::threads::lock;
use crate::worker::Worker;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

/// Words written at a time.
const UPLOAD_PIECE: usize = 8 << 20;
/// Runs of a plan before its small dispatches are merged: compiling them takes about as long as they save in that many.
const MERGE_AFTER: u32 = 256;
/// Instead of a number of runs: not at all.
pub(super) const NEVER: u32 = u32::MAX;

/// An open GPU. All methods may be called from several threads.
pub struct Gpu {
    pub(super) core: Arc<Core>,
    pub(super) pool: Arc<Pool>,
    pub(super) shaders: Shaders,
    pub(super) staging: Arc<Staging>,
    /// Waits for reads that nobody else waits for.
    pub(super) waiting: Arc<Worker>,
    guarded: AtomicBool,
    timed: AtomicBool,
    pub(super) merge_after: AtomicU32,
    pub(super) force_variant: Mutex<Option<usize>>,
    pub(super) tuning: Mutex<Tuning>,
}

impl Gpu {
    /// Opens the first hardware adapter, or with `name_part` the first adapter, software too, whose name or driver contains it in any case.
    /// Adapters of OpenGL are not looked at.
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

    pub(super) fn of(core: Core) -> Gpu {
        let core = Arc::new(core);
        core.answer_by_itself();
        Gpu {
            pool: Arc::new(Pool::new(Arc::clone(&core))),
            shaders: Shaders::new(core.inlines_uniforms),
            core,
            staging: Arc::default(),
            waiting: Arc::new(Worker::new("steepest-gpu")),
            guarded: AtomicBool::new(false),
            timed: AtomicBool::new(false),
            merge_after: AtomicU32::new(MERGE_AFTER),
            force_variant: Mutex::new(None),
            tuning: Mutex::default(),
        }
    }

    pub(crate) fn into_executor(self) -> Box<dyn Executor> {
        Box::new(self)
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
    /// [`Error::DeviceLost`](crate::Error::DeviceLost) or [`Error::Device`](crate::Error::Device).
    pub fn check(&self) -> Result<()> {
        self.core.check()
    }

    /// Test switch: memory is filled with NaNs (`0x7fc0dead`) before each run, and writes beyond the end of a value are found after it.
    pub fn set_guarded(&self, on: bool) {
        self.guarded.store(on, Ordering::Relaxed);
    }

    pub(super) fn is_guarded(&self) -> bool {
        self.guarded.load(Ordering::Relaxed)
    }

    /// Times every dispatch of every run from now on, or stops.
    pub fn set_timed(&self, on: bool) {
        self.timed.store(on, Ordering::Relaxed);
    }

    pub(super) fn is_timed(&self) -> bool {
        self.timed.load(Ordering::Relaxed)
    }

    /// Whether dispatches are timed by the GPU itself and not by the host's clock.
    pub fn has_timestamps(&self) -> bool {
        self.core.timestamps
    }

    /// Whether small dispatches that follow each other become one in plans that run often.
    pub fn set_merging(&self, on: bool) {
        self.merge_after(on.then_some(MERGE_AFTER));
    }

    /// Test switch: divides kernels as if an invocation could make only so many loop iterations, where it cannot do less anyway.
    pub fn limit_loop_iterations(&self, most: usize) {
        self.core.limit_loop_iterations(most);
    }

    /// Test switch: after how many runs of a plan its small dispatches are merged; `None` is never.
    pub fn merge_after(&self, runs: Option<u32>) {
        self.merge_after.store(runs.unwrap_or(NEVER), Ordering::Relaxed);
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
        if self.is_guarded() {
            // A kernel that reads beyond the end of what it is given computes with NaN, or, if it takes the largest or smallest of several
            // elements, which is never NaN on some devices, with what is larger or smaller than all.
            let beyond: [u32; GUARD] = std::array::from_fn(|i| [POISON, f32::MAX.to_bits(), f32::MIN.to_bits()][i % 3]);
            self.core.write(buffer.raw(), 4 * words.len() as u64, &beyond)?;
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

    pub(super) fn owns(&self, buffer: &GpuBuffer) -> Result<()> {
        if buffer.belongs_to(&self.pool) { Ok(()) } else { Err(self.core.fault("a buffer of another device")) }
    }
}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gpu({})", self.core.name)
    }
}
