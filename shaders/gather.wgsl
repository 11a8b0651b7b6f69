// Gather: out[o, j, i] = x[o, k, i] with k = index[j] (ROWS) or index[o, j, i]; `outside` where k is not below n.
// One invocation per output element. Words are moved as they are; a negative i32 is a large u32, so one comparison finds both ends.

const WORKGROUP: u32 = 256u;
const ROWS: u32 = 0u;

struct Params {
    count: u32,
    n: u32,
    m: u32,
    inner: u32,
    outside: u32,
}

@group(0) @binding(0) var<storage, read> in0: array<u32>;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let at = id.y * groups.x * WORKGROUP + id.x;
    if at >= params.count { return; }
    let row = at / params.inner;
    let k = index[select(at, row % params.m, ROWS == 1u)];
    if k < params.n {
        out[at] = in0[(row / params.m * params.n + k) * params.inner + at % params.inner];
    } else {
        out[at] = params.outside;
    }
}
