// Embed: out[start + i * step, …] = in[i, …] and `value` everywhere else. Padding, and the gradient of slicing.
// One invocation per output element: it asks along every axis whether a run takes its coordinate.

const WORKGROUP: u32 = 256u;

struct Axis {
    stride: u32,   // of the output
    size: u32,     // of the output
    start: u32,
    step: i32,
    count: u32,    // of the input
}

struct Params {
    count: u32,
    rank: u32,
    axes: array<array<vec4<u32>, 2>, 8>,   // stride, size, start, step; count
}

struct Scalars {
    value: f32,
}

@group(0) @binding(0) var<storage, read> in0: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<u32>;
@group(0) @binding(14) var<uniform> params: Params;
@group(0) @binding(15) var<uniform> scalars: Scalars;

fn axis(k: u32) -> Axis {
    let a = params.axes[k][0];
    return Axis(a.x, a.y, a.z, bitcast<i32>(a.w), params.axes[k][1].x);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * WORKGROUP + id.x;
    if i >= params.count { return; }
    var at = 0u;
    for (var k = 0u; k < params.rank; k++) {
        let a = axis(k);
        let distance = i32(i / a.stride % a.size) - i32(a.start);
        let index = distance / a.step;
        if distance % a.step != 0 || index < 0 || index >= i32(a.count) {
            out[i] = bitcast<u32>(scalars.value);
            return;
        }
        at = at * a.count + u32(index);
    }
    out[i] = in0[at];
}
