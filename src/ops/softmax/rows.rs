//! Native loops over rows that softmax and cross-entropy share: exponentials and their sums, which run in lanes and by blocks.

use super::super::math;
use super::super::rows::{LANES, fold_lanes, larger, largest};
use super::super::simd::vectorised;

/// Numbers that are added up in f32; the sums of such blocks are added in f64.
const BLOCK: usize = 32 * LANES;

vectorised! {
    /// The largest of a row and Σ e^(x − largest). The sum is NaN where the row holds NaN, or its largest is not finite.
    fn exp_sum<'a>(x: &'a [f32]) -> (f32, f32) {
        let max = largest(x);
        let mut sum = 0.0;
        for x in x.chunks(BLOCK) {
            let (whole, rest) = x.as_chunks::<LANES>();
            let mut lanes = [0.0; LANES];
            for chunk in whole {
                for (lane, v) in lanes.iter_mut().zip(chunk) {
                    *lane += math::exp(v - max);
                }
            }
            for (lane, v) in lanes.iter_mut().zip(rest) {
                *lane += math::exp(v - max);
            }
            sum += f64::from(fold_lanes(lanes, |a, b| a + b));
        }
        (max, sum as f32)
    }
}

vectorised! {
    /// out = e^(x − largest of x); says the sum, which is NaN where the row holds NaN, or its largest is not finite.
    fn exponentials<'a>(x: &'a [f32], out: &'a mut [f32]) -> f32 {
        let max = largest(x);
        let mut sum = 0.0;
        for (x, out) in x.chunks(BLOCK).zip(out.chunks_mut(BLOCK)) {
            let (whole, rest) = x.as_chunks::<LANES>();
            let (whole_out, rest_out) = out.as_chunks_mut::<LANES>();
            let mut lanes = [0.0; LANES];
            for (chunk, out) in whole.iter().zip(whole_out) {
                for ((lane, v), o) in lanes.iter_mut().zip(chunk).zip(out) {
                    *o = math::exp(v - max);
                    *lane += *o;
                }
            }
            for ((lane, v), o) in lanes.iter_mut().zip(rest).zip(rest_out) {
                *o = math::exp(v - max);
                *lane += *o;
            }
            sum += f64::from(fold_lanes(lanes, |a, b| a + b));
        }
        sum as f32
    }
}

vectorised! {
    /// out = e^(x − largest of its row) for rows of `width` numbers; and the largest of each row and the sum, as [`exp_sum`]. For rows shorter
    /// than there are lanes: only the exponentials are vectors, and those go on from row to row.
    fn exponentials_of_short<'a>(x: &'a [f32], width: usize, out: &'a mut [f32], found: &'a mut [(f32, f32)]) {
        for ((x, out), found) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)).zip(&mut *found) {
            found.0 = x.iter().fold(f32::NEG_INFINITY, |max, &v| larger(v, max));
            for (o, v) in out.iter_mut().zip(x) {
                *o = v - found.0;
            }
        }
        for o in &mut *out {
            *o = math::exp(*o);
        }
        for (row, found) in out.chunks_exact(width).zip(found) {
            found.1 = row.iter().sum();
        }
    }
}

vectorised! {
    /// x ← factor · x
    fn scale<'a>(x: &'a mut [f32], factor: f32) {
        for v in x {
            *v *= factor;
        }
    }
}

vectorised! {
    /// out = (x − max) − shift
    fn shifted<'a>(x: &'a [f32], max: f32, shift: f32, out: &'a mut [f32]) {
        for (o, v) in out.iter_mut().zip(x) {
            *o = (v - max) - shift;
        }
    }
}

vectorised! {
    /// out ← scale · out − target
    fn minus_target<'a>(out: &'a mut [f32], scale: f32, target: &'a [f32]) {
        for (o, t) in out.iter_mut().zip(target) {
            *o = scale * *o - t;
        }
    }
}

vectorised! {
    /// Softmax down the columns of `x`, rows of `width` numbers, or its logarithm; NaN where a column's largest is not finite.
    fn softmax_columns<'a>(x: &'a [f32], width: usize, log: bool, out: &'a mut [f32]) {
        for start in (0..width).step_by(LANES) {
            let lanes = LANES.min(width - start);
            let (mut max, mut totals) = ([f32::NEG_INFINITY; LANES], [0.0; LANES]);
            for row in x.chunks_exact(width) {
                for (max, &v) in max.iter_mut().zip(&row[start..start + lanes]) {
                    *max = larger(v, *max);
                }
            }
            for rows in x.chunks(BLOCK / LANES * width) {
                let mut sums = [0.0; LANES];
                for row in rows.chunks_exact(width) {
                    for ((sum, max), v) in sums.iter_mut().zip(&max).zip(&row[start..start + lanes]) {
                        *sum += math::exp(v - max);
                    }
                }
                for (total, sum) in totals.iter_mut().zip(sums) {
                    *total += f64::from(sum);
                }
            }
            // Their logarithms or inverses.
            let mut sums = [0.0; LANES];
            for (sum, total) in sums.iter_mut().zip(totals) {
                *sum = if log { math::ln(total as f32) } else { 1.0 / total as f32 };
            }
            for (row, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
                let each = sums.iter().zip(&max).zip(&row[start..start + lanes]).zip(&mut out[start..start + lanes]);
                for (((sum, max), v), o) in each {
                    *o = if log { (v - max) - sum } else { math::exp(v - max) * sum };
                }
            }
        }
    }
}
