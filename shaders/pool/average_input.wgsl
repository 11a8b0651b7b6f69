// The gradient of average pooling, one invocation per element of x: Σ g / n over the windows that cover it, in row order.
// use: pool/mean

@group(0) @binding(0) var<storage, read> in0: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;

// What the element gets of a window, in a plane whose first window is `first`.
fn share(first: u32, window: vec2<u32>) -> f32 {
    return divided(in0[first + window.x * params.output.y + window.y], divisor(window, covered(window)));
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let o = id.y * groups.x * WORKGROUP + id.x;
    if o >= params.planes * elements() { return; }
    let cell = cell_of(o, params.size);
    let first = cell.x * windows();
    let range = covering(cell.yz);
    var sum = 0.0;
    if PART == WHOLE {
        for (var y = range.x; y < range.z; y++) {
            for (var x = range.y; x < range.w; x++) { sum += share(first, vec2<u32>(y, x)); }
        }
    } else {
        if params.first > 0u { sum = out[o]; }
        let part = visited(range);
        var window = cell_in(range, part.x);
        for (var number = part.x; number < part.y; number++) {
            sum += share(first, window);
            window = next_in(range, window);
        }
    }
    out[o] = sum;
}
