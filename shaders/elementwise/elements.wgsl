// Elementwise chains: out[i] = chain(i).
// use: elementwise/program, shared/each_element
// The body of `chain` is replaced by a chain of rules, which may call the functions of shared/math; unchanged it copies.

@group(0) @binding(0) var<storage, read> in0: array<u32>;
@group(0) @binding(1) var<storage, read> in1: array<u32>;
@group(0) @binding(2) var<storage, read> in2: array<u32>;
@group(0) @binding(3) var<storage, read> in3: array<u32>;
@group(0) @binding(4) var<storage, read> in4: array<u32>;
@group(0) @binding(5) var<storage, read> in5: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<u32>;

fn chain(i: u32) -> u32 { return in0[i]; }

fn element(i: u32) { out[i] = chain(i); }
