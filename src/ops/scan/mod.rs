//! Scan: running sums along an axis, out[o, k, i] = Σ x[o, j, i] over j ≤ k, or over j ≥ k in reverse.

use super::case::{Case, Gen};
use super::{SIGN_BIT, reduce, rows};
use crate::error::OpError;
use crate::graph::Accuracy;
use crate::graph::op::{
    Array, DType, GradCtx, Io, Kernel, Lowering, MAX_LOOP_ITERATIONS, Op, Operand, Params, Spec, Stage, Variant,
};
use crate::graph::{Tensor, record};
use crate::shape::{View, ViewDim};
use rayon::prelude::*;
use std::sync::Arc;

/// Running sums along one axis.
#[derive(Clone, Copy, Debug)]
pub struct Scan {
    /// The axis.
    pub axis: usize,
    /// Whether the sum runs from the end.
    pub reverse: bool,
}

/// Elements that one invocation adds up where there are too few lines to keep a device busy.
const SPAN: usize = 256;
/// Lines that are enough.
const LINES: usize = 1024;

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
        let (outer, n, inner) = output.shape.around(self.axis);
        let lines = outer * inner;
        // About as many spans as elements in each where a line is very long: a device may leave a loop of too many iterations early.
        let span = if lines < LINES || n > MAX_LOOP_ITERATIONS / 2 { SPAN.max(n.isqrt()) } else { n.max(1) };
        let spans = n.div_ceil(span).max(1);
        let mut variant =
            Variant::new("scan/scan", Variant::groups((lines * spans).div_ceil(256))).max_loop_iterations(span + spans);
        variant.consts.push(("REVERSE", u32::from(self.reverse)));
        if spans == 1 {
            variant.bodies.push(("sum_before", "{ return vec2<f32>(0.0); }".to_owned()));
        }
        let reverse = self.reverse;
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
            native: Arc::new(move |io| native(io, n, inner, reverse)),
        };
        if spans == 1 {
            return Lowering::kernel(kernel, 1);
        }
        // First the total of every span, then every span by itself, from the totals before it on.
        let kept = [ViewDim { size: outer, stride: (n * inner) as isize }, ViewDim { size: inner, stride: 1 }];
        let along = [ViewDim { size: n, stride: inner as isize }];
        let totals = reduce::unfinished(&View::new(0, kept), &View::new(0, along), lines * spans, n, span);
        let stage = |kernel, reads: &[Operand], write| Stage { kernel, reads: reads.to_vec(), writes: vec![write] };
        Lowering::Stages {
            temps: vec![lines * spans * reduce::WORDS],
            stages: vec![
                stage(totals, &[Operand::Input(0)], Operand::Temp(0)),
                stage(kernel, &[Operand::Input(0), Operand::Temp(0)], Operand::Output),
            ],
        }
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

/// Row by row: each is the one before it (after it, in reverse) plus the input's. What rounding takes from a sum is added to the next.
fn native(io: &mut Io<'_>, n: usize, inner: usize, reverse: bool) {
    const ABREAST: usize = 256;
    let read = io.read(0);
    let out = io.write(0);
    let block = n * inner;
    let ordered = |k: usize| if reverse { n - 1 - k } else { k };
    let scan = |(out, x): (&mut [f32], &[f32])| {
        if inner == 1 {
            let mut sum = 0.0;
            for k in (0..n).map(ordered) {
                sum += f64::from(x[k]);
                out[k] = sum as f32;
                // What has become infinite in f32 stays so.
                if out[k].is_infinite() {
                    sum = f64::from(out[k]);
                }
            }
            return;
        }
        for start in (0..inner).step_by(ABREAST) {
            let width = ABREAST.min(inner - start);
            let (mut sums, mut owed) = ([0.0; ABREAST], [0.0; ABREAST]);
            for k in (0..n).map(ordered) {
                let at = k * inner + start;
                rows::running(&mut sums[..width], &mut owed[..width], &x[at..][..width], &mut out[at..][..width]);
            }
        }
    };
    if out.len() < 1 << 14 {
        out.chunks_exact_mut(block).zip(read.chunks_exact(block)).for_each(scan);
    } else {
        out.par_chunks_exact_mut(block).zip(read.par_chunks_exact(block)).for_each(scan);
    }
}

impl Tensor {
    /// Running sums along an axis: each element becomes the sum of itself and all before it, or with `reverse` all after it.
    ///
    /// ```
    /// use steepest::Device;
    /// let x = Device::cpu().tensor(&[1.0, 2.0, 3.0], 3);
    /// assert_eq!(x.cumsum(0, false).to_vec::<f32>()?, [1.0, 3.0, 6.0]);
    /// assert_eq!(x.cumsum(0, true).to_vec::<f32>()?, [6.0, 5.0, 3.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn cumsum(&self, axis: isize, reverse: bool) -> Tensor {
        self.with_shape("cumsum", |s| Ok(Scan { axis: s.axis(axis)?, reverse }))
    }
}

/// Test inputs: every axis, both directions, both sides of the span, no elements, infinities.
pub fn cases(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    let shapes: [(&[usize], usize); 12] = [
        (&[1], 0),
        (&[5], 0),
        (&[4, 3], 0),
        (&[4, 3], 1),
        (&[2, 3, 4], 1),
        (&[0, 3], 1),
        (&[3, 0], 1),
        (&[256], 0),
        (&[257], 0),
        (&[2, 1000, 3], 1),
        (&[300, 70], 0),
        (&[1030, 20], 1),
    ];
    for (dims, axis) in shapes {
        for reverse in [false, true] {
            cases.push(Case::new(format!("{dims:?} axis {axis}"), Scan { axis, reverse }, vec![g.normalish(dims)]));
        }
    }
    for values in [[1.0, f64::NAN, 2.0, 3.0], [1.0, f64::INFINITY, 2.0, f64::NEG_INFINITY]] {
        let mut next = values.into_iter();
        let input = g.input(DType::F32, &[4], |_| next.next().unwrap_or(0.0));
        cases.push(Case::new(format!("{values:?}"), Scan { axis: 0, reverse: false }, vec![input]).forward_only());
    }
    cases
}
