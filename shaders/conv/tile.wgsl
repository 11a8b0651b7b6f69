// Convolution and both its gradients in tiles shared by a workgroup: out[row, column] = Σ_k A[row, k] · image(column + k), in order of k.
// use: shared/fused, shared/quotient, shared/outer_product
//
// What rows, columns and k are is said in conv.wgsl. SIDE×SIDE invocations make a tile of TILE×TILE numbers, each a block of 4×4 of
// them. For DEPTH values of k at a time they first bring TILE rows of A and TILE columns of the image, gathered as the kernel sees it,
// into workgroup memory, both with k outermost, as vectors of four neighbours.

const SIDE: u32 = 16u;
const DEPTH: u32 = 16u;
const DIVIDE: u32 = 0u;

const TILE: u32 = SIDE * 4u;
const PITCH: u32 = SIDE + 1u;   // one more, so that columns of the tile spread over the memory's banks

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

var<workgroup> tile_a: array<vec4<f32>, DEPTH * PITCH>;
var<workgroup> tile_b: array<vec4<f32>, DEPTH * PITCH>;

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

// The image at four places, 0 outside.
fn image(base: vec4<u32>, y: vec4<i32>, x: vec4<i32>) -> vec4<f32> {
    // A negative number is a large u32.
    let inside = (vec4<u32>(y) < vec4<u32>(params.size.x)) & (vec4<u32>(x) < vec4<u32>(params.size.y));
    let at = select(vec4<u32>(0u), base + vec4<u32>(y) * params.size.y + vec4<u32>(x), inside);
    return select(vec4<f32>(0.0), vec4<f32>(in1[at.x], in1[at.y], in1[at.z], in1[at.w]), inside);
}

fn store_row(start: u32, row: u32, first: u32, end: u32, at: Columns, v: vec4<f32>) {
    if row >= params.m { return; }
    let place = vec4<u32>(start + row * params.out_row) + at.outer * params.out_outer + at.cell;
    if first < end { out[place.x] = epilogue(v.x, place.x); }
    if first + 1u < end { out[place.y] = epilogue(v.y, place.y); }
    if first + 2u < end { out[place.z] = epilogue(v.z, place.z); }
    if first + 3u < end { out[place.w] = epilogue(v.w, place.w); }
}

fn store(start: u32, row: u32, first: u32, end: u32, at: Columns, c: mat4x4<f32>) {
    store_row(start, row, first, end, at, c[0]);
    store_row(start, row + 1u, first, end, at, c[1]);
    store_row(start, row + 2u, first, end, at, c[2]);
    store_row(start, row + 3u, first, end, at, c[3]);
}

fn a_at(at: u32, row: u32) -> f32 {
    if row < params.m { return in0[at + row * params.a_row]; }
    return 0.0;
}

@compute @workgroup_size(SIDE, SIDE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) me: u32,
) {
    let tiles_n = (most_columns() + TILE - 1u) / TILE;
    let tiles_m = (params.m + TILE - 1u) / TILE;
    let id = workgroup.y * workgroups.x + workgroup.x;
    let part = id / (tiles_m * tiles_n);
    if part >= params.groups * params.splits * phases().x * phases().y { return; }
    let tile = id % (tiles_m * tiles_n);
    let group = part % params.groups;
    let split = part / params.groups % params.splits;
    let phase = phase_of(part / (params.groups * params.splits));
    let first_row = tile / tiles_n * TILE;
    let first_column = tile % tiles_n * TILE + 4u * local.x;

    // An invocation always gathers the columns of its own block.
    let mine = columns(first_column, phase);
    let a_base = group * params.a_group;
    let b_base = vec4<u32>(group * params.b_group) + mine.outer * params.column_outer;

    var c = mat4x4<f32>();
    let k_plane = phase.taps.x * phase.taps.y;
    let k_rows = select(params.k_rows, params.k_rows / params.k_sizes.x * phase.taps.x, DIVIDE == 1u);
    let end = min((split + 1u) * params.span, k_rows) * phase.taps.y;
    for (var first = split * params.span * phase.taps.y; first < end; first += DEPTH) {
        for (var p = local.y; p < DEPTH; p += SIDE) {
            let k = first + p;
            var found = vec4<f32>(0.0);
            if k < end {
                let cell = k % k_plane;
                let y = mine.y + i32(cell / phase.taps.y) * params.k_step.x;
                let x = mine.x + i32(cell % phase.taps.y) * params.k_step.y;
                found = image(b_base + k / k_plane * params.k_outer, y, x);
            }
            tile_b[p * PITCH + local.x] = found;
        }
        // Neighbours read along k, which lies together in A.
        for (var e = me; e < DEPTH * SIDE; e += SIDE * SIDE) {
            let p = e % DEPTH;
            let row = first_row + 4u * (e / DEPTH);
            let k = first + p;
            var found = vec4<f32>(0.0);
            if k < end {
                var cell = k % k_plane;
                if DIVIDE == 1u {
                    let tap = phase.tap + vec2<u32>(cell / phase.taps.y, cell % phase.taps.y) * params.tap_step;
                    cell = tap.x * params.k_sizes.y + tap.y;
                }
                let at = a_base + k / k_plane * params.a_outer + cell;
                found = vec4<f32>(a_at(at, row), a_at(at, row + 1u), a_at(at, row + 2u), a_at(at, row + 3u));
            }
            tile_a[p * PITCH + e / DEPTH] = found;
        }
        workgroupBarrier();
        for (var p = 0u; p < DEPTH; p++) {
            c = outer_product(c, tile_a[p * PITCH + local.y], tile_b[p * PITCH + local.x]);
        }
        workgroupBarrier();
    }
    let start = (split * params.groups + group) * params.out_group;
    store(start, first_row + 4u * local.y, first_column, count(phase), mine, c);
}
