//! Milliseconds of single kernels and of a convolutional step on a GPU, one workload after the other in rounds.
//!
//! `cargo bench --bench kernels -- [NAME…]`: only workloads whose name contains a NAME. `STEEPEST_VARIANT=i` forces a kernel variant.
//! The last column counts the processor time of this process (on Linux) instead of the time that passed: what a shared machine distorts
//! least where the GPU is played by the processor.

use std::time::Instant;
use steepest::nn::{self, Module};
use steepest::optim::{Optimizer, Sgd};
use steepest::{Device, no_grad, ops::random::uniform_host};

/// User and system time of this process so far, in seconds; NaN where that cannot be read.
fn processor_seconds() -> f64 {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return f64::NAN };
    let times = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok());
    times.filter_map(|text| text.split_whitespace().next()?.parse::<f64>().ok()).sum::<f64>() * 1e-9
}

type Workload<'a> = (&'static str, Box<dyn FnMut() + 'a>);

fn workloads(device: &Device) -> Vec<Workload<'_>> {
    let random = |dims: &[usize], seed| {
        let n = dims.iter().product();
        device.tensor(&uniform_host(n, -1.0, 1.0, seed, 0), dims)
    };
    // Every workload ends when the device has done it.
    let wait = || device.as_gpu().map_or(Ok(()), |gpu| gpu.wait()).expect("a device that answers");
    let mut all: Vec<Workload<'_>> = vec![];

    let logits = device.parameter(&uniform_host(4096 * 1000, -1.0, 1.0, 1, 0), [4096, 1000]);
    let labels = device.tensor(&(0..4096u32).map(|i| i * 7 % 1000).collect::<Vec<_>>(), 4096);
    all.push((
        "softmax_ce",
        Box::new(move || {
            let gradients = logits.cross_entropy(&labels).backward();
            device.run([&gradients.wrt(&logits).expect("asked for")]).expect("runs");
            wait();
        }),
    ));
    let rows = random(&[4096, 1000], 2);
    for (name, axis) in [("softmax rows", 1), ("softmax columns", 0)] {
        let rows = rows.clone();
        all.push((
            name,
            Box::new(move || {
                device.run([&no_grad(|| rows.softmax(axis))]).expect("runs");
                wait();
            }),
        ));
    }
    for (name, axis) in [("sum of rows", 1), ("sum of columns", 0)] {
        let rows = rows.clone();
        all.push((
            name,
            Box::new(move || {
                device.run([&no_grad(|| rows.sum(&[axis]))]).expect("runs");
                wait();
            }),
        ));
    }
    let [x, w, b] = [3, 4, 5].map(|seed| random(&[16 << 20], seed));
    all.push((
        "elementwise_16m",
        Box::new(move || {
            device.run([&no_grad(|| (&x * &w + &b).relu())]).expect("runs");
            wait();
        }),
    ));
    let model = nn::Sequential::new()
        .add(nn::Conv2d::new(device, 1, 16, 3, 1).padding(1))
        .add(nn::Activation::Relu)
        .add(nn::MaxPool2d::new(2))
        .add(nn::Conv2d::new(device, 16, 32, 3, 2).padding(1))
        .add(nn::Activation::Relu)
        .add(nn::MaxPool2d::new(2))
        .add(nn::Flatten)
        .add(nn::Linear::new(device, 1568, 10, 3));
    let mut opt = Sgd::new(model.parameters(), 0.01).momentum(0.9);
    let images = random(&[64, 1, 28, 28], 6);
    let digits = device.tensor(&(0..64u32).map(|i| i % 10).collect::<Vec<_>>(), 64);
    all.push((
        "cnn_b64 step",
        Box::new(move || {
            opt.step(model.forward(&images).cross_entropy(&digits).backward()).expect("runs");
            wait();
        }),
    ));
    all
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let light = std::env::args().any(|a| a == "--test");
    let Some(info) = Device::all().into_iter().find(|info| info.name != "cpu") else { return println!("SKIPPED (no adapter)") };
    let device = Device::named(&info.name).expect("a device that was listed");
    device.force_variant(std::env::var("STEEPEST_VARIANT").ok().and_then(|v| v.parse().ok()));
    println!("{:<18} {:>10} {:>10} {:>14}   (ms on {device}: median, best, processor time)", "", "median", "best", "processor");
    for (name, mut work) in workloads(&device) {
        if !arguments.is_empty() && !arguments.iter().any(|a| name.contains(a.as_str())) {
            continue;
        }
        work();
        let (start, mut times, busy) = (Instant::now(), vec![], processor_seconds());
        while times.len() < if light { 1 } else { 3 } || (!light && start.elapsed().as_secs_f64() < 1.0 && times.len() < 50) {
            let each = Instant::now();
            work();
            times.push(each.elapsed().as_secs_f64());
        }
        let busy = (processor_seconds() - busy) / times.len() as f64;
        times.sort_by(f64::total_cmp);
        println!("{name:<18} {:>10.2} {:>10.2} {:>14.2}", 1e3 * times[times.len() / 2], 1e3 * times[0], 1e3 * busy);
    }
}
