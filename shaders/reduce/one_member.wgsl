// The input of reductions that read one member at a time.
// use: reduce/totals

@group(0) @binding(0) var<storage, read> in0: array<f32>;

// What a member adds to a total.
fn total_of(at: u32) -> vec4<f32> {
    if STAGE == 2u { return vec4<f32>(in0[4u * at], in0[4u * at + 1u], in0[4u * at + 2u], in0[4u * at + 3u]); }
    let x = in0[at];
    return vec4<f32>(x, 0.0, x, x);
}
