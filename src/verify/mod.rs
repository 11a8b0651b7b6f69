//! Verification: every op on a device against the f64 reference, and every gradient against central differences.
//!
//! [`full`] does all of it on a device of the user's; [`grad_check`] checks a function of the user's.

mod derivative;
mod full;
mod gradcheck;
mod merged;
pub mod plant;
mod probe;
mod second;
mod unmoved;

pub use derivative::{Quotients, derivative, quotients};
pub use full::{Depth, KnownAnswer, Outcome, Stage, full};
pub use gradcheck::{Entry, GradCheck, GradCheckOptions, Verdict, grad_check, grad_check_with};
pub use probe::{DriverRow, driver, driver_variants};
pub use second::second_order;

use crate::device::Device;
use crate::error::{Error, Result};
use crate::graph::op::{Array, DType, Op, Spec};
use crate::graph::{Tensor, record_shared};
use crate::ops::case::{Case, Gen};
use crate::ops::tolerance::{self, Worst};
use crate::ops::{REGISTRY, accuracy};
use crate::reference::{self, Overrides};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What a check found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What was checked, such as a device's name.
    pub subject: String,
    /// Cases compared.
    pub cases: usize,
    /// Elements compared.
    pub elements: usize,
    /// The largest error per accuracy class, in units of its bound, and where.
    pub worst: BTreeMap<&'static str, (f64, String)>,
    /// One line per wrong case.
    pub failures: Vec<String>,
}

impl Report {
    /// An empty report.
    pub fn new(subject: impl Into<String>) -> Report {
        Report { subject: subject.into(), ..Report::default() }
    }

    fn note(&mut self, class: &'static str, place: &str, elements: usize, worst: Option<Worst>) {
        self.cases += 1;
        self.elements += elements;
        let Some(worst) = worst else { return };
        if worst.ratio > 1.0 {
            self.failures.push(format!(
                "{place}: element {} is {:e}, reference {:e}, off by {:.3} bounds of {:e}",
                worst.index, worst.found, worst.expected, worst.ratio, worst.bound
            ));
        }
        let entry = self.worst.entry(class).or_insert((-1.0, String::new()));
        if worst.ratio > entry.0 {
            *entry = (worst.ratio, place.to_owned());
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} cases, {} elements, {} wrong", self.subject, self.cases, self.elements, self.failures.len())?;
        for (class, (ratio, place)) in &self.worst {
            writeln!(f, "  {class:<15} worst error {ratio:.3} of its bound  ({place})")?;
        }
        for failure in self.failures.iter().take(40) {
            writeln!(f, "  WRONG {failure}")?;
        }
        if self.failures.len() > 40 {
            writeln!(f, "  … and {} more", self.failures.len() - 40)?;
        }
        Ok(())
    }
}

/// The seed of the test inputs: the same cases everywhere.
pub const SEED: u64 = 20_240_229;

/// Every case of every family whose name contains `filter`, or one of its parts where it has commas; of all families if it is empty.
pub fn cases(filter: &str) -> Vec<(&'static str, Case)> {
    let families = REGISTRY.iter().filter(|f| filter.split(',').any(|part| f.name.contains(part.trim())));
    families.flat_map(|f| (f.cases)(&mut Gen::new(SEED)).into_iter().map(|c| (f.name, c))).collect()
}

/// A case's inputs as tensors of a device; floats become parameters where gradients are wanted.
fn tensors(device: &Device, case: &Case, gradients: bool) -> Vec<Tensor> {
    case.inputs
        .iter()
        .map(|input| {
            let words = input.dtype.pack(&input.array.data);
            device.words(words, input.array.shape, input.dtype, gradients && input.dtype.is_float())
        })
        .collect()
}

fn recorded(device: &Device, case: &Case, inputs: &[Tensor]) -> Tensor {
    record_shared(device.runner(), case.op.clone(), &inputs.iter().collect::<Vec<_>>())
}

fn numbers(tensor: &Tensor, spec: &Spec) -> Result<Vec<f64>> {
    Ok(match spec.dtype {
        DType::F32 | DType::F16 => tensor.to_vec::<f32>()?.into_iter().map(f64::from).collect(),
        DType::U32 => tensor.to_vec::<u32>()?.into_iter().map(f64::from).collect(),
        DType::I32 => tensor.to_vec::<i32>()?.into_iter().map(f64::from).collect(),
        DType::Bool => tensor.to_vec::<bool>()?.into_iter().map(|b| f64::from(u8::from(b))).collect(),
    })
}

/// What a device makes of a case: the output, or for an update the new values of what it overwrites, one after the other.
fn computed(device: &Device, case: &Case) -> Result<(Spec, Array)> {
    let inputs = tensors(device, case, false);
    let output = recorded(device, case, &inputs);
    if !case.op.mutates().is_empty() {
        device.run([&output])?;
    }
    made(case, &inputs, &output)
}

/// The numbers of a case whose inputs and output these are; an update must have run.
fn made(case: &Case, inputs: &[Tensor], output: &Tensor) -> Result<(Spec, Array)> {
    let spec = output.spec()?;
    if case.op.mutates().is_empty() {
        return Ok((spec, Array::new(spec.shape, numbers(output, &spec)?)));
    }
    let mut data = Vec::new();
    for &i in case.op.mutates() {
        data.extend(numbers(&inputs[i], &inputs[i].spec()?)?);
    }
    Ok((spec, Array::new(spec.shape, data)))
}

/// Every op on a device against the reference, element by element. The device's memory is poisoned and guarded while this runs.
pub fn ops(device: &Device, filter: &str) -> Report {
    let mut report = Report::new(device.to_string());
    device.set_guarded(true);
    for (family, case) in cases(filter) {
        if let Err(error) = op(device, family, &case, &case.op.clone(), &mut report) {
            report.failures.push(error.to_string());
        }
    }
    device.set_guarded(false);
    report
}

/// Enters one case on a device into a report; `truth` is the op whose definition is right.
///
/// # Errors
/// A device that was lost: nothing more can be said of it.
fn op(device: &Device, family: &str, case: &Case, truth: &Arc<dyn Op>, report: &mut Report) -> Result<()> {
    enter(computed(device, case), family, case, truth, report)
}

/// The same for numbers that are there.
fn enter(found: Result<(Spec, Array)>, family: &str, case: &Case, truth: &Arc<dyn Op>, report: &mut Report) -> Result<()> {
    let place = format!("{family} {truth:?} ({})", case.label);
    match found {
        Err(lost @ Error::DeviceLost { .. }) => return Err(lost),
        Err(error) => report.failures.push(format!("{place}: {error}")),
        Ok((spec, found)) => {
            let inputs: Vec<&Array> = case.inputs.iter().map(|i| &i.array).collect();
            let class = accuracy(&**truth, &inputs).name();
            report.note(class, &place, found.data.len(), tolerance::judge(&**truth, &inputs, &spec, &found));
        }
    }
    Ok(())
}

/// Every gradient, on the reference in f64, against central differences: along a random direction, and for tiny inputs along every axis.
pub fn gradients(filter: &str) -> Report {
    let mut report = Report::new("gradients on the reference");
    let mut g = Gen::new(SEED + 1);
    for (family, case) in cases(filter) {
        first_order(family, &case, &mut g, &mut report);
    }
    report
}

/// Enters the gradient of one case, if it has one, into a report.
fn first_order(family: &str, case: &Case, g: &mut Gen, report: &mut Report) {
    if !case.smooth || !case.op.mutates().is_empty() {
        return;
    }
    let place = format!("{family} {:?} ({})", case.op, case.label);
    match gradient_of(case, g) {
        Err(error) => report.failures.push(format!("{place}: {error}")),
        Ok(Some((derivatives, worst))) => report.note("gradients", &place, derivatives, Some(worst)),
        Ok(None) => {}
    }
    unmoved::enter(family, case, report);
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

/// A case of some op on a device as [`ops`] runs it, for planted bugs: the worst element against `truth`'s reference.
pub fn one(device: &Device, case: &Case, truth: &Arc<dyn Op>) -> Result<Option<Worst>> {
    let (spec, found) = computed(device, case)?;
    let inputs: Vec<&Array> = case.inputs.iter().map(|i| &i.array).collect();
    Ok(tolerance::judge(&**truth, &inputs, &spec, &found))
}
