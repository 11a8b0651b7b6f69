// Cells of planes that follow each other, numbered in row order.
// use: shared/quotient

// Which plane a cell is in, its row and its column, in planes of so many rows and columns.
fn cell_of(i: u32, sizes: vec2<u32>) -> vec3<u32> {
    let line = quotient(i, sizes.y);
    let plane = quotient(line, sizes.x);
    return vec3<u32>(plane, line - plane * sizes.x, i - line * sizes.y);
}
