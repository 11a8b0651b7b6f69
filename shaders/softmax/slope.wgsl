// The slope of a row's loss by the logit of class c: softmax(x)_c Σ_k t_k - t_c.
// use: shared/fused, softmax/elements, softmax/targets

@group(0) @binding(6) var<storage, read_write> out: array<f32>;

// `weight` is the sum of the targets.
fn store_slope(row: Row, weight: f32, c: u32) {
    let at = row.first + c;
    let slope = power(in0[at] - row.largest) / row.sum * weight - target_of(row, c);
    out[at] = epilogue(select(slope, nan(), is_nan(row.sum)), at);
}
