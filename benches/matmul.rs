//! Matrix products over shapes, in multiply-adds per second, with ndarray's `dot` on one thread beside ours.

mod common;

use common::{criterion, devices, numbers, sized};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use steepest::{Device, no_grad};

/// Name, batch, m, n, k, and which operands lie transposed.
type Shape = (&'static str, usize, usize, usize, usize, [bool; 2]);

const SHAPES: &[Shape] = &[
    ("square 256", 1, 256, 256, 256, [false, false]),
    ("square 512", 1, 512, 512, 512, [false, false]),
    ("square 1024", 1, 1024, 1024, 1024, [false, false]),
    ("A Bᵀ 512", 1, 512, 512, 512, [false, true]),
    ("Aᵀ B 512", 1, 512, 512, 512, [true, false]),
    ("odd 509×511×513", 1, 509, 511, 513, [false, false]),
    ("skinny 1024×16×1024", 1, 1024, 16, 1024, [false, false]),
    ("flat 16×1024×1024", 1, 16, 1024, 1024, [false, false]),
    ("deep 64×64×8192", 1, 64, 64, 8192, [false, false]),
    ("vector 1×1024×1024", 1, 1, 1024, 1024, [false, false]),
    ("layer forward 64×256×784 Bᵀ", 1, 64, 256, 784, [false, true]),
    ("layer weights 256×784×64 Aᵀ", 1, 256, 784, 64, [true, false]),
    ("layer input 64×784×256", 1, 64, 784, 256, [false, false]),
    ("batched 32×64×64×64", 32, 64, 64, 64, [false, false]),
];

fn products(c: &mut Criterion) {
    let devices = devices();
    for &(name, batch, m, n, k, [ta, tb]) in &SHAPES[..sized(SHAPES.len(), 1)] {
        let mut group = c.benchmark_group(format!("matmul {name}"));
        group.throughput(Throughput::Elements((batch * m * n * k) as u64));
        let (a, b) = (numbers(batch * m * k, 1), numbers(batch * k * n, 2));
        let (rows_a, rows_b) = (if ta { [k, m] } else { [m, k] }, if tb { [n, k] } else { [k, n] });
        let views = |i: usize| {
            let of = |data: &[f32], rows: [usize; 2], transposed: bool| {
                let size = rows[0] * rows[1];
                let view =
                    ndarray::ArrayView2::from_shape(rows, &data[i * size..][..size]).expect("as many numbers as the shape has");
                if transposed { view.t().to_owned() } else { view.to_owned() }
            };
            [of(&a, rows_a, ta), of(&b, rows_b, tb)]
        };
        let pairs: Vec<_> = (0..batch).map(views).collect();
        group.bench_function("ndarray, one thread", |bench| {
            bench.iter(|| pairs.iter().for_each(|[a, b]| drop(black_box(a.dot(b)))));
        });
        for (kind, device) in &devices {
            let product = product(device, [&a, &b], [batch, rows_a[0], rows_a[1]], [batch, rows_b[0], rows_b[1]], [ta, tb]);
            group.bench_function(*kind, |bench| bench.iter(&product));
        }
    }
}

/// The product, computed and waited for.
fn product<'d>(device: &'d Device, [a, b]: [&[f32]; 2], sa: [usize; 3], sb: [usize; 3], [ta, tb]: [bool; 2]) -> impl Fn() + 'd {
    let flat = |data: &[f32], s: [usize; 3]| if s[0] == 1 { device.tensor(data, [s[1], s[2]]) } else { device.tensor(data, s) };
    let (a, b) = (flat(a, sa), flat(b, sb));
    move || {
        let read = |x: &steepest::Tensor, t: bool| if t { x.t() } else { x.clone() };
        no_grad(|| read(&a, ta).matmul(&read(&b, tb))).run().expect("runs");
        device.wait().expect("waits");
    }
}

criterion_group! { name = benches; config = criterion(); targets = products }
criterion_main!(benches);
