// Sums and means that are not finished, and how an output is stored.
// use: reduce/members, shared/compensated, shared/fused
//
// A total is the rounded sum, what rounding took from it, the smallest and the largest member; of other reductions only the first counts.
// So a sum's error does not grow with the number of members. A mean is that, divided by their number, and is between the smallest and the
// largest of them: of equal numbers it is that number.

// Sums and means in two stages: 1 is the first, which leaves four words for each output; 2 the second, whose members those are.
const STAGE: u32 = 0u;
// The largest finite number with all its digits: fewer would round beyond it, which browsers refuse.
const FARTHEST: f32 = 3.4028234663852886e38;

// Two totals as one.
fn combined(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    let sum = a.x + b.x;
    var total = vec4<f32>(sum, (a.y + b.y) + rounding_error(a.x, b.x, sum), 0.0, 0.0);
    if KIND == MEAN {
        total.z = min(a.z, b.z);
        total.w = max(a.w, b.w);
    }
    return total;
}

// The result that a total stands for.
fn value_of(total: vec4<f32>) -> f32 {
    if !ADDS { return total.x; }
    if KIND == SUM { return corrected(total.xy); }
    if params.count == 0u { return nan(); }
    let n = f32(params.count);
    let finite = is_finite(total.x);
    let mean = select(total.x / n, total.x / n + total.y / n, finite);
    if is_nan(mean) || !(finite || total.z == total.w) { return mean; }
    return min(max(mean, total.z), total.w);
}

fn store_total(o: u32, total: vec4<f32>) {
    if ADDS && STAGE == 1u {
        let words = bitcast<vec4<u32>>(total);
        out[4u * o] = words.x;
        out[4u * o + 1u] = words.y;
        out[4u * o + 2u] = words.z;
        out[4u * o + 3u] = words.w;
    } else {
        out[o] = bitcast<u32>(epilogue(value_of(total), o));
    }
}
