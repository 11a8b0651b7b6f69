// The second stage of argmax and argmin of long groups: of the best member of each span of a group, which an earlier kernel found, the best.
// use: reduce/members
// One invocation per output.

const WORKGROUP: u32 = 256u;

@group(0) @binding(0) var<storage, read> in0: array<f32>;
// Which member is the best of a span.
@group(0) @binding(1) var<storage, read> places: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let o = id.y * groups.x * WORKGROUP + id.x;
    if o >= params.outputs { return; }
    let base = position(0u, params.kept_rank, o);
    // Spans in order: of several that are equal the first stays.
    var best = places[o * params.chunks];
    var value = in0[base + member(best)];
    for (var c = 1u; c < params.chunks; c++) {
        let place = places[o * params.chunks + c];
        let x = in0[base + member(place)];
        if beats(x, value) {
            value = x;
            best = place;
        }
    }
    out[o] = best;
}
