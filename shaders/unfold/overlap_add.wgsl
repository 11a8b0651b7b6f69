// Overlap-add: every element of the output is the sum of what the windows that cover it hold for it, in the order of their taps.
// use: shared/each_element, shared/quotient
//
// Along an axis with windows, tap j of window i lies at i * step + j * dilation - start. There are at most two such axes; one that is not there
// has a single element, window and tap.

// Taps that one dispatch visits, from `params.first` on: all of them, but where a device leaves long loops early.
const PART: u32 = 0xffffffffu;

struct Params {
    count: u32,
    first: u32,
    // axes without windows
    rank: u32,
    start: vec2<i32>,
    // Of each of them: the output's stride, its size, the input's stride.
    axes: array<vec4<u32>, 8>,
    // Of each axis with windows: the output's stride, its size, windows, taps; step, dilation, the input's strides from window to window and tap to tap.
    slides: array<vec4<u32>, 4>,
}

@group(0) @binding(0) var<storage, read> in0: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(14) var<uniform> params: Params;

// The window whose tap is at a place; a number beyond all windows if there is none.
fn window_at(place: i32, tap: u32, moves: vec4<u32>) -> u32 {
    let distance = place - i32(tap * moves.y);
    if distance < 0 { return 0xffffffffu; }
    let window = quotient(u32(distance), moves.x);
    return select(0xffffffffu, window, window * moves.x == u32(distance));
}

fn element(o: u32) {
    var base = 0u;
    for (var k = 0u; k < params.rank; k++) {
        let axis = params.axes[k];
        base += o / axis.x % axis.y * axis.z;
    }
    let outer = params.slides[0];
    let inner = params.slides[2];
    let down = params.slides[1];
    let across = params.slides[3];
    let place = vec2<i32>(vec2<u32>(o / outer.x % outer.y, o / inner.x % inner.y)) + params.start;
    let taps = outer.w * inner.w;
    let begin = min(params.first, taps);
    let end = begin + min(PART, taps - begin);
    var sum = 0.0;
    if begin > 0u { sum = out[o]; }
    var i = begin / max(inner.w, 1u);
    var j = begin % max(inner.w, 1u);
    for (var tap = begin; tap < end; tap++) {
        let y = window_at(place.x, i, down);
        let x = window_at(place.y, j, across);
        if y < outer.z && x < inner.z { sum += in0[base + y * down.z + i * down.w + x * across.z + j * across.w]; }
        j++;
        if j == inner.w {
            j = 0u;
            i++;
        }
    }
    out[o] = sum;
}
