// Reductions of integers and truth values, word by word: sums and products wrap around, so any order gives the same. One invocation per output.
// use: reduce/members

const WORKGROUP: u32 = 256u;
const SIGNED: u32 = 0u;   // 1: words are i32

@group(0) @binding(0) var<storage, read> in0: array<u32>;

// Two members, or what several were combined into, as one.
fn one_of(a: u32, b: u32) -> u32 {
    if KIND == SUM { return a + b; }
    if KIND == PROD { return a * b; }
    // Signed numbers are in the order of unsigned ones with the sign turned.
    let turn = select(0u, 0x80000000u, SIGNED == 1u);
    let less = (a ^ turn) < (b ^ turn);
    return select(b, a, less == (KIND == MIN));
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let o = id.y * groups.x * WORKGROUP + id.x;
    if o >= params.outputs { return; }
    let span = span_of(o / params.chunks, o % params.chunks);
    // What changes nothing; of extremes the first member, which is there.
    var total = select(0u, 1u, KIND == PROD);
    if !ADDS && KIND != PROD { total = in0[span.base + member(span.start)]; }
    for (var r = span.start; r < span.end; r++) {
        total = one_of(total, in0[span.base + member(r)]);
    }
    out[o] = total;
}
