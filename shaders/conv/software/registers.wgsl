// Convolution and both its gradients in registers: each invocation makes a block of 16×8 or 8×8 elements by itself.
// use: conv/software/block

@group(0) @binding(0) var<storage, read> in0: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let place = place_of(workgroup.y * workgroups.x + workgroup.x, lane);
    if !place.exists { return; }
    let product = place.product;
    let phase = product.phase;
    let a0 = rows_of(place, 0u);
    let a1 = rows_of(place, 4u);
    let a2 = rows_of(place, 8u);
    let a3 = rows_of(place, 12u);
    var c: Block;
    for (var r = product.begin; r < product.end; r++) {
        let outer = r / phase.taps.x;
        let i = r % phase.taps.x;
        var along_a = outer * params.a_outer + tap_at(phase, i, 0u);
        var across = 0;
        for (var j = 0u; j < phase.taps.y; j++) {
            let b = seen_by(place, outer * params.k_outer, i32(i) * params.k_step.x, across);
            c.first = add_eight(c.first, gather_a(a0 + along_a), b);
            c.second = add_eight(c.second, gather_a(a1 + along_a), b);
            if ROWS == 16u {
                c.third = add_eight(c.third, gather_a(a2 + along_a), b);
                c.fourth = add_eight(c.fourth, gather_a(a3 + along_a), b);
            }
            along_a += params.tap_step.y;
            across += params.k_step.y;
        }
    }
    write_bands(place, c);
}

fn gather_a(at: vec4<u32>) -> vec4<f32> { return vec4<f32>(in0[at.x], in0[at.y], in0[at.z], in0[at.w]); }
