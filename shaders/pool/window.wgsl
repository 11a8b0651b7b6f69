// Planes and the windows over them: what the kernels of all poolings are told, and which elements a window covers.
// use: shared/grid, shared/quotient
//
// A window covers `kernel` rows and columns from window·stride − padding on, or with ADAPTIVE those from ⌊window·size/output⌋ to
// ⌈(window+1)·size/output⌉. With DILATED they are `dilation` apart. A range is its first row and column, and those one after its last.

const WORKGROUP: u32 = 64u;
const ADAPTIVE: u32 = 0u;
const DILATED: u32 = 0u;
// Cells of a range that one dispatch visits, from `params.first` on: all of them, but where a device leaves long loops early.
const PART: u32 = 0xffffffffu;
const WHOLE: u32 = 0xffffffffu;

struct Params {
    planes: u32,
    // 1: an average divides by the elements inside the image; 0: by all places of a window, the padding too
    inside: u32,
    // the first cell of a range that a dispatch visits
    first: u32,
    // elements and windows of a plane: rows, columns
    size: vec2<u32>,
    output: vec2<u32>,
    kernel: vec2<u32>,
    stride: vec2<u32>,
    padding: vec2<u32>,
    dilation: vec2<u32>,
    extra: array<vec4<u32>, 32>,
}

@group(0) @binding(14) var<uniform> params: Params;

// Elements and windows of a plane.
fn elements() -> u32 { return params.size.x * params.size.y; }
fn windows() -> u32 { return params.output.x * params.output.y; }

// Quotients, rounded up.
fn rounded_up(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> { return (a + b - 1u) / b; }

// The elements of a window that are inside the image; with DILATED their numbers within the window.
fn covered(window: vec2<u32>) -> vec4<u32> {
    if ADAPTIVE == 1u {
        return vec4<u32>(window * params.size / params.output, rounded_up((window + 1u) * params.size, params.output));
    }
    let corner = window * params.stride;
    if DILATED == 1u {
        let before = rounded_up(max(corner, params.padding) - corner, params.dilation);
        return vec4<u32>(before, min(params.kernel, rounded_up(params.size + params.padding - corner, params.dilation)));
    }
    return vec4<u32>(max(corner, params.padding) - params.padding, min(corner + params.kernel - params.padding, params.size));
}

// The element that a cell of a window's range is.
fn element_of(window: vec2<u32>, cell: vec2<u32>) -> vec2<u32> {
    if DILATED == 1u { return window * params.stride + cell * params.dilation - params.padding; }
    return cell;
}

// The windows that cover an element, or with DILATED reach over it.
fn covering(element: vec2<u32>) -> vec4<u32> {
    if ADAPTIVE == 1u {
        return vec4<u32>(element * params.output / params.size, rounded_up((element + 1u) * params.output, params.size));
    }
    let place = element + params.padding;
    let reach = select(params.kernel, (params.kernel - 1u) * params.dilation + 1u, vec2<bool>(DILATED == 1u));
    let first = max(place + 1u, reach) - reach + params.stride - 1u;
    let last = vec2<u32>(quotient(place.x, params.stride.x), quotient(place.y, params.stride.y));
    return vec4<u32>(quotient(first.x, params.stride.x), quotient(first.y, params.stride.y), min(last + 1u, params.output));
}

// Cells of a range.
fn cells_in(range: vec4<u32>) -> u32 {
    let sides = max(range.zw, range.xy) - range.xy;
    return sides.x * sides.y;
}

// Where cell `number` of a range is.
fn cell_in(range: vec4<u32>, number: u32) -> vec2<u32> {
    let columns = max(max(range.w, range.y) - range.y, 1u);
    return range.xy + vec2<u32>(number / columns, number % columns);
}

// The cell after one.
fn next_in(range: vec4<u32>, cell: vec2<u32>) -> vec2<u32> {
    if cell.y + 1u == range.w { return vec2<u32>(cell.x + 1u, range.y); }
    return cell + vec2<u32>(0u, 1u);
}

// The numbers of the cells that this dispatch visits: the first, and one after the last. None is left where both are alike.
fn visited(range: vec4<u32>) -> vec2<u32> {
    let all = cells_in(range);
    let begin = min(params.first, all);
    return vec2<u32>(begin, begin + min(PART, all - begin));
}
