// The outer product that tiles of a matrix product are made of.

// c + a bᵀ; column r of the WGSL matrix is row r of the block.
fn outer_product(c: mat4x4<f32>, a: vec4<f32>, b: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(fma(a.xxxx, b, c[0]), fma(a.yyyy, b, c[1]), fma(a.zzzz, b, c[2]), fma(a.wwww, b, c[3]));
}

// Four rows of eight columns: blocks of four columns each.
struct Band {
    left: mat4x4<f32>,
    right: mat4x4<f32>,
}

// Adds a bᵀ for four rows of A and eight columns of B at one p.
fn add_product(band: ptr<function, Band>, a: vec4<f32>, b0: vec4<f32>, b1: vec4<f32>) {
    (*band).left = outer_product((*band).left, a, b0);
    (*band).right = outer_product((*band).right, a, b1);
}
