//! Means, deviations, medians of a few numbers, in f64.

/// The mean and the standard deviation over n; NaN of nothing.
pub(super) fn mean_std(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = mean(values);
    let unit = unit(values.iter().map(|x| x - mean));
    (mean, (values.iter().map(|x| ((x - mean) / unit).powi(2)).sum::<f64>() / n).sqrt() * unit)
}

/// A power of two near the largest of some numbers, by which they can be divided without losing a digit, so that no square of them
/// overflows or vanishes.
fn unit(values: impl Iterator<Item = f64>) -> f64 {
    let most = values.map(f64::abs).fold(0.0, f64::max);
    if most > 0.0 && most.is_finite() { most.log2().floor().clamp(-1000.0, 1000.0).exp2() } else { 1.0 }
}

/// The value in the middle, of two the smaller: one that is there. NaN of nothing.
pub(super) fn middle(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
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
    if values.is_empty() {
        return f64::NAN;
    }
    let mut values = values.to_vec();
    let (half, odd) = (values.len() / 2, values.len() % 2 == 1);
    // Only the middle is put in its place: of a million values that is much less than sorting.
    let (below, &mut upper, _) = values.select_nth_unstable_by(half, f64::total_cmp);
    if odd { upper } else { below.iter().copied().fold(f64::NEG_INFINITY, f64::max) / 2.0 + upper / 2.0 }
}

/// Values farther from the middle than so many robust deviations may be far outside.
const FAR: f64 = 10.0;
/// They are, if each of them is so many times farther than all others.
const GAP: f64 = 3.0;
/// Of fewer values nobody knows which are far outside.
const LEAST: usize = 8;

/// The range of the values that belong together; what is outside has nothing to do with them. The middle is the median, the deviation
/// the median distance from it (where most values are at it, a quarter of the others are nearer): what is far outside moves neither.
pub(super) fn fences(values: &[f64]) -> (f64, f64) {
    let none = (f64::NEG_INFINITY, f64::INFINITY);
    if values.len() < LEAST {
        return none;
    }
    let middle = median(values);
    let distance = |x: &f64| (x / 2.0 - middle / 2.0).abs();
    let mut far: Vec<f64> = values.iter().map(distance).collect();
    let half = far.len() / 2;
    let mut deviation = *far.select_nth_unstable_by(half, f64::total_cmp).1;
    if deviation == 0.0 {
        let mut apart: Vec<f64> = far.iter().copied().filter(|&x| x != 0.0).collect();
        if apart.is_empty() {
            return none;
        }
        // Half of these few may be far outside.
        let quarter = apart.len() / 4;
        deviation = *apart.select_nth_unstable_by(quarter, f64::total_cmp).1;
    }
    let limit = FAR * 1.4826 * deviation;
    let most_within = far.iter().copied().filter(|&x| x <= limit).fold(0.0, f64::max);
    far.retain(|&x| x > limit);
    far.sort_unstable_by(f64::total_cmp);
    let before = |i: usize| if i == 0 { most_within } else { far[i - 1] };
    let Some(at) = (0..far.len()).find(|&i| far[i] > GAP * before(i)) else { return none };
    // Many different values are a group of their own, and no mistakes; the same one again and again stands for something.
    let mut outside: Vec<f64> = values.iter().copied().filter(|x| distance(x) >= far[at]).collect();
    outside.sort_unstable_by(f64::total_cmp);
    outside.dedup();
    if (far.len() - at) * 10 > values.len() && outside.len() > 2 {
        return none;
    }
    // Half distances; and anywhere in the gap will do.
    let most = before(at) * 2.0 * 1.5;
    (middle - most, middle + most)
}

/// The most frequent value, of several the smallest; NaN of nothing.
pub(super) fn most_frequent(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let runs = sorted.chunk_by(|a, b| a == b);
    runs.fold((0, f64::NAN), |(most, value), run| if run.len() > most { (run.len(), run[0]) } else { (most, value) }).1
}

/// Pearson's correlation, from −1 to 1; NaN where one side never changes, or its values differ by more than a number can hold.
pub(super) fn correlation(pairs: &[(f64, f64)]) -> f64 {
    let (xs, ys): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let ((mx, sx), (my, sy)) = (mean_std(&xs), mean_std(&ys));
    // Divided before they are multiplied: products of very large or very small numbers overflow or vanish.
    let r = pairs.iter().map(|(x, y)| ((x - mx) / sx) * ((y - my) / sy)).sum::<f64>() / pairs.len() as f64;
    let (flat_x, flat_y) = (sx == 0.0 || !sx.is_finite(), sy == 0.0 || !sy.is_finite());
    if flat_x || flat_y { f64::NAN } else { r.clamp(-1.0, 1.0) }
}
