// Recurrence: out[k] = f[k] · out[k-1] + x[k] along each line, out[0] = x[0]; REVERSE runs from the end, with k+1 in place of k-1.
// One invocation per line, in order: the products are never split, so that what a zero stops stays stopped, whatever comes after it.

const WORKGROUP: u32 = 64u;
const REVERSE: u32 = 0u;
// Steps that one dispatch does, from `params.first` on: all of them, but where a device leaves long loops early.
const PART: u32 = 0xffffffffu;

struct Params {
    lines: u32,
    n: u32,
    inner: u32,
    first: u32,
}

@group(0) @binding(0) var<storage, read> in0: array<f32>;
@group(0) @binding(1) var<storage, read> factors: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(14) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let line = id.y * groups.x * WORKGROUP + id.x;
    if line >= params.lines { return; }
    let base = line / params.inner * params.n * params.inner + line % params.inner;
    var value = 0.0;
    if params.first > 0u {
        // Where the dispatch before left off.
        value = out[base + select(params.first - 1u, params.n - params.first, REVERSE == 1u) * params.inner];
    }
    let end = params.first + min(PART, params.n - params.first);
    for (var step = params.first; step < end; step++) {
        let k = select(step, params.n - 1u - step, REVERSE == 1u);
        let at = base + k * params.inner;
        // The first factor multiplies nothing: not even an infinity by zero.
        if step == 0u {
            value = in0[at];
        } else {
            value = factors[at] * value + in0[at];
        }
        out[at] = value;
    }
}
