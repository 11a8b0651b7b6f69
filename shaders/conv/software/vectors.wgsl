// Convolution and its gradient by the weights, 16×8 numbers per invocation, all in registers: out[row, column] = Σ_k A[row, k] · image(column + k).
// use: shared/fused, shared/quotient, shared/outer_product
//
// What rows, columns and k are is said in conv.wgsl. For software adapters, where reading costs: A, which has to lie together in
// multiples of four along k, is read in vectors, for four k at a time. Invocations lie side by side along the columns as far as these
// reach (LANES of eight), the others below. Beyond the last row it is read again, and nothing is written.

const WORKGROUP: u32 = 8u;
const ROWS: u32 = 16u;
const COLUMNS: u32 = 8u;
const LANES: u32 = 8u;   // of eight invocations, so many lie side by side

struct Params {
    m: u32,
    n: u32,
    k_rows: u32,
    groups: u32,
    splits: u32,
    span: u32,
    a_group: u32,
    a_row: u32,
    a_outer: u32,
    b_group: u32,
    out_group: u32,
    out_row: u32,
    out_outer: u32,
    unused: u32,
    // elements of the image that is read from one outer to the next, of a column and of a k
    column_outer: u32,
    k_outer: u32,
    size: vec2<u32>,
    divide: vec2<i32>,
    // the inner sizes of both grids, the steps in the image, and where it starts
    column_sizes: vec2<u32>,
    k_sizes: vec2<u32>,
    column_step: vec2<i32>,
    k_step: vec2<i32>,
    start: vec2<i32>,
    extra: array<vec4<u32>, 32>,
}

@group(0) @binding(0) var<storage, read> in0: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> in1: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(14) var<uniform> params: Params;

// Four columns: which image they lie in, their place in its plane, and where they start in the image that is read.
struct Columns {
    outer: vec4<u32>,
    cell: vec4<u32>,
    y: vec4<i32>,
    x: vec4<i32>,
}

// The pixel or tap after one.
fn following(t: vec3<u32>, sizes: vec2<u32>) -> vec3<u32> {
    var n = t + vec3<u32>(0u, 0u, 1u);
    if n.z == sizes.y { n = vec3<u32>(n.x, n.y + 1u, 0u); }
    if n.y == sizes.x { n = vec3<u32>(n.x + 1u, 0u, n.z); }
    return n;
}

// Where a number of a grid lies in it: (outer, y, x).
fn cell_of(i: u32, sizes: vec2<u32>) -> vec3<u32> {
    let line = quotient(i, sizes.y);
    let outer = quotient(line, sizes.x);
    return vec3<u32>(outer, line - outer * sizes.x, i - line * sizes.y);
}

fn columns(first: u32) -> Columns {
    let a = cell_of(first, params.column_sizes);
    let b = following(a, params.column_sizes);
    let c = following(b, params.column_sizes);
    let d = following(c, params.column_sizes);
    let outer = vec4<u32>(a.x, b.x, c.x, d.x);
    let down = vec4<u32>(a.y, b.y, c.y, d.y);
    let across = vec4<u32>(a.z, b.z, c.z, d.z);
    let y = vec4<i32>(down) * params.column_step.x + params.start.x;
    let x = vec4<i32>(across) * params.column_step.y + params.start.y;
    // Columns beyond the last read the first image; they are not stored.
    let exist = first + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.n);
    return Columns(select(vec4<u32>(0u), outer, exist), down * params.column_sizes.y + across, y, x);
}

// The image at four places, 0 outside. What is read for places outside, wherever that is, is thrown away.
fn image(base: vec4<u32>, y: vec4<i32>, x: vec4<i32>) -> vec4<f32> {
    // A negative number is a large u32.
    let inside = (vec4<u32>(y) < vec4<u32>(params.size.x)) & (vec4<u32>(x) < vec4<u32>(params.size.y));
    let at = base + vec4<u32>(y) * params.size.y + vec4<u32>(x);
    return select(vec4<f32>(0.0), vec4<f32>(in1[at.x], in1[at.y], in1[at.z], in1[at.w]), inside);
}

fn store_row(start: u32, row: u32, first: u32, at: Columns, v: vec4<f32>) {
    if row >= params.m { return; }
    let place = vec4<u32>(start + row * params.out_row) + at.outer * params.out_outer + at.cell;
    if first < params.n { out[place.x] = epilogue(v.x, place.x); }
    if first + 1u < params.n { out[place.y] = epilogue(v.y, place.y); }
    if first + 2u < params.n { out[place.z] = epilogue(v.z, place.z); }
    if first + 3u < params.n { out[place.w] = epilogue(v.w, place.w); }
}

fn store(start: u32, row: u32, first: u32, at: Columns, c: mat4x4<f32>) {
    store_row(start, row, first, at, c[0]);
    store_row(start, row + 1u, first, at, c[1]);
    store_row(start, row + 2u, first, at, c[2]);
    store_row(start, row + 3u, first, at, c[3]);
}

fn image_at(base: vec4<u32>, at: Columns, t: vec3<u32>) -> vec4<f32> {
    return image(base + t.x * params.k_outer, at.y + i32(t.y) * params.k_step.x, at.x + i32(t.z) * params.k_step.y);
}

// Four rows of A at four k: column q of the result belongs to the q-th k.
fn block_a(at: vec4<u32>) -> mat4x4<f32> {
    return transpose(mat4x4<f32>(in0[at.x], in0[at.y], in0[at.z], in0[at.w]));
}

// c + Σ_q a_q b_qᵀ, in order of q.
fn add_block(c: mat4x4<f32>, a: mat4x4<f32>, b: mat4x4<f32>) -> mat4x4<f32> {
    return outer_product(outer_product(outer_product(outer_product(c, a[0], b[0]), a[1], b[1]), a[2], b[2]), a[3], b[3]);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tile_n = COLUMNS * LANES;
    let tile_m = ROWS * (WORKGROUP / LANES);
    let tiles_n = (params.n + tile_n - 1u) / tile_n;
    let tiles_m = (params.m + tile_m - 1u) / tile_m;
    let id = workgroup.y * workgroups.x + workgroup.x;
    let part = id / (tiles_m * tiles_n);
    if part >= params.groups * params.splits { return; }
    let tile = id % (tiles_m * tiles_n);
    let group = part % params.groups;
    let split = part / params.groups;
    // Downwards first: the same part of the image is gathered again while it is near.
    let row = tile % tiles_m * tile_m + lane / LANES * ROWS;
    let column = tile / tiles_m * tile_n + lane % LANES * COLUMNS;

    let left = columns(column);
    let right = columns(column + 4u);
    let b_left = vec4<u32>(group * params.b_group) + left.outer * params.column_outer;
    let b_right = vec4<u32>(group * params.b_group) + right.outer * params.column_outer;

    let rows = row + vec4<u32>(0u, 1u, 2u, 3u);
    let last = vec4<u32>(params.m - 1u);
    let a_base = group * params.a_group;
    let at_a0 = a_base + min(rows, last) * params.a_row;
    let at_a1 = a_base + min(rows + 4u, last) * params.a_row;
    let at_a2 = a_base + min(rows + 8u, last) * params.a_row;
    let at_a3 = a_base + min(rows + 12u, last) * params.a_row;

    var c00 = mat4x4<f32>();
    var c01 = mat4x4<f32>();
    var c10 = mat4x4<f32>();
    var c11 = mat4x4<f32>();
    var c20 = mat4x4<f32>();
    var c21 = mat4x4<f32>();
    var c30 = mat4x4<f32>();
    var c31 = mat4x4<f32>();
    let first = split * params.span;
    var term = vec3<u32>(first / params.k_sizes.x, first % params.k_sizes.x, 0u);
    let end = min(first + params.span, params.k_rows) * params.k_sizes.y;
    for (var k = first * params.k_sizes.y; k < end; k += 4u) {
        let along_a = term.x * params.a_outer + term.y * params.k_sizes.y + term.z;
        let second = following(term, params.k_sizes);
        let third = following(second, params.k_sizes);
        let fourth = following(third, params.k_sizes);
        let b0 = mat4x4<f32>(
            image_at(b_left, left, term),
            image_at(b_left, left, second),
            image_at(b_left, left, third),
            image_at(b_left, left, fourth),
        );
        let b1 = mat4x4<f32>(
            image_at(b_right, right, term),
            image_at(b_right, right, second),
            image_at(b_right, right, third),
            image_at(b_right, right, fourth),
        );
        let a0 = block_a((at_a0 + along_a) / 4u);
        c00 = add_block(c00, a0, b0);
        c01 = add_block(c01, a0, b1);
        let a1 = block_a((at_a1 + along_a) / 4u);
        c10 = add_block(c10, a1, b0);
        c11 = add_block(c11, a1, b1);
        let a2 = block_a((at_a2 + along_a) / 4u);
        c20 = add_block(c20, a2, b0);
        c21 = add_block(c21, a2, b1);
        let a3 = block_a((at_a3 + along_a) / 4u);
        c30 = add_block(c30, a3, b0);
        c31 = add_block(c31, a3, b1);
        term = following(fourth, params.k_sizes);
    }
    let start = (split * params.groups + group) * params.out_group;
    store(start, row, column, left, c00);
    store(start, row, column + 4u, right, c01);
    store(start, row + 4u, column, left, c10);
    store(start, row + 4u, column + 4u, right, c11);
    store(start, row + 8u, column, left, c20);
    store(start, row + 8u, column + 4u, right, c21);
    store(start, row + 12u, column, left, c30);
    store(start, row + 12u, column + 4u, right, c31);
}
