// Where an invocation's block of the product is, what its columns see of the image, and how it is written.
// use: conv/columns, conv/software/bands, shared/fused

const LANES: u32 = 8u;   // of the eight invocations of a workgroup, so many are side by side along the columns, the others below

// A block: its product, its first row and column, and where its columns are. It may be beyond the last product.
struct Place {
    product: Product,
    exists: bool,
    row: u32,
    column: u32,
    left: Columns,
    right: Columns,
    b_left: vec4<u32>,
    b_right: vec4<u32>,
}

fn place_of(workgroup: u32, lane: u32) -> Place {
    let tile_n = COLUMNS * LANES;
    let tile_m = ROWS * (WORKGROUP / LANES);
    let tiles_n = (most_columns() + tile_n - 1u) / tile_n;
    let tiles_m = (params.m + tile_m - 1u) / tile_m;
    let number = workgroup / (tiles_m * tiles_n);
    let tile = workgroup % (tiles_m * tiles_n);
    let product = product_of(number);
    // Downwards first: the same part of the image is gathered again while it is near.
    let row = tile % tiles_m * tile_m + lane / LANES * ROWS;
    let column = tile / tiles_m * tile_n + lane % LANES * COLUMNS;
    let left = four_columns(column, product.phase);
    let right = four_columns(column + 4u, product.phase);
    let b_left = image_bases(product.group, left);
    return Place(product, number < products(), row, column, left, right, b_left, image_bases(product.group, right));
}

// Where rows of A start, from row `first` of the block on.
fn rows_of(at: Place, first: u32) -> vec4<u32> {
    let rows = at.row + first + vec4<u32>(0u, 1u, 2u, 3u);
    return at.product.group * params.a_group + min(rows, vec4<u32>(params.m - 1u)) * params.a_row;
}

// What a tap sees of the block's columns, so far down and across from the first one, in the plane that starts `along` elements after theirs.
fn seen_by(at: Place, along: u32, down: i32, across: i32) -> Eight {
    return Eight(
        image_unclamped(at.b_left + along, at.left.y + down, at.left.x + across),
        image_unclamped(at.b_right + along, at.right.y + down, at.right.x + across),
    );
}

fn write_bands(at: Place, block: Block) {
    write_four_rows(at, at.row, block.first);
    write_four_rows(at, at.row + 4u, block.second);
    if ROWS == 16u {
        write_four_rows(at, at.row + 8u, block.third);
        write_four_rows(at, at.row + 12u, block.fourth);
    }
    if FUSED == 0u { return; }
    for (var c = at.column; c < min(at.column + COLUMNS, columns_of(at.product.phase)); c++) {
        let column = four_columns(c, at.product.phase);
        let place = at.product.out_start + column.outer.x * params.out_outer + column.cell.x;
        for (var r = at.row; r < min(at.row + ROWS, params.m); r++) {
            let i = place + r * params.out_row;
            out[i] = epilogue(out[i], i);
        }
    }
}

fn write_four_rows(at: Place, row: u32, c: Band) {
    write_eight(at, row, Eight(c.left[0], c.right[0]));
    write_eight(at, row + 1u, Eight(c.left[1], c.right[1]));
    write_eight(at, row + 2u, Eight(c.left[2], c.right[2]));
    write_eight(at, row + 3u, Eight(c.left[3], c.right[3]));
}

fn write_eight(at: Place, row: u32, v: Eight) {
    if row >= params.m { return; }
    let start = at.product.out_start + row * params.out_row;
    let end = columns_of(at.product.phase);
    write_four(start, at.column, end, at.left, v.left);
    write_four(start, at.column + 4u, end, at.right, v.right);
}

fn write_four(start: u32, column: u32, end: u32, at: Columns, v: vec4<f32>) {
    let place = vec4<u32>(start) + at.outer * params.out_outer + at.cell;
    if column < end { out[place.x] = v.x; }
    if column + 1u < end { out[place.y] = v.y; }
    if column + 2u < end { out[place.z] = v.z; }
    if column + 3u < end { out[place.w] = v.w; }
}
