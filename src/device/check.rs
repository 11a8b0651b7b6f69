//! CHECK mode: every run node by node, each compared with the reference on the values the device itself had.

use super::{Cached, Inner, Machine, Prepared};
use crate::error::{Error, Result};
use crate::graph::key::{Graph, Source};
use crate::graph::node::{Node, Runner, Storage, Value};
use crate::graph::op::{Array, DType};
use crate::ops::tolerance;
use crate::plan::{Plan, Switches};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

impl Inner {
    /// Runs without any optimisation, keeping every value, and compares each op's output with its reference on the device's own inputs.
    pub(super) fn run_checked(&self, mut graph: Graph) -> Result<()> {
        if graph.calls.is_empty() {
            return Ok(());
        }
        let wanted: Vec<bool> = graph.calls.iter().map(|c| c.kept).collect();
        for call in &mut graph.calls {
            call.kept = call.op.mutates().is_empty();
        }
        let before = graph.leaves.iter().map(|leaf| self.leaf_words(leaf)).collect::<Result<Vec<_>>>()?;
        let plan = Arc::new(Plan::build(&graph, Switches { fuse: false, reuse: false, cache: false, merge: false }));
        let prepared = match &self.machine {
            Machine::Gpu(gpu) => Prepared::Gpu(gpu.prepare(plan.clone())?),
            Machine::Cpu(cpu) => Prepared::Cpu(cpu.prepare(plan.clone())),
        };
        let cached = Cached { plan, prepared, used: AtomicU64::new(0) };
        let outputs = self.execute(&cached, &graph)?;

        let mut stored: Vec<Option<Arc<dyn Storage>>> = vec![None; graph.calls.len()];
        for &(call, output) in &cached.plan.kept {
            stored[call] = Some(outputs[output].clone());
        }
        let array = |source: Source, words: Vec<u32>| {
            let spec = graph.spec_of(source);
            // All of them: those that several updated values have are more than the shape says.
            let count = if spec.dtype == DType::F16 { spec.shape.numel() } else { words.len() };
            Array { shape: spec.shape, data: spec.dtype.unpack(&words, count) }
        };
        let mut values: Vec<Option<Array>> = Vec::with_capacity(graph.calls.len());
        for (i, call) in graph.calls.iter().enumerate() {
            let found = match stored[i].clone() {
                Some(buffer) => array(Source::Call(i), pollster::block_on(self.fetch(buffer))?),
                // An update has no value of its own: what it overwrote is compared.
                None => {
                    let mut words = Vec::new();
                    for &k in call.op.mutates() {
                        if let Source::Leaf(l) = call.inputs[k] {
                            words.extend(self.leaf_words(&graph.leaves[l])?);
                        }
                    }
                    array(Source::Call(i), words)
                }
            };
            let inputs: Vec<Array> = call
                .inputs
                .iter()
                .map(|&source| match source {
                    Source::Leaf(l) => array(source, before[l].clone()),
                    Source::Call(c) => values[c].clone().unwrap_or(Array { shape: call.spec.shape, data: vec![] }),
                })
                .collect();
            let inputs: Vec<&Array> = inputs.iter().collect();
            if let Some(miss) = tolerance::compare(&*call.op, &inputs, &call.spec, &found) {
                return Err(Error::Check {
                    op: call.op.name(),
                    at: call.node.at(),
                    index: miss.index,
                    found: miss.found,
                    expected: miss.expected,
                    bound: miss.bound,
                });
            }
            values.push(Some(found));
        }
        for (i, call) in graph.calls.iter().enumerate() {
            if let (true, Some(buffer)) = (wanted[i], stored[i].take()) {
                call.node.set_value(Value::Stored(buffer));
            }
        }
        for (call, wanted) in graph.calls.iter_mut().zip(wanted) {
            call.kept = wanted;
        }
        self.updated(&graph, &cached.plan);
        Ok(())
    }

    fn leaf_words(&self, leaf: &Arc<Node>) -> Result<Vec<u32>> {
        match leaf.value() {
            Some(Value::Host(words)) => Ok(words.to_vec()),
            Some(Value::Stored(stored)) => pollster::block_on(self.fetch(stored)),
            None => Err(self.fault("a leaf without a value")),
        }
    }
}
