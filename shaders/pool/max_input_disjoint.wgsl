// The gradient of max pooling whose windows do not overlap, one invocation per window: g at the window's largest x, 0 beside it.
// use: pool/largest, shared/fused
//
// A window owns its stride's worth of the plane, the last one also what is left; so everything is written once.

@group(0) @binding(1) var<storage, read> in1: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let o = id.y * groups.x * WORKGROUP + id.x;
    if o >= params.planes * windows() { return; }
    let window = cell_of(o, params.output);
    let base = window.x * elements();
    let best = place_of_largest(base, window.yz);
    let g = in1[o];
    let first = window.yz * params.stride;
    let end = select(first + params.stride, params.size, window.yz + 1u == params.output);
    for (var y = first.x; y < end.x; y++) {
        for (var x = first.y; x < end.y; x++) {
            let at = y * params.size.y + x;
            out[base + at] = epilogue(select(0.0, g, at == best), base + at);
        }
    }
}
