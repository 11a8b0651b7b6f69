// What a driver's own functions do: out[i] = probe(a[i], b[i], c[i]), bits in, bits out.
//
// The body of `probe` is replaced by one built-in function or operator. Nothing but the table of `verify` uses this file.

const WORKGROUP: u32 = 64u;

struct Params {
    count: u32,
}

@group(0) @binding(0) var<storage, read> in0: array<u32>;
@group(0) @binding(1) var<storage, read> in1: array<u32>;
@group(0) @binding(2) var<storage, read> in2: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<u32>;
@group(0) @binding(14) var<uniform> params: Params;

fn probe(a: f32, b: f32, c: f32) -> f32 { return a + 0.0 * (b + c); }

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * WORKGROUP + id.x;
    if i < params.count {
        out[i] = bitcast<u32>(probe(bitcast<f32>(in0[i]), bitcast<f32>(in1[i]), bitcast<f32>(in2[i])));
    }
}
