// The matrix product that a convolution and both its gradients are: out[row, column] = Σ_k A[row, k] · image(column + k), in order of k.
// use: shared/grid
//
// A column and a k are each a cell (outer, y, x) of a grid: a pixel (image, y, x) or a tap of the kernel (channel, i, j). Together they name
// an element of the image that is read, at (y, x) = the sum of both; outside the image it is 0. With DIVIDE (the gradient by an image that
// was read with strides) the place is divided by the stride, and a term for which that is no whole number does not exist. Columns in the same
// place of the stride see the same taps: such a phase is a product of its own. The terms of a sum are split into `splits` parts of `span`
// rows of the grid of k each; every part is a result of its own.

const DIVIDE: u32 = 0u;

struct Params {
    // rows; columns of all phases; rows of the grid of k
    m: u32,
    n: u32,
    k_rows: u32,
    groups: u32,
    splits: u32,
    span: u32,
    // elements of A from one group, one row and one outer cell of k to the next
    a_group: u32,
    a_row: u32,
    a_outer: u32,
    // elements of the image that is read from one group to the next, and from one outer cell to the next of a column and of a k
    b_group: u32,
    column_outer: u32,
    k_outer: u32,
    // elements of the output from one group, one row and one outer cell of a column to the next
    out_group: u32,
    out_row: u32,
    out_outer: u32,
    // the term at which a dispatch begins
    first: u32,
    // height and width of the image that is read, what places in it are divided by
    size: vec2<u32>,
    divide: vec2<i32>,
    // the inner sizes of both grids, their steps in the image, and where it starts
    column_sizes: vec2<u32>,
    k_sizes: vec2<u32>,
    column_step: vec2<i32>,
    k_step: vec2<i32>,
    start: vec2<i32>,
    // with DIVIDE: how far apart the taps are that see the same pixels
    tap_step: vec2<u32>,
    extra: array<vec4<u32>, 32>,
}

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

// One of the products that are made side by side: of a group, a phase, a part of the sums.
struct Product {
    group: u32,
    phase: Phase,
    // rows of the grid of k: the first, and one after the last
    begin: u32,
    end: u32,
    // where its output starts
    out_start: u32,
}

fn phases() -> vec2<u32> {
    if DIVIDE == 0u { return vec2<u32>(1u); }
    return min(vec2<u32>(params.divide), params.column_sizes);
}

fn products() -> u32 { return params.groups * params.splits * phases().x * phases().y; }

// Outer cells of the grid of columns: images, or channels.
fn outer_columns() -> u32 { return params.n / (params.column_sizes.x * params.column_sizes.y); }

// Columns of the largest phase, the first one.
fn most_columns() -> u32 {
    if DIVIDE == 0u { return params.n; }
    let pixels = (params.column_sizes - 1u) / vec2<u32>(params.divide) + 1u;
    return outer_columns() * pixels.x * pixels.y;
}

// Columns of a phase.
fn columns_of(phase: Phase) -> u32 {
    if DIVIDE == 0u { return params.n; }
    return outer_columns() * phase.pixels.x * phase.pixels.y;
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

fn product_of(number: u32) -> Product {
    let group = number % params.groups;
    let split = number / params.groups % params.splits;
    let phase = phase_of(number / (params.groups * params.splits));
    let k_rows = select(params.k_rows, params.k_rows / params.k_sizes.x * phase.taps.x, DIVIDE == 1u);
    let begin = split * params.span;
    let end = max(min(begin + params.span, k_rows), begin);
    return Product(group, phase, begin, end, (split * params.groups + group) * params.out_group);
}

// Where tap (i, j) of a phase is among the taps of A's outer cell.
fn tap_at(phase: Phase, i: u32, j: u32) -> u32 {
    let tap = phase.tap + vec2<u32>(i, j) * params.tap_step;
    return tap.x * params.k_sizes.y + tap.y;
}
