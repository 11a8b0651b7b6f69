// A tile of ROWS×8 elements that one invocation keeps in registers, as bands of four rows.
// use: matmul/problem, shared/outer_product
//
// No workgroup memory and no barriers. Outside the matrix the last row or column is read again and nothing is written.

const ROWS: u32 = 16u;   // 4, 8 or 16
const COLUMNS: u32 = 8u;
// Whether something is fused after the product. It is done in a loop over what was written: with a copy of it for each element of the tile,
// software adapters would take seconds to compile.
const FUSED: u32 = 0u;

fn write_partial_row(start: u32, row: u32, column: u32, v: vec4<f32>) {
    let at = start + row * params.n + column;
    if row < params.m {
        if column < params.n { out[at] = v.x; }
        if column + 1u < params.n { out[at + 1u] = v.y; }
        if column + 2u < params.n { out[at + 2u] = v.z; }
        if column + 3u < params.n { out[at + 3u] = v.w; }
    }
}

fn write_half(start: u32, row: u32, column: u32, c: mat4x4<f32>) {
    write_partial_row(start, row, column, c[0]);
    write_partial_row(start, row + 1u, column, c[1]);
    write_partial_row(start, row + 2u, column, c[2]);
    write_partial_row(start, row + 3u, column, c[3]);
}

fn write_band(start: u32, row: u32, column: u32, band: Band) {
    write_half(start, row, column, band.left);
    write_half(start, row, column + 4u, band.right);
}

// What is fused after the product, on a tile that is written.
fn finish_tile(start: u32, row: u32, column: u32) {
    for (var r = row; r < min(row + ROWS, params.m); r++) {
        for (var c = column; c < min(column + COLUMNS, params.n); c++) {
            let at = start + r * params.n + c;
            out[at] = epilogue(out[at], at);
        }
    }
}

// Where the tile of an invocation starts: in which matrix, at which row and column.
struct Corner {
    batch: u32,
    row: u32,
    column: u32,
}

// Invocations of a workgroup are side by side along j as far as n reaches (`lanes_n` of them), the others below. Downwards first: the same columns
// of B are read again while they are near.
fn corner_of(group: vec3<u32>, groups: vec3<u32>, lane: u32, workgroup: u32) -> Corner {
    let lanes_n = params.lanes_n;
    let tile_n = COLUMNS * lanes_n;
    let tile_m = ROWS * (workgroup / lanes_n);
    let tile = tile_of(group, groups, tile_m, tile_n);
    let row = tile.number % tile.tiles_m * tile_m + lane / lanes_n * ROWS;
    return Corner(tile.batch, row, tile.number / tile.tiles_m * tile_n + lane % lanes_n * COLUMNS);
}
