//! Sums and means: rows of equal numbers are exact, errors do not grow with the number of terms, and no length is refused.
#![allow(clippy::unwrap_used)]

use crate::common;
use std::collections::BTreeMap;
use steepest::graph::{DType, Lowering, Op, Spec};
use steepest::nn::batch_norm::batch_norm_train;
use steepest::nn::norm::{group_norm, layer_norm, rms_norm};
use steepest::ops::reduce::{Kind, Reduce};
use steepest::reference::{Overrides, evaluate};
use steepest::{Device, Shape, Tensor, random};

/// The CPU, and a GPU with each of its kernels and with the limits of a browser.
fn places(what: &str) -> Vec<(String, Device)> {
    let mut places = vec![("cpu".to_owned(), Device::cpu())];
    for variant in [None, Some(0), Some(1), Some(2)] {
        if let Some(device) = common::gpu(what) {
            device.force_variant(variant);
            places.push((format!("gpu, variant {variant:?}"), device));
        }
    }
    places.extend(common::minimal_gpu(what).map(|device| ("gpu, minimal limits".to_owned(), device)));
    places
}

/// Numbers of every size, with full and with short mantissas. Below 1.2e-38 they have a device's leave to be 0.
const VALUES: [f32; 16] = [
    1e-38,
    1.2e-38,
    -1e-30,
    3e-20,
    1e-4,
    0.1,
    1.0 / 3.0,
    1.0,
    -1.1,
    1000.1,
    16_777_213.0,
    16_777_218.0,
    -1e15,
    1.1e19,
    1e38,
    3.4e38,
];

/// Rows of which each holds one of [`VALUES`], as the axis `axis` of `[n, 16]`, `[16, n]` or `[4, n, 4]`.
fn rows(device: &Device, n: usize, axis: usize) -> (Tensor, Vec<isize>) {
    let (shape, value): (Vec<usize>, Box<dyn Fn(usize) -> f32>) = match axis {
        0 => (vec![n, 16], Box::new(|i| VALUES[i % 16])),
        1 => (vec![4, n, 4], Box::new(move |i| VALUES[i / (4 * n) * 4 + i % 4])),
        _ => (vec![16, n], Box::new(move |i| VALUES[i / n])),
    };
    let data: Vec<f32> = (0..16 * n).map(value).collect();
    (device.parameter(&data, shape), vec![if axis == 2 { 1 } else { axis as isize }])
}

/// Checks what is made of rows of `n` equal numbers.
fn check_equal(place: &str, device: &Device, n: usize, axis: usize) {
    let what = |name: &str| format!("{name} of {n} along axis {axis} on {place}");
    let (x, axes) = rows(device, n, axis);
    let (mean, var, std) = (x.mean(&axes), x.var(&axes, 0), x.std(&axes, usize::from(n > 1)));
    let (sum, flat) = (x.sum(&axes), x.mean(&axes).reshape([16]));
    device.run(&[&mean, &var, &std, &sum, &flat].map(Clone::clone)).unwrap();
    for (found, value) in flat.to_vec::<f32>().unwrap().into_iter().zip(VALUES) {
        assert!(found == value || value < 1.2e-38 && found == 0.0, "{}: {found:e} for {value:e}", what("mean"));
    }
    for (name, found) in [("var", var), ("std", std)] {
        assert_eq!(found.to_vec::<f32>().unwrap(), [0.0; 16], "{}", what(name));
    }
    for (found, value) in sum.to_vec::<f32>().unwrap().into_iter().zip(VALUES) {
        let expected = (f64::from(value) * n as f64) as f32;
        // Numbers too small to be normal may count as 0.
        let expected = if value == VALUES[0] && found == 0.0 { 0.0 } else { expected };
        assert!(
            (found - expected).abs() <= expected.abs() * 1.2e-7 + 1.2e-38 || found == expected,
            "{}: {found:e} for {expected:e}",
            what("sum")
        );
    }
    let (gamma, beta) = (device.full([16], 1.7), device.full([16], 0.3));
    let normal = match axis {
        0 => batch_norm_train(&x, Some(&gamma), Some(&beta), 1e-5).0,
        1 => group_norm(&x.permute(&[0, 2, 1]).reshape([1, 16, n]), 16, Some(&gamma), Some(&beta), 1e-5),
        _ => layer_norm(&x, 1, Some(&device.full([n], 1.7)), Some(&device.full([n], 0.3)), 1e-5),
    };
    assert!(normal.to_vec::<f32>().unwrap().iter().all(|&y| y == 0.3), "{}", what("normalised"));
}

#[test]
fn rows_of_equal_numbers_are_exact() {
    let near = |k: u32| [(1usize << k) - 1, 1 << k, (1 << k) + 1];
    let short = (1..=70).chain((7..=12).flat_map(near)).chain([97, 1009, 4099]);
    for (place, device) in places("rows of equal numbers") {
        for (i, n) in short.clone().enumerate() {
            // Each length along one axis, some along all.
            (0..3)
                .filter(|axis| !(10..=1000).contains(&n) || i % 3 == *axis)
                .for_each(|axis| check_equal(&place, &device, n, axis));
        }
    }
    for (place, device) in places("long rows of equal numbers").into_iter().take(2) {
        for (axis, n) in
            [(0, 65_537), (1, 65_537), (2, 65_537), (2, 1 << 16), (0, (1 << 17) - 1), (2, 1 << 20), (0, (1 << 20) + 1)]
        {
            check_equal(&place, &device, n, axis);
        }
    }
}

#[test]
fn rows_of_equal_numbers_are_exact_on_the_reference() {
    for n in [1, 7, 70, 1000, 4097] {
        let (x, axes) = rows(&Device::cpu(), n, 2);
        let found =
            evaluate(&[&x.mean(&axes), &x.var(&axes, 0), &layer_norm(&x, 1, None, None, 1e-5)], &Overrides::new()).unwrap();
        assert_eq!(found[0].data, VALUES.map(f64::from));
        assert!(found[1].data.iter().chain(&found[2].data).all(|&v| v == 0.0));
    }
}

#[test]
fn all_of_a_tensor_of_equal_numbers() {
    for (place, device) in places("equal numbers") {
        for n in [1, 100, 1023, 1025, 65_537, 300_007] {
            for value in [0.1, 1.0, -16_777_215.0, 3.4e38] {
                let x = device.full([n], f64::from(value));
                assert_eq!(x.mean(&[]).item().unwrap(), value, "mean of {n} on {place}");
                assert_eq!(x.var(&[], 0).item().unwrap(), 0.0, "var of {n} on {place}");
            }
        }
    }
}

/// Gradients at rows of equal numbers are finite and those of the reference.
#[test]
fn gradients_at_rows_of_equal_numbers() {
    for (place, device) in places("gradients at equal numbers") {
        for n in [3, 70, 1025] {
            let x = device.parameter(&[[0.1; 1].repeat(n), [1e4; 1].repeat(n), [-1.0 / 3.0; 1].repeat(n)].concat(), [3, n]);
            let weights = device.tensor(&random::normal_host(3 * n, 0.0, 1.0, 7, 0), [3, n]);
            let losses = [
                x.var(&[1], 1).sum(&[]),
                x.std(&[1], 0).sum(&[]),
                (layer_norm(&x, 1, None, None, 1e-5) * &weights).sum(&[]),
                (rms_norm(&x, None, 1e-5) * &weights).sum(&[]),
                (batch_norm_train(&x.t(), None, None, 1e-5).0 * weights.t()).sum(&[]),
            ];
            for (i, loss) in losses.iter().enumerate() {
                let slope = loss.backward().wrt(&x).unwrap();
                let expected = evaluate(&[&slope], &Overrides::new()).unwrap().remove(0);
                let scale = expected.data.iter().fold(0.0f64, |most, v| most.max(v.abs()));
                for (found, expected) in slope.to_vec::<f32>().unwrap().into_iter().zip(expected.data) {
                    assert!(
                        (f64::from(found) - expected).abs() <= 2e-6 * scale,
                        "loss {i}, rows of {n}, on {place}: {found} for {expected}"
                    );
                }
            }
        }
    }
}

/// Errors in units of the last place of f32, whatever the number of terms.
#[test]
fn errors_do_not_grow() {
    let mut worst: BTreeMap<(&str, usize, &str), f64> = BTreeMap::new();
    for (place, device) in places("errors of sums") {
        for n in [100, 10_000, 1_000_000] {
            let data = random::uniform_host(n, 0.0, 1.0, 7, 0);
            let sum: f64 = data.iter().map(|&x| f64::from(x)).sum();
            let mean = sum / n as f64;
            let var = data.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n as f64;
            let running: Vec<f64> = data
                .iter()
                .scan(0.0, |sum, &x| {
                    *sum += f64::from(x);
                    Some(*sum)
                })
                .collect();
            for shape in [[n, 1], [n / 4, 4], [n / 20, 20]] {
                let x = device.tensor(&data, shape);
                let mut near = |name: &'static str, found: f32, expected: f64, ulps: f64| {
                    let off = (f64::from(found) - expected).abs() / (expected * f64::from(f32::EPSILON));
                    let device = if place.starts_with("gpu") { "gpu, any variant" } else { "cpu" };
                    let most = worst.entry((device, n, name)).or_default();
                    *most = most.max(off);
                    assert!(off <= ulps, "{name} of {n} as {shape:?} on {place}: {off:.2} ULP");
                };
                near("sum", x.sum(&[]).item().unwrap(), sum, 1.0);
                near("mean", x.mean(&[]).item().unwrap(), mean, 2.0);
                near("var", x.var(&[], 0).item().unwrap(), var, 3.0);
                // Columns by themselves, and the columns' sums.
                near("sum of columns", x.sum(&[0]).sum(&[]).item().unwrap(), sum, 2.0);
                near(
                    "log sum",
                    x.logsumexp(&[], false).item().unwrap(),
                    data.iter().map(|&x| f64::from(x).exp()).sum::<f64>().ln(),
                    4.0,
                );
            }
            let last = device.tensor(&data, n).cumsum(0, false).to_vec::<f32>().unwrap();
            for (k, (found, expected)) in last.into_iter().zip(running).enumerate() {
                assert!(
                    (f64::from(found) - expected).abs() <= 1.01 * expected * f64::from(f32::EPSILON),
                    "cumsum at {k} of {n} on {place}"
                );
            }
        }
    }
    for ((device, n, name), ulps) in worst {
        println!("{device}: {name} of {n} numbers, worst error {ulps:.2} ULP");
    }
}

/// The same of what adds up besides reductions: softmax, cross-entropy, gradients of gathers.
#[test]
fn errors_of_other_sums_do_not_grow() {
    for (place, device) in places("errors of other sums") {
        for n in [1000, 59_999, 60_000] {
            let data = random::uniform_host(n, 0.0, 1.0, 7, 1);
            let off = |found: f32, expected: f64| (f64::from(found) - expected).abs() / (expected * f64::from(f32::EPSILON));
            let x = device.tensor(&data, [1, n]);
            let total: f64 = data.iter().map(|&x| f64::from(x).exp()).sum();
            for (&x, p) in data.iter().zip(x.softmax(1).to_vec::<f32>().unwrap()) {
                assert!(off(p, f64::from(x).exp() / total) <= 8.0, "softmax of {n} on {place}");
            }
            let loss = x.cross_entropy(&device.tensor(&[0u32], 1)).item().unwrap();
            assert!(off(loss, total.ln() - f64::from(data[0])) <= 4.0, "cross-entropy of {n} on {place}");
            let index = device.tensor(&vec![1u32; n], n);
            let sum: f64 = data.iter().map(|&x| f64::from(x)).sum();
            let rows = device.tensor(&data, n);
            for found in [rows.index_add(0, &index, 3), rows.scatter_add(0, &index, 3)] {
                assert!(off(found.to_vec::<f32>().unwrap()[1], sum) <= 1.01, "{n} added to one row on {place}");
            }
        }
    }
}

/// Where large numbers go again, what is lost is a rounding or two of those, and not one for each number.
#[test]
fn what_cancels_loses_two_roundings() {
    for (place, device) in places("cancellation") {
        for n in [100usize, 5000, 70_000] {
            let mut data = vec![0.1f32; n];
            (data[0], data[n / 2]) = (3e6, -3e6);
            let expected = (n - 2) as f64 * f64::from(0.1f32);
            let bound = (expected + 6e6) * f64::from(f32::EPSILON);
            for shape in [[n, 1], [n / 4, 4], [n / 20, 20]] {
                let found = f64::from(device.tensor(&data, shape).sum(&[]).item().unwrap());
                assert!((found - expected).abs() <= bound, "{found} for {expected} of {n} as {shape:?} on {place}");
            }
        }
    }
}

/// Every reduction at lengths where Mesa's software adapter would leave a plain loop.
#[test]
fn no_length_is_refused() {
    for (place, device) in places("long reductions") {
        for (shape, axes) in [
            (vec![65_536], vec![0]),
            (vec![65_537, 3], vec![0]),
            (vec![2, 300_007], vec![1]),
            (vec![5, 65_539, 2], vec![1]),
            (vec![3, 2, 70_001, 1, 2], vec![0, 2, 4]),
        ] {
            let count: usize = shape.iter().product();
            let data: Vec<f32> = (0..count).map(|i| ((i * 7919) % 65_521) as f32 - 30_000.0).collect();
            let x = device.tensor(&data, &shape[..]);
            let signs = device.tensor(&(0..count).map(|i| if i % 5 == 0 { -1.0 } else { 1.0 }).collect::<Vec<_>>(), &shape[..]);
            let found = [x.sum(&axes), x.mean(&axes), x.max(&axes), x.min(&axes), signs.prod(&axes)];
            let places = if axes.len() == 1 { vec![x.argmax(axes[0]), x.argmin(axes[0])] } else { vec![] };
            let all: Vec<&Tensor> = found.iter().chain(&places).collect();
            let expected = evaluate(&all, &Overrides::new()).unwrap();
            for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let values = found.to_vec::<f32>().unwrap_or_else(|e| panic!("{i} of {shape:?} on {place}: {e}"));
                for (v, e) in values.into_iter().zip(&expected.data) {
                    assert!((f64::from(v) - e).abs() <= 3e-7 * e.abs(), "{i} of {shape:?} on {place}: {v} for {e}");
                }
            }
            for (found, expected) in places.iter().zip(&expected[5..]) {
                let values: Vec<f64> = found.to_vec::<u32>().unwrap().into_iter().map(f64::from).collect();
                assert_eq!(values, expected.data, "{shape:?} on {place}");
            }
        }
    }
}

/// The first of several that are equal, and the first NaN, also where they lie in different spans.
#[test]
fn the_first_of_equal_extremes_of_long_rows() {
    for (place, device) in places("ties") {
        for n in [1025, 5000, 70_000] {
            let mut data = vec![0.0f32; n];
            for (what, at, value) in [
                ("all equal", 0, 0.0f32),
                ("two", n - 3, 5.0),
                ("two", 700, 5.0),
                ("NaN", n - 1, f32::NAN),
                ("NaN", 1024, f32::NAN),
            ] {
                data[at] = value;
                let found = device.tensor(&data, n).argmax(0).to_vec::<u32>().unwrap();
                assert_eq!(found, [at as u32], "{what} in {n} on {place}");
            }
        }
    }
}

/// Whatever the shape, some kernel of each stage has no more loop iterations than every adapter makes.
#[test]
fn loops_stay_short() {
    let shapes: [(&[usize], &[usize]); 9] = [
        (&[1 << 29], &[0]),
        (&[1_000_003, 500], &[0]),
        (&[2000, 200_003], &[1]),
        (&[65_537, 4096], &[0]),
        (&[61_000, 1024], &[0]),
        (&[3, 50_000, 1, 3000], &[1, 3]),
        (&[11, 3, 12, 3, 13, 3, 1400, 3], &[0, 2, 4, 6]),
        (&[50, 40, 50, 40, 50], &[0, 2, 4]),
        (&[1, 1 << 28], &[1]),
    ];
    for kind in [Kind::Sum, Kind::Mean, Kind::Prod, Kind::Max, Kind::Min, Kind::ArgMax, Kind::ArgMin] {
        for (dims, axes) in shapes {
            let op = Reduce { kind, axes: axes.to_vec(), keepdim: false };
            let inputs = [Spec::new(Shape::new(dims).unwrap(), DType::F32)];
            let Lowering::Stages { stages, .. } = op.lower(&inputs, &op.infer(&inputs).unwrap()) else { panic!("kernels") };
            for stage in stages {
                let turns = stage.kernel.variants.last().unwrap().loop_iterations.unwrap();
                assert!(turns <= 65_000, "{kind:?} of {dims:?} over {axes:?}: {turns} rounds");
            }
        }
    }
}
