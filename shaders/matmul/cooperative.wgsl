// Matrix product of f16 operands by the adapter's cooperative matrices of SIDE×SIDE, sums in f32.
// use: matmul/problem, matmul/cooperative_tiles
//
// Four teams, two by two, compute a tile of TILE×TILE elements; a team computes a quarter of it, as 2×2 matrices of SIDE×SIDE. For DEPTH values
// of p at a time the workgroup loads A and B into its memory, as they are stored, in vectors of four; beyond the matrices there are zeros, so
// neither sizes nor alignment matter but that innermost sizes are multiples of four. A team is at least as large as a subgroup: where several
// subgroups are one team they do the same work and write the same numbers, so nothing depends on the subgroup's size.

enable f16;
enable wgpu_cooperative_matrix;

// 16×16 or 8×8, as SIDE says.
alias Left = coop_mat16x16<f16, A>;
alias Right = coop_mat16x16<f16, B>;
alias Sum = coop_mat16x16<f32, C>;

const SIDE: u32 = 16u;
const TEAM: u32 = 32u;     // invocations, a multiple of the subgroup's size
const TRANS_A: u32 = 0u;   // 1: A is stored as [k, m]
const TRANS_B: u32 = 0u;   // 1: B is stored as [n, k]

const WORKGROUP: u32 = 4u * TEAM;
const TILE: u32 = 4u * SIDE;
const DEPTH: u32 = 2u * SIDE;

// A finished matrix of each team.
var<workgroup> finished: array<f32, 4u * SIDE * SIDE>;

// Writes a team's matrix, whose first element is at (row, column), as far as the output reaches.
fn write_matrix(sum: Sum, start: u32, row: u32, column: u32, team: u32, lane: u32) {
    let first = team * SIDE * SIDE;
    let pitch = SIDE;
    workgroupBarrier();
    coopStoreT(sum, &finished[first], pitch);
    workgroupBarrier();
    for (var e = lane; e < SIDE * SIDE; e += TEAM) {
        let i = row + e / SIDE;
        let j = column + e % SIDE;
        if i < params.m && j < params.n {
            let at = start + i * params.n + j;
            out[at] = epilogue(finished[first + e], at);
        }
    }
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) me: u32,
) {
    // Here and not by `tile_of`: cooperative matrices want control flow that is uniform for naga to see, which looks into no function.
    let tiles_m = (params.m + TILE - 1u) / TILE;
    let tiles = tiles_m * ((params.n + TILE - 1u) / TILE);
    let id = group.y * groups.x + group.x;
    let batch = id / tiles;
    if batch >= params.batches { return; }
    let first_row = id % tiles % tiles_m * TILE;
    let first_column = id % tiles / tiles_m * TILE;
    let base = bases(batch);
    let team = me / TEAM;
    let down = team / 2u * (2u * SIDE);
    let across = team % 2u * (2u * SIDE);

    var c00: Sum;
    var c01: Sum;
    var c10: Sum;
    var c11: Sum;
    for (var first = 0u; first < params.k; first += DEPTH) {
        if TRANS_A == 1u {
            load_tile_a(base.x, first, first_row, params.k, params.m, me);
        } else {
            load_tile_a(base.x, first_row, first, params.m, params.k, me);
        }
        if TRANS_B == 1u {
            load_tile_b(base.y, first_column, first, params.n, params.k, me);
        } else {
            load_tile_b(base.y, first, first_column, params.k, params.n, me);
        }
        workgroupBarrier();
        for (var p = 0u; p < DEPTH; p += SIDE) {
            let a0 = left(down, p);
            let a1 = left(down + SIDE, p);
            let b0 = right(p, across);
            let b1 = right(p, across + SIDE);
            c00 = coopMultiplyAdd(a0, b0, c00);
            c01 = coopMultiplyAdd(a0, b1, c01);
            c10 = coopMultiplyAdd(a1, b0, c10);
            c11 = coopMultiplyAdd(a1, b1, c11);
        }
        workgroupBarrier();
    }

    let start = batch * params.m * params.n;
    let row = first_row + down;
    let column = first_column + across;
    write_matrix(c00, start, row, column, team, me % TEAM);
    write_matrix(c01, start, row, column + SIDE, team, me % TEAM);
    write_matrix(c10, start, row + SIDE, column, team, me % TEAM);
    write_matrix(c11, start, row + SIDE, column + SIDE, team, me % TEAM);
}
