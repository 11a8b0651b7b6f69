// Softmax cross-entropy, four elements at a time: for software adapters.
// use: shared/compensated, softmax/row, softmax/software/row_by_fours, softmax/targets

@group(0) @binding(6) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let number = id.y * groups.x * WORKGROUP + id.x;
    if number >= params.rows { return; }
    let row = row_by_fours(number);
    var loss = vec2<f32>(0.0);
    if is_nan(row.sum) || has_no_class(row) {
        loss.x = nan();
    } else if SOFT == 0u {
        let at = row.first + labels[number];
        loss.x = class_loss(row, 1.0, in0[at / 4u][at % 4u]);
    } else {
        for (var c = 0u; c < params.n; c++) {
            loss = add_compensated(loss, class_loss(row, target_of(row, c), in0[(row.first + c) / 4u][c % 4u]));
        }
    }
    out[number] = corrected(loss);
}
