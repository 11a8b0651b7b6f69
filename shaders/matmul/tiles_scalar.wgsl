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

// Four p at a place: an index that is a constant needs no check, so what is left to check is which four p and which vector.
alias PlacesOfP = array<array<vec4<f32>, PITCH>, 4>;
var<workgroup> tile_a: array<PlacesOfP, DEPTH / 4u>;
var<workgroup> tile_b: array<PlacesOfP, DEPTH / 4u>;

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

    var c: Blocks;
    for (var first = 0u; first < params.k; first += DEPTH) {
        for (var e = me; e < DEPTH * VECTORS; e += SIDE * SIDE) {
            let at_a = load_index(e, params.a_col == 1u);
            let row = first_row + 4u * at_a.y;
            let pa = first + at_a.x;
            tile_a[at_a.x / 4u][at_a.x % 4u][at_a.y] =
                vec4<f32>(a_at(base.x, row, pa), a_at(base.x, row + 1u, pa), a_at(base.x, row + 2u, pa), a_at(base.x, row + 3u, pa));
            let at_b = load_index(e, params.b_row == 1u);
            let column = first_column + 4u * at_b.y;
            let pb = first + at_b.x;
            tile_b[at_b.x / 4u][at_b.x % 4u][at_b.y] = vec4<f32>(
                b_at(base.y, pb, column),
                b_at(base.y, pb, column + 1u),
                b_at(base.y, pb, column + 2u),
                b_at(base.y, pb, column + 3u),
            );
        }
        workgroupBarrier();
        for (var four = 0u; four < DEPTH / 4u; four++) {
            add_place(&c, four, 0u, local.y, local.x);
            add_place(&c, four, 1u, local.y, local.x);
            add_place(&c, four, 2u, local.y, local.x);
            add_place(&c, four, 3u, local.y, local.x);
        }
        workgroupBarrier();
    }

    let start = tile.batch * params.m * params.n;
    let row = first_row + 4u * local.y;
    let column = first_column + 4u * local.x;
    write_block(start, row, column, c.c00);
    if BLOCKS == 2u {
        write_block(start, row, column + 4u * SIDE, c.c01);
        write_block(start, row + 4u * SIDE, column, c.c10);
        write_block(start, row + 4u * SIDE, column + 4u * SIDE, c.c11);
    }
}

// The products of one p: which of the four at a place of the tiles.
fn add_place(c: ptr<function, Blocks>, four: u32, p: u32, m: u32, n: u32) {
    let a0 = tile_a[four][p][m];
    let b0 = tile_b[four][p][n];
    (*c).c00 = outer_product((*c).c00, a0, b0);
    if BLOCKS == 2u {
        let a1 = tile_a[four][p][SIDE + m];
        let b1 = tile_b[four][p][SIDE + n];
        (*c).c01 = outer_product((*c).c01, a0, b1);
        (*c).c10 = outer_product((*c).c10, a1, b0);
        (*c).c11 = outer_product((*c).c11, a1, b1);
    }
}
