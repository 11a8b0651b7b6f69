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
    sorted.sort_unstable_by(f64::total_cmp);
    match (sorted.len() / 2, sorted.len() % 2) {
        (0, 0) => f64::NAN,
        (half, 1) => sorted[half],
        (half, _) => sorted[half - 1] / 2.0 + sorted[half] / 2.0,
    }
}

/// Values farther from the middle than so many robust deviations may be far outside.
const FAR: f64 = 10.0;
/// They are, if each of them is so many times farther than all others.
const GAP: f64 = 3.0;
/// Of fewer values nobody knows which are far outside.
const LEAST: usize = 8;

/// The range of the values that belong together; what is outside has nothing to do with them. The middle is the median, the deviation
/// the median distance from it (of the values that are not at it, where most are): what is far outside moves neither.
pub(super) fn fences(values: &[f64]) -> (f64, f64) {
    let none = (f64::NEG_INFINITY, f64::INFINITY);
    if values.len() < LEAST {
        return none;
    }
    let middle = median(values);
    let mut far: Vec<f64> = values.iter().map(|x| (x / 2.0 - middle / 2.0).abs()).collect();
    far.sort_unstable_by(f64::total_cmp);
    let mut deviation = far[far.len() / 2];
    if deviation == 0.0 {
        let apart = far.partition_point(|&x| x == 0.0);
        if apart == far.len() {
            return none;
        }
        deviation = far[apart + (far.len() - apart) / 2];
    }
    let limit = FAR * 1.4826 * deviation;
    let first = far.partition_point(|&x| x <= limit);
    let Some(at) = (first.max(1)..far.len()).find(|&i| far[i] > GAP * far[i - 1]) else { return none };
    // Many different values are a group of their own, and no mistakes; the same one again and again stands for something.
    let mut outside: Vec<f64> = values.iter().copied().filter(|x| (x / 2.0 - middle / 2.0).abs() >= far[at]).collect();
    outside.sort_unstable_by(f64::total_cmp);
    outside.dedup();
    if (far.len() - at) * 10 > far.len() && outside.len() > 2 {
        return none;
    }
    // Half distances; and anywhere in the gap will do.
    let most = far[at - 1] * 2.0 * 1.5;
    (middle - most, middle + most)
}

/// The most frequent value, of several the smallest; NaN of nothing.
pub(super) fn most_frequent(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
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
