// Operands read as vectors of four along their innermost axis, whose size is a multiple of four, and blocks of 4×4 made of them.
// use: shared/outer_product

const TRANS_A: u32 = 0u;   // 1: A is stored as [k, m]
const TRANS_B: u32 = 0u;   // 1: B is stored as [n, k]

// Four elements as they are stored; vec2<u32> of an f16 operand.
alias QuadA = vec4<f32>;
alias QuadB = vec4<f32>;

@group(0) @binding(0) var<storage, read> in0: array<QuadA>;
@group(0) @binding(1) var<storage, read> in1: array<QuadB>;

// Four elements of A and of B from element 4 i on. Of an f16 operand the body is replaced.
fn quad_a(i: u32) -> vec4<f32> { return in0[i]; }
fn quad_b(i: u32) -> vec4<f32> { return in1[i]; }

// Four consecutive rows of A at four consecutive p, from the given vectors: column q of the result belongs to p + q.
fn block_a(at: vec4<u32>) -> mat4x4<f32> {
    let block = mat4x4<f32>(quad_a(at.x), quad_a(at.y), quad_a(at.z), quad_a(at.w));
    if TRANS_A == 1u { return block; }
    return transpose(block);
}

// Four consecutive columns of B at four consecutive p.
fn block_b(at: vec4<u32>) -> mat4x4<f32> {
    let block = mat4x4<f32>(quad_b(at.x), quad_b(at.y), quad_b(at.z), quad_b(at.w));
    if TRANS_B == 1u { return transpose(block); }
    return block;
}

// The vectors of a block that starts at row or column `first` of `count`: one for each of its rows, or one for each p.
fn block_vectors(base: u32, first: u32, count: u32, k: u32, along_p: bool) -> vec4<u32> {
    let four = vec4<u32>(0u, 1u, 2u, 3u);
    if along_p { return base / 4u + min(first + four, vec4<u32>(count - 1u)) * (k / 4u); }
    return base / 4u + min(first, count - 4u) / 4u + four * (count / 4u);
}

// c + Σ_q a_q b_qᵀ, in order of q.
fn add_block(c: mat4x4<f32>, a: mat4x4<f32>, b: mat4x4<f32>) -> mat4x4<f32> {
    return outer_product(outer_product(outer_product(outer_product(c, a[0], b[0]), a[1], b[1]), a[2], b[2]), a[3], b[3]);
}
