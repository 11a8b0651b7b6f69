// Softmax along an axis, or its logarithm, one invocation per row.
// use: softmax/elements, softmax/normalised, softmax/row, softmax/row_by_one

const WORKGROUP: u32 = 64u;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let number = id.y * groups.x * WORKGROUP + id.x;
    if number >= params.rows { return; }
    let row = row_by_one(number, start_of_row(number));
    for (var k = 0u; k < params.n; k++) { store_element(row, k); }
}
