//! A Rust program that does what the page does: the same data, network, optimizer and steps.

use crate::playground::Task;
use crate::settings::{Data, Function, Loss, Method, Settings};
use std::fmt::Write;

/// What the program reads its rows from.
pub struct Rows<'a> {
    /// The task.
    pub task: &'a Task,
    /// Inputs of the first layer.
    pub inputs: usize,
    /// Of a table: the file's name and the column to predict.
    pub table: Option<(&'a str, &'a str)>,
}

/// The program's text: `src/main.rs` of a package that depends on steepest.
pub fn rust(settings: &Settings, rows: &Rows<'_>) -> String {
    let mut text = String::from("//! Made by the playground of steepest. Cargo.toml: steepest");
    text += if rows.table.is_some() { ", features = [\"tables\"]\n" } else { "\n" };
    text += "use steepest::data::{self, DataLoader, Dataset, Labels};\nuse steepest::nn::{self, Activation, Linear, Module, Sequential};\n";
    text += "use steepest::optim::{self, Optimizer};\nuse steepest::{Device, Tensor};\n\n";
    text += "fn main() -> Result<(), Box<dyn std::error::Error>> {\n    let device = Device::best()?;\n";
    data(&mut text, settings, rows);
    network(&mut text, settings, rows);
    let _ = writeln!(text, "    let mut optimizer = {};", optimizer(settings));
    let _ = writeln!(
        text,
        "    let loader = DataLoader::new(&training, {}).shuffle({}).on_device(&device)?;",
        settings.batch, settings.seed
    );
    text += "    let held_out = DataLoader::full_batch(&held_out).on_device(&device)?;\n    let held_out = held_out.epoch().next().ok_or(\"no rows are held back\")?;\n";
    text += "    for epoch in 1..=100 {\n        for batch in loader.epoch() {\n            optimizer.step(loss(&model.forward(&batch.x), &batch.y).backward())?;\n        }\n";
    text += "        if epoch % 10 == 0 {\n            println!(\"epoch {epoch:>3}  held-out loss {:.5}\", loss(&model.forward(&held_out.x), &held_out.y).item()?);\n        }\n    }\n    Ok(())\n}\n\n";
    let _ = writeln!(text, "fn loss(outputs: &Tensor, y: &Tensor) -> Tensor {{\n    {}\n}}", loss(settings, rows.task));
    if settings.data.is_drawn() {
        text += POINTS;
    }
    text
}

fn data(text: &mut String, settings: &Settings, rows: &Rows<'_>) {
    let (part, seed) = (settings.held_out, settings.seed);
    let split = if matches!(rows.task, Task::Values(_)) { "split" } else { "stratified_split" };
    match (settings.data, rows.table) {
        (Data::Digits, _) => *text += "    let rows = data::digits()?;\n",
        (_, Some((file, target))) => {
            let _ = writeln!(text, "    let table = data::Table::read({file:?})?;");
            let _ = writeln!(text, "    let (rows, _) = data::Prepare::new().target({target:?}).fit(&table)?.dataset(&table)?;");
        }
        _ => {
            *text +=
                "    // Rows of `points.csv`, which the page saves: what the first layer sees, then the class or the value.\n";
            let values = settings.data.has_values();
            let _ = writeln!(text, "    let rows = points(&std::fs::read_to_string(\"points.csv\")?, {values})?;");
        }
    }
    let _ = writeln!(text, "    let (training, held_out) = rows.{split}({part:?}, {seed})?;");
}

fn network(text: &mut String, settings: &Settings, rows: &Rows<'_>) {
    let outputs = match *rows.task {
        Task::TwoClasses => 1,
        Task::Classes(count) | Task::Values(count) => count,
    };
    *text += "    let model = Sequential::new()";
    let (mut width, mut seed) = (rows.inputs, settings.seed);
    for &neurons in &settings.layers {
        let _ = write!(
            text,
            "\n        .add(Linear::new(&device, {width}, {neurons}, {seed}))\n        .add({})",
            activation(settings.activation)
        );
        (width, seed) = (neurons, seed.wrapping_add(1));
    }
    let _ = writeln!(text, "\n        .add(Linear::new(&device, {width}, {outputs}, {seed}));");
}

fn activation(function: Function) -> &'static str {
    match function {
        Function::Relu => "Activation::Relu",
        Function::Tanh => "Activation::Tanh",
        Function::Sigmoid => "Activation::Sigmoid",
        Function::Gelu => "Activation::Gelu",
        Function::Silu => "Activation::Silu",
        Function::LeakyRelu => "Activation::LeakyRelu(0.01)",
        Function::Linear => "Activation::LeakyRelu(1.0)",
    }
}

fn optimizer(settings: &Settings) -> String {
    let rate = settings.rate;
    let mut text = match settings.optimizer {
        Method::Sgd => format!("optim::Sgd::new(model.parameters(), {rate:?})"),
        Method::Momentum => format!("optim::Sgd::new(model.parameters(), {rate:?}).momentum(0.9)"),
        Method::RmsProp => format!("optim::RmsProp::new(model.parameters(), {rate:?})"),
        Method::Adam => format!("optim::Adam::new(model.parameters(), {rate:?})"),
    };
    for (name, penalty) in [("l1", settings.l1), ("weight_decay", settings.l2)] {
        if penalty > 0.0 {
            let _ = write!(text, ".{name}({penalty:?})");
        }
    }
    text
}

fn loss(settings: &Settings, task: &Task) -> String {
    let target = match (task, settings.loss) {
        (Task::TwoClasses, Loss::CrossEntropy) => {
            return "nn::loss::bce_with_logits(outputs, &y.to_f32().unsqueeze(1), None, nn::Reduction::Mean)".to_owned();
        }
        (Task::Classes(_), Loss::CrossEntropy) => return "outputs.cross_entropy(y)".to_owned(),
        (Task::Classes(_), Loss::Hinge) => {
            return "nn::loss::multi_margin(outputs, y, 1, 1.0, None, nn::Reduction::Mean)".to_owned();
        }
        (Task::Values(_), _) => "y".to_owned(),
        (Task::TwoClasses, _) => "&(y.to_f32().unsqueeze(1) * 2.0 - 1.0)".to_owned(),
        (Task::Classes(count), _) => format!("&y.one_hot({count}).to_f32()"),
    };
    match settings.loss {
        Loss::CrossEntropy | Loss::Squared => format!("outputs.mse({target})"),
        Loss::Absolute => format!("nn::loss::mae(outputs, {target}, nn::Reduction::Mean)"),
        Loss::Huber => format!("nn::loss::huber(outputs, {target}, 1.0, nn::Reduction::Mean)"),
        Loss::Hinge => format!("nn::loss::hinge(outputs, {target}, 1.0, nn::Reduction::Mean)"),
    }
}

const POINTS: &str = r#"
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
"#;
