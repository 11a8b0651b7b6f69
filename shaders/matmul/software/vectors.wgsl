// Matrix product as in registers.wgsl, read in vectors of four along the operands' innermost axes, four values of p at a time.
// use: matmul/problem, matmul/blocks, matmul/register_tile, matmul/software/add_bands
//
// Reading is what costs on software adapters: there a vector hardly costs more than an element.

const WORKGROUP: u32 = 8u;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let corner = corner_of(group, groups, lane, WORKGROUP);
    if corner.batch >= params.batches { return; }
    let row = corner.row;
    let column = corner.column;
    let base = bases(corner.batch);

    let a_along_p = TRANS_A == 0u;
    let b_along_p = TRANS_B == 1u;
    var at_a0 = block_vectors(base.x, row, params.m, params.k, a_along_p);
    var at_a1 = block_vectors(base.x, row + 4u, params.m, params.k, a_along_p);
    var at_a2 = block_vectors(base.x, row + 8u, params.m, params.k, a_along_p);
    var at_a3 = block_vectors(base.x, row + 12u, params.m, params.k, a_along_p);
    var at_b0 = block_vectors(base.y, column, params.n, params.k, b_along_p);
    var at_b1 = block_vectors(base.y, column + 4u, params.n, params.k, b_along_p);
    // From one block to the next four p further on.
    let step_a = select(params.m, 1u, a_along_p);
    let step_b = select(params.n, 1u, b_along_p);

    var band0: Band;
    var band1: Band;
    var band2: Band;
    var band3: Band;
    for (var p = 0u; p < params.k / 4u; p++) {
        let b0 = block_b(at_b0);
        let b1 = block_b(at_b1);
        add_blocks(&band0, block_a(at_a0), b0, b1);
        if ROWS >= 8u { add_blocks(&band1, block_a(at_a1), b0, b1); }
        if ROWS == 16u {
            add_blocks(&band2, block_a(at_a2), b0, b1);
            add_blocks(&band3, block_a(at_a3), b0, b1);
        }
        at_a0 += step_a;
        at_a1 += step_a;
        at_a2 += step_a;
        at_a3 += step_a;
        at_b0 += step_b;
        at_b1 += step_b;
    }
    // What is left of k: nothing where vectors are along p, because k is a multiple of four then.
    if TRANS_A == 1u && TRANS_B == 0u {
        for (var p = 0u; p < params.k % 4u; p++) {
            let b0 = quad_b(at_b0.x);
            let b1 = quad_b(at_b1.x);
            add_product(&band0, quad_a(at_a0.x), b0, b1);
            if ROWS >= 8u { add_product(&band1, quad_a(at_a1.x), b0, b1); }
            if ROWS == 16u {
                add_product(&band2, quad_a(at_a2.x), b0, b1);
                add_product(&band3, quad_a(at_a3.x), b0, b1);
            }
            at_a0 += params.m / 4u;
            at_a1 += params.m / 4u;
            at_a2 += params.m / 4u;
            at_a3 += params.m / 4u;
            at_b0 += params.n / 4u;
            at_b1 += params.n / 4u;
        }
    }
    write_tile(corner.batch * params.m * params.n, row, column, band0, band1, band2, band3);
}
