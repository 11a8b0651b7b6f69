// Convolution that keeps the width of the image, and its gradient by the input: a block of 16×8 or 8×8 elements per invocation, in registers.
// use: conv/product, conv/software/shared_rows, conv/software/shift, shared/fused_vectors, shared/quotient
//
// Strides are 1, and the image that is read is as wide as the output, so eight consecutive pixels read eight consecutive numbers: one stretch of
// memory holds what three taps of a row of the kernel need, and is read as vectors that start at multiples of four. The eight invocations of a
// workgroup are side by side along the pixels; each reads the weights of two rows, and gives them to the others.

@group(0) @binding(0) var<storage, read> in0: array<f32>;
@group(0) @binding(1) var<storage, read> in1: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let plane = params.column_sizes.x * params.column_sizes.y;
    let in_plane = (plane + COLUMNS - 1u) / COLUMNS;
    let images = outer_columns();
    let tiles_n = (images * in_plane + WORKGROUP - 1u) / WORKGROUP;
    let tiles_m = (params.m + ROWS - 1u) / ROWS;
    let id = workgroup.y * workgroups.x + workgroup.x;
    let group = id / (tiles_m * tiles_n);
    if group >= params.groups { return; }
    let tile = id % (tiles_m * tiles_n);
    // Downwards first: the same part of the image is read again while it is near.
    let row = tile % tiles_m * ROWS;
    let place = tile / tiles_m * WORKGROUP + lane;
    // Invocations beyond the last pixel read those of the last image; they write nothing.
    let nth = quotient(place, in_plane);
    let image = min(nth, images - 1u);
    let pixel = (place - nth * in_plane) * COLUMNS;
    let left = four_pixels(pixel, 0u);
    let right = four_pixels(pixel, 4u);
    let a = group * params.a_group + min(row + vec2<u32>(lane, lane + 8u), vec2<u32>(params.m - 1u)) * params.a_row;
    let width = i32(params.size.y);
    let base = i32(group * params.b_group + image * params.column_outer + pixel) + params.start.x * width + params.start.y;
    let negated = params.k_step.y < 0;

    var c: Block;
    // Three taps of a row of the kernel at a time, in the order of the numbers they read.
    for (var j = 0u; j < params.k_sizes.y; j += 3u) {
        let first = select(i32(j), -i32(j) - 2, negated);
        let taps = select(vec3<u32>(j, j + 1u, j + 2u), vec3<u32>(j + 2u, j + 1u, j), negated);
        let exist = taps < vec3<u32>(params.k_sizes.y);
        let across0 = inside_along(left.x + first, right.x + first, params.size.y, exist.x);
        let across1 = inside_along(left.x + first + 1, right.x + first + 1, params.size.y, exist.y);
        let across2 = inside_along(left.x + first + 2, right.x + first + 2, params.size.y, exist.z);
        var i = 0u;
        var along_a = 0u;
        var along_b = base + first;
        for (var r = 0u; r < params.k_rows; r++) {
            let down = inside_along(left.y + i32(i) * params.k_step.x, right.y + i32(i) * params.k_step.x, params.size.x, true);
            let s = stretch(along_b + i32(i) * params.k_step.x * width);
            let at = along_a + i * params.k_sizes.y + taps;
            add_shared(&c, weights_at(a + at.x, exist.x), masked(Eight(s.a, s.b), down, across0));
            let by_one = Eight(vec4<f32>(s.a.yzw, s.b.x), vec4<f32>(s.b.yzw, s.c.x));
            add_shared(&c, weights_at(a + at.y, exist.y), masked(by_one, down, across1));
            let by_two = Eight(vec4<f32>(s.a.zw, s.b.xy), vec4<f32>(s.b.zw, s.c));
            add_shared(&c, weights_at(a + at.z, exist.z), masked(by_two, down, across2));
            i += 1u;
            if i == params.k_sizes.x {
                i = 0u;
                along_a += params.a_outer;
                along_b += i32(params.k_outer);
            }
        }
    }
    let start = (group * params.out_group + row * params.out_row + image * params.out_outer + pixel) / 4u;
    let is_left = nth < images;
    let is_right = is_left && pixel + 4u < plane;
    let ends = select(vec2<u32>(0u), vec2<u32>(params.m), vec2<bool>(is_left, is_right));
    write_pixels(start, row, ends, c.first);
    write_pixels(start + params.out_row, row + 4u, ends, c.second);
    if ROWS == 16u {
        write_pixels(start + 2u * params.out_row, row + 8u, ends, c.third);
        write_pixels(start + 3u * params.out_row, row + 12u, ends, c.fourth);
    }
    if FUSED == 1u {
        for (var r = 0u; r < select(0u, min(ROWS, params.m - row), is_left); r++) {
            for (var half = 0u; half < select(1u, 2u, is_right); half++) {
                let at = start + r * (params.out_row / 4u) + half;
                out[at] = finish_four(out[at], 4u * at);
            }
        }
    }
}

// Four consecutive pixels, where the first tap sees them.
struct Pixels {
    y: vec4<i32>,
    x: vec4<i32>,
}

// Those from `offset` after a pixel on.
fn four_pixels(pixel: u32, offset: u32) -> Pixels {
    let y0 = quotient(pixel, params.size.y);
    let flat = pixel - y0 * params.size.y + vec4<u32>(0u, 1u, 2u, 3u) + offset;
    let down = quotients(flat, params.size.y);
    return Pixels(vec4<i32>(y0 + down) + params.start.x, vec4<i32>(flat - down * params.size.y) + params.start.y);
}

// Whether each of eight is.
struct EightBits {
    left: vec4<bool>,
    right: vec4<bool>,
}

// Whether places along an axis are inside the image, of a tap that exists.
fn inside_along(left: vec4<i32>, right: vec4<i32>, size: u32, exists: bool) -> EightBits {
    return EightBits(
        (vec4<u32>(left) < vec4<u32>(size)) & vec4<bool>(exists),
        (vec4<u32>(right) < vec4<u32>(size)) & vec4<bool>(exists),
    );
}

// What is inside along both axes, 0 elsewhere.
fn masked(v: Eight, down: EightBits, across: EightBits) -> Eight {
    let zero = vec4<f32>();
    return Eight(select(zero, v.left, down.left & across.left), select(zero, v.right, down.right & across.right));
}

// Ten consecutive numbers of the image.
struct Ten {
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec2<f32>,
}

// Those from one place on, wherever it is. What is outside the image is thrown away later.
fn stretch(at: i32) -> Ten {
    let end = i32(arrayLength(&in1)) - 1;
    let v = at >> 2u;
    let v1 = in1[clamp(v + 1, 0, end)];
    let v2 = in1[clamp(v + 2, 0, end)];
    let v3 = in1[clamp(v + 3, 0, end)];
    let s0 = shifted_by_one(at, in1[clamp(v, 0, end)], v1.x);
    let s1 = shifted_by_one(at, v1, v2.x);
    let s2 = shifted_by_one(at, v2, v3.x);
    return Ten(shifted_by_two(at, s0, s1.xy), shifted_by_two(at, s1, s2.xy), shifted_by_two(at, s2, vec2<f32>()).xy);
}

// The weights of this invocation's rows at a tap, 0 where there is none.
fn weights_at(at: vec2<u32>, exists: bool) -> vec2<f32> {
    if ROWS == 8u { return vec2<f32>(select(0.0, in0[at.x], exists), 0.0); }
    return select(vec2<f32>(), vec2<f32>(in0[at.x], in0[at.y]), vec2<bool>(exists));
}

// Four rows of eight pixels; `ends` is the last row of the left and of the right four.
fn write_pixels(start: u32, row: u32, ends: vec2<u32>, c: Band) {
    write_four_pixels(start, row, ends.x, c.left);
    write_four_pixels(start + 1u, row, ends.y, c.right);
}

fn write_four_pixels(at: u32, row: u32, end: u32, c: mat4x4<f32>) {
    let step = params.out_row / 4u;
    if row < end { out[at] = c[0]; }
    if row + 1u < end { out[at + step] = c[1]; }
    if row + 2u < end { out[at + 2u * step] = c[2]; }
    if row + 3u < end { out[at + 3u * step] = c[3]; }
}
