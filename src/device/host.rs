//! Host ops: what no kernel computes (factorisations of small matrices), computed by the host before the plan of a run is made.

use super::memory::of;
use super::state::DeviceState;
use super::watch::Anomaly;
use crate::error::{Error, OpError, Result};
use crate::graph::key::{Call, Graph, Source};
use crate::graph::node::{Node, Value};
use crate::graph::op::{Array, DType, HostOp, Spec};
use crate::ops::tolerance::{self, Worst};
use crate::platform::Instant;
use crate::profile;
use crate::threads::{self, lock};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Arrays of f64 that a host op makes of each value, at most: matrices of its own, their factors, and what is made of these.
const ARRAYS_PER_VALUE: usize = 6;
/// Elements of the inputs from which on threads share the work of an op.
const SHARED: usize = 1 << 12;

impl DeviceState {
    /// What is left of a graph when its host ops have values: they are computed here, those that depend on no other together, then those that
    /// depend on these, and so on. Each such round runs what they read, waits for it, and reads it.
    pub(super) async fn after_host_ops(&self, mut graph: Graph) -> Result<Graph> {
        while graph.on_host {
            let wanted = |call: &&Call| call.kept || !call.op.mutates().is_empty();
            let roots: Vec<Arc<Node>> = graph.calls.iter().filter(wanted).map(|call| call.node.clone()).collect();
            let next = first_host_ops(&graph);
            let read = next.iter().flat_map(|&i| &graph.calls[i].inputs).map(|&source| node_of(&graph, source));
            let missing: Vec<Arc<Node>> = read.filter(|node| !node.has_value()).cloned().collect();
            // No host op is among these.
            self.run_without_host_ops(Graph::collect(&missing)?).await?;
            for i in next {
                self.compute_on_host(&graph, &graph.calls[i]).await?;
            }
            graph = Graph::collect(&roots)?;
        }
        Ok(graph)
    }

    /// Reads what a host op reads, computes it and gives its node the value, which a device gets when a plan first reads it.
    async fn compute_on_host(&self, graph: &Graph, call: &Call) -> Result<()> {
        let Some(host) = call.op.on_host() else { return Err(self.fault("a host op that is none")) };
        let mut inputs = Vec::with_capacity(call.inputs.len());
        for &source in &call.inputs {
            let spec = graph.spec_of(source);
            let words = self.node_words(node_of(graph, source)).await?;
            let (numbers, result) = (spec.shape.numel(), call.spec.shape.numel());
            self.room_for_numbers(|| format!("what {} reads", of(&call.node)), ARRAYS_PER_VALUE * (numbers + result))?;
            inputs.push(Array { shape: spec.shape, data: spec.dtype.unpack(&words, spec.shape.numel()) });
        }
        let inputs: Vec<&Array> = inputs.iter().collect();
        let start = Instant::now();
        let value = compute(host, &inputs, call).map_err(|error| Error::op(call.op.name(), call.node.at(), error))?;
        let words = call.spec.dtype.pack(&value.data);
        if self.profiler.is_on() {
            self.book_host(call, start, &inputs);
        }
        let found = Array { shape: call.spec.shape, data: call.spec.dtype.unpack(&words, value.data.len()) };
        if self.check.load(Ordering::Relaxed)
            && let Some(miss) = tolerance::compare(&*call.op, &inputs, &call.spec, &found)
        {
            let Worst { index, found, expected, bound, .. } = miss;
            return Err(Error::Check { op: call.op.name(), at: call.node.at(), how: "op by op", index, found, expected, bound });
        }
        self.watch_host(call, &inputs, &found)?;
        call.node.set_value(Value::Host(Arc::new(words)));
        Ok(())
    }

    /// In anomaly mode, an error if the value is not finite and all it was computed from is.
    fn watch_host(&self, call: &Call, inputs: &[&Array], found: &Array) -> Result<()> {
        let mode = self.watch.mode.load(Ordering::Relaxed);
        let wrong = |x: &f64| x.is_nan() || (mode == Anomaly::NonFinite as u8 && x.is_infinite());
        if mode == Anomaly::Off as u8 || call.spec.dtype != DType::F32 || inputs.iter().any(|input| input.data.iter().any(wrong))
        {
            return Ok(());
        }
        let Some(value) = found.data.iter().find(|x| wrong(x)) else { return Ok(()) };
        Err(Error::NonFinite {
            what: if value.is_nan() { "NaN" } else { "infinity" },
            op: call.op.name(),
            at: call.node.at(),
            step: self.watch.steps.load(Ordering::Relaxed) + 1,
            detail: format!("made it; all it reads is finite ({})", call.spec),
        })
    }

    fn book_host(&self, call: &Call, start: Instant, inputs: &[&Array]) {
        let begun = *lock(&self.profiler.begun);
        let specs: Vec<_> = inputs.iter().map(|input| Spec::f32(input.shape)).collect();
        let words = inputs.iter().map(|input| input.data.len()).sum::<usize>() + call.spec.words();
        lock(&self.profiler.book).add(&profile::Call {
            kernel: call.op.name(),
            label: &format!("{} {} on the host", call.op.name(), call.spec),
            file: call.node.at().file(),
            line: call.node.at().line(),
            layer: call.node.at().layer().as_str(),
            flops: call.op.flops(&specs, &call.spec),
            bytes: 4 * words as u64,
            start: start.saturating_duration_since(begun).as_nanos() as u64,
            time: start.elapsed().as_nanos() as u64,
        });
    }
}

fn compute(host: &dyn HostOp, inputs: &[&Array], call: &Call) -> Result<Array, OpError> {
    let elements: usize = inputs.iter().map(|input| input.data.len()).sum();
    if elements < SHARED {
        return host.compute(inputs, &call.spec);
    }
    threads::install(|| host.compute(inputs, &call.spec))
}

/// The host ops of a graph that read what no other host op is needed for.
fn first_host_ops(graph: &Graph) -> Vec<usize> {
    let mut after = vec![false; graph.calls.len()];
    let mut first = vec![];
    for (i, call) in graph.calls.iter().enumerate() {
        let later = call.inputs.iter().any(|source| matches!(*source, Source::Call(c) if after[c]));
        let host = call.op.on_host().is_some();
        if host && !later {
            first.push(i);
        }
        after[i] = host || later;
    }
    first
}

fn node_of(graph: &Graph, source: Source) -> &Arc<Node> {
    match source {
        Source::Leaf(i) => &graph.leaves[i],
        Source::Call(i) => &graph.calls[i].node,
    }
}
