// Average pooling, one invocation per window: out = Σ x / n over the window's places, in row order.
// use: shared/quotient
//
// A window covers `kernel` places from window·stride − padding on, or with ADAPTIVE those from ⌊window·size/output⌋ to
// ⌈(window+1)·size/output⌉. Places in the padding count as 0.

const WORKGROUP: u32 = 64u;
const ADAPTIVE: u32 = 0u;
// Places of a window that one dispatch does, from `params.first` on: all of them, but where a device leaves long loops early.
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

// The host puts a division here that is exact on every device.
fn divided(a: f32, b: f32) -> f32 {
    return a / b;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let o = id.y * groups.x * WORKGROUP + id.x;
    if o >= params.count { return; }
    let line = quotient(o, params.output.y);
    let image = quotient(line, params.output.x);
    let base = image * params.size.x * params.size.y;
    let at = places(vec2<u32>(line - image * params.output.x, o - line * params.output.y));
    var sum = 0.0;
    if PART == 0xffffffffu {
        for (var y = at.x; y < at.z; y++) {
            for (var x = at.y; x < at.w; x++) {
                sum += in0[base + y * params.size.y + x];
            }
        }
    } else {
        let columns = at.w - at.y;
        let count = (at.z - at.x) * columns;
        let begin = min(params.first, count);
        if params.first > 0u {
            // Nothing is left, or what the dispatch before has added up.
            if begin == count { return; }
            sum = out[o];
        }
        let end = begin + min(PART, count - begin);
        var y = at.x + begin / columns;
        var x = at.y + begin % columns;
        for (var place = begin; place < end; place++) {
            sum += in0[base + y * params.size.y + x];
            x++;
            if x == at.w {
                x = at.y;
                y++;
            }
        }
        if end < count {
            out[o] = sum;
            return;
        }
    }
    out[o] = divided(sum, divisor(at));
}
