// Softmax along an axis, or its logarithm, one workgroup per row. For long rows on hardware: neighbours read neighbours.
// use: softmax/elements, softmax/normalised, softmax/row, softmax/row_by_group

// Element k, if there is one, and the next ones of this invocation.
fn store_elements(row: Row, k: u32) { if k < params.n { store_element(row, k); } }
fn store_elements2(row: Row, k: u32) { store_elements(row, k); store_elements(row, k + WORKGROUP); }
fn store_elements4(row: Row, k: u32) { store_elements2(row, k); store_elements2(row, k + 2u * WORKGROUP); }
fn store_elements8(row: Row, k: u32) { store_elements4(row, k); store_elements4(row, k + 4u * WORKGROUP); }

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) me: u32,
) {
    let number = group.y * groups.x + group.x;
    if number >= params.rows { return; }
    let row = row_by_group(number, start_of_row(number), me);
    for (var k = me; k < params.n; k += EACH * WORKGROUP) {
        if EACH == 8u { store_elements8(row, k); } else { store_element(row, k); }
    }
}
