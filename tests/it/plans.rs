//! Rung 4: golden plans. What is dispatched, on which buffers, is part of what the engine promises; a change shows as a diff.
//!
//! `UPDATE_GOLDEN=1 cargo test --test it plans::` writes the files anew.
#![allow(clippy::unwrap_used)]

use steepest::nn::{self, Module};
use steepest::optim::{Optimizer, Sgd};
use steepest::plan::{Plan, Switches};
use steepest::{Device, Tensor};

/// The plan's text without source lines, which change with every edit of this file.
fn text(plan: &Plan) -> String {
    let strip = |line: &str| line.rsplit_once("  (").map_or(line, |(rest, _)| rest).to_owned();
    plan.to_string().lines().map(|l| strip(l) + "\n").collect()
}

fn golden(name: &str, plan: &Plan) {
    golden_text(name, text(plan));
}

fn golden_text(name: &str, found: String) {
    let path = format!("{}/tests/golden/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var("UPDATE_GOLDEN").is_ok() {
        std::fs::create_dir_all(std::path::Path::new(&path).parent().unwrap()).unwrap();
        std::fs::write(&path, found).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "the plan `{name}` changed.\n--- expected\n{expected}\n--- found\n{found}");
}

fn chain(device: &Device) -> Tensor {
    let x = device.tensor(&[1.0; 12], [3, 4]);
    let bias = device.tensor(&[0.5; 4], 4);
    ((&x * 2.0 + &bias).tanh() + x.t().t().flip(&[0])).relu()
}

#[test]
fn elementwise_chains() {
    let device = Device::cpu();
    golden("chain", &device.plan([&chain(&device)]).unwrap());
    device.set_switches(Switches { fuse: false, ..Switches::default() });
    golden("chain_unfused", &device.plan([&chain(&device)]).unwrap());
    device.set_switches(Switches { fuse: false, reuse: false, ..Switches::default() });
    let plan = device.plan([&chain(&device)]).unwrap();
    assert_eq!(plan.slot_bytes(), 4 * plan.unplanned_words);
}

#[test]
fn a_training_step() {
    let device = Device::cpu();
    let model = nn::mlp(&device, &[784, 256, 128, 10], 0);
    let mut opt = Sgd::new(model.parameters(), 0.01).momentum(0.9);
    let data = device.tensor(&vec![0.0; 100 * 784], [100, 784]);
    let labels = device.tensor(&[3u32; 100], 100);
    let rows = device.tensor(&[7u32; 64], 64);
    let (x, y) = (data.index_select(0, &rows), labels.index_select(0, &rows));
    let loss = model.forward(&x).cross_entropy(&y);
    drop((x, y));
    opt.step(loss.backward()).unwrap();
    let plan = device.last_plan().unwrap();
    golden("mlp_step", &plan);
    // No transposed copy: the matmuls read their operands as they lie.
    assert!(!text(&plan).contains("permute"));

    // The same on a batch that is there already: what the README says.
    let (x, y) = (device.tensor(&vec![0.5; 64 * 784], [64, 784]), device.tensor(&[3u32; 64], 64));
    opt.step(model.forward(&x).cross_entropy(&y).backward()).unwrap();
    let plan = device.last_plan().unwrap();
    assert_eq!(plan.dispatches.len(), 15, "{plan}");
}

#[test]
fn kept_values_and_aliases() {
    let device = Device::cpu();
    let x = device.tensor(&[1.0; 6], [2, 3]);
    let kept = x.exp();
    let alias = kept.reshape([3, 2]);
    let copy = x.reshape(6);
    let sum = alias.sum(&[0]);
    golden("kept", &device.plan([&sum, &alias, &copy]).unwrap());
}

#[test]
fn a_plan_names_the_line_of_each_op() {
    let device = Device::cpu();
    let x = device.tensor(&[1.0; 6], [2, 3]);
    let line = line!() + 1;
    let sum = x.sum(&[0]);
    assert!(device.plan([&sum]).unwrap().to_string().contains(&format!("(plans.rs:{line})")));
}

/// The rung has teeth: a plan that is not the golden one is refused.
#[test]
fn a_changed_plan_is_caught() {
    if std::env::var("UPDATE_GOLDEN").is_ok() {
        return;
    }
    let device = Device::cpu();
    let other = text(&device.plan([&chain(&device).exp()]).unwrap());
    assert!(std::panic::catch_unwind(|| golden_text("chain", other)).is_err());
}
