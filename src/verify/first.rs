//! Gradients: those of every op that has one against central differences, on the reference.

use super::cases::{SEED, cases, recorded, tensors};
use super::report::Report;
use super::unmoved;
use crate::device::Device;
use crate::error::Result;
use crate::graph::op::{Array, DType};
use crate::ops::case::{Case, Gen};
use crate::ops::tolerance::{self, Worst};
use crate::reference::{self, Overrides};

/// Every gradient, on the reference in f64, against central differences: along a random direction, and for tiny inputs along every axis.
pub fn gradients(filter: &str) -> Report {
    let mut report = Report::new("gradients on the reference");
    let mut g = Gen::new(SEED + 1);
    for (family, case) in cases(filter) {
        enter(family, &case, &mut g, &mut report);
        unmoved::enter(family, &case, &mut report);
    }
    report
}

/// Enters the gradient of one case, if it has one, into a report.
pub(super) fn enter(family: &str, case: &Case, g: &mut Gen, report: &mut Report) {
    if !case.smooth || !case.op.mutates().is_empty() {
        return;
    }
    let place = format!("{family} {:?} ({})", case.op, case.label);
    match gradient_of(case, g) {
        Err(error) => report.failures.push(format!("{place}: {error}")),
        Ok(Some((derivatives, worst))) => report.note("gradients", &place, derivatives, Some(worst)),
        Ok(None) => {}
    }
}

/// One case's gradient against central differences: how many directional derivatives, and the worst of them; `None` where there is no gradient.
///
/// # Errors
/// Whatever recording or the reference reports.
pub fn gradient_of(case: &Case, g: &mut Gen) -> Result<Option<(usize, Worst)>> {
    let (found, expected): (Vec<f64>, Vec<f64>) = gradient(case, g)?.into_iter().unzip();
    let scale = expected.iter().fold(1.0f64, |m, e| m.max(e.abs()));
    let bounds: Vec<f64> = expected.iter().map(|e| 1e-6 * scale + 1e-5 * e.abs()).collect();
    Ok(tolerance::worst(&found, &expected, &bounds).map(|worst| (found.len(), worst)))
}

/// `(analytic, numeric)` directional derivatives of ⟨cotangent, op(inputs)⟩.
fn gradient(case: &Case, g: &mut Gen) -> Result<Vec<(f64, f64)>> {
    let device = Device::cpu();
    let inputs = tensors(&device, case, true);
    let output = recorded(&device, case, &inputs);
    let spec = output.spec()?;
    let elements: usize = case.inputs.iter().map(|i| i.array.data.len()).sum();
    if !output.requires_grad() || elements == 0 {
        return Ok(vec![]);
    }
    let cotangent = Array::from_fn(spec.shape, |_| g.uniform(-1.0, 1.0));
    let seed = device.words(cotangent.data.iter().map(|&v| DType::F32.to_word(v)).collect(), spec.shape, DType::F32, false);
    let gradients = output.backward_with(&seed);
    let floats: Vec<usize> = (0..inputs.len()).filter(|&i| inputs[i].requires_grad()).collect();
    let mut analytic = Vec::new();
    for &i in &floats {
        analytic.push(match gradients.get(&inputs[i])? {
            None => vec![0.0; case.inputs[i].array.data.len()],
            Some(gradient) => reference::evaluate(&[gradient], &Overrides::new())?.remove(0).data,
        });
    }
    let value = |moved: &[Array]| -> f64 {
        let out = case.op.reference(&moved.iter().collect::<Vec<_>>(), &spec);
        out.data.iter().zip(&cotangent.data).map(|(o, c)| o * c).sum()
    };
    let along = |direction: &dyn Fn(usize, usize) -> f64, step: f64| -> Vec<Array> {
        let mut moved: Vec<Array> = case.inputs.iter().map(|i| i.array.clone()).collect();
        for (k, &i) in floats.iter().enumerate() {
            moved[i].data.iter_mut().enumerate().for_each(|(j, x)| *x += step * direction(k, j));
        }
        moved
    };
    let derivative = |direction: &dyn Fn(usize, usize) -> f64| -> (f64, f64) {
        let step = 1e-5;
        // Two step sizes extrapolated: the error is of fourth order.
        let slope = |h: f64| (value(&along(direction, h)) - value(&along(direction, -h))) / (2.0 * h);
        let numeric = (4.0 * slope(step) - slope(2.0 * step)) / 3.0;
        let exact = analytic.iter().enumerate().flat_map(|(k, a)| a.iter().enumerate().map(move |(j, v)| (k, j, v)));
        (exact.map(|(k, j, v)| v * direction(k, j)).sum(), numeric)
    };
    let random: Vec<Vec<f64>> = analytic.iter().map(|a| a.iter().map(|_| g.uniform(-1.0, 1.0)).collect()).collect();
    let mut pairs = vec![derivative(&|k, j| random[k][j])];
    if elements <= 12 {
        for (k, part) in analytic.iter().enumerate() {
            for j in 0..part.len() {
                pairs.push(derivative(&|a, b| if (a, b) == (k, j) { 1.0 } else { 0.0 }));
            }
        }
    }
    Ok(pairs)
}
