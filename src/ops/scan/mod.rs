//! Scan: running sums along an axis, out[o, k, i] = Σ x[o, j, i] over j ≤ k, or over j ≥ k in reverse; and recurrences.

mod cases;
pub mod extreme;
mod methods;
mod native;
pub mod recurrence;
mod words;

pub use cases::cases;
pub use words::ScanWords;

use super::{SIGN_BIT, reduce};
use crate::error::OpError;
use crate::graph::op::{Array, DType, GradCtx, Kernel, Lowering, MAX_LOOP_ITERATIONS, Op, Operand, Params, Spec, Stage, Variant};
use crate::graph::{Accuracy, Tensor, record};
use crate::shape::{View, ViewDim};

/// Running sums along one axis.
#[derive(Clone, Copy, Debug)]
pub struct Scan {
    /// The axis.
    pub axis: usize,
    /// Whether the sum runs from the end.
    pub reverse: bool,
}

/// Lines that keep a device busy, an invocation each. Fewer are cut into spans. Not measured.
const ENOUGH_LINES: usize = 1024;
/// Elements of a span, at least.
const MIN_SPAN: usize = 256;
/// Invocations of a workgroup of the shader.
const WORKGROUP: usize = 256;

impl Scan {
    /// The kernels, of floats or of integers.
    fn lowering(&self, output: &Spec, whole: bool) -> Lowering {
        let (outer, n, inner) = output.shape.around(self.axis);
        let lines = outer * inner;
        // About as many spans as elements in each where a line is very long: a device may leave a loop of too many iterations early.
        let span = if lines < ENOUGH_LINES || n > MAX_LOOP_ITERATIONS / 2 { MIN_SPAN.max(n.isqrt()) } else { n.max(1) };
        let spans = n.div_ceil(span).max(1);
        let mut variant =
            Variant::new("scan/scan", Variant::groups((lines * spans).div_ceil(WORKGROUP))).max_loop_iterations(span + spans);
        variant.consts.push(("REVERSE", u32::from(self.reverse)));
        if whole {
            variant.bodies.extend(words::BODIES.map(|(name, body)| (name, body.to_owned())));
        }
        if spans == 1 {
            variant.bodies.retain(|(name, _)| *name != "sum_of_spans_before");
            variant.bodies.push(("sum_of_spans_before", "{ return Running(); }".to_owned()));
        }
        let kernel = Kernel {
            name: "cumsum",
            params: Params::new()
                .set("lines", lines)
                .set("n", n)
                .set("inner", inner)
                .set("span", span)
                .set("spans", spans)
                .set("sign", SIGN_BIT),
            variants: vec![variant],
            native: if whole { words::native(n, inner, self.reverse) } else { native::scan(n, inner, self.reverse) },
        };
        if spans == 1 {
            return Lowering::kernel(kernel, 1);
        }
        // First the total of every span, then every span by itself, from the totals before it on.
        let kept = View::new(0, [ViewDim { size: outer, stride: (n * inner) as isize }, ViewDim { size: inner, stride: 1 }]);
        let along = View::new(0, [ViewDim { size: n, stride: inner as isize }]);
        let (totals, width) = match whole {
            true => (reduce::totals_of_words(&kept, &along, lines * spans, n, span), 1),
            false => (reduce::totals(&kept, &along, lines * spans, n, span), reduce::WORDS_OF_TOTAL),
        };
        let stage = |kernel, reads: &[Operand], write| Stage { kernel, reads: reads.to_vec(), writes: vec![write] };
        Lowering::Stages {
            temps: vec![lines * spans * width],
            stages: vec![
                stage(totals, &[Operand::Input(0)], Operand::Temp(0)),
                stage(kernel, &[Operand::Input(0), Operand::Temp(0)], Operand::Output),
            ],
        }
    }
}

impl Op for Scan {
    fn name(&self) -> &'static str {
        "cumsum"
    }
    fn params(&self) -> Vec<u32> {
        vec![self.axis as u32, u32::from(self.reverse)]
    }
    fn accuracy(&self, _: &[&Array]) -> Accuracy {
        Accuracy::Sum
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        match inputs[0] {
            Spec { shape, dtype: DType::F32, .. } => Ok(Spec::f32(shape)),
            other => Err(OpError::DType(format!("operand is {other}, expected f32; convert with to_f32()"))),
        }
    }
    fn lower(&self, _: &[Spec], output: &Spec) -> Lowering {
        self.lowering(output, false)
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let (outer, n, inner) = output.shape.around(self.axis);
        let mut out = Array::from_fn(output.shape, |_| 0.0);
        for first in (0..outer).flat_map(|o| (0..inner).map(move |i| o * n * inner + i)) {
            let mut sum = 0.0;
            for step in 0..n {
                let at = first + if self.reverse { n - 1 - step } else { step } * inner;
                sum += inputs[0].data[at];
                out.data[at] = sum;
            }
        }
        out
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![Some(record(Scan { reverse: !self.reverse, ..*self }, &[ctx.grad]))]
    }
}
