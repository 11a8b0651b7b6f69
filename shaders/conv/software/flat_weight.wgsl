// Gradient of a convolution that keeps the width of the image by its weights: 16 rows × 9 taps per invocation, in registers.
// use: conv/product, conv/software/shift, shared/fused, shared/quotient, shared/subgroup
//
// Strides are 1, and the output is as wide as the image, so consecutive pixels read consecutive numbers. A tile of columns is a square of three
// by three taps of one channel. Four pixels are taken at a time: with them go four numbers of each row, and six of the image for each row of the
// kernel, read as vectors that start at multiples of four. The eight invocations of a workgroup take either every eighth four pixels of a sum
// each, which are added up in order of the invocations; or, SHARED, a channel each, and then each reads two rows for all. So it needs subgroups
// of just eight.

const WORKGROUP: u32 = 8u;
const ROWS: u32 = 16u;
const SHARED: u32 = 0u;

@group(0) @binding(0) var<storage, read> in0: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> in1: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;

// Four rows of a square of taps: its upper, middle and lower three.
struct Square {
    upper: mat3x4<f32>,
    middle: mat3x4<f32>,
    lower: mat3x4<f32>,
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let channels = outer_columns();
    let squares = (params.column_sizes + 2u) / 3u;
    let tiles_c = select(channels, (channels + WORKGROUP - 1u) / WORKGROUP, SHARED == 1u);
    let tiles_n = tiles_c * squares.x * squares.y;
    let tiles_m = (params.m + ROWS - 1u) / ROWS;
    let id = workgroup.y * workgroups.x + workgroup.x;
    let number = id / (tiles_m * tiles_n);
    if number >= products() { return; }
    let product = product_of(number);
    let tile = id % (tiles_m * tiles_n);
    let row = tile % tiles_m * ROWS;
    let square = tile / tiles_m % (squares.x * squares.y);
    let tap = 3u * vec2<u32>(square / squares.y, square % squares.y);
    var channel = tile / tiles_m / (squares.x * squares.y);
    if SHARED == 1u { channel = channel * WORKGROUP + lane; }

    let corner = vec2<i32>(tap) * params.column_step + params.start;
    let a_base = product.group * params.a_group;
    let b_base = product.group * params.b_group + min(channel, channels - 1u) * params.column_outer;
    let a0 = gradient_rows(row);
    let a1 = gradient_rows(row + 4u);
    let a2 = gradient_rows(row + 8u);
    let a3 = gradient_rows(row + 12u);
    let mine = vec2<u32>(gradient_rows(row + lane).x, gradient_rows(row + 8u + lane).x);

    var c0: Square;
    var c1: Square;
    var c2: Square;
    var c3: Square;
    let end = product.end * params.k_sizes.y;
    let step = select(4u * WORKGROUP, 4u, SHARED == 1u);
    for (var k = product.begin * params.k_sizes.y + select(4u * lane, 0u, SHARED == 1u); k < end; k += step) {
        let image = quotient(k, params.k_sizes.x * params.k_sizes.y);
        let pixel = k - image * params.k_sizes.x * params.k_sizes.y;
        let x = square_seen(b_base + image * params.k_outer, pixel, corner);
        let at = a_base + image * params.a_outer + pixel;
        if SHARED == 1u {
            let u = in0[(at + mine.x) / 4u];
            let d = in0[(at + mine.y) / 4u];
            c0 = add_pixels(c0, mat4x4<f32>(lower_lanes(u.x), lower_lanes(u.y), lower_lanes(u.z), lower_lanes(u.w)), x);
            c1 = add_pixels(c1, mat4x4<f32>(upper_lanes(u.x), upper_lanes(u.y), upper_lanes(u.z), upper_lanes(u.w)), x);
            c2 = add_pixels(c2, mat4x4<f32>(lower_lanes(d.x), lower_lanes(d.y), lower_lanes(d.z), lower_lanes(d.w)), x);
            c3 = add_pixels(c3, mat4x4<f32>(upper_lanes(d.x), upper_lanes(d.y), upper_lanes(d.z), upper_lanes(d.w)), x);
        } else {
            c0 = add_pixels(c0, gradients((at + a0) / 4u), x);
            c1 = add_pixels(c1, gradients((at + a1) / 4u), x);
            c2 = add_pixels(c2, gradients((at + a2) / 4u), x);
            c3 = add_pixels(c3, gradients((at + a3) / 4u), x);
        }
    }
    let place = product.out_start + channel * params.out_outer + tap.x * params.column_sizes.y + tap.y;
    write_square(lane, row, place, tap, channel < channels, c0, c1);
    write_square(lane, row + 8u, place, tap, channel < channels, c2, c3);
}

// Where four rows of the gradient start.
fn gradient_rows(first: u32) -> vec4<u32> {
    return min(first + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.m - 1u)) * params.a_row;
}

// Four rows of the gradient at four pixels: column p of the result belongs to pixel p.
fn gradients(at: vec4<u32>) -> mat4x4<f32> { return transpose(mat4x4<f32>(in0[at.x], in0[at.y], in0[at.z], in0[at.w])); }

// What a square of taps sees of four consecutive pixels.
fn square_seen(base: u32, pixel: u32, corner: vec2<i32>) -> Square {
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
    let column = vec4<i32>(x) + corner.y;
    let line = vec4<i32>(y) + corner.x;
    let down = params.column_step.x;
    let at = i32(base + pixel) + corner.x * i32(params.size.y) + corner.y;
    let width = down * i32(params.size.y);
    return Square(three_seen(at, line, column), three_seen(at + width, line + down, column), three_seen(at + 2 * width, line + 2 * down, column));
}

// What three taps of a row see of four pixels, 0 outside the image; what is read there is thrown away.
fn three_seen(at: i32, y: vec4<i32>, x: vec4<i32>) -> mat3x4<f32> {
    let end = i32(arrayLength(&in1)) - 1;
    let v = at >> 2u;
    let v1 = in1[clamp(v + 1, 0, end)];
    let s0 = shifted_by_one(at, in1[clamp(v, 0, end)], v1.x);
    let s1 = shifted_by_one(at, v1, in1[clamp(v + 2, 0, end)].x);
    let a = shifted_by_two(at, s0, s1.xy);
    let b = shifted_by_two(at, s1, vec2<f32>());
    let down = vec4<u32>(y) < vec4<u32>(params.size.x);
    let width = vec4<u32>(params.size.y);
    let zero = vec4<f32>();
    return mat3x4<f32>(
        select(zero, a, down & (vec4<u32>(x) < width)),
        select(zero, vec4<f32>(a.yzw, b.x), down & (vec4<u32>(x + 1) < width)),
        select(zero, vec4<f32>(a.zw, b.xy), down & (vec4<u32>(x + 2) < width)),
    );
}

// c + g xᵀ for four pixels, in order: column p of g holds four rows at pixel p, column j of a row of x what tap j sees of all four.
fn add_pixels(c: Square, g: mat4x4<f32>, x: Square) -> Square {
    return Square(add_three(c.upper, g, x.upper), add_three(c.middle, g, x.middle), add_three(c.lower, g, x.lower));
}

fn add_three(c: mat3x4<f32>, g: mat4x4<f32>, x: mat3x4<f32>) -> mat3x4<f32> {
    let t = transpose(x);
    return add_pixel(add_pixel(add_pixel(add_pixel(c, g[0], t[0]), g[1], t[1]), g[2], t[2]), g[3], t[3]);
}

// c + g xᵀ for four rows and three taps.
fn add_pixel(c: mat3x4<f32>, g: vec4<f32>, x: vec3<f32>) -> mat3x4<f32> {
    return mat3x4<f32>(fma(g, x.xxxx, c[0]), fma(g, x.yyyy, c[1]), fma(g, x.zzzz, c[2]));
}

// Eight rows of a square, of which a is the first four.
fn write_square(lane: u32, row: u32, at: u32, tap: vec2<u32>, exists: bool, a: Square, b: Square) {
    let across = (tap.y + vec3<u32>(0u, 1u, 2u) < vec3<u32>(params.column_sizes.y)) & vec3<bool>(exists);
    let down = tap.x + vec2<u32>(1u, 2u) < vec2<u32>(params.column_sizes.x);
    write_three_taps(lane, row, at, across, a.upper, b.upper);
    write_three_taps(lane, row, at + params.column_sizes.y, across & vec3<bool>(down.x), a.middle, b.middle);
    write_three_taps(lane, row, at + 2u * params.column_sizes.y, across & vec3<bool>(down.y), a.lower, b.lower);
}

// Eight rows at three taps. Where invocations share a sum, each writes a row of what they have together.
fn write_three_taps(lane: u32, row: u32, at: u32, exist: vec3<bool>, a: mat3x4<f32>, b: mat3x4<f32>) {
    if SHARED == 0u {
        let sums = vec3<f32>(
            pick_row(lane, sum_over_invocations(a[0]), sum_over_invocations(b[0])),
            pick_row(lane, sum_over_invocations(a[1]), sum_over_invocations(b[1])),
            pick_row(lane, sum_over_invocations(a[2]), sum_over_invocations(b[2])),
        );
        write_taps(row + lane, at, exist, sums);
        return;
    }
    let upper = transpose(a);
    let lower = transpose(b);
    write_taps(row, at, exist, upper[0]);
    write_taps(row + 1u, at, exist, upper[1]);
    write_taps(row + 2u, at, exist, upper[2]);
    write_taps(row + 3u, at, exist, upper[3]);
    write_taps(row + 4u, at, exist, lower[0]);
    write_taps(row + 5u, at, exist, lower[1]);
    write_taps(row + 6u, at, exist, lower[2]);
    write_taps(row + 7u, at, exist, lower[3]);
}

fn write_taps(row: u32, at: u32, exist: vec3<bool>, v: vec3<f32>) {
    if row >= params.m { return; }
    let place = at + row * params.out_row;
    if exist.x { out[place] = epilogue(v.x, place); }
    if exist.y { out[place + 1u] = epilogue(v.y, place + 1u); }
    if exist.z { out[place + 2u] = epilogue(v.z, place + 2u); }
}

// The sum over the invocations, in their order.
fn sum_over_invocations(v: vec4<f32>) -> vec4<f32> {
    var sum = subgroupBroadcast(v, 0u) + subgroupBroadcast(v, 1u);
    sum += subgroupBroadcast(v, 2u);
    sum += subgroupBroadcast(v, 3u);
    sum += subgroupBroadcast(v, 4u);
    sum += subgroupBroadcast(v, 5u);
    sum += subgroupBroadcast(v, 6u);
    return sum + subgroupBroadcast(v, 7u);
}

// One of the numbers of a column of eight rows.
fn pick_row(lane: u32, a: vec4<f32>, b: vec4<f32>) -> f32 {
    let half = select(a, b, vec4<bool>(lane >= 4u));
    let two = select(half.xy, half.zw, vec2<bool>((lane & 2u) != 0u));
    return select(two.x, two.y, (lane & 1u) != 0u);
}
