//! softmax(x)_i = e^(x_i − max x) / Σ_j e^(x_j − max x) along one axis, its logarithm, and log Σ e^x over any axes; cross-entropy, which is made
//! of the same sums of exponentials.

mod cases;
pub mod cross_entropy;
mod methods;
mod native;
mod rows;
mod variants;

pub use cases::cases;

use crate::error::OpError;
use crate::graph::op::{Array, DType, GradCtx, Kernel, Lowering, Op, Spec};
use crate::graph::{Accuracy, Tensor};

/// Softmax or its logarithm along an axis.
#[derive(Clone, Debug)]
pub struct Softmax {
    /// The axis whose elements sum to 1.
    pub axis: usize,
    /// Whether the result is the logarithm.
    pub log: bool,
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
        let kernel = Kernel {
            name: self.name(),
            params: variants::params(outer * inner, n, inner),
            variants: variants::softmax(outer * inner, n, inner, self.log),
            native: native::softmax(n, inner, self.log),
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
