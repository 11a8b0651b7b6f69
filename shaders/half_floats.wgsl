// From half precision: out[i] = half i of x, which has two to a word.
// One invocation per word of x.

const WORKGROUP: u32 = 256u;

struct Params {
    count: u32,
    unused: vec3<u32>,
    // how a fused epilogue reads its inputs: (divisor, size, stride, offset) of axis d of input k at k * 8 + d
    extra: array<vec4<u32>, 32>,
}

struct Scalars {
    v: array<vec4<f32>, 8>,
}

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read> extra0: array<u32>;
@group(0) @binding(2) var<storage, read> extra1: array<u32>;
@group(0) @binding(3) var<storage, read> extra2: array<u32>;
@group(0) @binding(4) var<storage, read> extra3: array<u32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;
@group(0) @binding(7) var<uniform> scalars: Scalars;

// What may be fused behind: the body of `epilogue` is replaced. v is a finished element, i its row-major place in the output.
fn epilogue(v: f32, i: u32) -> f32 { return v; }

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let at = id.y * groups.x * WORKGROUP + id.x;
    if 2u * at >= params.count { return; }
    let two = unpack2x16float(x[at]);
    out[2u * at] = epilogue(two.x, 2u * at);
    if 2u * at + 1u < params.count { out[2u * at + 1u] = epilogue(two.y, 2u * at + 1u); }
}
