// The gradient of max pooling where it is known where each window's largest is: for every x, Σ g over the windows whose largest it is.
// use: pool/window
//
// One invocation per element of x; windows in row order: no atomics, the same bits every time. For windows too large to be searched again.

// Not read here: the places say all. Native kernels read it.
@group(0) @binding(0) var<storage, read> in0: array<f32>;
@group(0) @binding(1) var<storage, read> in1: array<f32>;
@group(0) @binding(2) var<storage, read> places: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let o = id.y * groups.x * WORKGROUP + id.x;
    if o >= params.planes * elements() { return; }
    let cell = cell_of(o, params.size);
    let range = covering(cell.yz);
    let part = visited(range);
    var sum = 0.0;
    if params.first > 0u { sum = out[o]; }
    var window = cell_in(range, part.x);
    for (var number = part.x; number < part.y; number++) {
        let w = cell.x * windows() + window.x * params.output.y + window.y;
        if places[w] == o - cell.x * elements() { sum += in1[w]; }
        window = next_in(range, window);
    }
    out[o] = sum;
}
