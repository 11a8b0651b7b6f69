//! softmax(x)_i = e^(x_i − max x) / Σ_j e^(x_j − max x) along one axis, its logarithm, and log Σ e^x over any axes.

use super::case::{Case, Gen};
use super::{SIGN_BIT, math, rows};
use crate::error::OpError;
use crate::graph::Accuracy;
use crate::graph::Tensor;
use crate::graph::op::{Array, DType, GradCtx, Kernel, Lowering, MAX_LOOP_ITERATIONS, Op, Params, Spec, Target, Variant};
use rayon::prelude::*;
use std::sync::Arc;

/// Softmax or its logarithm along an axis.
#[derive(Clone, Debug)]
pub struct Softmax {
    /// The axis whose elements sum to 1.
    pub axis: usize,
    /// Whether the result is the logarithm.
    pub log: bool,
}

/// Numbers below which one thread is faster than several, and that each takes at a time.
pub(super) const SHARE: usize = 1 << 13;

/// Numbers in a row from which a workgroup for each pays on hardware.
pub(super) const WIDE: usize = 128;

/// Numbers in a row from which only the kernel with a workgroup for each row has no more loop iterations than every device makes.
pub(super) const LONG: usize = MAX_LOOP_ITERATIONS / 4;

/// Numbers of a row of `n` that an invocation of a workgroup takes at a time.
pub(super) fn each(n: usize) -> u32 {
    if n > LONG { 8 } else { 1 }
}

/// Loop iterations of an invocation where 256 of them walk over a row of `n` numbers some times.
pub(super) fn around(n: usize, walks: usize) -> usize {
    walks * (n.div_ceil(256 * each(n) as usize) + 8)
}

/// The members of `Params` of all kernels of the family.
pub(super) fn params(rows: usize, n: usize, inner: usize) -> Params {
    Params::new().set("rows", rows).set("n", n).set("inner", inner).set("sign", SIGN_BIT)
}

impl Op for Softmax {
    fn name(&self) -> &'static str {
        if self.log { "log_softmax" } else { "softmax" }
    }
    fn params(&self) -> Vec<u32> {
        vec![self.axis as u32]
    }
    fn accuracy(&self, _: &[&Array]) -> Accuracy {
        Accuracy::Normalised
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        if inputs[0].dtype != DType::F32 {
            return Err(OpError::DType(format!("operand is {}, expected f32; convert with to_f32()", inputs[0])));
        }
        Ok(inputs[0])
    }
    fn lower(&self, inputs: &[Spec], _: &Spec) -> Lowering {
        let (outer, n, inner) = inputs[0].shape.around(self.axis);
        let (log, lines) = (self.log, outer * inner);
        let kernel = Kernel {
            name: self.name(),
            params: params(lines, n, inner),
            variants: {
                let form = |shader, per_group: usize, target| Variant {
                    consts: vec![("LOG", u32::from(log))],
                    target,
                    ..Variant::new(shader, Variant::groups(lines.div_ceil(per_group)))
                };
                let mut variants = vec![];
                let group = |target| {
                    let mut group = form("softmax/softmax_group", 1, target).max_loop_iterations(around(n, 2));
                    group.consts.push(("EACH", each(n)));
                    group
                };
                if inner == 1 && n >= WIDE {
                    variants.push(group(Target::Hardware));
                }
                if inner == 1 && n % 4 == 0 {
                    variants.push(form("softmax/software/softmax", 8, Target::Software).max_loop_iterations(n / 2 + 8));
                }
                variants.push(form("softmax/softmax", 64, Target::Any).max_loop_iterations(3 * n));
                if inner != 1 && n > LONG {
                    // For devices that leave so long a loop early.
                    variants.push(group(Target::Any));
                }
                variants
            },
            native: Arc::new(move |io| {
                let read = io.read(0);
                let block = (n * inner).max(1);
                let each = |(o, out): (usize, &mut [f32])| {
                    let x = &read[o * block..(o + 1) * block];
                    // A line whose largest is not finite has a sum that is NaN, and becomes NaN, as NumPy's ∞ − ∞.
                    if inner != 1 {
                        rows::softmax_columns(x, inner, log, out);
                    } else if log {
                        let (max, sum) = rows::exp_sum(x);
                        rows::shifted(x, max, math::ln(sum), out);
                    } else {
                        let sum = rows::exponentials(x, out);
                        rows::scale(out, 1.0 / sum);
                    }
                };
                let out = io.write(0);
                if out.len() < 2 * SHARE {
                    out.chunks_mut(block).enumerate().for_each(each);
                } else {
                    out.par_chunks_mut(block).with_min_len(SHARE.div_ceil(block)).enumerate().for_each(each);
                }
            }),
        };
        Lowering::kernel(kernel, 1)
    }
    fn flops(&self, _: &[Spec], output: &Spec) -> u64 {
        // The largest, the difference, its exponential, their sum, the quotient.
        5 * output.shape.numel() as u64
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let (outer, n, inner) = output.shape.around(self.axis);
        let x = &inputs[0].data;
        let mut out = Array::from_fn(output.shape, |_| 0.0);
        for first in (0..outer).flat_map(|o| (0..inner).map(move |i| o * n * inner + i)) {
            let line = || (0..n).map(|k| first + k * inner);
            // f64::max would drop a NaN.
            let max = line().map(|at| x[at]).fold(f64::NEG_INFINITY, |m, v| if v.is_nan() || v > m { v } else { m });
            let sum: f64 = line().map(|at| (x[at] - max).exp()).sum();
            for at in line() {
                out.data[at] = if self.log { x[at] - max - sum.ln() } else { (x[at] - max).exp() / sum };
            }
        }
        out
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let axis = [self.axis as isize];
        vec![Some(if self.log {
            ctx.grad.sub(&ctx.output.exp().mul(&ctx.grad.sum_keepdim(&axis)))
        } else {
            let weighted = ctx.grad.mul(ctx.output);
            weighted.sub(&ctx.output.mul(&weighted.sum_keepdim(&axis)))
        })]
    }
}

impl Tensor {
    /// Softmax along an axis: positive numbers that sum to 1. A line whose largest element is not finite becomes NaN.
    ///
    /// ```
    /// use steepest::Device;
    /// let p = Device::cpu().tensor(&[0.0, 0.0], 2).softmax(-1);
    /// assert_eq!(p.to_vec::<f32>()?, [0.5, 0.5]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn softmax(&self, axis: isize) -> Tensor {
        self.with_shape("softmax", |s| Ok(Softmax { axis: s.axis(axis)?, log: false }))
    }

    /// The logarithm of the softmax, exact where the softmax itself underflows.
    #[track_caller]
    pub fn log_softmax(&self, axis: isize) -> Tensor {
        self.with_shape("log_softmax", |s| Ok(Softmax { axis: s.axis(axis)?, log: true }))
    }

    /// log Σ e^x over some axes (an empty list means all), without overflow.
    #[track_caller]
    pub fn logsumexp(&self, axes: &[isize], keepdim: bool) -> Tensor {
        let largest = self.max_keepdim(axes);
        // Shifting by an infinity would give ∞ − ∞.
        let shift = largest.is_finite().where_(&largest, &largest.full_like(0.0)).detach();
        let total = self.sub(&shift).exp().sum_keepdim(axes).log().add(&shift);
        let total = match self.try_shape().map(|s| s.reduced(&s.axes(axes).unwrap_or_default(), keepdim)) {
            Ok(shape) => total.reshape(shape),
            Err(_) => total,
        };
        total.made_by("logsumexp", &[self])
    }
}

/// Test inputs: every axis, both sides of the workgroup, large logits, lines that are not finite.
pub fn cases(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    for log in [false, true] {
        let shapes: [(&[usize], usize); 12] = [
            (&[1], 0),
            (&[5], 0),
            (&[3, 4], 0),
            (&[3, 4], 1),
            (&[63, 10], 1),
            (&[65, 10], 1),
            (&[2, 3, 4], 1),
            (&[4, 1000], 1),
            (&[9, 20], 1),
            (&[2, 131], 1),
            (&[3, 516], 1),
            (&[0, 3], 1),
        ];
        for (dims, axis) in shapes {
            cases.push(Case::new(format!("{dims:?}"), Softmax { axis, log }, vec![g.floats(dims, -6.0, 6.0)]));
        }
        cases.push(Case::new("large", Softmax { axis: 1, log }, vec![g.floats(&[5, 7], -1000.0, 1000.0)]).forward_only());
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        for row in [[1.0, -inf, 2.0], [1.0, inf, 2.0], [1.0, nan, 2.0], [-inf, -inf, -inf], [0.0, -100.0, -1e30]] {
            let mut next = row.into_iter();
            let input = g.input(DType::F32, &[1, 3], |_| next.next().unwrap_or(0.0));
            cases.push(Case::new(format!("{row:?}"), Softmax { axis: 1, log }, vec![input]).forward_only());
        }
        // The same in rows long enough for every kernel, at both ends.
        for (odd, place) in [(inf, 0), (nan, 131), (-inf, 17), (-1e30, 0), (nan, 129)] {
            let mut row = (0..132).map(|i| if i == place { odd } else { f64::from(i % 7) }).collect::<Vec<_>>().into_iter();
            let input = g.input(DType::F32, &[1, 132], |_| row.next().unwrap_or(0.0));
            cases.push(Case::new(format!("{odd} at {place}"), Softmax { axis: 1, log }, vec![input]).forward_only());
        }
        let nothing = g.input(DType::F32, &[1, 132], |_| -inf);
        cases.push(Case::new("-inf", Softmax { axis: 1, log }, vec![nothing]).forward_only());
    }
    cases
}
