// What may be fused after a kernel, one element at a time.
// use: shared/extra

// v is a finished element, i its row-major place in the output. The body is replaced.
fn epilogue(v: f32, i: u32) -> f32 { return v; }
