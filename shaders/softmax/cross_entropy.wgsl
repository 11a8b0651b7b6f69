// Softmax cross-entropy, one invocation per row:
//     loss = log Σ_c e^(x_c - max) + max - x_label                  (SOFT = 0, integer labels)
//     loss = Σ_c t_c (log Σ_k e^(x_k - max) + max - x_c)            (SOFT = 1, probabilities t)
// use: shared/compensated, softmax/elements, softmax/row, softmax/row_by_one, softmax/targets

const WORKGROUP: u32 = 64u;

@group(0) @binding(6) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let number = id.y * groups.x * WORKGROUP + id.x;
    if number >= params.rows { return; }
    let row = row_by_one(number, number * params.n);
    var loss = vec2<f32>(0.0);
    if is_nan(row.sum) || has_no_class(row) {
        loss.x = nan();
    } else if SOFT == 0u {
        loss.x = class_loss(row, 1.0, row_element(row.first, labels[number]));
    } else {
        for (var c = 0u; c < params.n; c++) {
            loss = add_compensated(loss, class_loss(row, target_of(row, c), row_element(row.first, c)));
        }
    }
    out[number] = corrected(loss);
}
