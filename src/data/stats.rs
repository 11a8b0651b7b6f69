//! Means, deviations, medians of a few numbers, in f64.

/// The mean and the standard deviation over n; NaN of nothing.
pub(super) fn mean_std(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = mean(values);
    (mean, (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt())
}

/// The mean, corrected once by the mean of what is left: the first sum may have lost the last digits, or overflowed nothing.
pub(super) fn mean(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let first = values.iter().map(|x| x / n).sum::<f64>();
    first + values.iter().map(|x| (x - first) / n).sum::<f64>()
}

/// The smallest and the largest.
pub(super) fn min_max(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &x| (a.min(x), b.max(x)))
}

/// The middle value, or the mean of the two in the middle; NaN of nothing.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len() / 2, sorted.len() % 2) {
        (0, 0) => f64::NAN,
        (half, 1) => sorted[half],
        (half, _) => sorted[half - 1] / 2.0 + sorted[half] / 2.0,
    }
}

/// The most frequent value, of several the smallest; NaN of nothing.
pub(super) fn most_frequent(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let runs = sorted.chunk_by(|a, b| a == b);
    runs.fold((0, f64::NAN), |(most, value), run| if run.len() > most { (run.len(), run[0]) } else { (most, value) }).1
}

/// Pearson's correlation; NaN where one side never changes.
pub(super) fn correlation(pairs: &[(f64, f64)]) -> f64 {
    let (xs, ys): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let ((mx, sx), (my, sy)) = (mean_std(&xs), mean_std(&ys));
    let covariance = pairs.iter().map(|(x, y)| (x - mx) * (y - my)).sum::<f64>() / pairs.len() as f64;
    covariance / (sx * sy)
}
