//! Kernels of reductions: in one stage or two, and which shader suits.

use super::super::SIGN_BIT;
use super::native::Work;
use super::{Kind, words};
use crate::graph::op::{Kernel, Lowering, MAX_LOOP_ITERATIONS, Operand, Params, Stage, Target, Variant};
use crate::shape::{View, ViewDim};

/// What a kernel does of a sum or a mean that takes two stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it. So does every kernel of other reductions.
    Whole,
    /// The first stage: it leaves [`WORDS_OF_TOTAL`] words for each output, which only the second stage reads.
    First,
    /// The second stage.
    Second,
}

/// Words of a total, a sum that is not finished: on a GPU the sum, what rounding took from it, the smallest and the largest member; natively an
/// f64.
pub(in crate::ops) const WORDS_OF_TOTAL: usize = 4;

/// Members of a span, which one invocation or one workgroup of the first stage combines, at least. Longer groups take two stages.
const MIN_SPAN: usize = 1024;
/// Spans of a group, at most: the second stage makes as many loop iterations.
const MAX_SPANS: usize = 48 * 1024;
/// Outputs that keep a device busy: with as many, long groups take one stage too. Not measured.
const ENOUGH_OUTPUTS: usize = 4 * WORKGROUP;
/// Members from which a workgroup for each output pays on hardware: half of it has something to do. Not measured there.
const MIN_MEMBERS_FOR_GROUP: usize = 128;
/// Invocations in a workgroup of the shaders.
const WORKGROUP: usize = 256;
/// The same of the one for software adapters.
const SOFTWARE_WORKGROUP: usize = 8;

/// The kernels of a reduction, in one stage or in two.
pub(super) fn lowering(kind: Kind, kept: View, reduced: View, outputs: usize, group: usize) -> Lowering {
    let simple = Step { kind, part: Part::Whole, kept, reduced, outputs, group, span: group.max(1), count: group };
    // Few outputs of long groups do not keep a device busy, and very long loops end early on some.
    if group <= MIN_SPAN || (outputs >= ENOUGH_OUTPUTS && simple.loop_iterations(1) <= MAX_LOOP_ITERATIONS) {
        return Lowering::kernel(simple.kernel(), 1);
    }
    // First every span of a group by itself, then the spans.
    let span = group.div_ceil(MAX_SPANS).next_multiple_of(MIN_SPAN);
    let chunks = group.div_ceil(span);
    let (words, parts) = if kind.adds() { (WORDS_OF_TOTAL, [Part::First, Part::Second]) } else { (1, [Part::Whole; 2]) };
    let first = Step { part: parts[0], outputs: outputs * chunks, span, ..simple.clone() };
    let second = if kind.is_arg() {
        Step { span, ..simple }.best()
    } else {
        let kept = View::new(0, [ViewDim { size: outputs, stride: chunks as isize }]);
        let reduced = View::new(0, [ViewDim { size: chunks, stride: 1 }]);
        Step { part: parts[1], kept, reduced, group: chunks, span: chunks, ..simple }.kernel()
    };
    // Places say nothing without what lies there.
    let reads = if kind.is_arg() { vec![Operand::Input(0), Operand::Temp(0)] } else { vec![Operand::Temp(0)] };
    Lowering::Stages {
        temps: vec![outputs * chunks * words],
        stages: vec![
            Stage { kernel: first.kernel(), reads: vec![Operand::Input(0)], writes: vec![Operand::Temp(0)] },
            Stage { kernel: second, reads, writes: vec![Operand::Output] },
        ],
    }
}

/// The kernels of a reduction of integers or truth values, in one stage or in two of the same kind.
pub(super) fn lowering_of_words(kind: Kind, kept: View, reduced: View, outputs: usize, group: usize, signed: bool) -> Lowering {
    let simple = Step { kind, part: Part::Whole, kept, reduced, outputs, group, span: group.max(1), count: group };
    if group <= MIN_SPAN || (outputs >= ENOUGH_OUTPUTS && simple.loop_iterations(1) <= MAX_LOOP_ITERATIONS) {
        return Lowering::kernel(words::kernel(simple, signed), 1);
    }
    let span = group.div_ceil(MAX_SPANS).next_multiple_of(MIN_SPAN);
    let chunks = group.div_ceil(span);
    let first = words::kernel(Step { outputs: outputs * chunks, span, ..simple.clone() }, signed);
    let kept = View::new(0, [ViewDim { size: outputs, stride: chunks as isize }]);
    let reduced = View::new(0, [ViewDim { size: chunks, stride: 1 }]);
    let second = words::kernel(Step { kept, reduced, group: chunks, span: chunks, ..simple }, signed);
    let stage = |kernel, read, write| Stage { kernel, reads: vec![read], writes: vec![write] };
    Lowering::Stages {
        temps: vec![outputs * chunks],
        stages: vec![stage(first, Operand::Input(0), Operand::Temp(0)), stage(second, Operand::Temp(0), Operand::Output)],
    }
}

/// A kernel that leaves the sums, which wrap around, of all spans of each group of integers: a word each.
pub(in crate::ops) fn totals_of_words(kept: &View, reduced: &View, outputs: usize, group: usize, span: usize) -> Kernel {
    let (kept, reduced) = (kept.clone(), reduced.clone());
    words::kernel(Step { kind: Kind::Sum, part: Part::Whole, kept, reduced, outputs, group, span, count: group }, false)
}

/// A kernel that reduces all of each group: output `o` is made of the members `span · (o mod c) ..` of group `o / c`, where a group of `group`
/// members has c spans.
pub(in crate::ops) fn kernel(kind: Kind, kept: &View, reduced: &View, outputs: usize, group: usize, span: usize) -> Kernel {
    let (kept, reduced) = (kept.clone(), reduced.clone());
    Step { kind, part: Part::Whole, kept, reduced, outputs, group, span, count: group }.kernel()
}

/// A kernel that leaves the sums of all spans of each group as [`WORDS_OF_TOTAL`] words: the sum and what rounding took from it come first.
pub(in crate::ops) fn totals(kept: &View, reduced: &View, outputs: usize, group: usize, span: usize) -> Kernel {
    let (kept, reduced) = (kept.clone(), reduced.clone());
    Step { kind: Kind::Sum, part: Part::First, kept, reduced, outputs, group, span, count: group }.kernel()
}

/// One kernel of a reduction, see [`kernel`].
#[derive(Clone)]
pub(super) struct Step {
    pub(super) kind: Kind,
    pub(super) part: Part,
    pub(super) kept: View,
    pub(super) reduced: View,
    pub(super) outputs: usize,
    pub(super) group: usize,
    pub(super) span: usize,
    /// What a mean divides by.
    pub(super) count: usize,
}

impl Step {
    pub(super) fn chunks(&self) -> usize {
        self.group.div_ceil(self.span).max(1)
    }

    /// Loop iterations to find a member and to find a group.
    fn axes(&self) -> [usize; 2] {
        let reduced = self.reduced.dims.len();
        [if reduced <= 1 { 0 } else { reduced }, self.kept.dims.len()]
    }

    /// Loop iterations of an invocation that goes over a whole span, where `several` members are taken in one, or by as many invocations.
    pub(super) fn loop_iterations(&self, several: usize) -> usize {
        let [member, group] = self.axes();
        self.group.min(self.span).div_ceil(several) * (1 + member) + group + 16
    }

    pub(super) fn params(&self) -> Params {
        let mut dims = vec![];
        for view in [&self.kept, &self.reduced] {
            let mut divisor = view.numel().max(1);
            for axis in 0..8 {
                match view.dims.get(axis) {
                    Some(dim) => {
                        divisor /= dim.size.max(1);
                        dims.extend([divisor as u32, dim.size as u32, dim.stride as u32, 0]);
                    }
                    None => dims.extend([1, 1, 0, 0]),
                }
            }
        }
        Params::new()
            .set("outputs", self.outputs)
            .set("group", self.group)
            .set("span", self.span)
            .set("chunks", self.chunks())
            .set("kept_rank", self.kept.dims.len())
            .set("reduced_rank", self.reduced.dims.len())
            .set("sign", SIGN_BIT)
            .set("count", self.count)
            .set("dims", dims)
    }

    pub(super) fn consts(&self) -> Vec<(&'static str, u32)> {
        vec![("KIND", self.kind as u32), ("FLAT", u32::from(self.reduced.dims.len() <= 1))]
    }

    pub(super) fn kernel(self) -> Kernel {
        let consts = [&self.consts()[..], &[("STAGE", self.part as u32)]].concat();
        let form = |shader, outputs: usize, target, iterations| Variant {
            consts: consts.clone(),
            target,
            ..Variant::new(shader, Variant::groups(self.outputs.div_ceil(outputs))).max_loop_iterations(iterations)
        };
        let mut variants = vec![];
        // A whole workgroup for an output pays where groups are long.
        if self.group.min(self.span) >= MIN_MEMBERS_FOR_GROUP {
            variants.push(form("reduce/group", 1, Target::Hardware, self.loop_iterations(WORKGROUP)));
        }
        if let Some(across) = self.vectors() {
            let [outputs, members] = if across { [4, 1] } else { [1, 4] };
            let several = if self.kind.adds() { 4 * members } else { members };
            let mut vectors =
                form("reduce/software/vectors", SOFTWARE_WORKGROUP * outputs, Target::Software, self.loop_iterations(several));
            vectors.consts.extend([("ACROSS", u32::from(across)), ("SOFTWARE", 1)]);
            variants.push(vectors);
        }
        variants.push(form("reduce/reduce", WORKGROUP, Target::Any, self.loop_iterations(1)));
        let (name, params, work) = (self.kind.name(), self.params(), Work::new(self));
        Kernel { name, params, variants, native: work.native() }
    }

    /// The second stage of argmax and argmin, which reads the input and the best member of each span.
    fn best(self) -> Kernel {
        let [member, group] = self.axes();
        let iterations = self.chunks() * (1 + member) + group + 16;
        let groups = Variant::groups(self.outputs.div_ceil(WORKGROUP));
        let variant = Variant { consts: self.consts(), ..Variant::new("reduce/best", groups).max_loop_iterations(iterations) };
        let (name, params, work) = (self.kind.name(), self.params(), Work::new(self));
        Kernel { name, params, variants: vec![variant], native: work.best() }
    }

    /// Whether four neighbours can be read at a time: members of one group (`Some(false)`), or one member of four groups (`Some(true)`).
    fn vectors(&self) -> Option<bool> {
        let (kept, reduced) = (&self.kept, &self.reduced);
        let whole = |dims: &[ViewDim]| dims.iter().all(|d| d.stride % 4 == 0);
        // The innermost axis is contiguous and whole vectors; every other one steps over whole vectors.
        let inner = |view: &View, other: &View| match view.dims.split_last() {
            Some((last, outer)) => last.stride == 1 && last.size % 4 == 0 && whole(outer) && whole(&other.dims),
            None => false,
        };
        if self.kind.is_arg() || self.part == Part::Second || self.group == 0 || kept.numel() == 0 {
            None
        } else if inner(reduced, kept) && self.span.is_multiple_of(4) {
            Some(false)
        } else {
            inner(kept, reduced).then_some(true)
        }
    }
}
