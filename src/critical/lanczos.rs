//! The ends of a spectrum from products with the matrix alone: Lanczos (1950) with full reorthogonalisation.

use crate::eigen::{Decomposition, Symmetric, add_times, dot, length};
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
pub async fn ends(
    times: impl AsyncFn(&[f64]) -> Result<Vec<f64>>,
    start: Vec<f64>,
    steps: usize,
    accuracy: f64,
) -> Result<Option<Ends>> {
    let n = start.len();
    let mut basis = vec![start];
    let (mut diagonal, mut beside) = (vec![], vec![]);
    loop {
        let newest = &basis[basis.len() - 1];
        let mut next = times(newest).await?;
        if next.iter().any(|x| !x.is_finite()) {
            return Ok(None);
        }
        diagonal.push(dot(&next, newest));
        // Twice: what one pass leaves is of the size of its rounding.
        for _ in 0..2 {
            for q in &basis {
                let along = dot(&next, q);
                add_times(&mut next, -along, q);
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
    let mut projection = vec![0.0; k * k];
    for (i, &x) in diagonal.iter().enumerate() {
        projection[i * k + i] = x;
    }
    for (i, &x) in beside.iter().enumerate() {
        (projection[i * k + i + 1], projection[(i + 1) * k + i]) = (x, x);
    }
    let Decomposition { values, vectors } = Symmetric::new(projection, k)?.decompose()?;
    let mut lowest = vec![0.0; basis[0].len()];
    for (q, &part) in basis.iter().zip(&vectors[0]) {
        add_times(&mut lowest, part, q);
    }
    let size = length(&lowest);
    lowest.iter_mut().for_each(|x| *x /= size);
    let beyond = |vector: &Vec<f64>| left * vector[k - 1].abs();
    Some(Ends {
        weights: vectors.iter().map(|vector| vector[0] * vector[0]).collect(),
        residuals: [beyond(&vectors[0]), beyond(&vectors[k - 1])],
        values,
        lowest,
        steps: k,
    })
}
