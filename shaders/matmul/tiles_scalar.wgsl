// Matrix product in tiles shared by a workgroup, read element by element: for any strides and sizes.
// use: matmul/problem, matmul/elements, matmul/write_block, shared/outer_product
//
// SIDE×SIDE invocations compute a tile of TILE×TILE elements, each BLOCKS×BLOCKS blocks of 4×4 of them. For DEPTH values of p at a time they
// first load TILE rows of A and TILE columns of B into workgroup memory, both with p outermost, as vectors of four. Outside the matrices
// zeros are loaded and nothing is written. Beyond k both factors are zero, so no NaN arises from them.

const SIDE: u32 = 16u;
const BLOCKS: u32 = 1u;    // 1 or 2
const DEPTH: u32 = 16u;

const TILE: u32 = SIDE * 4u * BLOCKS;
const VECTORS: u32 = TILE / 4u;
const PITCH: u32 = VECTORS + 1u;   // one more, so that columns of the tile spread over the memory's banks

var<workgroup> tile_a: array<vec4<f32>, DEPTH * PITCH>;
var<workgroup> tile_b: array<vec4<f32>, DEPTH * PITCH>;

fn a_at(base: u32, row: u32, p: u32) -> f32 {
    if row < params.m && p < params.k { return element_a(base + row * params.a_row + p * params.a_col); }
    return 0.0;
}

fn b_at(base: u32, p: u32, column: u32) -> f32 {
    if column < params.n && p < params.k { return element_b(base + p * params.b_row + column * params.b_col); }
    return 0.0;
}

// The (p, vector) of a tile that is loaded as the e-th, so that consecutive invocations read consecutive memory.
fn load_index(e: u32, along_p: bool) -> vec2<u32> {
    if along_p { return vec2<u32>(e % DEPTH, e / DEPTH); }
    return vec2<u32>(e / VECTORS, e % VECTORS);
}

@compute @workgroup_size(SIDE, SIDE)
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

    var c00 = mat4x4<f32>();
    var c01 = mat4x4<f32>();
    var c10 = mat4x4<f32>();
    var c11 = mat4x4<f32>();
    for (var first = 0u; first < params.k; first += DEPTH) {
        for (var e = me; e < DEPTH * VECTORS; e += SIDE * SIDE) {
            let at_a = load_index(e, params.a_col == 1u);
            let row = first_row + 4u * at_a.y;
            let pa = first + at_a.x;
            tile_a[at_a.x * PITCH + at_a.y] =
                vec4<f32>(a_at(base.x, row, pa), a_at(base.x, row + 1u, pa), a_at(base.x, row + 2u, pa), a_at(base.x, row + 3u, pa));
            let at_b = load_index(e, params.b_row == 1u);
            let column = first_column + 4u * at_b.y;
            let pb = first + at_b.x;
            tile_b[at_b.x * PITCH + at_b.y] = vec4<f32>(
                b_at(base.y, pb, column),
                b_at(base.y, pb, column + 1u),
                b_at(base.y, pb, column + 2u),
                b_at(base.y, pb, column + 3u),
            );
        }
        workgroupBarrier();
        for (var p = 0u; p < DEPTH; p++) {
            let a0 = tile_a[p * PITCH + local.y];
            let b0 = tile_b[p * PITCH + local.x];
            c00 = outer_product(c00, a0, b0);
            if BLOCKS == 2u {
                let a1 = tile_a[p * PITCH + SIDE + local.y];
                let b1 = tile_b[p * PITCH + SIDE + local.x];
                c01 = outer_product(c01, a0, b1);
                c10 = outer_product(c10, a1, b0);
                c11 = outer_product(c11, a1, b1);
            }
        }
        workgroupBarrier();
    }

    let start = tile.batch * params.m * params.n;
    let row = first_row + 4u * local.y;
    let column = first_column + 4u * local.x;
    write_block(start, row, column, c00);
    if BLOCKS == 2u {
        write_block(start, row, column + 4u * SIDE, c01);
        write_block(start, row + 4u * SIDE, column, c10);
        write_block(start, row + 4u * SIDE, column + 4u * SIDE, c11);
    }
}
