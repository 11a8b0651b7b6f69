// Matrix product of halves by the adapter's cooperative matrices of 16×16: out[b,i,j] = Σ_p A[b,i,p] B[b,p,j], sums in f32.
// use: shared/fused
//
// Four teams, two by two, make a tile of TILE×TILE numbers; a team makes a quarter of it, as 2×2 matrices of SIDE×SIDE. For DEPTH values of p at a
// time the workgroup brings A and B into its memory, as they lie, in vectors of four halves; beyond the matrices there are zeros, so neither sizes
// nor alignment matter but that innermost sizes are multiples of four. A team is at least as large as a subgroup: where several subgroups are
// one team they do the same work and write the same numbers, so nothing hangs on the subgroup's size.
//
// matmul_cooperative_8.wgsl is the same for matrices of 8×8.

enable f16;
enable wgpu_cooperative_matrix;

alias Left = coop_mat16x16<f16, A>;
alias Right = coop_mat16x16<f16, B>;
alias Sum = coop_mat16x16<f32, C>;

const SIDE: u32 = 16u;
const TEAM: u32 = 32u;     // invocations, a multiple of the subgroup's size
const TRANS_A: u32 = 0u;   // 1: A lies as [k, m]
const TRANS_B: u32 = 0u;   // 1: B lies as [n, k]

const WORKGROUP: u32 = 4u * TEAM;
const TILE: u32 = 4u * SIDE;
const DEPTH: u32 = 2u * SIDE;
// Rows of the tiles as they lie, each eight halves longer than it need be: so that they spread over the memory's banks.
const PITCH_A: u32 = 8u + TILE * TRANS_A + DEPTH * (1u - TRANS_A);
const PITCH_B: u32 = 8u + DEPTH * TRANS_B + TILE * (1u - TRANS_B);

struct Params {
    m: u32,
    n: u32,
    k: u32,
    batches: u32,
    a_row: u32,
    a_col: u32,
    b_row: u32,
    b_col: u32,
    lanes_n: u32,
    rank: u32,
    // (divisor, size, stride in A, stride in B) per batch axis
    dims: array<vec4<u32>, 6>,
    extra: array<vec4<u32>, 32>,
}

@group(0) @binding(0) var<storage, read> in0: array<vec4<f16>>;
@group(0) @binding(1) var<storage, read> in1: array<vec4<f16>>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(14) var<uniform> params: Params;

// Where matrix `batch` starts in A and in B.
fn bases(batch: u32) -> vec2<u32> {
    var at = vec2<u32>(0u);
    for (var axis = 0u; axis < params.rank; axis++) {
        let d = params.dims[axis];
        at += batch / d.x % d.y * d.zw;
    }
    return at;
}

var<workgroup> tile_a: array<f16, (TILE + 8u) * (DEPTH + 8u)>;
var<workgroup> tile_b: array<f16, (TILE + 8u) * (DEPTH + 8u)>;
// A finished matrix of each team.
var<workgroup> finished: array<f32, 4u * SIDE * SIDE>;

// Brings rows [outer, outer + ROWS) and columns [inner, inner + COLUMNS) of a matrix of `height` rows of `width` numbers, as it lies.
fn bring_a(base: u32, outer: u32, inner: u32, height: u32, width: u32, me: u32) {
    let columns = (PITCH_A - 8u) / 4u;
    let rows = TILE * DEPTH / (PITCH_A - 8u);
    for (var e = me; e < rows * columns; e += WORKGROUP) {
        let row = e / columns;
        let column = 4u * (e % columns);
        var four = vec4<f16>();
        if outer + row < height && inner + column < width {
            four = in0[(base + (outer + row) * width + inner + column) / 4u];
        }
        let at = row * PITCH_A + column;
        tile_a[at] = four.x;
        tile_a[at + 1u] = four.y;
        tile_a[at + 2u] = four.z;
        tile_a[at + 3u] = four.w;
    }
}

fn bring_b(base: u32, outer: u32, inner: u32, height: u32, width: u32, me: u32) {
    let columns = (PITCH_B - 8u) / 4u;
    let rows = TILE * DEPTH / (PITCH_B - 8u);
    for (var e = me; e < rows * columns; e += WORKGROUP) {
        let row = e / columns;
        let column = 4u * (e % columns);
        var four = vec4<f16>();
        if outer + row < height && inner + column < width {
            four = in1[(base + (outer + row) * width + inner + column) / 4u];
        }
        let at = row * PITCH_B + column;
        tile_b[at] = four.x;
        tile_b[at + 1u] = four.y;
        tile_b[at + 2u] = four.z;
        tile_b[at + 3u] = four.w;
    }
}

// The matrices of a tile: at `i` down or across and `p` deep.
fn left(i: u32, p: u32) -> Left {
    if TRANS_A == 1u {
        let at = p * PITCH_A + i;
        return coopLoad<Left>(&tile_a[at], PITCH_A);
    }
    let at = i * PITCH_A + p;
    return coopLoadT<Left>(&tile_a[at], PITCH_A);
}

fn right(p: u32, j: u32) -> Right {
    if TRANS_B == 1u {
        let at = j * PITCH_B + p;
        return coopLoad<Right>(&tile_b[at], PITCH_B);
    }
    let at = p * PITCH_B + j;
    return coopLoadT<Right>(&tile_b[at], PITCH_B);
}

// Writes a team's matrix, whose first element is at (row, column), as far as the output reaches.
fn store(sum: Sum, start: u32, row: u32, column: u32, team: u32, lane: u32) {
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
    let tiles_n = (params.n + TILE - 1u) / TILE;
    let tiles_m = (params.m + TILE - 1u) / TILE;
    let id = group.y * groups.x + group.x;
    let batch = id / (tiles_m * tiles_n);
    if batch >= params.batches { return; }
    let tile = id % (tiles_m * tiles_n);
    let first_row = tile % tiles_m * TILE;
    let first_column = tile / tiles_m * TILE;
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
            bring_a(base.x, first, first_row, params.k, params.m, me);
        } else {
            bring_a(base.x, first_row, first, params.m, params.k, me);
        }
        if TRANS_B == 1u {
            bring_b(base.y, first_column, first, params.n, params.k, me);
        } else {
            bring_b(base.y, first, first_column, params.k, params.n, me);
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
    store(c00, start, row, column, team, me % TEAM);
    store(c01, start, row, column + SIDE, team, me % TEAM);
    store(c10, start, row + SIDE, column, team, me % TEAM);
    store(c11, start, row + SIDE, column + SIDE, team, me % TEAM);
}
