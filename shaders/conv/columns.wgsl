// Four columns of the product at a time, gathered from the image as the kernel sees it.
// use: conv/product

@group(0) @binding(1) var<storage, read> in1: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;

// Four columns: which image they are in, their place in its plane, and where they start in the image that is read.
struct Columns {
    outer: vec4<u32>,
    cell: vec4<u32>,
    y: vec4<i32>,
    x: vec4<i32>,
}

// The cell after one.
fn next_cell(cell: vec3<u32>, sizes: vec2<u32>) -> vec3<u32> {
    var next = cell + vec3<u32>(0u, 0u, 1u);
    if next.z == sizes.y { next = vec3<u32>(next.x, next.y + 1u, 0u); }
    if next.y == sizes.x { next = vec3<u32>(next.x + 1u, 0u, next.z); }
    return next;
}

fn four_columns(first: u32, phase: Phase) -> Columns {
    let a = cell_of(first, phase.pixels);
    let b = next_cell(a, phase.pixels);
    let c = next_cell(b, phase.pixels);
    let d = next_cell(c, phase.pixels);
    let outer = vec4<u32>(a.x, b.x, c.x, d.x);
    let down = vec4<u32>(a.y, b.y, c.y, d.y);
    let across = vec4<u32>(a.z, b.z, c.z, d.z);
    let y = vec4<i32>(down) * params.column_step.x + phase.start.x;
    let x = vec4<i32>(across) * params.column_step.y + phase.start.y;
    // Columns beyond the last read the first image; they are not written.
    let exist = first + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(columns_of(phase));
    let step = vec2<u32>(params.divide);
    let cell = (down * step.x + phase.first.x) * params.column_sizes.y + across * step.y + phase.first.y;
    return Columns(select(vec4<u32>(0u), outer, exist), cell, y, x);
}

// Where four columns of a group start in the image that is read.
fn image_bases(group: u32, at: Columns) -> vec4<u32> {
    return vec4<u32>(group * params.b_group) + at.outer * params.column_outer;
}

// Whether places are inside the image. A negative number is a large u32.
fn inside_image(y: vec4<i32>, x: vec4<i32>) -> vec4<bool> {
    return (vec4<u32>(y) < vec4<u32>(params.size.x)) & (vec4<u32>(x) < vec4<u32>(params.size.y));
}

// The image at four places, 0 outside.
fn image(base: vec4<u32>, y: vec4<i32>, x: vec4<i32>) -> vec4<f32> {
    let exist = inside_image(y, x);
    return select(vec4<f32>(0.0), gather_image(select(vec4<u32>(0u), base + vec4<u32>(y) * params.size.y + vec4<u32>(x), exist)), exist);
}

// The same for software adapters: what is read for places outside, wherever that is, is thrown away.
fn image_unclamped(base: vec4<u32>, y: vec4<i32>, x: vec4<i32>) -> vec4<f32> {
    return select(vec4<f32>(0.0), gather_image(base + vec4<u32>(y) * params.size.y + vec4<u32>(x)), inside_image(y, x));
}

fn gather_image(at: vec4<u32>) -> vec4<f32> { return vec4<f32>(in1[at.x], in1[at.y], in1[at.z], in1[at.w]); }
