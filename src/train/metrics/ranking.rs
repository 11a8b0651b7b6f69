//! How well scores put the positive rows before the negative ones: curves of ROC and of precision and recall, the areas under them, and the right class
//! among the first few.

use super::wrong;
use crate::error::Result;

/// Scores from the highest, with whether they are positive; and how many of each there are.
struct Sorted {
    rows: Vec<(f32, bool)>,
    positives: f64,
    negatives: f64,
}

fn sorted(scores: &[f32], positive: &[bool]) -> Result<Sorted> {
    let sorted = in_order(scores, positive)?;
    if sorted.positives == 0.0 || sorted.negatives == 0.0 {
        let (count, all) = (sorted.positives, positive.len());
        return Err(wrong(format!("an ROC curve needs rows of both classes, found {count} positive of {all}")));
    }
    Ok(sorted)
}

fn in_order(scores: &[f32], positive: &[bool]) -> Result<Sorted> {
    if scores.len() != positive.len() {
        return Err(wrong(format!("{} scores for {} labels", scores.len(), positive.len())));
    }
    if let Some(row) = scores.iter().position(|s| s.is_nan()) {
        return Err(wrong(format!("the score of row {row} is NaN: it has no place in an order")));
    }
    let count = positive.iter().filter(|&&p| p).count();
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

/// A point of a curve of precision and recall: what holds if every row with at least this score is taken as positive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PrPoint {
    /// The lowest score that is taken as positive; ∞ at the start, where none is.
    pub threshold: f32,
    /// Of the rows taken as positive, the share that is; 1 at the start.
    pub precision: f64,
    /// The share of the positive rows that is found.
    pub recall: f64,
}

/// The curve of precision over recall, from recall 0 to 1: one point per distinct score. It says more than an ROC curve where positive rows are rare
/// (Davis and Goadrich 2006).
///
/// # Errors
/// As [`average_precision`].
pub fn pr_curve(scores: &[f32], positive: &[bool]) -> Result<Vec<PrPoint>> {
    let Sorted { rows, positives, .. } = in_order(scores, positive)?;
    if positives == 0.0 {
        return Err(wrong(format!("precision and recall need positive rows, found none of {}", positive.len())));
    }
    let mut curve = vec![PrPoint { threshold: f32::INFINITY, precision: 1.0, recall: 0.0 }];
    let (mut hits, mut taken) = (0, 0);
    for ties in rows.chunk_by(|a, b| a.0 == b.0) {
        (hits, taken) = (hits + ties.iter().filter(|(_, p)| *p).count(), taken + ties.len());
        let (precision, recall) = (hits as f64 / taken as f64, hits as f64 / positives);
        curve.push(PrPoint { threshold: ties[0].0, precision, recall });
    }
    Ok(curve)
}

/// Average precision, the area under [`pr_curve`] as a sum of steps: Σ (Rₙ − Rₙ₋₁) Pₙ over the distinct scores. The share of positive rows is what
/// scores without sense reach.
///
/// ```
/// use steepest::train::metrics::average_precision;
/// let found = average_precision(&[0.1, 0.4, 0.35, 0.8], &[false, false, true, true])?;
/// assert!((found - (0.5 * 1.0 + 0.5 * 2.0 / 3.0)).abs() < 1e-12);
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// [`Error::Config`](crate::Error::Config): not as many scores as labels, a score that is NaN, or no positive row.
pub fn average_precision(scores: &[f32], positive: &[bool]) -> Result<f64> {
    let curve = pr_curve(scores, positive)?;
    Ok(curve.windows(2).map(|pair| (pair[1].recall - pair[0].recall) * pair[1].precision).sum())
}

/// The share of rows whose class is among the `k` largest of their `width` outputs. Among equal outputs the first comes first, and NaN last, as where one
/// class is predicted: with k = 1 it is the accuracy.
///
/// ```
/// use steepest::train::metrics::top_k_accuracy;
/// let outputs = [0.1, 0.7, 0.2, 0.5, 0.4, 0.1];
/// assert_eq!(top_k_accuracy(&outputs, 3, &[2, 2], 2)?, 0.5);
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// [`Error::Config`](crate::Error::Config): outputs that are no rows of `width` for the labels, no rows, a label that is no class, or a k of 0.
pub fn top_k_accuracy(outputs: &[f32], width: usize, labels: &[u32], k: usize) -> Result<f64> {
    if labels.is_empty() || width == 0 || labels.len().checked_mul(width) != Some(outputs.len()) {
        let message = format!("{} outputs in rows of {width} for {} labels", outputs.len(), labels.len());
        return Err(wrong(format!("the top-k accuracy of {message}")));
    }
    if k == 0 {
        return Err(wrong("the top-k accuracy with k = 0, expected 1 or more".to_owned()));
    }
    let mut hits = 0usize;
    for (row, (outputs, &label)) in outputs.chunks(width).zip(labels).enumerate() {
        let Some(&own) = outputs.get(label as usize) else {
            return Err(wrong(format!("label {label} of row {row} is out of range 0..{width}")));
        };
        let before = |(class, &x): (usize, &f32)| {
            let equal = x == own || (x.is_nan() && own.is_nan());
            x > own || (own.is_nan() && !x.is_nan()) || (equal && class < label as usize)
        };
        hits += usize::from(outputs.iter().enumerate().filter(|&at| before(at)).count() < k);
    }
    Ok(hits as f64 / labels.len() as f64)
}
