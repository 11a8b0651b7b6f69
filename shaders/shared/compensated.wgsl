// Sums that keep what rounding took from them: their error does not grow with the number of terms.
// use: shared/numbers
//
// A kernel that uses this has a member `sign` of `Params`: 1 << 31, the bit of the sign, which no compiler must know.

// -x, where no compiler sees it: it might take (a + b) - a for b, and so the correction away.
fn negated(x: f32) -> f32 { return bitcast<f32>(bitcast<u32>(x) ^ params.sign); }

// What rounding took from a + b, whose rounded sum is `sum` (Knuth).
fn rounding_error(a: f32, b: f32, sum: f32) -> f32 {
    let of_b = sum + negated(a);
    let of_a = sum + negated(of_b);
    return (a + negated(of_a)) + (b + negated(of_b));
}

// A sum (x) and what rounding took from it (y), with b added.
fn add_compensated(sum: vec2<f32>, b: f32) -> vec2<f32> {
    let next = sum.x + b;
    return vec2<f32>(next, sum.y + rounding_error(sum.x, b, next));
}

// The sum with its correction. What rounding took from an infinite sum is no number.
fn corrected(sum: vec2<f32>) -> f32 { return select(sum.x, sum.x + sum.y, is_finite(sum.x)); }
