// Matrix product in tiles shared by a workgroup, read as vectors of four: for operands whose innermost sizes are multiples of four.
// use: matmul/problem, matmul/blocks, matmul/write_block
//
// SIDE_M×SIDE_N invocations compute a tile of TILE_M×TILE_N elements, each BLOCKS_M×BLOCKS_N blocks of 4×4 of them. For DEPTH values of p at
// a time they load TILE_M rows of A and TILE_N columns of B into workgroup memory, with p outermost, as vectors of four. An invocation loads
// one block of 4×4 elements, of A or of B, which it reads from the buffer one round ahead; f16 becomes f32 on that way. With two STAGES the
// next round is loaded while others still compute, and one barrier a round is enough. Beyond the last row or column that one is read again
// and nothing is written; beyond k both factors are zero, so no NaN arises from them.

const SIDE_M: u32 = 16u;
const SIDE_N: u32 = 16u;
const BLOCKS_M: u32 = 2u;   // 1 or 2
const BLOCKS_N: u32 = 2u;   // 1 or 2
const DEPTH: u32 = 16u;     // (TILE_M + TILE_N) DEPTH / 16 is at most the number of invocations
const STAGES: u32 = 1u;     // 1 or 2

const TILE_M: u32 = SIDE_M * 4u * BLOCKS_M;
const TILE_N: u32 = SIDE_N * 4u * BLOCKS_N;
const VECTORS_M: u32 = TILE_M / 4u;
const VECTORS_N: u32 = TILE_N / 4u;
const BAND: u32 = 8u;       // tiles side by side before the next row of tiles: what they read stays in the cache

// Four p, of each the blocks that an invocation has, of each those of all invocations side by side. An index that is a constant needs no check,
// so what is left to check is which four p and which invocation.
alias StepsA = array<array<array<vec4<f32>, SIDE_M>, BLOCKS_M>, 4>;
alias StepsB = array<array<array<vec4<f32>, SIDE_N>, BLOCKS_N>, 4>;
var<workgroup> tile_a: array<StepsA, STAGES * DEPTH / 4u>;
var<workgroup> tile_b: array<StepsB, STAGES * DEPTH / 4u>;

// The vectors of the block at rows or columns `first` of `count` and at four p. Both are clamped, so they exist.
fn clamped_vectors(base: u32, first: u32, p: u32, count: u32, along_p: bool) -> vec4<u32> {
    let four = vec4<u32>(0u, 1u, 2u, 3u);
    if along_p { return base / 4u + min(first + four, vec4<u32>(count - 1u)) * (params.k / 4u) + min(p, params.k - 4u) / 4u; }
    return base / 4u + min(p + four, vec4<u32>(params.k - 1u)) * (count / 4u) + min(first, count - 4u) / 4u;
}

@compute @workgroup_size(SIDE_N, SIDE_M)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) me: u32,
) {
    let tile = tile_of(group, groups, TILE_M, TILE_N);
    if tile.batch >= params.batches { return; }
    let band = tile.number / (tile.tiles_m * BAND);
    let width = min(BAND, tile.tiles_n - band * BAND);
    let inner = tile.number % (tile.tiles_m * BAND);
    let first_row = inner / width * TILE_M;
    let first_column = (band * BAND + inner % width) * TILE_N;
    let base = bases(tile.batch);

    // The block this invocation loads: (p, vector) within the tile, so that consecutive invocations read consecutive memory.
    let of_a = me < VECTORS_M * DEPTH / 4u;
    let load_index = select(me - VECTORS_M * DEPTH / 4u, me, of_a);
    let some = of_a || load_index < VECTORS_N * DEPTH / 4u;
    let along_p = select(TRANS_B == 1u, TRANS_A == 0u, of_a);
    let vectors = select(VECTORS_N, VECTORS_M, of_a);
    let p_mine = 4u * select(load_index / vectors, load_index % (DEPTH / 4u), along_p);
    let vector = select(load_index % vectors, load_index / (DEPTH / 4u), along_p);

    var c: Blocks;
    var next = mat4x4<f32>();
    var stage = 0u;
    // One round more than there are, shifted: each reads for the next and computes what the one before has loaded.
    let rounds = (params.k + DEPTH - 1u) / DEPTH;
    for (var round = 0u; round <= rounds; round++) {
        if round > 0u {
            if some {
                let at = (stage * DEPTH + p_mine) / 4u;
                if of_a {
                    let block = vector / SIDE_M;
                    let place = vector % SIDE_M;
                    tile_a[at][0][block][place] = next[0];
                    tile_a[at][1][block][place] = next[1];
                    tile_a[at][2][block][place] = next[2];
                    tile_a[at][3][block][place] = next[3];
                } else {
                    let block = vector / SIDE_N;
                    let place = vector % SIDE_N;
                    tile_b[at][0][block][place] = next[0];
                    tile_b[at][1][block][place] = next[1];
                    tile_b[at][2][block][place] = next[2];
                    tile_b[at][3][block][place] = next[3];
                }
            }
            workgroupBarrier();
        }
        if round < rounds && some {
            let p = round * DEPTH + p_mine;
            if of_a {
                next = block_a(clamped_vectors(base.x, first_row + 4u * vector, p, params.m, TRANS_A == 0u));
            } else {
                next = block_b(clamped_vectors(base.y, first_column + 4u * vector, p, params.n, TRANS_B == 1u));
            }
            let zero = vec4<f32>(0.0);
            next = mat4x4<f32>(
                select(zero, next[0], p < params.k),
                select(zero, next[1], p + 1u < params.k),
                select(zero, next[2], p + 2u < params.k),
                select(zero, next[3], p + 3u < params.k),
            );
        }
        if round > 0u {
            for (var four = 0u; four < DEPTH / 4u; four++) {
                let at = stage * (DEPTH / 4u) + four;
                add_step(&c, at, 0u, local.y, local.x);
                add_step(&c, at, 1u, local.y, local.x);
                add_step(&c, at, 2u, local.y, local.x);
                add_step(&c, at, 3u, local.y, local.x);
            }
            if STAGES == 1u {
                workgroupBarrier();
            } else {
                stage = 1u - stage;
            }
        }
    }

    let start = tile.batch * params.m * params.n;
    let row = first_row + 4u * local.y;
    let column = first_column + 4u * local.x;
    write_block(start, row, column, c.c00);
    if BLOCKS_N == 2u { write_block(start, row, column + 4u * SIDE_N, c.c01); }
    if BLOCKS_M == 2u { write_block(start, row + 4u * SIDE_M, column, c.c10); }
    if BLOCKS_M == 2u && BLOCKS_N == 2u { write_block(start, row + 4u * SIDE_M, column + 4u * SIDE_N, c.c11); }
}

// The products of one p: which of the four at a place of the tiles.
fn add_step(c: ptr<function, Blocks>, at: u32, p: u32, m: u32, n: u32) {
    let a0 = tile_a[at][p][0][m];
    let b0 = tile_b[at][p][0][n];
    (*c).c00 = outer_product((*c).c00, a0, b0);
    if BLOCKS_N == 2u {
        (*c).c01 = outer_product((*c).c01, a0, tile_b[at][p][BLOCKS_N - 1u][n]);
    }
    if BLOCKS_M == 2u {
        let a1 = tile_a[at][p][BLOCKS_M - 1u][m];
        (*c).c10 = outer_product((*c).c10, a1, b0);
        if BLOCKS_N == 2u {
            (*c).c11 = outer_product((*c).c11, a1, tile_b[at][p][BLOCKS_N - 1u][n]);
        }
    }
}
