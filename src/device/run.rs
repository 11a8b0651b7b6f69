//! From a collected graph to values: find or make its plan, hand it its leaves, run it, and tell the nodes.

use super::cached::Cached;
use super::memory::of;
use super::state::DeviceState;
use crate::error::{BufferFault, Error, Result};
use crate::executor::{Execution, Pending, PlacedArena, PreparedPlan, Span};
use crate::graph::key::Graph;
use crate::graph::node::{Node, Storage, Value};
use crate::plan::{Buffer, Plan, Recorded, Switches};
use crate::platform::Instant;
use crate::threads::lock;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

/// Values on a device.
pub(super) type Values = Vec<Arc<dyn Storage>>;

/// A run that was started.
pub(super) struct Started<'d> {
    pub(super) outputs: Values,
    pub(super) arenas: Values,
    /// When that was.
    start: Instant,
    /// What is known at its end, if anything is asked.
    pub(super) report: Option<Pending<'d, Vec<Span>>>,
}

/// When the dispatches of a run ran, if that is asked.
pub(super) async fn reported(report: Option<Pending<'_, Vec<Span>>>) -> Result<Vec<Span>> {
    match report {
        Some(report) => report.await,
        None => Ok(vec![]),
    }
}

/// Updates that wait, put back when this is dropped: their run did not take place.
struct PutBack<'d> {
    device: &'d DeviceState,
    waiting: Vec<Weak<Node>>,
}

impl Drop for PutBack<'_> {
    fn drop(&mut self) {
        if !self.waiting.is_empty() {
            lock(&self.device.waiting).splice(..0, std::mem::take(&mut self.waiting));
        }
    }
}

impl DeviceState {
    /// What [`Backend::run`](crate::graph::node::Backend::run) does, once no other run is under way.
    pub(super) async fn run_alone(&self, roots: &[Arc<Node>]) -> Result<()> {
        self.foreign(roots)?;
        // What is overwritten must be there first.
        let missing = self.missing(roots);
        if !missing.is_empty() {
            self.run_collected(Graph::collect(&missing)?).await?;
        }
        // Of a run that is given up, or of which nothing was run for want of memory, what waited waits on.
        let mut put_back = PutBack { device: self, waiting: lock(&self.waiting).clone() };
        let result = match self.collect(roots) {
            Ok(graph) => self.run_collected(graph).await,
            Err(error) => Err(error),
        };
        if !matches!(result, Err(Error::OutOfMemory { .. })) {
            put_back.waiting.clear();
        }
        result
    }

    async fn run_collected(&self, graph: Graph) -> Result<()> {
        let graph = if graph.on_host { Box::pin(self.after_host_ops(graph)).await? } else { graph };
        self.run_without_host_ops(graph).await
    }

    pub(super) async fn run_without_host_ops(&self, graph: Graph) -> Result<()> {
        if self.check.load(Ordering::Relaxed) {
            return Box::pin(self.run_checked(graph)).await;
        }
        self.run_planned(&graph).await
    }

    /// Runs a graph without host ops by its plan.
    pub(super) async fn run_planned(&self, graph: &Graph) -> Result<()> {
        if graph.calls.is_empty() {
            return Ok(());
        }
        if let Some(infinities) = self.looks_for_infinities() {
            return Box::pin(self.run_watched(graph, infinities)).await;
        }
        let switches = *lock(&self.switches);
        let cached = self.cached(graph, switches)?;
        let Started { outputs, start, report, .. } = self.execute(&cached, graph)?;
        // Before anything is waited for: the run takes place, also where nobody waits any more.
        self.keep(graph, &cached.plan, &outputs);
        self.updated(graph, &cached.plan);
        if report.is_some() || self.profiler.is_on() {
            let spans = reported(report).await?;
            if self.profiler.is_on() {
                self.book(&cached.plan, graph, start, &spans);
            }
        }
        Ok(())
    }

    /// Roots of another device are a mix-up, not something to run here.
    pub(super) fn foreign(&self, roots: &[Arc<Node>]) -> Result<()> {
        match roots.iter().find(|r| r.backend().id() != self.id) {
            None => Ok(()),
            Some(root) => {
                let devices = crate::error::OpError::Devices(self.name.clone(), root.backend().name().to_owned());
                Err(Error::op("run", root.at(), devices))
            }
        }
    }

    pub(super) fn cached(&self, graph: &Graph, switches: Switches) -> Result<Arc<Cached>> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        let plans = lock(&self.plans);
        if let Some(found) = plans.get(&graph.key) {
            return Ok(found);
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let plan = Arc::new(Plan::build(graph, switches, self.executor.runs_native())?);
        explain_miss(&plan, plans.iter().map(|c| &*c.plan));
        drop(plans);
        let prepared = self.with_room(|| self.executor.prepare(plan.clone()))?;
        let cached = Arc::new(Cached::new(plan, prepared, vec![]));
        // Not if the switches were changed meanwhile.
        if switches.cache && cached.plan.cacheable && switches == *lock(&self.switches) {
            lock(&self.plans).insert(&graph.key, cached.clone(), self.plan_bytes());
        }
        Ok(cached)
    }

    /// Runs a prepared plan on the leaves of a graph.
    pub(super) fn execute(&self, cached: &Cached, graph: &Graph) -> Result<Started<'_>> {
        let Cached { plan, prepared, .. } = cached;
        let mut scalars = Vec::with_capacity(plan.dispatches.last().map_or(0, |last| last.scalars.end));
        plan.scalars.iter().for_each(|&c| graph.calls[c].op.add_scalars(&mut scalars));
        let recorded = Recorded::in_graph(graph);
        lock(&self.last).set(plan, recorded);
        let mut leaves = self.leaves(graph)?;
        if plan.mutated.iter().any(|&leaf| leaves[leaf].is_outside()) {
            return Err(Error::Buffer { device: self.name.clone(), fault: BufferFault::Updated });
        }
        let arenas = self.arenas(plan, graph, &mut leaves)?;
        let start = Instant::now();
        let Execution { outputs, report } = self.execute_on(prepared, &leaves, &arenas, &scalars, recorded)?;
        Ok(Started { outputs, arenas, start, report })
    }

    /// Has the executor run a plan.
    pub(super) fn execute_on(
        &self,
        prepared: &PreparedPlan,
        leaves: &[Arc<dyn Storage>],
        arenas: &[Arc<dyn Storage>],
        scalars: &[u32],
        recorded: Recorded<'_>,
    ) -> Result<Execution<'_>> {
        self.with_room(|| self.executor.execute(prepared, leaves, arenas, scalars, recorded))
    }

    /// Gives the calls whose values are kept those values.
    pub(super) fn keep(&self, graph: &Graph, plan: &Plan, outputs: &[Arc<dyn Storage>]) {
        for &(call, output) in &plan.kept {
            graph.calls[call].node.set_value(Value::Stored(outputs[output].clone()));
        }
    }

    /// The leaves' values; what is still in this program's memory is sent over, once.
    fn leaves(&self, graph: &Graph) -> Result<Values> {
        let mut leaves = Vec::with_capacity(graph.leaves.len());
        for leaf in &graph.leaves {
            leaves.push(match leaf.value() {
                Some(Value::Stored(stored)) => stored,
                Some(Value::Host(words)) => {
                    let stored = self.uploaded(leaf, &words)?;
                    leaf.set_value(Value::Stored(stored.clone()));
                    stored
                }
                None => return Err(self.fault("a leaf without a value")),
            });
        }
        Ok(leaves)
    }

    /// A value, sent to the device.
    pub(super) fn uploaded(&self, node: &Node, words: &[u32]) -> Result<Arc<dyn Storage>> {
        self.with_room(|| self.executor.upload(words)).map_err(|error| error.for_what(|| of(node)))
    }

    /// The buffers of arenas. Leaves that had to be moved there have their values there from now on. An arena without members is this run's own:
    /// zeros to begin with.
    fn arenas(&self, plan: &Plan, graph: &Graph, leaves: &mut [Arc<dyn Storage>]) -> Result<Values> {
        let mut arenas = Vec::with_capacity(plan.arenas.len());
        let mut any_moved = false;
        for (index, arena) in plan.arenas.iter().enumerate() {
            if arena.members.is_empty() {
                let what = || "what a run finds in its values".to_owned();
                let mut zeros = self.with_room(|| self.executor.budget().room(what, arena.words))?;
                zeros.resize(arena.words, 0);
                arenas.push(self.with_room(|| self.executor.upload(&zeros)).map_err(|error| error.for_what(what))?);
                continue;
            }
            let placed = self.with_room(|| self.executor.place_arena(arena, leaves));
            let PlacedArena { buffer, moved } =
                placed.map_err(|error| error.for_what(|| plan.use_of(Buffer::Arena(index), Recorded::in_graph(graph))))?;
            arenas.push(buffer);
            if moved {
                for &(leaf, _) in &arena.members {
                    graph.leaves[leaf].set_value(Value::Stored(leaves[leaf].clone()));
                }
            }
            any_moved |= moved;
        }
        if any_moved {
            // The memory they leave is as large as all parameters: not for keeping.
            self.executor.trim();
        }
        Ok(arenas)
    }

    pub(super) fn fault(&self, message: &str) -> Error {
        Error::Device { device: self.name.clone(), message: message.to_owned() }
    }

    /// After updates in place: parameters have a new version, and the histories that led to the old one are of no more use.
    pub(super) fn updated(&self, graph: &Graph, plan: &Plan) {
        for &leaf in &plan.mutated {
            graph.leaves[leaf].bump_version();
        }
        // An update runs once: it need not keep what it was computed from. Updates are last.
        graph.calls.iter().rev().take_while(|c| !c.op.mutates().is_empty()).for_each(|c| c.node.finish());
        // Where only what has no gradients was updated (running statistics), histories are still good: `backward` looks at versions.
        if plan.mutated.iter().any(|&leaf| graph.leaves[leaf].requires_grad()) {
            graph.calls.iter().filter(|c| c.kept).for_each(|c| c.node.release());
            graph.leaves.iter().for_each(|leaf| leaf.release());
        }
    }
}

/// Says why a plan was not found: the first line in which its graph differs from the most similar one.
fn explain_miss<'a>(plan: &Plan, known: impl Iterator<Item = &'a Plan>) {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    let common = |other: &Plan| plan.graph.iter().zip(&other.graph).take_while(|(a, b)| a == b).count();
    match known.map(|other| (common(other), other)).max_by_key(|(same, _)| *same) {
        None => tracing::debug!("first plan: {} dispatches", plan.dispatches.len()),
        Some((same, other)) => {
            let line = |p: &Plan| p.graph.get(same).cloned().unwrap_or_else(|| "(nothing more)".to_owned());
            tracing::debug!("new plan; the nearest differs at value {same}: {} where it has {}", line(plan), line(other));
        }
    }
}
