//! Every op on a device against the reference, element by element.

use super::cases::{cases, computed};
use super::report::Report;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::graph::op::{Array, Op, Spec};
use crate::ops::accuracy;
use crate::ops::case::Case;
use crate::ops::tolerance::{self, Worst};
use std::sync::Arc;

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
pub(super) fn op(device: &Device, family: &str, case: &Case, truth: &Arc<dyn Op>, report: &mut Report) -> Result<()> {
    enter(computed(device, case), family, case, truth, report)
}

/// The same for numbers that are there.
pub(super) fn enter(
    found: Result<(Spec, Array)>,
    family: &str,
    case: &Case,
    truth: &Arc<dyn Op>,
    report: &mut Report,
) -> Result<()> {
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

/// A case of some op on a device as [`ops`] runs it, for planted bugs: the worst element against `truth`'s reference.
pub fn one(device: &Device, case: &Case, truth: &Arc<dyn Op>) -> Result<Option<Worst>> {
    let (spec, found) = computed(device, case)?;
    let inputs: Vec<&Array> = case.inputs.iter().map(|i| &i.array).collect();
    Ok(tolerance::judge(&**truth, &inputs, &spec, &found))
}
