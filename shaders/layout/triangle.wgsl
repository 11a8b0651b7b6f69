// Triangle: out[b, i, j] = x[b, i, j] on one side of a diagonal of each matrix, `fill` on the other.
// use: shared/each_element
// Kept is j + down >= i + right (UPPER) or j + down <= i + right; the diagonal j - i = right - down itself is kept by both.

const UPPER: u32 = 0u;

struct Params {
    count: u32,
    rows: u32,
    columns: u32,
    right: u32,
    down: u32,
}

struct Scalars {
    fill: u32,
}

@group(0) @binding(0) var<storage, read> in0: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<u32>;
@group(0) @binding(14) var<uniform> params: Params;
@group(0) @binding(15) var<uniform> scalars: Scalars;

fn element(e: u32) {
    let i = e / params.columns % params.rows + params.right;
    let j = e % params.columns + params.down;
    let kept = select(j <= i, j >= i, UPPER == 1u);
    out[e] = select(scalars.fill, in0[e], kept);
}
