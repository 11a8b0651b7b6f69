//! The checks as functions of a module for JavaScript.

mod training;
mod waiting;

use steepest::{Device, verify};
use wasm_bindgen::prelude::*;

fn told(error: steepest::Error) -> JsError {
    JsError::new(&error.to_string())
}

/// The devices that there are.
#[wasm_bindgen]
pub async fn devices() -> Vec<String> {
    Device::all_async().await.into_iter().map(|info| info.name).collect()
}

/// Trains on a device; a line for each loss.
///
/// # Errors
/// No such training or device, or what the device reports.
#[wasm_bindgen]
pub async fn train(device: String, training: String) -> Result<Vec<String>, JsError> {
    let device = Device::named_async(&device).await.map_err(told)?;
    training::losses(&training, &device).await.map_err(told)
}

/// What waiting says where nothing may wait, of a value that a GPU has yet to compute; of the CPU's device the value itself.
#[wasm_bindgen]
pub async fn wait(device: String) -> Result<f32, JsError> {
    let device = Device::named_async(&device).await.map_err(told)?;
    device.ones(4).sum(&[]).item().map_err(told)
}

/// What a device says that is lost in the middle of a training.
#[wasm_bindgen]
pub async fn lose(device: String) -> Result<f32, JsError> {
    let device = Device::named_async(&device).await.map_err(told)?;
    let x = device.ones(4);
    x.run().map_err(told)?;
    if let Some(gpu) = device.as_gpu() {
        gpu.lose();
    }
    x.sum(&[]).item_async().await.map_err(told)
}

/// Every op on the CPU's device against the f64 reference, and every gradient against central differences: the cases compared, the elements, and a
/// line for each that is wrong. `filter`: part of an op's name.
#[wasm_bindgen]
pub fn ops(filter: String) -> Vec<String> {
    let reports = [verify::ops(&Device::cpu(), &filter), verify::gradients(&filter)];
    let counts = reports.iter().map(|report| format!("{} {}", report.cases, report.elements));
    counts.chain(reports.iter().flat_map(|report| report.failures.clone())).collect()
}
