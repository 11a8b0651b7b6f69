// What a driver's own functions do: out[i] = probe(a[i], b[i], c[i]), bits in, bits out.
// use: shared/each_element
// The body of `probe` is replaced by one built-in function or operator. Nothing but the table of `verify` uses this file.

struct Params {
    count: u32,
}

@group(0) @binding(0) var<storage, read> in0: array<u32>;
@group(0) @binding(1) var<storage, read> in1: array<u32>;
@group(0) @binding(2) var<storage, read> in2: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<u32>;
@group(0) @binding(14) var<uniform> params: Params;

fn probe(a: f32, b: f32, c: f32) -> f32 { return a + 0.0 * (b + c); }

fn element(i: u32) {
    out[i] = bitcast<u32>(probe(bitcast<f32>(in0[i]), bitcast<f32>(in1[i]), bitcast<f32>(in2[i])));
}
