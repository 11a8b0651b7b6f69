//! Recurrence: `out[k] = f[k] · out[k−1] + x[k]` along an axis with `out[0] = x[0]`; cumulative products are one.
//!
//! The gradient of a recurrence is a recurrence in the other direction, so nothing is ever divided: cumulative products with zeros among the
//! factors have the right derivatives of every order. The price is that a line is walked in order; many lines are walked at a time.

pub use super::cases::recurrence as cases;

use super::native;
use crate::error::OpError;
use crate::graph::op::{Array, DType, GradCtx, Kernel, Lowering, Op, Params, Spec, Variant};
use crate::graph::{Accuracy, Tensor, record};

/// Invocations of a workgroup of the shader.
const WORKGROUP: usize = 64;

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
        let lines = outer * inner;
        let kernel = Kernel {
            name: self.name(),
            params: Params::new().set("lines", lines).set("n", n).set("inner", inner).set("first", 0u32),
            variants: vec![Variant {
                consts: vec![("REVERSE", u32::from(self.reverse))],
                ..Variant::new("scan/recurrence", Variant::groups(lines.div_ceil(WORKGROUP)))
                    .max_loop_iterations(n)
                    .in_parts(n, 0)
            }],
            native: native::recurrence(n, inner, self.reverse),
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
}
