// Gradient of softmax cross-entropy by the logits, one invocation per row.
// use: shared/numbers, softmax/row, softmax/row_by_one, softmax/slope, softmax/targets

const WORKGROUP: u32 = 64u;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let number = id.y * groups.x * WORKGROUP + id.x;
    if number >= params.rows { return; }
    var row = row_by_one(number, number * params.n);
    if has_no_class(row) { row.sum = nan(); }
    var weight = 1.0;
    if SOFT == 1u {
        weight = 0.0;
        for (var c = 0u; c < params.n; c++) { weight += target_of(row, c); }
    }
    for (var c = 0u; c < params.n; c++) { store_slope(row, weight, c); }
}
