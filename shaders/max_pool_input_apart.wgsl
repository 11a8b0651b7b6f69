// The gradient of max pooling whose windows do not overlap, one invocation per window: g at the window's largest x, 0 beside it.
//
// A window owns its stride's worth of the plane, the last one also what is left; so everything is written once.

const WORKGROUP: u32 = 64u;

struct Params {
    count: u32,
    windows: u32,
    // 1: an average divides by the places inside the image; 0: by all places of a window
    inside: u32,
    // the round of a loop at which a dispatch begins
    first: u32,
    size: vec2<u32>,
    output: vec2<u32>,
    kernel: vec2<u32>,
    stride: vec2<u32>,
    padding: vec2<u32>,
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

// What may be fused behind: the body of `epilogue` is replaced. v is a finished element, i its row-major place in the output.
fn epilogue(v: f32, i: u32) -> f32 { return v; }

fn is_not_a_number(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }

// Where the largest of a window lies in its plane, which starts at `base`.
fn largest(base: u32, window: vec2<u32>) -> u32 {
    let corner = window * params.stride;
    let first = max(corner, params.padding) - params.padding;
    let end = min(corner + params.kernel - params.padding, params.size);
    var best = first.x * params.size.y + first.y;
    var value = in0[base + best];
    for (var y = first.x; y < end.x; y++) {
        for (var x = first.y; x < end.y; x++) {
            let at = y * params.size.y + x;
            let found = in0[base + at];
            // Nothing beats a NaN.
            if !is_not_a_number(value) && (found > value || is_not_a_number(found)) {
                best = at;
                value = found;
            }
        }
    }
    return best;
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
    if o >= params.windows { return; }
    let line = quotient(o, params.output.y);
    let image = quotient(line, params.output.x);
    let base = image * params.size.x * params.size.y;
    let window = vec2<u32>(line - image * params.output.x, o - line * params.output.y);
    let best = largest(base, window);
    let g = in1[o];
    let first = window * params.stride;
    let end = select(first + params.stride, params.size, window + 1u == params.output);
    for (var y = first.x; y < end.x; y++) {
        for (var x = first.y; x < end.y; x++) {
            let at = y * params.size.y + x;
            out[base + at] = epilogue(select(0.0, g, at == best), base + at);
        }
    }
}
