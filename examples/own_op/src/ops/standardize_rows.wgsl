// The first kernel of standardize: the mean of each row, and 1 / √(variance + ε).
// use: shared/each_element

struct Params { count: u32, columns: u32, epsilon: f32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(6) var<storage, read_write> found: array<vec2<f32>>;
@group(0) @binding(14) var<uniform> params: Params;

// An element is a row.
fn element(row: u32) {
    let first = row * params.columns;
    var sum = 0.0;
    for (var c = 0u; c < params.columns; c++) { sum += x[first + c]; }
    let mean = sum / f32(params.columns);
    var squares = 0.0;
    for (var c = 0u; c < params.columns; c++) {
        let off = x[first + c] - mean;
        squares += off * off;
    }
    found[row] = vec2<f32>(mean, 1.0 / sqrt(squares / f32(params.columns) + params.epsilon));
}
