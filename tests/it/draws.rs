//! Distributions: each against its own distribution function by Kolmogorov and Smirnov's distance or χ², the same on every device, and what is refused.
//!
//! Seeds are fixed, so a test passes always or never; bounds are those that one seed of a thousand would break.
#![allow(clippy::unwrap_used)]

use crate::common;
use crate::common::slopes::agreed;
use std::f64::consts::PI;
use steepest::error::OpError;
use steepest::{Device, Error, Tensor};

const N: usize = 1 << 15;

fn floats(t: &Tensor) -> Vec<f64> {
    t.to_vec::<f32>().unwrap().into_iter().map(f64::from).collect()
}

/// The largest distance between the share of numbers up to x and the distribution function, which √n times is below 1.95 in 999 of 1,000 cases.
fn follows(what: &str, x: &Tensor, cdf: impl Fn(f64) -> f64) {
    let mut x = floats(x);
    assert!(x.iter().all(|x| x.is_finite()), "{what}");
    x.sort_by(f64::total_cmp);
    let n = x.len() as f64;
    let gap = |(i, x): (usize, &f64)| (cdf(*x) - i as f64 / n).abs().max(((i + 1) as f64 / n - cdf(*x)).abs());
    let distance = x.iter().enumerate().map(gap).fold(0.0, f64::max) * n.sqrt();
    assert!(distance < 1.95, "{what}: {distance}");
    // And it can fail: the same numbers are not distributed as their double.
    let wrong = x.iter().enumerate().map(|(i, x)| (cdf(1.2 * x + 0.1) - i as f64 / n).abs()).fold(0.0, f64::max) * n.sqrt();
    assert!(wrong > 4.0, "{what}: {wrong} of a wrong distribution");
}

/// χ² of counts, which has as many degrees of freedom as there are classes but one.
fn as_often_as(what: &str, counts: &[f64], shares: &[f64]) {
    let n: f64 = counts.iter().sum();
    let total: f64 = shares.iter().sum();
    let chi: f64 = counts.iter().zip(shares).map(|(c, p)| (c - n * p / total).powi(2) / (n * p / total)).sum();
    let freedom = (counts.len() - 1) as f64;
    // Wilson and Hilferty: the cube root is nearly normal; 3.1 deviations are one of a thousand.
    let bound = freedom * (1.0 - 2.0 / (9.0 * freedom) + 3.1 * (2.0 / (9.0 * freedom)).sqrt()).powi(3);
    assert!(chi < bound, "{what}: χ² {chi}, expected below {bound}: {counts:?}");
}

fn phi(z: f64) -> f64 {
    0.5 * libm::erfc(-z / 2f64.sqrt())
}

#[test]
fn continuous_distributions_follow_their_functions() {
    let d = Device::cpu();
    follows("exponential", &d.exponential(N, 2.5, 1), |x| 1.0 - (-2.5 * x).exp());
    follows("gumbel", &d.gumbel(N, 1.0, 2.0, 2), |x| (-(-(x - 1.0) / 2.0).exp()).exp());
    let laplace = |z: f64| if z < 0.0 { 0.5 * z.exp() } else { 1.0 - 0.5 * (-z).exp() };
    follows("laplace", &d.laplace(N, -1.0, 0.5, 3), |x| laplace((x + 1.0) / 0.5));
    follows("cauchy", &d.cauchy(N, 0.5, 3.0, 4), |x| 0.5 + ((x - 0.5) / 3.0).atan() / PI);
    follows("log_normal", &d.log_normal(N, 0.3, 0.8, 5), |x| if x > 0.0 { phi((x.ln() - 0.3) / 0.8) } else { 0.0 });
    for (seed, (low, high)) in
        [(-1.0, 2.0), (-0.2, 0.1), (-5.0, 7.0), (2.0, 2.5), (3.0, 40.0), (-40.0, -6.0)].into_iter().enumerate()
    {
        let x = d.truncated_normal(N, [0.0, 1.0], [low, high], seed as u64);
        assert!(floats(&x).iter().all(|x| (low..=high).contains(x)));
        // By the nearer tail, whose digits are all there.
        let share = |x: f64| if low > 0.0 { phi(-low) - phi(-x) } else { phi(x) - phi(low) };
        let scale = |x: f64| share(x.clamp(low, high)) / share(high);
        follows(&format!("normal in {low}..{high}"), &x, scale);
    }
    follows("normal elsewhere", &d.truncated_normal(N, [10.0, 2.0], [8.0, 13.0], 9), |x| {
        (phi((x.clamp(8.0, 13.0) - 10.0) / 2.0) - phi(-1.0)) / (phi(1.5) - phi(-1.0))
    });
    let alpha = |a: f64| d.full(N, a);
    follows("gamma 1", &alpha(1.0).gamma(1).unwrap(), |x| 1.0 - (-x).exp());
    follows("gamma 2", &alpha(2.0).gamma(2).unwrap(), |x| 1.0 - (-x).exp() * (1.0 + x));
    follows("gamma 1/2", &alpha(0.5).gamma(3).unwrap(), |x| libm::erf(x.sqrt()));
    follows("beta 1 3", &alpha(1.0).beta(&alpha(3.0), 4).unwrap(), |x| 1.0 - (1.0 - x.min(1.0)).powi(3));
    follows("beta 2 2", &alpha(2.0).beta(&alpha(2.0), 5).unwrap(), |x| x.min(1.0).powi(2) * (3.0 - 2.0 * x.min(1.0)));
    follows("beta 1/2 1/2", &alpha(0.5).beta(&alpha(0.5), 6).unwrap(), |x| 2.0 / PI * x.min(1.0).sqrt().asin());
    let shares = alpha(1.0).reshape([N / 4, 4]).dirichlet(7).unwrap();
    assert!(floats(&shares.sum(&[1])).iter().all(|s| (s - 1.0).abs() < 1e-5));
    follows("dirichlet 1 1 1 1", &shares.select(1, 2), |x| 1.0 - (1.0 - x.min(1.0)).powi(3));
    // Moments where there is no short formula: mean and variance of a gamma number are both its shape.
    for (seed, a) in [(8, 0.1), (9, 7.5), (10, 300.0)] {
        let x = floats(&alpha(a).gamma(seed).unwrap());
        let mean = x.iter().sum::<f64>() / N as f64;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / N as f64;
        let error = (a / N as f64).sqrt();
        assert!((mean - a).abs() < 4.0 * error, "gamma {a}: {mean}");
        // The fourth central moment is 3 a² + 6 a.
        assert!((variance - a).abs() < 4.0 * ((2.0 * a * a + 6.0 * a) / N as f64).sqrt(), "gamma {a}: {variance}");
    }
    // Small shapes: tiny numbers, and no 0 whose logarithm is infinite.
    assert!(floats(&alpha(1e-3).gamma(11).unwrap()).iter().all(|x| *x > 0.0 && x.is_finite()));
    assert!(floats(&alpha(1e-30).reshape([N / 2, 2]).dirichlet(12).unwrap()).iter().all(|x| (0.0..=1.0).contains(x)));
}

#[test]
fn whole_numbers_come_as_often_as_they_should() {
    let d = Device::cpu();
    let counts = |numbers: &[f64], classes: usize, first: f64| {
        let mut counts = vec![0.0; classes];
        // The last class holds what lies beyond.
        numbers.iter().for_each(|x| counts[((x - first) as usize).min(classes - 1)] += 1.0);
        counts
    };
    for p in [0.2, 0.7] {
        let tries = floats(&d.geometric(N, p, 1));
        assert!(tries.iter().all(|t| *t >= 1.0 && t.fract() == 0.0));
        let mut shares: Vec<f64> = (0..9).map(|k| p * f64::powi(1.0 - p, k)).collect();
        shares.push(f64::powi(1.0 - p, 9));
        as_often_as("geometric", &counts(&tries, 10, 1.0), &shares);
    }
    for mean in [0.5, 4.0, 9.99, 10.0, 25.0, 400.0] {
        let events = floats(&d.full(N, mean).poisson(7).unwrap());
        assert!(events.iter().all(|k| *k >= 0.0 && k.fract() == 0.0));
        // Three deviations to both sides, and what lies beyond.
        let (low, high) = ((mean - 3.0 * mean.sqrt()).max(0.0).floor(), (mean + 3.0 * mean.sqrt()).ceil());
        let classes = (high - low) as usize + 1;
        let share = |k: f64| (k * mean.ln() - mean - libm::lgamma(k + 1.0)).exp();
        let mut shares: Vec<f64> = (0..classes - 1).map(|k| share(low + k as f64)).collect();
        shares[0] += (0..low as usize).map(|k| share(k as f64)).sum::<f64>();
        shares.push(1.0 - shares.iter().sum::<f64>());
        let clipped: Vec<f64> = events.iter().map(|k| k.max(low)).collect();
        as_often_as(&format!("poisson {mean}"), &counts(&clipped, classes, low), &shares);
    }
    let large = floats(&d.full(N, 4e9).poisson(3).unwrap());
    let mean = large.iter().sum::<f64>() / N as f64;
    assert!((mean - 4e9).abs() < 4.0 * (4e9 / N as f64).sqrt(), "{mean}");
    let spread = large.iter().map(|x| (x - 4e9).powi(2)).sum::<f64>() / N as f64 / 4e9;
    assert!((spread - 1.0).abs() < 4.0 * (2.0 / N as f64).sqrt(), "{spread}");
    assert_eq!(floats(&d.zeros(5).poisson(1).unwrap()), [0.0; 5]);
    let dice: Vec<f64> = d.randint(N, -3, 4, 5).to_vec::<i32>().unwrap().into_iter().map(f64::from).collect();
    as_often_as("randint", &counts(&dice, 7, -3.0), &[1.0; 7]);
    let flips = floats(&d.full(N, 0.3).bernoulli(5, 0));
    as_often_as("bernoulli", &counts(&flips, 2, 0.0), &[0.7, 0.3]);
    let logits = d.tensor(&[0.0, 1.0, f32::NEG_INFINITY, -1.0], 4).expand([N, 4]);
    let drawn: Vec<f64> = logits.categorical(1, 2).to_vec::<u32>().unwrap().into_iter().map(f64::from).collect();
    let found = counts(&drawn, 4, 0.0);
    assert_eq!(found[2], 0.0);
    as_often_as("categorical", &[found[0], found[1], found[3]], &[1.0, 1f64.exp(), (-1f64).exp()]);
    let mut order = d.randperm(1000, 9).to_vec::<u32>().unwrap();
    assert_ne!(order[..5], [0, 1, 2, 3, 4]);
    order.sort_unstable();
    assert!(order.into_iter().eq(0..1000));
}

#[test]
fn places_are_drawn_by_their_weights() {
    let d = Device::cpu();
    let weights = [2.0f32, 0.0, 1.0, 5.0, 0.0];
    let drawn = d.tensor(&weights, 5).multinomial(N, true, 3).unwrap();
    assert_eq!((drawn.shape().dims(), drawn.spec().unwrap().range), (&[N][..], Some((0, 3))));
    let mut counts = [0.0; 5];
    drawn.to_vec::<u32>().unwrap().into_iter().for_each(|k| counts[k as usize] += 1.0);
    assert_eq!((counts[1], counts[4]), (0.0, 0.0));
    as_often_as("multinomial", &[counts[0], counts[2], counts[3]], &[2.0, 1.0, 5.0]);
    // Without replacement: every order of three, first by its share of all, then of what is left.
    let rows = 12_000;
    let lines = d.tensor(&weights, 5).expand([rows, 5]).multinomial(3, false, 4).unwrap();
    assert_eq!(lines.shape().dims(), [rows, 3]);
    let (orders, w) = ([[0u32, 2, 3], [0, 3, 2], [2, 0, 3], [2, 3, 0], [3, 0, 2], [3, 2, 0]], [2.0, 0.0, 1.0, 5.0, 0.0]);
    let mut counts = [0.0; 6];
    for line in lines.to_vec::<u32>().unwrap().chunks(3) {
        counts[orders.iter().position(|order| order == line).unwrap()] += 1.0;
    }
    let share = |o: &[u32; 3]| w[o[0] as usize] / 8.0 * w[o[1] as usize] / (8.0 - w[o[0] as usize]);
    as_often_as("multinomial without replacement", &counts, &orders.each_ref().map(share));
    assert_eq!(d.ones(4).multinomial(0, false, 1).unwrap().shape().dims(), [0]);
    assert_eq!(d.zeros([0, 3]).multinomial(2, true, 1).unwrap().shape().dims(), [0, 2]);
    // Weights of very different sizes: the tiny one is not drawn in place of nothing.
    let tiny = d.tensor(&[1e-38, 3e38, 0.0], 3);
    assert_eq!(tiny.multinomial(5, true, 1).unwrap().to_vec::<u32>().unwrap(), [1; 5]);
    assert_eq!(tiny.multinomial(2, false, 1).unwrap().to_vec::<u32>().unwrap(), [1, 0]);
}

/// On a GPU the same numbers as on the reference, and the same bits where nothing is rounded.
#[test]
fn draws_are_the_same_on_every_device() {
    let cpu = Device::cpu();
    for device in common::devices("draws") {
        agreed(&device.exponential([40, 50], 0.5, 1));
        agreed(&device.gumbel(2000, 1.0, 2.0, 2));
        agreed(&device.laplace(2000, 0.0, 1.0, 3));
        agreed(&device.cauchy(2000, 0.0, 1.0, 4));
        agreed(&device.log_normal(2000, 0.0, 1.0, 5));
        agreed(&device.geometric(2000, 0.3, 6));
        let whole = |d: &Device| d.randint(5000, -1_000_000, 2_000_000_000, 7).to_vec::<i32>().unwrap();
        assert_eq!(whole(&device), whole(&cpu), "{device}");
        let flips = |d: &Device| d.uniform(5000, 0.0, 1.0, 1).bernoulli(8, 3).to_vec::<f32>().unwrap();
        assert_eq!(flips(&device), flips(&cpu), "{device}");
        assert_eq!(device.randperm(100, 3).to_vec::<u32>().unwrap(), cpu.randperm(100, 3).to_vec::<u32>().unwrap());
        for host in [Tensor::gamma, Tensor::poisson, Tensor::dirichlet] as [fn(&Tensor, u64) -> steepest::Result<Tensor>; 3] {
            let draw = |d: &Device| host(&d.full([20, 5], 3.5), 9).unwrap().to_vec::<f32>().unwrap();
            assert!(draw(&device).iter().zip(draw(&cpu)).all(|(a, b)| (a - b).abs() <= 1e-6 * b.abs()), "{device}");
        }
        let places = |d: &Device| d.arange(6).expand([3, 6]).multinomial(4, false, 1).unwrap().to_vec::<u32>().unwrap();
        assert_eq!(places(&device), places(&cpu), "{device}");
        // Streams differ, seeds differ, and the same is the same.
        let drawn = |seed, stream| device.full(100, 0.5).bernoulli(seed, stream).to_vec::<f32>().unwrap();
        assert!(drawn(1, 1) == drawn(1, 1) && drawn(1, 1) != drawn(1, 2) && drawn(1, 1) != drawn(2, 1));
        // What is beyond 0..1 is certain one way or the other.
        let odd = device.tensor(&[-1.0, 0.0, f32::NAN, 1.0, 7.0, f32::INFINITY], 6).bernoulli(1, 0);
        assert_eq!(agreed(&odd), [0.0, 0.0, 0.0, 1.0, 1.0, 1.0], "{device}");
        let none = device.full([2, 3], f64::NEG_INFINITY).categorical(1, 0);
        assert_eq!(agreed(&none), [0.0, 0.0], "{device}");
        assert_eq!(device.zeros([0, 3]).categorical(1, 0).shape().dims(), [0]);
        assert_eq!(device.randint(3, i64::from(i32::MAX), 1 << 31, 1).to_vec::<i32>().unwrap(), [i32::MAX; 3]);
        assert_eq!(device.randint([0, 2], 0, 5, 1).shape().numel(), 0);
    }
}

#[test]
fn distributions_that_are_none_are_refused_by_name() {
    let d = Device::cpu();
    let x = d.ones([2, 3]);
    let op = |error: Error| match error {
        Error::Op { op, at, error } if at.file().ends_with("it/draws.rs") => (op, error),
        other => panic!("{other:?}"),
    };
    let named = |t: &Tensor, name: &str, part: &str| {
        let (found, error) = op(t.check().unwrap_err());
        assert!(found == name && error.to_string().contains(part), "{found}: {error}");
    };
    for bad in [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e39, 1e-45] {
        named(&d.exponential(3, bad, 1), "exponential", "rate is");
        named(&d.gumbel(3, 0.0, bad, 1), "gumbel", "scale is");
        named(&d.laplace(3, 0.0, bad, 1), "laplace", "scale is");
        named(&d.cauchy(3, 0.0, bad, 1), "cauchy", "scale is");
        named(&d.geometric(3, bad, 1), "geometric", "p is");
        named(&d.truncated_normal(3, [0.0, bad], [0.0, 1.0], 1), "truncated_normal", "std is");
    }
    named(&d.geometric(3, 1.5, 1), "geometric", "p is 1.5");
    for bad in [f64::NAN, f64::INFINITY, 1e39] {
        named(&d.gumbel(3, bad, 1.0, 1), "gumbel", "loc is");
        named(&d.laplace(3, bad, 1.0, 1), "laplace", "loc is");
        named(&d.cauchy(3, bad, 1.0, 1), "cauchy", "loc is");
        named(&d.log_normal(3, bad, 1.0, 1), "log_normal", "mean is");
        named(&d.log_normal(3, 0.0, bad, 1), "log_normal", "std is");
        named(&d.truncated_normal(3, [0.0, 1.0], [bad, 1.0], 1), "truncated_normal", "low is");
        named(&d.truncated_normal(3, [bad, 1.0], [0.0, 1.0], 1), "truncated_normal", "mean is");
    }
    named(&d.truncated_normal(3, [0.0, 1.0], [1.0, 1.0], 1), "truncated_normal", "low is 1");
    named(&d.truncated_normal(3, [0.0, 1e-20], [1.0, 2.0], 1), "truncated_normal", "low is 1");
    for (low, high) in [(3, 3), (4, 3), (0, 1 << 32), (-(1 << 40), 0), (0, i64::MAX), (i64::MIN, i64::MAX)] {
        named(&d.randint(3, low, high, 1), "randint", "low is");
    }
    named(&x.to_u32().bernoulli(1, 0), "bernoulli", "u32");
    named(&x.to_u32().categorical(1, 0), "categorical", "u32");
    named(&d.zeros([2, 0]).categorical(1, 0), "categorical", "");
    named(&d.scalar(1.0).categorical(1, 0), "categorical", "");
    let failed = |result: steepest::Result<Tensor>, name: &str, part: &str| {
        let (found, error) = op(result.err().unwrap());
        assert!(found == name && error.to_string().contains(part), "{found}: {error}");
    };
    for bad in [-1.0, f32::NAN, f32::INFINITY] {
        failed(d.tensor(&[1.0, bad], 2).multinomial(1, true, 1), "multinomial", "weight 1 is");
        failed(d.tensor(&[1.0, bad], 2).poisson(1), "poisson", "mean 1 is");
        failed(d.tensor(&[1.0, bad], 2).gamma(1), "gamma", "shape 1 is");
        failed(d.tensor(&[1.0, bad], 2).dirichlet(1), "dirichlet", "concentration 1 is");
        failed(d.ones(2).beta(&d.tensor(&[1.0, bad], 2), 1), "beta", "β 1 is");
    }
    failed(d.zeros(2).gamma(1), "gamma", "shape 0 is 0");
    failed(d.ones(2).beta(&d.ones(3), 1), "beta", "[3]");
    failed(d.scalar(1.0).dirichlet(1), "dirichlet", "axis");
    failed(d.tensor(&[1.0, 0.0, 0.0, 0.0], [2, 2]).multinomial(1, true, 1), "multinomial", "line 1: all weights are 0");
    failed(d.tensor(&[1.0, 0.0, 2.0], 3).multinomial(3, false, 1), "multinomial", "2 weights are not 0");
    failed(d.zeros(0).multinomial(1, true, 1), "multinomial", "nothing to draw");
    failed(d.ones([1, 1, 2]).multinomial(1, true, 1), "multinomial", "[1,1,2]");
    failed(x.to_u32().multinomial(1, true, 1), "multinomial", "u32");
    let _: OpError = op(x.to_u32().poisson(1).err().unwrap()).1;
}
