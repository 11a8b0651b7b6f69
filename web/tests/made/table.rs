//! Made by the playground of steepest. Cargo.toml: steepest, features = ["tables"]
use steepest::data::{self, DataLoader, Dataset, Labels};
use steepest::nn::{self, Activation, Linear, Module, Sequential};
use steepest::optim::{self, Optimizer};
use steepest::{Device, Tensor};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::best()?;
    let table = data::Table::read("things.csv")?;
    let (rows, _) = data::Prepare::new().target("label").fit(&table)?.dataset(&table)?;
    let (training, held_out) = rows.stratified_split(0.3, 1)?;
    let model = Sequential::new()
        .add(Linear::new(&device, 5, 12, 1))
        .add(Activation::Tanh)
        .add(Linear::new(&device, 12, 2, 2));
    let mut optimizer = optim::Adam::new(model.parameters(), 0.03);
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
    outputs.cross_entropy(y)
}
