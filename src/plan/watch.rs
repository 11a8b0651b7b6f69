//! Watch: a plan that looks at every float it reads or writes and notes where one is not finite, without reading anything back.

use super::fuse::{self, Step, Val};
use super::{At, Io, Kernel, Plan, Variant, place};
use crate::graph::dump;
use crate::graph::key::{Graph, Source};
use crate::graph::op::DType;
use std::sync::Arc;

/// Invocations in a workgroup of `watch.wgsl`.
const WORKGROUP: usize = 256;

/// What a pair of flags (NaN, infinity) stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A value given to the run.
    Leaf(usize),
    /// What a call computed or, for an update, what it wrote over.
    Call(usize),
}

/// Plans a graph without fusion, with a look at every f32 value after it is written. The plan has one more leaf than the graph, the last: two
/// words per entry of the list, 0 before the run.
pub fn watched(graph: &Graph) -> (Plan, Vec<Seen>) {
    let flags = Val::Leaf(graph.leaves.len());
    let mut steps = fuse::fuse(graph, false);
    let (mut seen, mut all): (Vec<Seen>, Vec<Step>) = (vec![], vec![]);
    let mut look = |what: Seen, value: Val, words: usize, at: At, all: &mut Vec<Step>| {
        all.push(Step {
            kernel: kernel(words, seen.len()),
            reads: vec![value],
            writes: vec![flags],
            scalars: vec![],
            label: "watch".to_owned(),
            at,
        });
        seen.push(what);
    };
    let mut known = vec![false; graph.leaves.len()];
    for step in std::mem::take(&mut steps.steps) {
        for &value in &step.reads {
            let Val::Leaf(leaf) = value else { continue };
            let spec = graph.spec_of(Source::Leaf(leaf));
            if spec.dtype == DType::F32 && !std::mem::replace(&mut known[leaf], true) && spec.shape.numel() > 0 {
                look(Seen::Leaf(leaf), value, spec.shape.numel(), step.at, &mut all);
            }
        }
        let (writes, calls, at) = (step.writes.clone(), step.scalars.clone(), step.at);
        all.push(step);
        for value in writes {
            let (what, spec) = match value {
                Val::Call(call) => (Seen::Call(call), graph.calls[call].spec),
                // What an update writes over; without fusion a step belongs to one call.
                Val::Leaf(leaf) => (Seen::Call(calls.first().copied().unwrap_or(0)), graph.spec_of(Source::Leaf(leaf))),
                Val::Temp(_) => continue,
            };
            if spec.dtype == DType::F32 && spec.shape.numel() > 0 {
                look(what, value, spec.shape.numel(), at, &mut all);
            }
        }
    }
    steps.steps = all;
    steps.given = vec![2 * seen.len()];
    let mut plan = place::place(graph, steps, true, dump::lines(graph));
    plan.mutated.retain(|&leaf| leaf < graph.leaves.len());
    (plan, seen)
}

fn kernel(count: usize, slot: usize) -> Kernel {
    let native = move |io: &mut Io<'_>| {
        for &word in io.reads[0] {
            let bits = word & 0x7fff_ffff;
            if bits >= 0x7f80_0000 {
                io.writes[0][2 * slot + usize::from(bits == 0x7f80_0000)] = 1;
            }
        }
    };
    Kernel {
        name: "watch",
        params: vec![count as u32, slot as u32],
        variants: vec![Variant::new("watch", Variant::groups(count.div_ceil(WORKGROUP)))],
        native: Arc::new(native),
    }
}

/// The shader this file runs, for the shader tests.
#[doc(hidden)]
pub fn variant() -> Variant {
    Variant::new("watch", [1, 1, 1])
}
