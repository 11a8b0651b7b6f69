//! CHECK mode: every run twice. First op by op, each compared with the reference on the values the device itself had; then as it is planned,
//! with all that fusing, placing and merging do, compared with the first.

use super::memory::of;
use super::run::{Values, reported};
use super::state::DeviceState;
use crate::error::{Error, Result};
use crate::executor::Execution;
use crate::graph::key::{Call, Graph, Source};
use crate::graph::node::Storage;
use crate::graph::op::{Array, DType, defined};
use crate::ops::case::Gen;
use crate::ops::propagate::Judged;
use crate::ops::tolerance::{self, Worst};
use crate::plan::{Plan, Recorded, Switches};
use std::sync::Arc;

/// Arrays of f64 that a comparison makes of each value, at most: inputs as they are broadcast, moved or without their signs; references; bounds.
const ARRAYS_PER_VALUE: usize = 6;

/// What a run works out op by op.
struct Shadow {
    /// The leaves before the run.
    leaves: Vec<Array>,
    /// The calls: their values or, of updates, all that they wrote over.
    calls: Vec<Array>,
}

impl Shadow {
    fn value(&self, source: Source) -> &Array {
        match source {
            Source::Leaf(i) => &self.leaves[i],
            Source::Call(i) => &self.calls[i],
        }
    }
}

impl DeviceState {
    fn array(&self, graph: &Graph, source: Source, words: &[u32]) -> Result<Array> {
        let spec = graph.spec_of(source);
        // All of them: those that several updated values have are more than the shape says.
        let count = if spec.dtype == DType::F16 { spec.shape.numel() } else { words.len() };
        self.room_for_numbers(|| "the values of a run that is checked".to_owned(), count)?;
        Ok(Array { shape: spec.shape, data: spec.dtype.unpack(words, count) })
    }

    /// That there is room for the reference of a call, and for how far it may be off.
    fn room_to_compare(&self, call: &Call, inputs: &[&Array]) -> Result<()> {
        let numbers = inputs.iter().map(|input| input.data.len()).sum::<usize>() + call.spec.shape.numel();
        self.room_for_numbers(|| format!("the reference of {}", of(&call.node)), ARRAYS_PER_VALUE * numbers)
    }

    /// Runs a graph op by op on memory of its own and compares each op with its reference; then runs it as it is planned, and compares what
    /// the program gets with what came out op by op.
    pub(super) async fn run_checked(&self, mut graph: Graph) -> Result<()> {
        if graph.calls.is_empty() {
            return Ok(());
        }
        let wanted: Vec<bool> = graph.calls.iter().map(|c| c.kept).collect();
        for call in &mut graph.calls {
            call.kept = call.op.mutates().is_empty();
        }
        let shadow = self.op_by_op(&graph).await?;
        for (call, wanted) in graph.calls.iter_mut().zip(wanted) {
            call.kept = wanted;
        }
        for (i, call) in graph.calls.iter().enumerate() {
            let inputs: Vec<&Array> = call.inputs.iter().map(|&source| shadow.value(source)).collect();
            self.room_to_compare(call, &inputs)?;
            if let Some(miss) = tolerance::compare(&*call.op, &inputs, &call.spec, &shadow.calls[i]) {
                // Of an op without a definition nothing can be right.
                defined(&*call.op, &inputs, &call.spec).map_err(|error| Error::op(call.op.name(), call.node.at(), error))?;
                return Err(wrong(&graph, i, miss, "op by op"));
            }
        }
        self.run_planned(&graph).await?;
        self.compare_planned(&graph, &shadow).await
    }

    /// Computes every call by a kernel of its own and reads every value. The leaves are copies: those of the program stay as they are.
    async fn op_by_op(&self, graph: &Graph) -> Result<Shadow> {
        let mut before = Vec::with_capacity(graph.leaves.len());
        for leaf in &graph.leaves {
            before.push(self.node_words(leaf).await?);
        }
        let switches = Switches { fuse: false, reuse: false, cache: false, merge: false };
        let plan = Arc::new(Plan::build(graph, switches, self.executor.runs_native())?);
        let scalars: Vec<u32> = plan.scalars.iter().flat_map(|&c| graph.calls[c].op.scalars()).collect();
        let mut leaves = Values::with_capacity(before.len());
        for (leaf, words) in graph.leaves.iter().zip(&before) {
            leaves.push(self.uploaded(leaf, words)?);
        }
        let mut arenas = Vec::with_capacity(plan.arenas.len());
        for arena in &plan.arenas {
            arenas.push(self.with_room(|| self.executor.place_arena(arena, &mut leaves))?.buffer);
        }
        let prepared = self.with_room(|| self.executor.prepare(plan.clone()))?;
        // Node by node is not how the program runs: its times are of no use.
        let Execution { outputs, report } = self.execute_on(&prepared, &leaves, &arenas, &scalars, Recorded::in_graph(graph))?;
        reported(report).await?;
        let mut stored: Vec<Option<Arc<dyn Storage>>> = vec![None; graph.calls.len()];
        for &(call, output) in &plan.kept {
            stored[call] = Some(outputs[output].clone());
        }
        let mut calls = Vec::with_capacity(graph.calls.len());
        for (i, stored) in stored.iter().enumerate() {
            let mut words = vec![];
            match stored {
                Some(buffer) => words = self.read_with_room(buffer.clone()).await?,
                // An update has no value of its own: what it wrote over is compared.
                None => {
                    for leaf in overwritten(graph, i) {
                        words.extend(self.read_with_room(leaves[leaf].clone()).await?);
                    }
                }
            }
            calls.push(self.array(graph, Source::Call(i), &words)?);
        }
        let leaves = before.iter().enumerate().map(|(i, words)| self.array(graph, Source::Leaf(i), words));
        Ok(Shadow { leaves: leaves.collect::<Result<Vec<_>>>()?, calls })
    }

    /// Compares what the program got with what came out op by op: the same but for rounding, where a compiler contracts what was fused.
    async fn compare_planned(&self, graph: &Graph, shadow: &Shadow) -> Result<()> {
        let mut judged: Option<Vec<Judged>> = None;
        for (i, call) in graph.calls.iter().enumerate() {
            let updates = !call.op.mutates().is_empty();
            let words = match (updates, call.kept) {
                (true, _) => {
                    let mut words = vec![];
                    for leaf in overwritten(graph, i) {
                        words.extend(self.node_words(&graph.leaves[leaf]).await?);
                    }
                    words
                }
                (false, true) => self.node_words(&call.node).await?,
                (false, false) => continue,
            };
            let found = self.array(graph, Source::Call(i), &words)?;
            let same = |(a, b): (&f64, &f64)| a == b || (a.is_nan() && b.is_nan());
            if found.data.len() == shadow.calls[i].data.len() && found.data.iter().zip(&shadow.calls[i].data).all(same) {
                continue;
            }
            let inputs: Vec<&Array> = call.inputs.iter().map(|&source| shadow.value(source)).collect();
            self.room_to_compare(call, &inputs)?;
            if tolerance::compare(&*call.op, &inputs, &call.spec, &found).is_none() {
                continue;
            }
            // Further off than the last op alone may be: as far as all of them together may be, then?
            let all = shadow.leaves.iter().chain(&shadow.calls).map(|value| value.data.len()).sum::<usize>();
            self.room_for_numbers(|| "the references of a run that is checked".to_owned(), ARRAYS_PER_VALUE * all)?;
            let judged = judged.get_or_insert_with(|| judge(graph, shadow));
            if let Some(miss) = tolerance::worst(&found.data, &judged[i].value.data, &judged[i].bound).filter(|w| w.ratio > 1.0) {
                return Err(wrong(graph, i, miss, "as planned"));
            }
        }
        Ok(())
    }
}

/// The leaves that a call writes over.
fn overwritten(graph: &Graph, call: usize) -> impl Iterator<Item = usize> {
    let call = &graph.calls[call];
    call.op.mutates().iter().filter_map(|&k| if let Source::Leaf(leaf) = call.inputs[k] { Some(leaf) } else { None })
}

/// All calls by the reference, with how far a device may be off that computes them in any way.
fn judge(graph: &Graph, shadow: &Shadow) -> Vec<Judged> {
    let leaves: Vec<Judged> = shadow.leaves.iter().map(|leaf| Judged::exact(leaf.clone())).collect();
    let mut signs = Gen::new(0);
    let mut judged: Vec<Judged> = Vec::with_capacity(graph.calls.len());
    for call in &graph.calls {
        let input = |source: &Source| match *source {
            Source::Leaf(i) => &leaves[i],
            Source::Call(i) => &judged[i],
        };
        let inputs: Vec<&Judged> = call.inputs.iter().map(input).collect();
        let next = Judged::of(&*call.op, &inputs, &call.spec, &mut signs);
        judged.push(next);
    }
    judged
}

fn wrong(graph: &Graph, call: usize, miss: Worst, how: &'static str) -> Error {
    let Worst { index, found, expected, bound, .. } = miss;
    let call = &graph.calls[call];
    Error::Check { op: call.op.name(), at: call.node.at(), how, index, found, expected, bound }
}
