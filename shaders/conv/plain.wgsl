// Convolution and both its gradients, one invocation per output: out[row, column] = Σ_k A[row, k] · image(column + k).
// use: shared/fused, shared/quotient
//
// A column and a k are each a number (outer, y, x) of a small grid: a pixel (image, y, x) or a tap of the kernel (channel, i, j).
// Together they name an element of the image that is read, at (y, x) = the sum of both; outside the image it is 0. With DIVIDE (the
// gradient by an image that was read with strides) the place is divided by the stride, and a term for which that is no whole number does not
// exist. Columns in the same place of the stride see the same taps: such a phase is a product of its own.
// The k of a sum are split into `splits` parts of `span` rows of the grid each; every part is a result of its own.

const WORKGROUP: u32 = 64u;
const DIVIDE: u32 = 0u;
// Terms that one dispatch adds up, from `params.first` on: all of them, but where a device leaves long loops early.
const PART: u32 = 0xffffffffu;

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
    first: u32,
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
    if dilation == 1 {
        // Without a search: strides and kernels may be as wide as images.
        let i = u32((seen % divide + divide) % divide);
        if i >= min(count, step) { return vec2<u32>(0u); }
        return vec2<u32>(i, (count - i - 1u) / step + 1u);
    }
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

// The image at a place, 0 outside.
fn image(base: u32, y: i32, x: i32) -> f32 {
    // A negative number is a large u32.
    if u32(y) < params.size.x && u32(x) < params.size.y {
        return in1[base + u32(y) * params.size.y + u32(x)];
    }
    return 0.0;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let o = id.y * groups.x * WORKGROUP + id.x;
    let columns = most_columns();
    if o >= params.m * columns * params.groups * params.splits * phases().x * phases().y { return; }
    let line = quotient(o, columns);
    let column = o - line * columns;
    let part = quotient(line, params.m);
    let row = line - part * params.m;
    let split = part / params.groups % params.splits;
    let group = part % params.groups;
    let phase = phase_of(part / (params.groups * params.splits));

    let y = quotient(column, phase.pixels.y);
    let outer = quotient(y, phase.pixels.x);
    // Other phases may have fewer columns.
    if outer >= params.n / (params.column_sizes.x * params.column_sizes.y) { return; }
    let grid = vec2<u32>(y - outer * phase.pixels.x, column - y * phase.pixels.y);
    let pixel = grid * vec2<u32>(params.divide) + phase.first;
    let cell = pixel.x * params.column_sizes.y + pixel.y;
    let corner = vec2<i32>(grid) * params.column_step + phase.start;
    let a_base = group * params.a_group + row * params.a_row;
    let b_base = group * params.b_group + outer * params.column_outer;

    var sum = 0.0;
    let k_rows = select(params.k_rows, params.k_rows / params.k_sizes.x * phase.taps.x, DIVIDE == 1u);
    let at = (split * params.groups + group) * params.out_group + row * params.out_row + outer * params.out_outer + cell;
    let start = split * params.span;
    let end = max(min(start + params.span, k_rows), start);
    if PART != 0xffffffffu {
        let across = phase.taps.y;
        let count = (end - start) * across;
        let begin = min(params.first, count);
        if params.first > 0u {
            // Nothing is left, or what the dispatch before has added up.
            if begin == count { return; }
            sum = out[at];
        }
        let stop = begin + min(PART, count - begin);
        var r = start + begin / max(across, 1u);
        var j = begin % max(across, 1u);
        for (var term = begin; term < stop; term++) {
            let k_outer = quotient(r, phase.taps.x);
            let k_row = r - k_outer * phase.taps.x;
            let tap = phase.tap + vec2<u32>(k_row, j) * params.tap_step;
            let a_at = a_base + k_outer * params.a_outer + tap.x * params.k_sizes.y + tap.y;
            let place = corner + vec2<i32>(vec2<u32>(k_row, j)) * params.k_step;
            sum += in0[a_at] * image(b_base + k_outer * params.k_outer, place.x, place.y);
            j++;
            if j == across {
                j = 0u;
                r++;
            }
        }
        if stop < count {
            out[at] = sum;
        } else {
            out[at] = epilogue(sum, at);
        }
        return;
    }
    for (var r = start; r < end; r++) {
        let k_outer = r / phase.taps.x;
        let k_row = r % phase.taps.x;
        let tap = phase.tap + vec2<u32>(k_row * params.tap_step.x, 0u);
        let a_at = a_base + k_outer * params.a_outer + tap.x * params.k_sizes.y + tap.y;
        let b_at = b_base + k_outer * params.k_outer;
        let y = corner.x + i32(k_row) * params.k_step.x;
        var x = corner.y;
        for (var j = 0u; j < phase.taps.y; j++) {
            sum += in0[a_at + j * params.tap_step.y] * image(b_at, y, x);
            x += params.k_step.y;
        }
    }
    out[at] = epilogue(sum, at);
}
