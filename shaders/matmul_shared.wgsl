// Matrix product as in matmul_vectors.wgsl, with rows shared by a workgroup: out[b,i,j] = Σ_p A[b,i,p] B[b,p,j], in order of p.
// use: shared/fused, shared/outer_product
//
// The eight invocations of a workgroup lie side by side along n, so all need the same rows of A: each reads an eighth of these, and gives it
// to the others. So it needs subgroups of just eight. Reading is what costs on software adapters, and a number from a neighbour is nearly free.

const WORKGROUP: u32 = 8u;
const ROWS: u32 = 16u;   // 8 or 16
const COLUMNS: u32 = 8u;
// Whether something is fused behind. It is done in a loop over what was stored: with a copy of it for each number of the tile, software adapters
// would take seconds to compile.
const FUSED: u32 = 0u;
const TRANS_A: u32 = 0u;   // 1: A lies as [k, m]
const TRANS_B: u32 = 0u;   // 1: B lies as [n, k]

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

@group(0) @binding(0) var<storage, read> in0: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> in1: array<vec4<f32>>;
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

// The numbers of the first and of the last four invocations.
fn lower(v: f32) -> vec4<f32> {
    return vec4<f32>(subgroupBroadcast(v, 0u), subgroupBroadcast(v, 1u), subgroupBroadcast(v, 2u), subgroupBroadcast(v, 3u));
}
fn upper(v: f32) -> vec4<f32> {
    return vec4<f32>(subgroupBroadcast(v, 4u), subgroupBroadcast(v, 5u), subgroupBroadcast(v, 6u), subgroupBroadcast(v, 7u));
}

// Four rows at four neighbouring p: column q of the result belongs to p + q. A matrix that lies as [m, k] is read row by row, an invocation
// each; one that lies as [k, m] by fours of rows, two p at a time.
fn rows_first(u: vec4<f32>, d: vec4<f32>) -> mat4x4<f32> {
    if TRANS_A == 1u {
        return mat4x4<f32>(subgroupBroadcast(u, 0u), subgroupBroadcast(u, 4u), subgroupBroadcast(d, 0u), subgroupBroadcast(d, 4u));
    }
    return mat4x4<f32>(lower(u.x), lower(u.y), lower(u.z), lower(u.w));
}
fn rows_second(u: vec4<f32>, d: vec4<f32>) -> mat4x4<f32> {
    if TRANS_A == 1u {
        return mat4x4<f32>(subgroupBroadcast(u, 1u), subgroupBroadcast(u, 5u), subgroupBroadcast(d, 1u), subgroupBroadcast(d, 5u));
    }
    return mat4x4<f32>(upper(u.x), upper(u.y), upper(u.z), upper(u.w));
}
fn rows_third(u: vec4<f32>, d: vec4<f32>) -> mat4x4<f32> {
    if TRANS_A == 1u {
        return mat4x4<f32>(subgroupBroadcast(u, 2u), subgroupBroadcast(u, 6u), subgroupBroadcast(d, 2u), subgroupBroadcast(d, 6u));
    }
    return mat4x4<f32>(lower(d.x), lower(d.y), lower(d.z), lower(d.w));
}
fn rows_fourth(u: vec4<f32>, d: vec4<f32>) -> mat4x4<f32> {
    if TRANS_A == 1u {
        return mat4x4<f32>(subgroupBroadcast(u, 3u), subgroupBroadcast(u, 7u), subgroupBroadcast(d, 3u), subgroupBroadcast(d, 7u));
    }
    return mat4x4<f32>(upper(d.x), upper(d.y), upper(d.z), upper(d.w));
}

// Four neighbouring columns of B at four neighbouring p: column q of the result belongs to p + q.
fn block_b(at: vec4<u32>) -> mat4x4<f32> {
    let block = mat4x4<f32>(in1[at.x], in1[at.y], in1[at.z], in1[at.w]);
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
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let tile_n = COLUMNS * WORKGROUP;
    let tiles_n = (params.n + tile_n - 1u) / tile_n;
    let tiles_m = (params.m + ROWS - 1u) / ROWS;
    let id = group.y * groups.x + group.x;
    let batch = id / (tiles_m * tiles_n);
    if batch >= params.batches { return; }
    let tile = id % (tiles_m * tiles_n);
    // Downwards first: the same columns of B are read again while they are near.
    let row = tile % tiles_m * ROWS;
    let column = tile / tiles_m * tile_n + lane * COLUMNS;
    let base = bases(batch);

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
    var at_b0 = places(base.y, column, params.n, b_along_p);
    var at_b1 = places(base.y, column + 4u, params.n, b_along_p);
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
        let u = in0[at_u];
        var d = vec4<f32>();
        if ROWS == 16u || TRANS_A == 1u { d = in0[at_d]; }
        let a0 = rows_first(u, d);
        c00 = add_block(c00, a0, b0);
        c01 = add_block(c01, a0, b1);
        let a1 = rows_second(u, d);
        c10 = add_block(c10, a1, b0);
        c11 = add_block(c11, a1, b1);
        if ROWS == 16u {
            let a2 = rows_third(u, d);
            c20 = add_block(c20, a2, b0);
            c21 = add_block(c21, a2, b1);
            let a3 = rows_fourth(u, d);
            c30 = add_block(c30, a3, b0);
            c31 = add_block(c31, a3, b1);
        }
        at_u += step_a;
        at_d += step_a;
        at_b0 += step_b;
        at_b1 += step_b;
    }
    // What is left of k: nothing where vectors lie along p, because k is a multiple of four then.
    if TRANS_A == 1u && TRANS_B == 0u {
        for (var p = 0u; p < params.k % 4u; p++) {
            let b0 = in1[at_b0.x];
            let b1 = in1[at_b1.x];
            // The first four invocations have the rows of this p.
            let u = in0[at_u];
            let a0 = subgroupBroadcast(u, 0u);
            c00 = outer_product(c00, a0, b0);
            c01 = outer_product(c01, a0, b1);
            let a1 = subgroupBroadcast(u, 1u);
            c10 = outer_product(c10, a1, b0);
            c11 = outer_product(c11, a1, b1);
            if ROWS == 16u {
                let a2 = subgroupBroadcast(u, 2u);
                c20 = outer_product(c20, a2, b0);
                c21 = outer_product(c21, a2, b1);
                let a3 = subgroupBroadcast(u, 3u);
                c30 = outer_product(c30, a3, b0);
                c31 = outer_product(c31, a3, b1);
            }
            at_u += params.m / 4u;
            at_b0 += params.n / 4u;
            at_b1 += params.n / 4u;
        }
    }

    let start = batch * params.m * params.n;
    store(start, row, column, c00);
    store(start, row, column + 4u, c01);
    store(start, row + 4u, column, c10);
    store(start, row + 4u, column + 4u, c11);
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
