//! Fuse: turns calls into kernels, elementwise neighbours into one.

use super::multi_tensor::{MultiTensorUpdates, Update, combine};
use super::pointwise::{Arg, Instruction, Load, MAX_EXTRA, MAX_INSTRUCTIONS, MAX_LOADS, MAX_SCALARS, Program, epilogue};
use super::steps::{Step, Steps, ValueId};
use super::{definition, lowering};
use crate::error::{Error, Result};
use crate::graph::key::{Call, Graph, Source};
use crate::graph::op::{DType, Lowering, Op, Operand, Spec, Stage, Wgsl};
use crate::shape::{View, ViewDim};
use std::collections::{BTreeSet, HashSet};

/// Lowers every call, for a machine that runs `native` kernels or WGSL; with `on`, elementwise calls become part of the kernel of their only reader.
///
/// # Errors
/// An op whose kernels do not fit its call.
pub fn fuse(graph: &Graph, on: bool, native: bool) -> Result<Steps> {
    Ok(Fuser::new(graph, native)?.run(on))
}

/// A copy of a value, word by word.
fn words_in_order(spec: &Spec) -> View {
    if spec.dtype == DType::F16 {
        return View::new(0, [ViewDim { size: spec.words(), stride: 1 }]);
    }
    View::contiguous(&spec.shape)
}

/// Whether an op, or one that it wraps, names this WGSL.
fn names(op: &dyn Op, source: &Wgsl) -> bool {
    op.sources().contains(source) || op.wrapped().is_some_and(|wrapped| names(wrapped, source))
}

struct Fuser<'g> {
    graph: &'g Graph,
    lowered: Vec<Option<Lowering>>,
    storage_of: Vec<ValueId>,
    /// Calls that read the value of a call.
    readers: Vec<Vec<usize>>,
    kept: Vec<bool>,
    /// Calls whose value is the same at every index and can be computed anywhere, from scalars alone: fills, and pointwise calls of such calls.
    constant: Vec<bool>,
    /// Whether every op names what its kernels are made of: the rule of an elementwise call, the WGSL from outside.
    cacheable: bool,
}

impl<'g> Fuser<'g> {
    fn new(graph: &'g Graph, native: bool) -> Result<Fuser<'g>> {
        let n = graph.calls.len();
        let mut this = Fuser {
            graph,
            lowered: Vec::with_capacity(n),
            storage_of: vec![],
            readers: vec![vec![]; n],
            kept: vec![false; n],
            constant: vec![false; n],
            cacheable: true,
        };
        for (i, call) in graph.calls.iter().enumerate() {
            let specs: Vec<_> = call.inputs.iter().map(|&s| graph.spec_of(s)).collect();
            let mut lowering = this.lower(call, &specs, native)?;
            let mut found = ValueId::Call(i);
            if matches!(lowering, Lowering::Alias) {
                match this.value(call.inputs[0]) {
                    // A kept alias of a leaf must not change when the leaf is updated: it gets a copy.
                    ValueId::Leaf(_) if call.kept => lowering = Lowering::View(words_in_order(&call.spec)),
                    other => found = other,
                }
            }
            this.lowered.push(Some(lowering));
            this.storage_of.push(found);
            if let (true, ValueId::Call(c)) = (call.kept, found) {
                this.kept[c] = true;
            }
            if found == ValueId::Call(i) {
                for &source in &call.inputs {
                    if let ValueId::Call(c) = this.value(source) {
                        this.readers[c].push(i);
                    }
                }
            }
        }
        // Only now is it known what is kept: an alias of a value may be kept that was recorded long after it. What reads a kept constant reads
        // memory, so how it is read matters.
        for i in 0..n {
            let constant = |value: &ValueId| matches!(*value, ValueId::Call(c) if this.constant[c] && !this.kept[c]);
            this.constant[i] = this.loads(i).is_some_and(|loads| loads.iter().all(|(value, _)| constant(value)));
        }
        Ok(this)
    }

    /// How a call is computed, if that fits it; of an op without native kernels, where they are needed, by its definition.
    fn lower(&mut self, call: &Call, specs: &[Spec], native: bool) -> Result<Lowering> {
        let lowering = lowering::checked(call, specs, call.op.lower(specs, &call.spec));
        let lowering = lowering.map_err(|error| Error::op(call.op.name(), call.node.at(), error))?;
        match &lowering {
            Lowering::Elementwise(e) => {
                self.cacheable &= call.op.rule().is_some_and(|rule| std::ptr::eq(rule, e.rule));
            }
            Lowering::Stages { stages, .. } => {
                let mut variants = stages.iter().flat_map(|stage| &stage.kernel.variants);
                self.cacheable &= variants.all(|variant| variant.source.as_ref().is_none_or(|source| names(&*call.op, source)));
                if native && definition::is_needed(stages) {
                    // The definition is that of this very call.
                    self.cacheable &= call.op.scalars().is_empty();
                    return Ok(definition::lowering(&call.op, stages, specs, &call.spec));
                }
            }
            _ => {}
        }
        Ok(lowering)
    }

    fn value(&self, source: Source) -> ValueId {
        match source {
            Source::Leaf(i) => ValueId::Leaf(i),
            Source::Call(i) => self.storage_of[i],
        }
    }

    /// How a pointwise call reads its inputs; `None` for other calls.
    fn loads(&self, call: usize) -> Option<Vec<(ValueId, View)>> {
        let inputs = &self.graph.calls[call].inputs;
        match self.lowered[call].as_ref()? {
            Lowering::Elementwise(e) => Some(inputs.iter().zip(&e.views).map(|(&s, v)| (self.value(s), v.clone())).collect()),
            Lowering::View(view) => Some(vec![(self.value(inputs[0]), view.clone())]),
            _ => None,
        }
    }

    /// Words of a call's value: its elements, but for f16.
    fn numel(&self, call: usize) -> usize {
        self.graph.calls[call].spec.words()
    }

    fn run(mut self, on: bool) -> Steps {
        let n = self.graph.calls.len();
        let mut needed = self.kept.clone();
        let mut temps = Vec::new();
        let MultiTensorUpdates { mut steps, arenas, suballocated, gradients } =
            combine(self.graph, self.updates(), on, &mut temps);
        // The list is reversed at the end.
        steps.reverse();
        for value in gradients {
            if let ValueId::Call(c) = value {
                needed[c] = true;
            }
        }
        // Backwards, so that every reader of a call has been decided on before the call itself.
        for root in (0..n).rev() {
            if !needed[root] || self.storage_of[root] != ValueId::Call(root) {
                continue;
            }
            let first = steps.len();
            if self.loads(root).is_some() {
                let members = self.grow(root, on);
                match self.core(root, &members).filter(|_| on) {
                    Some(core) => steps.extend(self.epilogue(root, &members, core, &mut temps).into_iter().rev()),
                    None => steps.push(self.pointwise(root, &members)),
                }
            } else if let Some(Lowering::Stages { temps: sizes, stages }) = self.lowered[root].take() {
                let base = temps.len();
                temps.extend(sizes);
                steps.extend(stages.into_iter().map(|stage| self.stage(root, base, stage)).rev());
            }
            for step in &steps[first..] {
                for value in &step.reads {
                    if let ValueId::Call(c) = value {
                        needed[*c] = true;
                    }
                }
            }
        }
        steps.reverse();
        Steps { steps, temps, storage_of: self.storage_of, arenas, suballocated, cacheable: self.cacheable }
    }

    /// The updates in place, in order.
    fn updates(&mut self) -> Vec<Update<'g>> {
        let mut updates = Vec::new();
        for index in 0..self.graph.calls.len() {
            let Some(Lowering::Update(_)) = &self.lowered[index] else { continue };
            let Some(Lowering::Update(kernel)) = self.lowered[index].take() else { continue };
            let call = &self.graph.calls[index];
            let gradient = self.value(call.inputs[1]);
            let own = matches!(gradient, ValueId::Call(c) if !self.kept[c] && self.readers[c] == [index]);
            updates.push(Update { index, call, kernel, gradient, own });
        }
        updates
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
                .filter_map(|(v, _)| if let ValueId::Call(c) = v { Some(c) } else { None })
                .filter(|c| !refused.contains(c))
                .max();
            let Some(candidate) = candidate else { break };
            match self.with(root, candidate, &members) {
                Some(more) => members = more,
                None => drop(refused.insert(candidate)),
            }
        }
        members
    }

    /// The members with `candidate` among them, if it can be computed there.
    ///
    /// Every member is read element by element as the root is written, or it is a constant that stands there with all it is computed from:
    /// such a one costs little to compute twice, and how it is read does not matter.
    fn with(&self, root: usize, candidate: usize, members: &BTreeSet<usize>) -> Option<BTreeSet<usize>> {
        if self.loads(candidate).is_none() || self.kept[candidate] {
            return None;
        }
        let mut whole = members.clone();
        if self.constant[candidate] {
            self.add_constant(candidate, &mut whole);
            if self.fits(&whole) {
                return Some(whole);
            }
        }
        let mut alone = members.clone();
        alone.insert(candidate);
        (self.read_in_step(root, candidate, &alone) && self.fits(&alone)).then_some(alone)
    }

    /// Adds a constant and all it is computed from.
    fn add_constant(&self, constant: usize, members: &mut BTreeSet<usize>) {
        let mut stack = vec![constant];
        while let Some(call) = stack.pop() {
            if members.insert(call) {
                stack.extend(self.loads(call).unwrap_or_default().into_iter().filter_map(|(value, _)| match value {
                    ValueId::Call(c) => Some(c),
                    _ => None,
                }));
            }
        }
    }

    /// Whether only members read `candidate`, one of them, and each element of it where that element of the root is computed.
    fn read_in_step(&self, root: usize, candidate: usize, members: &BTreeSet<usize>) -> bool {
        self.numel(candidate) == self.numel(root)
            && self.readers[candidate].iter().all(|r| members.contains(r))
            && members.iter().all(|&m| {
                let reads = self.loads(m).unwrap_or_default();
                reads.iter().all(|(v, view)| *v != ValueId::Call(candidate) || view.is_contiguous())
            })
    }

    /// Whether one kernel has room for the members.
    fn fits(&self, members: &BTreeSet<usize>) -> bool {
        members.len() <= MAX_INSTRUCTIONS
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
    fn external(&self, members: &BTreeSet<usize>) -> Vec<(ValueId, View)> {
        let mut found: Vec<(ValueId, View)> = Vec::new();
        for &member in members {
            for load in self.loads(member).unwrap_or_default() {
                let inside = matches!(load.0, ValueId::Call(c) if members.contains(&c));
                if !inside && !found.contains(&load) {
                    found.push(load);
                }
            }
        }
        found
    }

    /// The call that the members can be an epilogue of: its kernel takes one, and nobody else reads what it computes.
    fn core(&self, root: usize, members: &BTreeSet<usize>) -> Option<usize> {
        let external = self.external(members);
        let is_core = |(value, view): &(ValueId, View)| match *value {
            ValueId::Call(c) => {
                let loads = external.iter().filter(|(v, _)| v == value).count();
                (view.is_contiguous() && loads == 1 && self.numel(c) == self.numel(root) && self.takes_epilogue(c))
                    .then_some(c)
                    .filter(|&c| !self.kept[c] && self.readers[c].iter().all(|r| members.contains(r)))
            }
            _ => None,
        };
        let float = self.graph.calls[root].spec.dtype == DType::F32;
        external.iter().filter(|_| float && external.len() <= MAX_EXTRA + 1).filter_map(is_core).max()
    }

    /// Whether the last kernel of a call, which alone writes its output, lets pointwise ops work on what it is about to store.
    fn takes_epilogue(&self, call: usize) -> bool {
        let Some(Lowering::Stages { stages, .. }) = &self.lowered[call] else { return false };
        let Some((last, before)) = stages.split_last() else { return false };
        let scalars = self.graph.calls[call].op.scalars().len();
        scalars == 0
            && self.graph.calls[call].spec.dtype == DType::F32
            && last.writes == [Operand::Output]
            && before.iter().all(|stage| !stage.writes.contains(&Operand::Output))
            && last.kernel.variants.iter().all(|variant| epilogue(variant).is_some())
    }

    /// The kernels of `core`, with the members fused after the last one.
    fn epilogue(&mut self, root: usize, members: &BTreeSet<usize>, core: usize, temps: &mut Vec<usize>) -> Vec<Step> {
        let (program, extra) = self.program(root, members, Some(core));
        let Some(Lowering::Stages { temps: sizes, stages }) = self.lowered[core].take() else { return vec![] };
        let base = temps.len();
        temps.extend(sizes);
        let mut steps: Vec<Step> = stages.into_iter().map(|stage| self.stage(core, base, stage)).collect();
        if let Some(last) = steps.pop() {
            steps.push(Step {
                kernel: program.fused_after(last.kernel),
                reads: last.reads.into_iter().chain(extra).collect(),
                writes: vec![ValueId::Call(root)],
                // The core has none, but its work counts.
                scalars: [core].into_iter().chain(members.iter().copied()).collect(),
                label: format!("{} · {}", self.graph.calls[core].op.name(), self.label(root, members)),
                call: Some(root),
                at: self.graph.calls[root].node.at(),
            });
        }
        steps
    }

    fn pointwise(&self, root: usize, members: &BTreeSet<usize>) -> Step {
        let (program, reads) = self.program(root, members, None);
        Step {
            kernel: program.kernel(),
            reads,
            writes: vec![ValueId::Call(root)],
            scalars: members.iter().copied().collect(),
            label: self.label(root, members),
            call: Some(root),
            at: self.graph.calls[root].node.at(),
        }
    }

    fn label(&self, root: usize, members: &BTreeSet<usize>) -> String {
        let names: Vec<&str> = members.iter().map(|&m| self.graph.calls[m].op.name()).collect();
        format!("{} : {}", names.join(" · "), self.graph.calls[root].spec)
    }

    /// The members as a program, and what it reads besides the value of `core`.
    fn program(&self, root: usize, members: &BTreeSet<usize>, core: Option<usize>) -> (Program, Vec<ValueId>) {
        let is_core = |value: ValueId| core.is_some_and(|c| value == ValueId::Call(c));
        let loads: Vec<(ValueId, View)> = self.external(members).into_iter().filter(|(value, _)| !is_core(*value)).collect();
        let order: Vec<usize> = members.iter().copied().collect();
        let argument = |load: (ValueId, View)| match load.0 {
            value if is_core(value) => Arg::Core,
            ValueId::Call(c) if members.contains(&c) => Arg::Result(order.iter().position(|&o| o == c).unwrap_or(0)),
            _ => Arg::Load(loads.iter().position(|l| *l == load).unwrap_or(0)),
        };
        let instruction = |&member: &usize| Instruction {
            rule: match &self.lowered[member] {
                Some(Lowering::Elementwise(e)) => Some(e.rule),
                _ => None,
            },
            args: self.loads(member).unwrap_or_default().into_iter().map(argument).collect(),
        };
        let loaded = loads.iter().map(|(_, view)| Load { view: view.clone() }).collect();
        let program = Program::new(self.numel(root), loaded, order.iter().map(instruction).collect());
        (program, loads.into_iter().map(|(value, _)| value).collect())
    }

    fn stage(&self, root: usize, base: usize, stage: Stage) -> Step {
        let call = &self.graph.calls[root];
        let value = |operand: &Operand| match *operand {
            Operand::Input(i) => self.value(call.inputs[i]),
            Operand::Output => ValueId::Call(root),
            Operand::Temp(i) => ValueId::Temp(base + i),
        };
        Step {
            reads: stage.reads.iter().map(value).collect(),
            writes: stage.writes.iter().map(value).collect(),
            kernel: stage.kernel,
            scalars: vec![root],
            label: format!("{} : {}", call.op.name(), call.spec),
            call: Some(root),
            at: call.node.at(),
        }
    }
}
