//! A device: what it holds, what it says of itself, its switches, and what the graph knows of it.

use super::cached::{LastRun, PlanCache};
use super::profiler::Profiler;
use super::put_off::{put_off, putting_off};
use super::watch::Watch;
use crate::error::{Error, Result};
use crate::executor::{Budget, Executor};
use crate::gpu::Gpu;
use crate::graph::key::Graph;
use crate::graph::node::{Backend, Live, Node, Reading, Storage, Tensor, sealed};
use crate::plan::{Plan, Switches};
use crate::platform::{self, waited};
use crate::threads::{self, Process, lock};
use crate::turns::Turns;
use crate::worker::{Job, Worker};
use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

/// Something that computes: a GPU, or this machine's processor. Cheap to clone; all clones are the same device.
///
/// A device belongs to the process that opened it. In one that was forked from it, whatever runs, waits or reads is
/// [`Error::Forked`](crate::Error::Forked), and dropping it does nothing. Such a process can open the CPU anew, and a GPU if the drivers of GPUs had
/// not been loaded before the fork.
///
/// ```
/// use steepest::Device;
/// let device = Device::best()?; // a GPU if there is one, else the CPU
/// println!("{device}");
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone)]
pub struct Device {
    pub(super) state: Arc<DeviceState>,
    /// The same, as the graph knows it.
    pub(super) backend: Arc<dyn Backend>,
}

/// What the clones of a device share.
pub(super) struct DeviceState {
    pub(super) id: u64,
    pub(super) name: String,
    /// What executes its plans.
    pub(super) executor: Box<dyn Executor>,
    pub(super) live: Live,
    pub(super) check: AtomicBool,
    /// Whether products round their operands to f16; see [`Device::set_precision`].
    pub(super) rounds_to_f16: AtomicBool,
    pub(super) runs: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) switches: Mutex<Switches>,
    pub(super) plans: Mutex<PlanCache>,
    /// Bytes that they may take; see [`Device::set_plan_cache_limit`].
    pub(super) plan_limit: AtomicU64,
    pub(super) last: Mutex<LastRun>,
    /// Updates to be run with the next one; see [`Device::update_with_next_step`].
    pub(super) waiting: Mutex<Vec<Weak<Node>>>,
    pub(super) profiler: Profiler,
    /// What anomaly mode looks for, and its plans.
    pub(super) watch: Watch,
    /// Where it was opened.
    pub(super) opened_in: Process,
    /// One run at a time: updates in place must not meet reads.
    pub(super) running: Turns,
    /// Runs and reads that nobody is to wait for.
    pub(super) background: Worker,
}

impl Device {
    /// A device whose plans this executor executes: how every device begins, whoever opened the machine.
    pub(super) fn new(name: String, executor: Box<dyn Executor>) -> Device {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let state = Arc::new(DeviceState {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            name,
            executor,
            live: Live::new(),
            check: AtomicBool::new(std::env::var("STEEPEST_CHECK").is_ok_and(|v| v == "1")),
            rounds_to_f16: AtomicBool::new(false),
            runs: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            switches: Mutex::new(Switches::default()),
            plans: Mutex::default(),
            plan_limit: AtomicU64::new(u64::MAX),
            last: Mutex::default(),
            waiting: Mutex::new(vec![]),
            profiler: Profiler::new(),
            watch: Watch::from_env(),
            opened_in: Process::this(),
            running: Turns::default(),
            background: Worker::new("steepest-reads"),
        });
        state.begin_profile();
        state.executor.set_timed(state.profiler.is_on());
        Device { backend: state.clone(), state }
    }

    /// The device's name.
    pub fn name(&self) -> &str {
        &self.state.name
    }

    /// Whether plans run on a GPU (a software adapter counts) and not on native kernels.
    pub fn is_gpu(&self) -> bool {
        self.as_gpu().is_some()
    }

    /// The largest tensor, in bytes, that a kernel can read or write here: on a GPU the limit of one binding.
    pub fn tensor_bytes(&self) -> u64 {
        self.state.executor.largest_value()
    }

    /// The GPU behind this device, for its counters and test switches.
    pub fn as_gpu(&self) -> Option<&Gpu> {
        self.state.gpu()
    }

    /// Computes tensors now, in one run. Their values, and those of all tensors held that it passes through, are kept.
    ///
    /// # Errors
    /// The first invalid tensor's error, or whatever the device reports.
    pub fn run<'a>(&self, tensors: impl IntoIterator<Item = &'a Tensor>) -> Result<()> {
        let mut tensors = tensors.into_iter();
        if put_off(&mut tensors) {
            return Ok(());
        }
        let roots: Vec<Arc<Node>> = tensors.map(|t| t.node().clone()).collect();
        self.state.run(&roots)
    }

    /// [`Device::run`] without blocking. What a run waits for by itself (values that the host computes from, such as matrices to be factorised; CHECK and
    /// anomaly mode; times of a profile) is awaited, also in a browser. Natively all is done in the first poll.
    ///
    /// While it is under way other runs on this device wait for it. Dropped, it is given up: what it has handed over ends by itself.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let y = device.ones(3) * 2.0;
    /// pollster::block_on(device.run_async([&y]))?;
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Device::run`].
    pub async fn run_async<'a>(&self, tensors: impl IntoIterator<Item = &'a Tensor>) -> Result<()> {
        let roots: Vec<Arc<Node>> = tensors.into_iter().map(|t| t.node().clone()).collect();
        self.state.run_async(&roots).await
    }

    /// What `start` gives, once the runs that it makes ([`Device::run`]) are done as far as an error of theirs is known. It must read nothing. Where nothing may
    /// wait these are put off until it is over.
    pub(crate) async fn started<R>(start: impl FnOnce() -> Result<R>) -> Result<R> {
        if platform::may_wait() {
            return start();
        }
        let (result, runs) = putting_off(start);
        let result = result?;
        for tensors in &runs {
            if let Some(first) = tensors.first() {
                first.device().run_async(tensors).await?;
            }
        }
        Ok(result)
    }

    /// Submits what runs have recorded so far, and waits for nothing: what another user of the same queue submits afterwards comes after it (see
    /// [`Device::from_wgpu`](crate::Device::from_wgpu)). Reading and waiting flush by themselves. On the CPU there is nothing to submit.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::best()?;
    /// let y = device.ones(4) * 2.0;
    /// y.run()?;
    /// device.flush()?;
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// The device was lost, or refused something.
    pub fn flush(&self) -> Result<()> {
        self.state.check_process()?;
        self.state.executor.flush()
    }

    /// Waits until everything that runs have started is done. Reading a value waits by itself; this is for taking times.
    ///
    /// # Errors
    /// The device was lost. In a browser always: nothing may wait there.
    pub fn wait(&self) -> Result<()> {
        self.state.check_process()?;
        waited(self.name(), self.state.executor.finish())
    }

    /// [`Device::wait`] without blocking.
    ///
    /// # Errors
    /// The device was lost.
    pub async fn wait_async(&self) -> Result<()> {
        self.state.check_process()?;
        self.state.executor.finish().await
    }

    /// Ready once the device has so little left to do that more may be handed over; natively at once, because there whoever starts a run waits for
    /// that. In a browser nothing waits by itself: a loop that awaits nothing else, such as the loss, awaits this once per step, or work piles up
    /// and the page stands still.
    ///
    /// ```
    /// use steepest::{Device, optim::{Optimizer, Sgd}};
    /// let device = Device::cpu();
    /// let w = device.parameter(&[2.0], 1);
    /// pollster::block_on(async {
    ///     for _ in 0..3 {
    ///         Sgd::new([w.clone()], 0.5).step((&w * &w).sum(&[]).backward())?;
    ///         device.caught_up_async().await?;
    ///     }
    ///     Ok::<(), steepest::Error>(())
    /// })?;
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// The device was lost.
    pub async fn caught_up_async(&self) -> Result<()> {
        self.state.check_process()?;
        self.state.executor.caught_up().await
    }

    /// The plan of a run of these tensors, as it would be made now. Nothing runs. What the host computes (factorisations of matrices) counts as
    /// given; what it is computed from has plans of its own.
    ///
    /// # Errors
    /// The first invalid tensor's error, or [`OpError::Lowering`](crate::error::OpError::Lowering) of an op whose kernels do not fit it.
    pub fn plan<'a>(&self, tensors: impl IntoIterator<Item = &'a Tensor>) -> Result<Plan> {
        let roots: Vec<Arc<Node>> = tensors.into_iter().map(|t| t.node().clone()).collect();
        self.state.foreign(&roots)?;
        Plan::build(&Graph::collect_after_host(&roots)?, *lock(&self.state.switches), self.state.executor.runs_native())
    }

    /// The WGSL that the driver is given for each dispatch of a plan of this device's, in order; `None` on the CPU, whose kernels are native.
    ///
    /// At run time small kernels that follow each other may become one; here each stands alone.
    ///
    /// ```
    /// let device = steepest::Device::cpu();
    /// let plan = device.plan([&device.ones([2, 3]).matmul(&device.ones([3, 4]))])?;
    /// assert_eq!(device.shader_texts(&plan)?, vec![None; plan.dispatches.len()]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// A kernel that does not fit the device's limits, or WGSL of one's own that does not parse.
    pub fn shader_texts(&self, plan: &Plan) -> Result<Vec<Option<String>>> {
        plan.dispatches.iter().map(|dispatch| self.state.executor.shader_text(dispatch)).collect()
    }

    /// The graph of a run of these tensors in graphviz's `dot` language. Nothing runs.
    ///
    /// # Errors
    /// The first invalid tensor's error.
    pub fn graphviz<'a>(&self, tensors: impl IntoIterator<Item = &'a Tensor>) -> Result<String> {
        let roots: Vec<Arc<Node>> = tensors.into_iter().map(|t| t.node().clone()).collect();
        self.state.foreign(&roots)?;
        Ok(crate::graph::dump::graphviz(&Graph::collect(&roots)?))
    }

    /// The plan that ran last, with the lines and layers of that run: an optimizer's step cannot be planned from outside, but can be looked at here.
    pub fn last_plan(&self) -> Option<Arc<Plan>> {
        lock(&self.state.last).plan()
    }

    /// Switches optimisations off or on. Plans made so far are forgotten.
    pub fn set_switches(&self, switches: Switches) {
        *lock(&self.state.switches) = switches;
        self.state.executor.set_merging(switches.merge);
        lock(&self.state.plans).clear();
    }

    /// CHECK mode (also `STEEPEST_CHECK=1`): every run computes each node on its own and compares it with the reference, then runs as it is
    /// planned and compares what came out with that; the first wrong value is an error with its source line. Slow, and takes memory for every
    /// value of the run.
    pub fn set_check(&self, on: bool) {
        self.state.check.store(on, Ordering::Relaxed);
    }

    /// Fills memory with NaN before every run and, on a GPU, guards the ends of buffers: for tests.
    pub fn set_guarded(&self, on: bool) {
        self.state.executor.set_guarded(on);
        lock(&self.state.plans).clear();
    }

    /// On a GPU, uses the given variant of every kernel (the last, where there are fewer) instead of the first that suits: for tests.
    pub fn force_variant(&self, variant: Option<usize>) {
        self.state.executor.force_variant(variant);
        lock(&self.state.plans).clear();
    }

    /// How many recorded nodes may be alive before recording refuses; see [`crate::error::OpError::NeverRun`].
    pub fn set_node_limit(&self, nodes: usize) {
        self.state.live.set_limit(nodes);
    }

    /// Runs so far, and how many of them needed a new plan.
    pub fn runs_and_misses(&self) -> (u64, u64) {
        (self.state.runs.load(Ordering::Relaxed), self.state.misses.load(Ordering::Relaxed))
    }

    /// Nodes recorded for this device and alive.
    pub fn live_nodes(&self) -> usize {
        self.state.live.nodes()
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.state.executor.describe(self.name()))
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Device({self})")
    }
}

impl PartialEq for Device {
    fn eq(&self, other: &Device) -> bool {
        self.state.id == other.state.id
    }
}

impl Tensor {
    /// The device this tensor is recorded for.
    pub fn device(&self) -> Device {
        let backend: Arc<dyn Any + Send + Sync> = self.node().backend().clone();
        // The trait is sealed, and implemented below and nowhere else.
        let Ok(state) = backend.downcast::<DeviceState>() else { unreachable!("a backend that is no device") };
        Device { backend: state.clone(), state }
    }
}

impl sealed::Sealed for DeviceState {}

impl Backend for DeviceState {
    fn id(&self) -> u64 {
        self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn live(&self) -> &Live {
        &self.live
    }

    fn rounds_to_f16(&self) -> bool {
        self.rounds_to_f16.load(Ordering::Relaxed)
    }

    fn run(&self, roots: &[Arc<Node>]) -> Result<()> {
        waited(&self.name, self.run_in_turn(roots))
    }

    fn run_async<'a>(&'a self, roots: &'a [Arc<Node>]) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>> {
        Box::pin(async move {
            // A thread that holds the turn must not be given other work that wants it.
            if platform::may_wait() { self.run(roots) } else { self.run_in_turn(roots).await }
        })
    }

    fn read(&self, stored: Arc<dyn Storage>) -> Pin<Box<dyn Future<Output = Result<Vec<u32>>> + Send + '_>> {
        Box::pin(async {
            self.check_process()?;
            let result = self.read_with_room(stored).await;
            if result.is_err() {
                self.executor.budget().end_of_failure();
            }
            result
        })
    }

    fn check(&self) -> Result<()> {
        self.check_process()
    }

    fn in_background(&self, job: Job) {
        self.background.add(job);
    }

    fn after_background(&self) {
        self.background.wait();
    }

    fn begin_read(&self, stored: Arc<dyn Storage>) -> Result<Reading> {
        self.check_process()?;
        self.ended(self.with_room(|| self.executor.begin_read(stored.clone())))
    }

    fn room(&self) -> &Budget {
        self.executor.budget()
    }
}

impl DeviceState {
    /// Runs once no other run is under way.
    async fn run_in_turn(&self, roots: &[Arc<Node>]) -> Result<()> {
        self.check_process()?;
        self.after_background();
        let _one_at_a_time = self.running.take().await;
        let elsewhere = platform::may_wait() && threads::may_be_taken_away();
        let result = match elsewhere {
            true => threads::install(|| waited(&self.name, self.run_alone(roots))),
            false => self.run_alone(roots).await,
        };
        self.ended(result)
    }

    /// An error in a process that was forked from the one that opened the device.
    fn check_process(&self) -> Result<()> {
        if self.opened_in.was_forked_cached() { Err(Error::Forked { device: self.name.clone() }) } else { Ok(()) }
    }

    /// The result of something that asked for memory: an allocation that failed for a test is over with it.
    pub(super) fn ended<T>(&self, result: Result<T>) -> Result<T> {
        if result.is_err() {
            self.executor.budget().end_of_failure();
        }
        result
    }

    /// The executor, if it is a GPU.
    pub(super) fn gpu(&self) -> Option<&Gpu> {
        let executor: &dyn Any = &*self.executor;
        executor.downcast_ref()
    }
}
