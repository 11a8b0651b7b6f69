//! Running extremes: where the largest or the smallest of all elements up to each is; with it the logarithms of running sums of powers.

use super::super::case::{Case, Gen};
use crate::error::OpError;
use crate::graph::Tensor;
use crate::graph::op::{Array, DType, GradCtx, Kernel, Lowering, Op, Params, Spec, Variant};
use rayon::prelude::*;
use std::sync::Arc;

/// Elements from which several threads share the work. Not measured alone.
const MIN_PARALLEL: usize = 1 << 14;

/// Neighbouring lines that are walked together.
const STRETCH: usize = 256;

/// The place of the largest (smallest) so far along an axis: of equal ones the last, and NaN stays once it was met.
#[derive(Clone, Copy, Debug)]
struct Extreme {
    axis: usize,
    largest: bool,
}

impl Extreme {
    /// Whether x takes the place of what was best so far.
    fn takes(self, x: f64, best: f64) -> bool {
        x.is_nan() || if self.largest { x >= best } else { x <= best }
    }

    /// All lines of a block, row by row.
    fn walk(self, n: usize, inner: usize, at: impl Fn(usize) -> f64, mut put: impl FnMut(usize, usize)) {
        for start in (0..inner).step_by(STRETCH) {
            let mut best = [0; STRETCH];
            for k in 0..n {
                for (i, best) in (start..inner).zip(&mut best) {
                    if self.takes(at(k * inner + i), at(*best * inner + i)) {
                        *best = k;
                    }
                    put(k * inner + i, *best);
                }
            }
        }
    }
}

impl Op for Extreme {
    fn name(&self) -> &'static str {
        if self.largest { "cummax" } else { "cummin" }
    }
    fn params(&self) -> Vec<u32> {
        vec![self.axis as u32, u32::from(self.largest)]
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let Spec { shape, dtype: DType::F32, .. } = inputs[0] else {
            return Err(OpError::DType(format!("operand is {}, expected f32; convert with to_f32()", inputs[0])));
        };
        let last = shape.dims()[self.axis] as i64 - 1;
        Ok(Spec { shape, dtype: DType::U32, range: (last >= 0).then_some((0, last)) })
    }
    fn lower(&self, _: &[Spec], output: &Spec) -> Lowering {
        let (outer, n, inner) = output.shape.around(self.axis);
        let this = *self;
        let kernel = Kernel {
            name: self.name(),
            params: Params::new().set("count", outer * inner).set("n", n).set("inner", inner).set("first", 0u32),
            variants: vec![Variant {
                consts: vec![("LARGEST", u32::from(self.largest))],
                ..Variant::each_element("scan/extreme", outer * inner).max_loop_iterations(n).in_parts(n, 0)
            }],
            native: Arc::new(move |io| {
                let (x, out) = (io.read(0), &mut *io.writes[0]);
                let block = |(out, x): (&mut [u32], &[f32])| {
                    this.walk(n, inner, |i| f64::from(x[i]), |i, best| out[i] = best as u32);
                };
                if out.len() < MIN_PARALLEL {
                    out.chunks_exact_mut(n * inner).zip(x.chunks_exact(n * inner)).for_each(block);
                } else {
                    out.par_chunks_exact_mut(n * inner).zip(x.par_chunks_exact(n * inner)).for_each(block);
                }
            }),
        };
        Lowering::kernel(kernel, 1)
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let (outer, n, inner) = output.shape.around(self.axis);
        let mut out = Array::from_fn(output.shape, |_| 0.0);
        for first in (0..outer).map(|o| o * n * inner) {
            self.walk(n, inner, |i| inputs[0].data[first + i], |i, best| out.data[first + i] = best as f64);
        }
        out
    }
    fn grad(&self, _: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![None]
    }
}

impl Tensor {
    /// `(values, indices)` of the largest so far along an axis, both of this tensor's shape: of equal ones the last, and NaN stays once it was met
    /// (`torch.cummax`). The gradient goes to where the values came from. f32 only.
    ///
    /// ```
    /// use steepest::Device;
    /// let (values, indices) = Device::cpu().tensor(&[2.0, 1.0, 2.0, 5.0, 3.0], 5).cummax(0);
    /// assert_eq!(values.to_vec::<f32>()?, [2.0, 2.0, 2.0, 5.0, 5.0]);
    /// assert_eq!(indices.to_vec::<u32>()?, [0, 0, 2, 3, 3]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn cummax(&self, axis: isize) -> (Tensor, Tensor) {
        let indices = self.with_shape("cummax", |s| Ok(Extreme { axis: s.axis(axis)?, largest: true }));
        if indices.check().is_err() { (indices.clone(), indices) } else { (self.gather(axis, &indices), indices) }
    }

    /// `(values, indices)` of the smallest so far along an axis; see [`Tensor::cummax`].
    #[track_caller]
    pub fn cummin(&self, axis: isize) -> (Tensor, Tensor) {
        let indices = self.with_shape("cummin", |s| Ok(Extreme { axis: s.axis(axis)?, largest: false }));
        if indices.check().is_err() { (indices.clone(), indices) } else { (self.gather(axis, &indices), indices) }
    }

    /// Running log Σ eˣ along an axis: `out[k] = log(e^x[0] + … + e^x[k])`, without an overflow on the way. −∞ while all so far are −∞, with a
    /// gradient of 0. f32 only.
    ///
    /// ```
    /// use steepest::Device;
    /// let x = Device::cpu().tensor(&[1000.0, 1000.0, -1000.0], 3).logcumsumexp(0).to_vec::<f32>()?;
    /// assert_eq!(x, [1000.0, 1000.0 + 2f32.ln(), 1000.0 + 2f32.ln()]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn logcumsumexp(&self, axis: isize) -> Tensor {
        let at = match self.try_shape().map(|s| s.axis(axis).map(|at| (at as isize, s.dims()[at]))) {
            Err(_) => return self.clone(),
            Ok(Err(error)) => return self.refuse("logcumsumexp", error),
            Ok(Ok((_, 0))) => return self.clone(),
            Ok(Ok((at, _))) => at,
        };
        // s[k] = s[k − 1] e^(m[k − 1] − m[k]) + e^(x[k] − m[k]) with m the largest so far, which the result does not depend on.
        let largest = self.cummax(at).0.detach();
        let shift = largest.is_finite().where_(&largest, &largest.full_like(0.0));
        let before = shift.slice(at, ..1).cat(&[&shift.slice(at, ..-1)], at);
        // Before the first number above −∞ there is nothing to scale.
        let none = largest.eq_scalar(f64::NEG_INFINITY);
        let nothing = none.slice(at, ..1).cat(&[&none.slice(at, ..-1)], at);
        let factors = nothing.where_(&shift.full_like(0.0), &before.sub(&shift).exp());
        let sums = self.sub(&shift).exp().recurrence(&factors, at, false);
        let sums = none.where_(&sums.full_like(1.0), &sums);
        none.where_(&largest, &sums.log().add(&shift)).made_by("logcumsumexp", &[self])
    }
}

/// Test inputs: every axis, ties, no elements, values that are not finite.
pub fn cases(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    let shapes: [(&[usize], usize); 10] = [
        (&[1], 0),
        (&[6], 0),
        (&[4, 3], 0),
        (&[4, 3], 1),
        (&[2, 3, 4], 1),
        (&[0, 3], 1),
        (&[3, 0], 1),
        (&[300, 5], 0),
        (&[2, 257, 3], 1),
        (&[2, 300, 70], 1),
    ];
    for largest in [false, true] {
        for (dims, axis) in shapes {
            let mut add = |what, input| {
                cases.push(
                    Case::new(format!("{dims:?} axis {axis}{what}"), Extreme { axis, largest }, vec![input]).forward_only(),
                );
            };
            add("", g.normalish(dims));
            add(" with ties", g.input(DType::F32, dims, |g| g.below(4) as f64));
            let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1.0, 2.0, 3.0];
            let often = |g: &mut Gen| odd[if g.below(40) == 0 { 0 } else { 1 + g.below(7) }];
            add(" of odd numbers", g.input(DType::F32, dims, often));
        }
    }
    cases
}
