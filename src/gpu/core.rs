//! Adapters, opening a device, and its health: after a loss wgpu goes silent, so the device keeps its own flags.

use super::counters::Counters;
use super::pipeline_cache::PipelineCache;
use super::queue::Pending;
use super::quirks::window_extensions as drivers;
use super::self_test::{self, Cooperative};
use crate::error::{Error, Result};
use crate::plan::{Dispatch, MAX_LOOP_ITERATIONS};
pub(super) use crate::threads::lock;
use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// How long one wait lasts before the health flags are looked at again.
const PATIENCE: Duration = Duration::from_millis(200);

/// How long a device that refused something may take to say that it is lost.
const GRACE: Duration = Duration::from_millis(600);

/// A GPU, or a driver that imitates one, as the system lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterInfo {
    /// The adapter's name.
    pub name: String,
    /// The driver's name and version.
    pub driver: String,
    /// The interface it is reached through: `vulkan`, `metal`, `dx12` or `gl`.
    pub backend: String,
    /// Whether it computes on the CPU (llvmpipe, SwiftShader, WARP).
    pub software: bool,
}

/// How to open a device; the default is what a program wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// Ask for the limits a browser gives instead of the adapter's own, so that tests run the variants made for small limits.
    pub minimal_limits: bool,
}

/// What the device allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuLimits {
    /// Bytes of the largest buffer.
    pub buffer_bytes: u64,
    /// Bytes of the largest storage binding.
    pub binding_bytes: u64,
    /// Storage buffers one kernel may bind.
    pub storage_buffers: u32,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
    /// Invocations of a workgroup.
    pub invocations: u32,
    /// Invocations of a workgroup along each axis.
    pub workgroup_size: [u32; 3],
    /// Workgroups along each axis of a dispatch.
    pub groups: u32,
    /// Invocations of a subgroup, if all subgroups have as many and kernels may hand numbers around in one; else 0.
    pub subgroup: u32,
}

/// The adapters of this machine that can compute: hardware first (discrete, integrated, virtual, other), then software. Empty if there is no
/// driver.
pub async fn adapters() -> Vec<AdapterInfo> {
    let infos: Vec<_> = list(PRIMARY).await.iter().map(wgpu::Adapter::get_info).collect();
    order(&infos).into_iter().map(|i| describe(&infos[i])).collect()
}

/// Everything but GL: on Mesa's software OpenGL ES a chain of dependent dispatches gave wrong numbers.
const PRIMARY: wgpu::Backends = wgpu::Backends::all().difference(wgpu::Backends::GL);

fn describe(info: &wgpu::AdapterInfo) -> AdapterInfo {
    AdapterInfo {
        name: info.name.clone(),
        driver: [info.driver.as_str(), info.driver_info.as_str()].join(" ").trim().to_owned(),
        backend: info.backend.to_str().to_owned(),
        software: info.device_type == wgpu::DeviceType::Cpu,
    }
}

/// What could make kernels faster, and whether the adapter has it. None of it is needed.
fn features(adapter: &wgpu::Adapter) -> Vec<(&'static str, bool)> {
    let has = adapter.features();
    [
        ("f16", wgpu::Features::SHADER_F16),
        ("subgroups", wgpu::Features::SUBGROUP),
        ("cooperative matrices", wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX),
        ("timestamps", wgpu::Features::TIMESTAMP_QUERY),
        ("pipeline cache", wgpu::Features::PIPELINE_CACHE),
    ]
    .map(|(name, feature)| (name, has.contains(feature)))
    .to_vec()
}

/// The adapters of some backends that can compute, in order.
async fn list(backends: wgpu::Backends) -> Vec<wgpu::Adapter> {
    // A missing driver is an empty list, but a broken one may panic while it is probed, as EGL does.
    let Ok(listing) = catch_unwind(AssertUnwindSafe(|| drivers::adapters(backends))) else { return vec![] };
    let mut adapters = listing.await;
    adapters.retain(|a| a.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS));
    let infos: Vec<_> = adapters.iter().map(wgpu::Adapter::get_info).collect();
    order(&infos).into_iter().map(|i| adapters[i].clone()).collect()
}

/// The order in which adapters are listed, as indices.
fn order(infos: &[wgpu::AdapterInfo]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..infos.len()).collect();
    order.sort_by_key(|&i| rank(&infos[i], infos));
    order
}

/// Sort key of an adapter among all: GL twins last, then by kind, then GL after the rest. Equal ones keep the driver's order.
fn rank(info: &wgpu::AdapterInfo, all: &[wgpu::AdapterInfo]) -> (bool, u8, bool) {
    let gl = info.backend == wgpu::Backend::Gl;
    let same = |other: &wgpu::AdapterInfo| {
        let (a, b) = (info.name.to_lowercase(), other.name.to_lowercase());
        let named = !a.is_empty() && !b.is_empty() && (a.contains(&b) || b.contains(&a));
        named || (info.vendor != 0 && info.vendor == other.vendor)
    };
    let twin = gl && all.iter().any(|other| other.backend != wgpu::Backend::Gl && same(other));
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    };
    (twin, kind, gl)
}

/// An open wgpu device and what is known of it; shared by everything in this folder.
pub(super) struct Core {
    adapter: wgpu::Adapter,
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) name: String,
    pub(super) software: bool,
    /// Whether its driver compiles what uniforms hold into the code: Mesa's software adapter.
    pub(super) inlines_uniforms: bool,
    /// Rounds of loops that one invocation may go: Mesa's software adapter leaves all loops after 65,535 in a kernel.
    max_loop_iterations: AtomicUsize,
    pub(super) limits: GpuLimits,
    pub(super) features: Vec<(&'static str, bool)>,
    pub(super) uniform_alignment: u64,
    /// Bytes of the largest uniform that can be bound.
    pub(super) uniform_bytes: u64,
    pub(super) counters: Counters,
    pub(super) pipeline_cache: PipelineCache,
    /// Whether passes can be timed by the GPU.
    pub(super) timestamps: bool,
    pub(super) cooperative: Cooperative,
    health: Arc<Health>,
    /// Bytes handed out by the pool.
    pub(super) in_use: AtomicU64,
    /// Commands not yet submitted or not yet done.
    pub(super) pending: Pending,
}

/// Flags set by wgpu's callbacks, looked at by every run and read.
#[derive(Default)]
struct Health {
    ill: AtomicBool,
    lost: Mutex<Option<String>>,
    fault: Mutex<Option<String>>,
}

impl Health {
    fn set(&self, which: &Mutex<Option<String>>, reason: String) {
        lock(which).get_or_insert(reason);
        self.ill.store(true, Ordering::Release);
    }
}

impl Core {
    /// Opens the first adapter that fits; see [`super::Gpu::open`].
    pub(super) async fn open(name_part: Option<&str>, options: OpenOptions) -> Result<Core> {
        let wanted = |info: &AdapterInfo| match name_part.map(str::to_lowercase) {
            None => !info.software,
            Some(part) => [&info.name, &info.driver].iter().any(|text| text.to_lowercase().contains(&part)),
        };
        let (mut seen, mut refusal) = (vec![], None);
        for adapter in list(PRIMARY).await {
            let info = describe(&adapter.get_info());
            if wanted(&info) {
                match Core::request(&adapter, &info, options).await {
                    Ok(core) => return Ok(core),
                    Err(reason) => refusal = refusal.or(Some(format!("{} ({}): {reason}", info.name, info.backend))),
                }
            }
            seen.push(format!("{} ({}, {})", info.name, info.backend, info.driver));
        }
        Err(match (refusal, name_part) {
            (Some(reason), _) => Error::NoAdapter { reason },
            _ if seen.is_empty() => Error::NoAdapter { reason: "no driver lists an adapter that can compute".to_owned() },
            (None, Some(part)) => Error::UnknownDevice { name: part.to_owned(), available: seen },
            (None, None) => Error::NoAdapter { reason: format!("only software adapters: {}", seen.join("; ")) },
        })
    }

    async fn request(adapter: &wgpu::Adapter, info: &AdapterInfo, options: OpenOptions) -> Result<Core, String> {
        let own = adapter.limits();
        let browser = wgpu::Limits::defaults();
        let mut limits = if options.minimal_limits { browser.clone().or_worse_values_from(&own) } else { own };
        // DX12 sizes a descriptor heap by this one.
        limits.max_non_sampler_bindings = limits.max_non_sampler_bindings.min(browser.max_non_sampler_bindings);
        let told = adapter.get_info();
        let mut wanted = wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::PIPELINE_CACHE;
        wanted.set(wgpu::Features::SUBGROUP, told.subgroup_min_size == told.subgroup_max_size);
        let required_features = if options.minimal_limits { wgpu::Features::empty() } else { adapter.features() & wanted };
        let timestamps = required_features.contains(wgpu::Features::TIMESTAMP_QUERY);
        let subgroups = required_features.contains(wgpu::Features::SUBGROUP);
        let descriptor =
            wgpu::DeviceDescriptor { label: Some("steepest"), required_limits: limits, required_features, ..Default::default() };
        let mut kind = if options.minimal_limits { None } else { self_test::offered(adapter) };
        let mut opened = None;
        if kind.is_some() {
            let more = wgpu::DeviceDescriptor {
                required_features: descriptor.required_features | self_test::FEATURES,
                experimental_features: self_test::promise(),
                ..descriptor.clone()
            };
            match adapter.request_device(&more).await {
                Ok(both) => opened = Some(both),
                // What is only for speed must not be what opening fails at.
                Err(error) => {
                    tracing::warn!("{}: opened without cooperative matrices: {error}", info.name);
                    kind = None;
                }
            }
        }
        let (device, queue) = match opened {
            Some(both) => both,
            None => adapter.request_device(&descriptor).await.map_err(|e| e.to_string())?,
        };

        let health = Arc::new(Health::default());
        let flags = Arc::clone(&health);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            tracing::error!("uncaptured GPU error: {error}");
            flags.set(&flags.fault, error.to_string());
        }));
        let flags = Arc::clone(&health);
        device.set_device_lost_callback(move |reason, message| {
            let reason = if message.is_empty() { format!("{reason:?}") } else { message };
            flags.set(&flags.lost, reason);
        });

        let granted = device.limits();
        let limits = GpuLimits {
            buffer_bytes: granted.max_buffer_size,
            binding_bytes: granted.max_storage_buffer_binding_size.min(granted.max_buffer_size),
            storage_buffers: granted.max_storage_buffers_per_shader_stage,
            workgroup_bytes: granted.max_compute_workgroup_storage_size,
            invocations: granted.max_compute_invocations_per_workgroup,
            workgroup_size: [
                granted.max_compute_workgroup_size_x,
                granted.max_compute_workgroup_size_y,
                granted.max_compute_workgroup_size_z,
            ],
            groups: granted.max_compute_workgroups_per_dimension,
            subgroup: if subgroups { told.subgroup_max_size } else { 0 },
        };
        let llvmpipe = [&info.name, &info.driver].iter().any(|told| told.contains("llvmpipe"));
        Ok(Core {
            adapter: adapter.clone(),
            name: info.name.clone(),
            software: info.software,
            inlines_uniforms: llvmpipe,
            max_loop_iterations: AtomicUsize::new(if llvmpipe { MAX_LOOP_ITERATIONS } else { usize::MAX }),
            limits,
            features: features(adapter),
            uniform_alignment: u64::from(granted.min_uniform_buffer_offset_alignment).max(16),
            uniform_bytes: granted.max_uniform_buffer_binding_size,
            counters: Counters::default(),
            pipeline_cache: PipelineCache::default(),
            timestamps,
            cooperative: Cooperative::new(kind),
            health,
            in_use: AtomicU64::new(0),
            pending: Pending::default(),
            device,
            queue,
        })
    }

    /// Rounds of loops that one invocation of a kernel may go.
    pub(super) fn max_loop_iterations(&self) -> usize {
        self.max_loop_iterations.load(Ordering::Relaxed)
    }

    /// Test switch: as if it could go no more rounds than these.
    pub(super) fn limit_turns(&self, most: usize) {
        self.max_loop_iterations.fetch_min(most, Ordering::Relaxed);
    }

    /// Another device of the same adapter.
    pub(super) async fn another(&self, options: OpenOptions) -> Result<Core, String> {
        Core::request(&self.adapter, &describe(&self.adapter.get_info()), options).await
    }

    /// What the adapter says of itself, by name.
    pub(super) fn details(&self) -> Vec<(&'static str, String)> {
        let (info, limits) = (self.adapter.get_info(), &self.limits);
        let AdapterInfo { driver, backend, .. } = describe(&info);
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
        Err(self.fault(lock(&self.health.fault).clone().unwrap_or_default()))
    }

    /// A fault of this library or of the driver.
    pub(super) fn fault(&self, message: impl Into<String>) -> Error {
        Error::Device { device: self.name.clone(), message: message.into() }
    }

    /// That no variant of a dispatch's kernel can run here: with the op, its sizes and the caller's line.
    pub(super) fn none_fits(&self, dispatch: &Dispatch) -> Error {
        let Dispatch { kernel, label, at, .. } = dispatch;
        let message = format!(
            "no variant of kernel `{}` is within the device's limits for {label} at {}:{}; smaller sizes may be, and the CPU has no such limits",
            kernel.name,
            at.file(),
            at.line()
        );
        self.fault(message)
    }

    /// What lies behind something that went wrong: a loss, of which wgpu tells only when polled after its work is done, or else a fault.
    pub(super) fn diagnose(&self, message: impl Into<String>) -> Error {
        let kind = wgpu::PollType::Wait { submission_index: None, timeout: Some(GRACE) };
        let _ = catch_unwind(AssertUnwindSafe(|| self.device.poll(kind)));
        match self.check() {
            Err(lost @ Error::DeviceLost { .. }) => lost,
            _ => self.fault(message),
        }
    }

    /// Runs wgpu calls and catches the errors they report, those of this thread only.
    pub(super) fn scoped<T>(&self, calls: impl FnOnce() -> T) -> Result<T, wgpu::Error> {
        let filters = [wgpu::ErrorFilter::Internal, wgpu::ErrorFilter::Validation, wgpu::ErrorFilter::OutOfMemory];
        let [internal, validation, memory] = filters.map(|filter| self.device.push_error_scope(filter));
        let value = calls();
        // Popped innermost first; natively each answer is ready at once.
        let errors = [now(memory.pop()), now(validation.pop()), now(internal.pop())];
        match errors.into_iter().flatten().flatten().next() {
            Some(error) => Err(error),
            None => Ok(value),
        }
    }

    /// Handles finished work and, given a submission, waits for it. `false` means that time ran out first.
    fn poll(&self, wait_for: Option<&wgpu::SubmissionIndex>) -> Result<bool> {
        self.check()?;
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

    /// Waits until a submission has finished, looking at the device's health all the while.
    pub(super) fn wait(&self, submission: &wgpu::SubmissionIndex) -> Result<()> {
        while !self.poll(Some(submission))? {}
        Ok(())
    }

    /// Handles finished work without waiting.
    pub(super) fn tend(&self) -> Result<()> {
        self.poll(None).map(|_| ())
    }
}

/// What a panic said.
fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("the driver failed while waiting").trim().to_owned()
}

/// The value of a future that is ready at once.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wgpu::{AdapterInfo as Info, Backend, DeviceType};

    fn info(name: &str, kind: DeviceType, backend: Backend) -> Info {
        Info { name: name.to_owned(), ..Info::new(kind, backend) }
    }

    #[test]
    fn adapters_are_ordered_by_kind_then_backend_with_twins_last() {
        let all = [
            info("llvmpipe (LLVM 15)", DeviceType::Cpu, Backend::Vulkan),
            info("NVIDIA H200/PCIe/SSE2", DeviceType::Other, Backend::Gl),
            info("Intel UHD", DeviceType::IntegratedGpu, Backend::Vulkan),
            info("Mali", DeviceType::IntegratedGpu, Backend::Gl),
            info("NVIDIA H200", DeviceType::DiscreteGpu, Backend::Vulkan),
        ];
        let names: Vec<_> = order(&all).into_iter().map(|i| all[i].name.as_str()).collect();
        assert_eq!(names, ["NVIDIA H200", "Intel UHD", "Mali", "llvmpipe (LLVM 15)", "NVIDIA H200/PCIe/SSE2"]);
    }
}
