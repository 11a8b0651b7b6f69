// An element of the softmax y_k = e^(x_k - max) / Σ_j e^(x_j - max), or of its logarithm (x_k - max) - log Σ.
// use: softmax/elements, softmax/row

const LOG: u32 = 0u;

@group(0) @binding(6) var<storage, read_write> out: array<f32>;

fn store_element(row: Row, k: u32) {
    let at = row.first + k * params.inner;
    let shifted = in0[at] - row.largest;
    var y = power(shifted) / row.sum;
    if LOG == 1u { y = shifted - row.log_sum; }
    // Said again here, so that no compiler can take it away from the NaN.
    out[at] = select(y, nan(), is_nan(row.sum));
}
