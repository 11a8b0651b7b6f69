//! Fuse: turns calls into kernels, elementwise neighbours into one.

use super::pointwise::{Arg, Instruction, Load, MAX_INSTRUCTIONS, MAX_LOADS, MAX_SCALARS, Program};
use super::{At, Kernel};
use crate::graph::key::{Graph, Source};
use crate::graph::op::{Lowering, Operand, Stage};
use crate::shape::View;
use std::collections::{BTreeSet, HashSet};

/// A value inside a plan under construction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Val {
    /// Given to the run.
    Leaf(usize),
    /// Computed by a call.
    Call(usize),
    /// Scratch of one call.
    Temp(usize),
}

/// One kernel, before its values have buffers.
pub struct Step {
    /// The kernel.
    pub kernel: Kernel,
    /// Values read.
    pub reads: Vec<Val>,
    /// Values written.
    pub writes: Vec<Val>,
    /// Calls whose scalars it takes.
    pub scalars: Vec<usize>,
    /// What it computes, for people.
    pub label: String,
    /// The line of the last op it computes.
    pub at: At,
}

/// The kernels of a graph.
pub struct Steps {
    /// In order.
    pub steps: Vec<Step>,
    /// Words of each temporary.
    pub temps: Vec<usize>,
    /// Words of leaves that follow those of the graph.
    pub given: Vec<usize>,
    /// The value each call's result is found in: its own, or its input's where the call is only a change of shape.
    pub found_in: Vec<Val>,
}

/// Lowers every call; with `on`, elementwise calls join the kernel of their only reader.
pub fn fuse(graph: &Graph, on: bool) -> Steps {
    Fuser::new(graph).run(on)
}

struct Fuser<'g> {
    graph: &'g Graph,
    lowered: Vec<Option<Lowering>>,
    found_in: Vec<Val>,
    /// Calls that read the value of a call.
    readers: Vec<Vec<usize>>,
    kept: Vec<bool>,
    /// Calls with the same value at every index, whatever the data: fills and pointwise calls of fills.
    constant: Vec<bool>,
}

impl<'g> Fuser<'g> {
    fn new(graph: &'g Graph) -> Fuser<'g> {
        let n = graph.calls.len();
        let mut this = Fuser {
            graph,
            lowered: Vec::with_capacity(n),
            found_in: vec![],
            readers: vec![vec![]; n],
            kept: vec![false; n],
            constant: vec![false; n],
        };
        for (i, call) in graph.calls.iter().enumerate() {
            let specs: Vec<_> = call.inputs.iter().map(|&s| graph.spec_of(s)).collect();
            let mut lowering = call.op.lower(&specs, &call.spec);
            let mut found = Val::Call(i);
            if matches!(lowering, Lowering::Alias) {
                match this.value(call.inputs[0]) {
                    // A kept alias of a leaf must not change when the leaf is updated: it gets a copy.
                    Val::Leaf(_) if call.kept => lowering = Lowering::View(View::contiguous(&call.spec.shape)),
                    other => found = other,
                }
            }
            this.lowered.push(Some(lowering));
            this.found_in.push(found);
            if let (true, Val::Call(c)) = (call.kept, found) {
                this.kept[c] = true;
            }
            this.constant[i] = this
                .loads(i)
                .is_some_and(|loads| loads.iter().all(|(value, _)| matches!(value, Val::Call(c) if this.constant[*c])));
            if found == Val::Call(i) {
                for &source in &call.inputs {
                    if let Val::Call(c) = this.value(source) {
                        this.readers[c].push(i);
                    }
                }
            }
        }
        this
    }

    fn value(&self, source: Source) -> Val {
        match source {
            Source::Leaf(i) => Val::Leaf(i),
            Source::Call(i) => self.found_in[i],
        }
    }

    /// How a pointwise call reads its inputs; `None` for other calls.
    fn loads(&self, call: usize) -> Option<Vec<(Val, View)>> {
        let inputs = &self.graph.calls[call].inputs;
        match self.lowered[call].as_ref()? {
            Lowering::Elementwise(e) => Some(inputs.iter().zip(&e.views).map(|(&s, v)| (self.value(s), v.clone())).collect()),
            Lowering::View(view) => Some(vec![(self.value(inputs[0]), view.clone())]),
            _ => None,
        }
    }

    fn numel(&self, call: usize) -> usize {
        self.graph.calls[call].spec.shape.numel()
    }

    fn run(mut self, on: bool) -> Steps {
        let n = self.graph.calls.len();
        let mut needed: Vec<bool> = (0..n).map(|i| self.kept[i] || !self.graph.calls[i].op.mutates().is_empty()).collect();
        let mut steps = Vec::new();
        let mut temps = Vec::new();
        // Backwards, so that every reader of a call has been decided on before the call itself.
        for root in (0..n).rev() {
            if !needed[root] || self.found_in[root] != Val::Call(root) {
                continue;
            }
            let first = steps.len();
            if self.loads(root).is_some() {
                let members = self.grow(root, on);
                steps.push(self.pointwise(root, &members));
            } else if let Some(Lowering::Stages { temps: sizes, stages }) = self.lowered[root].take() {
                let base = temps.len();
                temps.extend(sizes);
                // The list is reversed at the end.
                steps.extend(stages.into_iter().map(|stage| self.stage(root, base, stage)).rev());
            }
            for step in &steps[first..] {
                for value in &step.reads {
                    if let Val::Call(c) = value {
                        needed[*c] = true;
                    }
                }
            }
        }
        steps.reverse();
        Steps { steps, temps, given: vec![], found_in: self.found_in }
    }

    /// The calls computed by the kernel of `root`: itself and, step by step, producers only this kernel reads.
    fn grow(&self, root: usize, on: bool) -> BTreeSet<usize> {
        let mut members = BTreeSet::from([root]);
        let mut refused = HashSet::new();
        if !on {
            return members;
        }
        loop {
            // The latest producer first: its readers are settled by then.
            let candidate = self
                .external(&members)
                .into_iter()
                .filter_map(|(v, _)| if let Val::Call(c) = v { Some(c) } else { None })
                .filter(|c| !refused.contains(c))
                .max();
            let Some(candidate) = candidate else { break };
            members.insert(candidate);
            if !self.may_join(root, candidate, &members) {
                members.remove(&candidate);
                refused.insert(candidate);
            }
        }
        members
    }

    /// Whether `candidate`, already among `members`, may stay there.
    fn may_join(&self, root: usize, candidate: usize, members: &BTreeSet<usize>) -> bool {
        if self.loads(candidate).is_none() || self.kept[candidate] || members.len() > MAX_INSTRUCTIONS {
            return false;
        }
        let read_in_step = || {
            self.numel(candidate) == self.numel(root)
                && self.readers[candidate].iter().all(|r| members.contains(r))
                && members.iter().all(|&m| {
                    let reads = self.loads(m).unwrap_or_default();
                    reads.iter().all(|(v, view)| *v != Val::Call(candidate) || view.is_contiguous())
                })
        };
        // A constant costs nothing to compute twice, and how it is read does not matter.
        (self.constant[candidate] || read_in_step())
            && self.external(members).len() <= MAX_LOADS
            && members.iter().map(|&m| self.scalar_count(m)).sum::<usize>() <= MAX_SCALARS
    }

    fn scalar_count(&self, call: usize) -> usize {
        match &self.lowered[call] {
            Some(Lowering::Elementwise(e)) => e.rule.scalars,
            _ => 0,
        }
    }

    /// What a set of pointwise calls reads from outside, each buffer and view once, in order of first use.
    fn external(&self, members: &BTreeSet<usize>) -> Vec<(Val, View)> {
        let mut found: Vec<(Val, View)> = Vec::new();
        for &member in members {
            for load in self.loads(member).unwrap_or_default() {
                let inside = matches!(load.0, Val::Call(c) if members.contains(&c));
                if !inside && !found.contains(&load) {
                    found.push(load);
                }
            }
        }
        found
    }

    fn pointwise(&self, root: usize, members: &BTreeSet<usize>) -> Step {
        let loads = self.external(members);
        let order: Vec<usize> = members.iter().copied().collect();
        let instructions = order
            .iter()
            .map(|&member| {
                let args = self
                    .loads(member)
                    .unwrap_or_default()
                    .into_iter()
                    .map(|load| match load.0 {
                        Val::Call(c) if members.contains(&c) => Arg::Result(order.iter().position(|&o| o == c).unwrap_or(0)),
                        _ => Arg::Load(loads.iter().position(|l| *l == load).unwrap_or(0)),
                    })
                    .collect();
                let rule = match &self.lowered[member] {
                    Some(Lowering::Elementwise(e)) => Some(e.rule),
                    _ => None,
                };
                Instruction { rule, args }
            })
            .collect();
        let program = Program {
            count: self.numel(root),
            loads: loads.iter().map(|(_, view)| Load { view: view.clone() }).collect(),
            instructions,
        };
        let names: Vec<&str> = order.iter().map(|&m| self.graph.calls[m].op.name()).collect();
        let call = &self.graph.calls[root];
        Step {
            kernel: program.kernel(),
            reads: loads.into_iter().map(|(value, _)| value).collect(),
            writes: vec![Val::Call(root)],
            scalars: order,
            label: format!("{} : {}", names.join(" · "), call.spec),
            at: call.node.at(),
        }
    }

    fn stage(&self, root: usize, base: usize, stage: Stage) -> Step {
        let call = &self.graph.calls[root];
        let value = |operand: &Operand| match *operand {
            Operand::Input(i) => self.value(call.inputs[i]),
            Operand::Output => Val::Call(root),
            Operand::Temp(i) => Val::Temp(base + i),
        };
        Step {
            reads: stage.reads.iter().map(value).collect(),
            writes: stage.writes.iter().map(value).collect(),
            kernel: stage.kernel,
            scalars: vec![root],
            label: format!("{} : {}", call.op.name(), call.spec),
            at: call.node.at(),
        }
    }
}
