// What cross-entropy compares a row with: a label (SOFT = 0), or a probability of each class (SOFT = 1).
// use: shared/numbers, softmax/row

const SOFT: u32 = 0u;

@group(0) @binding(1) var<storage, read> labels: array<u32>;

// Whether the row's label is no class.
fn has_no_class(row: Row) -> bool { return SOFT == 0u && labels[row.number] >= params.n; }

fn target_of(row: Row, c: u32) -> f32 {
    if SOFT == 0u { return select(0.0, 1.0, labels[row.number] == c); }
    return bitcast<f32>(labels[row.first + c]);
}

// What a class with this target and this logit adds to the loss. One of probability 0 does not count, even if its logit is -∞.
fn class_loss(row: Row, t: f32, logit: f32) -> f32 {
    if t == 0.0 && !is_nan(t) { return 0.0; }
    return t * ((row.largest - logit) + row.log_sum);
}
