// The problem all kernels of products solve: out[b,i,j] = Σ_p A[b,i,p] B[b,p,j], in order of p.
// use: shared/fused

struct Params {
    m: u32,
    n: u32,
    k: u32,
    batches: u32,
    // strides of A along i and p, of B along p and j
    a_row: u32,
    a_col: u32,
    b_row: u32,
    b_col: u32,
    // invocations of a workgroup side by side along j, where each has a tile of its own
    lanes_n: u32,
    // batch axes
    rank: u32,
    // the p at which a dispatch begins
    first: u32,
    // (divisor, size, stride in A, stride in B) per batch axis
    dims: array<vec4<u32>, 6>,
    extra: array<vec4<u32>, 32>,
}

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

// The tile of the output that a workgroup computes: of which matrix, and its number among tiles_m × tiles_n.
struct Tile {
    batch: u32,
    number: u32,
    tiles_m: u32,
    tiles_n: u32,
}

fn tile_of(group: vec3<u32>, groups: vec3<u32>, rows: u32, columns: u32) -> Tile {
    let tiles_m = (params.m + rows - 1u) / rows;
    let tiles_n = (params.n + columns - 1u) / columns;
    let id = group.y * groups.x + group.x;
    return Tile(id / (tiles_m * tiles_n), id % (tiles_m * tiles_n), tiles_m, tiles_n);
}
