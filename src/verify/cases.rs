//! The cases that are checked, and what a device makes of one.

use crate::device::Device;
use crate::error::Result;
use crate::graph::op::{Array, DType, Spec};
use crate::graph::{Tensor, record_shared};
use crate::ops::REGISTRY;
use crate::ops::case::{Case, Gen};

/// The seed of the test inputs: the same cases everywhere.
pub const SEED: u64 = 20_240_229;

/// Every case of every family whose name contains `filter`, or one of its parts where it has commas; of all families if it is empty.
pub fn cases(filter: &str) -> Vec<(&'static str, Case)> {
    let families = REGISTRY.iter().filter(|f| filter.split(',').any(|part| f.name.contains(part.trim())));
    families.flat_map(|f| (f.cases)(&mut Gen::new(SEED)).into_iter().map(|c| (f.name, c))).collect()
}

/// A case's inputs as tensors of a device; floats become parameters where gradients are wanted.
pub(super) fn tensors(device: &Device, case: &Case, gradients: bool) -> Vec<Tensor> {
    case.inputs
        .iter()
        .map(|input| {
            let words = input.dtype.pack(&input.array.data);
            device.words(words, input.array.shape, input.dtype, gradients && input.dtype.is_float())
        })
        .collect()
}

/// A case's op, recorded on a device.
pub(super) fn recorded(device: &Device, case: &Case, inputs: &[Tensor]) -> Tensor {
    record_shared(device.backend(), case.op.clone(), &inputs.iter().collect::<Vec<_>>())
}

async fn numbers(tensor: &Tensor, spec: &Spec) -> Result<Vec<f64>> {
    Ok(match spec.dtype {
        DType::F32 | DType::F16 => tensor.fetch::<f32>().await?.into_iter().map(f64::from).collect(),
        DType::U32 => tensor.fetch::<u32>().await?.into_iter().map(f64::from).collect(),
        DType::I32 => tensor.fetch::<i32>().await?.into_iter().map(f64::from).collect(),
        DType::Bool => tensor.fetch::<bool>().await?.into_iter().map(|b| f64::from(u8::from(b))).collect(),
    })
}

/// What a device makes of a case: the output, or for an update the new values of what it overwrites.
pub(super) async fn computed(device: &Device, case: &Case) -> Result<(Spec, Array)> {
    let inputs = tensors(device, case, false);
    let output = recorded(device, case, &inputs);
    if !case.op.mutates().is_empty() {
        device.run_async([&output]).await?;
    }
    made(case, &inputs, &output).await
}

/// The numbers of a case whose inputs and output these are; an update must have run.
pub(super) async fn made(case: &Case, inputs: &[Tensor], output: &Tensor) -> Result<(Spec, Array)> {
    let spec = output.spec()?;
    if case.op.mutates().is_empty() {
        return Ok((spec, Array::new(spec.shape, numbers(output, &spec).await?)));
    }
    let mut data = Vec::new();
    for &i in case.op.mutates() {
        data.extend(numbers(&inputs[i], &inputs[i].spec()?).await?);
    }
    Ok((spec, Array::new(spec.shape, data)))
}
