// What kernels of softmax and cross-entropy share: where a row is, and what they find out of it first.
// use: shared/numbers

struct Params {
    rows: u32,
    // elements of a row
    n: u32,
    // how far apart they are; 1 for cross-entropy
    inner: u32,
    // see shared/compensated
    sign: u32,
    extra: array<vec4<u32>, 32>,
}

@group(0) @binding(14) var<uniform> params: Params;

struct Row {
    number: u32,
    // where its first element is
    first: u32,
    largest: f32,
    // Σ e^(x - largest), in which nothing overflows; NaN where the row holds a NaN or its largest is not finite
    sum: f32,
    log_sum: f32,
}

// Below every finite number but one, with all its digits: fewer would round beyond it, which browsers refuse. A row whose largest stays this
// sums to 0, unless it holds that one.
const LOWEST: f32 = -3.4028234663852886e38;

fn row_of(number: u32, first: u32, largest: f32, sum: f32) -> Row {
    let checked = select(sum, nan(), is_nan(sum) || is_inf(largest) || sum == 0.0);
    return Row(number, first, largest, checked, log(checked));
}

// e^x for x <= 0, -∞ included.
fn power(x: f32) -> f32 { return exp(max(x, -200.0)); }
