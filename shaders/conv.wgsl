// Convolution and both its gradients, one invocation per output: out[row, column] = Σ_k A[row, k] · image(column + k).
//
// A column and a k are each a number (outer, y, x) of a small grid: a pixel (image, y, x) or a tap of the kernel (channel, i, j).
// Together they name an element of the image that is read, at (y, x) = the sum of both; outside the image it is 0. With DIVIDE (the
// gradient by an image that was read with strides) both are divided by the stride, and what does not divide is 0 too.
// The k of a sum are split into `splits` parts of `span` rows of the grid each; every part is a result of its own.

const WORKGROUP: u32 = 64u;
const DIVIDE: u32 = 0u;

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
    // how a fused epilogue reads its inputs: (divisor, size, stride, offset) of axis d of input k at k * 8 + d
    extra: array<vec4<u32>, 32>,
}

struct Scalars {
    v: array<vec4<f32>, 8>,
}

@group(0) @binding(0) var<storage, read> in0: array<f32>;
@group(0) @binding(1) var<storage, read> in1: array<f32>;
@group(0) @binding(2) var<storage, read> extra0: array<u32>;
@group(0) @binding(3) var<storage, read> extra1: array<u32>;
@group(0) @binding(4) var<storage, read> extra2: array<u32>;
@group(0) @binding(5) var<storage, read> extra3: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(7) var<uniform> params: Params;
@group(0) @binding(8) var<uniform> scalars: Scalars;

// What may be fused behind the product: the body of `epilogue` is replaced. v is a finished element, i its row-major place in the output.
fn epilogue(v: f32, i: u32) -> f32 { return v; }

// The image at a place, 0 outside.
fn image(base: u32, y: i32, x: i32) -> f32 {
    var row = y;
    var column = x;
    if DIVIDE == 1u {
        if y % params.divide.x != 0 || x % params.divide.y != 0 { return 0.0; }
        row = y / params.divide.x;
        column = x / params.divide.y;
    }
    // A negative number is a large u32.
    if u32(row) < params.size.x && u32(column) < params.size.y {
        return in1[base + u32(row) * params.size.y + u32(column)];
    }
    return 0.0;
}

// a / b for b > 0. Software adapters divide integers one lane at a time; floats together. A first guess, what it missed, and the last one.
fn quotient(a: u32, b: u32) -> u32 {
    if b > 0x7fffffffu { return select(0u, 1u, a >= b); }
    var q = u32(f32(a) / f32(b));
    q = u32(i32(q) + i32(floor(f32(i32(a - q * b)) / f32(b))));
    let left = i32(a - q * b);
    return u32(i32(q) + select(0, 1, left >= i32(b)) - select(0, 1, left < 0));
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let o = id.y * groups.x * WORKGROUP + id.x;
    if o >= params.m * params.n * params.groups * params.splits { return; }
    let line = quotient(o, params.n);
    let column = o - line * params.n;
    let part = quotient(line, params.m);
    let row = line - part * params.m;
    let split = part / params.groups;
    let group = part % params.groups;

    let y = quotient(column, params.column_sizes.y);
    let outer = quotient(y, params.column_sizes.x);
    let grid = vec2<u32>(y - outer * params.column_sizes.x, column - y * params.column_sizes.y);
    let cell = grid.x * params.column_sizes.y + grid.y;
    let corner = vec2<i32>(grid) * params.column_step + params.start;
    let a_base = group * params.a_group + row * params.a_row;
    let b_base = group * params.b_group + outer * params.column_outer;

    var sum = 0.0;
    let end = min((split + 1u) * params.span, params.k_rows);
    for (var r = split * params.span; r < end; r++) {
        let k_outer = r / params.k_sizes.x;
        let k_row = r % params.k_sizes.x;
        let a_at = a_base + k_outer * params.a_outer + k_row * params.k_sizes.y;
        let b_at = b_base + k_outer * params.k_outer;
        let y = corner.x + i32(k_row) * params.k_step.x;
        var x = corner.y;
        for (var j = 0u; j < params.k_sizes.y; j++) {
            sum += in0[a_at + j] * image(b_at, y, x);
            x += params.k_step.y;
        }
    }
    let at = (split * params.groups + group) * params.out_group + row * params.out_row + outer * params.out_outer + cell;
    out[at] = epilogue(sum, at);
}
