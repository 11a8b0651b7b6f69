//! How good probabilities are: log loss, perplexity, the Brier score, and how often what is said with a confidence is so.

use super::wrong;
use crate::error::Result;
use std::fmt;

/// A probability of 0 or 1 counts as this far from it, so that one certain mistake is not an infinite loss: as far as scikit-learn's
/// `log_loss` holds it for probabilities in f64.
const LEAST: f64 = 1e-15;

/// Pairs of probability and truth; an error unless they belong together and are probabilities.
fn pairs<P: Copy + Into<f64>>(what: &str, probabilities: &[P], positive: &[bool]) -> Result<Vec<(f64, bool)>> {
    if probabilities.len() != positive.len() {
        return Err(wrong(format!("{} probabilities for {} labels", probabilities.len(), positive.len())));
    }
    if positive.is_empty() {
        return Err(wrong(format!("{what} of no rows")));
    }
    let pairs: Vec<(f64, bool)> = probabilities.iter().map(|&p| p.into()).zip(positive.iter().copied()).collect();
    match pairs.iter().position(|(p, _)| !(0.0..=1.0).contains(p)) {
        Some(row) => Err(wrong(format!("{what}: the probability of row {row} is {}, expected 0 to 1", pairs[row].0))),
        None => Ok(pairs),
    }
}

/// A probability held away from 0 and 1.
fn held(p: f64) -> f64 {
    p.clamp(LEAST, 1.0 - LEAST)
}

/// −log p of what was right, p held away from 0.
pub(super) fn surprise(p: f64) -> f64 {
    -held(p).ln()
}

/// Mean of −log p over the rows, p the probability given to what was right (Good 1952): 0 is perfect, log 2 a coin. A probability of exactly 0 or 1
/// counts as 10⁻¹⁵ from it.
///
/// ```
/// use steepest::train::metrics::{brier, log_loss};
/// let (probabilities, positive) = ([0.9, 0.5, 0.2], [true, false, false]);
/// assert!((log_loss(&probabilities, &positive)? - (0.1054 + 0.6931 + 0.2231) / 3.0).abs() < 1e-4);
/// assert!((brier(&probabilities, &positive)? - (0.01 + 0.25 + 0.04) / 3.0).abs() < 1e-12);
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// [`Error::Config`](crate::Error::Config): not as many probabilities as labels, none, or one outside 0 to 1.
pub fn log_loss<P: Copy + Into<f64>>(probabilities: &[P], positive: &[bool]) -> Result<f64> {
    let pairs = pairs("the log loss", probabilities, positive)?;
    Ok(pairs.iter().map(|&(p, yes)| if yes { surprise(p) } else { -(1.0 - held(p)).ln() }).sum::<f64>() / pairs.len() as f64)
}

/// The Brier score (1950): the mean of (p − y)², y being 1 where it is so and 0 where not. 0 is perfect, ¼ always saying ½.
///
/// # Errors
/// As [`log_loss`].
pub fn brier<P: Copy + Into<f64>>(probabilities: &[P], positive: &[bool]) -> Result<f64> {
    let pairs = pairs("the Brier score", probabilities, positive)?;
    Ok(pairs.iter().map(|&(p, yes)| (p - f64::from(u8::from(yes))).powi(2)).sum::<f64>() / pairs.len() as f64)
}

/// The rows whose probability is in one part of 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// Where the part begins; it holds its end, and the first also its beginning.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// How many rows are in it.
    pub rows: usize,
    /// Their mean probability; NaN without rows.
    pub confidence: f64,
    /// The share of them that is so; NaN without rows.
    pub share: f64,
}

/// How often what is said with a probability is so, in bins of equal width: the numbers of a reliability diagram (Guo et al. 2017).
///
/// Prints as a table.
///
/// ```
/// use steepest::train::metrics::Calibration;
/// // Three rows said with 0.9, of which two are so; one said with 0.2, which is not.
/// let calibration = Calibration::new(&[0.9, 0.9, 0.9, 0.2], &[true, true, false, false], 10)?;
/// assert_eq!((calibration.bins().len(), calibration.bins()[8].rows), (10, 3));
/// let expected = 0.75 * (0.9 - 2.0 / 3.0) + 0.25 * 0.2;
/// assert!((calibration.expected_error() - expected).abs() < 1e-12);
/// println!("{calibration}");
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    bins: Vec<Bin>,
    rows: usize,
}

impl Calibration {
    /// Puts rows into bins: of one class its probability and whether a row is of it; of several the probability of the predicted class and whether it is
    /// right.
    ///
    /// # Errors
    /// As [`log_loss`], and no bins.
    pub fn new<P: Copy + Into<f64>>(probabilities: &[P], positive: &[bool], bins: usize) -> Result<Calibration> {
        let pairs = pairs("the calibration", probabilities, positive)?;
        if bins == 0 || bins > 10_000 {
            return Err(wrong(format!("a calibration in {bins} bins, expected 1 to 10,000")));
        }
        let mut sums = vec![(0usize, 0.0, 0usize); bins];
        for &(p, yes) in &pairs {
            // (i / n, (i + 1) / n], the first with its 0.
            let bin = ((p * bins as f64).ceil() as usize).clamp(1, bins) - 1;
            sums[bin] = (sums[bin].0 + 1, sums[bin].1 + p, sums[bin].2 + usize::from(yes));
        }
        let edge = |i: usize| i as f64 / bins as f64;
        let each = |(i, (rows, sum, hits)): (usize, (usize, f64, usize))| {
            let (confidence, share) = (sum / rows as f64, hits as f64 / rows as f64);
            Bin { from: edge(i), to: edge(i + 1), rows, confidence, share }
        };
        Ok(Calibration { bins: sums.into_iter().enumerate().map(each).collect(), rows: pairs.len() })
    }

    /// The bins, from 0 to 1.
    pub fn bins(&self) -> &[Bin] {
        &self.bins
    }

    fn gaps(&self) -> impl Iterator<Item = (f64, f64)> {
        let all = self.rows as f64;
        let filled = self.bins.iter().filter(|bin| bin.rows > 0);
        filled.map(move |bin| (bin.rows as f64 / all, (bin.share - bin.confidence).abs()))
    }

    /// Expected calibration error: the mean of |share − confidence| over the rows' bins (Naeini et al. 2015).
    pub fn expected_error(&self) -> f64 {
        self.gaps().map(|(weight, gap)| weight * gap).sum()
    }

    /// The largest |share − confidence| of a bin.
    pub fn largest_error(&self) -> f64 {
        self.gaps().map(|(_, gap)| gap).fold(0.0, f64::max)
    }
}

impl fmt::Display for Calibration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<13}  {:>8}  {:>10}  {:>6}", "probability", "rows", "confidence", "share")?;
        for Bin { from, to, rows, confidence, share } in self.bins.iter().filter(|bin| bin.rows > 0) {
            writeln!(f, "{:<13}  {rows:>8}  {confidence:>10.4}  {share:>6.4}", format!("{from:.3}-{to:.3}"))?;
        }
        write!(f, "expected error {:.4}, largest {:.4}", self.expected_error(), self.largest_error())
    }
}
