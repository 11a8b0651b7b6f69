// Elementwise chains: out[i] = element(i).
//
// The body of `element` is replaced by a chain of rules, which may call the functions of math.wgsl; as the file lies it copies.
// Words are untyped: a rule reinterprets them as it needs. A load finds element i at
//     offset + Σ_axis ((i / divisor) % size) * stride      (broadcasting, permuting, slicing, flipping)
// with the numbers in `params.dims[8 * load + axis] = (divisor, size, stride, offset)`.

const WORKGROUP: u32 = 256u;

struct Params {
    count: u32,
    dims: array<vec4<u32>, 48>,
}

struct Scalars {
    v: array<vec4<f32>, 8>,
}

@group(0) @binding(0) var<storage, read> in0: array<u32>;
@group(0) @binding(1) var<storage, read> in1: array<u32>;
@group(0) @binding(2) var<storage, read> in2: array<u32>;
@group(0) @binding(3) var<storage, read> in3: array<u32>;
@group(0) @binding(4) var<storage, read> in4: array<u32>;
@group(0) @binding(5) var<storage, read> in5: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<u32>;
@group(0) @binding(14) var<uniform> params: Params;
@group(0) @binding(15) var<uniform> scalars: Scalars;

fn element(i: u32) -> u32 {
    return in0[i];
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * WORKGROUP + id.x;
    if i < params.count {
        out[i] = element(i);
    }
}
