//! The ends of a spectrum from products with the matrix alone: Lanczos (1950) with full reorthogonalisation.

use super::eigen::{dot, length, ql};
use crate::error::Result;

/// What a run of Lanczos's method found.
pub struct Ends {
    /// Ritz values, ascending: the outermost ones are good approximations of eigenvalues.
    pub values: Vec<f64>,
    /// The share of the spectrum each stands for, estimated from the random start (stochastic Lanczos quadrature).
    pub weights: Vec<f64>,
    /// A unit vector close to the eigenvector of the lowest.
    pub lowest: Vec<f64>,
    /// How far the lowest and the highest are off, at most.
    pub residuals: [f64; 2],
    /// Products taken.
    pub steps: usize,
}

/// Runs at most `steps` products from the unit vector `start`; stops early when both ends are exact to `accuracy` times the largest value.
/// `None` if numbers are not finite.
pub fn ends(
    mut times: impl FnMut(&[f64]) -> Result<Vec<f64>>,
    start: Vec<f64>,
    steps: usize,
    accuracy: f64,
) -> Result<Option<Ends>> {
    let n = start.len();
    let mut basis = vec![start];
    let (mut diagonal, mut beside) = (vec![], vec![]);
    loop {
        let newest = &basis[basis.len() - 1];
        let mut next = times(newest)?;
        if next.iter().any(|x| !x.is_finite()) {
            return Ok(None);
        }
        diagonal.push(dot(&next, newest));
        // Twice: what one pass leaves is of the size of its rounding.
        for _ in 0..2 {
            for q in &basis {
                let along = dot(&next, q);
                next.iter_mut().zip(q).for_each(|(x, q)| *x -= along * q);
            }
        }
        let left = length(&next);
        let k = diagonal.len();
        let scale = diagonal.iter().chain(&beside).fold(f64::MIN_POSITIVE, |m: f64, x: &f64| m.max(x.abs()));
        // Nothing left: the basis spans all that can be reached from the start.
        let closed = left <= 1e-12 * scale;
        let last = closed || k >= steps.min(n);
        if last || k.is_multiple_of(8) {
            let Some(found) = ritz(&diagonal, &beside, &basis, if closed { 0.0 } else { left }) else { return Ok(None) };
            let largest = found.values.iter().fold(0.0f64, |m, v| m.max(v.abs()));
            if last || found.residuals.iter().all(|r| *r <= accuracy * largest) {
                return Ok(Some(found));
            }
        }
        beside.push(left);
        next.iter_mut().for_each(|x| *x /= left);
        basis.push(next);
    }
}

/// Eigenvalues and vectors of the projection onto the basis.
fn ritz(diagonal: &[f64], beside: &[f64], basis: &[Vec<f64>], left: f64) -> Option<Ends> {
    let k = diagonal.len();
    let mut values = diagonal.to_vec();
    let mut vectors: Vec<Vec<f64>> = (0..k).map(|i| (0..k).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    ql(&mut values, beside, &mut vectors)?;
    let mut order: Vec<usize> = (0..k).collect();
    order.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]));
    let (low, high) = (order[0], order[k - 1]);
    let mut lowest = vec![0.0; basis[0].len()];
    for (q, row) in basis.iter().zip(&vectors) {
        lowest.iter_mut().zip(q).for_each(|(x, q)| *x += row[low] * q);
    }
    let scale = 1.0 / length(&lowest);
    lowest.iter_mut().for_each(|x| *x *= scale);
    Some(Ends {
        weights: order.iter().map(|&i| vectors[0][i] * vectors[0][i]).collect(),
        residuals: [left * vectors[k - 1][low].abs(), left * vectors[k - 1][high].abs()],
        values: order.into_iter().map(|i| values[i]).collect(),
        lowest,
        steps: k,
    })
}
