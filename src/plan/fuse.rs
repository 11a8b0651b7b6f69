//! Fuse: turns calls into kernels, elementwise neighbours into one.

use super::multi_tensor::{MultiTensorUpdates, Update, combine};
use super::pointwise::{Arg, Instruction, Load, MAX_EXTRA, MAX_INSTRUCTIONS, MAX_LOADS, MAX_SCALARS, Program, epilogue};
use super::steps::{Step, Steps, ValueId};
use super::{definition, lowering};
use crate::error::{Error, Result};
use crate::graph::key::{Call, Graph, Source};
use crate::graph::op::{DType, Lowering, Op, Operand, Spec, Stage, Wgsl};
use crate::shape::{View, ViewDim};
use smallvec::{SmallVec, smallvec};

/// Lowers every call, for a machine that runs `native` kernels or WGSL; with `on`, elementwise calls become part of the kernel of their only reader.
/// For native kernels those of elementwise calls get no shaders, whose texts would take half the time of planning.
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

/// How the inputs of a pointwise call are read.
type Loads = SmallVec<[(ValueId, View); 3]>;
/// What a kernel reads from outside, and how.
type External<'s> = (ValueId, &'s View);
/// Calls that join a kernel together.
type Joining = SmallVec<[usize; 4]>;

/// The calls that one kernel computes.
struct Members {
    round: usize,
    /// The last round in which each call was a member.
    joined: Vec<usize>,
    calls: Vec<usize>,
}

impl Members {
    /// Begins anew, with one.
    fn begin(&mut self, root: usize) {
        self.round += 1;
        self.calls.clear();
        self.add(root);
    }

    fn add(&mut self, call: usize) {
        self.joined[call] = self.round;
        self.calls.push(call);
    }

    fn has(&self, call: usize) -> bool {
        self.joined[call] == self.round
    }
}

/// Adds what a call reads from outside to a list, unless it is there.
fn add_loads<'s>(found: &mut Vec<External<'s>>, loads: Option<&'s [(ValueId, View)]>, inside: impl Fn(&ValueId) -> bool) {
    for (value, view) in loads.unwrap_or_default() {
        if !inside(value) && !found.contains(&(*value, view)) {
            found.push((*value, view));
        }
    }
}

struct Fuser<'g> {
    graph: &'g Graph,
    lowered: Vec<Option<Lowering>>,
    storage_of: Vec<ValueId>,
    /// How a pointwise call reads its inputs; `None` for other calls.
    loads: Vec<Option<Loads>>,
    /// Calls that read the value of a call.
    readers: Vec<SmallVec<[usize; 4]>>,
    kept: Vec<bool>,
    /// Calls whose value is the same at every index and can be computed anywhere, from scalars alone: fills, and pointwise calls of such calls.
    constant: Vec<bool>,
    /// Whether every op names what its kernels are made of: the rule of an elementwise call, the WGSL from outside.
    cacheable: bool,
    /// Whether kernels get shaders.
    shaders: bool,
}

impl<'g> Fuser<'g> {
    fn new(graph: &'g Graph, native: bool) -> Result<Fuser<'g>> {
        let n = graph.calls.len();
        let mut this = Fuser {
            graph,
            lowered: Vec::with_capacity(n),
            storage_of: Vec::with_capacity(n),
            loads: Vec::with_capacity(n),
            readers: vec![SmallVec::new(); n],
            kept: vec![false; n],
            constant: vec![false; n],
            cacheable: true,
            shaders: !native,
        };
        for (i, call) in graph.calls.iter().enumerate() {
            let specs: SmallVec<[Spec; 3]> = call.inputs.iter().map(|&s| graph.spec_of(s)).collect();
            let mut lowering = this.lower(call, &specs, native)?;
            let mut found = ValueId::Call(i);
            if matches!(lowering, Lowering::Alias) {
                match this.value(call.inputs[0]) {
                    // A kept alias of a leaf must not change when the leaf is updated: it gets a copy.
                    ValueId::Leaf(_) if call.kept => lowering = Lowering::View(words_in_order(&call.spec)),
                    other => found = other,
                }
            }
            let loads: Option<Loads> = match &mut lowering {
                Lowering::Elementwise(e) => {
                    let views = std::mem::take(&mut e.views);
                    Some(call.inputs.iter().map(|&source| this.value(source)).zip(views).collect())
                }
                Lowering::View(view) => Some(smallvec![(this.value(call.inputs[0]), view.clone())]),
                _ => None,
            };
            this.loads.push(loads);
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

    fn loads(&self, call: usize) -> Option<&[(ValueId, View)]> {
        self.loads[call].as_deref()
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
        let mut members = Members { round: 0, joined: vec![0; n], calls: vec![] };
        // Backwards, so that every reader of a call has been decided on before the call itself.
        for root in (0..n).rev() {
            if !needed[root] || self.storage_of[root] != ValueId::Call(root) {
                continue;
            }
            let first = steps.len();
            if self.loads(root).is_some() {
                self.grow(root, on, &mut members);
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
            let own = matches!(gradient, ValueId::Call(c) if !self.kept[c] && self.readers[c][..] == [index]);
            updates.push(Update { index, call, kernel, gradient, own });
        }
        updates
    }

    /// Finds the calls computed by the kernel of `root`: itself and, step by step, producers only this kernel reads.
    fn grow(&self, root: usize, on: bool, members: &mut Members) {
        members.begin(root);
        if !on {
            return;
        }
        let mut refused: SmallVec<[usize; 8]> = SmallVec::new();
        let mut scalars = self.scalar_count(root);
        // What the members read from outside, in any order.
        let mut external = self.external(members);
        loop {
            // The latest producer first: its readers are settled by then.
            let calls = external.iter().filter_map(|(value, _)| if let ValueId::Call(c) = value { Some(*c) } else { None });
            let Some(candidate) = calls.filter(|c| !refused.contains(c)).max() else { break };
            match self.joined_by(root, candidate, members, &external, scalars) {
                Some(joining) => {
                    scalars += joining.iter().map(|&c| self.scalar_count(c)).sum::<usize>();
                    external = self.external_with(&external, &joining, members);
                    joining.iter().for_each(|&c| members.add(c));
                }
                None => refused.push(candidate),
            }
        }
        members.calls.sort_unstable();
    }

    /// What joins the members so that `candidate` is computed among them, if it can be.
    ///
    /// Every member is read element by element as the root is written, or it is a constant that stands there with all it is computed from:
    /// such a one costs little to compute twice, and how it is read does not matter.
    fn joined_by(
        &self,
        root: usize,
        candidate: usize,
        members: &Members,
        external: &[External<'_>],
        scalars: usize,
    ) -> Option<Joining> {
        if self.loads(candidate).is_none() || self.kept[candidate] {
            return None;
        }
        let fits = |joining: &Joining| {
            members.calls.len() + joining.len() <= MAX_INSTRUCTIONS
                && scalars + joining.iter().map(|&c| self.scalar_count(c)).sum::<usize>() <= MAX_SCALARS
                && self.external_with(external, joining, members).len() <= MAX_LOADS
        };
        if self.constant[candidate] {
            let whole = self.constant_with_sources(candidate, members);
            if fits(&whole) {
                return Some(whole);
            }
        }
        let alone: Joining = smallvec![candidate];
        (self.read_in_step(root, candidate, members) && fits(&alone)).then_some(alone)
    }

    /// A constant and all it is computed from, but for what is a member already.
    fn constant_with_sources(&self, constant: usize, members: &Members) -> Joining {
        let mut found: Joining = smallvec![constant];
        let mut seen = 0;
        while let Some(&call) = found.get(seen) {
            seen += 1;
            for (value, _) in self.loads(call).unwrap_or_default() {
                match value {
                    ValueId::Call(c) if !members.has(*c) && !found.contains(c) => found.push(*c),
                    _ => {}
                }
            }
            if found.len() > MAX_INSTRUCTIONS {
                break;
            }
        }
        found
    }

    /// Whether only members read `candidate`, and each element of it where that element of the root is computed.
    fn read_in_step(&self, root: usize, candidate: usize, members: &Members) -> bool {
        self.numel(candidate) == self.numel(root)
            && self.readers[candidate].iter().all(|&reader| {
                let mut loads = self.loads(reader).unwrap_or_default().iter();
                members.has(reader) && loads.all(|(value, view)| *value != ValueId::Call(candidate) || view.is_contiguous())
            })
    }

    /// What is read from outside when others have joined the members.
    fn external_with<'s>(&'s self, external: &[External<'s>], joining: &Joining, members: &Members) -> Vec<External<'s>> {
        let inside = |value: &ValueId| matches!(value, ValueId::Call(c) if members.has(*c) || joining.contains(c));
        let mut found: Vec<External<'s>> = external.iter().filter(|(value, _)| !inside(value)).copied().collect();
        for &call in joining {
            add_loads(&mut found, self.loads(call), inside);
        }
        found
    }

    fn scalar_count(&self, call: usize) -> usize {
        match &self.lowered[call] {
            Some(Lowering::Elementwise(e)) => e.rule.scalars,
            _ => 0,
        }
    }

    /// What the members read from outside, each buffer and view once, in order of first use.
    fn external(&self, members: &Members) -> Vec<External<'_>> {
        let mut found = Vec::with_capacity(MAX_LOADS);
        for &member in &members.calls {
            add_loads(&mut found, self.loads(member), |value| matches!(value, ValueId::Call(c) if members.has(*c)));
        }
        found
    }

    /// The call that the members can be an epilogue of: its kernel takes one, and nobody else reads what it computes.
    fn core(&self, root: usize, members: &Members) -> Option<usize> {
        let external = self.external(members);
        let is_core = |&(value, view): &External<'_>| match value {
            ValueId::Call(c) => {
                let loads = external.iter().filter(|(v, _)| *v == value).count();
                (view.is_contiguous() && loads == 1 && self.numel(c) == self.numel(root) && self.takes_epilogue(c))
                    .then_some(c)
                    .filter(|&c| !self.kept[c] && self.readers[c].iter().all(|&r| members.has(r)))
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
    fn epilogue(&mut self, root: usize, members: &Members, core: usize, temps: &mut Vec<usize>) -> Vec<Step> {
        let (program, extra) = self.program(root, members, Some(core));
        let Some(Lowering::Stages { temps: sizes, stages }) = self.lowered[core].take() else { return vec![] };
        let base = temps.len();
        temps.extend(sizes);
        let mut steps: Vec<Step> = stages.into_iter().map(|stage| self.stage(core, base, stage)).collect();
        if let Some(last) = steps.pop() {
            steps.push(Step {
                kernel: program.fused_after(last.kernel, self.shaders),
                reads: last.reads.into_iter().chain(extra).collect(),
                writes: vec![ValueId::Call(root)],
                // The core has none, but its work counts.
                scalars: [core].into_iter().chain(members.calls.iter().copied()).collect(),
                label: format!("{} · {}", self.graph.calls[core].op.name(), self.label(root, members)),
                call: Some(root),
                at: self.graph.calls[root].node.at(),
            });
        }
        steps
    }

    fn pointwise(&self, root: usize, members: &Members) -> Step {
        let (program, reads) = self.program(root, members, None);
        Step {
            kernel: program.kernel_with(self.shaders),
            reads,
            writes: vec![ValueId::Call(root)],
            scalars: members.calls.clone(),
            label: self.label(root, members),
            call: Some(root),
            at: self.graph.calls[root].node.at(),
        }
    }

    fn label(&self, root: usize, members: &Members) -> String {
        let names: Vec<&str> = members.calls.iter().map(|&m| self.graph.calls[m].op.name()).collect();
        format!("{} : {}", names.join(" · "), self.graph.calls[root].spec)
    }

    /// The members as a program, and what it reads besides the value of `core`.
    fn program(&self, root: usize, members: &Members, core: Option<usize>) -> (Program, Vec<ValueId>) {
        let is_core = |value: ValueId| core.is_some_and(|c| value == ValueId::Call(c));
        let loads: Vec<External<'_>> = self.external(members).into_iter().filter(|(value, _)| !is_core(*value)).collect();
        let order = &members.calls;
        let argument = |(value, view): &(ValueId, View)| match *value {
            value if is_core(value) => Arg::Core,
            ValueId::Call(c) if members.has(c) => Arg::Result(order.binary_search(&c).unwrap_or(0)),
            value => Arg::Load(loads.iter().position(|l| *l == (value, view)).unwrap_or(0)),
        };
        let instruction = |&member: &usize| Instruction {
            rule: match &self.lowered[member] {
                Some(Lowering::Elementwise(e)) => Some(e.rule),
                _ => None,
            },
            args: self.loads(member).unwrap_or_default().iter().map(argument).collect(),
        };
        let loaded = loads.iter().map(|&(_, view)| Load { view: view.clone() }).collect();
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
