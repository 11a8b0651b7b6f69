//! Made by the playground of steepest. Cargo.toml: steepest
use steepest::data::{self, DataLoader, Dataset, Labels};
use steepest::nn::{self, Activation, Linear, Module, Sequential};
use steepest::optim::{self, Optimizer};
use steepest::{Device, Tensor};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::best()?;
    // Rows of `points.csv`, which the page saves: what the first layer sees, then the class or the value.
    let rows = points(&std::fs::read_to_string("points.csv")?, false)?;
    let (training, held_out) = rows.stratified_split(0.3, 1)?;
    let model = Sequential::new()
        .add(Linear::new(&device, 2, 6, 1))
        .add(Activation::Tanh)
        .add(Linear::new(&device, 6, 4, 2))
        .add(Activation::Tanh)
        .add(Linear::new(&device, 4, 1, 3));
    let mut optimizer = optim::Adam::new(model.parameters(), 0.03).l1(0.001).weight_decay(0.01);
    let loader = DataLoader::new(&training, 32).shuffle(1).on_device(&device)?;
    let held_out = DataLoader::full_batch(&held_out).on_device(&device)?;
    let held_out = held_out.epoch().next().ok_or("no rows are held back")?;
    for epoch in 1..=100 {
        for batch in loader.epoch() {
            optimizer.step(loss(&model.forward(&batch.x), &batch.y).backward())?;
        }
        if epoch % 10 == 0 {
            println!("epoch {epoch:>3}  held-out loss {:.5}", loss(&model.forward(&held_out.x), &held_out.y).item()?);
        }
    }
    Ok(())
}

fn loss(outputs: &Tensor, y: &Tensor) -> Tensor {
    nn::loss::bce_with_logits(outputs, &y.to_f32().unsqueeze(1), None, nn::Reduction::Mean)
}

/// Rows of numbers with commas between them; the last one is the label.
fn points(text: &str, values: bool) -> Result<Dataset, Box<dyn std::error::Error>> {
    let (mut rows, mut labels, mut width) = (vec![], vec![], 0);
    for line in text.lines() {
        let numbers = line.split(',').map(|field| field.trim().parse::<f32>()).collect::<Result<Vec<f32>, _>>()?;
        let (label, row) = numbers.split_last().ok_or("an empty line")?;
        width = row.len();
        rows.extend_from_slice(row);
        labels.push(*label);
    }
    let labels = if values { Labels::Values(labels, 1) } else { Labels::Classes(labels.iter().map(|&label| u32::from(label > 0.0)).collect(), 2) };
    Ok(Dataset::new(rows, &[width], labels)?)
}
