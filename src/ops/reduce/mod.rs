//! Reductions over any axes: sum, mean, prod, max, min, argmax, argmin; and what is made of them: var, std, norms.
//!
//! A sum's error does not grow with the number of its terms: natively it is taken in f64, on a GPU with what each rounding loses beside it. So a mean
//! of equal numbers is that number, and they are normalised to exactly 0.

mod cases;
mod methods;
mod native;

pub use cases::cases;

use super::SIGN_BIT;
use crate::error::OpError;
use crate::graph::Accuracy;
use crate::graph::op::{
    Array, DType, GradCtx, Kernel, Lowering, MAX_LOOP_ITERATIONS, Op, Operand, Params, Spec, Stage, Target, Variant,
};
use crate::graph::{Tensor, record};
use crate::shape::{Shape, View, ViewDim};
use native::Work;

/// How a set of numbers becomes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Σ x
    Sum,
    /// Π x
    Prod,
    /// The largest; NaN if any is NaN.
    Max,
    /// The smallest; NaN if any is NaN.
    Min,
    /// Where the largest is; the first of several; the first NaN if there is one.
    ArgMax,
    /// Where the smallest is; the first of several; the first NaN if there is one.
    ArgMin,
    /// Σ x / n; NaN of no elements.
    Mean,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Sum => "sum",
            Kind::Prod => "prod",
            Kind::Max => "max",
            Kind::Min => "min",
            Kind::ArgMax => "argmax",
            Kind::ArgMin => "argmin",
            Kind::Mean => "mean",
        }
    }

    fn is_arg(self) -> bool {
        matches!(self, Kind::ArgMax | Kind::ArgMin)
    }

    /// Whether members are added up.
    fn adds(self) -> bool {
        matches!(self, Kind::Sum | Kind::Mean)
    }

    /// Whether `x` takes the place of `best` as the extreme.
    fn beats<T: PartialOrd + Copy>(self, x: T, best: T) -> bool {
        let (x_is_nan, best_is_nan) = (x.partial_cmp(&x).is_none(), best.partial_cmp(&best).is_none());
        let better = if matches!(self, Kind::Max | Kind::ArgMax) { x > best } else { x < best };
        !best_is_nan && (x_is_nan || better)
    }
}

/// A reduction of some axes.
#[derive(Clone, Debug)]
pub struct Reduce {
    /// What is computed.
    pub kind: Kind,
    /// The axes that go, sorted.
    pub axes: Vec<usize>,
    /// Whether they stay with size 1.
    pub keepdim: bool,
}

/// What a kernel does of a sum or a mean that takes two stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it. So does every kernel of other reductions.
    Whole,
    /// The first stage: it leaves [`WORDS`] words for each output, which only the second stage reads.
    First,
    /// The second stage.
    Second,
}

/// Words of a sum that is not finished: on a GPU the sum, what its rounding lost, the smallest and the largest member; natively an f64.
pub(super) const WORDS: usize = 4;

/// Elements that one invocation or one workgroup of the first stage adds up; longer sums take two stages.
const SPAN: usize = 1024;
/// Invocations in a workgroup of both reduction shaders.
const WORKGROUP: usize = 256;
/// Spans of a group, at most: as many rounds of the second stage.
const SPANS: usize = 48 * 1024;

impl Reduce {
    /// `(kept, reduced)`: where the group of an output element starts, and how its members lie.
    fn views(&self, shape: &Shape) -> (View, View) {
        let strides = shape.strides();
        let dims = |kept: bool| {
            let axes = (0..shape.rank()).filter(move |a| self.axes.contains(a) != kept);
            View::new(0, axes.map(|a| ViewDim { size: shape.dims()[a], stride: strides[a] as isize }).collect::<Vec<_>>())
        };
        (dims(true), dims(false))
    }

    /// Numbers that go into one output element.
    fn group(&self, shape: &Shape) -> usize {
        self.axes.iter().map(|&a| shape.dims()[a]).product()
    }
}

impl Op for Reduce {
    fn name(&self) -> &'static str {
        self.kind.name()
    }
    fn params(&self) -> Vec<u32> {
        vec![self.axes.iter().fold(0, |bits, &a| bits | 1 << a), u32::from(self.keepdim)]
    }
    fn accuracy(&self, inputs: &[&Array]) -> Accuracy {
        match self.kind {
            Kind::Sum => Accuracy::Sum,
            Kind::Mean if inputs.first().is_some_and(|x| cases::are_equal(self, x)) => Accuracy::Exact,
            Kind::Mean => Accuracy::Mean,
            Kind::Prod => Accuracy::Factors(inputs.first().map_or(0, |x| self.group(&x.shape))),
            _ => Accuracy::Exact,
        }
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let spec = inputs[0];
        if spec.dtype != DType::F32 {
            return Err(OpError::DType(format!("operand is {spec}, expected f32; convert with to_f32()")));
        }
        let (shape, group) = (spec.shape.reduced(&self.axes, self.keepdim), self.group(&spec.shape));
        if group == 0 && !matches!(self.kind, Kind::Sum | Kind::Prod | Kind::Mean) {
            return Err(OpError::Shape(format!("of no elements: axes {:?} of {}", self.axes, spec.shape)));
        }
        let range = self.kind.is_arg().then_some((0, group as i64 - 1));
        Ok(Spec { shape, dtype: if self.kind.is_arg() { DType::U32 } else { DType::F32 }, range })
    }
    fn lower(&self, inputs: &[Spec], output: &Spec) -> Lowering {
        let shape = inputs[0].shape;
        let (kept, reduced) = self.views(&shape);
        let (outputs, group) = (output.shape.numel(), self.group(&shape));
        let simple = Step { kind: self.kind, part: Part::Whole, kept, reduced, outputs, group, span: group.max(1), count: group };
        // Few outputs of long groups do not keep a device busy, and very long loops end early on some.
        if group <= SPAN || (outputs >= 4 * WORKGROUP && simple.rounds() <= MAX_LOOP_ITERATIONS) {
            return Lowering::kernel(simple.kernel(), 1);
        }
        // First every span of a group by itself, then the spans.
        let span = group.div_ceil(SPANS).next_multiple_of(SPAN);
        let chunks = group.div_ceil(span);
        let (words, parts) = if self.kind.adds() { (WORDS, [Part::First, Part::Second]) } else { (1, [Part::Whole; 2]) };
        let first = Step { part: parts[0], outputs: outputs * chunks, span, ..simple.clone() };
        let second = if self.kind.is_arg() {
            Step { span, ..simple }.best()
        } else {
            let kept = View::new(0, [ViewDim { size: outputs, stride: chunks as isize }]);
            let reduced = View::new(0, [ViewDim { size: chunks, stride: 1 }]);
            Step { part: parts[1], kept, reduced, group: chunks, span: chunks, ..simple }.kernel()
        };
        // Places say nothing without what lies there.
        let reads = if self.kind.is_arg() { vec![Operand::Input(0), Operand::Temp(0)] } else { vec![Operand::Temp(0)] };
        Lowering::Stages {
            temps: vec![outputs * chunks * words],
            stages: vec![
                Stage { kernel: first.kernel(), reads: vec![Operand::Input(0)], writes: vec![Operand::Temp(0)] },
                Stage { kernel: second, reads, writes: vec![Operand::Output] },
            ],
        }
    }
    fn flops(&self, inputs: &[Spec], _: &Spec) -> u64 {
        inputs[0].shape.numel() as u64
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let (kept, reduced) = self.views(&inputs[0].shape);
        let group = self.group(&inputs[0].shape);
        Array::from_fn(output.shape, |o| {
            let mut base = 0;
            kept.positions(o, 1, |p| base = p);
            let mut members = Vec::with_capacity(group);
            reduced.positions(0, group, |p| members.push(inputs[0].data[base + p]));
            match self.kind {
                Kind::Sum => members.iter().sum(),
                Kind::Mean => members.iter().sum::<f64>() / group as f64,
                Kind::Prod => members.iter().product(),
                kind => {
                    let best = (1..group).fold(0, |best, i| if kind.beats(members[i], members[best]) { i } else { best });
                    if kind.is_arg() { best as f64 } else { members[best] }
                }
            }
        })
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let x = &ctx.inputs[0];
        let Ok(shape) = x.try_shape() else { return vec![Some(x.clone())] };
        let wide = shape.reduced(&self.axes, true);
        let grad = if self.kind == Kind::Mean { ctx.grad.div_scalar(self.group(&shape) as f64) } else { ctx.grad.clone() };
        if self.kind.adds() && self.axes.iter().enumerate().all(|(i, &a)| i == a) {
            // What is left are the last axes, along which sizes are counted anyway when it is broadcast.
            return vec![Some(grad.expand(shape))];
        }
        let axes: Vec<isize> = self.axes.iter().map(|&a| a as isize).collect();
        let grad = grad.reshape(wide);
        let total = |t: &Tensor, kind: Kind| record(Reduce { kind, axes: self.axes.clone(), keepdim: true }, &[t]);
        vec![match self.kind {
            Kind::Sum | Kind::Mean => Some(grad.expand(shape)),
            Kind::Max | Kind::Min if axes.is_empty() => Some(grad.expand(shape)),
            // Ties share the gradient evenly.
            Kind::Max | Kind::Min => {
                let tied = x.eq(&ctx.output.reshape(wide));
                let share = grad.div(&total(&tied.to_f32(), Kind::Sum));
                Some(tied.where_(&share, &share.full_like(0.0)))
            }
            // Beside a factor of 0 the others count nothing.
            Kind::Prod => Some(grad.masked(&others(x, &shape, &self.axes))),
            Kind::ArgMax | Kind::ArgMin => None,
        }]
    }
}

/// For every element the product of the others of its group: of those before it times of those after it. Without a division, so that it and
/// all its derivatives are right at zeros too.
fn others(x: &Tensor, shape: &Shape, axes: &[usize]) -> Tensor {
    let group: usize = axes.iter().map(|&a| shape.dims()[a]).product();
    if group <= 1 || shape.numel() == 0 {
        return x.full_like(1.0);
    }
    let order: Vec<usize> = (0..shape.rank()).filter(|a| !axes.contains(a)).chain(axes.iter().copied()).collect();
    let inverse: Vec<isize> = (0..order.len()).map(|a| order.iter().position(|&o| o == a).unwrap_or(a) as isize).collect();
    let last = x.permute(&order.iter().map(|&a| a as isize).collect::<Vec<_>>());
    let lines = last.reshape([shape.numel() / group, group]);
    let one = lines.slice(1, ..1).full_like(1.0);
    let before = one.cat(&[&lines.slice(1, ..-1)], 1).cumprod(1);
    let after = one.cat(&[&lines.slice(1, 1..).flip(&[1])], 1).cumprod(1).flip(&[1]);
    let moved: Vec<usize> = order.iter().map(|&a| shape.dims()[a]).collect();
    before.mul(&after).reshape(moved).permute(&inverse)
}

/// A kernel that reduces all of each group: output `o` is made of the members `span · (o mod c) ..` of group `o / c`, where a group of `group`
/// members has c spans.
pub(super) fn kernel(kind: Kind, kept: &View, reduced: &View, outputs: usize, group: usize, span: usize) -> Kernel {
    let (kept, reduced) = (kept.clone(), reduced.clone());
    Step { kind, part: Part::Whole, kept, reduced, outputs, group, span, count: group }.kernel()
}

/// A kernel that leaves the sums of all spans of each group as [`WORDS`] words: the sum and what its rounding lost come first.
pub(super) fn unfinished(kept: &View, reduced: &View, outputs: usize, group: usize, span: usize) -> Kernel {
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
    fn chunks(&self) -> usize {
        self.group.div_ceil(self.span).max(1)
    }

    /// Rounds of loops to find a member and to find a group.
    fn axes(&self) -> [usize; 2] {
        let reduced = self.reduced.dims.len();
        [if reduced <= 1 { 0 } else { reduced }, self.kept.dims.len()]
    }

    /// Rounds of loops of an invocation that goes over a whole span.
    fn rounds(&self) -> usize {
        self.loop_iterations(1)
    }

    /// The same where `several` members are taken in one round, or by as many invocations.
    fn loop_iterations(&self, several: usize) -> usize {
        let [member, group] = self.axes();
        self.group.min(self.span).div_ceil(several) * (1 + member) + group + 16
    }

    fn params(&self) -> Params {
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

    fn consts(&self) -> Vec<(&'static str, u32)> {
        vec![("KIND", self.kind as u32), ("FLAT", u32::from(self.reduced.dims.len() <= 1))]
    }

    pub(super) fn kernel(self) -> Kernel {
        let consts = [&self.consts()[..], &[("STAGE", self.part as u32)]].concat();
        let form = |shader, each: usize, target, turns| Variant {
            consts: consts.clone(),
            target,
            ..Variant::new(shader, Variant::groups(self.outputs.div_ceil(each))).max_loop_iterations(turns)
        };
        let mut variants = vec![];
        // A whole workgroup for an output pays where groups are long.
        if self.group.min(self.span) >= 128 {
            variants.push(form("reduce/group", 1, Target::Hardware, self.loop_iterations(WORKGROUP)));
        }
        if let Some(across) = self.vectors() {
            let [outputs, members] = if across { [4, 1] } else { [1, 4] };
            let several = if self.kind.adds() { 4 * members } else { members };
            let mut vectors = form("reduce/software/vectors", 8 * outputs, Target::Software, self.loop_iterations(several));
            vectors.consts.extend([("ACROSS", u32::from(across)), ("SOFTWARE", 1)]);
            variants.push(vectors);
        }
        variants.push(form("reduce/reduce", WORKGROUP, Target::Any, self.rounds()));
        let (name, params, work) = (self.kind.name(), self.params(), Work::new(self));
        Kernel { name, params, variants, native: work.native() }
    }

    /// The second stage of argmax and argmin, which reads the input and the best member of each span.
    fn best(self) -> Kernel {
        let [member, group] = self.axes();
        let turns = self.chunks() * (1 + member) + group + 16;
        let groups = Variant::groups(self.outputs.div_ceil(WORKGROUP));
        let variant = Variant { consts: self.consts(), ..Variant::new("reduce/best", groups).max_loop_iterations(turns) };
        let (name, params, work) = (self.kind.name(), self.params(), Work::new(self));
        Kernel { name, params, variants: vec![variant], native: work.best() }
    }

    /// Whether four neighbours can be read at a time: members of one group (`Some(false)`), or one member of four groups (`Some(true)`).
    fn vectors(&self) -> Option<bool> {
        let (kept, reduced) = (&self.kept, &self.reduced);
        let whole = |dims: &[ViewDim]| dims.iter().all(|d| d.stride % 4 == 0);
        // The innermost axis lies together and is whole vectors; every other one steps over whole vectors.
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
