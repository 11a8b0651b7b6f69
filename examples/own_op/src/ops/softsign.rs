//! softsign(x) = s x / (1 + |x|): an elementwise op with a number that may change from call to call.

use std::sync::Arc;
use steepest::error::OpError;
use steepest::graph::op::{Array, DType, GradCtx, Io, Lowering, Op, Spec};
use steepest::graph::{Accuracy, Kernel, Params, Tensor, Variant, Wgsl, record};
use steepest::ops::case::{Case, Gen};

static SOFTSIGN: Wgsl = Wgsl::new("softsign", include_str!("softsign.wgsl"));

/// A call: its fields are its parameters.
#[derive(Clone, Debug)]
struct Softsign {
    scale: f64,
}

/// s x / (1 + |x|), element by element.
#[track_caller]
pub fn softsign(x: &Tensor, scale: f64) -> Tensor {
    record(Softsign { scale }, &[x])
}

impl Op for Softsign {
    fn name(&self) -> &'static str {
        "softsign"
    }

    /// The WGSL of its kernels: with the type and `params` it says which plans it may share.
    fn sources(&self) -> &[Wgsl] {
        std::slice::from_ref(&SOFTSIGN)
    }

    /// Numbers that make no other kernel: the members of `Scalars`, in order.
    fn scalars(&self) -> Vec<u32> {
        vec![(self.scale as f32).to_bits()]
    }

    /// The same call with its numbers as devices hold them: what a device is compared with.
    fn rounded(&self) -> Option<Arc<dyn Op>> {
        Some(Arc::new(Softsign { scale: f64::from(self.scale as f32) }))
    }

    /// How exact a device must be; an op that does not say must be right to the last bit.
    fn accuracy(&self, _: &[&Array]) -> Accuracy {
        Accuracy::Division
    }

    /// The shape rule.
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        match inputs {
            [x] if x.dtype == DType::F32 => Ok(*x),
            _ => Err(OpError::DType("softsign is of one f32 tensor".to_owned())),
        }
    }

    /// How devices compute it: WGSL and, for the CPU, a native form.
    fn lower(&self, _: &[Spec], output: &Spec) -> Lowering {
        let count = output.shape.numel();
        let variants = vec![Variant::source_each_element(&SOFTSIGN, count).max_loop_iterations(0)];
        let kernel = Kernel::new("softsign", Params::new().set("count", count), variants).with_native(|io: &mut Io<'_>| {
            let (x, scale) = (io.read(0), io.scalar(0));
            io.write(0).iter_mut().zip(x).for_each(|(y, x)| *y = scale * x / (1.0 + x.abs()));
        });
        Lowering::kernel(kernel, 1)
    }

    /// The definition in f64: the truth that all else is held to.
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let x = &inputs[0].data;
        Array::from_fn(output.shape, |i| self.scale * x[i] / (1.0 + x[i].abs()))
    }

    /// The gradient, in ops: s g / (1 + |x|)². So it has a gradient too.
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let slope = (ctx.inputs[0].abs() + 1.0).square();
        vec![Some(ctx.grad * self.scale / slope)]
    }
}

pub fn cases(g: &mut Gen) -> Vec<Case> {
    Case::of_shapes(&Softsign { scale: 0.3 }, 1, g)
}
