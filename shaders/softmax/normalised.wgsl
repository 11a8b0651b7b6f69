// An element of the softmax y_k = e^(x_k - max) / Σ_j e^(x_j - max), or of its logarithm (x_k - max) - log Σ.
// use: softmax/elements, softmax/row

const LOG: u32 = 0u;

@group(0) @binding(6) var<storage, read_write> out: array<f32>;

// Stores element k, if there is one.
fn store_element(row: Row, k: u32) {
    if k >= params.n { return; }
    let at = row.first + k * params.inner;
    let shifted = in0[at] - row.largest;
    if is_nan(row.sum) {
        out[at] = nan();
    } else if LOG == 1u {
        out[at] = shifted - row.log_sum;
    } else {
        out[at] = power(shifted) / row.sum;
    }
}
