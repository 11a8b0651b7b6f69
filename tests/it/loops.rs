//! Loops of more iterations than Mesa's software adapter makes: it leaves all loops of a kernel once it has counted 65,535, silently. Kernels are
//! done in parts there, or by more invocations: nothing the CPU computes is refused, and every number is right.
#![allow(clippy::unwrap_used)]

use crate::common;
use std::time::Instant;
use steepest::{ConvOptions, Device, Interpolation, PadMode, PoolOptions, Tensor, verify};

/// Small whole numbers, so that sums of very many of them are exact in any order.
fn whole(n: usize, seed: usize, below: usize) -> Vec<f32> {
    (0..n).map(|i| ((i + 13 * seed).wrapping_mul(2_654_435_761) >> 7) % below).map(|x| x as f32).collect()
}

fn floats(device: &Device, seed: usize, dims: &[usize]) -> Tensor {
    device.tensor(&whole(dims.iter().product(), seed, 4), dims)
}

/// Plus and minus one, so that products are exact.
fn signs(device: &Device, dims: &[usize]) -> Tensor {
    let data: Vec<f32> = whole(dims.iter().product(), 3, 2).into_iter().map(|x| 1.0 - 2.0 * x).collect();
    device.tensor(&data, dims)
}

fn parameter(device: &Device, seed: usize, dims: &[usize]) -> Tensor {
    device.parameter(&whole(dims.iter().product(), seed, 4), dims)
}

/// The gradient of `y` by each of some parameters, with small whole numbers in place of what follows it.
fn gradients(y: &Tensor, parameters: &[&Tensor]) -> Vec<Tensor> {
    let g = floats(&y.device(), 7, y.shape().dims());
    let found = y.backward_with(&g);
    parameters.iter().map(|p| found.wrt(p).unwrap()).collect()
}

/// What is computed on a device, for a number of rounds.
type Case = (&'static str, fn(&Device, usize) -> Vec<Tensor>);

const SOFTMAX: &[Case] = &[
    ("softmax", |d, n| vec![floats(d, 1, &[2, n]).softmax(1), floats(d, 1, &[n]).log_softmax(0)]),
    ("softmax down", |d, n| vec![floats(d, 1, &[n, 2]).softmax(0), floats(d, 1, &[n, 2]).log_softmax(0)]),
    ("softmax gradient", |d, n| {
        let x = parameter(d, 1, &[2, n]);
        gradients(&x.softmax(1), &[&x])
    }),
    ("cross-entropy", |d, n| {
        // The last class counts most.
        let x = d.parameter(
            &whole(2 * n, 1, 4)
                .iter()
                .enumerate()
                .map(|(i, x)| x + 9.0 * f32::from(u8::from(i % n == n - 1)))
                .collect::<Vec<_>>(),
            [2, n],
        );
        let labels = d.tensor(&[1u32, n as u32 - 2], 2);
        let soft = d.tensor(&whole(2 * n, 2, 2), [2, n]);
        let (hard, soft) = (x.cross_entropy_rows(&labels), x.cross_entropy_rows(&soft));
        let grads = [gradients(&hard, &[&x]), gradients(&soft, &[&x])].concat();
        [vec![hard, soft], grads].concat()
    }),
];

const OTHERS: &[Case] = &[
    ("embedding gradient, few rows", |d, n| {
        let table = parameter(d, 1, &[3, 2]);
        let tokens: Vec<u32> = whole(n, 2, 3).into_iter().map(|x| x as u32).collect();
        gradients(&table.embedding(&d.tensor(&tokens, n)), &[&table])
    }),
    ("embedding gradient, many rows and one of them often", |d, n| {
        let table = parameter(d, 1, &[400, 3]);
        let tokens: Vec<u32> = (0..n).map(|i| if i % 1000 == 0 { i as u32 % 400 } else { 7 }).collect();
        gradients(&table.embedding(&d.tensor(&tokens, n)), &[&table])
    }),
    ("scatter_add", |d, n| {
        let index: Vec<u32> = (0..2 * n).map(|i| if i % 999 == 0 { i as u32 % 500 } else { 499 }).collect();
        vec![
            floats(d, 1, &[n, 2]).scatter_add(0, &d.tensor(&index, [n, 2]), 500),
            floats(d, 1, &[n]).index_add(0, &d.tensor(&vec![1u32; n], n), 2),
        ]
    }),
    ("matrix product", |d, n| {
        let (a, b) = (floats(d, 1, &[2, n]), floats(d, 2, &[n, 3]));
        vec![a.matmul(&b), floats(d, 5, &[n, 2]).t().matmul(&b), b.t().matmul(&a.t()).add(&floats(d, 3, &[3, 2])).relu()]
    }),
    ("matrix product, batched", |d, n| {
        let (a, b) = (floats(d, 1, &[2, 2, n]), floats(d, 2, &[n, 2]));
        vec![a.matmul(&b), a.matmul(&floats(d, 4, &[2, 9, n]).transpose(1, 2))]
    }),
    ("matrix product of halves", |d, n| {
        let (a, b) = (floats(d, 1, &[2, n]).to_f16(), floats(d, 2, &[n, 3]));
        vec![a.matmul(&b), a.matmul(&b.to_f16())]
    }),
    ("convolution", |d, n| {
        let (x, w) = (parameter(d, 1, &[1, 1, n + 9]), parameter(d, 2, &[2, 1, n]));
        let y = x.conv1d(&w, None, ConvOptions::new());
        [vec![y.clone(), y.relu()], gradients(&y, &[&w])].concat()
    }),
    ("convolution of many pixels and channels", |d, n| {
        let (x, w) = (parameter(d, 1, &[2, 2, n]), parameter(d, 2, &[2, 2, 3]));
        let long = gradients(&x.conv1d(&w, None, ConvOptions::new().padding([0, 1])), &[&w]);
        let (x, w) = (parameter(d, 1, &[1, n, 1, 3]), parameter(d, 2, &[2, n, 1, 2]));
        let deep = gradients(&x.conv2d(&w, None, ConvOptions::new()), &[&x, &w]);
        let (x, w) = (parameter(d, 1, &[1, 1, 1, 7]), parameter(d, 2, &[n, 1, 1, 3]));
        let wide = gradients(&x.conv2d(&w, None, ConvOptions::new().stride([1, 2])), &[&x]);
        [long, deep, wide].concat()
    }),
    ("cumsum", |d, n| {
        let x = floats(d, 1, &[n, 2]);
        vec![x.cumsum(0, false), x.cumsum(0, true), floats(d, 2, &[n]).cumsum(0, false)]
    }),
    ("cumprod and recurrence", |d, n| {
        let (x, f) = (floats(d, 1, &[n, 2]), signs(d, &[n, 2]));
        vec![f.cumprod(0), x.recurrence(&f, 0, false), x.recurrence(&f, 0, true)]
    }),
    ("sort", |d, n| {
        let (values, order) = floats(d, 1, &[n]).sort(0, false);
        vec![values, order.to_f32()]
    }),
    ("pooling", |d, n| {
        let x = parameter(d, 1, &[1, 2, n]);
        let y = [x.max_pool1d(n, 1, 0), x.avg_pool1d(n - 3, 1, 1, true), x.adaptive_avg_pool1d(1)];
        let grads: Vec<Tensor> = y.iter().flat_map(|y| gradients(y, &[&x])).collect();
        [y.to_vec(), grads].concat()
    }),
    ("pooling of cells and with distances", |d, n| {
        let x = parameter(d, 1, &[1, 2, 2 * n]);
        let distant = PoolOptions::new(n - 1).stride(2).padding(1).dilation(2).ceil_mode(true);
        let y = [x.adaptive_max_pool1d(2), x.max_pool1d_with(distant)];
        let grads: Vec<Tensor> = y.iter().flat_map(|y| gradients(y, &[&x])).collect();
        [y.to_vec(), grads].concat()
    }),
    ("padding and interpolation", |d, n| {
        let x = parameter(d, 1, &[1, 1, 3]);
        let long = n as isize;
        let y = [x.pad_with(&[(0, 0), (0, 0), (long, 1)], PadMode::Edge), x.interpolate(&[3 * n], Interpolation::Nearest)];
        let grads: Vec<Tensor> = y.iter().flat_map(|y| gradients(y, &[&x])).collect();
        [y.to_vec(), grads].concat()
    }),
    ("pooling of planes", |d, n| {
        let side = n.isqrt() + 3;
        let x = parameter(d, 1, &[1, 1, side, side]);
        let most = side - 2;
        // The second owns all of the plane and looks at little of it.
        let y = [x.max_pool2d(most, 1, 0), x.max_pool2d(2, side, 0), x.avg_pool2d(most, 1, 0, false)];
        let grads: Vec<Tensor> = y.iter().flat_map(|y| gradients(y, &[&x])).collect();
        [y.to_vec(), grads].concat()
    }),
];

/// Runs cases on a device and on the CPU. Sums of whole numbers and what is made of them are the same but for a rounding; sums
/// of exponentials hang on their order.
fn compare(device: &Device, cases: &[Case], sizes: &[usize], bound: f32) {
    let mut wrong = vec![];
    for (name, case) in cases {
        let begun = Instant::now();
        for &n in sizes {
            let (found, expected) = (case(device, n), case(&Device::cpu(), n));
            assert_eq!(found.len(), expected.len());
            for (nth, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let place = format!("{name}, {n}, value {nth}");
                let found = match found.to_vec::<f32>() {
                    Ok(found) => found,
                    Err(error) => {
                        wrong.push(format!("{place}: {error}"));
                        continue;
                    }
                };
                let expected = expected.to_vec::<f32>().unwrap();
                let worst = (0..found.len()).find(|&i| {
                    let (f, e) = (found[i], expected[i]);
                    // A NaN is not close.
                    let close = (f - e).abs() <= bound * e.abs() + 1e-12;
                    !close
                });
                if let Some(i) = worst {
                    wrong.push(format!("{place}: {} at {i} of {}, and the CPU has {}", found[i], found.len(), expected[i]));
                }
            }
        }
        println!("{name}: {:.1} s", begun.elapsed().as_secs_f64());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Just below, at and above what a loop may go, primes among them.
const SIZES: [usize; 5] = [65_000, 65_535, 65_536, 65_537, 131_101];

#[test]
fn rows_of_very_many_classes() {
    let Some(device) = common::gpu("very many classes") else { return };
    compare(&device, SOFTMAX, &SIZES, 1e-3);
    compare(&device, SOFTMAX, &[30_001, 600_003], 1e-3);
}

#[test]
fn sums_of_very_many_terms() {
    let Some(device) = common::gpu("very many terms") else { return };
    compare(&device, OTHERS, &SIZES, 4e-6);
}

/// As long as a tensor can be there, nearly.
#[test]
fn lines_of_millions() {
    let Some(device) = common::gpu("lines of millions") else { return };
    let n = (1 << 24) + 5;
    let ones = device.tensor(&vec![1.0f32; n], n);
    let shares = ones.softmax(0).to_vec::<f32>().unwrap();
    assert!(shares.iter().all(|x| (x * n as f32 - 1.0).abs() < 1e-5), "softmax");
    drop(shares);
    // 1, −1, 1, −1, …: sums of 1 and 0, products with two minus signs, two plus signs, ….
    let signs = device.tensor(&(0..n).map(|i| 1.0 - 2.0 * (i % 2) as f32).collect::<Vec<_>>(), n);
    let sums = signs.cumsum(0, false).to_vec::<f32>().unwrap();
    assert_eq!(sums.iter().enumerate().position(|(i, &x)| x != (1 - i % 2) as f32), None, "cumsum");
    let products = signs.cumprod(0).to_vec::<f32>().unwrap();
    assert_eq!(products.iter().enumerate().position(|(i, &x)| x != [1.0, -1.0, -1.0, 1.0][i % 4]), None, "cumprod");
    let product = ones.reshape([1, n]).matmul(&signs.reshape([n, 1]));
    assert_eq!(product.to_vec::<f32>().unwrap(), [1.0]);
}

/// Strides and kernels as wide as that, side by side: each place of the image has a gradient of one term.
#[test]
fn windows_that_do_not_overlap() {
    let Some(device) = common::gpu("wide windows") else { return };
    let n = 70_001;
    let (x, w) = (parameter(&device, 1, &[1, 1, 2 * n]), parameter(&device, 2, &[1, 1, n]));
    let y = x.conv1d(&w, None, ConvOptions::new().stride([1, n]));
    let found = gradients(&y, &[&x])[0].to_vec::<f32>().unwrap();
    let (w, g) = (whole(n, 2, 4), whole(2, 7, 4));
    assert_eq!((0..2 * n).position(|i| found[i] != g[i / n] * w[i % n]), None);
}

/// Kernels that can be done in parts, in so small ones that ordinary cases take several: on every device, against the reference, in guarded memory.
#[test]
fn every_case_in_small_parts() {
    for (rounds, families) in [(300, &["matmul", "conv", "index"][..]), (9, &["recurrence", "pool", "resample"])] {
        let Some(device) = common::gpu("small parts") else { return };
        device.as_gpu().unwrap().limit_loop_iterations(rounds);
        let mut cases = 0;
        for family in families {
            let mut report = verify::ops(&device, family);
            // These are searched in one go or by another kernel; it hangs on the sizes which, and not on the device.
            report.failures.retain(|failure| !failure.contains("no variant of kernel `max_pool2d_input`"));
            assert!(report.failures.is_empty(), "{rounds} rounds: {report}");
            cases += report.cases;
        }
        assert!(cases > 50, "{cases}");
    }
}

/// A refusal says which op of which line it is about.
#[test]
fn a_refusal_names_the_line() {
    let Some(device) = common::gpu("a refusal") else { return };
    device.as_gpu().unwrap().limit_loop_iterations(3);
    let (x, line) = (device.tensor(&[1.0f32; 40], 40).softmax(0), line!());
    let error = x.to_vec::<f32>().unwrap_err().to_string();
    for part in ["kernel `softmax`", "within the device's limits", "f32[40]", &format!("{}:{line}", file!())] {
        assert!(error.contains(part), "`{part}` is not in {error}");
    }
}
