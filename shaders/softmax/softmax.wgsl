// Softmax along an axis: y_i = e^(x_i - max) / Σ_j e^(x_j - max), or its logarithm (x_i - max) - log Σ.
// use: shared/compensated, shared/numbers
// One invocation per line; element k of line l lies at (l / inner) n inner + k inner + l % inner.

const WORKGROUP: u32 = 64u;
const LOG: u32 = 0u;

struct Params {
    lines: u32,
    n: u32,
    inner: u32,
    // the bit of the sign, see shared/compensated
    sign: u32,
}

@group(0) @binding(0) var<storage, read> in0: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(14) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let line = id.y * groups.x * WORKGROUP + id.x;
    if line >= params.lines { return; }
    let first = line / params.inner * params.n * params.inner + line % params.inner;

    // The shift by the largest keeps e^x from overflowing.
    var largest = in0[first];
    var any_nan = is_nan(largest);
    for (var k = 1u; k < params.n; k++) {
        let x = in0[first + k * params.inner];
        any_nan = any_nan || is_nan(x);
        largest = max(largest, x);
    }
    if any_nan || !is_finite(largest) {
        for (var k = 0u; k < params.n; k++) {
            out[first + k * params.inner] = bitcast<f32>(0x7fc00000u + params.n * 0u);
        }
        return;
    }
    var terms = vec2<f32>(0.0);
    for (var k = 0u; k < params.n; k++) {
        terms = add_compensated(terms, exp(max(in0[first + k * params.inner] - largest, -200.0)));
    }
    let sum = terms.x + terms.y;
    for (var k = 0u; k < params.n; k++) {
        let shifted = in0[first + k * params.inner] - largest;
        if LOG == 1u {
            out[first + k * params.inner] = shifted - log(sum);
        } else {
            out[first + k * params.inner] = exp(max(shifted, -200.0)) / sum;
        }
    }
}
