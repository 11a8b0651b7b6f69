//! Ops without native kernels, on the processor: computed by their definition in f64.

use super::{Io, Kernel, Params};
use crate::graph::op::{Array, Lowering, Op, Spec, Stage, defined};
use crate::memory;
use std::sync::Arc;

/// Whether one of the kernels has no native form.
pub(super) fn is_needed(stages: &[Stage]) -> bool {
    stages.iter().any(|stage| !stage.kernel.has_native())
}

/// One native kernel in the place of all of a call's: it reads the inputs, and writes what the definition makes of them. It holds the call itself, so
/// a plan with it serves no other call unless that has the same numbers.
pub(super) fn lowering(op: &Arc<dyn Op>, stages: &[Stage], inputs: &[Spec], output: &Spec) -> Lowering {
    let name = stages.first().map_or("definition", |stage| stage.kernel.name);
    let (op, specs, output) = (op.clone(), inputs.to_vec(), *output);
    let native = move |io: &mut Io<'_>| match value(&*op, io, &specs, &output) {
        Ok(words) => io.writes[0].copy_from_slice(&words),
        Err(message) => io.fail(message),
    };
    Lowering::kernel(Kernel::new(name, Params::new(), vec![]).with_native(native), inputs.len())
}

fn value(op: &dyn Op, io: &Io<'_>, specs: &[Spec], output: &Spec) -> Result<Vec<u32>, String> {
    let numbers = specs.iter().chain([output]).map(|spec| spec.shape.numel()).fold(0, usize::saturating_add);
    let what = format!("the definition of {}", op.name());
    drop(memory::room::<f64>(what, numbers).map_err(|error| error.to_string())?);
    let each = io.reads.iter().zip(specs);
    let inputs: Vec<Array> =
        each.map(|(words, spec)| Array { shape: spec.shape, data: spec.dtype.unpack(words, spec.shape.numel()) }).collect();
    let value = defined(op, &inputs.iter().collect::<Vec<_>>(), output);
    let value = value.map_err(|error| format!("it has no native kernel, and {error}: the CPU needs one of the two"))?;
    Ok(output.dtype.pack(&value.data))
}
