// Matrix product as in matmul_tiles.wgsl where one or both operands are halves, two to a word: out[b,i,j] = Σ_p A[b,i,p] B[b,p,j].
// use: shared/fused, shared/outer_product
//
// Halves become f32 on their way into workgroup memory: products of them are exact, and sums are f32. Innermost sizes are multiples of four.

const SIDE_M: u32 = 16u;
const SIDE_N: u32 = 16u;
const BLOCKS_M: u32 = 2u;   // 1 or 2
const BLOCKS_N: u32 = 2u;   // 1 or 2
const DEPTH: u32 = 16u;     // (TILE_M + TILE_N) DEPTH / 16 is at most the number of invocations
const STAGES: u32 = 1u;     // 1 or 2
const TRANS_A: u32 = 0u;    // 1: A lies as [k, m]
const TRANS_B: u32 = 0u;    // 1: B lies as [n, k]
const HALF_A: u32 = 1u;     // 1: A has two numbers to a word, as halves; else it is f32
const HALF_B: u32 = 1u;     // the same of B

const TILE_M: u32 = SIDE_M * 4u * BLOCKS_M;
const TILE_N: u32 = SIDE_N * 4u * BLOCKS_N;
const VECTORS_M: u32 = TILE_M / 4u;
const VECTORS_N: u32 = TILE_N / 4u;
const BAND: u32 = 8u;       // tiles side by side before the next row of tiles: what they read stays in the cache

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

var<workgroup> tile_a: array<vec4<f32>, STAGES * DEPTH * VECTORS_M>;
var<workgroup> tile_b: array<vec4<f32>, STAGES * DEPTH * VECTORS_N>;

// The block of A at four rows and four p; column q of the result belongs to p + q. `first` is clamped, so the rows exist.
fn block_a(base: u32, first: u32, p: u32) -> mat4x4<f32> {
    let four = vec4<u32>(0u, 1u, 2u, 3u);
    var at: vec4<u32>;
    if TRANS_A == 1u {
        at = base / 4u + min(p + four, vec4<u32>(params.k - 1u)) * (params.m / 4u) + min(first, params.m - 4u) / 4u;
    } else {
        at = base / 4u + min(first + four, vec4<u32>(params.m - 1u)) * (params.k / 4u) + min(p, params.k - 4u) / 4u;
    }
    let block = mat4x4<f32>(quad_a(at.x), quad_a(at.y), quad_a(at.z), quad_a(at.w));
    if TRANS_A == 1u { return block; }
    return transpose(block);
}

fn block_b(base: u32, first: u32, p: u32) -> mat4x4<f32> {
    let four = vec4<u32>(0u, 1u, 2u, 3u);
    var at: vec4<u32>;
    if TRANS_B == 1u {
        at = base / 4u + min(first + four, vec4<u32>(params.n - 1u)) * (params.k / 4u) + min(p, params.k - 4u) / 4u;
    } else {
        at = base / 4u + min(p + four, vec4<u32>(params.k - 1u)) * (params.n / 4u) + min(first, params.n - 4u) / 4u;
    }
    let block = mat4x4<f32>(quad_b(at.x), quad_b(at.y), quad_b(at.z), quad_b(at.w));
    if TRANS_B == 1u { return transpose(block); }
    return block;
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

@compute @workgroup_size(SIDE_N, SIDE_M)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) me: u32,
) {
    let tiles_n = (params.n + TILE_N - 1u) / TILE_N;
    let tiles_m = (params.m + TILE_M - 1u) / TILE_M;
    let id = group.y * groups.x + group.x;
    let batch = id / (tiles_m * tiles_n);
    if batch >= params.batches { return; }
    let tile = id % (tiles_m * tiles_n);
    let band = tile / (tiles_m * BAND);
    let width = min(BAND, tiles_n - band * BAND);
    let inner = tile % (tiles_m * BAND);
    let first_row = inner / width * TILE_M;
    let first_column = (band * BAND + inner % width) * TILE_N;
    let base = bases(batch);

    // The block this invocation brings: (p, vector) within the tile, so that neighbours read neighbours.
    let of_a = me < VECTORS_M * DEPTH / 4u;
    let errand = select(me - VECTORS_M * DEPTH / 4u, me, of_a);
    let some = of_a || errand < VECTORS_N * DEPTH / 4u;
    let along_p = select(TRANS_B == 1u, TRANS_A == 0u, of_a);
    let vectors = select(VECTORS_N, VECTORS_M, of_a);
    let p_mine = 4u * select(errand / vectors, errand % (DEPTH / 4u), along_p);
    let vector = select(errand % vectors, errand / (DEPTH / 4u), along_p);

    var c00 = mat4x4<f32>();
    var c01 = mat4x4<f32>();
    var c10 = mat4x4<f32>();
    var c11 = mat4x4<f32>();
    var next = mat4x4<f32>();
    var stage = 0u;
    // One round more than there are, shifted: each reads for the next and computes what the one before has brought.
    let rounds = (params.k + DEPTH - 1u) / DEPTH;
    for (var round = 0u; round <= rounds; round++) {
        if round > 0u {
            if some {
                let at = stage * DEPTH + p_mine;
                if of_a {
                    tile_a[at * VECTORS_M + vector] = next[0];
                    tile_a[(at + 1u) * VECTORS_M + vector] = next[1];
                    tile_a[(at + 2u) * VECTORS_M + vector] = next[2];
                    tile_a[(at + 3u) * VECTORS_M + vector] = next[3];
                } else {
                    tile_b[at * VECTORS_N + vector] = next[0];
                    tile_b[(at + 1u) * VECTORS_N + vector] = next[1];
                    tile_b[(at + 2u) * VECTORS_N + vector] = next[2];
                    tile_b[(at + 3u) * VECTORS_N + vector] = next[3];
                }
            }
            workgroupBarrier();
        }
        if round < rounds && some {
            let p = round * DEPTH + p_mine;
            if of_a {
                next = block_a(base.x, first_row + 4u * vector, p);
            } else {
                next = block_b(base.y, first_column + 4u * vector, p);
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
            for (var q = 0u; q < DEPTH; q++) {
                let at_a = (stage * DEPTH + q) * VECTORS_M + local.y;
                let at_b = (stage * DEPTH + q) * VECTORS_N + local.x;
                let a0 = tile_a[at_a];
                let b0 = tile_b[at_b];
                c00 = outer_product(c00, a0, b0);
                if BLOCKS_N == 2u {
                    c01 = outer_product(c01, a0, tile_b[at_b + SIDE_N]);
                }
                if BLOCKS_M == 2u {
                    let a1 = tile_a[at_a + SIDE_M];
                    c10 = outer_product(c10, a1, b0);
                    if BLOCKS_N == 2u {
                        c11 = outer_product(c11, a1, tile_b[at_b + SIDE_N]);
                    }
                }
            }
            if STAGES == 1u {
                workgroupBarrier();
            } else {
                stage = 1u - stage;
            }
        }
    }

    let start = batch * params.m * params.n;
    let row = first_row + 4u * local.y;
    let column = first_column + 4u * local.x;
    store(start, row, column, c00);
    if BLOCKS_N == 2u { store(start, row, column + 4u * SIDE_N, c01); }
    if BLOCKS_M == 2u { store(start, row + 4u * SIDE_M, column, c10); }
    if BLOCKS_M == 2u && BLOCKS_N == 2u { store(start, row + 4u * SIDE_M, column + 4u * SIDE_N, c11); }
}
