// Gradient of softmax cross-entropy by the logits, four elements at a time: for software adapters.
// use: shared/fused, softmax/row, softmax/software/row_by_fours, softmax/targets

@group(0) @binding(6) var<storage, read_write> out: array<vec4<f32>>;

fn targets_of(row: Row, c: u32) -> vec4<f32> {
    return vec4<f32>(target_of(row, c), target_of(row, c + 1u), target_of(row, c + 2u), target_of(row, c + 3u));
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let number = id.y * groups.x * WORKGROUP + id.x;
    if number >= params.rows { return; }
    let row = row_by_fours(number);
    let is_spoilt = is_nan(row.sum) || has_no_class(row);
    var weight = 1.0;
    if SOFT == 1u {
        var sum = vec4<f32>(0.0);
        for (var c = 0u; c < params.n; c += 4u) { sum += targets_of(row, c); }
        weight = sum_of_four(sum);
    }
    let scale = weight / row.sum;
    for (var c = 0u; c < params.n; c += 4u) {
        let i = row.first + c;
        var v = vec4<f32>(nan());
        if !is_spoilt { v = powers(in0[i / 4u] - row.largest) * scale - targets_of(row, c); }
        out[i / 4u] = vec4<f32>(epilogue(v.x, i), epilogue(v.y, i + 1u), epilogue(v.z, i + 2u), epilogue(v.w, i + 3u));
    }
}
