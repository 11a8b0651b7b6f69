// Matrix product as in vectors.wgsl, with the rows of A shared by a workgroup.
// use: matmul/problem, matmul/blocks, matmul/register_tile, matmul/software/add_bands, shared/subgroup
//
// The eight invocations of a workgroup are side by side along n, so all need the same rows of A: each reads an eighth of these, and hands it
// to the others. So it needs subgroups of just eight. Reading is what costs on software adapters, and a value from another lane is nearly free.

const WORKGROUP: u32 = 8u;

// Four rows at four consecutive p: column q of the result belongs to p + q. An A that is stored as [m, k] is read row by row, an invocation
// each: `u` holds eight rows, `d` the eight after them. One stored as [k, m] is read by fours of rows: `u` at two p, `d` at the next two.
fn band0_of(u: vec4<f32>, d: vec4<f32>) -> mat4x4<f32> {
    if TRANS_A == 0u { return mat4x4<f32>(lower_lanes(u.x), lower_lanes(u.y), lower_lanes(u.z), lower_lanes(u.w)); }
    return mat4x4<f32>(subgroupBroadcast(u, 0u), subgroupBroadcast(u, 4u), subgroupBroadcast(d, 0u), subgroupBroadcast(d, 4u));
}
fn band1_of(u: vec4<f32>, d: vec4<f32>) -> mat4x4<f32> {
    if TRANS_A == 0u { return mat4x4<f32>(upper_lanes(u.x), upper_lanes(u.y), upper_lanes(u.z), upper_lanes(u.w)); }
    return mat4x4<f32>(subgroupBroadcast(u, 1u), subgroupBroadcast(u, 5u), subgroupBroadcast(d, 1u), subgroupBroadcast(d, 5u));
}
fn band2_of(u: vec4<f32>, d: vec4<f32>) -> mat4x4<f32> {
    if TRANS_A == 0u { return mat4x4<f32>(lower_lanes(d.x), lower_lanes(d.y), lower_lanes(d.z), lower_lanes(d.w)); }
    return mat4x4<f32>(subgroupBroadcast(u, 2u), subgroupBroadcast(u, 6u), subgroupBroadcast(d, 2u), subgroupBroadcast(d, 6u));
}
fn band3_of(u: vec4<f32>, d: vec4<f32>) -> mat4x4<f32> {
    if TRANS_A == 0u { return mat4x4<f32>(upper_lanes(d.x), upper_lanes(d.y), upper_lanes(d.z), upper_lanes(d.w)); }
    return mat4x4<f32>(subgroupBroadcast(u, 3u), subgroupBroadcast(u, 7u), subgroupBroadcast(d, 3u), subgroupBroadcast(d, 7u));
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let tile = tile_of(group, groups, ROWS, COLUMNS * WORKGROUP);
    if tile.batch >= params.batches { return; }
    // Downwards first: the same columns of B are read again while they are near.
    let row = tile.number % tile.tiles_m * ROWS;
    let column = (tile.number / tile.tiles_m * WORKGROUP + lane) * COLUMNS;
    let base = bases(tile.batch);

    // Where this invocation reads A: two of sixteen rows, or fours of rows at the first and the third of four p.
    var at_u = base.x / 4u + min(row + lane, params.m - 1u) * (params.k / 4u);
    var at_d = base.x / 4u + min(row + 8u + lane, params.m - 1u) * (params.k / 4u);
    var step_a = 1u;
    if TRANS_A == 1u {
        at_u = base.x / 4u + min(row / 4u + lane % 4u, params.m / 4u - 1u) + lane / 4u * (params.m / 4u);
        at_d = at_u + params.m / 2u;
        step_a = params.m;
    }
    let b_along_p = TRANS_B == 1u;
    var at_b0 = block_vectors(base.y, column, params.n, params.k, b_along_p);
    var at_b1 = block_vectors(base.y, column + 4u, params.n, params.k, b_along_p);
    let step_b = select(params.n, 1u, b_along_p);

    var band0: Band;
    var band1: Band;
    var band2: Band;
    var band3: Band;
    for (var p = 0u; p < params.k / 4u; p++) {
        let b0 = block_b(at_b0);
        let b1 = block_b(at_b1);
        let u = quad_a(at_u);
        var d = vec4<f32>();
        if ROWS == 16u || TRANS_A == 1u { d = quad_a(at_d); }
        add_blocks(&band0, band0_of(u, d), b0, b1);
        add_blocks(&band1, band1_of(u, d), b0, b1);
        if ROWS == 16u {
            add_blocks(&band2, band2_of(u, d), b0, b1);
            add_blocks(&band3, band3_of(u, d), b0, b1);
        }
        at_u += step_a;
        at_d += step_a;
        at_b0 += step_b;
        at_b1 += step_b;
    }
    // What is left of k: nothing where vectors are along p, because k is a multiple of four then.
    if TRANS_A == 1u && TRANS_B == 0u {
        for (var p = 0u; p < params.k % 4u; p++) {
            let b0 = quad_b(at_b0.x);
            let b1 = quad_b(at_b1.x);
            // The first four invocations have the rows of this p.
            let u = quad_a(at_u);
            add_product(&band0, subgroupBroadcast(u, 0u), b0, b1);
            add_product(&band1, subgroupBroadcast(u, 1u), b0, b1);
            if ROWS == 16u {
                add_product(&band2, subgroupBroadcast(u, 2u), b0, b1);
                add_product(&band3, subgroupBroadcast(u, 3u), b0, b1);
            }
            at_u += params.m / 4u;
            at_b0 += params.n / 4u;
            at_b1 += params.n / 4u;
        }
    }
    write_tile(tile.batch * params.m * params.n, row, column, band0, band1, band2, band3);
}
