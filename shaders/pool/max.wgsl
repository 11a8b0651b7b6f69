// Max pooling, one invocation per window: out = v at the first place of the window's largest x, in row order; a NaN is the largest.
// use: pool/largest
//
// With v = x that is the maximum. Padding is never the largest. With PLACE, the place of the largest in its plane.

const PLACE: u32 = 0u;

@group(0) @binding(1) var<storage, read> in1: array<u32>;
// v as it is, or a place.
@group(0) @binding(6) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let o = id.y * groups.x * WORKGROUP + id.x;
    if o >= params.planes * windows() { return; }
    let window = cell_of(o, params.output);
    let base = window.x * elements();
    var best = 0u;
    if PART == WHOLE {
        best = place_of_largest(base, window.yz);
    } else {
        let range = covered(window.yz);
        let part = visited(range);
        best = place_of_cell(window.yz, range.xy);
        if params.first > 0u {
            // Nothing is left, or the largest that the dispatch before has found.
            if part.x == part.y { return; }
            best = out[o];
        }
        var candidate = Candidate(best, in0[base + best]);
        var at = cell_in(range, part.x);
        for (var number = part.x; number < part.y; number++) {
            candidate = larger(candidate, base, place_of_cell(window.yz, at));
            at = next_in(range, at);
        }
        best = candidate.place;
        if part.y < cells_in(range) {
            out[o] = best;
            return;
        }
    }
    if PLACE == 0u { best = in1[base + best]; }
    out[o] = best;
}
