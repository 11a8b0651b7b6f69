//! `Device`: the one place that sees both ends. Graphs become plans, plans run on the GPU or the CPU.

mod anomaly;
mod check;
mod create;
mod peak;
mod precision;
mod profile;
mod random;
mod read;
mod run;
mod tune;
mod waiting;

pub use anomaly::Anomaly;
pub use precision::Precision;
pub use tune::{ShaderChecks, Tune};

use crate::cpu::{self, Cpu, CpuBuffer};
use crate::error::{Error, Result};
use crate::gpu::{self, Gpu, GpuBuffer};
use crate::graph::key::Graph;
use crate::graph::node::{Live, Node, Runner, Storage, Tensor};
use crate::plan::{Plan, Switches};
use crate::threads::{self, lock};
use profile::Profiler;
use rustc_hash::FxHashMap;
use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

/// Plans kept per device; the one not used for longest goes first.
const PLANS: usize = 128;

/// Something that computes: a GPU, or this machine's processor. Cheap to clone; all clones are the same device.
///
/// ```
/// use steepest::Device;
/// let device = Device::best()?; // a GPU if there is one, else the CPU
/// println!("{device}");
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone)]
pub struct Device {
    inner: Arc<Inner>,
    /// The same, as the graph knows it.
    runner: Arc<dyn Runner>,
}

enum Machine {
    Gpu(Box<Gpu>),
    Cpu(Cpu),
}

enum Prepared {
    Gpu(gpu::Prepared),
    Cpu(cpu::Prepared),
}

struct Cached {
    plan: Arc<Plan>,
    prepared: Prepared,
    /// When it was used last, in runs.
    used: AtomicU64,
}

struct Inner {
    id: u64,
    name: String,
    machine: Machine,
    live: Live,
    check: AtomicBool,
    /// Whether products round their operands to f16; see [`Device::set_precision`].
    halves: AtomicBool,
    runs: AtomicU64,
    misses: AtomicU64,
    switches: Mutex<Switches>,
    plans: Mutex<FxHashMap<Vec<u32>, Arc<Cached>>>,
    last: Mutex<Option<Arc<Plan>>>,
    /// Updates to be run with the next one; see [`Device::update_with_next_step`].
    waiting: Mutex<Vec<Weak<Node>>>,
    profiler: Profiler,
    /// What anomaly mode looks for, and its plans.
    watch: anomaly::Watch,
    /// One run at a time: updates in place must not meet reads.
    running: Mutex<()>,
}

impl Storage for CpuBuffer {
    fn words(&self) -> usize {
        self.len()
    }
}

impl Storage for GpuBuffer {
    fn words(&self) -> usize {
        self.words()
    }
}

/// An adapter or processor that [`Device::named`] can open.
#[derive(Clone, Debug)]
pub struct DeviceInfo {
    /// What to call it: `cpu` or `gpu:ADAPTER`.
    pub name: String,
    /// Driver and version, as the driver says.
    pub driver: String,
    /// The programming interface, such as `Vulkan`.
    pub backend: String,
    /// Whether it is a processor that plays a GPU; such are opened only when asked for by name.
    pub software: bool,
}

impl Device {
    fn new(name: String, machine: Machine) -> Device {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let inner = Arc::new(Inner {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            name,
            machine,
            live: Live::new(),
            check: AtomicBool::new(std::env::var("STEEPEST_CHECK").is_ok_and(|v| v == "1")),
            halves: AtomicBool::new(false),
            runs: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            switches: Mutex::new(Switches::default()),
            plans: Mutex::default(),
            last: Mutex::new(None),
            waiting: Mutex::new(vec![]),
            profiler: Profiler::new(),
            watch: anomaly::Watch::from_env(),
            running: Mutex::new(()),
        });
        inner.begin_profile();
        if let Machine::Gpu(gpu) = &inner.machine {
            tune::from_env(gpu);
        }
        if let (Machine::Gpu(gpu), true) = (&inner.machine, inner.profiler.is_on()) {
            gpu.set_timed(true);
        }
        Device { runner: inner.clone(), inner }
    }

    /// The device named by the environment variable `STEEPEST_DEVICE` (see [`Device::named`]); without it the first
    /// hardware GPU; without one the CPU. A software adapter is never chosen by itself.
    ///
    /// # Errors
    /// `STEEPEST_DEVICE` names something that is not there.
    pub fn best() -> Result<Device> {
        pollster::block_on(Device::best_async())
    }

    /// [`Device::best`] without blocking.
    ///
    /// # Errors
    /// As [`Device::best`].
    pub async fn best_async() -> Result<Device> {
        match std::env::var("STEEPEST_DEVICE") {
            Ok(name) if !name.is_empty() => Device::named_async(&name).await,
            _ => match Device::gpu_async().await {
                Ok(device) => Ok(device),
                Err(reason) => {
                    tracing::info!("using the CPU: {reason}");
                    Ok(Device::cpu())
                }
            },
        }
    }

    /// The device called `cpu`, `gpu` (the first hardware GPU), `best`, or by any part of an adapter's name, with or
    /// without `gpu:` before it: `gpu:llvmpipe`, `nvidia`. Upper and lower case are the same.
    ///
    /// # Errors
    /// [`Error::UnknownDevice`] with the names there are, or why the adapter does not open.
    pub fn named(name: &str) -> Result<Device> {
        pollster::block_on(Device::named_async(name))
    }

    /// [`Device::named`] without blocking.
    ///
    /// # Errors
    /// As [`Device::named`].
    pub async fn named_async(name: &str) -> Result<Device> {
        match name.to_lowercase().as_str() {
            "cpu" => Ok(Device::cpu()),
            "gpu" => Device::gpu_async().await,
            "best" => match Device::gpu_async().await {
                Ok(device) => Ok(device),
                Err(_) => Ok(Device::cpu()),
            },
            lower => {
                let part = lower.strip_prefix("gpu:").unwrap_or(lower).trim();
                // An empty part would be found in every name. Drivers are loaded once only: that takes longer than all the rest.
                let gpu = match part {
                    "" => Err(Error::UnknownDevice { name: name.to_owned(), available: vec![] }),
                    part => Gpu::open(Some(part)).await,
                };
                let gpu = match gpu {
                    Err(Error::UnknownDevice { .. }) => {
                        let available = Device::all_async().await.into_iter().map(|info| info.name).collect();
                        return Err(Error::UnknownDevice { name: name.to_owned(), available });
                    }
                    Err(Error::NoAdapter { .. }) if Device::all_async().await.len() == 1 => {
                        return Err(Error::UnknownDevice { name: name.to_owned(), available: vec!["cpu".to_owned()] });
                    }
                    opened => opened?,
                };
                Ok(Device::new(gpu.name().to_owned(), Machine::Gpu(Box::new(gpu))))
            }
        }
    }

    /// The first hardware GPU.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] where there is none, or why it does not open.
    pub fn gpu() -> Result<Device> {
        pollster::block_on(Device::gpu_async())
    }

    /// [`Device::gpu`] without blocking.
    ///
    /// # Errors
    /// As [`Device::gpu`].
    pub async fn gpu_async() -> Result<Device> {
        let gpu = Gpu::open(None).await?;
        Ok(Device::new(gpu.name().to_owned(), Machine::Gpu(Box::new(gpu))))
    }

    /// A GPU opened with the limits every browser grants, whatever the adapter could do: for testing the smaller kernels.
    ///
    /// # Errors
    /// As [`Device::named`].
    pub fn gpu_with_minimal_limits(name: &str) -> Result<Device> {
        let part = name.strip_prefix("gpu:").unwrap_or(name);
        let options = gpu::OpenOptions { minimal_limits: true };
        let gpu = pollster::block_on(Gpu::open_with(Some(part), options))?;
        Ok(Device::new(format!("{} (minimal limits)", gpu.name()), Machine::Gpu(Box::new(gpu))))
    }

    /// This machine's processor, all cores.
    pub fn cpu() -> Device {
        Device::new("cpu".to_owned(), Machine::Cpu(Cpu::default()))
    }

    /// Everything that can be opened, in the order of preference.
    pub fn all() -> Vec<DeviceInfo> {
        pollster::block_on(Device::all_async())
    }

    /// [`Device::all`] without blocking.
    pub async fn all_async() -> Vec<DeviceInfo> {
        let adapters = gpu::adapters().await;
        let (software, hardware): (Vec<_>, Vec<_>) = adapters.into_iter().partition(|a| a.software);
        let info = |a: gpu::AdapterInfo| DeviceInfo {
            name: format!("gpu:{}", a.name),
            driver: a.driver,
            backend: a.backend,
            software: a.software,
        };
        let cpu = DeviceInfo {
            name: "cpu".to_owned(),
            driver: format!("{} threads", rayon::current_num_threads()),
            backend: "native".to_owned(),
            software: false,
        };
        hardware.into_iter().map(info).chain([cpu]).chain(software.into_iter().map(info)).collect()
    }

    /// The device's name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Whether plans run on a GPU (a software adapter counts) and not on native kernels.
    pub fn is_gpu(&self) -> bool {
        matches!(self.inner.machine, Machine::Gpu(_))
    }

    /// The largest tensor, in bytes, that a kernel can read or write here: on a GPU the limit of one binding.
    pub fn tensor_bytes(&self) -> u64 {
        match &self.inner.machine {
            Machine::Gpu(gpu) => gpu.limits().binding_bytes,
            Machine::Cpu(_) => 4 * u64::from(u32::MAX),
        }
    }

    /// The GPU behind this device, for its counters and test switches.
    pub fn as_gpu(&self) -> Option<&Gpu> {
        match &self.inner.machine {
            Machine::Gpu(gpu) => Some(gpu),
            Machine::Cpu(_) => None,
        }
    }

    /// Computes tensors now, in one run. Their values, and those of all tensors held that it passes through, are kept.
    ///
    /// # Errors
    /// The first invalid tensor's error, or whatever the device reports.
    pub fn run<'a>(&self, tensors: impl IntoIterator<Item = &'a Tensor>) -> Result<()> {
        let roots: Vec<Arc<Node>> = tensors.into_iter().map(|t| t.node().clone()).collect();
        self.inner.run(&roots)
    }

    /// Waits until everything that runs have started is done. Reading a value waits by itself; this is for taking times.
    ///
    /// # Errors
    /// The device was lost.
    pub fn wait(&self) -> Result<()> {
        match &self.inner.machine {
            Machine::Gpu(gpu) => gpu.wait(),
            Machine::Cpu(_) => Ok(()),
        }
    }

    /// The plan of a run of these tensors, as it would be made now. Nothing runs.
    ///
    /// # Errors
    /// The first invalid tensor's error.
    pub fn plan<'a>(&self, tensors: impl IntoIterator<Item = &'a Tensor>) -> Result<Plan> {
        let roots: Vec<Arc<Node>> = tensors.into_iter().map(|t| t.node().clone()).collect();
        self.inner.foreign(&roots)?;
        Ok(Plan::build(&Graph::collect(&roots)?, *lock(&self.inner.switches)))
    }

    /// The graph of a run of these tensors in graphviz's `dot` language. Nothing runs.
    ///
    /// # Errors
    /// The first invalid tensor's error.
    pub fn graphviz<'a>(&self, tensors: impl IntoIterator<Item = &'a Tensor>) -> Result<String> {
        let roots: Vec<Arc<Node>> = tensors.into_iter().map(|t| t.node().clone()).collect();
        self.inner.foreign(&roots)?;
        Ok(crate::graph::dump::graphviz(&Graph::collect(&roots)?))
    }

    /// The plan that ran last: an optimizer's step cannot be planned from outside, but can be looked at here.
    pub fn last_plan(&self) -> Option<Arc<Plan>> {
        lock(&self.inner.last).clone()
    }

    /// Switches optimisations off or on. Plans made so far are forgotten.
    pub fn set_switches(&self, switches: Switches) {
        *lock(&self.inner.switches) = switches;
        if let Machine::Gpu(gpu) = &self.inner.machine {
            gpu.set_merging(switches.merge);
        }
        lock(&self.inner.plans).clear();
    }

    /// CHECK mode (also `STEEPEST_CHECK=1`): every run computes each node on its own and compares it with the reference, then runs as it is
    /// planned and compares what came out with that; the first wrong value is an error with its source line. Slow, and takes memory for every
    /// value of the run.
    pub fn set_check(&self, on: bool) {
        self.inner.check.store(on, Ordering::Relaxed);
    }

    /// Fills memory with NaN before every run and, on a GPU, guards the ends of buffers: for tests.
    pub fn set_guarded(&self, on: bool) {
        match &self.inner.machine {
            Machine::Gpu(gpu) => gpu.set_guarded(on),
            Machine::Cpu(cpu) => cpu.set_guarded(on),
        }
        lock(&self.inner.plans).clear();
    }

    /// On a GPU, uses the given variant of every kernel (the last, where there are fewer) instead of the first that target: for tests.
    pub fn force_variant(&self, variant: Option<usize>) {
        if let Machine::Gpu(gpu) = &self.inner.machine {
            gpu.force_variant(variant);
        }
        lock(&self.inner.plans).clear();
    }

    /// How many recorded nodes may be alive before recording refuses; see [`crate::error::OpError::NeverRun`].
    pub fn set_node_limit(&self, nodes: usize) {
        self.inner.live.set_limit(nodes);
    }

    /// Runs so far, and how many of them needed a new plan.
    pub fn runs_and_misses(&self) -> (u64, u64) {
        (self.inner.runs.load(Ordering::Relaxed), self.inner.misses.load(Ordering::Relaxed))
    }

    /// Nodes recorded for this device and alive.
    pub fn live_nodes(&self) -> usize {
        self.inner.live.nodes()
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.inner.machine {
            Machine::Gpu(_) => write!(f, "gpu:{}", self.name()),
            Machine::Cpu(_) => write!(f, "cpu ({} threads)", rayon::current_num_threads()),
        }
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Device({self})")
    }
}

impl PartialEq for Device {
    fn eq(&self, other: &Device) -> bool {
        self.inner.id == other.inner.id
    }
}

impl Tensor {
    /// The device this tensor is recorded for.
    pub fn device(&self) -> Device {
        let runner: Arc<dyn Any + Send + Sync> = self.node().runner().clone();
        match runner.downcast::<Inner>() {
            Ok(inner) => Device { runner: inner.clone(), inner },
            // `Inner` is the only runner there is.
            Err(_) => Device::cpu(),
        }
    }
}

impl Runner for Inner {
    fn id(&self) -> u64 {
        self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn live(&self) -> &Live {
        &self.live
    }

    fn halves(&self) -> bool {
        self.halves.load(Ordering::Relaxed)
    }

    fn run(&self, roots: &[Arc<Node>]) -> Result<()> {
        let _one_at_a_time = lock(&self.running);
        if threads::may_be_taken_away() { threads::install(|| self.run_alone(roots)) } else { self.run_alone(roots) }
    }

    fn fetch(&self, stored: Arc<dyn Storage>) -> Pin<Box<dyn Future<Output = Result<Vec<u32>>> + Send + '_>> {
        Box::pin(async move {
            match &self.machine {
                Machine::Gpu(gpu) => gpu.fetch(self.buffer(stored)?).await,
                Machine::Cpu(_) => Ok(self.buffer::<CpuBuffer>(stored)?.to_vec()),
            }
        })
    }
}
