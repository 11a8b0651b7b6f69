// Operands read element by element, whatever their strides.

@group(0) @binding(0) var<storage, read> in0: array<u32>;
@group(0) @binding(1) var<storage, read> in1: array<u32>;

// Element i of A and of B. Of an f16 operand, which has two elements to a word, the body is replaced.
fn element_a(i: u32) -> f32 { return bitcast<f32>(in0[i]); }
fn element_b(i: u32) -> f32 { return bitcast<f32>(in1[i]); }
