//! How far predicted numbers are from the true ones: MAE, RMSE, R². All is computed in f64, whatever the numbers are held in.

use super::wrong;
use crate::error::Result;

/// Pairs of a column, or why there are none to measure.
fn columns<P: Copy + Into<f64>, T: Copy + Into<f64>>(
    what: &str,
    predictions: &[P],
    targets: &[T],
    width: usize,
) -> Result<Vec<Vec<(f64, f64)>>> {
    let (p, t) = (predictions.len(), targets.len());
    if p != t {
        return Err(wrong(format!("{p} predictions for {t} values")));
    }
    if width == 0 || t == 0 || t % width != 0 {
        return Err(wrong(format!("{what} of {t} values in rows of {width}")));
    }
    let column = |c: usize| (c..t).step_by(width).map(|i| (predictions[i].into(), targets[i].into())).collect();
    Ok((0..width).map(column).collect())
}

/// The mean, corrected once by the mean of what is left: far from zero the first sum loses digits.
fn mean(values: impl ExactSizeIterator<Item = f64> + Clone) -> f64 {
    let n = values.len() as f64;
    let first = values.clone().sum::<f64>() / n;
    if first.is_finite() {
        first + values.map(|x| x - first).sum::<f64>() / n
    } else {
        // The sum is beyond the largest number, the mean need not be.
        values.map(|x| x / n).sum()
    }
}

/// √(mean of squares) of numbers whose squares may be too large or too small for f64: they are brought to at most 1 by a power of two,
/// which costs no digit.
fn root_mean_square(values: impl ExactSizeIterator<Item = f64> + Clone) -> f64 {
    let most = values.clone().map(f64::abs).fold(0.0, f64::max);
    let unit = power_of_two(most);
    mean(values.map(|x| (x / unit).powi(2))).sqrt() * unit
}

/// A power of two near `most`; 1 of zero and of what is not finite.
fn power_of_two(most: f64) -> f64 {
    if most > 0.0 && most.is_finite() { most.log2().floor().clamp(-1000.0, 1000.0).exp2() } else { 1.0 }
}

/// Mean absolute error: (1/n) Σ |p − t|, in the units of the target. With several columns (`width` per row, row-major) the mean over them.
///
/// Numbers may be f32 or f64; what is far from zero and close together (a time in seconds since 1970) needs f64, for both.
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
pub fn mae<P: Copy + Into<f64>, T: Copy + Into<f64>>(predictions: &[P], targets: &[T], width: usize) -> Result<f64> {
    let columns = columns("the mean absolute error", predictions, targets, width)?;
    Ok(mean(columns.iter().map(|pairs| mean(pairs.iter().map(|(p, t)| (p - t).abs())))))
}

/// Root mean squared error: √((1/n) Σ (p − t)²), in the units of the target. With several columns the mean of their roots.
///
/// # Errors
/// As [`mae`].
pub fn rmse<P: Copy + Into<f64>, T: Copy + Into<f64>>(predictions: &[P], targets: &[T], width: usize) -> Result<f64> {
    let columns = columns("the root mean squared error", predictions, targets, width)?;
    Ok(mean(columns.iter().map(|pairs| root_mean_square(pairs.iter().map(|(p, t)| p - t)))))
}

/// Coefficient of determination R² = 1 − Σ(t − p)² / Σ(t − t̄)²: 1 is perfect, 0 as good as always saying the mean, and there is no least.
/// With several columns the mean over them. A target that never changes counts as 1 if it is hit exactly, else as 0.
///
/// # Errors
/// As [`mae`], and fewer than two rows, of which there is no variance.
pub fn r2<P: Copy + Into<f64>, T: Copy + Into<f64>>(predictions: &[P], targets: &[T], width: usize) -> Result<f64> {
    let columns = columns("R²", predictions, targets, width)?;
    if columns[0].len() < 2 {
        return Err(wrong("R² of a single row".to_owned()));
    }
    let of = |pairs: &Vec<(f64, f64)>| {
        let centre = mean(pairs.iter().map(|(_, t)| *t));
        let least = pairs.iter().map(|(_, t)| *t).fold(f64::INFINITY, f64::min);
        // Asked of the values: their mean may be a rounding away from the one value that all have.
        let same = pairs.iter().all(|(_, t)| *t == least);
        let left = root_mean_square(pairs.iter().map(|(p, t)| t - p));
        let all = root_mean_square(pairs.iter().map(|(_, t)| t - centre));
        match (left == 0.0, same) {
            (true, true) => 1.0,
            (false, true) => 0.0,
            _ => 1.0 - (left / all).powi(2),
        }
    };
    Ok(mean(columns.iter().map(of)))
}

/// Mean absolute percentage error as a share: (1/n) Σ |p − t| / |t|, a target of 0 counting as 2⁻⁵². With several columns the mean over them.
///
/// ```
/// use steepest::train::metrics::mape;
/// assert!((mape(&[110.0, 45.0], &[100.0, 50.0], 1)? - 0.1).abs() < 1e-12);
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// As [`mae`].
pub fn mape<P: Copy + Into<f64>, T: Copy + Into<f64>>(predictions: &[P], targets: &[T], width: usize) -> Result<f64> {
    let columns = columns("the mean absolute percentage error", predictions, targets, width)?;
    let share = |(p, t): &(f64, f64)| (p - t).abs() / t.abs().max(f64::EPSILON);
    Ok(mean(columns.iter().map(|pairs| mean(pairs.iter().map(share)))))
}

/// Explained variance 1 − Var(t − p) / Var(t): [`r2`] that a constant error costs nothing. With several columns the mean over them; a target that never
/// changes counts as 1 if the error never does, else as 0.
///
/// # Errors
/// As [`r2`].
pub fn explained_variance<P: Copy + Into<f64>, T: Copy + Into<f64>>(
    predictions: &[P],
    targets: &[T],
    width: usize,
) -> Result<f64> {
    let columns = columns("the explained variance", predictions, targets, width)?;
    if columns[0].len() < 2 {
        return Err(wrong("the explained variance of a single row".to_owned()));
    }
    let spread = |values: &[f64]| {
        let (centre, first) = (mean(values.iter().copied()), values[0]);
        // Asked of the values: their mean may be a rounding away from the one value that all have.
        if values.iter().all(|v| *v == first) { 0.0 } else { root_mean_square(values.iter().map(|v| v - centre)) }
    };
    let of = |pairs: &Vec<(f64, f64)>| {
        let left = spread(&pairs.iter().map(|(p, t)| t - p).collect::<Vec<_>>());
        let all = spread(&pairs.iter().map(|(_, t)| *t).collect::<Vec<_>>());
        match (left == 0.0, all == 0.0) {
            (true, true) => 1.0,
            (false, true) => 0.0,
            _ => 1.0 - (left / all).powi(2),
        }
    };
    Ok(mean(columns.iter().map(of)))
}

/// The largest |p − t|, of all columns.
///
/// # Errors
/// As [`mae`].
pub fn max_error<P: Copy + Into<f64>, T: Copy + Into<f64>>(predictions: &[P], targets: &[T], width: usize) -> Result<f64> {
    let columns = columns("the largest error", predictions, targets, width)?;
    let larger = |a: f64, b: f64| if b.is_nan() || b > a { b } else { a };
    let errors = columns.iter().flatten().map(|(p, t)| (p - t).abs());
    Ok(errors.fold(0.0, |most, error| if most.is_nan() { most } else { larger(most, error) }))
}

/// The median of |p − t|, of an even number the mean of the middle two; an error that is NaN makes it NaN. With several columns the mean over them.
///
/// # Errors
/// As [`mae`].
pub fn median_absolute_error<P: Copy + Into<f64>, T: Copy + Into<f64>>(
    predictions: &[P],
    targets: &[T],
    width: usize,
) -> Result<f64> {
    let columns = columns("the median absolute error", predictions, targets, width)?;
    let of = |pairs: &Vec<(f64, f64)>| {
        let mut errors: Vec<f64> = pairs.iter().map(|(p, t)| (p - t).abs()).collect();
        if errors.iter().any(|e| e.is_nan()) {
            return f64::NAN;
        }
        errors.sort_by(f64::total_cmp);
        let middle = errors.len() / 2;
        if errors.len() % 2 == 1 { errors[middle] } else { errors[middle - 1] / 2.0 + errors[middle] / 2.0 }
    };
    Ok(mean(columns.iter().map(of)))
}
