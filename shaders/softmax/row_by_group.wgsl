// A row's largest element and the sum of its exponentials, by a workgroup: each invocation walks over its share once, then neighbours are
// combined in a fixed order.
// use: softmax/elements, softmax/row

const WORKGROUP: u32 = 256u;
// Elements that an invocation takes in one iteration of a loop: 1, or 8 of rows so long that a device might leave the loop early. Loops over
// the eight would count too, so functions take twice as many as one before.
const EACH: u32 = 1u;

var<workgroup> largests: array<f32, WORKGROUP>;
var<workgroup> sums: array<f32, WORKGROUP>;

// What is known of some elements: the largest, Σ e^(x - largest), whether one is a NaN.
struct Walk {
    largest: f32,
    sum: f32,
    any_nan: bool,
}

// The same with element k of a row, if it has one.
fn walked(w: Walk, first: u32, k: u32) -> Walk {
    if k >= params.n { return w; }
    let v = row_element(first, k);
    let largest = max(w.largest, v);
    return Walk(largest, w.sum * power(w.largest - largest) + power(v - largest), w.any_nan || is_nan(v));
}
fn walked2(w: Walk, first: u32, k: u32) -> Walk { return walked(walked(w, first, k), first, k + WORKGROUP); }
fn walked4(w: Walk, first: u32, k: u32) -> Walk { return walked2(walked2(w, first, k), first, k + 2u * WORKGROUP); }
fn walked8(w: Walk, first: u32, k: u32) -> Walk { return walked4(walked4(w, first, k), first, k + 4u * WORKGROUP); }

fn row_by_group(number: u32, first: u32, me: u32) -> Row {
    var walk = Walk(LOWEST, 0.0, false);
    for (var k = me; k < params.n; k += EACH * WORKGROUP) {
        if EACH == 8u { walk = walked8(walk, first, k); } else { walk = walked(walk, first, k); }
    }
    largests[me] = walk.largest;
    sums[me] = select(walk.sum, nan(), walk.any_nan);
    for (var width = WORKGROUP / 2u; width > 0u; width /= 2u) {
        workgroupBarrier();
        if me < width {
            let largest = max(largests[me], largests[me + width]);
            let left = sums[me] * power(largests[me] - largest);
            sums[me] = left + sums[me + width] * power(largests[me + width] - largest);
            largests[me] = largest;
        }
    }
    workgroupBarrier();
    return row_of(number, first, largests[0], sums[0]);
}

// The sum of what all invocations have.
fn sum_of_group(sum: f32, me: u32) -> f32 {
    // Everyone has read what the array held.
    workgroupBarrier();
    sums[me] = sum;
    for (var width = WORKGROUP / 2u; width > 0u; width /= 2u) {
        workgroupBarrier();
        if me < width { sums[me] += sums[me + width]; }
    }
    workgroupBarrier();
    return sums[0];
}
