//! A network's formula, with its numbers, as a person would write it.

use crate::playground::{Task, Weights};
use crate::settings::Function;

/// Lines of the formula: one per neuron, then the output. Numbers have three digits.
pub fn lines(inputs: &[String], function: Function, weights: &[Weights], task: &Task, classes: &[String]) -> Vec<String> {
    let mut seen: Vec<String> = inputs.to_vec();
    let mut found = vec![];
    for (i, layer) in weights.iter().enumerate() {
        let last = i + 1 == weights.len();
        let names: Vec<String> = (0..layer.bias.len())
            .map(|j| if last { output(j, layer.bias.len(), task, classes) } else { neuron(i, j, weights.len()) })
            .collect();
        for (name, (row, &bias)) in names.iter().zip(layer.weight.iter().zip(&layer.bias)) {
            let sum = sum(row, bias, &seen);
            found.push(if last { format!("{name} = {sum}") } else { format!("{name} = {}", applied(function, &sum)) });
        }
        seen = names;
    }
    found.push(match task {
        Task::TwoClasses => format!("class = {} if z > 0, else {}", class(1, classes), class(0, classes)),
        Task::Classes(_) => "class = the one with the largest z".to_owned(),
        Task::Values(_) => return found,
    });
    found
}

fn class(i: usize, names: &[String]) -> String {
    names.get(i).cloned().unwrap_or_else(|| i.to_string())
}

/// A hidden neuron's name.
pub(crate) fn neuron(layer: usize, i: usize, layers: usize) -> String {
    if layers == 2 {
        format!("h{}", lowered(i + 1))
    } else {
        format!("{}{}", char::from(b'a' + (layer % 26) as u8), lowered(i + 1))
    }
}

/// An output's name.
pub(crate) fn output(i: usize, count: usize, task: &Task, classes: &[String]) -> String {
    match task {
        Task::Values(_) if count == 1 => "y".to_owned(),
        Task::Values(_) => format!("y{}", lowered(i + 1)),
        Task::TwoClasses => "z".to_owned(),
        Task::Classes(_) => format!("z({})", class(i, classes)),
    }
}

/// A number in lowered digits.
fn lowered(number: usize) -> String {
    number.to_string().chars().map(|digit| char::from_u32(0x2080 + digit as u32 - '0' as u32).unwrap_or(digit)).collect()
}

/// w₁ a + w₂ b + … + bias; weights that would be written as 0 are left out.
fn sum(weights: &[f32], bias: f32, names: &[String]) -> String {
    let mut text = String::new();
    let numbers = weights.iter().zip(names).map(|(&weight, name)| (weight, format!("·{name}"))).chain([(bias, String::new())]);
    for (number, name) in numbers {
        let digits = format!("{:.3}", number.abs());
        if digits == "0.000" {
            continue;
        }
        let sign = match (text.is_empty(), number < 0.0) {
            (true, false) => "",
            (true, true) => "−",
            (false, false) => " + ",
            (false, true) => " − ",
        };
        text.push_str(&format!("{sign}{digits}{name}"));
    }
    if text.is_empty() { "0".to_owned() } else { text }
}

fn applied(function: Function, sum: &str) -> String {
    match function {
        Function::Relu => format!("max(0, {sum})"),
        Function::Tanh => format!("tanh({sum})"),
        Function::Sigmoid => format!("σ({sum})"),
        Function::Gelu => format!("gelu({sum})"),
        Function::Silu => format!("silu({sum})"),
        Function::LeakyRelu => format!("leaky({sum})"),
        Function::Linear => sum.to_owned(),
    }
}
