//! An open wgpu device and its health: after a loss wgpu goes silent, so the device keeps its own flags.

use super::adapters::describe;
use super::counted::Counted;
use super::counters::Counters;
use super::liveness::Liveness;
use super::pending::PendingWork;
use super::quirks::cooperative::Cooperative;
use crate::error::{Error, Result};
use crate::executor::Budget;
pub use crate::gpu_info::GpuLimits;
use crate::oneshot;
use crate::platform;
use crate::threads::{Process, lock};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long one wait lasts before the health flags are looked at again.
const PATIENCE: Duration = Duration::from_millis(200);

/// How long a device that refused something may take to say that it is lost.
const GRACE: Duration = Duration::from_millis(600);

/// All that is known of a loss where the driver's reason went to the application.
const LOST: &str = "the application destroyed it, or its driver gave it up";

/// An open wgpu device and what is known of it; shared by everything in this folder.
pub(super) struct Core {
    /// Where it was opened.
    pub(super) opened_in: Process,
    pub(super) adapter: wgpu::Adapter,
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) name: String,
    pub(super) software: bool,
    /// Whether its driver compiles what uniforms hold into the code; see [`quirks::inlined_uniforms`](super::quirks::inlined_uniforms).
    pub(super) inlines_uniforms: bool,
    /// Loop iterations that one invocation may make; see [`quirks::llvmpipe_loops`](super::quirks::llvmpipe_loops).
    pub(super) max_loop_iterations: AtomicUsize,
    pub(super) limits: GpuLimits,
    pub(super) features: Vec<(&'static str, bool)>,
    pub(super) uniform_alignment: u64,
    /// What the offset of a storage binding must be a multiple of.
    pub(super) storage_alignment: u64,
    /// Bytes of the largest uniform that can be bound.
    pub(super) uniform_bytes: u64,
    pub(super) counters: Counters,
    /// Whether passes can be timed by the GPU.
    pub(super) timestamps: bool,
    pub(super) cooperative: Cooperative,
    pub(super) health: Arc<Health>,
    /// Of a device that the application opened: how to find out that it is lost. wgpu's callbacks are the application's.
    pub(super) liveness: Option<Liveness>,
    /// The account of its memory.
    pub(super) budget: Arc<Budget>,
    /// Commands not yet submitted or not yet done.
    pub(super) pending: PendingWork,
}

/// Flags set by wgpu's callbacks, looked at by every run and read.
#[derive(Default)]
pub(super) struct Health {
    ill: AtomicBool,
    lost: Mutex<Option<String>>,
    fault: Mutex<Option<String>>,
    /// In a browser: what was refused first. Its answers come after the call, so this stands for the results of that call and all that come later.
    refused: Mutex<Option<Error>>,
}

impl Health {
    /// Has a device's callbacks set the flags.
    pub(super) fn watch(device: &wgpu::Device) -> Arc<Health> {
        let health = Arc::new(Health::default());
        let flags = Arc::clone(&health);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            tracing::error!("uncaptured GPU error: {error}");
            flags.set(&flags.fault, error.to_string());
        }));
        health.watch_for_loss(device);
        health
    }

    /// Has a device's callback of its loss set the flag. Natively a device has one such callback, in a browser as many as are set.
    pub(super) fn watch_for_loss(self: &Arc<Health>, device: &wgpu::Device) {
        let flags = Arc::clone(self);
        device.set_device_lost_callback(move |reason, message| {
            let reason = if message.is_empty() { format!("{reason:?}") } else { message };
            flags.set(&flags.lost, reason);
        });
    }

    /// Notes what a browser refused.
    pub(super) fn refuse(&self, error: Error) {
        tracing::error!("{error}");
        lock(&self.refused).get_or_insert(error);
        self.ill.store(true, Ordering::Release);
    }

    fn set(&self, which: &Mutex<Option<String>>, reason: String) {
        lock(which).get_or_insert(reason);
        self.ill.store(true, Ordering::Release);
    }
}

impl Core {
    /// Makes a buffer that counts, if there is room for it.
    pub(super) fn counted(&self, what: &str, descriptor: &wgpu::BufferDescriptor<'_>) -> Result<Counted> {
        let buffer = self.buffer(what, descriptor)?;
        Ok(Counted::new(buffer, &self.budget))
    }

    /// Makes a buffer, whose bytes are counted from now on, if there is room for it.
    pub(super) fn buffer(&self, what: &str, descriptor: &wgpu::BufferDescriptor<'_>) -> Result<wgpu::Buffer> {
        if !self.budget.take(descriptor.size) {
            return Err(self.budget.refusal(what, descriptor.size));
        }
        let made = self.scoped(|| self.device.create_buffer(descriptor));
        made.map_err(|error| {
            self.budget.give_back(descriptor.size);
            self.refusal(error, descriptor.size).for_what(|| what.to_owned())
        })
    }

    /// That memory may be asked for, which the driver allocates by itself: not if a test has it fail.
    pub(super) fn asks(&self, what: &str) -> Result<()> {
        if self.budget.asks() { Ok(()) } else { Err(self.budget.refusal(what, 0)) }
    }

    /// Loop iterations that one invocation of a kernel may make.
    pub(super) fn max_loop_iterations(&self) -> usize {
        self.max_loop_iterations.load(Ordering::Relaxed)
    }

    /// Test switch: as if it could make no more than these.
    pub(super) fn limit_loop_iterations(&self, most: usize) {
        self.max_loop_iterations.fetch_min(most, Ordering::Relaxed);
    }

    /// What the adapter says of itself, by name.
    pub(super) fn details(&self) -> Vec<(&'static str, String)> {
        let (info, limits) = (self.adapter.get_info(), &self.limits);
        let super::adapters::AdapterInfo { driver, backend, .. } = describe(&info);
        let features: Vec<_> = self.adapter.features().iter_names().map(|(name, _)| name).collect();
        let tiles = self.adapter.cooperative_matrix_properties();
        vec![
            (
                "adapter",
                format!("{} ({:?}, vendor {:#06x}, device {:#06x})", info.name, info.device_type, info.vendor, info.device),
            ),
            ("driver", driver),
            ("backend", backend),
            ("buffer bytes", limits.buffer_bytes.to_string()),
            ("binding bytes", limits.binding_bytes.to_string()),
            ("storage buffers", limits.storage_buffers.to_string()),
            ("workgroup bytes", limits.workgroup_bytes.to_string()),
            ("workgroup size", format!("{:?}, {} invocations", limits.workgroup_size, limits.invocations)),
            ("workgroups per axis", limits.groups.to_string()),
            ("immediate bytes", self.adapter.limits().max_immediate_size.to_string()),
            ("subgroup sizes", format!("{} to {}", info.subgroup_min_size, info.subgroup_max_size)),
            ("timestamp period", format!("{} ns", self.queue.get_timestamp_period())),
            ("cooperative matrices", if tiles.is_empty() { "none".to_owned() } else { format!("{tiles:?}") }),
            ("products of halves on them", self.cooperative.describe()),
            ("features", features.join(" ")),
        ]
    }

    /// What wgpu tells caches of pipelines apart by; `None` if the backend has none.
    pub(super) fn pipeline_key(&self) -> Option<String> {
        wgpu::util::pipeline_cache_key(&self.adapter.get_info())
    }

    /// An error if the device was lost, or reported a fault that nothing had asked for.
    pub(super) fn check(&self) -> Result<()> {
        if !self.health.ill.load(Ordering::Acquire) {
            return Ok(());
        }
        if let Some(reason) = lock(&self.health.lost).clone() {
            return Err(Error::DeviceLost { device: self.name.clone(), reason });
        }
        if let Some(refused) = lock(&self.health.refused).clone() {
            return Err(refused);
        }
        Err(self.fault(lock(&self.health.fault).clone().unwrap_or_default()))
    }

    /// A fault of this library or of the driver.
    pub(super) fn fault(&self, message: impl Into<String>) -> Error {
        Error::Device { device: self.name.clone(), message: message.into() }
    }

    /// What wgpu refused, as an error of this crate.
    pub(super) fn refusal(&self, error: wgpu::Error, bytes: u64) -> Error {
        match error {
            wgpu::Error::OutOfMemory { .. } => self.budget.refusal("what the driver keeps of a command", bytes),
            wgpu::Error::Validation { description, .. } | wgpu::Error::Internal { description, .. } => self.diagnose(description),
        }
    }

    /// Looks whether a device that the application opened is lost, and notes it.
    pub(super) fn look_for_loss(&self) {
        // A browser tells; see [`Health::watch_for_loss`].
        if !platform::IN_BROWSER && self.liveness.as_ref().is_some_and(Liveness::is_lost) {
            self.health.set(&self.health.lost, LOST.to_owned());
        }
    }

    /// The reason of something that went wrong: a loss, of which wgpu tells only when polled after its work is done, or else a fault.
    pub(super) fn diagnose(&self, message: impl Into<String>) -> Error {
        self.look_for_loss();
        // What the application has submitted is not waited for.
        if self.liveness.is_none() {
            let kind = wgpu::PollType::Wait { submission_index: None, timeout: Some(GRACE) };
            let _ = catch_unwind(AssertUnwindSafe(|| self.device.poll(kind)));
        }
        match self.check() {
            Err(lost @ Error::DeviceLost { .. }) => lost,
            _ => self.fault(message),
        }
    }

    /// [`Core::diagnose`] in what is awaited: a browser tells of a loss some turns of its loop after what failed because of it.
    pub(super) async fn diagnosed(&self, message: impl Into<String>) -> Error {
        const TURNS: usize = 20;
        let mut turns = 0;
        while platform::IN_BROWSER && turns < TURNS && !self.health.ill.load(Ordering::Acquire) {
            // Waited for apart: a page's promises stay on their thread, and whoever awaits this may be handed to another one.
            let (sender, taken) = oneshot::channel();
            platform::poll_later(async move {
                platform::turn().await;
                sender.send(());
            });
            taken.await;
            turns += 1;
        }
        self.diagnose(message)
    }

    /// Runs wgpu calls and catches the errors they report, those of this thread only.
    pub(super) fn scoped<T>(&self, calls: impl FnOnce() -> T) -> Result<T, wgpu::Error> {
        let filters = [wgpu::ErrorFilter::Internal, wgpu::ErrorFilter::Validation, wgpu::ErrorFilter::OutOfMemory];
        let [internal, validation, memory] = filters.map(|filter| self.device.push_error_scope(filter));
        let value = calls();
        // Popped innermost first.
        let (memory, validation, internal) = (memory.pop(), validation.pop(), internal.pop());
        if !platform::may_wait() {
            self.answer_later([Box::pin(memory), Box::pin(validation), Box::pin(internal)]);
            return Ok(value);
        }
        // Natively each answer is ready at once.
        let errors = [platform::ready(memory), platform::ready(validation), platform::ready(internal)];
        match errors.into_iter().flatten().flatten().next() {
            Some(error) => Err(error),
            None => Ok(value),
        }
    }

    /// Has the page's loop note the answers of error scopes when they come.
    fn answer_later(&self, answers: [Pin<Box<dyn Future<Output = Option<wgpu::Error>>>>; 3]) {
        let (health, budget, device) = (Arc::clone(&self.health), Arc::clone(&self.budget), self.name.clone());
        platform::poll_later(async move {
            for answer in answers {
                match answer.await {
                    None => {}
                    Some(wgpu::Error::OutOfMemory { .. }) => health.refuse(budget.refusal("what the browser was asked for", 0)),
                    Some(wgpu::Error::Validation { description, .. } | wgpu::Error::Internal { description, .. }) => {
                        health.refuse(Error::Device { device: device.clone(), message: description });
                    }
                }
            }
        });
    }

    /// Ready once the browser has answered all error scopes so far: its answers come in order. Natively at once.
    pub(super) fn answered(&self) -> impl Future<Output = ()> + Send + use<> {
        let last = (!platform::may_wait()).then(|| self.device.push_error_scope(wgpu::ErrorFilter::Validation).pop());
        async move {
            if let Some(last) = last {
                last.await;
            }
        }
    }

    /// Handles finished work and, given a submission, waits for it. `false` means that time ran out first.
    fn poll(&self, wait_for: Option<&wgpu::SubmissionIndex>) -> Result<bool> {
        self.check()?;
        if wait_for.is_some() {
            self.check_process()?;
        }
        let kind = match wait_for {
            None => wgpu::PollType::Poll,
            Some(index) => wgpu::PollType::Wait { submission_index: Some(index.clone()), timeout: Some(PATIENCE) },
        };
        // wgpu panics if the driver loses the device during the wait.
        let result = catch_unwind(AssertUnwindSafe(|| self.device.poll(kind)));
        let done = match result {
            Ok(Ok(_)) => true,
            Ok(Err(wgpu::PollError::Timeout)) => false,
            Ok(Err(wrong @ wgpu::PollError::WrongSubmissionIndex(..))) => {
                // The submission never reached the queue, as happens when the device is going.
                return Err(self.diagnose(wrong.to_string()));
            }
            Err(panic) => {
                self.health.set(&self.health.lost, words_of(panic.as_ref()));
                false
            }
        };
        self.check()?;
        Ok(done)
    }

    /// An error in a process that was forked from the one that opened the device: there its driver's threads are no more.
    pub(super) fn check_process(&self) -> Result<()> {
        if self.opened_in.was_forked() { Err(Error::Forked { device: self.name.clone() }) } else { Ok(()) }
    }

    /// Waits until a submission has finished, looking at the device's health all the while. An error in a browser.
    pub(super) fn wait(&self, submission: &wgpu::SubmissionIndex) -> Result<()> {
        if !platform::may_wait() {
            self.check()?;
            return Err(Error::CannotWait { device: self.name.clone() });
        }
        while !self.poll(Some(submission))? {}
        Ok(())
    }

    /// Where nothing may wait: sees to it that what is asked of the device is answered. In a browser the page's loop does; natively, in tests, a thread does
    /// in its place.
    pub(super) fn answer_by_itself(self: &Arc<Core>) {
        if !platform::HAS_THREADS || platform::may_wait() {
            return;
        }
        let core = Arc::downgrade(self);
        std::thread::spawn(move || {
            while let Some(core) = core.upgrade() {
                let _ = catch_unwind(AssertUnwindSafe(|| core.device.poll(wgpu::PollType::Poll)));
                drop(core);
                std::thread::park_timeout(Duration::from_micros(200));
            }
        });
    }

    /// Handles finished work without waiting.
    pub(super) fn tend(&self) -> Result<()> {
        self.poll(None).map(|_| ())
    }
}

impl Drop for Core {
    /// In a process that was forked from its own, the driver would wait for threads that are not there: what it holds stays until the process ends.
    fn drop(&mut self) {
        if self.opened_in.was_forked() {
            std::mem::forget((self.device.clone(), self.queue.clone(), self.adapter.clone()));
        }
    }
}

/// What a panic said.
fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("the driver failed while waiting").trim().to_owned()
}
