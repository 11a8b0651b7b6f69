//! Every op on a device against the reference, element by element.

use super::cases::{cases, computed};
use super::guarded::Guarded;
use super::report::Report;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::graph::op::{Array, Op, Spec};
use crate::ops::accuracy;
use crate::ops::case::Case;
use crate::ops::tolerance::{self, Worst};
use crate::platform::{self, waited};
use std::sync::Arc;

/// Every op on a device against the reference, element by element. The device's memory is poisoned and guarded while this runs.
///
/// Where nothing can wait, in a browser, the first failure says so; see [`ops_async`].
pub fn ops(device: &Device, filter: &str) -> Report {
    let report = waited(device.name(), async { Ok(ops_async(device, filter).await) });
    report.unwrap_or_else(|error| Report { failures: vec![error.to_string()], ..Report::new(device.to_string()) })
}

/// [`ops`] without blocking. In a browser the page's loop goes on between the cases.
pub async fn ops_async(device: &Device, filter: &str) -> Report {
    let mut report = Report::new(device.to_string());
    let _guarded = Guarded::new(device);
    for (family, case) in cases(filter) {
        platform::let_page_go_on().await;
        if let Err(error) = op(device, family, &case, &case.op.clone(), &mut report).await {
            report.failures.push(error.to_string());
        }
    }
    report
}

/// Enters one case on a device into a report; `truth` is the op whose definition is right.
///
/// # Errors
/// A device that was lost: nothing more can be said of it.
pub(super) async fn op(device: &Device, family: &str, case: &Case, truth: &Arc<dyn Op>, report: &mut Report) -> Result<()> {
    enter(computed(device, case).await, family, case, truth, report)
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
    let (spec, found) = waited(device.name(), computed(device, case))?;
    let inputs: Vec<&Array> = case.inputs.iter().map(|i| &i.array).collect();
    Ok(tolerance::judge(&**truth, &inputs, &spec, &found))
}
