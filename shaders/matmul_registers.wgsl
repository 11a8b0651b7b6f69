// Matrix product, a tile of ROWS×8 numbers per invocation, all in registers: out[b,i,j] = Σ_p A[b,i,p] B[b,p,j], in order of p.
// use: shared/fused, shared/outer_product
//
// No workgroup memory and no barriers, which cost on software adapters. Neighbouring invocations lie side by side along j as far as
// n reaches (`lanes_n` of them), the others below. Outside the matrix the last row or column is read again and nothing is written.

const WORKGROUP: u32 = 8u;
const ROWS: u32 = 16u;   // 4, 8 or 16
const COLUMNS: u32 = 8u;
// Whether something is fused behind. It is done in a loop over what was stored: with a copy of it for each number of the tile, software adapters
// would take seconds to compile.
const FUSED: u32 = 0u;
// Terms that one dispatch adds up, from `params.first` on: all of them, but where a device leaves long loops early.
const PART: u32 = 0xffffffffu;

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
    first: u32,
    // (divisor, size, stride in A, stride in B) per batch axis
    dims: array<vec4<u32>, 6>,
    extra: array<vec4<u32>, 32>,
}

@group(0) @binding(0) var<storage, read> in0: array<u32>;
@group(0) @binding(1) var<storage, read> in1: array<u32>;
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

// Element i of A and of B. Where one is halves, two to a word, the body of its function is replaced.
fn number_a(i: u32) -> f32 { return bitcast<f32>(in0[i]); }
fn number_b(i: u32) -> f32 { return bitcast<f32>(in1[i]); }

fn load_a(at: vec4<u32>) -> vec4<f32> { return vec4<f32>(number_a(at.x), number_a(at.y), number_a(at.z), number_a(at.w)); }
fn load_b(at: vec4<u32>) -> vec4<f32> { return vec4<f32>(number_b(at.x), number_b(at.y), number_b(at.z), number_b(at.w)); }

fn store_row(start: u32, row: u32, column: u32, v: vec4<f32>) {
    let at = start + row * params.n + column;
    if row < params.m {
        if column < params.n { out[at] = v.x; }
        if column + 1u < params.n { out[at + 1u] = v.y; }
        if column + 2u < params.n { out[at + 2u] = v.z; }
        if column + 3u < params.n { out[at + 3u] = v.w; }
    }
}

// What the dispatch before has added up.
fn held_row(start: u32, row: u32, column: u32) -> vec4<f32> {
    let at = start + min(row, params.m - 1u) * params.n;
    let place = min(vec4<u32>(column, column + 1u, column + 2u, column + 3u), vec4<u32>(params.n - 1u));
    return vec4<f32>(out[at + place.x], out[at + place.y], out[at + place.z], out[at + place.w]);
}

fn held(start: u32, row: u32, column: u32) -> mat4x4<f32> {
    return mat4x4<f32>(
        held_row(start, row, column),
        held_row(start, row + 1u, column),
        held_row(start, row + 2u, column),
        held_row(start, row + 3u, column),
    );
}

fn store(start: u32, row: u32, column: u32, c: mat4x4<f32>) {
    store_row(start, row, column, c[0]);
    store_row(start, row + 1u, column, c[1]);
    store_row(start, row + 2u, column, c[2]);
    store_row(start, row + 3u, column, c[3]);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let lanes_n = params.lanes_n;
    let tile_n = COLUMNS * lanes_n;
    let tile_m = ROWS * (WORKGROUP / lanes_n);
    let tiles_n = (params.n + tile_n - 1u) / tile_n;
    let tiles_m = (params.m + tile_m - 1u) / tile_m;
    let id = group.y * groups.x + group.x;
    let batch = id / (tiles_m * tiles_n);
    if batch >= params.batches { return; }
    let tile = id % (tiles_m * tiles_n);
    // Downwards first: the same columns of B are read again while they are near.
    let row = tile % tiles_m * tile_m + lane / lanes_n * ROWS;
    let column = tile / tiles_m * tile_n + lane % lanes_n * COLUMNS;
    let base = bases(batch);

    let four = vec4<u32>(0u, 1u, 2u, 3u);
    let last_row = vec4<u32>(params.m - 1u);
    let last_column = vec4<u32>(params.n - 1u);
    var at_a0 = base.x + min(row + four, last_row) * params.a_row;
    var at_a1 = base.x + min(row + 4u + four, last_row) * params.a_row;
    var at_a2 = base.x + min(row + 8u + four, last_row) * params.a_row;
    var at_a3 = base.x + min(row + 12u + four, last_row) * params.a_row;
    var at_b0 = base.y + min(column + four, last_column) * params.b_col;
    var at_b1 = base.y + min(column + 4u + four, last_column) * params.b_col;

    var c00 = mat4x4<f32>();
    var c01 = mat4x4<f32>();
    var c10 = mat4x4<f32>();
    var c11 = mat4x4<f32>();
    var c20 = mat4x4<f32>();
    var c21 = mat4x4<f32>();
    var c30 = mat4x4<f32>();
    var c31 = mat4x4<f32>();
    let start = batch * params.m * params.n;
    if PART != 0xffffffffu {
        if params.first > 0u {
            c00 = held(start, row, column);
            c01 = held(start, row, column + 4u);
            if ROWS >= 8u {
                c10 = held(start, row + 4u, column);
                c11 = held(start, row + 4u, column + 4u);
            }
            if ROWS == 16u {
                c20 = held(start, row + 8u, column);
                c21 = held(start, row + 8u, column + 4u);
                c30 = held(start, row + 12u, column);
                c31 = held(start, row + 12u, column + 4u);
            }
        }
        at_a0 += params.first * params.a_col;
        at_a1 += params.first * params.a_col;
        at_a2 += params.first * params.a_col;
        at_a3 += params.first * params.a_col;
        at_b0 += params.first * params.b_row;
        at_b1 += params.first * params.b_row;
    }
    let end = params.first + min(PART, params.k - params.first);
    for (var p = params.first; p < end; p++) {
        let b0 = load_b(at_b0);
        let b1 = load_b(at_b1);
        let a0 = load_a(at_a0);
        c00 = outer_product(c00, a0, b0);
        c01 = outer_product(c01, a0, b1);
        if ROWS >= 8u {
            let a1 = load_a(at_a1);
            c10 = outer_product(c10, a1, b0);
            c11 = outer_product(c11, a1, b1);
        }
        if ROWS == 16u {
            let a2 = load_a(at_a2);
            c20 = outer_product(c20, a2, b0);
            c21 = outer_product(c21, a2, b1);
            let a3 = load_a(at_a3);
            c30 = outer_product(c30, a3, b0);
            c31 = outer_product(c31, a3, b1);
        }
        at_a0 += params.a_col;
        at_a1 += params.a_col;
        at_a2 += params.a_col;
        at_a3 += params.a_col;
        at_b0 += params.b_row;
        at_b1 += params.b_row;
    }

    store(start, row, column, c00);
    store(start, row, column + 4u, c01);
    if ROWS >= 8u {
        store(start, row + 4u, column, c10);
        store(start, row + 4u, column + 4u, c11);
    }
    if ROWS == 16u {
        store(start, row + 8u, column, c20);
        store(start, row + 8u, column + 4u, c21);
        store(start, row + 12u, column, c30);
        store(start, row + 12u, column + 4u, c31);
    }
    if FUSED == 1u && end == params.k {
        for (var r = row; r < min(row + ROWS, params.m); r++) {
            for (var c = column; c < min(column + COLUMNS, params.n); c++) {
                let at = start + r * params.n + c;
                out[at] = epilogue(out[at], at);
            }
        }
    }
}
