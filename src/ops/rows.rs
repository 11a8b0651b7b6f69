//! Native loops over rows of numbers that several ops share: extremes and sums.
//!
//! Sums run in lanes and in f64: their error does not grow with the number of terms.

use super::simd::vectorised;

/// Lanes of a sum or a maximum: a few vectors of the widest kind.
pub(super) const LANES: usize = 64;

/// The sum of the lanes, by halves.
#[inline(always)]
pub(super) fn fold_lanes(mut lanes: [f32; LANES], join: impl Fn(f32, f32) -> f32) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] = join(lanes[i], lanes[i + width]);
        }
        width /= 2;
    }
    lanes[0]
}

#[inline(always)]
pub(super) fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// The largest number that is not NaN; −∞ of none.
#[inline(always)]
pub(super) fn largest(x: &[f32]) -> f32 {
    let (whole, rest) = x.as_chunks::<LANES>();
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for chunk in whole {
        for (lane, &v) in lanes.iter_mut().zip(chunk) {
            *lane = larger(v, *lane);
        }
    }
    for (lane, &v) in lanes.iter_mut().zip(rest) {
        *lane = larger(v, *lane);
    }
    fold_lanes(lanes, larger)
}

/// Σ x in f64, but for fours of neighbours, added in f32, which is three times as fast. So an error of two roundings is all there is, however
/// many there are, and the sum of equal numbers is exact.
pub(super) fn sum(x: &[f32]) -> f64 {
    let sum = sum_by_fours(x);
    // Four may be too large for f32.
    if sum.is_finite() { sum } else { x.iter().map(|&v| f64::from(v)).sum() }
}

vectorised! {
    fn sum_by_fours<'a>(x: &'a [f32]) -> f64 {
        let (whole, rest) = x.as_chunks::<128>();
        let (some, rest) = rest.as_chunks::<64>();
        let (few, rest) = rest.as_chunks::<8>();
        let mut total: f64 = rest.iter().map(|&v| f64::from(v)).sum();
        if x.len() >= 8 {
            let mut lanes = [0.0f64; 8];
            for c in few {
                for (lane, &v) in lanes.iter_mut().zip(c) {
                    *lane += f64::from(v);
                }
            }
            for c in some {
                for i in 0..8 {
                    let (a, b) = ((c[i] + c[i + 8]) + (c[i + 16] + c[i + 24]), (c[i + 32] + c[i + 40]) + (c[i + 48] + c[i + 56]));
                    lanes[i] += f64::from(a) + f64::from(b);
                }
            }
            total += fold_eight(lanes);
        }
        if !whole.is_empty() {
            let mut lanes = [0.0f64; 32];
            for c in whole {
                for i in 0..32 {
                    lanes[i] += f64::from((c[i] + c[i + 32]) + (c[i + 64] + c[i + 96]));
                }
            }
            let mut eight = [0.0; 8];
            for i in 0..8 {
                eight[i] = (lanes[i] + lanes[i + 8]) + (lanes[i + 16] + lanes[i + 24]);
            }
            total += fold_eight(eight);
        }
        total
    }
}

#[inline(always)]
fn fold_eight(n: [f64; 8]) -> f64 {
    ((n[0] + n[1]) + (n[2] + n[3])) + ((n[4] + n[5]) + (n[6] + n[7]))
}

vectorised! {
    /// The largest (sign 1) or smallest (sign −1) number; NaN if any is NaN.
    fn extreme<'a>(x: &'a [f32], sign: f32) -> f32 {
        let (whole, rest) = x.as_chunks::<LANES>();
        let mut lanes = [f32::NEG_INFINITY; LANES];
        let mut nan = [0u32; LANES];
        let mut take = |chunk: &[f32]| {
            for ((lane, nan), &v) in lanes.iter_mut().zip(&mut nan).zip(chunk) {
                *lane = larger(sign * v, *lane);
                *nan |= u32::from(v.is_nan());
            }
        };
        for chunk in whole {
            take(chunk);
        }
        take(rest);
        if nan.iter().any(|&n| n != 0) { f32::NAN } else { sign * fold_lanes(lanes, larger) }
    }
}

vectorised! {
    /// into += x, element by element.
    fn add<'a>(into: &'a mut [f64], x: &'a [f32]) {
        for (to, &v) in into.iter_mut().zip(x) {
            *to += f64::from(v);
        }
    }
}

vectorised! {
    /// into += each of four rows, element by element, as in [`sum`].
    fn add_rows<'a>(into: &'a mut [f64], rows: [&'a [f32]; 4]) {
        let [a, b, c, d] = rows;
        for ((((to, &a), &b), &c), &d) in into.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            *to += f64::from((a + b) + (c + d));
        }
    }
}

/// What is lost when b is added to a, whose rounded sum is `sum` (Knuth).
#[inline(always)]
fn lost(a: f32, b: f32, sum: f32) -> f32 {
    let of_b = sum - a;
    (a - (sum - of_b)) + (b - of_b)
}

/// sums += x element by element, and losts += what the rounding took from the sums.
#[inline(always)]
pub(super) fn add_exactly(sums: &mut [f32], losts: &mut [f32], x: &[f32]) {
    for ((sum, all), &v) in sums.iter_mut().zip(losts).zip(x) {
        let next = *sum + v;
        *all += lost(*sum, v, next);
        *sum = next;
    }
}

vectorised! {
    /// sums += x and out = sums, element by element, where owed is what rounding took from the sums before (Kahan).
    fn running<'a>(sums: &'a mut [f32], owed: &'a mut [f32], x: &'a [f32], out: &'a mut [f32]) {
        for (((sum, owed), &v), o) in sums.iter_mut().zip(owed).zip(x).zip(out) {
            let more = v + *owed;
            let next = *sum + more;
            // An infinite sum owes nothing.
            *owed = if next.abs() < f32::INFINITY { more - (next - *sum) } else { 0.0 };
            *sum = next;
            *o = next;
        }
    }
}

vectorised! {
    /// out = sums / count.
    fn quotients<'a>(sums: &'a [f64], count: f64, out: &'a mut [f32]) {
        for (o, sum) in out.iter_mut().zip(sums) {
            *o = (sum / count) as f32;
        }
    }
}

vectorised! {
    /// out = sums; says whether all are finite.
    fn rounded<'a>(sums: &'a [f64], out: &'a mut [f32]) -> bool {
        let mut largest = 0;
        for (o, &sum) in out.iter_mut().zip(sums) {
            *o = sum as f32;
            largest = largest.max(o.to_bits() & 0x7fff_ffff);
        }
        largest < f32::INFINITY.to_bits()
    }
}

vectorised! {
    /// into = the larger (sign 1) or smaller (sign −1) of into and x, element by element; NaN if either is NaN.
    fn extremes<'a>(into: &'a mut [f32], x: &'a [f32], sign: f32) {
        for (to, &v) in into.iter_mut().zip(x) {
            *to = if to.is_nan() || sign * *to >= sign * v { *to } else { v };
        }
    }
}
