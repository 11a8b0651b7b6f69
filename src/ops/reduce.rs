//! Reductions over any axes: sum, prod, max, min, argmax, argmin; and what is made of them: mean, var, std, norms.

use super::case::{Case, Gen};
use super::tolerance::Class;
use super::{rows, scratch};
use crate::error::OpError;
use crate::graph::op::{Array, DType, GradCtx, Kernel, Lowering, Native, Op, Operand, Spec, Stage, Suits, Variant};
use crate::graph::{Tensor, record};
use crate::shape::{Shape, View, ViewDim};
use rayon::prelude::*;
use std::any::Any;
use std::ops::Range;
use std::sync::Arc;

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
        }
    }

    fn is_arg(self) -> bool {
        matches!(self, Kind::ArgMax | Kind::ArgMin)
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

/// Elements that one invocation or one workgroup of the first stage adds up; longer sums take two stages.
const SPAN: usize = 1024;
/// Invocations in a workgroup of both reduction shaders.
const WORKGROUP: usize = 256;

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
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let spec = inputs[0];
        if spec.dtype != DType::F32 {
            return Err(OpError::DType(format!("operand is {spec}, expected f32; convert with to_f32()")));
        }
        let (shape, group) = (spec.shape.reduced(&self.axes, self.keepdim), self.group(&spec.shape));
        if group == 0 && !matches!(self.kind, Kind::Sum | Kind::Prod) {
            return Err(OpError::Shape(format!("of no elements: axes {:?} of {}", self.axes, spec.shape)));
        }
        let range = self.kind.is_arg().then_some((0, group as i64 - 1));
        Ok(Spec { shape, dtype: if self.kind.is_arg() { DType::U32 } else { DType::F32 }, range })
    }
    fn lower(&self, inputs: &[Spec], output: &Spec) -> Lowering {
        let shape = inputs[0].shape;
        let (kept, reduced) = self.views(&shape);
        let (outputs, group) = (output.shape.numel(), self.group(&shape));
        let chunks = group.div_ceil(SPAN).max(1);
        if self.kind.is_arg() || chunks == 1 || outputs >= 4 * WORKGROUP {
            return Lowering::kernel(kernel(self.kind, &kept, &reduced, outputs, group, group.max(1)), 1);
        }
        // First every span of a group by itself, then the spans: parallel even where there is one output, and more exact.
        let spans = View::new(0, [ViewDim { size: outputs, stride: chunks as isize }]);
        let within = View::new(0, [ViewDim { size: chunks, stride: 1 }]);
        Lowering::Stages {
            temps: vec![outputs * chunks],
            stages: vec![
                Stage {
                    kernel: kernel(self.kind, &kept, &reduced, outputs * chunks, group, SPAN),
                    reads: vec![Operand::Input(0)],
                    writes: vec![Operand::Temp(0)],
                },
                Stage {
                    kernel: kernel(self.kind, &spans, &within, outputs, chunks, chunks),
                    reads: vec![Operand::Temp(0)],
                    writes: vec![Operand::Output],
                },
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
        if self.kind == Kind::Sum && self.axes.iter().enumerate().all(|(i, &a)| i == a) {
            // What is left are the last axes, along which sizes are counted anyway when it is broadcast.
            return vec![Some(ctx.grad.expand(shape))];
        }
        let axes: Vec<isize> = self.axes.iter().map(|&a| a as isize).collect();
        let grad = ctx.grad.reshape(wide);
        let total = |t: &Tensor, kind: Kind| record(Reduce { kind, axes: self.axes.clone(), keepdim: true }, &[t]);
        vec![match self.kind {
            Kind::Sum => Some(grad.expand(shape)),
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

/// One stage: output `o` reduces members `span · (o mod c) ..` of group `o / c`, where a group of `group` members has c spans.
pub(super) fn kernel(kind: Kind, kept: &View, reduced: &View, outputs: usize, group: usize, span: usize) -> Kernel {
    let chunks = group.div_ceil(span).max(1);
    let mut params = vec![outputs as u32, group as u32, span as u32, chunks as u32];
    params.extend([kept.dims.len() as u32, reduced.dims.len() as u32, 0, 0]);
    for view in [kept, reduced] {
        let mut divisor = view.numel().max(1);
        for axis in 0..8 {
            match view.dims.get(axis) {
                Some(dim) => {
                    divisor /= dim.size.max(1);
                    params.extend([divisor as u32, dim.size as u32, dim.stride as u32, 0]);
                }
                None => params.extend([1, 1, 0, 0]),
            }
        }
    }
    let flat = ("FLAT", u32::from(reduced.dims.len() <= 1));
    let consts = vec![("KIND", kind as u32), flat];
    let one_each = Variant { consts: consts.clone(), ..Variant::new("reduce", Variant::groups(outputs.div_ceil(WORKGROUP))) };
    let mut variants = vec![];
    // A whole workgroup for an output pays where groups are long.
    if group.min(span) >= 128 {
        let consts = consts.clone();
        variants.push(Variant { consts, suits: Suits::Hardware, ..Variant::new("reduce_group", Variant::groups(outputs)) });
    }
    if let Some(across) = vectors(kind, kept, reduced, group, span) {
        let each = if across { 4 } else { 1 };
        variants.push(Variant {
            consts: [&consts[..], &[("ACROSS", u32::from(across))]].concat(),
            suits: Suits::Software,
            ..Variant::new("reduce_vectors", Variant::groups(outputs.div_ceil(8 * each)))
        });
    }
    variants.push(one_each);
    // Members, each by its axes, and the axes of the output.
    let (axes, members) = (if flat.1 == 1 { 0 } else { reduced.dims.len() }, group.min(span));
    variants.iter_mut().for_each(|variant| variant.turns = Some(members * (1 + axes) + kept.dims.len() + 8));
    Kernel { name: kind.name(), params, variants, native: native(kind, kept.clone(), reduced.clone(), group, span, chunks) }
}

/// Whether four neighbours can be read at a time: members of one group (`Some(false)`), or one member of four groups (`Some(true)`).
fn vectors(kind: Kind, kept: &View, reduced: &View, group: usize, span: usize) -> Option<bool> {
    let whole = |dims: &[ViewDim]| dims.iter().all(|d| d.stride % 4 == 0);
    // The innermost axis lies together and is whole vectors; every other one steps over whole vectors.
    let inner = |view: &View, other: &View| match view.dims.split_last() {
        Some((last, outer)) => last.stride == 1 && last.size % 4 == 0 && whole(outer) && whole(&other.dims),
        None => false,
    };
    if kind.is_arg() || group == 0 || kept.numel() == 0 {
        None
    } else if inner(reduced, kept) && span.is_multiple_of(4) {
        Some(false)
    } else {
        inner(kept, reduced).then_some(true)
    }
}

/// Numbers below which one thread is faster than several.
const ALONE: usize = 1 << 15;

fn native(kind: Kind, kept: View, reduced: View, group: usize, span: usize, chunks: usize) -> Native {
    let together = reduced.dims.is_empty() || (reduced.dims.len() == 1 && reduced.dims[0].stride == 1);
    // Members that lie side by side in runs at least.
    let runs = match (reduced.dims.last(), kind) {
        (Some(dim), Kind::Sum | Kind::Max | Kind::Min) if dim.stride == 1 && dim.size >= 16 => dim.size,
        _ => 0,
    };
    // Neighbouring outputs whose members lie side by side too: whole rows are added up.
    let abreast = match (kept.dims.last(), kind) {
        (Some(dim), Kind::Sum | Kind::Max | Kind::Min) if dim.stride == 1 && dim.size >= 8 && !together => dim.size,
        _ => 0,
    };
    Arc::new(move |io| {
        let read = io.read(0);
        let start_of = |o: usize| {
            let mut base = 0;
            kept.positions(o, 1, |p| base = p);
            base
        };
        let one = |o: usize| -> u32 {
            let base = start_of(o / chunks);
            let start = o % chunks * span;
            let count = span.min(group - start.min(group));
            // Of no elements there is nowhere to read: the buffer may end before `base`.
            if together && count > 0 {
                let members = &read[base + start..base + start + count];
                match kind {
                    Kind::Sum => return rows::sum(members).to_bits(),
                    Kind::Max => return rows::extreme(members, 1.0).to_bits(),
                    Kind::Min => return rows::extreme(members, -1.0).to_bits(),
                    _ => {}
                }
            }
            if runs > 0 && count > 0 {
                // Run by run along the innermost axis.
                let mut value: Option<f32> = None;
                let mut at = start;
                while at < start + count {
                    let length = (runs - at % runs).min(start + count - at);
                    let mut first = 0;
                    reduced.positions(at, 1, |p| first = base + p);
                    let run = &read[first..first + length];
                    value = Some(match (kind, value) {
                        (Kind::Sum, before) => before.unwrap_or(0.0) + rows::sum(run),
                        (_, before) => {
                            let next = rows::extreme(run, if kind == Kind::Max { 1.0 } else { -1.0 });
                            before.map_or(next, |best| if kind.beats(next, best) { next } else { best })
                        }
                    });
                    at += length;
                }
                return value.unwrap_or(0.0).to_bits();
            }
            let mut seen = 0;
            let (mut value, mut best) = (if kind == Kind::Prod { 1.0f32 } else { 0.0 }, 0u32);
            reduced.positions(start, count, |p| {
                let x = read[base + p];
                match kind {
                    Kind::Sum => value += x,
                    Kind::Prod => value *= x,
                    _ if seen == 0 || kind.beats(x, value) => (value, best) = (x, seen),
                    _ => {}
                }
                seen += 1;
            });
            if kind.is_arg() { best } else { value.to_bits() }
        };
        let out = &mut *io.writes[0];
        // Vectors are several times as fast.
        let fast = matches!(kind, Kind::Sum | Kind::Max | Kind::Min) && (together || runs > 0 || abreast > 0);
        let alone = out.len() * group.min(span) < if fast { 4 * ALONE } else { ALONE };
        if abreast > 0 && group > 0 {
            // Stretches of neighbouring outputs, none longer than a row, and enough of them for every thread.
            let outputs = out.len() / chunks;
            let enough = if alone { abreast } else { (outputs / rayon::current_num_threads()).next_multiple_of(16) };
            let length = abreast.min(1 << 12).min(enough.max(16));
            let mut stretches = Vec::with_capacity(outputs / abreast * abreast.div_ceil(length));
            for (row, out) in out.chunks_exact_mut(abreast * chunks).enumerate() {
                stretches.extend(out.chunks_mut(length * chunks).enumerate().map(|(i, out)| (row * abreast + i * length, out)));
            }
            let work = |(first, out): (usize, &mut [u32])| {
                let (read, width) = (&read[start_of(first)..], out.len() / chunks);
                let out = bytemuck::cast_slice_mut(out);
                scratch::with(2 * width, |memory| {
                    let (row, block) = memory.split_at_mut(width);
                    if chunks == 1 {
                        return rows_abreast(kind, &reduced, read, 0..group, out, block);
                    }
                    for c in 0..chunks {
                        rows_abreast(kind, &reduced, read, c * span..group.min((c + 1) * span), row, block);
                        out[c..].iter_mut().step_by(chunks).zip(&*row).for_each(|(o, x)| *o = *x);
                    }
                });
            };
            return if alone { stretches.into_iter().for_each(work) } else { stretches.into_par_iter().for_each(work) };
        }
        if alone {
            out.iter_mut().enumerate().for_each(|(o, slot)| *slot = one(o));
        } else {
            // Several short groups to a thread at a time.
            let several = (ALONE / 8 / group.min(span).max(1)).max(1);
            out.par_iter_mut().with_min_len(several).enumerate().for_each(|(o, slot)| *slot = one(o));
        }
    })
}

/// Reduces rows of `out.len()` numbers element by element. Sums are taken by blocks of rows, and then the blocks are added: more exact.
fn rows_abreast(kind: Kind, reduced: &View, read: &[f32], members: Range<usize>, out: &mut [f32], block: &mut [f32]) {
    const BLOCK: usize = 64;
    let width = out.len();
    if kind != Kind::Sum {
        let mut first = true;
        return reduced.positions(members.start, members.len(), |p| {
            let row = &read[p..][..width];
            if std::mem::take(&mut first) {
                out.copy_from_slice(row);
            } else {
                rows::extremes(out, row, if kind == Kind::Max { 1.0 } else { -1.0 });
            }
        });
    }
    out.fill(0.0);
    for start in members.clone().step_by(BLOCK) {
        block.fill(0.0);
        reduced.positions(start, BLOCK.min(members.end - start), |p| rows::add(block, &read[p..][..width]));
        rows::add(out, block);
    }
}

macro_rules! reductions {
    ($($(#[$doc:meta])* $name:ident, $keep:ident => $kind:ident;)*) => {
        impl Tensor {
            $($(#[$doc])*
            ///
            /// An empty list means all axes; negative axes count from the end.
            #[track_caller]
            pub fn $name(&self, axes: &[isize]) -> Tensor {
                self.reduce(Kind::$kind, axes, false)
            }

            $(#[$doc])*
            ///
            /// The axes stay, with size 1.
            #[track_caller]
            pub fn $keep(&self, axes: &[isize]) -> Tensor {
                self.reduce(Kind::$kind, axes, true)
            })*
        }
    };
}

reductions! {
    /// Σ x over some axes; 0 of no elements.
    sum, sum_keepdim => Sum;
    /// Π x over some axes; 1 of no elements.
    prod, prod_keepdim => Prod;
    /// The largest over some axes; NaN if any is NaN; ties share the gradient evenly.
    max, max_keepdim => Max;
    /// The smallest over some axes; NaN if any is NaN; ties share the gradient evenly.
    min, min_keepdim => Min;
}

impl Tensor {
    #[track_caller]
    fn reduce(&self, kind: Kind, axes: &[isize], keepdim: bool) -> Tensor {
        self.with_shape(kind.name(), |s| Ok(Reduce { kind, axes: s.axes(axes)?, keepdim }))
    }

    /// Index of the largest along an axis, as u32; the lowest index of a tie; the first NaN if there is one.
    #[track_caller]
    pub fn argmax(&self, axis: isize) -> Tensor {
        self.reduce(Kind::ArgMax, &[axis], false)
    }

    /// Index of the smallest along an axis, as u32; the lowest index of a tie; the first NaN if there is one.
    #[track_caller]
    pub fn argmin(&self, axis: isize) -> Tensor {
        self.reduce(Kind::ArgMin, &[axis], false)
    }

    /// How many elements the axes hold together; 0 where that cannot be said.
    fn count(&self, axes: &[isize]) -> f64 {
        if let (Ok(spec), []) = (self.node().spec(), axes) {
            return spec.shape.numel() as f64;
        }
        let axes = self.try_shape().ok().and_then(|s| Some((s, s.axes(axes).ok()?)));
        axes.map_or(0.0, |(s, axes)| axes.iter().map(|&a| s.dims()[a]).product::<usize>() as f64)
    }

    /// The mean over some axes (an empty list means all); NaN of no elements.
    #[track_caller]
    pub fn mean(&self, axes: &[isize]) -> Tensor {
        self.sum(axes).div_scalar(self.count(axes)).made_by("mean", &[self])
    }

    /// The mean over some axes, which stay with size 1.
    #[track_caller]
    pub fn mean_keepdim(&self, axes: &[isize]) -> Tensor {
        self.sum_keepdim(axes).div_scalar(self.count(axes)).made_by("mean", &[self])
    }

    /// The variance Σ (x − mean)² / (n − ddof) over some axes: ddof 0 for a population, 1 for a sample.
    #[track_caller]
    pub fn var(&self, axes: &[isize], ddof: usize) -> Tensor {
        let n = self.count(axes) - ddof as f64;
        self.sub(&self.mean_keepdim(axes)).square().sum(axes).div_scalar(n.max(0.0)).made_by("var", &[self])
    }

    /// The square root of the variance.
    #[track_caller]
    pub fn std(&self, axes: &[isize], ddof: usize) -> Tensor {
        self.var(axes, ddof).sqrt().made_by("std", &[self])
    }

    /// Σ |x| over some axes (an empty list means all).
    #[track_caller]
    pub fn l1_norm(&self, axes: &[isize]) -> Tensor {
        self.abs().sum(axes).made_by("l1_norm", &[self])
    }

    /// Σ |x| over some axes, which stay with size 1.
    #[track_caller]
    pub fn l1_norm_keepdim(&self, axes: &[isize]) -> Tensor {
        self.abs().sum_keepdim(axes).made_by("l1_norm", &[self])
    }

    /// √(Σ x²) over some axes (an empty list means all). Where it is 0 its gradient is 0, as PyTorch's.
    #[track_caller]
    pub fn l2_norm(&self, axes: &[isize]) -> Tensor {
        self.square().sum(axes).root().made_by("l2_norm", &[self])
    }

    /// √(Σ x²) over some axes, which stay with size 1.
    #[track_caller]
    pub fn l2_norm_keepdim(&self, axes: &[isize]) -> Tensor {
        self.square().sum_keepdim(axes).root().made_by("l2_norm", &[self])
    }

    /// √(Σ x²) over the last two axes: of a matrix, or of every matrix in a batch. Fewer than two axes are an error.
    #[track_caller]
    pub fn frobenius_norm(&self) -> Tensor {
        self.l2_norm(&[-2, -1]).made_by("frobenius_norm", &[self])
    }

    /// √(Σ x²) over the last two axes, which stay with size 1.
    #[track_caller]
    pub fn frobenius_norm_keepdim(&self) -> Tensor {
        self.l2_norm_keepdim(&[-2, -1]).made_by("frobenius_norm", &[self])
    }

    /// x · min(1, max / (‖x‖ + 10⁻⁶)): as it is while its Euclidean norm is below `max`, else scaled down to it (`torch.nn.utils.clip_grad_norm_`
    /// of one tensor). A `max` that is negative or not finite is an error.
    #[track_caller]
    pub fn clip_by_norm(&self, max: f64) -> Tensor {
        if !(0.0..f64::INFINITY).contains(&max) {
            return self.refuse(
                "clip_by_norm",
                OpError::Value(format!("max is {max}; a finite number that is not negative is expected")),
            );
        }
        let factor = self.constant(max).div(&self.l2_norm(&[]).add_scalar(1e-6));
        self.mul(&factor.minimum(&self.constant(1.0))).made_by("clip_by_norm", &[self])
    }

    /// √x of a sum of squares, whose gradient is 0 where it is 0 and not 0 / 0.
    #[track_caller]
    fn root(&self) -> Tensor {
        let zero = self.eq_scalar(0.0);
        zero.where_(self, &zero.where_(&self.full_like(1.0), self).sqrt())
    }
}

/// Test inputs: every kind over leading, middle, trailing and all axes, at both sides of the span.
pub fn cases(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    let shapes: [(&[usize], &[usize]); 16] = [
        (&[], &[]),
        (&[1], &[0]),
        (&[5], &[0]),
        (&[3, 4], &[0]),
        (&[3, 4], &[1]),
        (&[2, 3, 4], &[0, 2]),
        (&[2, 3, 4], &[1]),
        (&[7, 129], &[1]),
        (&[127, 3], &[0]),
        (&[2, 2, 2, 2, 2, 2, 2, 2], &[1, 3, 4, 7]),
        (&[0, 3], &[1]),
        // Whole vectors, along the group and across groups.
        (&[5, 8], &[0]),
        (&[2, 4, 8], &[1]),
        (&[2, 3, 4, 8], &[0, 2]),
        (&[2, 3, 4, 8], &[0, 2, 3]),
        (&[4, 3, 4], &[0, 1]),
    ];
    let long: [(&[usize], &[usize]); 7] = [
        (&[1024], &[0]),
        (&[1025], &[0]),
        (&[3, 2500], &[1]),
        (&[2100, 5], &[0]),
        (&[40, 50, 3], &[0, 1]),
        (&[2100, 8], &[0]),
        (&[5, 2, 30, 20], &[0, 2, 3]),
    ];
    for kind in [Kind::Sum, Kind::Prod, Kind::Max, Kind::Min, Kind::ArgMax, Kind::ArgMin] {
        for (dims, axes) in shapes.iter().chain(if kind == Kind::Prod { &[][..] } else { &long[..] }) {
            let input = match kind {
                Kind::Sum => g.normalish(dims),
                Kind::Prod => g.floats(dims, 0.8, 1.25),
                _ => g.distinct(dims),
            };
            let op = Reduce { kind, axes: axes.to_vec(), keepdim: dims.len() % 2 == 0 };
            cases.push(Case::new(format!("{dims:?} over {axes:?}"), op, vec![input]));
        }
    }
    for kind in [Kind::Sum, Kind::Prod] {
        for (dims, axis) in [([0, 3], 0), ([3, 0], 1)] {
            let op = Reduce { kind, axes: vec![axis], keepdim: false };
            cases.push(Case::new("no elements", op, vec![g.normalish(&dims)]));
        }
    }
    // Ties, NaN and infinities: kinks, so no gradient.
    let nan = f64::NAN;
    for kind in [Kind::Sum, Kind::Max, Kind::Min, Kind::ArgMax, Kind::ArgMin] {
        for values in
            [[2.0, 1.0, 2.0, 1.0], [1.0, nan, 3.0, nan], [f64::INFINITY, 0.0, f64::NEG_INFINITY, 1.0], [-0.0, 0.0, -0.0, 0.0]]
        {
            let mut next = values.into_iter();
            let input = g.input(DType::F32, &[4], |_| next.next().unwrap_or(0.0));
            cases.push(Case::new(format!("{values:?}"), Reduce { kind, axes: vec![0], keepdim: false }, vec![input]).rough());
        }
    }
    let mut next = [0.5, 0.0, 2.0, -1.5].into_iter();
    let one_zero = g.input(DType::F32, &[4], |_| next.next().unwrap_or(0.0));
    cases.push(Case::new("one zero", Reduce { kind: Kind::Prod, axes: vec![0], keepdim: false }, vec![one_zero]));
    cases
}

/// How exact each kind must be.
pub fn class(op: &dyn Op, inputs: &[&Array]) -> Option<Class> {
    let op = (op as &dyn Any).downcast_ref::<Reduce>()?;
    let group = inputs.first().map_or(0, |x| op.group(&x.shape));
    Some(match op.kind {
        Kind::Sum => Class::Terms(group),
        Kind::Prod => Class::Factors(group),
        _ => Class::Exact,
    })
}
