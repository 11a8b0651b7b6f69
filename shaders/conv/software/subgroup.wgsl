// Convolution and both its gradients as in registers.wgsl, with rows of A shared by a workgroup.
// use: conv/software/block, conv/software/shared_rows
//
// The eight invocations of a workgroup are side by side along the columns, so all need the same rows of A: each reads one or two of these, and gives
// them to the others.

@group(0) @binding(0) var<storage, read> in0: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let place = place_of(workgroup.y * workgroups.x + workgroup.x, lane);
    if !place.exists { return; }
    let product = place.product;
    let phase = product.phase;
    let upper = rows_of(place, lane).x;
    let lower = rows_of(place, 8u + lane).x;
    var c: Block;
    for (var r = product.begin; r < product.end; r++) {
        let outer = r / phase.taps.x;
        let i = r % phase.taps.x;
        var along_a = outer * params.a_outer + tap_at(phase, i, 0u);
        var across = 0;
        for (var j = 0u; j < phase.taps.y; j++) {
            let b = seen_by(place, outer * params.k_outer, i32(i) * params.k_step.x, across);
            var a = vec2<f32>(in0[upper + along_a], 0.0);
            if ROWS == 16u { a.y = in0[lower + along_a]; }
            add_shared(&c, a, b);
            along_a += params.tap_step.y;
            across += params.k_step.y;
        }
    }
    write_bands(place, c);
}
