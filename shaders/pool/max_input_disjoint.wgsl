// The gradient of max pooling whose windows do not overlap, one invocation per window: g at the window's largest x, 0 beside it.
// use: shared/fused, shared/quotient, shared/numbers
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
