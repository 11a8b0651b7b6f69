//! Small dispatches as the device runs them in long loops: several merged into one.

use super::cases::{made, recorded, tensors};
use super::report::Report;
use super::selection::Item;
use super::values;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::platform;
use std::collections::BTreeMap;

/// Cases of one run.
const CASES_PER_RUN: usize = 8;
/// Elements of inputs above which dispatches are hardly small.
const MAX_INPUT_ELEMENTS: usize = 4096;

/// Of each op the largest case that is small.
pub(super) fn small(items: &[Item]) -> Vec<&Item> {
    let mut of: BTreeMap<&str, (usize, &Item)> = BTreeMap::new();
    for item in items {
        let elements = item.case.inputs.iter().map(|i| i.array.data.len()).sum();
        if elements <= MAX_INPUT_ELEMENTS && of.get(item.case.op.name()).is_none_or(|(most, _)| elements > *most) {
            of.insert(item.case.op.name(), (elements, item));
        }
    }
    of.into_values().map(|(_, item)| item).collect()
}

/// Enters the cases into a report, several in a run and merged at once; returns how many dispatches were planned and how many were made.
///
/// # Errors
/// A device that was lost.
pub(super) async fn enter(device: &Device, items: &[&Item], report: &mut Report, mut tick: impl FnMut()) -> Result<(u64, u64)> {
    let Some(gpu) = device.as_gpu() else { return Ok((0, 0)) };
    let (mut planned, mut done) = (0, 0);
    let _merged = Merged::new(device);
    for some in items.chunks(CASES_PER_RUN) {
        let given: Vec<Vec<Tensor>> = some.iter().map(|item| tensors(device, &item.case, false)).collect();
        let outputs: Vec<Tensor> = some.iter().zip(&given).map(|(item, inputs)| recorded(device, &item.case, inputs)).collect();
        let before = gpu.counts().dispatches;
        platform::let_page_go_on().await;
        match device.run_async(&outputs).await {
            Err(lost @ Error::DeviceLost { .. }) => return Err(lost),
            Err(error) => report.failures.push(error.to_string()),
            Ok(()) => {
                done += gpu.counts().dispatches - before;
                planned += device.last_plan().map_or(0, |plan| plan.dispatches.len() as u64);
                for ((item, inputs), output) in some.iter().zip(&given).zip(&outputs) {
                    let found = made(&item.case, inputs, output).await;
                    values::enter(found, item.family, &item.case, &item.truth, report)?;
                }
            }
        }
        some.iter().for_each(|_| tick());
    }
    Ok((planned, done))
}

/// That a GPU merges small dispatches at once, until this is dropped.
struct Merged<'d>(&'d Device);

impl Merged<'_> {
    fn new(device: &Device) -> Merged<'_> {
        if let Some(gpu) = device.as_gpu() {
            gpu.merge_after(Some(0));
        }
        Merged(device)
    }
}

impl Drop for Merged<'_> {
    fn drop(&mut self) {
        if let Some(gpu) = self.0.as_gpu() {
            gpu.set_merging(true);
        }
    }
}
