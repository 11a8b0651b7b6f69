//! Recurrence: `out[k] = f[k] · out[k−1] + x[k]` along an axis with `out[0] = x[0]`; cumulative products are one.
//!
//! The gradient of a recurrence is a recurrence in the other direction, so nothing is ever divided: cumulative products with zeros among the
//! factors have the right derivatives of every order. The price is that a line is walked in order; many lines are walked at a time.

use super::case::{Case, Gen};
use crate::error::OpError;
use crate::graph::Accuracy;
use crate::graph::op::{Array, DType, GradCtx, Io, Kernel, Lowering, Op, Params, Spec, Variant};
use crate::graph::{Tensor, record};
use rayon::prelude::*;
use std::sync::Arc;

/// `out[k] = f[k] · out[k−1] + x[k]` along one axis, of x and f of one shape; `f[0]` is not read.
#[derive(Clone, Copy, Debug)]
pub struct Recurrence {
    /// The axis.
    pub axis: usize,
    /// Whether it runs from the end: `out[k] = f[k] · out[k+1] + x[k]`, `out[n−1] = x[n−1]`.
    pub reverse: bool,
}

impl Op for Recurrence {
    fn name(&self) -> &'static str {
        "recurrence"
    }
    fn params(&self) -> Vec<u32> {
        vec![self.axis as u32, u32::from(self.reverse)]
    }
    fn accuracy(&self, inputs: &[&Array]) -> Accuracy {
        Accuracy::Terms(2 * inputs.first().map_or(0, |x| x.shape.dims()[self.axis]))
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        if let Some((i, spec)) = inputs.iter().enumerate().find(|(_, spec)| spec.dtype != DType::F32) {
            return Err(OpError::DType(format!("operand {i} is {spec}, expected f32; convert with to_f32()")));
        }
        let (x, factors) = (inputs[0].shape, inputs[1].shape);
        if x != factors {
            return Err(OpError::Shape(format!("{x} with factors {factors}: one shape is expected")));
        }
        Ok(Spec::f32(x))
    }
    fn lower(&self, _: &[Spec], output: &Spec) -> Lowering {
        let (outer, n, inner) = output.shape.around(self.axis);
        let (lines, reverse) = (outer * inner, self.reverse);
        let kernel = Kernel {
            name: self.name(),
            params: Params::new().set("lines", lines).set("n", n).set("inner", inner).set("first", 0u32),
            variants: vec![Variant {
                consts: vec![("REVERSE", u32::from(reverse))],
                ..Variant::new("scan/recurrence", Variant::groups(lines.div_ceil(64))).max_loop_iterations(n).in_parts(n, 0)
            }],
            native: Arc::new(move |io| native(io, n, inner, reverse)),
        };
        Lowering::kernel(kernel, 2)
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let (outer, n, inner) = output.shape.around(self.axis);
        let mut out = Array::from_fn(output.shape, |_| 0.0);
        for first in (0..outer).flat_map(|o| (0..inner).map(move |i| o * n * inner + i)) {
            let mut before = None;
            for step in 0..n {
                let at = first + if self.reverse { n - 1 - step } else { step } * inner;
                let value = before.map_or(inputs[0].data[at], |before| inputs[1].data[at] * before + inputs[0].data[at]);
                out.data[at] = value;
                before = Some(value);
            }
        }
        out
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let Recurrence { axis, reverse } = *self;
        // The slope by x[k] is s[k] = g[k] + f[k+1] s[k+1], and the slope by f[k] is s[k] out[k−1].
        let back = Recurrence { axis, reverse: !reverse };
        let slope = record(back, &[ctx.grad, &ctx.inputs[1].shifted(axis, !reverse)]);
        let by_factor = ctx.needs[1].then(|| slope.masked(&ctx.output.shifted(axis, reverse)));
        vec![ctx.needs[0].then_some(slope), by_factor]
    }
}

/// Row by row: each is the one before it (after it, in reverse) times the factors, plus the input's.
fn native(io: &mut Io<'_>, n: usize, inner: usize, reverse: bool) {
    let (x, factors) = (io.read(0), io.read(1));
    let out = io.write(0);
    let block = n * inner;
    let walk = |(out, (x, f)): (&mut [f32], (&[f32], &[f32]))| {
        let first = if reverse { block - inner } else { 0 };
        out[first..][..inner].copy_from_slice(&x[first..][..inner]);
        for k in 1..n {
            let (row, before) = if reverse { (n - 1 - k, n - k) } else { (k, k - 1) };
            for i in 0..inner {
                out[row * inner + i] = f[row * inner + i] * out[before * inner + i] + x[row * inner + i];
            }
        }
    };
    if out.len() < 1 << 14 {
        out.chunks_exact_mut(block).zip(x.chunks_exact(block).zip(factors.chunks_exact(block))).for_each(walk);
    } else {
        out.par_chunks_exact_mut(block).zip(x.par_chunks_exact(block).zip(factors.par_chunks_exact(block))).for_each(walk);
    }
}

impl Tensor {
    /// Moved by one along an axis, with a 0 where nothing came from: `out[k] = x[k+1]` if `back`, else `out[k] = x[k−1]`.
    #[track_caller]
    fn shifted(&self, axis: usize, back: bool) -> Tensor {
        let Ok(shape) = self.try_shape() else { return self.clone() };
        if shape.dims()[axis] == 0 {
            return self.clone();
        }
        let mut pads = vec![(0, 0); shape.rank()];
        pads[axis] = if back { (0, 1) } else { (1, 0) };
        let rest = if back { self.slice(axis as isize, 1..) } else { self.slice(axis as isize, ..-1) };
        rest.pad(&pads, 0.0)
    }

    /// The linear recurrence `out[k] = f[k] · out[k−1] + x[k]` along an axis, from `out[0] = x[0]` on; with `reverse` from the end. x (this
    /// tensor) and the factors f are f32 of one shape, and the factor at the start is not read. Two shapes, another type or an axis out of
    /// range are errors.
    ///
    /// Momentum, moving averages, filters and discounted sums are of this form. A line is walked in order, so one long line is slow on a GPU.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let (x, f) = (device.tensor(&[1.0, 2.0, 3.0], 3), device.tensor(&[9.0, 0.5, 0.5], 3));
    /// assert_eq!(x.recurrence(&f, 0, false).to_vec::<f32>()?, [1.0, 2.5, 4.25]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn recurrence(&self, factors: &Tensor, axis: isize, reverse: bool) -> Tensor {
        match self.try_shape().map(|s| s.axis(axis)) {
            Ok(Ok(axis)) => record(Recurrence { axis, reverse }, &[self, factors]),
            Ok(Err(error)) => self.refuse("recurrence", error),
            Err(_) => self.clone(),
        }
    }

    /// Running products along an axis: each element becomes the product of itself and all before it.
    ///
    /// Derivatives of every order are right with zeros too. A type other than f32 or an axis out of range are errors.
    ///
    /// ```
    /// use steepest::Device;
    /// let x = Device::cpu().tensor(&[2.0, 3.0, 4.0], 3);
    /// assert_eq!(x.cumprod(0).to_vec::<f32>()?, [2.0, 6.0, 24.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn cumprod(&self, axis: isize) -> Tensor {
        let (shape, at) = match self.try_shape().map(|s| s.axis(axis).map(|at| (s, at))) {
            Err(_) => return self.clone(),
            Ok(Err(error)) => return self.refuse("cumprod", error),
            Ok(Ok(found)) => found,
        };
        if shape.dims()[at] == 0 {
            return self.clone();
        }
        // The first element starts the recurrence, and nothing is added later.
        let mut pads = vec![(0, 0); shape.rank()];
        pads[at] = (0, shape.dims()[at] - 1);
        self.slice(axis, ..1).pad(&pads, 0.0).recurrence(self, axis, false).made_by("cumprod", &[self])
    }
}

/// Test inputs: every axis, both directions, sizes around the workgroup, zeros, no elements, values that are not finite.
pub fn cases(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    let shapes: [(&[usize], usize); 12] = [
        (&[1], 0),
        (&[2], 0),
        (&[6], 0),
        (&[4, 3], 0),
        (&[4, 3], 1),
        (&[2, 3, 4], 1),
        (&[0, 3], 1),
        (&[3, 0], 1),
        (&[63, 5], 1),
        (&[65, 5], 1),
        (&[3, 200, 2], 1),
        (&[2, 300, 70], 1),
    ];
    for (dims, axis) in shapes {
        for reverse in [false, true] {
            let inputs = vec![g.normalish(dims), g.floats(dims, -1.1, 1.1)];
            cases.push(Case::new(format!("{dims:?} axis {axis}"), Recurrence { axis, reverse }, inputs));
        }
    }
    for reverse in [false, true] {
        let zeros = g.input(DType::F32, &[6], |g| g.below(2) as f64);
        cases.push(Case::new("zero factors", Recurrence { axis: 0, reverse }, vec![g.normalish(&[6]), zeros]));
        // An infinite factor at the start is not read; later 0 · ∞ is NaN.
        for values in [[f64::INFINITY, 0.0, 1.0, f64::INFINITY], [1.0, f64::NAN, 0.0, 2.0], [f64::INFINITY; 4]] {
            let mut next = values.into_iter();
            let factors = g.input(DType::F32, &[4], |_| next.next().unwrap_or(0.0));
            let x = g.input(DType::F32, &[4], |g| g.below(2) as f64);
            cases.push(Case::new(format!("{values:?}"), Recurrence { axis: 0, reverse }, vec![x, factors]).forward_only());
        }
    }
    cases
}
