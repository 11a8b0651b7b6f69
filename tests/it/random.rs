//! Random numbers: known answers, the same bits everywhere, and statistics.
#![allow(clippy::unwrap_used)]

use crate::common;
use steepest::graph::record_on;
use steepest::ops::random::{Kind, Random, Stream, normal_host, permutation, philox, uniform_host};
use steepest::{Device, Shape, Tensor, reference};

/// `(counter, key, words)` from the reference implementation of Salmon and others.
const KNOWN: [([u32; 4], [u32; 2], [u32; 4]); 3] = [
    ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
    ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
    (
        [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
        [0xa409_3822, 0x299f_31d0],
        [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
    ),
];

fn shape(dims: &[usize]) -> Shape {
    Shape::new(dims).unwrap()
}

fn random(device: &Device, op: Random) -> Tensor {
    record_on(device.zeros(()).node().backend(), op, &[])
}

#[test]
fn known_answers() {
    for (counter, key, expected) in KNOWN {
        assert_eq!(philox(counter, key), expected);
        let join = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        let stream = join(counter[2], counter[3]);
        let op =
            Random { first: join(counter[0], counter[1]), ..Random::new(Kind::Bits, shape(&[4]), join(key[0], key[1]), stream) };
        for device in common::devices("known answers") {
            let bits = random(&device, op);
            assert_eq!(reference::evaluate(&[&bits], &Default::default()).unwrap()[0].data, expected.map(f64::from), "reference");
            assert_eq!(bits.to_vec::<u32>().unwrap(), expected, "{device}");
        }
    }
}

/// Counters carry from one word into the next.
#[test]
fn blocks_follow_one_another() {
    for device in common::devices("carry") {
        let near = Random { first: u64::from(u32::MAX), ..Random::new(Kind::Bits, shape(&[8]), 5, 6) };
        let next = Random { first: 1 << 32, shape: shape(&[4]), ..near };
        assert_eq!(random(&device, near).to_vec::<u32>().unwrap()[4..], random(&device, next).to_vec::<u32>().unwrap());
    }
}

#[test]
fn the_same_bits_on_every_device_and_on_the_host() {
    for device in common::devices("same bits") {
        let uniform = device.uniform([1000, 7], 0.0, 1.0, 99);
        let host = uniform_host(7000, 0.0, 1.0, 99, 0);
        let exact = reference::evaluate(&[&uniform], &Default::default()).unwrap().remove(0).data;
        assert!(host.iter().zip(&exact).all(|(h, e)| f64::from(*h) == *e));
        assert!(uniform.to_vec::<f32>().unwrap() == host, "{device}");
        let mask = device.dropout_mask([5, 1001], 0.3, 7, 8).to_vec::<f32>().unwrap();
        assert!(mask == Device::cpu().dropout_mask([5, 1001], 0.3, 7, 8).to_vec::<f32>().unwrap(), "{device}");
        assert!(mask.iter().all(|&m| m == 0.0 || m == 1.0 / 0.3f32));
        let normal = device.normal(5000, 1.5, 2.0, 3).to_vec::<f32>().unwrap();
        assert!(normal.iter().zip(normal_host(5000, 1.5, 2.0, 3, 0)).all(|(a, b)| (a - b).abs() < 2e-5), "{device}");
        // A run later, in another shape: the numbers of a seed stay the same, those of another seed and stream are others.
        assert!(device.uniform(7000, 0.0, 1.0, 99).to_vec::<f32>().unwrap() == host);
        assert!(device.uniform(7000, 0.0, 1.0, 100).to_vec::<f32>().unwrap() != host);
        assert!(uniform_host(7000, 0.0, 1.0, 99, 1) != host);
    }
}

/// Seeds and streams are scalars: other ones do not make a new plan.
#[test]
fn a_new_seed_needs_no_new_plan() {
    let device = Device::cpu();
    let x = device.ones([10, 10]);
    x.run().unwrap();
    let misses: Vec<u64> = (0..4)
        .map(|step| {
            x.dropout(0.1 * (step + 1) as f64, step, step + 7).to_vec::<f32>().unwrap();
            device.runs_and_misses().1
        })
        .collect();
    assert!(misses.iter().all(|&m| m == misses[0]), "{misses:?}");
}

fn mean(x: &[f32]) -> f64 {
    x.iter().map(|&x| f64::from(x)).sum::<f64>() / x.len() as f64
}

fn covariance(x: &[f32], y: &[f32]) -> f64 {
    let (mx, my) = (mean(x), mean(y));
    x.iter().zip(y).map(|(&x, &y)| (f64::from(x) - mx) * (f64::from(y) - my)).sum::<f64>() / x.len() as f64
}

/// Bounds of five standard errors: the seeds are fixed, so this passes always or never.
#[test]
fn moments_and_correlations() {
    let n = 1 << 18;
    let close = |found: f64, expected: f64, error: f64, what: &str| {
        let bound = 5.0 * error / (n as f64).sqrt();
        assert!((found - expected).abs() < bound, "{what}: {found}, expected {expected} ± {bound}");
    };
    let device = Device::cpu();
    let u = device.uniform(n, 0.0, 1.0, 11).to_vec::<f32>().unwrap();
    close(mean(&u), 0.5, (1.0f64 / 12.0).sqrt(), "uniform mean");
    close(covariance(&u, &u), 1.0 / 12.0, (1.0f64 / 180.0).sqrt(), "uniform variance");
    assert!(u.iter().all(|x| (0.0..1.0).contains(x)));
    let z = device.normal(n, 0.0, 1.0, 12).to_vec::<f32>().unwrap();
    close(mean(&z), 0.0, 1.0, "normal mean");
    close(covariance(&z, &z), 1.0, 2.0f64.sqrt(), "normal variance");
    let powers = |k: i32| mean(&z.iter().map(|z| z.powi(k)).collect::<Vec<_>>());
    close(powers(3), 0.0, 15.0f64.sqrt(), "third moment");
    close(powers(4), 3.0, 96.0f64.sqrt(), "fourth moment");
    let mask = device.dropout_mask(n, 0.8, 13, 0).to_vec::<f32>().unwrap();
    close(mean(&mask), 1.0, 0.5, "mask mean");
    // Streams, seeds and neighbours know nothing of each other.
    let other = |seed, stream| uniform_host(n, 0.0, 1.0, seed, stream);
    close(covariance(&u, &other(11, 1)), 0.0, 1.0 / 12.0, "streams");
    close(covariance(&u, &other(12, 0)), 0.0, 1.0 / 12.0, "seeds");
    for lag in [1, 2, 3, 4, 1024] {
        close(covariance(&u[lag..], &u[..n - lag]), 0.0, 1.0 / 12.0, "neighbours");
    }
    // Evenly spread over 64 classes: χ² with 63 degrees of freedom is 63 ± 11.
    let mut classes = [0.0f64; 64];
    u.iter().for_each(|x| classes[(x * 64.0) as usize] += 1.0);
    let expected = n as f64 / 64.0;
    let chi: f64 = classes.iter().map(|c| (c - expected).powi(2) / expected).sum();
    assert!((20.0..120.0).contains(&chi), "{chi}");
}

#[test]
fn permutations() {
    assert!(permutation(0, 1, 2).is_empty());
    assert_eq!(permutation(1, 1, 2), [0]);
    let order = permutation(1000, 1, 2);
    assert_ne!(order, permutation(1000, 1, 3));
    assert_eq!(order, permutation(1000, 1, 2));
    let mut sorted = order.clone();
    sorted.sort_unstable();
    assert!(sorted.iter().copied().eq(0..1000));
    // Every order of three equally often: 1,000 each of 6,000, give or take 29.
    let mut counts = std::collections::HashMap::new();
    (0..6000).for_each(|stream| *counts.entry(permutation(3, 17, stream)).or_insert(0) += 1);
    assert_eq!(counts.len(), 6);
    assert!(counts.values().all(|c| (855..1145).contains(c)), "{counts:?}");
    // Without throwing bits away the lowest third of 0..3·2³⁰ would come up half the time.
    let mut stream = Stream::new(1, 2);
    let low = (0..6000).filter(|_| stream.below(3 << 30) < 1 << 30).count();
    assert!((1800..2200).contains(&low), "{low}");
}

#[test]
fn dropout_scales_masks_and_refuses() {
    for device in common::devices("dropout") {
        let x = device.parameter(&[2.0; 4096], 4096);
        let y = x.dropout(0.25, 3, 4);
        let gradient = y.sum(&[]).backward().wrt(&x).unwrap();
        let (y, gradient) = (y.to_vec::<f32>().unwrap(), gradient.to_vec::<f32>().unwrap());
        assert!(y.iter().zip(&gradient).all(|(y, g)| *y == 2.0 * g && (*g == 0.0 || *g == 1.0 / 0.75)));
        let dropped = y.iter().filter(|&&y| y == 0.0).count();
        assert!((900..1150).contains(&dropped), "{dropped} of 4096 dropped");
        assert!(x.dropout(0.0, 1, 1).to_vec::<f32>().unwrap().iter().all(|&v| v == 2.0));
        for p in [-0.1, 1.0, 1.5, f64::NAN, f64::INFINITY] {
            let error = x.dropout(p, 1, 1).check().unwrap_err().to_string();
            assert!(
                error.starts_with("dropout at tests/it/random.rs:") && error.contains(&format!("probability {p} ")),
                "{error}"
            );
        }
        let error = device.dropout_mask(3, 0.0, 1, 1).check().unwrap_err().to_string();
        assert!(error.starts_with("dropout_mask at tests/it/random.rs:"), "{error}");
        assert!(device.uniform([1 << 20, 1 << 20], 0.0, 1.0, 1).check().is_err());
    }
}
