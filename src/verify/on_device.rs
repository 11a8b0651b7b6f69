//! The gradient of a case as a device computes it, fused and planned as in training, against the same in f64.

use super::cases::{recorded, tensors};
use super::report::Report;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::graph::op::{Array, DType, Op};
use crate::ops::case::{Case, Gen};
use crate::ops::tolerance;
use crate::reference::{Overrides, evaluate_async};
use std::sync::Arc;

/// Enters the gradient of one case into a report; `truth` is the op whose definition is right.
///
/// # Errors
/// A device that was lost.
pub(super) async fn enter(
    device: &Device,
    family: &str,
    case: &Case,
    truth: &Arc<dyn Op>,
    g: &mut Gen,
    report: &mut Report,
) -> Result<()> {
    if !case.smooth || !case.op.mutates().is_empty() {
        return Ok(());
    }
    let place = format!("{family} {truth:?} ({})", case.label);
    match gradient_on(device, case, g).await {
        Err(lost @ Error::DeviceLost { .. }) => return Err(lost),
        Err(error) => report.failures.push(format!("{place}: {error}")),
        Ok(None) => {}
        Ok(Some((elements, worst))) => report.note("gradients", &place, elements, worst),
    }
    Ok(())
}

async fn gradient_on(device: &Device, case: &Case, g: &mut Gen) -> Result<Option<(usize, Option<tolerance::Worst>)>> {
    let inputs = tensors(device, case, true);
    let output = recorded(device, case, &inputs);
    let shape = output.try_shape()?;
    if !output.requires_grad() || shape.numel() == 0 || case.inputs.iter().any(|i| i.array.data.is_empty()) {
        return Ok(None);
    }
    let cotangent: Vec<u32> = (0..shape.numel()).map(|_| DType::F32.to_word(g.uniform(-1.0, 1.0))).collect();
    let gradients = output.backward_with(&device.words(cotangent, shape, DType::F32, false));
    let found: Vec<Tensor> = gradients.iter()?.cloned().collect();
    if found.is_empty() {
        return Ok(None);
    }
    let roots: Vec<&Tensor> = found.iter().collect();
    let expected = evaluate_async(&roots, &Overrides::new()).await?;
    device.run_async(roots).await?;
    let (mut numbers, mut truth, mut bounds) = (vec![], vec![], vec![]);
    for (tensor, array) in found.iter().zip(&expected) {
        // Sums that cancel leave errors of the size of their terms.
        let scale = largest(array).max(1.0);
        numbers.extend(tensor.fetch::<f32>().await?.into_iter().map(f64::from));
        bounds.extend(array.data.iter().map(|e| 1e-5 * scale + 1e-4 * e.abs()));
        truth.extend(&array.data);
    }
    Ok(Some((numbers.len(), tolerance::worst(&numbers, &truth, &bounds))))
}

fn largest(array: &Array) -> f64 {
    array.data.iter().filter(|x| x.is_finite()).fold(0.0, |m, x| m.max(x.abs()))
}
