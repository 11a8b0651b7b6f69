//! Small dispatches as the device runs them in long loops: several merged into one.

use super::cases::{made, recorded, tensors};
use super::report::Report;
use super::selection::Item;
use super::values;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::graph::Tensor;
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
pub(super) fn enter(device: &Device, items: &[&Item], report: &mut Report, tick: &mut dyn FnMut()) -> Result<(u64, u64)> {
    let Some(gpu) = device.as_gpu() else { return Ok((0, 0)) };
    let (mut planned, mut done) = (0, 0);
    gpu.merge_after(Some(0));
    let mut all = || -> Result<()> {
        for some in items.chunks(CASES_PER_RUN) {
            let given: Vec<Vec<Tensor>> = some.iter().map(|item| tensors(device, &item.case, false)).collect();
            let outputs: Vec<Tensor> =
                some.iter().zip(&given).map(|(item, inputs)| recorded(device, &item.case, inputs)).collect();
            let before = gpu.counts().dispatches;
            match device.run(&outputs) {
                Err(lost @ Error::DeviceLost { .. }) => return Err(lost),
                Err(error) => report.failures.push(error.to_string()),
                Ok(()) => {
                    done += gpu.counts().dispatches - before;
                    planned += device.last_plan().map_or(0, |plan| plan.dispatches.len() as u64);
                    for ((item, inputs), output) in some.iter().zip(&given).zip(&outputs) {
                        values::enter(made(&item.case, inputs, output), item.family, &item.case, &item.truth, report)?;
                    }
                }
            }
            some.iter().for_each(|_| tick());
        }
        Ok(())
    };
    let result = all();
    gpu.set_merging(true);
    result.map(|()| (planned, done))
}
