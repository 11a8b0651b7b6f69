// The gradient of average pooling, one invocation per element of x: Σ g / n over the windows that hold it, in row order.
//
// What a window covers is said in avg_pool.wgsl.

const WORKGROUP: u32 = 64u;
const ADAPTIVE: u32 = 0u;
// Windows of a place that one dispatch does, from `params.first` on: all of them, but where a device leaves long loops early.
const PART: u32 = 0xffffffffu;

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
}

@group(0) @binding(0) var<storage, read> in0: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(14) var<uniform> params: Params;

// The places of a window inside the image: the first, and one after the last.
fn places(window: vec2<u32>) -> vec4<u32> {
    if ADAPTIVE == 1u {
        return vec4<u32>(
            window * params.size / params.output,
            ((window + 1u) * params.size + params.output - 1u) / params.output,
        );
    }
    let corner = window * params.stride;
    return vec4<u32>(max(corner, params.padding) - params.padding, min(corner + params.kernel - params.padding, params.size));
}

// What the sum over a window is divided by.
fn divisor(at: vec4<u32>) -> f32 {
    if ADAPTIVE == 1u || params.inside == 1u { return f32((at.z - at.x) * (at.w - at.y)); }
    return f32(params.kernel.x * params.kernel.y);
}

// The windows along both axes that hold place p: the first, and one after the last.
fn windows(p: vec2<u32>) -> vec4<u32> {
    if ADAPTIVE == 1u {
        return vec4<u32>(p * params.output / params.size, ((p + 1u) * params.output + params.size - 1u) / params.size);
    }
    let q = p + params.padding;
    let first = (max(q + 1u, params.kernel) - params.kernel + params.stride - 1u) / params.stride;
    return vec4<u32>(first, min(q / params.stride + 1u, params.output));
}

// The host puts a division here that is exact on every device.
fn divided(a: f32, b: f32) -> f32 {
    return a / b;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let o = id.y * groups.x * WORKGROUP + id.x;
    if o >= params.count { return; }
    let plane = params.size.x * params.size.y;
    let start = o / plane * params.output.x * params.output.y;
    let range = windows(vec2<u32>(o % plane / params.size.y, o % params.size.y));
    var sum = 0.0;
    if PART == 0xffffffffu {
        for (var y = range.x; y < range.z; y++) {
            for (var x = range.y; x < range.w; x++) {
                sum += divided(in0[start + y * params.output.y + x], divisor(places(vec2<u32>(y, x))));
            }
        }
    } else {
        let columns = max(range.w, range.y) - range.y;
        let count = (max(range.z, range.x) - range.x) * columns;
        let begin = min(params.first, count);
        if params.first > 0u {
            // Nothing is left, or what the dispatch before has added up.
            if begin == count { return; }
            sum = out[o];
        }
        let end = begin + min(PART, count - begin);
        var y = range.x + begin / max(columns, 1u);
        var x = range.y + begin % max(columns, 1u);
        for (var window = begin; window < end; window++) {
            sum += divided(in0[start + y * params.output.y + x], divisor(places(vec2<u32>(y, x))));
            x++;
            if x == range.w {
                x = range.y;
                y++;
            }
        }
    }
    out[o] = sum;
}
