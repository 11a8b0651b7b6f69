// Matrix product as in matmul_vectors.wgsl where one or both operands are halves, two to a word: out[b,i,j] = Σ_p A[b,i,p] B[b,p,j].
// use: shared/fused, shared/outer_product
//
// Four neighbours are two words, and f32 once they are read. Innermost sizes are multiples of four.

const WORKGROUP: u32 = 8u;
const ROWS: u32 = 16u;   // 4, 8 or 16
const COLUMNS: u32 = 8u;
// Whether something is fused behind. It is done in a loop over what was stored: with a copy of it for each number of the tile, software adapters
// would take seconds to compile.
const FUSED: u32 = 0u;
const TRANS_A: u32 = 0u;   // 1: A lies as [k, m]
const TRANS_B: u32 = 0u;   // 1: B lies as [n, k]
const HALF_A: u32 = 1u;    // 1: A has two numbers to a word, as halves; else it is f32
const HALF_B: u32 = 1u;    // the same of B

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

@group(0) @binding(0) var<storage, read> in0: array<vec2<u32>>;
@group(0) @binding(1) var<storage, read> in1: array<vec2<u32>>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(14) var<uniform> params: Params;

// Four neighbours of A and of B from element 4 i on.
fn quad_a(i: u32) -> vec4<f32> {
    if HALF_A == 1u {
        let words = in0[i];
        return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
    }
    return bitcast<vec4<f32>>(vec4<u32>(in0[2u * i], in0[2u * i + 1u]));
}

fn quad_b(i: u32) -> vec4<f32> {
    if HALF_B == 1u {
        let words = in1[i];
        return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
    }
    return bitcast<vec4<f32>>(vec4<u32>(in1[2u * i], in1[2u * i + 1u]));
}

// Where matrix `batch` starts in A and in B.
fn bases(batch: u32) -> vec2<u32> {
    var at = vec2<u32>(0u);
    for (var axis = 0u; axis < params.rank; axis++) {
        let d = params.dims[axis];
        at += batch / d.x % d.y * d.zw;
    }
    return at;
}

// Four neighbouring rows of A at four neighbouring p, the vectors at the given places: column q of the result belongs to p + q.
fn block_a(at: vec4<u32>) -> mat4x4<f32> {
    let block = mat4x4<f32>(quad_a(at.x), quad_a(at.y), quad_a(at.z), quad_a(at.w));
    if TRANS_A == 1u { return block; }
    return transpose(block);
}

// Four neighbouring columns of B at four neighbouring p: column q of the result belongs to p + q.
fn block_b(at: vec4<u32>) -> mat4x4<f32> {
    let block = mat4x4<f32>(quad_b(at.x), quad_b(at.y), quad_b(at.z), quad_b(at.w));
    if TRANS_B == 1u { return transpose(block); }
    return block;
}

// Where the vectors of a block lie that starts at row or column `first` of `count`: one for each of its rows, or one for each p.
fn places(base: u32, first: u32, count: u32, along_p: bool) -> vec4<u32> {
    let four = vec4<u32>(0u, 1u, 2u, 3u);
    if along_p { return base / 4u + min(first + four, vec4<u32>(count - 1u)) * (params.k / 4u); }
    return base / 4u + min(first, count - 4u) / 4u + four * (count / 4u);
}

// c + Σ_q a_q b_qᵀ, in order of q.
fn add_block(c: mat4x4<f32>, a: mat4x4<f32>, b: mat4x4<f32>) -> mat4x4<f32> {
    return outer_product(outer_product(outer_product(outer_product(c, a[0], b[0]), a[1], b[1]), a[2], b[2]), a[3], b[3]);
}

fn store_row(start: u32, row: u32, column: u32, v: vec4<f32>) {
    let at = start + row * params.n + column;
    if row < params.m {
        if column < params.n { out[at] = v.x; }
        if column + 1u < params.n { out[at + 1u] = v.y; }
        if column + 2u < params.n { out[at + 2u] = v.z; }
        if column + 3u < params.n { out[at + 3u] = v.w; }
    }
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

    let a_along_p = TRANS_A == 0u;
    let b_along_p = TRANS_B == 1u;
    var at_a0 = places(base.x, row, params.m, a_along_p);
    var at_a1 = places(base.x, row + 4u, params.m, a_along_p);
    var at_a2 = places(base.x, row + 8u, params.m, a_along_p);
    var at_a3 = places(base.x, row + 12u, params.m, a_along_p);
    var at_b0 = places(base.y, column, params.n, b_along_p);
    var at_b1 = places(base.y, column + 4u, params.n, b_along_p);
    // From one block to the next four p further on.
    let step_a = select(params.m, 1u, a_along_p);
    let step_b = select(params.n, 1u, b_along_p);

    var c00 = mat4x4<f32>();
    var c01 = mat4x4<f32>();
    var c10 = mat4x4<f32>();
    var c11 = mat4x4<f32>();
    var c20 = mat4x4<f32>();
    var c21 = mat4x4<f32>();
    var c30 = mat4x4<f32>();
    var c31 = mat4x4<f32>();
    for (var p = 0u; p < params.k / 4u; p++) {
        let b0 = block_b(at_b0);
        let b1 = block_b(at_b1);
        let a0 = block_a(at_a0);
        c00 = add_block(c00, a0, b0);
        c01 = add_block(c01, a0, b1);
        if ROWS >= 8u {
            let a1 = block_a(at_a1);
            c10 = add_block(c10, a1, b0);
            c11 = add_block(c11, a1, b1);
        }
        if ROWS == 16u {
            let a2 = block_a(at_a2);
            c20 = add_block(c20, a2, b0);
            c21 = add_block(c21, a2, b1);
            let a3 = block_a(at_a3);
            c30 = add_block(c30, a3, b0);
            c31 = add_block(c31, a3, b1);
        }
        at_a0 += step_a;
        at_a1 += step_a;
        at_a2 += step_a;
        at_a3 += step_a;
        at_b0 += step_b;
        at_b1 += step_b;
    }
    // What is left of k: nothing where vectors lie along p, because k is a multiple of four then.
    if TRANS_A == 1u && TRANS_B == 0u {
        for (var p = 0u; p < params.k % 4u; p++) {
            let b0 = quad_b(at_b0.x);
            let b1 = quad_b(at_b1.x);
            let a0 = quad_a(at_a0.x);
            c00 = outer_product(c00, a0, b0);
            c01 = outer_product(c01, a0, b1);
            if ROWS >= 8u {
                let a1 = quad_a(at_a1.x);
                c10 = outer_product(c10, a1, b0);
                c11 = outer_product(c11, a1, b1);
            }
            if ROWS == 16u {
                let a2 = quad_a(at_a2.x);
                c20 = outer_product(c20, a2, b0);
                c21 = outer_product(c21, a2, b1);
                let a3 = quad_a(at_a3.x);
                c30 = outer_product(c30, a3, b0);
                c31 = outer_product(c31, a3, b1);
            }
            at_a0 += params.m / 4u;
            at_a1 += params.m / 4u;
            at_a2 += params.m / 4u;
            at_a3 += params.m / 4u;
            at_b0 += params.n / 4u;
            at_b1 += params.n / 4u;
        }
    }

    let start = batch * params.m * params.n;
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
    if FUSED == 1u {
        for (var r = row; r < min(row + ROWS, params.m); r++) {
            for (var c = column; c < min(column + COLUMNS, params.n); c++) {
                let at = start + r * params.n + c;
                out[at] = epilogue(out[at], at);
            }
        }
    }
}
