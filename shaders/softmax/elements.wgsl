// The input, one element at a time.
// use: softmax/row

@group(0) @binding(0) var<storage, read> in0: array<f32>;

fn start_of_row(number: u32) -> u32 { return number / params.inner * params.n * params.inner + number % params.inner; }

// Element k of the row that begins at `first`.
fn row_element(first: u32, k: u32) -> f32 { return in0[first + k * params.inner]; }
