//! Gradients of gradients: the Hessian-vector product of every op that has one, against central differences of its gradient, on the reference.

use super::cases::{SEED, cases, recorded, tensors};
use super::report::Report;
use crate::device::Device;
use crate::error::Result;
use crate::graph::op::{Array, DType};
use crate::graph::{Curvature, Tensor};
use crate::ops::case::{Case, Gen};
use crate::ops::tolerance::{self, Worst};
use crate::reference::{Overrides, evaluate};

/// Every second derivative in f64: v ↦ ∇⟨∇L, v⟩ along a random direction against central differences of ⟨∇L, v⟩, with
/// L = ⟨cotangent, op(inputs)⟩. An op whose gradient is constant must give zero.
pub fn second_order(filter: &str) -> Report {
    let mut report = Report::new("gradients of gradients on the reference");
    let mut g = Gen::new(SEED + 2);
    for (family, case) in cases(filter) {
        enter(family, &case, &mut g, &mut report);
    }
    report
}

/// Enters the second derivative of one case, if it has one, into a report.
pub(super) fn enter(family: &str, case: &Case, g: &mut Gen, report: &mut Report) {
    if !case.smooth || !case.op.mutates().is_empty() {
        return;
    }
    let place = format!("{family} {:?} ({})", case.op, case.label);
    match of(case, g) {
        Err(error) => report.failures.push(format!("{place}: {error}")),
        Ok(Some(worst)) => report.note("second order", &place, 1, Some(worst)),
        Ok(None) => {}
    }
}

fn of(case: &Case, g: &mut Gen) -> Result<Option<Worst>> {
    let device = Device::cpu();
    let inputs = tensors(&device, case, true);
    let output = recorded(&device, case, &inputs);
    let shape = output.try_shape()?;
    let floats: Vec<usize> = (0..inputs.len()).filter(|&i| inputs[i].requires_grad()).collect();
    let elements: usize = floats.iter().map(|&i| case.inputs[i].array.data.len()).sum();
    if !output.requires_grad() || elements == 0 || shape.numel() == 0 {
        return Ok(None);
    }
    let mut random = |like: &Array| Array::from_fn(like.shape, |_| g.uniform(-1.0, 1.0));
    let data = |array: &Array| {
        let words = array.data.iter().map(|&v| DType::F32.to_word(v)).collect();
        device.words(words, array.shape, DType::F32, false)
    };
    let cotangent = data(&random(&Array::from_fn(shape, |_| 0.0)));
    let vectors: Vec<Array> = floats.iter().map(|&i| random(&case.inputs[i].array)).collect();
    let direction: Vec<Array> = floats.iter().map(|&i| random(&case.inputs[i].array)).collect();

    let loss = output.to_f32().mul(&cotangent).sum(&[]);
    let parameters: Vec<&Tensor> = floats.iter().map(|&i| &inputs[i]).collect();
    let curvature = Curvature::new(&loss, &parameters)?;
    let vectors: Vec<Tensor> = vectors.iter().map(data).collect();
    let product = curvature.times(&vectors.iter().collect::<Vec<_>>())?;
    let given: Overrides = floats.iter().map(|&i| (inputs[i].id(), case.inputs[i].array.clone())).collect();
    let exact: f64 = evaluate(&product.iter().collect::<Vec<_>>(), &given)?
        .iter()
        .zip(&direction)
        .map(|(h, u)| h.data.iter().zip(&u.data).map(|(h, u)| h * u).sum::<f64>())
        .sum();

    let parts: Vec<Tensor> = curvature.gradient().iter().zip(&vectors).map(|(g, v)| g.mul(v).sum(&[])).collect();
    let parts: Vec<&Tensor> = parts.iter().collect();
    let value = |step: f64| -> Result<f64> {
        let mut moved = given.clone();
        for (&i, u) in floats.iter().zip(&direction) {
            if let Some(x) = moved.get_mut(&inputs[i].id()) {
                x.data.iter_mut().zip(&u.data).for_each(|(x, u)| *x += step * u);
            }
        }
        Ok(evaluate(&parts, &moved)?.iter().map(|a| a.data[0]).sum())
    };
    let slope = |h: f64| Ok((value(h)? - value(-h)?) / (2.0 * h));
    let step = 1e-5;
    // Two step sizes extrapolated: the error is of fourth order.
    let numeric = (4.0 * slope(step)? - slope(2.0 * step)?) / 3.0;
    let bound = 1e-6 * numeric.abs().max(1.0) + 1e-5 * numeric.abs();
    Ok(tolerance::worst(&[exact], &[numeric], &[bound]))
}
