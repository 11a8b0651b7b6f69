//! How far predicted numbers are from the true ones: MAE, RMSE, R².

use super::wrong;
use crate::error::Result;

/// Pairs of a column, or why there are none to measure.
fn columns<'v>(what: &str, predictions: &'v [f32], targets: &'v [f32], width: usize) -> Result<Vec<Vec<(f64, f64)>>> {
    let (p, t) = (predictions.len(), targets.len());
    if p != t {
        return Err(wrong(format!("{p} predictions for {t} values")));
    }
    if width == 0 || t == 0 || t % width != 0 {
        return Err(wrong(format!("{what} of {t} values in rows of {width}")));
    }
    let column = |c: usize| (c..t).step_by(width).map(|i| (f64::from(predictions[i]), f64::from(targets[i]))).collect();
    Ok((0..width).map(column).collect())
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len() as f64;
    values.sum::<f64>() / n
}

/// Mean absolute error: (1/n) Σ |p − t|, in the units of the target. With several columns (`width` per row, row-major) the mean over them.
///
/// ```
/// use steepest::train::metrics::{mae, r2, rmse};
/// let (predicted, true_values) = ([2.5, 0.0, 2.0, 8.0], [3.0, -0.5, 2.0, 7.0]);
/// assert_eq!(mae(&predicted, &true_values, 1)?, 0.5);
/// assert!((rmse(&predicted, &true_values, 1)? - 0.6124).abs() < 1e-4);
/// assert!((r2(&predicted, &true_values, 1)? - 0.9486).abs() < 1e-4);
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// [`Error::Config`](crate::Error::Config): not as many predictions as values, none, or no whole rows.
pub fn mae(predictions: &[f32], targets: &[f32], width: usize) -> Result<f64> {
    let columns = columns("the mean absolute error", predictions, targets, width)?;
    Ok(mean(columns.iter().map(|pairs| mean(pairs.iter().map(|(p, t)| (p - t).abs())))))
}

/// Root mean squared error: √((1/n) Σ (p − t)²), in the units of the target. With several columns the mean of their roots.
///
/// # Errors
/// As [`mae`].
pub fn rmse(predictions: &[f32], targets: &[f32], width: usize) -> Result<f64> {
    let columns = columns("the root mean squared error", predictions, targets, width)?;
    Ok(mean(columns.iter().map(|pairs| mean(pairs.iter().map(|(p, t)| (p - t).powi(2))).sqrt())))
}

/// Coefficient of determination R² = 1 − Σ(t − p)² / Σ(t − t̄)²: 1 is perfect, 0 as good as always saying the mean, and there is no least.
/// With several columns the mean over them. A target that never changes counts as 1 if it is hit exactly, else as 0.
///
/// # Errors
/// As [`mae`], and fewer than two rows, of which there is no variance.
pub fn r2(predictions: &[f32], targets: &[f32], width: usize) -> Result<f64> {
    let columns = columns("R²", predictions, targets, width)?;
    if columns[0].len() < 2 {
        return Err(wrong("R² of a single row".to_owned()));
    }
    let of = |pairs: &Vec<(f64, f64)>| {
        let centre = mean(pairs.iter().map(|(_, t)| *t));
        let left: f64 = pairs.iter().map(|(p, t)| (t - p).powi(2)).sum();
        let all: f64 = pairs.iter().map(|(_, t)| (t - centre).powi(2)).sum();
        match (left == 0.0, all == 0.0) {
            (true, true) => 1.0,
            (false, true) => 0.0,
            _ => 1.0 - left / all,
        }
    };
    Ok(mean(columns.iter().map(of)))
}
