// The gradient of max pooling, one invocation per element of x: the sum of g over the windows whose largest x it is, in row order.
// use: pool/window, pool/largest, shared/fused
//
// Every window that covers the element is searched for its largest again, as in max.wgsl: no atomics, the same bits every time.

@group(0) @binding(1) var<storage, read> in1: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let o = id.y * groups.x * WORKGROUP + id.x;
    if o >= params.planes * elements() { return; }
    let cell = cell_of(o, params.size);
    let base = cell.x * elements();
    let range = covering(cell.yz);
    var sum = 0.0;
    for (var y = range.x; y < range.z; y++) {
        for (var x = range.y; x < range.w; x++) {
            if place_of_largest(base, vec2<u32>(y, x)) == o - base { sum += in1[cell.x * windows() + y * params.output.y + x]; }
        }
    }
    out[o] = epilogue(sum, o);
}
