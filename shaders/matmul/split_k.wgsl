// Matrix product for small outputs of long sums, which a workgroup shares: for operands whose innermost sizes are multiples of four.
// use: matmul/problem, matmul/blocks
//
// A workgroup computes a tile of 16×16 elements. Sixteen of its invocations hold the tile, 4×4 elements each; SLICES such teams share the p
// among them, four consecutive p at a time in turn. In the end the slices are added in order: the same bits every time.

const SLICES: u32 = 16u;
const TILE: u32 = 16u;

// For each slice and each of its invocations the four rows of its block.
var<workgroup> parts: array<vec4<f32>, SLICES * 64u>;

@compute @workgroup_size(16, SLICES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) me: u32,
) {
    let tile = tile_of(group, groups, TILE, TILE);
    if tile.batch >= params.batches { return; }
    let first_row = tile.number / tile.tiles_n * TILE;
    let first_column = tile.number % tile.tiles_n * TILE;
    let base = bases(tile.batch);

    let a_along_p = TRANS_A == 0u;
    let b_along_p = TRANS_B == 1u;
    let at_a = block_vectors(base.x, first_row + 4u * (local.x / 4u), params.m, params.k, a_along_p);
    let at_b = block_vectors(base.y, first_column + 4u * (local.x % 4u), params.n, params.k, b_along_p);
    // From one block to the next four p further on.
    let step_a = select(params.m, 1u, a_along_p);
    let step_b = select(params.n, 1u, b_along_p);
    var c = mat4x4<f32>();
    for (var block = local.y; block < params.k / 4u; block += SLICES) {
        c = add_block(c, block_a(at_a + block * step_a), block_b(at_b + block * step_b));
    }
    // What is left of k, by the last slice: nothing where vectors are along p, because k is a multiple of four then.
    if TRANS_A == 1u && TRANS_B == 0u && local.y == SLICES - 1u {
        for (var p = params.k - params.k % 4u; p < params.k; p++) {
            c = outer_product(c, quad_a(at_a.x + p * (params.m / 4u)), quad_b(at_b.x + p * (params.n / 4u)));
        }
    }
    let own = (local.y * 16u + local.x) * 4u;
    parts[own] = c[0];
    parts[own + 1u] = c[1];
    parts[own + 2u] = c[2];
    parts[own + 3u] = c[3];
    workgroupBarrier();

    for (var e = me; e < TILE * TILE; e += 16u * SLICES) {
        let row = e / TILE;
        let column = e % TILE;
        let place = (row / 4u * 4u + column / 4u) * 4u + row % 4u;
        var sum = 0.0;
        for (var s = 0u; s < SLICES; s++) {
            sum += parts[s * 64u + place][column % 4u];
        }
        let at = (tile.batch * params.m + first_row + row) * params.n + first_column + column;
        if first_row + row < params.m && first_column + column < params.n { out[at] = epilogue(sum, at); }
    }
}
