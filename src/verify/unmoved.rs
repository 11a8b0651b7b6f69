//! Elements that an op's output does not depend on get a gradient of 0, also where the slope behind the op is infinite: what is switched off is
//! selected away, not multiplied by 0.

use super::cases::{recorded, tensors};
use super::report::Report;
use crate::device::Device;
use crate::error::Result;
use crate::graph::op::{Array, DType};
use crate::ops::case::Case;
use crate::ops::tolerance::Worst;
use crate::reference::{Overrides, evaluate};

/// Elements of larger cases are not moved one by one.
const MAX_ELEMENTS: usize = 64;

/// Families in which an output that does not move is what is left of numbers that cancel, such as the softmax of one number.
const CANCELLING: &[&str] = &["softmax", "cross_entropy", "conv"];

/// Enters one case into a report, if its output does not move with one of its elements.
pub(super) fn enter(family: &str, case: &Case, report: &mut Report) {
    if !case.smooth || !case.op.mutates().is_empty() || CANCELLING.contains(&family) {
        return;
    }
    let place = format!("{family} {:?} ({}), infinite slope behind it", case.op, case.label);
    match of(case) {
        Err(error) => report.failures.push(format!("{place}: {error}")),
        Ok((0, _)) => {}
        Ok((count, worst)) => report.note("switched off", &place, count, worst),
    }
}

/// How many elements do not move the output, and the first of them whose gradient is not 0.
fn of(case: &Case) -> Result<(usize, Option<Worst>)> {
    let device = Device::cpu();
    let inputs = tensors(&device, case, true);
    let output = recorded(&device, case, &inputs);
    let spec = output.spec()?;
    let elements: usize = case.inputs.iter().map(|i| i.array.data.len()).sum();
    if !output.requires_grad() || elements > MAX_ELEMENTS || spec.shape.numel() == 0 {
        return Ok((0, None));
    }
    let start: Vec<Array> = case.inputs.iter().map(|i| i.array.clone()).collect();
    let value = |moved: &[Array]| case.op.reference(&moved.iter().collect::<Vec<_>>(), &spec).data;
    let here = value(&start);
    let still = |i: usize, j: usize, step: f64| {
        let mut moved = start.clone();
        moved[i].data[j] += step;
        value(&moved).iter().zip(&here).all(|(a, b)| a.to_bits() == b.to_bits())
    };
    let infinite = vec![DType::F32.to_word(f64::INFINITY); spec.shape.numel()];
    let gradients = output.backward_with(&device.words(infinite, spec.shape, DType::F32, false));
    let (mut count, mut wrong) = (0, None);
    for (i, input) in inputs.iter().enumerate().filter(|(_, input)| input.requires_grad()) {
        let unmoved: Vec<usize> = (0..start[i].data.len()).filter(|&j| still(i, j, 1e-4) && still(i, j, -1e-4)).collect();
        let Some(gradient) = gradients.get(input)?.filter(|_| !unmoved.is_empty()) else { continue };
        let found = evaluate(&[gradient], &Overrides::new())?.remove(0).data;
        count += unmoved.len();
        let first = unmoved.into_iter().find(|&j| found[j] != 0.0);
        let worst = first.map(|index| Worst { index, found: found[index], expected: 0.0, bound: 0.0, ratio: f64::INFINITY });
        wrong = wrong.or(worst);
    }
    Ok((count, wrong))
}
