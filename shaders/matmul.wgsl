// Matrix product in tiles shared by a workgroup: out[b,i,j] = Σ_p A[b,i,p] B[b,p,j], in order of p.
// use: shared/fused, shared/outer_product
//
// SIDE×SIDE invocations make a tile of TILE×TILE numbers, each BLOCKS×BLOCKS blocks of 4×4 of them. For DEPTH values of p at a time
// they first bring TILE rows of A and TILE columns of B into workgroup memory, both with p outermost, as vectors of four neighbours.
// Outside the matrices zeros are brought in and nothing is written. Beyond k both factors are zero, so no NaN arises from them.

const SIDE: u32 = 16u;
const BLOCKS: u32 = 1u;    // 1 or 2
const DEPTH: u32 = 16u;

const TILE: u32 = SIDE * 4u * BLOCKS;
const VECTORS: u32 = TILE / 4u;
const PITCH: u32 = VECTORS + 1u;   // one more, so that columns of the tile spread over the memory's banks

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

@group(0) @binding(0) var<storage, read> in0: array<u32>;
@group(0) @binding(1) var<storage, read> in1: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(14) var<uniform> params: Params;

var<workgroup> tile_a: array<vec4<f32>, DEPTH * PITCH>;
var<workgroup> tile_b: array<vec4<f32>, DEPTH * PITCH>;

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

fn a_at(base: u32, row: u32, p: u32) -> f32 {
    if row < params.m && p < params.k { return number_a(base + row * params.a_row + p * params.a_col); }
    return 0.0;
}

fn b_at(base: u32, p: u32, column: u32) -> f32 {
    if column < params.n && p < params.k { return number_b(base + p * params.b_row + column * params.b_col); }
    return 0.0;
}

// Which (p, vector) of a tile an invocation brings in as its e-th, so that neighbours read neighbours.
fn errand(e: u32, along_p: bool) -> vec2<u32> {
    if along_p { return vec2<u32>(e % DEPTH, e / DEPTH); }
    return vec2<u32>(e / VECTORS, e % VECTORS);
}

fn store_row(start: u32, row: u32, column: u32, v: vec4<f32>) {
    let at = start + row * params.n + column;
    if row < params.m {
        if column < params.n { out[at] = epilogue(v.x, at); }
        if column + 1u < params.n { out[at + 1u] = epilogue(v.y, at + 1u); }
        if column + 2u < params.n { out[at + 2u] = epilogue(v.z, at + 2u); }
        if column + 3u < params.n { out[at + 3u] = epilogue(v.w, at + 3u); }
    }
}

fn store(start: u32, row: u32, column: u32, c: mat4x4<f32>) {
    store_row(start, row, column, c[0]);
    store_row(start, row + 1u, column, c[1]);
    store_row(start, row + 2u, column, c[2]);
    store_row(start, row + 3u, column, c[3]);
}

@compute @workgroup_size(SIDE, SIDE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) me: u32,
) {
    let tiles_n = (params.n + TILE - 1u) / TILE;
    let tiles_m = (params.m + TILE - 1u) / TILE;
    let id = group.y * groups.x + group.x;
    let batch = id / (tiles_m * tiles_n);
    if batch >= params.batches { return; }
    let tile = id % (tiles_m * tiles_n);
    let first_row = tile / tiles_n * TILE;
    let first_column = tile % tiles_n * TILE;
    let base = bases(batch);

    var c00 = mat4x4<f32>();
    var c01 = mat4x4<f32>();
    var c10 = mat4x4<f32>();
    var c11 = mat4x4<f32>();
    for (var first = 0u; first < params.k; first += DEPTH) {
        for (var e = me; e < DEPTH * VECTORS; e += SIDE * SIDE) {
            let at_a = errand(e, params.a_col == 1u);
            let row = first_row + 4u * at_a.y;
            let pa = first + at_a.x;
            tile_a[at_a.x * PITCH + at_a.y] =
                vec4<f32>(a_at(base.x, row, pa), a_at(base.x, row + 1u, pa), a_at(base.x, row + 2u, pa), a_at(base.x, row + 3u, pa));
            let at_b = errand(e, params.b_row == 1u);
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

    let start = batch * params.m * params.n;
    let row = first_row + 4u * local.y;
    let column = first_column + 4u * local.x;
    store(start, row, column, c00);
    if BLOCKS == 2u {
        store(start, row, column + 4u * SIDE, c01);
        store(start, row + 4u * SIDE, column, c10);
        store(start, row + 4u * SIDE, column + 4u * SIDE, c11);
    }
}
