//! Multi-tensor updates: updates of one kind become one kernel over all their parameters, which are contiguous in device memory.

use super::pointwise::{Arg, Instruction, Load, Program};
use super::steps::{Step, ValueId};
use super::types::ParameterArena;
use crate::error::At;
use crate::graph::key::{Call, Graph, Source, same_op};
use crate::graph::op::MultiTensorUpdate;
use crate::shape::{View, ViewDim};
use rustc_hash::FxHashMap;
use std::ops::Range;

/// Parameters in one kernel: the length of the tables in `shaders/update/tensors.wgsl`.
const MAX_TENSORS: usize = 128;
/// Words between the starts of two parameters are a multiple of this: 256 bytes, the coarsest alignment of a binding a device may ask for.
const ALIGNMENT: usize = 64;
/// Words of an arena with more than one parameter: 128 MiB, the largest binding of a browser.
const MAX_ARENA_WORDS: usize = 1 << 25;

/// What combining the updates of a graph gives.
#[derive(Default)]
pub struct MultiTensorUpdates {
    /// Copies of gradients where they are needed, and updates, in order.
    pub steps: Vec<Step>,
    /// Leaves that are contiguous in a buffer.
    pub arenas: Vec<ParameterArena>,
    /// Values that are computed into a part of another: `(whole, first word)`.
    pub suballocated: FxHashMap<ValueId, (ValueId, usize)>,
    /// Gradients that updates read.
    pub gradients: Vec<ValueId>,
}

/// An update to combine with others of its kind.
pub struct Update<'g> {
    /// Its index among the graph's calls.
    pub index: usize,
    /// The call.
    pub call: &'g Call,
    /// Makes its kernel.
    pub kernel: MultiTensorUpdate,
    /// Its gradient.
    pub gradient: ValueId,
    /// Whether the gradient may be computed right where the update reads it: nobody else reads it or holds it.
    pub own: bool,
}

impl Update<'_> {
    fn words(&self, graph: &Graph) -> usize {
        graph.spec_of(self.call.inputs[0]).shape.numel()
    }

    /// The leaves it overwrites. `Graph::collect` has made sure that they are leaves.
    fn leaves(&self) -> Vec<usize> {
        let leaf = |&i: &usize| if let Source::Leaf(leaf) = self.call.inputs[i] { Some(leaf) } else { None };
        self.call.op.mutates().iter().filter_map(leaf).collect()
    }

    fn is_like(&self, other: &Update<'_>) -> bool {
        same_op(&*self.call.op, &*other.call.op)
    }
}

/// Combines updates of a kind; with `on` off, each has a kernel of its own. Sizes of temporaries are added to `temps`.
pub fn combine(graph: &Graph, updates: Vec<Update<'_>>, on: bool, temps: &mut Vec<usize>) -> MultiTensorUpdates {
    let mut combined = MultiTensorUpdates::default();
    // Where each leaf is: its arena and its first word there.
    let mut placed: FxHashMap<usize, (usize, usize)> = FxHashMap::default();
    let mut groups: Vec<Vec<Update<'_>>> = Vec::new();
    // Groups that take an arena as an earlier one has laid it out: no other update is added to them.
    let mut closed: Vec<bool> = Vec::new();
    for update in updates {
        let words = update.words(graph);
        if words == 0 {
            continue;
        }
        let leaves = update.leaves();
        let room = |group: &Vec<Update<'_>>| {
            let taken: usize = group.iter().map(|u| u.words(graph).next_multiple_of(ALIGNMENT)).sum();
            group.len() < MAX_TENSORS && taken + words <= MAX_ARENA_WORDS && group[0].is_like(&update)
        };
        // A leaf that is updated twice is updated in order, by kernels of their own.
        let again = groups.iter().flatten().any(|u| u.leaves().iter().any(|leaf| leaves.contains(leaf)));
        let open = (0..groups.len()).rev().find(|&g| on && !again && !closed[g] && room(&groups[g]));
        match open {
            Some(group) => groups[group].push(update),
            None => {
                groups.push(vec![update]);
                closed.push(again);
            }
        }
    }
    for group in groups {
        combined.add(graph, &group, &mut placed, temps);
    }
    combined
}

impl MultiTensorUpdates {
    fn add(
        &mut self,
        graph: &Graph,
        group: &[Update<'_>],
        placed: &mut FxHashMap<usize, (usize, usize)>,
        temps: &mut Vec<usize>,
    ) {
        let written = group[0].leaves().len();
        let known = group[0].leaves().iter().find_map(|leaf| placed.get(leaf).copied());
        let mut spans: Vec<Range<usize>> = Vec::with_capacity(group.len());
        // An update of what is in an arena already takes the arena as it is.
        let mut end = known.map_or(0, |(_, start)| start);
        for update in group {
            let words = update.words(graph);
            spans.push(end..end + words);
            end = (end + words).next_multiple_of(ALIGNMENT);
        }
        let words = known.map_or(end, |(arena, _)| self.arenas[arena].words);

        let whole = ValueId::Temp(temps.len());
        temps.push(words);
        let mut writes = Vec::with_capacity(written);
        for k in 0..written {
            let arena = match placed.get(&group[0].leaves()[k]) {
                Some(&(arena, _)) => arena,
                None => {
                    let members: Vec<_> = group.iter().zip(&spans).map(|(u, span)| (u.leaves()[k], span.start)).collect();
                    placed.extend(members.iter().map(|&(leaf, start)| (leaf, (self.arenas.len(), start))));
                    self.arenas.push(ParameterArena { words, members });
                    self.arenas.len() - 1
                }
            };
            writes.push(ValueId::Arena(arena));
        }

        for (update, span) in group.iter().zip(&spans) {
            self.gradients.push(update.gradient);
            let mut target = update.gradient;
            if !update.own || self.suballocated.contains_key(&target) {
                target = ValueId::Temp(temps.len());
                temps.push(span.len());
                self.steps.push(copy(update.gradient, target, span.len(), update.index, update.call.node.at()));
            }
            self.suballocated.insert(target, (whole, span.start));
        }

        let (index, last) = (group[group.len() - 1].index, group[group.len() - 1].call);
        self.steps.push(Step {
            kernel: (group[0].kernel)(&spans),
            reads: vec![whole],
            writes,
            scalars: group.iter().map(|u| u.index).collect(),
            label: match group {
                [one] => format!("{} : {}", one.call.op.name(), graph.spec_of(one.call.inputs[0])),
                _ => format!("{} : {} parameters, {words} words", last.op.name(), group.len()),
            },
            call: Some(index),
            at: last.node.at(),
        });
    }
}

/// A copy of `n` words.
fn copy(from: ValueId, to: ValueId, n: usize, call: usize, at: At) -> Step {
    let load = Load { view: View::new(0, [ViewDim { size: n, stride: 1 }]) };
    let program = Program::new(n, vec![load], vec![Instruction { rule: None, args: vec![Arg::Load(0)] }]);
    Step {
        kernel: program.kernel(),
        reads: vec![from],
        writes: vec![to],
        scalars: vec![],
        label: format!("gradient of {n} elements"),
        call: Some(call),
        at,
    }
}
