// Embed: out[start + i * step, …] = in[i, …] and `value` everywhere else. Padding, and the gradient of slicing.
// use: shared/each_element
// An output element asks along every axis whether a run takes its coordinate.

struct Params {
    count: u32,
    rank: u32,
    // Of each axis: the output's stride, then start, step (signed) and count of the run.
    axes: array<vec4<u32>, 8>,
}

struct Scalars {
    value: f32,
}

@group(0) @binding(0) var<storage, read> in0: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<u32>;
@group(0) @binding(14) var<uniform> params: Params;
@group(0) @binding(15) var<uniform> scalars: Scalars;

fn element(i: u32) {
    var rest = i;
    var at = 0u;
    for (var k = 0u; k < params.rank; k++) {
        let axis = params.axes[k];
        let step = bitcast<i32>(axis.z);
        let distance = i32(rest / axis.x) - i32(axis.y);
        let index = distance / step;
        if distance % step != 0 || index < 0 || index >= i32(axis.w) {
            out[i] = bitcast<u32>(scalars.value);
            return;
        }
        rest %= axis.x;
        at = at * axis.w + u32(index);
    }
    out[i] = in0[at];
}
