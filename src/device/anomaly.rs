//! Anomaly mode: names the first op, its line and its step where a value was not finite. A flag per value is set on the device; one small buffer
//! is read after each run.

use super::{Cached, Device, Inner, Machine, Prepared, lock};
use crate::cpu::CpuBuffer;
use crate::error::{Error, Result};
use crate::graph::key::{Graph, Source};
use crate::graph::node::{Storage, Value};
use crate::plan::ParameterArena;
use crate::plan::nonfinite::{Seen, watched};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// What anomaly mode looks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Anomaly {
    /// Nothing.
    #[default]
    Off,
    /// NaN only: for programs that mean their infinities, such as masks of −∞ before a softmax.
    Nan,
    /// NaN and infinities.
    NonFinite,
}

/// Plans kept for watched runs; past this all are made anew.
const PLANS: usize = 64;

/// The outputs of a plan.
type Outputs = Vec<Arc<dyn Storage>>;

/// A plan with flags, and what they stand for.
struct Watching {
    cached: Cached,
    seen: Vec<Seen>,
}

/// The state of anomaly mode.
pub(super) struct Watch {
    mode: AtomicU8,
    /// Runs with an update since the mode was switched on.
    steps: AtomicU64,
    plans: Mutex<HashMap<Vec<u32>, Arc<Watching>>>,
}

impl Watch {
    /// `STEEPEST_ANOMALY=nan` or `=1`.
    pub(super) fn from_env() -> Watch {
        let mode = match std::env::var("STEEPEST_ANOMALY").as_deref() {
            Ok("nan") => Anomaly::Nan,
            Ok("1") => Anomaly::NonFinite,
            _ => Anomaly::Off,
        };
        Watch { mode: AtomicU8::new(mode as u8), steps: AtomicU64::new(0), plans: Mutex::default() }
    }
}

impl Device {
    /// Anomaly mode (also `STEEPEST_ANOMALY=1`, or `=nan`): a run in which a value is not finite fails with [`Error::NonFinite`], which names
    /// the first op that made one, its line and its step. Nothing is fused in this mode, and every value is looked at on the device; read back
    /// is one small buffer of flags per run. The run itself takes place: an optimizer's step is done when its error comes.
    ///
    /// ```
    /// use steepest::{Anomaly, Device, Error};
    /// let device = Device::cpu();
    /// device.set_anomaly(Anomaly::NonFinite);
    /// let x = device.tensor(&[1.0, 0.0], 2);
    /// let loss = (x.log() * 0.0).sum(&[]);
    /// assert!(matches!(loss.item(), Err(Error::NonFinite { op: "log", what: "infinity", .. })));
    /// ```
    pub fn set_anomaly(&self, mode: Anomaly) {
        self.inner.watch.mode.store(mode as u8, Ordering::Relaxed);
        self.inner.watch.steps.store(0, Ordering::Relaxed);
        lock(&self.inner.watch.plans).clear();
    }
}

impl Inner {
    /// Runs in anomaly mode; `None` if that is off.
    pub(super) fn run_watched(&self, graph: &Graph) -> Option<Result<()>> {
        let mode = self.watch.mode.load(Ordering::Relaxed);
        (mode != Anomaly::Off as u8).then(|| self.watched(graph, mode == Anomaly::NonFinite as u8))
    }

    fn watched(&self, graph: &Graph, infinities: bool) -> Result<()> {
        let watching = self.watching(graph)?;
        let (outputs, flags) = self.flagged(&watching, graph)?;
        let plan = &watching.cached.plan;
        for &(call, output) in &plan.kept {
            graph.calls[call].node.set_value(Value::Stored(outputs[output].clone()));
        }
        let before = self.watch.steps.load(Ordering::Relaxed);
        if !plan.mutated.is_empty() {
            self.watch.steps.store(before + 1, Ordering::Relaxed);
        }
        let found = watching.seen.iter().zip(flags.chunks(2)).find(|(_, flag)| flag[0] != 0 || (infinities && flag[1] != 0));
        let error = found.map(|(&seen, flag)| {
            let what = if flag[0] != 0 { "NaN" } else { "infinity" };
            let (op, node, source, detail) = match seen {
                Seen::Leaf(i) => ("leaf", &graph.leaves[i], Source::Leaf(i), "was given so"),
                Seen::Call(i) => {
                    let call = &graph.calls[i];
                    let update = !call.op.mutates().is_empty();
                    let detail = if update { "wrote it; all it read was finite" } else { "made it; all it reads is finite" };
                    (call.op.name(), &call.node, Source::Call(i), detail)
                }
            };
            let detail = format!("{detail} ({})", graph.spec_of(source));
            Error::NonFinite { what, op, at: node.at(), step: before + 1, detail }
        });
        self.updated(graph, plan);
        error.map_or(Ok(()), Err)
    }

    fn watching(&self, graph: &Graph) -> Result<Arc<Watching>> {
        let mut plans = lock(&self.watch.plans);
        if let Some(found) = plans.get(&graph.key) {
            return Ok(found.clone());
        }
        let (plan, seen) = watched(graph);
        let plan = Arc::new(plan);
        let prepared = match &self.machine {
            Machine::Gpu(gpu) => Prepared::Gpu(gpu.prepare(plan.clone())?),
            Machine::Cpu(cpu) => Prepared::Cpu(cpu.prepare(plan.clone())),
        };
        let watching = Arc::new(Watching { cached: Cached { plan, prepared, used: AtomicU64::new(0) }, seen });
        if plans.len() >= PLANS {
            plans.clear();
        }
        if watching.cached.plan.cacheable {
            plans.insert(graph.key.clone(), watching.clone());
        }
        Ok(watching)
    }

    /// Runs a plan with flags: its outputs, and the flags.
    fn flagged(&self, watching: &Watching, graph: &Graph) -> Result<(Outputs, Vec<u32>)> {
        let Cached { plan, prepared, .. } = &watching.cached;
        let scalars: Vec<u32> = plan.scalars.iter().flat_map(|&c| graph.calls[c].op.scalars()).collect();
        let clear = vec![0; 2 * watching.seen.len()];
        *lock(&self.last) = Some(plan.clone());
        match (&self.machine, prepared) {
            (Machine::Gpu(gpu), Prepared::Gpu(prepared)) => {
                let mut leaves = self.leaves(graph, |words| gpu.upload(words))?;
                let place = |row: &ParameterArena, leaves: &mut [_]| {
                    if row.members.is_empty() { gpu.upload(&clear) } else { gpu.row(row, leaves) }
                };
                let arenas = self.arenas(&watching.cached, graph, &mut leaves, place)?;
                let outputs = gpu.run(prepared, &leaves, &arenas, &scalars)?;
                let flags = arenas.last().cloned().ok_or_else(|| self.fault("no flags"))?;
                let flags = pollster::block_on(gpu.fetch(flags))?;
                Ok((outputs.into_iter().map(|o| o as Arc<dyn Storage>).collect(), flags))
            }
            (Machine::Cpu(cpu), Prepared::Cpu(prepared)) => {
                let mut leaves = self.leaves(graph, |words| Ok(CpuBuffer::new(words.to_vec())))?;
                let place = |row: &ParameterArena, leaves: &mut [_]| match row.members.is_empty() {
                    true => Ok(CpuBuffer::new(clear.clone())),
                    false => Ok(cpu.row(row, leaves)),
                };
                let arenas = self.arenas(&watching.cached, graph, &mut leaves, place)?;
                let outputs = cpu.run(prepared, &leaves, &arenas, &scalars)?;
                let flags = arenas.last().map(|flags| flags.to_vec()).unwrap_or_default();
                Ok((outputs.into_iter().map(|o| o as Arc<dyn Storage>).collect(), flags))
            }
            // A device prepares its own plans only.
            _ => Err(self.fault("a plan prepared for another machine")),
        }
    }
}
