//! How well scores put the positive rows before the negative ones: the ROC curve and the area under it.

use super::wrong;
use crate::error::Result;

/// Scores from the highest, with whether they are positive; and how many of each there are.
struct Sorted {
    rows: Vec<(f32, bool)>,
    positives: f64,
    negatives: f64,
}

fn sorted(scores: &[f32], positive: &[bool]) -> Result<Sorted> {
    if scores.len() != positive.len() {
        return Err(wrong(format!("{} scores for {} labels", scores.len(), positive.len())));
    }
    if let Some(row) = scores.iter().position(|s| s.is_nan()) {
        return Err(wrong(format!("the score of row {row} is NaN: it has no place in an order")));
    }
    let count = positive.iter().filter(|&&p| p).count();
    if count == 0 || count == positive.len() {
        return Err(wrong(format!("an ROC curve needs rows of both classes, found {count} positive of {}", positive.len())));
    }
    let mut rows: Vec<(f32, bool)> = scores.iter().copied().zip(positive.iter().copied()).collect();
    // −0 and 0 are one score; adding 0 makes them so.
    rows.iter_mut().for_each(|(score, _)| *score += 0.0);
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    Ok(Sorted { rows, positives: count as f64, negatives: (positive.len() - count) as f64 })
}

/// Area under the ROC curve: the probability that a positive row scores higher than a negative one, where equal scores count half
/// (Mann and Whitney 1947).
///
/// ```
/// use steepest::train::metrics::roc_auc;
/// assert_eq!(roc_auc(&[0.1, 0.4, 0.35, 0.8], &[false, false, true, true])?, 0.75);
/// assert_eq!(roc_auc(&[0.5, 0.5], &[false, true])?, 0.5);
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// [`Error::Config`](crate::Error::Config): not as many scores as labels, a score that is NaN, or rows of one class only.
pub fn roc_auc(scores: &[f32], positive: &[bool]) -> Result<f64> {
    let Sorted { rows, positives, negatives } = sorted(scores, positive)?;
    // Twice the number of pairs in the right order: whole numbers, so that no rounding depends on the order of ties.
    let (mut twice, mut above) = (0.0, 0.0);
    for ties in rows.chunk_by(|a, b| a.0 == b.0) {
        let hits = ties.iter().filter(|(_, p)| *p).count() as f64;
        let misses = ties.len() as f64 - hits;
        twice += misses * (2.0 * above + hits);
        above += hits;
    }
    Ok(twice / (2.0 * positives * negatives))
}

/// A point of an ROC curve: what is found and what is mistaken if every row with at least this score is taken as positive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RocPoint {
    /// The lowest score that is taken as positive; ∞ at the start, where none is.
    pub threshold: f32,
    /// The share of the negative rows that is mistaken.
    pub false_positive_rate: f64,
    /// The share of the positive rows that is found.
    pub true_positive_rate: f64,
}

/// The ROC curve, from (0, 0) to (1, 1): one point per distinct score.
///
/// # Errors
/// As [`roc_auc`].
pub fn roc_curve(scores: &[f32], positive: &[bool]) -> Result<Vec<RocPoint>> {
    let Sorted { rows, positives, negatives } = sorted(scores, positive)?;
    let mut curve = vec![RocPoint { threshold: f32::INFINITY, false_positive_rate: 0.0, true_positive_rate: 0.0 }];
    let (mut hits, mut misses) = (0, 0);
    for ties in rows.chunk_by(|a, b| a.0 == b.0) {
        let found = ties.iter().filter(|(_, p)| *p).count();
        (hits, misses) = (hits + found, misses + ties.len() - found);
        let (true_positive_rate, false_positive_rate) = (hits as f64 / positives, misses as f64 / negatives);
        curve.push(RocPoint { threshold: ties[0].0, false_positive_rate, true_positive_rate });
    }
    Ok(curve)
}
