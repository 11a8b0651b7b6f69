// What both scatter-adds share: sizes and buffers, and a sum that the next dispatch may go on with.
// use: shared/each_element, shared/compensated

const ROWS: u32 = 0u;
// Entries that one dispatch does, from `params.first` on: all of them, but where a device leaves long loops early.
const PART: u32 = 0xffffffffu;

struct Params {
    count: u32,
    n: u32,
    m: u32,
    inner: u32,
    first: u32,
    sign: u32,   // see shared/compensated
}

@group(0) @binding(0) var<storage, read> in0: array<f32>;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(14) var<uniform> params: Params;

// A sum and what rounding took from it: nothing yet, or what the dispatch before has added up.
fn sum_before(e: u32) -> vec2<f32> {
    var sum = vec2<f32>(0.0);
    if params.first > 0u { sum.x = out[e]; }
    return sum;
}
