// Max pooling, one invocation per window: out = v at the first place of the window's largest x, in row order; a NaN is the largest.
// use: shared/quotient, shared/numbers
//
// With v = x that is the maximum. Places in the padding are no candidates. With PLACE, where that place lies in its plane.

const WORKGROUP: u32 = 64u;
const PLACE: u32 = 0u;
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
@group(0) @binding(1) var<storage, read> in1: array<u32>;
// v as it lies, or a place.
@group(0) @binding(6) var<storage, read_write> out: array<u32>;
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
    if o >= params.count { return; }
    let line = quotient(o, params.output.y);
    let image = quotient(line, params.output.x);
    let base = image * params.size.x * params.size.y;
    let window = vec2<u32>(line - image * params.output.x, o - line * params.output.y);
    var best = 0u;
    if PART == 0xffffffffu {
        best = largest(base, window);
    } else {
        let corner = window * params.stride;
        let first = max(corner, params.padding) - params.padding;
        let last = min(corner + params.kernel - params.padding, params.size);
        let columns = last.y - first.y;
        let count = (last.x - first.x) * columns;
        let begin = min(params.first, count);
        best = first.x * params.size.y + first.y;
        if params.first > 0u {
            // Nothing is left, or the best that the dispatch before has found.
            if begin == count { return; }
            best = out[o];
        }
        var value = in0[base + best];
        let end = begin + min(PART, count - begin);
        var y = first.x + begin / columns;
        var x = first.y + begin % columns;
        for (var place = begin; place < end; place++) {
            let at = y * params.size.y + x;
            let found = in0[base + at];
            if !is_nan(value) && (found > value || is_nan(found)) {
                best = at;
                value = found;
            }
            x++;
            if x == last.y {
                x = first.y;
                y++;
            }
        }
        if end < count {
            out[o] = best;
            return;
        }
    }
    if PLACE == 0u { best = in1[base + best]; }
    out[o] = best;
}
