//! Anomaly mode: names the first op, its line and its step where a value was not finite. A flag per value is set on the device; one small buffer
//! is read after each run.

use super::cached::Cached;
use super::run::{Started, reported};
use super::state::{Device, DeviceState};
use super::watch::Anomaly;
use crate::error::{Error, Result};
use crate::graph::key::{Graph, Source};
use crate::plan::nonfinite::{Seen, watched};
use crate::threads::lock;
use std::sync::Arc;
use std::sync::atomic::Ordering;

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
        self.state.watch.mode.store(mode as u8, Ordering::Relaxed);
        self.state.watch.steps.store(0, Ordering::Relaxed);
        lock(&self.state.watch.plans).clear();
    }
}

impl DeviceState {
    /// Whether anomaly mode looks for infinities too; `None` if it is off.
    pub(super) fn looks_for_infinities(&self) -> Option<bool> {
        let mode = self.watch.mode.load(Ordering::Relaxed);
        (mode != Anomaly::Off as u8).then_some(mode == Anomaly::NonFinite as u8)
    }

    /// Runs in anomaly mode.
    pub(super) async fn run_watched(&self, graph: &Graph, infinities: bool) -> Result<()> {
        let watching = self.watching(graph)?;
        let Started { outputs, arenas, report, .. } = self.execute(&watching, graph)?;
        let flags = arenas.last().cloned().ok_or_else(|| self.fault("no flags"))?;
        let plan = &watching.plan;
        // The run takes place, whatever it makes and whether or not somebody waits.
        self.keep(graph, plan, &outputs);
        self.updated(graph, plan);
        let before = self.watch.steps.load(Ordering::Relaxed);
        if !plan.mutated.is_empty() {
            self.watch.steps.store(before + 1, Ordering::Relaxed);
        }
        reported(report).await?;
        let flags = self.read_with_room(flags).await?;
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
        error.map_or(Ok(()), Err)
    }

    fn watching(&self, graph: &Graph) -> Result<Arc<Cached>> {
        let plans = lock(&self.watch.plans);
        if let Some(found) = plans.get(&graph.key) {
            return Ok(found);
        }
        let (plan, seen) = watched(graph, self.executor.runs_native())?;
        let plan = Arc::new(plan);
        drop(plans);
        let prepared = self.with_room(|| self.executor.prepare(plan.clone()))?;
        let watching = Arc::new(Cached::new(plan, prepared, seen));
        if watching.plan.cacheable {
            lock(&self.watch.plans).insert(&graph.key, watching.clone(), self.plan_bytes());
        }
        Ok(watching)
    }
}
