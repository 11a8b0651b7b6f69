// What a device can do at most: without rounds a copy, out[i] = in0[i]; else each invocation does rounds × 24 multiply-adds of four floats.

struct Params {
    // Vectors of four floats to write.
    count: u32,
    rounds: u32,
}

@group(0) @binding(0) var<storage, read> in0: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(14) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 64u + id.x;
    if i >= params.count {
        return;
    }
    let start = in0[i];
    if params.rounds == 0u {
        out[i] = start;
        return;
    }
    // Three chains that do not wait for each other: more would not stay in a processor's registers. x ← x/2 + 1 stays near 2 whatever the
    // start, so nothing overflows or turns denormal.
    let half = vec4<f32>(0.5);
    let one = vec4<f32>(1.0);
    var a = start;
    var b = start + one;
    var c = one - start;
    for (var round = 0u; round < params.rounds; round++) {
        for (var k = 0u; k < 8u; k++) {
            a = fma(a, half, one);
            b = fma(b, half, one);
            c = fma(c, half, one);
        }
    }
    out[i] = a + b + c;
}
