// Reductions, one invocation per output. For short groups, many outputs, and adapters without real workgroup memory.
// use: reduce/members, reduce/one_member, reduce/totals

const WORKGROUP: u32 = 256u;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let o = id.y * groups.x * WORKGROUP + id.x;
    if o >= params.outputs { return; }
    let span = span_of(o / params.chunks, o % params.chunks);
    if ADDS {
        var total = vec4<f32>(0.0, 0.0, FARTHEST, -FARTHEST);
        for (var r = span.start; r < span.end; r++) {
            total = combined(total, total_of(span.base + member(r)));
        }
        store_total(o, total);
        return;
    }
    var value = select(0.0, 1.0, KIND == PROD);
    var best = 0u;
    for (var r = span.start; r < span.end; r++) {
        let x = in0[span.base + member(r)];
        if KIND == PROD {
            value *= x;
        } else if r == span.start || beats(x, value) {
            value = x;
            best = r;
        }
    }
    if FINDS_PLACE {
        out[o] = best;
    } else {
        store_total(o, vec4<f32>(value));
    }
}
