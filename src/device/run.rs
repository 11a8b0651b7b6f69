//! From a collected graph to values: find or make its plan, hand it its leaves, run it, and tell the nodes.

use super::{Cached, Inner, Machine, PLANS, Prepared, lock};
use crate::cpu::CpuBuffer;
use crate::error::{Error, Result};
use crate::graph::key::Graph;
use crate::graph::node::{Node, Storage, Value};
use crate::plan::{ParameterArena, Plan, Switches};
use smallvec::SmallVec;
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

impl Inner {
    /// What [`Runner::run`](crate::graph::node::Runner::run) does, once no other run is under way.
    pub(super) fn run_alone(&self, roots: &[Arc<Node>]) -> Result<()> {
        self.foreign(roots)?;
        // What is overwritten must be there first.
        let missing = self.missing(roots);
        if !missing.is_empty() {
            self.run_collected(Graph::collect(&missing)?)?;
        }
        let graph = self.collect(roots)?;
        self.run_collected(graph)
    }

    pub(super) fn run_collected(&self, graph: Graph) -> Result<()> {
        if self.check.load(Ordering::Relaxed) {
            let checked = self.run_checked(graph);
            // Node by node is not how the program runs: its times are of no use.
            self.forget_times();
            return checked;
        }
        self.run_planned(&graph)
    }

    /// Runs a graph by its plan.
    pub(super) fn run_planned(&self, graph: &Graph) -> Result<()> {
        if graph.calls.is_empty() {
            return Ok(());
        }
        if let Some(result) = self.run_watched(graph) {
            return result;
        }
        let switches = *lock(&self.switches);
        let cached = self.cached(graph, switches)?;
        let start = self.profiler.is_on().then(Instant::now);
        let outputs = self.execute(&cached, graph)?;
        if let Some(start) = start {
            self.book(&cached.plan, start);
        }
        for &(call, output) in &cached.plan.kept {
            graph.calls[call].node.set_value(Value::Stored(outputs[output].clone()));
        }
        self.updated(graph, &cached.plan);
        Ok(())
    }

    /// Roots of another device are a mix-up, not something to run here.
    pub(super) fn foreign(&self, roots: &[Arc<Node>]) -> Result<()> {
        match roots.iter().find(|r| r.runner().id() != self.id) {
            None => Ok(()),
            Some(root) => {
                let devices = crate::error::OpError::Devices(self.name.clone(), root.runner().name().to_owned());
                Err(Error::op("run", root.at(), devices))
            }
        }
    }

    pub(super) fn cached(&self, graph: &Graph, switches: Switches) -> Result<Arc<Cached>> {
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        let mut plans = lock(&self.plans);
        if let Some(found) = plans.get(&graph.key) {
            found.used.store(run, Ordering::Relaxed);
            return Ok(found.clone());
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let mut plan = Plan::build(graph, switches);
        if let (Machine::Cpu(_), true) = (&self.machine, self.profiler.is_on()) {
            self.profiler.watch(&mut plan);
        }
        let plan = Arc::new(plan);
        explain_miss(&plan, plans.values().map(|c| &*c.plan));
        let prepared = match &self.machine {
            Machine::Gpu(gpu) => Prepared::Gpu(gpu.prepare(plan.clone())?),
            Machine::Cpu(cpu) => Prepared::Cpu(cpu.prepare(plan.clone())),
        };
        let cached = Arc::new(Cached { plan, prepared, used: AtomicU64::new(run) });
        if switches.cache && cached.plan.cacheable {
            if plans.len() >= PLANS {
                let oldest = plans.iter().min_by_key(|(_, c)| c.used.load(Ordering::Relaxed)).map(|(k, _)| k.clone());
                oldest.map(|key| plans.remove(&key));
            }
            plans.insert(graph.key.clone(), cached.clone());
        }
        Ok(cached)
    }

    pub(super) fn execute(&self, cached: &Cached, graph: &Graph) -> Result<Vec<Arc<dyn Storage>>> {
        let mut scalars = Vec::with_capacity(cached.plan.dispatches.last().map_or(0, |last| last.scalars.end));
        cached.plan.scalars.iter().for_each(|&c| scalars.extend(graph.calls[c].op.scalars()));
        *lock(&self.last) = Some(cached.plan.clone());
        match (&self.machine, &cached.prepared) {
            (Machine::Gpu(gpu), Prepared::Gpu(prepared)) => {
                let mut leaves = self.leaves(graph, |words| gpu.upload(words))?;
                let arenas = self.arenas(cached, graph, &mut leaves, |row, leaves| gpu.row(row, leaves))?;
                let outputs = gpu.run(prepared, &leaves, &arenas, &scalars)?;
                Ok(outputs.into_iter().map(|o| o as Arc<dyn Storage>).collect())
            }
            (Machine::Cpu(cpu), Prepared::Cpu(prepared)) => {
                let mut leaves = self.leaves(graph, |words| Ok(CpuBuffer::new(words.to_vec())))?;
                let arenas = self.arenas(cached, graph, &mut leaves, |row, leaves| Ok(cpu.row(row, leaves)))?;
                let outputs = cpu.run(prepared, &leaves, &arenas, &scalars)?;
                Ok(outputs.into_iter().map(|o| o as Arc<dyn Storage>).collect())
            }
            // A device prepares its own plans only.
            _ => Err(self.fault("a plan prepared for another machine")),
        }
    }

    /// The leaves' buffers; what is still in this program's memory is sent over, once.
    pub(super) fn leaves<B: Storage>(&self, graph: &Graph, upload: impl Fn(&[u32]) -> Result<Arc<B>>) -> Result<Vec<Arc<B>>> {
        let mut leaves = Vec::with_capacity(graph.leaves.len());
        for leaf in &graph.leaves {
            leaves.push(match leaf.value() {
                Some(Value::Stored(stored)) => self.buffer(stored)?,
                Some(Value::Host(words)) => {
                    let buffer = upload(&words)?;
                    leaf.set_value(Value::Stored(buffer.clone()));
                    buffer
                }
                None => return Err(self.fault("a leaf without a value")),
            });
        }
        Ok(leaves)
    }

    /// The buffers of parameter arenas. Leaves that had to be moved there have their values there from now on.
    pub(super) fn arenas<B: Storage>(
        &self,
        cached: &Cached,
        graph: &Graph,
        leaves: &mut [Arc<B>],
        place: impl Fn(&ParameterArena, &mut [Arc<B>]) -> Result<Arc<B>>,
    ) -> Result<Vec<Arc<B>>> {
        let mut arenas = Vec::with_capacity(cached.plan.arenas.len());
        let mut moved = false;
        for row in &cached.plan.arenas {
            let before: SmallVec<[_; 16]> = row.members.iter().map(|&(leaf, _)| Arc::as_ptr(&leaves[leaf])).collect();
            arenas.push(place(row, leaves)?);
            for (&(leaf, _), before) in row.members.iter().zip(before) {
                if Arc::as_ptr(&leaves[leaf]) != before {
                    graph.leaves[leaf].set_value(Value::Stored(leaves[leaf].clone()));
                    moved = true;
                }
            }
        }
        if let (Machine::Gpu(gpu), true) = (&self.machine, moved) {
            // The memory they leave is as large as all parameters: not for keeping.
            gpu.trim();
        }
        Ok(arenas)
    }

    pub(super) fn buffer<B: Storage>(&self, stored: Arc<dyn Storage>) -> Result<Arc<B>> {
        let any: Arc<dyn Any + Send + Sync> = stored;
        any.downcast().map_err(|_| self.fault("a buffer of another machine"))
    }

    pub(super) fn fault(&self, message: &str) -> Error {
        Error::Device { device: self.name.clone(), message: message.to_owned() }
    }

    /// After updates in place: parameters have a new version, and the histories that led to the old one are of no more use.
    pub(super) fn updated(&self, graph: &Graph, plan: &Plan) {
        for &leaf in &plan.mutated {
            graph.leaves[leaf].bump_version();
        }
        // An update runs once: it need not keep what it was computed from.
        graph.calls.iter().filter(|c| !c.op.mutates().is_empty()).for_each(|c| c.node.finish());
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
