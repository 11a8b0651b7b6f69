//! Whole training steps: forward, backward and update; several steps and one read, as a loop pays that prints now and then.

mod common;

use common::{criterion, devices, numbers, sized};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use steepest::nn::{self, Conv2d, Flatten, Linear, MaxPool2d, Module, Sequential};
use steepest::optim::{Optimizer, Sgd};
use steepest::{Device, Tensor};

/// Steps between two reads.
const STEPS: usize = 10;

fn bench(c: &mut Criterion, name: &str, device: &Device, model: &dyn Module, x: &Tensor, loss: &dyn Fn(&Tensor) -> Tensor) {
    let mut optimizer = Sgd::new(model.parameters(), 0.01).momentum(0.9);
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements(STEPS as u64));
    group.bench_function("step", |b| {
        b.iter(|| {
            let mut last = None;
            for _ in 0..STEPS {
                let value = loss(&model.forward(x));
                optimizer.step(value.backward()).expect("steps");
                last = Some(value);
            }
            assert!(last.expect("a step").item().expect("reads").is_finite());
        });
    });
    drop(group);
    if let (true, Some(plan)) = (common::measuring(), device.last_plan()) {
        println!("    {} dispatches a step, {} bytes of slots\n", plan.dispatches.len(), plan.slot_bytes());
    }
}

fn steps(c: &mut Criterion) {
    for (kind, device) in devices() {
        let tensor = |seed, shape: &[usize]| device.tensor(&numbers(shape.iter().product(), seed), shape);
        let labels = |rows: usize| device.tensor(&(0..rows as u32).map(|i| i % 10).collect::<Vec<_>>(), rows);

        let (x, y) = (tensor(1, &[16, 1]), tensor(2, &[16, 1]));
        bench(c, &format!("linear 1 → 1, 16 rows, on {kind}"), &device, &Linear::new(&device, 1, 1, 1), &x, &|out| out.mse(&y));
        for rows in sized(&[64, 512][..], &[8]) {
            let (x, y, model) = (tensor(1, &[*rows, 784]), labels(*rows), nn::mlp(&device, &[784, 256, 128, 10], 1));
            bench(c, &format!("784-256-128-10, {rows} rows, on {kind}"), &device, &model, &x, &|out| out.cross_entropy(&y));
        }
        let rows = sized(64, 2);
        let (x, y) = (tensor(1, &[rows, 1, 28, 28]), labels(rows));
        let model = Sequential::new()
            .add(Conv2d::new(&device, 1, 16, 3, 1).padding(1))
            .add(nn::Activation::Relu)
            .add(MaxPool2d::new(2))
            .add(Conv2d::new(&device, 16, 32, 3, 2).padding(1))
            .add(nn::Activation::Relu)
            .add(MaxPool2d::new(2))
            .add(Flatten)
            .add(Linear::new(&device, 1568, 10, 3));
        bench(c, &format!("small convolutional network, {rows} rows, on {kind}"), &device, &model, &x, &|out| {
            out.cross_entropy(&y)
        });
    }
}

criterion_group! { name = benches; config = criterion(); targets = steps }
criterion_main!(benches);
