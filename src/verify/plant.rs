//! Planted bugs, for seeing a check fail: an op with a wrong kernel and a right definition. Test hook; nothing else uses it.

use crate::error::OpError;
use crate::graph::Tensor;
use crate::graph::op::{Array, DType, Elementwise, GradCtx, HostOp, Io, Kernel, Lowering, Op, Rule, Spec};
use crate::ops::case::Case;
use std::sync::Arc;

/// An op whose kernels are wrong.
#[derive(Clone, Debug)]
struct Planted(Arc<dyn Op>);

/// A case with the kernels of its op made wrong on every device: an elementwise rule is off by one thousandth, any other kernel has other
/// values in its constants and starts one workgroup less, and natively one bit of its first element is turned; of what the host computes the first
/// element is off.
pub fn wrong(case: &Case) -> Case {
    Case { op: Arc::new(Planted(case.op.clone())), ..case.clone() }
}

impl Op for Planted {
    fn name(&self) -> &'static str {
        self.0.name()
    }
    fn wrapped(&self) -> Option<&dyn Op> {
        Some(&*self.0)
    }
    fn rounded(&self) -> Option<Arc<dyn Op>> {
        self.0.rounded()
    }
    fn params(&self) -> Vec<u32> {
        self.0.params()
    }
    fn scalars(&self) -> Vec<u32> {
        self.0.scalars()
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        self.0.infer(inputs)
    }
    fn accepts_f16(&self) -> bool {
        self.0.accepts_f16()
    }
    fn lower(&self, inputs: &[Spec], output: &Spec) -> Lowering {
        match self.0.lower(inputs, output) {
            Lowering::Elementwise(Elementwise { rule, views }) => {
                Lowering::Elementwise(Elementwise { rule: wrong_rule(rule), views })
            }
            Lowering::Stages { temps, mut stages } => {
                stages.iter_mut().for_each(|stage| break_kernel(&mut stage.kernel));
                Lowering::Stages { temps, stages }
            }
            Lowering::Update(joined) => Lowering::Update(Arc::new(move |spans| {
                let mut kernel = joined(spans);
                break_kernel(&mut kernel);
                kernel
            })),
            unchanged => unchanged,
        }
    }
    fn on_host(&self) -> Option<&dyn HostOp> {
        self.0.on_host().map(|_| self as &dyn HostOp)
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        self.0.reference(inputs, output)
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        self.0.grad(ctx)
    }
    fn mutates(&self) -> &'static [usize] {
        self.0.mutates()
    }
}

impl HostOp for Planted {
    fn compute(&self, inputs: &[&Array], output: &Spec) -> Result<Array, OpError> {
        let Some(right) = self.0.on_host() else { return Err(OpError::Value("it has kernels".to_owned())) };
        let mut value = right.compute(inputs, output)?;
        value.data.iter_mut().take(1).for_each(|first| *first += 1e-3 * (1.0 + first.abs()));
        Ok(value)
    }
}

fn break_kernel(kernel: &mut Kernel) {
    for variant in &mut kernel.variants {
        variant.consts.iter_mut().for_each(|(_, value)| *value ^= 1);
        variant.groups[0] -= 1;
    }
    let native = kernel.native.clone();
    kernel.native = Arc::new(move |io: &mut Io<'_>| {
        native(io);
        if let Some(first) = io.writes.first_mut().and_then(|out| out.first_mut()) {
            *first ^= 1 << 20;
        }
    });
}

/// The rule with a wrong expression. Rules live as long as the program, so each wrong one is left behind: a few in a test.
fn wrong_rule(rule: &'static Rule) -> &'static Rule {
    fn ones(_: &[&[u32]], _: [f32; 2], out: &mut [u32]) {
        out.fill(1.001f32.to_bits());
    }
    let wgsl = match rule.output {
        Some(DType::F32) => format!("1e-3 + ({})", rule.wgsl),
        Some(DType::Bool) => format!("!({})", rule.wgsl),
        _ => rule.wgsl.to_owned(),
    };
    let (wgsl, inputs): (&'static str, _) = (Box::leak(wgsl.into_boxed_str()), rule.inputs);
    Box::leak(Box::new(Rule { wgsl, inputs, chunk: ones, ..*rule }))
}
