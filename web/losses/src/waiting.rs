//! What a page awaits of a device: its whole verification, and calls that wait natively, each by its async form.

use crate::told;
use steepest::data::{self, DataLoader};
use steepest::nn::{self, Module, StateDict};
use steepest::optim::{Adam, Lbfgs, Optimizer};
use steepest::train::Trainer;
use steepest::train::metrics::{Metric, Predictions, Score};
use steepest::unsupervised::{KMeans, Pca};
use steepest::{Anomaly, Device, Result, Tensor, critical, verify};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::js_sys::Function;

/// Verifies a device: cases, elements and seconds, then a line for each thing that is wrong. `filter`: part of a family's name; `progress` is told the part
/// under way, how much of the whole is done, and how much there is.
///
/// # Errors
/// No such device, or one that was lost.
#[wasm_bindgen]
pub async fn verify(device: String, filter: String, progress: Function) -> Result<Vec<String>, JsError> {
    let device = Device::named_async(&device).await.map_err(told)?;
    let depth = verify::Depth { filter, ..verify::Depth::default() };
    let mut tell = |part: &str, done: usize, total: usize| {
        let _ = progress.call3(&JsValue::NULL, &part.into(), &(done as f64).into(), &(total as f64).into());
    };
    let found = verify::full_async(&device, &depth, &mut tell).await.map_err(told)?;
    let mut lines = vec![format!("{} {} {:.1}", found.cases(), found.elements(), found.seconds)];
    lines.extend(found.stages.iter().map(|s| format!("{}: {} cases, {:.1} s", s.name, s.report.cases, s.seconds)));
    lines.extend(found.failures().into_iter().map(|failure| format!("WRONG {failure}")));
    Ok(lines)
}

/// A line for each call, with what it found.
///
/// # Errors
/// No such device, or what it reports.
#[wasm_bindgen]
pub async fn awaited(device: String) -> Result<Vec<String>, JsError> {
    let device = Device::named_async(&device).await.map_err(told)?;
    let mut lines = vec![];
    lines.extend(computed(&device).await.map_err(told)?);
    lines.extend(trained(&device).await.map_err(told)?);
    lines.extend(looked_at(&device).await.map_err(told)?);
    Ok(lines)
}

/// A loss with a matrix that the host factorises, in the middle of a run.
fn factored(w: &Tensor) -> Tensor {
    let a = w.reshape([3, 1]);
    let eye = w.device().tensor(&[2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 2.0], [3, 3]);
    (a.matmul(&a.t()) + eye).cholesky(false).square().sum(&[]).log() + w.square().sum(&[])
}

async fn computed(device: &Device) -> Result<Vec<String>> {
    let w = device.parameter(&[0.5, -1.0, 0.25], 3);
    let mut lines = vec![format!("host op: {:.3}", factored(&w).item_async().await?)];
    let mut optimizer = Adam::new([w.clone()], 0.1);
    for _ in 0..3 {
        optimizer.step_async(factored(&w).backward()).await?;
    }
    lines.push(format!("three steps: {:.3?}", w.to_vec_async::<f32>().await?));
    device.set_check(true);
    optimizer.step_async(factored(&w).backward()).await?;
    lines.push(format!("a step in CHECK mode: {:.3?}", w.to_vec_async::<f32>().await?));
    device.set_check(false);
    device.set_anomaly(Anomaly::NonFinite);
    let found = device.tensor(&[-1.0, 1.0], 2).log().sum(&[]).item_async().await;
    lines.push(format!("anomaly mode: {}", found.is_err_and(|error| error.to_string().contains("log"))));
    device.set_anomaly(Anomaly::Off);
    device.set_profile(true);
    device.ones([64, 64]).matmul(&device.ones([64, 64])).run_async().await?;
    lines.push(format!("profile: {}", device.profile().rows().iter().any(|row| row.kernel == "matmul" && row.calls == 1)));
    device.set_profile(false);
    let peak = device.measure_peak_async().await?;
    lines.push(format!("peak: {}", peak.gflops > 0.0 && peak.gigabytes > 0.0));
    let places = device.tensor(&[0.0, 7.0, 0.0, 0.0, 0.0, 9.0], [2, 3]).nonzero_async().await?;
    lines.push(format!("nonzero: {:?}", places.to_vec_async::<u32>().await?));
    let report = Lbfgs::new([w.clone()]).step_async(|| factored(&w)).await?;
    lines.push(format!("L-BFGS: {:.2}", report.loss));
    Ok(lines)
}

async fn trained(device: &Device) -> Result<Vec<String>> {
    let (train, held_out) = data::digits()?.stratified_split(0.2, 0)?;
    let train = DataLoader::new(&train, 32).shuffle(0).on_device(device)?;
    let held_out = DataLoader::new(&held_out, 120).on_device(device)?;
    let model = nn::mlp(device, &[64, 32, 10], 0);
    let optimizer = Adam::new(model.parameters(), 3e-3);
    let mut trainer = Trainer::new(&model, optimizer, |output, labels| output.cross_entropy(labels));
    trainer = trainer.epochs(2).validate(&held_out).metric(Score::Accuracy).ema(0.9).quiet();
    let report = trainer.fit_async(&train).await?;
    let losses: Vec<String> = report.history.records.iter().map(|record| format!("{:.1}", record.loss)).collect();
    let accuracy = Score::Accuracy.of(&Predictions::of_async(&model, &held_out).await?)?;
    let state = StateDict::of_async(&model).await?;
    Ok(vec![format!("trainer: {losses:?}, {}", accuracy > 0.8), format!("state: {} tensors", state.len())])
}

async fn looked_at(device: &Device) -> Result<Vec<String>> {
    let w = device.parameter(&[0.1, -0.2, 0.05], 3);
    let parameters = [&w];
    let point = critical::examine_async(&(w.square() * device.tensor(&[1.0, -1.0, 2.0], 3)).sum(&[]), &parameters).await?;
    let x = device.tensor(&[0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 9.0, 9.0, 9.0, 8.0, 8.0, 9.0], [6, 2]) * 1.0;
    let clusters = KMeans::new(2).fit_async(&x).await?;
    let pca = Pca::fit_async(&x, 1).await?;
    let model = nn::mlp(device, &[2, 4, 1], 1);
    let statistics = nn::watch(&model, &x).1[1].statistics_async().await?;
    let inputs = [w.clone()];
    let check = verify::grad_check_async(|x| x[0].tanh().sum(&[]), &inputs).await?;
    Ok(vec![
        format!("critical point: {:?}", point.kind),
        format!("clusters: {:?}", clusters.sizes()),
        format!("component: {:.3}", pca.explained_variance_ratio()[0]),
        format!("activations: {}", statistics.elements),
        format!("gradients: {}", check.passed()),
    ])
}
