// What an invocation makes of the product: 16 rows (8 with ROWS 8) of eight columns, in registers.
// use: shared/outer_product
//
// Neither workgroup memory nor barriers, which cost on software adapters. A is read again beyond its last row, and nothing is written there.

const WORKGROUP: u32 = 8u;
const ROWS: u32 = 16u;
const COLUMNS: u32 = 8u;
// Whether something is fused after. It is done in a loop over what was written: with a copy of it for each element, software adapters would take
// seconds to compile.
const FUSED: u32 = 0u;

// One row of eight columns.
struct Eight {
    left: vec4<f32>,
    right: vec4<f32>,
}

// All rows, four by four.
struct Block {
    first: Band,
    second: Band,
    third: Band,
    fourth: Band,
}

// c + a bᵀ.
fn add_eight(c: Band, a: vec4<f32>, b: Eight) -> Band {
    return Band(outer_product(c.left, a, b.left), outer_product(c.right, a, b.right));
}
