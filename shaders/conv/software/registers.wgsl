// Convolution and both its gradients, ROWS×8 numbers per invocation, all in registers: out[row, column] = Σ_k A[row, k] · image(column + k).
// use: shared/fused, shared/quotient, shared/outer_product
//
// What rows, columns and k are is said in conv.wgsl. No workgroup memory and no barriers, which cost on software adapters. Neighbouring
// invocations lie side by side along the columns as far as these reach (LANES of eight), the others below. Beyond the last row it
// is read again, and nothing is written.

const WORKGROUP: u32 = 8u;
const DIVIDE: u32 = 0u;
const ROWS: u32 = 8u;    // 8 or 16
const COLUMNS: u32 = 8u;
const LANES: u32 = 8u;   // of eight invocations, so many lie side by side
// Whether something is fused behind. It is done in a loop over what was stored: with a copy of it for each number of the tile, software adapters
// would take seconds to compile.
const FUSED: u32 = 0u;

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
    // with DIVIDE: how far apart the taps lie that see the same pixels
    tap_step: vec2<u32>,
    extra: array<vec4<u32>, 32>,
}

@group(0) @binding(0) var<storage, read> in0: array<f32>;
@group(0) @binding(1) var<storage, read> in1: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(14) var<uniform> params: Params;

// Columns that see the same taps. With DIVIDE those are pixels whose distances are multiples of the stride; else all of them.
struct Phase {
    // its pixels along both axes, and the first of them
    pixels: vec2<u32>,
    first: vec2<u32>,
    // its taps along both axes, and the first of them
    taps: vec2<u32>,
    tap: vec2<u32>,
    // the place in the image that the first tap sees of the first pixel
    start: vec2<i32>,
}

fn phases() -> vec2<u32> {
    if DIVIDE == 0u { return vec2<u32>(1u); }
    return min(vec2<u32>(params.divide), params.column_sizes);
}

// Columns of the largest phase, the first one.
fn most_columns() -> u32 {
    if DIVIDE == 0u { return params.n; }
    let pixels = (params.column_sizes - 1u) / vec2<u32>(params.divide) + 1u;
    return params.n / (params.column_sizes.x * params.column_sizes.y) * pixels.x * pixels.y;
}

// The first of `count` taps that sees a whole place, and how many do. Tap i sees place (seen - i * dilation) / divide.
fn taps_along(seen: i32, count: u32, dilation: i32, divide: i32, step: u32) -> vec2<u32> {
    for (var i = 0u; i < min(count, step); i++) {
        if (seen - i32(i) * dilation) % divide == 0 { return vec2<u32>(i, (count - i - 1u) / step + 1u); }
    }
    return vec2<u32>(0u);
}

fn phase_of(number: u32) -> Phase {
    if DIVIDE == 0u { return Phase(params.column_sizes, vec2<u32>(0u), params.k_sizes, vec2<u32>(0u), params.start); }
    let across = phases().y;
    let first = vec2<u32>(number / across, number % across);
    let pixels = (params.column_sizes - first - 1u) / vec2<u32>(params.divide) + 1u;
    let seen = vec2<i32>(first) + params.start;
    let dilation = params.divide / vec2<i32>(params.tap_step) * -params.k_step;
    let y = taps_along(seen.x, params.k_sizes.x, dilation.x, params.divide.x, params.tap_step.x);
    let x = taps_along(seen.y, params.k_sizes.y, dilation.y, params.divide.y, params.tap_step.y);
    let tap = vec2<u32>(y.x, x.x);
    return Phase(pixels, first, vec2<u32>(y.y, x.y), tap, (seen - vec2<i32>(tap) * dilation) / params.divide);
}

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

fn columns(first: u32, phase: Phase) -> Columns {
    let a = cell_of(first, phase.pixels);
    let b = following(a, phase.pixels);
    let c = following(b, phase.pixels);
    let d = following(c, phase.pixels);
    let outer = vec4<u32>(a.x, b.x, c.x, d.x);
    let down = vec4<u32>(a.y, b.y, c.y, d.y);
    let across = vec4<u32>(a.z, b.z, c.z, d.z);
    let y = vec4<i32>(down) * params.column_step.x + phase.start.x;
    let x = vec4<i32>(across) * params.column_step.y + phase.start.y;
    // Columns beyond the last read the first image; they are not stored.
    let exist = first + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(count(phase));
    let step = vec2<u32>(params.divide);
    let cell = (down * step.x + phase.first.x) * params.column_sizes.y + across * step.y + phase.first.y;
    return Columns(select(vec4<u32>(0u), outer, exist), cell, y, x);
}

// Columns of a phase.
fn count(phase: Phase) -> u32 {
    if DIVIDE == 0u { return params.n; }
    return params.n / (params.column_sizes.x * params.column_sizes.y) * phase.pixels.x * phase.pixels.y;
}

// The image at four places, 0 outside. What is read for places outside, wherever that is, is thrown away.
fn image(base: vec4<u32>, y: vec4<i32>, x: vec4<i32>) -> vec4<f32> {
    // A negative number is a large u32.
    let inside = (vec4<u32>(y) < vec4<u32>(params.size.x)) & (vec4<u32>(x) < vec4<u32>(params.size.y));
    let at = base + vec4<u32>(y) * params.size.y + vec4<u32>(x);
    return select(vec4<f32>(0.0), vec4<f32>(in1[at.x], in1[at.y], in1[at.z], in1[at.w]), inside);
}

fn store_row(start: u32, row: u32, first: u32, end: u32, at: Columns, v: vec4<f32>) {
    if row >= params.m { return; }
    let place = vec4<u32>(start + row * params.out_row) + at.outer * params.out_outer + at.cell;
    if first < end { out[place.x] = v.x; }
    if first + 1u < end { out[place.y] = v.y; }
    if first + 2u < end { out[place.z] = v.z; }
    if first + 3u < end { out[place.w] = v.w; }
}

fn store(start: u32, row: u32, first: u32, end: u32, at: Columns, c: mat4x4<f32>) {
    store_row(start, row, first, end, at, c[0]);
    store_row(start, row + 1u, first, end, at, c[1]);
    store_row(start, row + 2u, first, end, at, c[2]);
    store_row(start, row + 3u, first, end, at, c[3]);
}

fn load_a(at: vec4<u32>) -> vec4<f32> { return vec4<f32>(in0[at.x], in0[at.y], in0[at.z], in0[at.w]); }

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tile_n = COLUMNS * LANES;
    let tile_m = ROWS * (WORKGROUP / LANES);
    let tiles_n = (most_columns() + tile_n - 1u) / tile_n;
    let tiles_m = (params.m + tile_m - 1u) / tile_m;
    let id = workgroup.y * workgroups.x + workgroup.x;
    let part = id / (tiles_m * tiles_n);
    if part >= params.groups * params.splits * phases().x * phases().y { return; }
    let tile = id % (tiles_m * tiles_n);
    let group = part % params.groups;
    let split = part / params.groups % params.splits;
    let phase = phase_of(part / (params.groups * params.splits));
    let last_column = count(phase);
    // Downwards first: the same part of the image is gathered again while it is near.
    let row = tile % tiles_m * tile_m + lane / LANES * ROWS;
    let column = tile / tiles_m * tile_n + lane % LANES * COLUMNS;

    let left = columns(column, phase);
    let right = columns(column + 4u, phase);
    let rows = row + vec4<u32>(0u, 1u, 2u, 3u);
    let last = vec4<u32>(params.m - 1u);
    let a_upper = group * params.a_group + min(rows, last) * params.a_row;
    let a_lower = group * params.a_group + min(rows + 4u, last) * params.a_row;
    let a_third = group * params.a_group + min(rows + 8u, last) * params.a_row;
    let a_fourth = group * params.a_group + min(rows + 12u, last) * params.a_row;
    let b_left = vec4<u32>(group * params.b_group) + left.outer * params.column_outer;
    let b_right = vec4<u32>(group * params.b_group) + right.outer * params.column_outer;

    var c00 = mat4x4<f32>();
    var c01 = mat4x4<f32>();
    var c10 = mat4x4<f32>();
    var c11 = mat4x4<f32>();
    var c20 = mat4x4<f32>();
    var c21 = mat4x4<f32>();
    var c30 = mat4x4<f32>();
    var c31 = mat4x4<f32>();
    let k_rows = select(params.k_rows, params.k_rows / params.k_sizes.x * phase.taps.x, DIVIDE == 1u);
    let end = min((split + 1u) * params.span, k_rows);
    for (var r = split * params.span; r < end; r++) {
        let outer = r / phase.taps.x;
        let k_row = r % phase.taps.x;
        let down = i32(k_row) * params.k_step.x;
        let along_b = outer * params.k_outer;
        var along_a = outer * params.a_outer + (phase.tap.x + k_row * params.tap_step.x) * params.k_sizes.y + phase.tap.y;
        var across = 0;
        for (var j = 0u; j < phase.taps.y; j++) {
            let b0 = image(b_left + along_b, left.y + down, left.x + across);
            let b1 = image(b_right + along_b, right.y + down, right.x + across);
            let a0 = load_a(a_upper + along_a);
            c00 = outer_product(c00, a0, b0);
            c01 = outer_product(c01, a0, b1);
            let a1 = load_a(a_lower + along_a);
            c10 = outer_product(c10, a1, b0);
            c11 = outer_product(c11, a1, b1);
            if ROWS == 16u {
                let a2 = load_a(a_third + along_a);
                c20 = outer_product(c20, a2, b0);
                c21 = outer_product(c21, a2, b1);
                let a3 = load_a(a_fourth + along_a);
                c30 = outer_product(c30, a3, b0);
                c31 = outer_product(c31, a3, b1);
            }
            along_a += params.tap_step.y;
            across += params.k_step.y;
        }
    }
    let start = (split * params.groups + group) * params.out_group;
    store(start, row, column, last_column, left, c00);
    store(start, row, column + 4u, last_column, right, c01);
    store(start, row + 4u, column, last_column, left, c10);
    store(start, row + 4u, column + 4u, last_column, right, c11);
    if ROWS == 16u {
        store(start, row + 8u, column, last_column, left, c20);
        store(start, row + 8u, column + 4u, last_column, right, c21);
        store(start, row + 12u, column, last_column, left, c30);
        store(start, row + 12u, column + 4u, last_column, right, c31);
    }
    if FUSED == 1u {
        for (var c = column; c < min(column + COLUMNS, last_column); c++) {
            let at = columns(c, phase);
            let place = start + at.outer.x * params.out_outer + at.cell.x;
            for (var r = row; r < min(row + ROWS, params.m); r++) {
                let i = place + r * params.out_row;
                out[i] = epilogue(out[i], i);
            }
        }
    }
}
