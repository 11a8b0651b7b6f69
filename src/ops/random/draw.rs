//! Draws that take as many random numbers as they need, on the host and in f64: by weights, Poisson, gamma, normal between bounds.
//!
//! Logarithms and powers are libm's: the platform's may round otherwise, and what is drawn must be the same everywhere.

use super::Stream;
use libm::{exp, floor, lgamma, log, sqrt};
use std::f64::consts::PI;

/// Means from which a Poisson number is a rounded normal one: the skewness, 1 / √mean, is below what f32 shows.
const LARGE_MEAN: f64 = 1e9;

/// A number in 0..1 without its ends, a multiple of 2⁻⁵³.
fn unit(stream: &mut Stream) -> f64 {
    let bits = (u64::from(stream.bits()) << 32 | u64::from(stream.bits())) >> 12;
    (bits as f64 + 0.5) / (1u64 << 52) as f64
}

/// A normal number with mean 0 and deviation 1 (Box and Muller).
fn normal(stream: &mut Stream) -> f64 {
    let (u, v) = (unit(stream), unit(stream));
    sqrt(-2.0 * log(u)) * libm::cos(2.0 * PI * v)
}

/// `count` places in `weights`, each with probability weight / Σ weights of those that may be drawn, added to `drawn`.
pub(crate) fn places(
    stream: &mut Stream,
    weights: &[f32],
    count: usize,
    replacement: bool,
    drawn: &mut Vec<u32>,
) -> Result<(), String> {
    if let Some((k, weight)) = weights.iter().enumerate().find(|(_, w)| !w.is_finite() || **w < 0.0) {
        return Err(format!("weight {k} is {weight}, expected a finite number that is not negative"));
    }
    let there = weights.iter().filter(|w| **w > 0.0).count();
    if there == 0 && count > 0 {
        return Err("all weights are 0: there is nothing to draw".to_owned());
    }
    if replacement {
        let mut total = 0.0;
        let sums: Vec<f64> = weights
            .iter()
            .map(|&w| {
                total += f64::from(w);
                total
            })
            .collect();
        // The first whose sum is above the number: never one that adds nothing.
        let place = |_| {
            let t = unit(stream) * total;
            sums.partition_point(|&sum| sum <= t) as u32
        };
        drawn.extend((0..count).map(place));
        return Ok(());
    }
    if there < count {
        return Err(format!("{count} are to be drawn without replacement, and {there} weights are not 0"));
    }
    // Whose time comes first, each waiting for an exponential time at the rate of its weight: as drawing one after the other.
    let mut times: Vec<(f64, u32)> = vec![];
    for (&weight, k) in weights.iter().zip(0..) {
        let time = -log(unit(stream)) / f64::from(weight);
        if weight > 0.0 {
            times.push((time, k));
        }
    }
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    drawn.extend(times.into_iter().take(count).map(|(_, k)| k));
    Ok(())
}

/// A Poisson number. Small means by products of uniform numbers (Knuth), larger ones by transformed rejection (Hörmann 1993, PTRS).
pub(crate) fn poisson(stream: &mut Stream, mean: f64) -> f64 {
    if mean < 10.0 {
        let (limit, mut product, mut count) = (exp(-mean), unit(stream), 0.0);
        while product > limit {
            product *= unit(stream);
            count += 1.0;
        }
        return count;
    }
    if mean > LARGE_MEAN {
        return floor(mean + sqrt(mean) * normal(stream) + 0.5);
    }
    let b = 0.931 + 2.53 * sqrt(mean);
    let a = 0.02483 * b - 0.059;
    let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
    let squeeze = 0.9277 - 3.6224 / (b - 2.0);
    loop {
        let (u, v) = (unit(stream) - 0.5, unit(stream));
        let side = 0.5 - u.abs();
        let k = floor((2.0 * a / side + b) * u + mean + 0.43);
        if side >= 0.07 && v <= squeeze {
            return k;
        }
        if k < 0.0 || (side < 0.013 && v > side) {
            continue;
        }
        if log(v * inverse_alpha / (a / (side * side) + b)) <= k * log(mean) - mean - lgamma(k + 1.0) {
            return k;
        }
    }
}

/// The logarithm of a gamma number, limited to what f32 holds (Marsaglia and Tsang 2000; below 1 by way of shape + 1).
pub(crate) fn log_gamma(stream: &mut Stream, shape: f64) -> f64 {
    if shape < 1.0 {
        let least = f64::from(f32::MIN);
        return (log_gamma(stream, shape + 1.0) + log(unit(stream)) / shape).max(least);
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / sqrt(9.0 * d);
    loop {
        let z = normal(stream);
        let v = 1.0 + c * z;
        if v <= 0.0 {
            continue;
        }
        let v = v * v * v;
        if log(unit(stream)) < 0.5 * z * z + d - d * v + d * log(v) {
            return log(d) + log(v);
        }
    }
}

/// A gamma number, at least the smallest normal f32.
pub(crate) fn gamma(stream: &mut Stream, shape: f64) -> f64 {
    exp(log_gamma(stream, shape)).max(f64::from(f32::MIN_POSITIVE))
}

/// A normal number with mean 0 and deviation 1, given that it lies in `low..=high` (Robert 1995): by normal numbers, uniform ones or, far out,
/// exponential ones, whichever are seldom thrown away.
pub(crate) fn normal_between(stream: &mut Stream, low: f64, high: f64) -> f64 {
    if high < 0.0 {
        return -normal_between(stream, -high, -low);
    }
    // Where the density is largest, and the rate of an exponential that lies over it from there on.
    let top = low.max(0.0);
    let rate = 0.5 * (top + sqrt(top * top + 4.0));
    loop {
        let (z, kept) = if low <= 0.0 && high - low > sqrt(2.0 * PI) {
            (normal(stream), 1.0)
        } else if low <= 0.0 || (high - low) * rate < 1.0 {
            let z = low + (high - low) * unit(stream);
            (z, exp(0.5 * (top * top - z * z)))
        } else {
            let z = low - log(unit(stream)) / rate;
            (z, exp(-0.5 * (z - rate) * (z - rate)))
        };
        if (low..=high).contains(&z) && (kept == 1.0 || unit(stream) <= kept) {
            return z;
        }
    }
}
