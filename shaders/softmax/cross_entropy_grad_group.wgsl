// Gradient of softmax cross-entropy by the logits, one workgroup per row. For many classes on hardware: neighbours read neighbours.
// use: shared/numbers, softmax/row, softmax/row_by_group, softmax/slope, softmax/targets

// A row's weight with the target of class c, if there is one.
fn weight_with(weight: f32, row: Row, c: u32) -> f32 {
    if c >= params.n { return weight; }
    return weight + target_of(row, c);
}
fn weight_with2(w: f32, row: Row, c: u32) -> f32 { return weight_with(weight_with(w, row, c), row, c + WORKGROUP); }
fn weight_with4(w: f32, row: Row, c: u32) -> f32 { return weight_with2(weight_with2(w, row, c), row, c + 2u * WORKGROUP); }
fn weight_with8(w: f32, row: Row, c: u32) -> f32 { return weight_with4(weight_with4(w, row, c), row, c + 4u * WORKGROUP); }

// The slope by the logit of class c, if there is one, and the next ones of this invocation.
fn store_slopes(row: Row, w: f32, c: u32) { if c < params.n { store_slope(row, w, c); } }
fn store_slopes2(row: Row, w: f32, c: u32) { store_slopes(row, w, c); store_slopes(row, w, c + WORKGROUP); }
fn store_slopes4(row: Row, w: f32, c: u32) { store_slopes2(row, w, c); store_slopes2(row, w, c + 2u * WORKGROUP); }
fn store_slopes8(row: Row, w: f32, c: u32) { store_slopes4(row, w, c); store_slopes4(row, w, c + 4u * WORKGROUP); }

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) me: u32,
) {
    let number = group.y * groups.x + group.x;
    if number >= params.rows { return; }
    var row = row_by_group(number, number * params.n, me);
    if has_no_class(row) { row.sum = nan(); }
    var weight = 1.0;
    if SOFT == 1u {
        weight = 0.0;
        for (var c = me; c < params.n; c += EACH * WORKGROUP) {
            if EACH == 8u { weight = weight_with8(weight, row, c); } else { weight = weight_with(weight, row, c); }
        }
        weight = sum_of_group(weight, me);
    }
    for (var c = me; c < params.n; c += EACH * WORKGROUP) {
        if EACH == 8u { store_slopes8(row, weight, c); } else { store_slope(row, weight, c); }
    }
}
