//! What a training step costs: recording, planning, replaying, and the whole step, on every device.
//!
//! `cargo bench --bench step`; medians of many rounds. Timings are for reading, never for passing or failing.

use std::time::Instant;
use steepest::nn::{self, Module};
use steepest::optim::{Optimizer, Sgd};
use steepest::{Device, Tensor};

/// The median of the seconds that `rounds` calls take.
fn median(rounds: usize, mut f: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            f();
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[rounds / 2]
}

fn line(device: &Device, what: &str, seconds: f64) {
    println!("{:<44} {what:<34} {:>12.2} µs", device.to_string(), seconds * 1e6);
}

fn main() -> steepest::Result<()> {
    // `cargo test --benches` and CI pass --test: one round, to show that it runs.
    let light = std::env::args().any(|a| a == "--test");
    let rounds = |n: usize| if light { 1 } else { n };
    let mut devices = vec![Device::cpu()];
    for info in Device::all() {
        if info.name != "cpu" {
            devices.push(Device::named(&info.name)?);
        }
    }
    for device in &devices {
        let x = device.tensor(&[1.0f32; 16], 16);
        device.run([&x])?;
        let chain = |n: usize| (0..n).fold(x.clone(), |x, _| x.add_scalar(1.0));
        line(device, "record a node", median(rounds(200), || drop(chain(1000))) / 1000.0);
        let deep = chain(1000);
        line(device, "plan a node (order, fuse, place)", median(rounds(20), || drop(device.plan([&deep]))) / 1000.0);

        // Linear regression 1 → 1 on 16 rows: the cost of a step itself.
        let (a, b) = (device.parameter(&[0.5], [1, 1]), device.parameter(&[0.0], 1));
        let (inputs, targets) = (device.tensor(&[0.5f32; 16], [16, 1]), device.tensor(&[1.0f32; 16], [16, 1]));
        let mut opt = Sgd::new([a.clone(), b.clone()], 0.01).momentum(0.9);
        let mut step = || opt.step((inputs.matmul(&a) + &b).mse(&targets).backward()).expect("steps");
        (0..rounds(20)).for_each(|_| step());
        line(device, "step: linear 1 → 1, 16 rows", median(rounds(500), &mut step));
        device.last_plan().iter().for_each(|plan| println!("{:>46} {} dispatches", "", plan.dispatches.len()));

        for batch in [64usize, 512] {
            let model = nn::mlp(device, &[784, 256, 128, 10], 1);
            let x = device.uniform([batch, 784], 0.0, 1.0, 1);
            let labels = device.tensor(&(0..batch as u32).map(|i| i % 10).collect::<Vec<_>>(), batch);
            device.run([&x])?;
            let mut opt = Sgd::new(model.parameters(), 0.01).momentum(0.9);
            let mut last: Option<Tensor> = None;
            // Ten steps and one read: what a loop that prints now and then pays.
            let mut ten = || {
                for _ in 0..10 {
                    let loss = model.forward(&x).cross_entropy(&labels);
                    opt.step(loss.backward()).expect("steps");
                    last = Some(loss);
                }
                last.iter().for_each(|loss| assert!(loss.item().expect("reads").is_finite()));
            };
            ten();
            line(
                device,
                &format!("step: 784-256-128-10, {batch} rows"),
                median(rounds(if batch == 64 { 30 } else { 10 }), &mut ten) / 10.0,
            );
            device.last_plan().iter().for_each(|plan| {
                println!("{:>46} {} dispatches, {} bytes of slots", "", plan.dispatches.len(), plan.slot_bytes())
            });
        }
    }
    Ok(())
}
