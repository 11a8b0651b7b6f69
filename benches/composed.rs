//! Ops made of others beside other ways to do the same: convolutions over volumes, Fourier transforms, the CTC loss; and linear algebra on the host.

mod common;

use common::{criterion, devices, numbers, sized};
use criterion::{Criterion, criterion_group, criterion_main};
use steepest::nn;
use steepest::optim::{Optimizer, Sgd};
use steepest::{Conv3dOptions, ConvOptions, Device, FftNorm, Tensor};

/// Numbers as a tensor.
fn tensor(device: &Device, seed: u64, shape: &[usize]) -> Tensor {
    device.tensor(&numbers(shape.iter().product(), seed), shape)
}

/// The same 3×3×3 convolution as a sum of convolutions of planes, one for each depth tap.
fn by_planes(x: &Tensor, weight: &Tensor) -> Tensor {
    let [n, c, depth, h, w] = *x.shape().dims() else { panic!("a volume") };
    let padded = x.pad(&[(0, 0), (0, 0), (1, 1), (0, 0), (0, 0)], 0.0).permute(&[0, 2, 1, 3, 4]);
    let plane = |tap: usize| {
        let from = padded.slice(1, tap as isize..(tap + depth) as isize).reshape([n * depth, c, h, w]);
        from.conv2d(&weight.select(2, tap as isize), None, ConvOptions::new().padding(1))
    };
    let sum = plane(0) + plane(1) + plane(2);
    let outputs = weight.shape().dims()[0];
    sum.reshape([n, depth, outputs, h, w]).permute(&[0, 2, 1, 3, 4])
}

fn volumes(c: &mut Criterion) {
    for (kind, device) in devices() {
        let size = sized(16, 4);
        let x = tensor(&device, 1, &[2, 16, size, 2 * size, 2 * size]);
        let weights: Vec<Tensor> = (0..3).map(|i| device.parameter(&numbers(16 * 16 * 27, i), [16, 16, 3, 3, 3])).collect();
        let whole = |x: &Tensor, w: &Tensor| x.conv3d(w, None, Conv3dOptions::new().padding(1));
        for (name, way) in [("conv3d", &whole as &dyn Fn(&Tensor, &Tensor) -> Tensor), ("a sum of conv2d", &by_planes)] {
            c.bench_function(&format!("three convolutions of volumes, {name}, on {kind}"), |b| {
                b.iter(|| {
                    let loss = weights.iter().fold(x.clone(), |x, w| way(&x, w) * 0.1).square().mean(&[]);
                    let gradients = loss.backward();
                    let slopes: Vec<Tensor> = weights.iter().map(|w| gradients.wrt(w).expect("a gradient")).collect();
                    device.run(slopes.iter().chain([&loss])).expect("runs");
                    assert!(loss.item().expect("reads").is_finite());
                });
            });
        }
    }
}

fn transforms(c: &mut Criterion) {
    for (kind, device) in devices() {
        for &n in sized(&[64, 256, 1024, 2048][..], &[16]) {
            let rows = sized(65_536, 64) / n;
            let x = tensor(&device, 1, &[rows, n, 2]);
            c.bench_function(&format!("Fourier transforms of {n}, {rows} rows, on {kind}"), |b| {
                b.iter(|| x.fft(1, FftNorm::Backward).square().sum(&[]).item().expect("reads"));
            });
            // Complex numbers side by side: a matrix of twice the size.
            let matrix = tensor(&device, 2, &[2 * n, 2 * n]);
            c.bench_function(&format!("the same as a product with a matrix, {n}, on {kind}"), |b| {
                b.iter(|| x.reshape([rows, 2 * n]).matmul(&matrix).square().sum(&[]).item().expect("reads"));
            });
        }
    }
}

fn ctc(c: &mut Criterion) {
    for (kind, device) in devices() {
        for &steps in sized(&[50, 100, 200][..], &[6]) {
            let (n, labels) = (16, sized(20, 2));
            let logits = device.parameter(&numbers(steps * n * 30, 1), [steps, n, 30]);
            let classes = device.tensor(&(0..n * labels).map(|i| 1 + i as u32 % 29).collect::<Vec<_>>(), [n, labels]);
            let (lengths, counts) = (device.tensor(&vec![steps as u32; n], n), device.tensor(&vec![labels as u32; n], n));
            let mut optimizer = Sgd::new([logits.clone()], 0.1);
            c.bench_function(&format!("CTC, {steps} steps of time, on {kind}"), |b| {
                b.iter(|| {
                    let loss = nn::loss::Ctc::new().of(&logits, &classes, &lengths, &counts);
                    optimizer.step(loss.backward()).expect("steps");
                    assert!(loss.item().expect("reads").is_finite());
                });
            });
        }
    }
}

fn factors(c: &mut Criterion) {
    let device = Device::cpu();
    for &n in sized(&[32, 64, 128, 256][..], &[4]) {
        let x = tensor(&device, 1, &[n, n]) + device.eye(n) * 4.0;
        let symmetric = &x + x.t();
        let ways: [(&str, &dyn Fn() -> Tensor); 5] = [
            ("inverse", &|| x.inverse()),
            ("eigenvectors", &|| symmetric.eigh().1),
            ("singular values", &|| x.svdvals()),
            ("QR", &|| x.qr().0),
            ("exponential", &|| x.mul_scalar(0.01).matrix_exp()),
        ];
        for (name, way) in ways {
            c.bench_function(&format!("{name} of {n} × {n}"), |b| b.iter(|| way().to_vec::<f32>().expect("reads")));
        }
    }
}

criterion_group! { name = benches; config = criterion(); targets = volumes, transforms, ctc, factors }
criterion_main!(benches);
