//! Device memory: what a step's plan needs, what the driver was asked for, and that a long loop asks for no more.
#![allow(clippy::unwrap_used)]

use crate::common;
use std::collections::HashSet;
use steepest::nn::{self, Module};
use steepest::optim::{Adam, Optimizer, Sgd};
use steepest::plan::{Buffer, Plan, Switches};
use steepest::{Device, Tensor};

/// A network, its data, and a step with momentum or Adam.
struct Work {
    name: &'static str,
    /// What may be planned, in units of the least.
    most: f64,
    /// The same as the driver counts.
    most_counted: f64,
    model: Box<dyn Module>,
    x: Tensor,
    labels: Tensor,
    opt: Box<dyn Optimizer>,
}

fn works(device: &Device) -> Vec<Work> {
    let tensor = |dims: &[usize]| {
        let n: usize = dims.iter().product();
        device.tensor(&(0..n).map(|i| (i % 11) as f32 / 11.0).collect::<Vec<_>>(), dims)
    };
    let labels = |n: usize| device.tensor(&(0..n as u32).map(|i| i % 10).collect::<Vec<_>>(), n);
    let mlp = |name, rows: usize| {
        let model = nn::mlp(device, &[784, 256, 128, 10], 1);
        let opt = Box::new(Sgd::new(model.parameters(), 0.01).momentum(0.9));
        Work { name, most: 1.15, most_counted: 1.15, model: Box::new(model), x: tensor(&[rows, 784]), labels: labels(rows), opt }
    };
    let conv = {
        use steepest::nn::{Activation, Conv2d, Flatten, Linear, MaxPool2d};
        let model = steepest::sequential![
            Conv2d::new(device, 1, 8, 3, 1).padding(1),
            Activation::Relu,
            MaxPool2d::new(2),
            Conv2d::new(device, 8, 16, 3, 2).padding(1),
            Activation::Relu,
            MaxPool2d::new(2),
            Flatten,
            Linear::new(device, 16 * 49, 10, 3),
        ];
        let opt = Box::new(Adam::new(model.parameters(), 0.01));
        Work {
            name: "convolutions, 32 rows",
            most: 1.1,
            most_counted: 1.2,
            model: Box::new(model),
            x: tensor(&[32, 1, 28, 28]),
            labels: labels(32),
            opt,
        }
    };
    vec![mlp("perceptron, 64 rows", 64), mlp("perceptron, 512 rows", 512), conv]
}

fn step(work: &mut Work) {
    let loss = work.model.forward(&work.x).cross_entropy(&work.labels);
    work.opt.step(loss.backward()).unwrap();
}

/// Bytes of what a step is given, of its outputs, and of the values that are needed at one time: nobody can do with less.
fn least(plan: &Plan) -> usize {
    plan.peak_bytes() - plan.slot_bytes() + plan.live_bytes()
}

#[test]
fn a_step_needs_little_more_than_its_values() {
    for index in 0..3 {
        // A device of its own for each, so that no other plan's memory is counted.
        for device in common::devices("memory of a step") {
            let mut work = works(&device).swap_remove(index);
            let before = device.as_gpu().map(|gpu| gpu.driver_bytes());
            for _ in 0..20 {
                step(&mut work);
            }
            // Uploads are counted until what they came with is done.
            device.wait().unwrap();
            let plan = device.last_plan().unwrap();
            let ratio = plan.peak_bytes() as f64 / least(&plan) as f64;
            println!("{device}: {}: {} bytes planned, {ratio:.3} of the least", work.name, plan.peak_bytes());
            assert!(ratio <= work.most, "{}: {plan}", work.name);
            if let Some(gpu) = device.as_gpu() {
                let (before, now) = (before.unwrap(), gpu.driver_bytes());
                assert!(now > 0, "wgpu counts nothing: its feature `counters` is off");
                // Data and parameters were on the host until the first step; what is counted here grew by all of it.
                let ratio = (now - before) as f64 / least(&plan) as f64;
                println!(
                    "{device}: {}: the driver has {} bytes more than before, {ratio:.3} of the least",
                    work.name,
                    now - before
                );
                // Once runs share command lists, which hangs on how fast they are, their small uploads have a buffer of 256 KiB.
                let uploads = f64::from(1 << 18) / least(&plan) as f64;
                assert!(ratio <= work.most_counted + uploads, "{}: {} bytes", work.name, now - before);
            }
        }
    }
}

/// Values that lie in parts of one slot keep out of each other's way: the same bits as with a buffer for each.
#[test]
fn sharing_slots_changes_no_bit() {
    for device in common::devices("parts of slots") {
        let [shared, apart] = [true, false].map(|reuse| {
            device.set_switches(Switches { reuse, ..Switches::default() });
            let mut work = works(&device).swap_remove(2);
            (0..5).for_each(|_| step(&mut work));
            let plan = device.last_plan().unwrap();
            let places = plan.dispatches.iter().flat_map(|d| d.reads.iter().chain(&d.writes));
            let in_parts: HashSet<Buffer> = places.filter(|p| p.part.is_some()).map(|p| p.buffer).collect();
            let slots = in_parts.iter().filter(|buffer| matches!(buffer, Buffer::Slot(_))).count();
            // The gradients that one update reads lie in parts of a slot in any case.
            assert_eq!(slots > 1, reuse, "{plan}");
            work.model.parameters().iter().map(|p| p.to_vec::<f32>().unwrap()).collect::<Vec<_>>()
        });
        assert!(shared == apart, "{device}");
        assert!(shared.iter().flatten().all(|x| x.is_finite()));
    }
}

#[test]
fn ten_thousand_steps_ask_for_nothing_new() {
    for device in common::devices("a long loop") {
        let (w, b) = (device.parameter(&[0.5], [1, 1]), device.parameter(&[0.0], 1));
        let x = device.tensor(&(0..16).map(|i| i as f32 / 8.0 - 1.0).collect::<Vec<_>>(), [16, 1]);
        let y = &x * 2.0 + 1.0;
        y.run().unwrap();
        let mut opt = Sgd::new([w.clone(), b.clone()], 0.01).momentum(0.9);
        let mut seen = None;
        for k in 0..10_000 {
            opt.step((x.matmul(&w) + &b).mse(&y).backward()).unwrap();
            // By then small dispatches are merged. Uploads are counted until what they came with is done, whenever that was begun.
            if k == 300 || k == 9_999 {
                device.wait().unwrap();
                let gpu = device.as_gpu();
                let now = (device.live_nodes(), gpu.map(|g| (g.driver_bytes(), g.counts().buffers, g.counts().bind_groups)));
                assert_eq!(*seen.get_or_insert(now), now, "{device} at step {k}");
            }
        }
        assert!((w.item().unwrap() - 2.0).abs() < 1e-3 && (b.item().unwrap() - 1.0).abs() < 1e-3);
    }
}
