//! Kernels besides matrix products: elementwise chains, softmax cross-entropy, reductions, convolutions and pools, optimizers' updates.

mod common;

use common::{criterion, devices, numbers, sized};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use steepest::optim::{Adam, Optimizer, Sgd};
use steepest::{ConvOptions, Device, Tensor, no_grad};

/// Measures what `record` records; `bytes` is what it must at least read and write.
fn measure(group: &mut BenchmarkGroup<'_, WallTime>, device: &Device, name: &str, bytes: usize, record: impl Fn() -> Tensor) {
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function(name, |b| {
        b.iter(|| {
            record().run().expect("runs");
            device.wait().expect("waits");
        });
    });
}

fn elementwise(c: &mut Criterion) {
    let n = sized(1 << 22, 1 << 10);
    for (kind, device) in devices() {
        let mut group = c.benchmark_group(format!("elementwise on {kind}"));
        let [x, y, z] = [1, 2, 3].map(|seed| device.tensor(&numbers(n, seed), n));
        let rows = device.tensor(&numbers(n, 4), [n / 256, 256]);
        let bias = device.tensor(&numbers(256, 5), 256);
        measure(&mut group, &device, "x + 1", 8 * n, || no_grad(|| &x + 1.0));
        measure(&mut group, &device, "relu(x y + z)", 16 * n, || no_grad(|| (&x * &y + &z).relu()));
        measure(&mut group, &device, "gelu(x)", 8 * n, || no_grad(|| x.gelu()));
        measure(&mut group, &device, "chain of 8", 8 * n, || {
            no_grad(|| (0..4).fold(x.clone(), |x, i| (x * 0.5).add_scalar(f64::from(i))))
        });
        measure(&mut group, &device, "rows + bias", 8 * n, || no_grad(|| &rows + &bias));
        measure(&mut group, &device, "transposed copy", 8 * n, || no_grad(|| rows.t() + 0.0));
    }
}

fn rows(c: &mut Criterion) {
    let (rows, classes) = sized((1024, 1000), (4, 10));
    let bytes = 4 * rows * classes;
    for (kind, device) in devices() {
        let mut group = c.benchmark_group(format!("rows and reductions on {kind}"));
        let x = device.parameter(&numbers(rows * classes, 1), [rows, classes]);
        let labels = device.tensor(&(0..rows).map(|i| (i % classes) as u32).collect::<Vec<_>>(), rows);
        measure(&mut group, &device, "softmax", 2 * bytes, || no_grad(|| x.softmax(1)));
        measure(&mut group, &device, "softmax cross-entropy and its gradient", 2 * bytes, || {
            x.cross_entropy(&labels).backward().wrt(&x).expect("a gradient")
        });
        measure(&mut group, &device, "sum of rows", bytes, || no_grad(|| x.sum(&[1])));
        measure(&mut group, &device, "sum of columns", bytes, || no_grad(|| x.sum(&[0])));
        measure(&mut group, &device, "sum of all", bytes, || no_grad(|| x.sum(&[])));
        measure(&mut group, &device, "argmax of rows", bytes, || x.argmax(1));
    }
}

fn images(c: &mut Criterion) {
    let batch = sized(16, 1);
    for (kind, device) in devices() {
        let mut group = c.benchmark_group(format!("images on {kind}"));
        let tensor = |seed, shape: [usize; 4]| device.parameter(&numbers(shape.iter().product(), seed), shape);
        let (x, w) = (tensor(1, [batch, 16, 28, 28]), tensor(2, [32, 16, 3, 3]));
        let options = ConvOptions::new().padding(1);
        let y = no_grad(|| x.conv2d(&w, None, options));
        y.run().expect("runs");
        // As elements: multiply-adds.
        let work = (batch * 28 * 28 * 32 * 16 * 9) as u64;
        let mut conv = |name: &str, record: &dyn Fn() -> Tensor| {
            group.throughput(Throughput::Elements(work));
            group.bench_function(name, |b| {
                b.iter(|| {
                    record().run().expect("runs");
                    device.wait().expect("waits");
                });
            });
        };
        conv("conv 3×3", &|| no_grad(|| x.conv2d(&w, None, options)));
        let gradients = || x.conv2d(&w, None, options).backward_with(&y);
        conv("conv 3×3, gradient of the input", &|| gradients().wrt(&x).expect("a gradient"));
        conv("conv 3×3, gradient of the weights", &|| gradients().wrt(&w).expect("a gradient"));
        measure(&mut group, &device, "max pool 2×2", 5 * 4 * x.shape().numel() / 4, || no_grad(|| x.max_pool2d(2, 2, 0)));
    }
}

fn updates(c: &mut Criterion) {
    let sizes: &[usize] = sized(&[200_704, 256, 32_768, 128, 1280, 10], &[256, 10]);
    let total: usize = sizes.iter().sum();
    for (kind, device) in devices() {
        let mut group = c.benchmark_group(format!("updates of {} parameters on {kind}", sizes.len()));
        let parameters: Vec<Tensor> = sizes.iter().map(|&n| device.parameter(&numbers(n, 1), n)).collect();
        let held: Vec<Tensor> = sizes.iter().map(|&n| device.tensor(&numbers(n, 2), n)).collect();
        let mut update = |name: &str, words: usize, optimizer: &mut dyn Optimizer| {
            group.throughput(Throughput::Bytes((4 * words * total) as u64));
            group.bench_function(name, |b| {
                b.iter(|| {
                    // Σ p g has the gradient g: a small product per parameter besides the update.
                    let loss = parameters.iter().zip(&held).map(|(p, g)| (p * g).sum(&[])).reduce(|a, b| a + b);
                    optimizer.step(loss.expect("parameters").backward()).expect("steps");
                    device.wait().expect("waits");
                });
            });
        };
        update("SGD", 3, &mut Sgd::new(parameters.clone(), 1e-3));
        update("SGD with momentum", 5, &mut Sgd::new(parameters.clone(), 1e-3).momentum(0.9));
        update("Adam", 7, &mut Adam::new(parameters.clone(), 1e-3));
    }
}

criterion_group! { name = benches; config = criterion(); targets = elementwise, rows, images, updates }
criterion_main!(benches);
