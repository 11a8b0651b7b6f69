// Blocks of 4×4 finished elements written to the output, as far as it reaches.
// use: matmul/problem

// The sums of an invocation that has up to four blocks of 4×4: of the first and second rows of blocks, the first and second of each.
struct Blocks {
    c00: mat4x4<f32>,
    c01: mat4x4<f32>,
    c10: mat4x4<f32>,
    c11: mat4x4<f32>,
}

fn write_row(start: u32, row: u32, column: u32, v: vec4<f32>) {
    let at = start + row * params.n + column;
    if row < params.m {
        if column < params.n { out[at] = epilogue(v.x, at); }
        if column + 1u < params.n { out[at + 1u] = epilogue(v.y, at + 1u); }
        if column + 2u < params.n { out[at + 2u] = epilogue(v.z, at + 2u); }
        if column + 3u < params.n { out[at + 3u] = epilogue(v.w, at + 3u); }
    }
}

fn write_block(start: u32, row: u32, column: u32, c: mat4x4<f32>) {
    write_row(start, row, column, c[0]);
    write_row(start, row + 1u, column, c[1]);
    write_row(start, row + 2u, column, c[2]);
    write_row(start, row + 3u, column, c[3]);
}
