// Scatter-add: out[o, k, i] = Σ g[o, j, i] over the j with index[j] = k (ROWS) or index[o, j, i] = k.
// One invocation per output element, which walks the index in order: no atomics, the same bits every time.

const WORKGROUP: u32 = 256u;
const ROWS: u32 = 0u;
// Entries that one dispatch does, from `params.first` on: all of them, but where a device leaves long loops early.
const PART: u32 = 0xffffffffu;

struct Params {
    count: u32,
    n: u32,
    m: u32,
    inner: u32,
    first: u32,
}

@group(0) @binding(0) var<storage, read> in0: array<f32>;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(14) var<uniform> params: Params;

// A sum and what its rounding took from it, with x added. -a is written so that no compiler takes (a + b) - a for b.
fn turned(x: f32) -> f32 { return bitcast<f32>(bitcast<u32>(x) ^ 0x80000000u); }
fn plus(sum: vec2<f32>, x: f32) -> vec2<f32> {
    let next = sum.x + x;
    let of_x = next + turned(sum.x);
    let of_sum = next + turned(of_x);
    return vec2<f32>(next, sum.y + ((sum.x + turned(of_sum)) + (x + turned(of_x))));
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let e = id.y * groups.x * WORKGROUP + id.x;
    if e >= params.count { return; }
    let row = e / params.inner;
    let k = row % params.n;
    var at = (row / params.n * params.m + params.first) * params.inner + e % params.inner;
    var sum = vec2<f32>(0.0);
    // What the dispatch before has added up.
    if params.first > 0u { sum.x = out[e]; }
    let end = params.first + min(PART, params.m - params.first);
    for (var j = params.first; j < end; j++) {
        if index[select(at, j, ROWS == 1u)] == k {
            sum = plus(sum, in0[at]);
        }
        at += params.inner;
    }
    // What is lost of an infinite sum is no number.
    out[e] = select(sum.x, sum.x + sum.y, (bitcast<u32>(sum.x) & 0x7f800000u) != 0x7f800000u);
}
