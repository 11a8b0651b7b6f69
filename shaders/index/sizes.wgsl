// The sizes that kernels of a sorted index need: elements to write, places, entries of a line, and elements below the axis.

struct Params {
    count: u32,
    n: u32,
    m: u32,
    inner: u32,
}

@group(0) @binding(14) var<uniform> params: Params;
