// What kernels for software adapters do with the bands of a tile: four values of p at a time, then all of it written.
// use: matmul/blocks, matmul/register_tile

// Adds the products of four rows of A and eight columns of B at four values of p.
fn add_blocks(band: ptr<function, Band>, a: mat4x4<f32>, b0: mat4x4<f32>, b1: mat4x4<f32>) {
    (*band).left = add_block((*band).left, a, b0);
    (*band).right = add_block((*band).right, a, b1);
}

fn write_tile(start: u32, row: u32, column: u32, band0: Band, band1: Band, band2: Band, band3: Band) {
    write_band(start, row, column, band0);
    if ROWS >= 8u { write_band(start, row + 4u, column, band1); }
    if ROWS == 16u {
        write_band(start, row + 8u, column, band2);
        write_band(start, row + 12u, column, band3);
    }
    if FUSED == 1u { finish_tile(start, row, column); }
}
