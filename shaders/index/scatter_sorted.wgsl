// Scatter-add by a sorted index: out[o, k, i] = Σ g[o, j, i] over the entries of row k, which lie together in `order` from `starts[k]` on.
// use: shared/quotient
// One invocation per output element; entries that say the same stand in order of j: no atomics, the same bits every time.

const WORKGROUP: u32 = 256u;
const ROWS: u32 = 0u;
// Entries of a row that one dispatch does, from `params.first` on: all of them, but where a device leaves long loops early.
const PART: u32 = 0xffffffffu;

struct Params {
    count: u32,
    n: u32,
    m: u32,
    inner: u32,
    first: u32,
}

@group(0) @binding(0) var<storage, read> in0: array<f32>;
// Not read here: the order says all. Native kernels read it.
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read> starts: array<u32>;
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
    let row = quotient(e, params.inner);
    let i = e - row * params.inner;
    let outer = quotient(row, params.n);
    let k = row - outer * params.n;
    let base = outer * params.m * params.inner + i;
    // With ROWS there is one line of the index for all.
    var first = k;
    var place = 0u;
    var step = 1u;
    if ROWS == 0u {
        first += (outer * params.inner + i) * (params.n + 1u);
        place = base;
        step = params.inner;
    }
    let count = starts[first + 1u] - starts[first];
    let begin = min(params.first, count);
    var sum = vec2<f32>(0.0);
    if params.first > 0u {
        // Nothing is left, or what the dispatch before has added up.
        if begin == count { return; }
        sum.x = out[e];
    }
    let start = starts[first] + begin;
    let end = start + min(PART, count - begin);
    for (var p = start; p < end; p++) {
        sum = plus(sum, in0[base + order[place + p * step] * params.inner]);
    }
    // What is lost of an infinite sum is no number.
    out[e] = select(sum.x, sum.x + sum.y, (bitcast<u32>(sum.x) & 0x7f800000u) != 0x7f800000u);
}
