// Softmax cross-entropy, one workgroup per row. For many classes on hardware: neighbours read neighbours.
// use: shared/numbers, softmax/elements, softmax/row, softmax/row_by_group, softmax/targets

@group(0) @binding(6) var<storage, read_write> out: array<f32>;

// A row's loss with what class c adds, if there is one.
fn loss_with(loss: f32, row: Row, c: u32) -> f32 {
    if c >= params.n { return loss; }
    return loss + class_loss(row, target_of(row, c), row_element(row.first, c));
}
fn loss_with2(loss: f32, row: Row, c: u32) -> f32 { return loss_with(loss_with(loss, row, c), row, c + WORKGROUP); }
fn loss_with4(loss: f32, row: Row, c: u32) -> f32 { return loss_with2(loss_with2(loss, row, c), row, c + 2u * WORKGROUP); }
fn loss_with8(loss: f32, row: Row, c: u32) -> f32 { return loss_with4(loss_with4(loss, row, c), row, c + 4u * WORKGROUP); }

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) me: u32,
) {
    let number = group.y * groups.x + group.x;
    if number >= params.rows { return; }
    let row = row_by_group(number, number * params.n, me);
    var loss = 0.0;
    if SOFT == 1u {
        for (var c = me; c < params.n; c += EACH * WORKGROUP) {
            if EACH == 8u { loss = loss_with8(loss, row, c); } else { loss = loss_with(loss, row, c); }
        }
        loss = sum_of_group(loss, me);
    } else if !has_no_class(row) {
        loss = class_loss(row, 1.0, row_element(row.first, labels[number]));
    }
    if me == 0u { out[number] = select(loss, nan(), is_nan(row.sum) || has_no_class(row)); }
}
