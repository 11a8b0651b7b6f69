// softsign: y = s x / (1 + |x|).
// use: shared/each_element

struct Params { count: u32 }
struct Scalars { scale: f32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;
@group(0) @binding(14) var<uniform> params: Params;
@group(0) @binding(15) var<uniform> scalars: Scalars;

// The part that is used starts one invocation for each i below params.count.
fn element(i: u32) {
    y[i] = scalars.scale * x[i] / (1.0 + abs(x[i]));
}
