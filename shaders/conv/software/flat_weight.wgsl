// Gradient of a convolution that keeps the width of the image by its weights: 16 rows × 9 taps per invocation, in registers.
// use: shared/fused, shared/quotient
//
// What rows, columns and k are is said in conv.wgsl. Strides are 1, and the output is as wide as the image, so pixels that follow each other read
// numbers that do so too. A tile of columns is a square of three by three taps of one channel. Four pixels are taken at a time: with them
// lie four numbers of each row, and six of the image for each row of the kernel, read as vectors that lie at multiples of four and shifted into
// place. The eight invocations of a workgroup take either every eighth four pixels of a sum each, which are added up in order of the invocations;
// or, SHARED, a channel each, and then each reads two rows for all. So it needs subgroups of just eight.

const WORKGROUP: u32 = 8u;
const ROWS: u32 = 16u;
const SHARED: u32 = 0u;

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
@group(0) @binding(1) var<storage, read> in1: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(14) var<uniform> params: Params;

// Six numbers of the image.
struct Six {
    a: vec4<f32>,
    b: vec2<f32>,
}

// Those from one place on, wherever it is. What lies outside the image is thrown away later.
fn stretch(at: i32) -> Six {
    let end = i32(arrayLength(&in1)) - 1;
    let v = at >> 2u;
    let v0 = in1[clamp(v, 0, end)];
    let v1 = in1[clamp(v + 1, 0, end)];
    let v2 = in1[clamp(v + 2, 0, end)].x;
    let by_one = vec4<bool>((at & 1) != 0);
    let s0 = select(v0, vec4<f32>(v0.yzw, v1.x), by_one);
    let s1 = select(v1, vec4<f32>(v1.yzw, v2), by_one);
    let by_two = vec4<bool>((at & 2) != 0);
    return Six(select(s0, vec4<f32>(s0.zw, s1.xy), by_two), select(s1.xy, s1.zw, by_two.xy));
}

// c + g xᵀ for four rows and three taps.
fn outer_product(c: mat3x4<f32>, g: vec4<f32>, x: vec3<f32>) -> mat3x4<f32> {
    return mat3x4<f32>(fma(g, x.xxxx, c[0]), fma(g, x.yyyy, c[1]), fma(g, x.zzzz, c[2]));
}

// The same for four pixels, in order: column p of g holds four rows at pixel p, column j of x what tap j sees of all four.
fn add(c: mat3x4<f32>, g: mat4x4<f32>, x: mat3x4<f32>) -> mat3x4<f32> {
    let t = transpose(x);
    return outer_product(outer_product(outer_product(outer_product(c, g[0], t[0]), g[1], t[1]), g[2], t[2]), g[3], t[3]);
}

fn lower(v: f32) -> vec4<f32> {
    return vec4<f32>(subgroupBroadcast(v, 0u), subgroupBroadcast(v, 1u), subgroupBroadcast(v, 2u), subgroupBroadcast(v, 3u));
}
fn upper(v: f32) -> vec4<f32> {
    return vec4<f32>(subgroupBroadcast(v, 4u), subgroupBroadcast(v, 5u), subgroupBroadcast(v, 6u), subgroupBroadcast(v, 7u));
}

// The sum over the invocations, in their order.
fn together(v: vec4<f32>) -> vec4<f32> {
    var sum = subgroupBroadcast(v, 0u) + subgroupBroadcast(v, 1u);
    sum += subgroupBroadcast(v, 2u);
    sum += subgroupBroadcast(v, 3u);
    sum += subgroupBroadcast(v, 4u);
    sum += subgroupBroadcast(v, 5u);
    sum += subgroupBroadcast(v, 6u);
    return sum + subgroupBroadcast(v, 7u);
}

// One of the numbers of a column of eight rows.
fn pick(lane: u32, a: vec4<f32>, b: vec4<f32>) -> f32 {
    let half = select(a, b, vec4<bool>(lane >= 4u));
    let two = select(half.xy, half.zw, vec2<bool>((lane & 2u) != 0u));
    return select(two.x, two.y, (lane & 1u) != 0u);
}

// The numbers of eight rows at three taps: each invocation writes a row, the sum of all invocations.
fn store_sums(lane: u32, row: u32, at: u32, exist: vec3<bool>, a: mat3x4<f32>, b: mat3x4<f32>) {
    let x = pick(lane, together(a[0]), together(b[0]));
    let y = pick(lane, together(a[1]), together(b[1]));
    let z = pick(lane, together(a[2]), together(b[2]));
    if row + lane >= params.m { return; }
    let place = at + (row + lane) * params.out_row;
    if exist.x { out[place] = epilogue(x, place); }
    if exist.y { out[place + 1u] = epilogue(y, place + 1u); }
    if exist.z { out[place + 2u] = epilogue(z, place + 2u); }
}

fn store_row(row: u32, at: u32, exist: vec3<bool>, v: vec3<f32>) {
    if row >= params.m { return; }
    let place = at + row * params.out_row;
    if exist.x { out[place] = epilogue(v.x, place); }
    if exist.y { out[place + 1u] = epilogue(v.y, place + 1u); }
    if exist.z { out[place + 2u] = epilogue(v.z, place + 2u); }
}

fn store(lane: u32, row: u32, at: u32, exist: vec3<bool>, a: mat3x4<f32>, b: mat3x4<f32>) {
    if SHARED == 0u {
        store_sums(lane, row, at, exist, a, b);
    } else {
        let upper = transpose(a);
        let lower = transpose(b);
        store_row(row, at, exist, upper[0]);
        store_row(row + 1u, at, exist, upper[1]);
        store_row(row + 2u, at, exist, upper[2]);
        store_row(row + 3u, at, exist, upper[3]);
        store_row(row + 4u, at, exist, lower[0]);
        store_row(row + 5u, at, exist, lower[1]);
        store_row(row + 6u, at, exist, lower[2]);
        store_row(row + 7u, at, exist, lower[3]);
    }
}

// Four rows at four pixels: column p of the result belongs to pixel p.
fn block(at: vec4<u32>) -> mat4x4<f32> {
    return transpose(mat4x4<f32>(in0[at.x], in0[at.y], in0[at.z], in0[at.w]));
}

// What three taps see of four pixels, 0 outside the image.
fn seen(at: i32, down: vec4<bool>, across0: vec4<bool>, across1: vec4<bool>, across2: vec4<bool>) -> mat3x4<f32> {
    let s = stretch(at);
    let zero = vec4<f32>();
    return mat3x4<f32>(
        select(zero, s.a, down & across0),
        select(zero, vec4<f32>(s.a.yzw, s.b.x), down & across1),
        select(zero, vec4<f32>(s.a.zw, s.b), down & across2),
    );
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let k_plane = params.k_sizes.x * params.k_sizes.y;
    let channels = params.n / (params.column_sizes.x * params.column_sizes.y);
    let squares = (params.column_sizes + 2u) / 3u;
    let tiles_c = select(channels, (channels + WORKGROUP - 1u) / WORKGROUP, SHARED == 1u);
    let tiles_n = tiles_c * squares.x * squares.y;
    let tiles_m = (params.m + ROWS - 1u) / ROWS;
    let id = workgroup.y * workgroups.x + workgroup.x;
    let part = id / (tiles_m * tiles_n);
    if part >= params.groups * params.splits { return; }
    let tile = id % (tiles_m * tiles_n);
    let group = part % params.groups;
    let split = part / params.groups;
    let row = tile % tiles_m * ROWS;
    let square = tile / tiles_m % (squares.x * squares.y);
    let tap = 3u * vec2<u32>(square / squares.y, square % squares.y);
    var channel = tile / tiles_m / (squares.x * squares.y);
    if SHARED == 1u { channel = channel * WORKGROUP + lane; }
    let is_there = channel < channels;

    let corner = vec2<i32>(tap) * params.column_step + params.start;
    let a_base = group * params.a_group;
    let b_base = group * params.b_group + min(channel, channels - 1u) * params.column_outer;
    let last = vec4<u32>(params.m - 1u);
    let rows = vec4<u32>(row) + vec4<u32>(0u, 1u, 2u, 3u);
    let a0 = min(rows, last) * params.a_row;
    let a1 = min(rows + 4u, last) * params.a_row;
    let a2 = min(rows + 8u, last) * params.a_row;
    let a3 = min(rows + 12u, last) * params.a_row;
    let mine = min(vec2<u32>(row + lane, row + 8u + lane), last.xy) * params.a_row;
    let size = vec4<u32>(params.size.x);
    let width = vec4<u32>(params.size.y);

    var c00 = mat3x4<f32>();
    var c01 = mat3x4<f32>();
    var c02 = mat3x4<f32>();
    var c10 = mat3x4<f32>();
    var c11 = mat3x4<f32>();
    var c12 = mat3x4<f32>();
    var c20 = mat3x4<f32>();
    var c21 = mat3x4<f32>();
    var c22 = mat3x4<f32>();
    var c30 = mat3x4<f32>();
    var c31 = mat3x4<f32>();
    var c32 = mat3x4<f32>();
    let first = split * params.span * params.k_sizes.y;
    let end = min((split + 1u) * params.span, params.k_rows) * params.k_sizes.y;
    let stride = select(4u * WORKGROUP, 4u, SHARED == 1u);
    for (var k = first + select(4u * lane, 0u, SHARED == 1u); k < end; k += stride) {
        let image = quotient(k, k_plane);
        let pixel = k - image * k_plane;
        let y0 = quotient(pixel, params.k_sizes.y);
        var x = vec4<u32>(pixel - y0 * params.k_sizes.y) + vec4<u32>(0u, 1u, 2u, 3u);
        var y = vec4<u32>(y0);
        // A line may be shorter than three pixels.
        for (var line = 0u; line < 3u; line++) {
            let beyond = x >= vec4<u32>(params.k_sizes.y);
            y += select(vec4<u32>(0u), vec4<u32>(1u), beyond);
            x -= select(vec4<u32>(0u), vec4<u32>(params.k_sizes.y), beyond);
            if params.k_sizes.y > 3u { break; }
        }
        let in_x = vec4<i32>(x) + corner.y;
        let in_y = vec4<i32>(y) + corner.x;
        let across0 = vec4<u32>(in_x) < width;
        let across1 = vec4<u32>(in_x + 1) < width;
        let across2 = vec4<u32>(in_x + 2) < width;
        let down = params.column_step.x;
        let at = i32(b_base + image * params.k_outer + pixel) + corner.x * i32(params.size.y) + corner.y;
        let line = down * i32(params.size.y);
        let x0 = seen(at, vec4<u32>(in_y) < size, across0, across1, across2);
        let x1 = seen(at + line, vec4<u32>(in_y + down) < size, across0, across1, across2);
        let x2 = seen(at + 2 * line, vec4<u32>(in_y + 2 * down) < size, across0, across1, across2);
        let a_at = a_base + image * params.a_outer + pixel;
        var g0: mat4x4<f32>;
        var g1: mat4x4<f32>;
        var g2: mat4x4<f32>;
        var g3: mat4x4<f32>;
        if SHARED == 1u {
            let u = in0[(a_at + mine.x) / 4u];
            let d = in0[(a_at + mine.y) / 4u];
            g0 = mat4x4<f32>(lower(u.x), lower(u.y), lower(u.z), lower(u.w));
            g1 = mat4x4<f32>(upper(u.x), upper(u.y), upper(u.z), upper(u.w));
            g2 = mat4x4<f32>(lower(d.x), lower(d.y), lower(d.z), lower(d.w));
            g3 = mat4x4<f32>(upper(d.x), upper(d.y), upper(d.z), upper(d.w));
        } else {
            g0 = block((a_at + a0) / 4u);
            g1 = block((a_at + a1) / 4u);
            g2 = block((a_at + a2) / 4u);
            g3 = block((a_at + a3) / 4u);
        }
        c00 = add(c00, g0, x0);
        c01 = add(c01, g0, x1);
        c02 = add(c02, g0, x2);
        c10 = add(c10, g1, x0);
        c11 = add(c11, g1, x1);
        c12 = add(c12, g1, x2);
        c20 = add(c20, g2, x0);
        c21 = add(c21, g2, x1);
        c22 = add(c22, g2, x2);
        c30 = add(c30, g3, x0);
        c31 = add(c31, g3, x1);
        c32 = add(c32, g3, x2);
    }
    let place = (split * params.groups + group) * params.out_group + channel * params.out_outer + tap.x * params.column_sizes.y + tap.y;
    let exist = (tap.y + vec3<u32>(0u, 1u, 2u) < vec3<u32>(params.column_sizes.y)) & vec3<bool>(is_there);
    let second = exist & vec3<bool>(tap.x + 1u < params.column_sizes.x);
    let third = exist & vec3<bool>(tap.x + 2u < params.column_sizes.x);
    let beside = params.column_sizes.y;
    store(lane, row, place, exist, c00, c10);
    store(lane, row, place + beside, second, c01, c11);
    store(lane, row, place + 2u * beside, third, c02, c12);
    store(lane, row + 8u, place, exist, c20, c30);
    store(lane, row + 8u, place + beside, second, c21, c31);
    store(lane, row + 8u, place + 2u * beside, third, c22, c32);
}
