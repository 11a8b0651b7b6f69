// The gradient of max pooling, one invocation per element of x: the sum of g over the windows whose largest x it is, in row order.
// use: shared/fused, shared/quotient, shared/numbers
//
// Every window that holds the element looks for its largest again, as max_pool.wgsl does: no atomics, the same bits every time.

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
    extra: array<vec4<u32>, 32>,
}

@group(0) @binding(0) var<storage, read> in0: array<f32>;
@group(0) @binding(1) var<storage, read> in1: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(14) var<uniform> params: Params;

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
            if !is_nan(value) && (found > value || is_nan(found)) {
                best = at;
                value = found;
            }
        }
    }
    return best;
}

// The first window along an axis that reaches place p, and one after the last.
fn windows(p: vec2<u32>) -> vec4<u32> {
    let q = p + params.padding;
    let first = max(q + 1u, params.kernel) - params.kernel + params.stride - 1u;
    let last = vec2<u32>(quotient(q.x, params.stride.x), quotient(q.y, params.stride.y));
    return vec4<u32>(quotient(first.x, params.stride.x), quotient(first.y, params.stride.y), min(last + 1u, params.output));
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let o = id.y * groups.x * WORKGROUP + id.x;
    if o >= params.count { return; }
    let plane = params.size.x * params.size.y;
    let image = quotient(o, plane);
    let base = image * plane;
    let start = image * params.output.x * params.output.y;
    let at = o - base;
    let line = quotient(at, params.size.y);
    let range = windows(vec2<u32>(line, at - line * params.size.y));
    var sum = 0.0;
    for (var y = range.x; y < range.z; y++) {
        for (var x = range.y; x < range.w; x++) {
            if largest(base, vec2<u32>(y, x)) == at {
                sum += in1[start + y * params.output.y + x];
            }
        }
    }
    out[o] = epilogue(sum, o);
}
