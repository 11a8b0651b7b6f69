// Average pooling, one invocation per window: out = Σ x / n over the window's elements, in row order. Padding counts as 0.
// use: pool/mean

@group(0) @binding(0) var<storage, read> in0: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let o = id.y * groups.x * WORKGROUP + id.x;
    if o >= params.planes * windows() { return; }
    let window = cell_of(o, params.output);
    let base = window.x * elements();
    let range = covered(window.yz);
    var sum = 0.0;
    if PART == WHOLE {
        for (var y = range.x; y < range.z; y++) {
            for (var x = range.y; x < range.w; x++) {
                sum += in0[base + y * params.size.y + x];
            }
        }
    } else {
        let part = visited(range);
        if params.first > 0u {
            // Nothing is left, or what the dispatch before has added up.
            if part.x == part.y { return; }
            sum = out[o];
        }
        var at = cell_in(range, part.x);
        for (var number = part.x; number < part.y; number++) {
            sum += in0[base + at.x * params.size.y + at.y];
            at = next_in(range, at);
        }
        if part.y < cells_in(range) {
            out[o] = sum;
            return;
        }
    }
    out[o] = divided(sum, divisor(window.yz, range));
}
