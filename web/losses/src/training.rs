//! Two small trainings that never wait: XOR, and handwritten digits.

use steepest::data::{self, DataLoader};
use steepest::nn::{self, Activation, Linear, Module, Sequential};
use steepest::optim::{Adam, Optimizer};
use steepest::{Device, Error, Result, Tensor};

/// The trainings by name.
pub const TRAININGS: [&str; 2] = ["xor", "digits"];

/// A line for each loss of a training.
///
/// # Errors
/// A name that is none of [`TRAININGS`], or what the device reports.
pub async fn losses(training: &str, device: &Device) -> Result<Vec<String>> {
    match training {
        "xor" => xor(device).await,
        "digits" => digits(device).await,
        other => Err(Error::UnknownDevice { name: other.to_owned(), available: TRAININGS.map(str::to_owned).to_vec() }),
    }
}

async fn xor(device: &Device) -> Result<Vec<String>> {
    let x = device.tensor(&[0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0], [4, 2]);
    let y = device.tensor(&[0.0, 1.0, 1.0, 0.0], [4, 1]);
    let model = Sequential::new()
        .add(Linear::new(device, 2, 8, 0))
        .add(Activation::Tanh)
        .add(Linear::new(device, 8, 1, 1))
        .add(Activation::Sigmoid);
    let mut opt = Adam::new(model.parameters(), 0.05);
    let mut lines = vec![];
    for epoch in 1..=500 {
        let loss = model.forward(&x).mse(&y);
        opt.step(loss.backward())?;
        device.caught_up_async().await?;
        if epoch % 100 == 0 {
            lines.push(format!("xor: epoch {epoch}, loss {:.4e}", loss.item_async().await?));
        }
    }
    Ok(lines)
}

async fn digits(device: &Device) -> Result<Vec<String>> {
    let (train, _) = data::digits()?.stratified_split(0.2, 0)?;
    let loader = DataLoader::new(&train, 32).shuffle(0).on_device(device)?;
    let model = nn::mlp(device, &[64, 128, 10], 0);
    let mut opt = Adam::w(model.parameters(), 2e-3);
    let mut lines = vec![];
    for epoch in 1..=3 {
        let mut losses = vec![];
        for batch in loader.epoch() {
            let loss = model.forward(&batch.x).cross_entropy(&batch.y);
            opt.step(loss.backward())?;
            device.caught_up_async().await?;
            losses.push(loss);
        }
        lines.push(format!("digits: epoch {epoch}, loss {:.4e}", mean(&losses).await?));
    }
    Ok(lines)
}

async fn mean(losses: &[Tensor]) -> Result<f64> {
    let mut sum = 0.0;
    for loss in losses {
        sum += f64::from(loss.item_async().await?);
    }
    Ok(sum / losses.len() as f64)
}
