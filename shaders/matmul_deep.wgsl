// Matrix product for small outputs of long sums, whose operands' innermost sizes are multiples of four: out[b,i,j] = Σ_p A[b,i,p] B[b,p,j].
// use: shared/fused, shared/outer_product
//
// A workgroup makes a tile of 16×16 numbers. Sixteen of its invocations hold the tile, 4×4 numbers each; SLICES such teams share the p among
// them, four neighbouring p at a time in turn. In the end the slices are added in order: the same bits every time.

const SLICES: u32 = 16u;
const TILE: u32 = 16u;
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

// For each slice and each of its invocations the four rows of its block.
var<workgroup> parts: array<vec4<f32>, SLICES * 64u>;

// Four neighbouring rows of A at four neighbouring p, the vectors at the given places: column q of the result belongs to p + q.
fn block_a(at: vec4<u32>) -> mat4x4<f32> {
    let block = mat4x4<f32>(in0[at.x], in0[at.y], in0[at.z], in0[at.w]);
    if TRANS_A == 1u { return block; }
    return transpose(block);
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

@compute @workgroup_size(16, SLICES)
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

    let a_along_p = TRANS_A == 0u;
    let b_along_p = TRANS_B == 1u;
    let at_a = places(base.x, first_row + 4u * (local.x / 4u), params.m, a_along_p);
    let at_b = places(base.y, first_column + 4u * (local.x % 4u), params.n, b_along_p);
    // From one block to the next four p further on.
    let step_a = select(params.m, 1u, a_along_p);
    let step_b = select(params.n, 1u, b_along_p);
    var c = mat4x4<f32>();
    for (var block = local.y; block < params.k / 4u; block += SLICES) {
        c = add_block(c, block_a(at_a + block * step_a), block_b(at_b + block * step_b));
    }
    // What is left of k, by the last slice: nothing where vectors lie along p, because k is a multiple of four then.
    if TRANS_A == 1u && TRANS_B == 0u && local.y == SLICES - 1u {
        for (var p = params.k - params.k % 4u; p < params.k; p++) {
            c = outer_product(c, in0[at_a.x + p * (params.m / 4u)], in1[at_b.x + p * (params.n / 4u)]);
        }
    }
    let own = (local.y * 16u + local.x) * 4u;
    parts[own] = c[0];
    parts[own + 1u] = c[1];
    parts[own + 2u] = c[2];
    parts[own + 3u] = c[3];
    workgroupBarrier();

    for (var e = me; e < TILE * TILE; e += 16u * SLICES) {
        let row = e / TILE;
        let column = e % TILE;
        let place = (row / 4u * 4u + column / 4u) * 4u + row % 4u;
        var sum = 0.0;
        for (var s = 0u; s < SLICES; s++) {
            sum += parts[s * 64u + place][column % 4u];
        }
        let at = (batch * params.m + first_row + row) * params.n + first_column + column;
        if first_row + row < params.m && first_column + column < params.n { out[at] = epilogue(sum, at); }
    }
}
