//! Starts that are more than a number beside the other: orthogonal matrices, identities, normal numbers within bounds.

use crate::error::OpError;
use crate::random;
use std::f64::consts::{PI, SQRT_2};

/// `blocks` matrices one below the other, \[rows, columns\] in all, each with orthonormal rows or columns, times a gain.
pub(super) fn orthogonal([rows, columns]: [usize; 2], blocks: usize, gain: f64, seed: u64, stream: u64) -> Vec<f32> {
    let each = rows / blocks;
    let block = |number: u64| one_orthogonal(each, columns, gain, seed, stream | (number << 32));
    (0..blocks as u64).flat_map(block).collect()
}

/// Normal vectors made orthonormal one after the other (Gram and Schmidt): the R of that Q R has a positive diagonal, so every orthogonal
/// matrix has the same probability.
fn one_orthogonal(rows: usize, columns: usize, gain: f64, seed: u64, stream: u64) -> Vec<f32> {
    let (count, length) = (rows.min(columns), rows.max(columns));
    let drawn = random::normal_host(count * length, 0.0, 1.0, seed, stream);
    let mut vectors: Vec<Vec<f64>> =
        drawn.chunks_exact(length.max(1)).map(|v| v.iter().map(|&x| f64::from(x)).collect()).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    for k in 0..vectors.len() {
        let (before, rest) = vectors.split_at_mut(k);
        let vector = &mut rest[0];
        // Twice is enough: what rounding left of the others the first time is gone.
        for _ in 0..2 {
            for other in &*before {
                let along = dot(vector, other);
                vector.iter_mut().zip(other).for_each(|(x, y)| *x -= along * y);
            }
        }
        let length = dot(vector, vector).sqrt();
        vector.iter_mut().for_each(|x| *x /= length);
    }
    let element = |row: usize, column: usize| if rows <= columns { vectors[row][column] } else { vectors[column][row] };
    (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))).map(|(r, c)| (gain * element(r, c)) as f32).collect()
}

/// Ones in the middle of the kernel where channel i of a group meets channel i: \[groups · first, second, kernel…\].
pub(super) fn identity(shape: &[usize], groups: usize) -> Vec<f32> {
    let (first, second, kernel) = (shape[0] / groups, shape[1], &shape[2..]);
    let taps: usize = kernel.iter().product();
    let middle = kernel.iter().fold(0, |at, &n| at * n + n / 2);
    let mut values = vec![0.0; groups * first * second * taps];
    if taps > 0 {
        for (group, i) in (0..groups).flat_map(|group| (0..first.min(second)).map(move |i| (group, i))) {
            values[((group * first + i) * second + i) * taps + middle] = 1.0;
        }
    }
    values
}

/// Normal numbers of which those outside `low..=high` are left out, each by the inverse of its distribution function.
pub(super) fn truncated_normal(
    n: usize,
    (mean, std): (f64, f64),
    (low, high): (f64, f64),
    seed: u64,
    stream: u64,
) -> Result<Vec<f32>, OpError> {
    let none = || OpError::Value(format!("a normal distribution around {mean} with std {std} has no numbers in {low}..={high}"));
    if std == 0.0 {
        return if (low..=high).contains(&mean) { Ok(vec![mean as f32; n]) } else { Err(none()) };
    }
    let (a, b) = ((low - mean) / std, (high - mean) / std);
    // The lower tail has all its digits.
    let sign = if a > 0.0 { -1.0 } else { 1.0 };
    let (from, to) = if a > 0.0 { (distribution(-b), distribution(-a)) } else { (distribution(a), distribution(b)) };
    if to < SMALLEST {
        return Err(none());
    }
    if b - a < NARROW {
        return Ok(random::uniform_host(n, low as f32, high as f32, seed, stream));
    }
    // Neither 0 nor 1: half a step within.
    let drawn = random::uniform_host(n, 0.0, 1.0, seed, stream);
    let number = |u: f32| {
        let p = from + (f64::from(u) + HALF_A_STEP) * (to - from);
        ((mean + std * sign * quantile(p)) as f32).clamp(low as f32, high as f32)
    };
    Ok(drawn.into_iter().map(number).collect())
}

/// Within so many deviations a density hardly changes, and probabilities differ by few digits.
const NARROW: f64 = 1e-5;
/// Half of the distance of uniform numbers.
const HALF_A_STEP: f64 = 1.0 / (1u64 << 25) as f64;
/// Probabilities below this are too small to be told apart.
const SMALLEST: f64 = 1e-290;

/// The normal distribution function.
fn distribution(x: f64) -> f64 {
    0.5 * libm::erfc(-x / SQRT_2)
}

/// Its inverse: a rational approximation (Abramowitz and Stegun, 26.2.23), made exact by Halley's steps.
fn quantile(p: f64) -> f64 {
    let tail = p.min(1.0 - p).max(SMALLEST);
    let t = (-2.0 * tail.ln()).sqrt();
    let above = 2.515517 + t * (0.802853 + t * 0.010328);
    let below = 1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308));
    let mut x = above / below - t;
    for _ in 0..3 {
        let step = (distribution(x) - tail) * (2.0 * PI).sqrt() * (x * x / 2.0).exp();
        x -= step / (1.0 + x * step / 2.0);
    }
    if p <= 0.5 { x } else { -x }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantile_is_the_inverse_of_the_distribution() {
        for k in -300..=60 {
            let x = f64::from(k) / 10.0;
            let found = quantile(distribution(x));
            // Near 1 a probability has few digits of how far it is from there.
            let bound = if x < 0.0 { 1e-12 } else { 1e-16 * (x * x / 2.0).exp() * 3.0 + 1e-12 };
            assert!((found - x).abs() <= bound * x.abs().max(1.0), "{found}, not {x}");
        }
    }
}
