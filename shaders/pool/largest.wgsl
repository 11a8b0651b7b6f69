// The largest element of a window: the first of equals in row order; a NaN is larger than all numbers.
// use: pool/window, shared/numbers

@group(0) @binding(0) var<storage, read> in0: array<f32>;

// An element and its place in its plane.
struct Candidate {
    place: u32,
    value: f32,
}

// The place in its plane of a cell of a window's range.
fn place_of_cell(window: vec2<u32>, cell: vec2<u32>) -> u32 {
    let element = element_of(window, cell);
    return element.x * params.size.y + element.y;
}

// The larger of the largest so far and the element at a place of the plane that starts at `base`.
fn larger(best: Candidate, base: u32, place: u32) -> Candidate {
    let found = in0[base + place];
    // Nothing is larger than a NaN.
    if !is_nan(best.value) && (found > best.value || is_nan(found)) { return Candidate(place, found); }
    return best;
}

// The place in its plane of the largest of a window.
fn place_of_largest(base: u32, window: vec2<u32>) -> u32 {
    let range = covered(window);
    let first = place_of_cell(window, range.xy);
    var best = Candidate(first, in0[base + first]);
    for (var y = range.x; y < range.z; y++) {
        for (var x = range.y; x < range.w; x++) {
            best = larger(best, base, place_of_cell(window, vec2<u32>(y, x)));
        }
    }
    return best.place;
}
