// Convolution that keeps the width of the image, and its gradient by the input: 16 rows × 8 pixels per invocation, in registers.
// use: shared/fused_vectors, shared/quotient, shared/outer_product
//
// What rows, columns and k are is said in conv.wgsl. Strides are 1, and the image that is read is as wide as the output, so eight pixels that
// follow each other read eight numbers that do so too: one stretch of memory holds what three taps of a row of the kernel need, and is read as
// vectors that lie at multiples of four, shifted into place. The eight invocations of a workgroup lie side by side along the pixels; each reads
// the weights of two rows, and gives them to the others. So it needs subgroups of just eight.

const WORKGROUP: u32 = 8u;
const ROWS: u32 = 16u;   // 8 or 16
const PIXELS: u32 = 8u;
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
    extra: array<vec4<u32>, 32>,
}

@group(0) @binding(0) var<storage, read> in0: array<f32>;
@group(0) @binding(1) var<storage, read> in1: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(14) var<uniform> params: Params;

// The numbers of the first and of the last four invocations.
fn lower(v: f32) -> vec4<f32> {
    return vec4<f32>(subgroupBroadcast(v, 0u), subgroupBroadcast(v, 1u), subgroupBroadcast(v, 2u), subgroupBroadcast(v, 3u));
}
fn upper(v: f32) -> vec4<f32> {
    return vec4<f32>(subgroupBroadcast(v, 4u), subgroupBroadcast(v, 5u), subgroupBroadcast(v, 6u), subgroupBroadcast(v, 7u));
}

fn store(at: u32, row: u32, count: u32, c: mat4x4<f32>) {
    let step = params.out_row / 4u;
    if row < count { out[at] = c[0]; }
    if row + 1u < count { out[at + step] = c[1]; }
    if row + 2u < count { out[at + 2u * step] = c[2]; }
    if row + 3u < count { out[at + 3u * step] = c[3]; }
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let plane = params.column_sizes.x * params.column_sizes.y;
    let in_plane = (plane + PIXELS - 1u) / PIXELS;
    let images = params.n / plane;
    let tiles_n = (images * in_plane + WORKGROUP - 1u) / WORKGROUP;
    let tiles_m = (params.m + ROWS - 1u) / ROWS;
    let id = workgroup.y * workgroups.x + workgroup.x;
    let group = id / (tiles_m * tiles_n);
    if group >= params.groups { return; }
    let tile = id % (tiles_m * tiles_n);
    // Downwards first: the same part of the image is read again while it is near.
    let row = tile % tiles_m * ROWS;
    let place = tile / tiles_m * WORKGROUP + lane;
    // Invocations beyond the last pixel read those of the last image; they store nothing.
    let nth = quotient(place, in_plane);
    let image = min(nth, images - 1u);
    let pixel = (place - nth * in_plane) * PIXELS;

    let width = i32(params.size.y);
    let y0 = quotient(pixel, params.size.y);
    let four = vec4<u32>(0u, 1u, 2u, 3u);
    let flat_left = pixel - y0 * params.size.y + four;
    let flat_right = flat_left + 4u;
    let down_left = quotients(flat_left, params.size.y);
    let down_right = quotients(flat_right, params.size.y);
    let x_left = vec4<i32>(flat_left - down_left * params.size.y) + params.start.y;
    let x_right = vec4<i32>(flat_right - down_right * params.size.y) + params.start.y;
    let y_left = vec4<i32>(y0 + down_left) + params.start.x;
    let y_right = vec4<i32>(y0 + down_right) + params.start.x;

    let height = vec4<u32>(params.size.x);
    let across = vec4<u32>(params.size.y);
    let base = i32(group * params.b_group + image * params.column_outer + pixel) + params.start.x * width + params.start.y;
    let end = i32(arrayLength(&in1)) - 1;
    let last = params.m - 1u;
    let a_upper = group * params.a_group + min(row + lane, last) * params.a_row;
    let a_lower = group * params.a_group + min(row + 8u + lane, last) * params.a_row;
    let turned = params.k_step.y < 0;

    var c00 = mat4x4<f32>();
    var c01 = mat4x4<f32>();
    var c10 = mat4x4<f32>();
    var c11 = mat4x4<f32>();
    var c20 = mat4x4<f32>();
    var c21 = mat4x4<f32>();
    var c30 = mat4x4<f32>();
    var c31 = mat4x4<f32>();
    // Three taps of a row of the kernel at a time, in the order of the numbers they read.
    for (var j = 0u; j < params.k_sizes.y; j += 3u) {
        let first = select(i32(j), -i32(j) - 2, turned);
        let taps = select(vec3<u32>(j, j + 1u, j + 2u), vec3<u32>(j + 2u, j + 1u, j), turned);
        let exist = taps < vec3<u32>(params.k_sizes.y);
        let left0 = (vec4<u32>(x_left + first) < across) & vec4<bool>(exist.x);
        let left1 = (vec4<u32>(x_left + first + 1) < across) & vec4<bool>(exist.y);
        let left2 = (vec4<u32>(x_left + first + 2) < across) & vec4<bool>(exist.z);
        let right0 = (vec4<u32>(x_right + first) < across) & vec4<bool>(exist.x);
        let right1 = (vec4<u32>(x_right + first + 1) < across) & vec4<bool>(exist.y);
        let right2 = (vec4<u32>(x_right + first + 2) < across) & vec4<bool>(exist.z);
        var k_row = 0u;
        var along_a = 0u;
        var along_b = base + first;
        for (var r = 0u; r < params.k_rows; r++) {
            let down = i32(k_row) * params.k_step.x;
            let at = along_b + down * width;
            let v = at >> 2u;
            let v0 = in1[clamp(v, 0, end)];
            let v1 = in1[clamp(v + 1, 0, end)];
            let v2 = in1[clamp(v + 2, 0, end)];
            let v3 = in1[clamp(v + 3, 0, end)];
            let by_one = vec4<bool>((at & 1) != 0);
            let s0 = select(v0, vec4<f32>(v0.yzw, v1.x), by_one);
            let s1 = select(v1, vec4<f32>(v1.yzw, v2.x), by_one);
            let s2 = select(v2, vec4<f32>(v2.yzw, v3.x), by_one);
            let by_two = vec4<bool>((at & 2) != 0);
            let t0 = select(s0, vec4<f32>(s0.zw, s1.xy), by_two);
            let t1 = select(s1, vec4<f32>(s1.zw, s2.xy), by_two);
            let t2 = select(s2.xy, s2.zw, by_two.xy);

            let inside_left = vec4<u32>(y_left + down) < height;
            let inside_right = vec4<u32>(y_right + down) < height;
            let zero = vec4<f32>();
            let bases = along_a + k_row * params.k_sizes.y + taps;

            let l0 = select(zero, t0, inside_left & left0);
            let r0 = select(zero, t1, inside_right & right0);
            let u0 = select(0.0, in0[a_upper + bases.x], exist.x);
            let p0 = lower(u0);
            c00 = outer_product(c00, p0, l0);
            c01 = outer_product(c01, p0, r0);
            let q0 = upper(u0);
            c10 = outer_product(c10, q0, l0);
            c11 = outer_product(c11, q0, r0);
            if ROWS == 16u {
                let d0 = select(0.0, in0[a_lower + bases.x], exist.x);
                let m0 = lower(d0);
                c20 = outer_product(c20, m0, l0);
                c21 = outer_product(c21, m0, r0);
                let n0 = upper(d0);
                c30 = outer_product(c30, n0, l0);
                c31 = outer_product(c31, n0, r0);
            }

            let l1 = select(zero, vec4<f32>(t0.yzw, t1.x), inside_left & left1);
            let r1 = select(zero, vec4<f32>(t1.yzw, t2.x), inside_right & right1);
            let u1 = select(0.0, in0[a_upper + bases.y], exist.y);
            let p1 = lower(u1);
            c00 = outer_product(c00, p1, l1);
            c01 = outer_product(c01, p1, r1);
            let q1 = upper(u1);
            c10 = outer_product(c10, q1, l1);
            c11 = outer_product(c11, q1, r1);
            if ROWS == 16u {
                let d1 = select(0.0, in0[a_lower + bases.y], exist.y);
                let m1 = lower(d1);
                c20 = outer_product(c20, m1, l1);
                c21 = outer_product(c21, m1, r1);
                let n1 = upper(d1);
                c30 = outer_product(c30, n1, l1);
                c31 = outer_product(c31, n1, r1);
            }

            let l2 = select(zero, vec4<f32>(t0.zw, t1.xy), inside_left & left2);
            let r2 = select(zero, vec4<f32>(t1.zw, t2), inside_right & right2);
            let u2 = select(0.0, in0[a_upper + bases.z], exist.z);
            let p2 = lower(u2);
            c00 = outer_product(c00, p2, l2);
            c01 = outer_product(c01, p2, r2);
            let q2 = upper(u2);
            c10 = outer_product(c10, q2, l2);
            c11 = outer_product(c11, q2, r2);
            if ROWS == 16u {
                let d2 = select(0.0, in0[a_lower + bases.z], exist.z);
                let m2 = lower(d2);
                c20 = outer_product(c20, m2, l2);
                c21 = outer_product(c21, m2, r2);
                let n2 = upper(d2);
                c30 = outer_product(c30, n2, l2);
                c31 = outer_product(c31, n2, r2);
            }

            k_row += 1u;
            if k_row == params.k_sizes.x {
                k_row = 0u;
                along_a += params.a_outer;
                along_b += i32(params.k_outer);
            }
        }
    }
    let start = (group * params.out_group + row * params.out_row + image * params.out_outer + pixel) / 4u;
    let step = params.out_row;
    let is_left = nth < images;
    let is_right = is_left && pixel + 4u < plane;
    let left_rows = select(0u, params.m, is_left);
    let right_rows = select(0u, params.m, is_right);
    store(start, row, left_rows, c00);
    store(start + 1u, row, right_rows, c01);
    store(start + step, row + 4u, left_rows, c10);
    store(start + step + 1u, row + 4u, right_rows, c11);
    if ROWS == 16u {
        store(start + 2u * step, row + 8u, left_rows, c20);
        store(start + 2u * step + 1u, row + 8u, right_rows, c21);
        store(start + 3u * step, row + 12u, left_rows, c30);
        store(start + 3u * step + 1u, row + 12u, right_rows, c31);
    }
    if FUSED == 1u {
        for (var r = 0u; r < select(0u, min(ROWS, params.m - row), is_left); r++) {
            for (var half = 0u; half < select(1u, 2u, is_right); half++) {
                let at = start + r * (step / 4u) + half;
                let v = out[at];
                let a = load_extra0(4u * at);
                let b = load_extra1(4u * at);
                let c = load_extra2(4u * at);
                let d = load_extra3(4u * at);
                out[at] = vec4<f32>(
                    finish(v.x, a.x, b.x, c.x, d.x),
                    finish(v.y, a.y, b.y, c.y, d.y),
                    finish(v.z, a.z, b.z, c.z, d.z),
                    finish(v.w, a.w, b.w, c.w, d.w),
                );
            }
        }
    }
}
