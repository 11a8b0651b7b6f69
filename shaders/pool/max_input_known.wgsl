// The gradient of max pooling where it is known where each window's largest lies: for every x, Σ g over the windows whose largest it is.
// use: shared/quotient
//
// One invocation per element of x; windows in row order: no atomics, the same bits every time. For windows too large to be searched again.

const WORKGROUP: u32 = 64u;
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

// Not read here: the places say all. Native kernels read it.
@group(0) @binding(0) var<storage, read> in0: array<f32>;
@group(0) @binding(1) var<storage, read> in1: array<f32>;
@group(0) @binding(2) var<storage, read> places: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(14) var<uniform> params: Params;

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
    let start = image * params.output.x * params.output.y;
    let at = o - image * plane;
    let line = quotient(at, params.size.y);
    let range = windows(vec2<u32>(line, at - line * params.size.y));
    let columns = max(range.w, range.y) - range.y;
    let count = (max(range.z, range.x) - range.x) * columns;
    let begin = min(params.first, count);
    var sum = 0.0;
    if params.first > 0u {
        // Nothing is left, or what the dispatch before has added up.
        if begin == count { return; }
        sum = out[o];
    }
    let end = begin + min(PART, count - begin);
    var y = range.x + begin / max(columns, 1u);
    var x = range.y + begin % max(columns, 1u);
    for (var window = begin; window < end; window++) {
        let w = start + y * params.output.y + x;
        if places[w] == at { sum += in1[w]; }
        x++;
        if x == range.w {
            x = range.y;
            y++;
        }
    }
    out[o] = sum;
}
