//! Reductions of integers and truth values: sums and products that wrap around, and extremes. Exact on every device.

use super::super::case::{Case, Gen};
use super::variants::Step;
use super::{Kind, Reduce};
use crate::error::OpError;
use crate::graph::Tensor;
use crate::graph::op::{Array, DType, GradCtx, Io, Kernel, Lowering, Native, Op, Spec, Target, Variant};
use rayon::prelude::*;
use std::sync::Arc;

/// Members below which one thread is faster than several. Not measured.
const MIN_PARALLEL: usize = 1 << 15;
/// Invocations in a workgroup of the shader.
const WORKGROUP: usize = 256;

/// A reduction of i32, u32 or bool: sum, prod, max or min. Of truth values the sum is their number, a u32.
#[derive(Clone, Debug)]
pub struct ReduceWords(pub Reduce);

impl Op for ReduceWords {
    fn name(&self) -> &'static str {
        self.0.kind.name()
    }
    fn params(&self) -> Vec<u32> {
        [self.0.params(), vec![self.0.kind as u32]].concat()
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let spec = inputs[0];
        let output = match (spec.dtype, self.0.kind) {
            (DType::I32 | DType::U32, Kind::Sum | Kind::Prod | Kind::Max | Kind::Min) => spec.dtype,
            (DType::Bool, Kind::Max | Kind::Min) => DType::Bool,
            (DType::Bool, Kind::Sum) => DType::U32,
            _ => return Err(OpError::DType(format!("operand is {spec}, expected f32; convert with to_f32()"))),
        };
        let (shape, group) = (spec.shape.reduced(&self.0.axes, self.0.keepdim), self.0.group(&spec.shape));
        if group == 0 && !matches!(self.0.kind, Kind::Sum | Kind::Prod) {
            return Err(OpError::Shape(format!("of no elements: axes {:?} of {}", self.0.axes, spec.shape)));
        }
        Ok(Spec::new(shape, output))
    }
    fn lower(&self, inputs: &[Spec], output: &Spec) -> Lowering {
        let (kept, reduced) = self.0.views(&inputs[0].shape);
        let (outputs, group) = (output.shape.numel(), self.0.group(&inputs[0].shape));
        super::variants::lowering_of_words(self.0.kind, kept, reduced, outputs, group, inputs[0].dtype == DType::I32)
    }
    fn flops(&self, inputs: &[Spec], _: &Spec) -> u64 {
        inputs[0].shape.numel() as u64
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let (kept, reduced) = self.0.views(&inputs[0].shape);
        let group = self.0.group(&inputs[0].shape);
        Array::from_fn(output.shape, |o| {
            let mut base = 0;
            kept.positions(o, 1, |p| base = p);
            let mut members = Vec::with_capacity(group);
            reduced.positions(0, group, |p| members.push(inputs[0].data[base + p]));
            // Modulo 2³², as words.
            let words = members.iter().map(|&x| x as i64 as u32);
            match self.0.kind {
                Kind::Sum => output.dtype.to_f64(words.fold(0, u32::wrapping_add)),
                Kind::Prod => output.dtype.to_f64(words.fold(1, u32::wrapping_mul)),
                Kind::Max => members.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                _ => members.iter().copied().fold(f64::INFINITY, f64::min),
            }
        })
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![None; ctx.inputs.len()]
    }
}

/// The kernel of a step.
pub(super) fn kernel(step: Step, signed: bool) -> Kernel {
    let groups = Variant::groups(step.outputs.div_ceil(WORKGROUP));
    let consts = [step.consts(), vec![("SIGNED", u32::from(signed))]].concat();
    let variant = Variant {
        consts,
        target: Target::Any,
        ..Variant::new("reduce/words", groups).max_loop_iterations(step.loop_iterations(1))
    };
    let (name, params) = (step.kind.name(), step.params());
    Kernel { name, params, variants: vec![variant], native: native(step, signed) }
}

fn native(step: Step, signed: bool) -> Native {
    // Signed numbers are in the order of unsigned ones with the sign turned.
    let turn = if signed { 1 << 31 } else { 0 };
    let one_of: fn(u32, u32, u32) -> u32 = match step.kind {
        Kind::Prod => |a, b, _| a.wrapping_mul(b),
        Kind::Max => |a, b, turn| (a ^ turn).max(b ^ turn) ^ turn,
        Kind::Min => |a, b, turn| (a ^ turn).min(b ^ turn) ^ turn,
        _ => |a, b, _| a.wrapping_add(b),
    };
    Arc::new(move |io: &mut Io<'_>| {
        let read = io.reads[0];
        let out = &mut *io.writes[0];
        let alone = out.len() * step.group.min(step.span) < MIN_PARALLEL;
        let one = |(o, out): (usize, &mut u32)| {
            let (mut base, chunks) = (0, step.chunks());
            step.kept.positions(o / chunks, 1, |p| base = p);
            let start = o % chunks * step.span;
            let count = step.span.min(step.group - start.min(step.group));
            let mut total = None;
            step.reduced.positions(start, count, |p| {
                let x = read[base + p];
                total = Some(total.map_or(x, |total| one_of(total, x, turn)));
            });
            *out = total.unwrap_or(u32::from(step.kind == Kind::Prod));
        };
        if alone { out.iter_mut().enumerate().for_each(one) } else { out.par_iter_mut().enumerate().for_each(one) }
    })
}

/// Test inputs: every kind and type, at both sides of the span, at the ends of the ranges.
pub(super) fn cases(g: &mut Gen) -> Vec<Case> {
    let mut cases = vec![];
    let shapes: [(&[usize], &[usize]); 11] = [
        (&[], &[]),
        (&[1], &[0]),
        (&[5], &[0]),
        (&[3, 4], &[0]),
        (&[3, 4], &[1]),
        (&[2, 3, 4], &[0, 2]),
        (&[2, 2, 2, 2, 2, 2, 2, 2], &[1, 3, 4, 7]),
        (&[0, 3], &[1]),
        (&[1025], &[0]),
        (&[3, 2500], &[1]),
        (&[65_539, 2], &[0]),
    ];
    for kind in [Kind::Sum, Kind::Prod, Kind::Max, Kind::Min] {
        for dtype in [DType::I32, DType::U32, DType::Bool] {
            if (dtype, kind) == (DType::Bool, Kind::Prod) {
                continue;
            }
            for (dims, axes) in shapes {
                let input = g.input(dtype, dims, |g| match dtype {
                    DType::Bool => (g.bits() & 1) as f64,
                    _ => dtype.to_f64(g.bits() as u32),
                });
                let op = ReduceWords(Reduce { kind, axes: axes.to_vec(), keepdim: dims.len() % 2 == 0 });
                cases.push(Case::new(format!("{dtype}{dims:?} over {axes:?}"), op, vec![input]).forward_only());
            }
        }
    }
    for kind in [Kind::Sum, Kind::Prod] {
        let op = ReduceWords(Reduce { kind, axes: vec![0], keepdim: false });
        cases.push(Case::new("no integers", op, vec![g.input(DType::I32, &[0, 3], |_| 0.0)]).forward_only());
    }
    cases
}
