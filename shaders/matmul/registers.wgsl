// Matrix product, a tile of ROWS×8 elements per invocation, all in registers, read element by element. Runs everywhere.
// use: matmul/problem, matmul/elements, matmul/register_tile

const WORKGROUP: u32 = 8u;
// Terms that one dispatch adds up, from `params.first` on: all of them, but where a device leaves long loops early.
const PART: u32 = 0xffffffffu;

fn load_a(at: vec4<u32>) -> vec4<f32> { return vec4<f32>(element_a(at.x), element_a(at.y), element_a(at.z), element_a(at.w)); }
fn load_b(at: vec4<u32>) -> vec4<f32> { return vec4<f32>(element_b(at.x), element_b(at.y), element_b(at.z), element_b(at.w)); }

// What the dispatch before has added up.
fn written_row(start: u32, row: u32, column: u32) -> vec4<f32> {
    let at = start + min(row, params.m - 1u) * params.n;
    let place = min(vec4<u32>(column, column + 1u, column + 2u, column + 3u), vec4<u32>(params.n - 1u));
    return vec4<f32>(out[at + place.x], out[at + place.y], out[at + place.z], out[at + place.w]);
}

fn written_half(start: u32, row: u32, column: u32) -> mat4x4<f32> {
    return mat4x4<f32>(
        written_row(start, row, column),
        written_row(start, row + 1u, column),
        written_row(start, row + 2u, column),
        written_row(start, row + 3u, column),
    );
}

fn written_band(start: u32, row: u32, column: u32) -> Band {
    return Band(written_half(start, row, column), written_half(start, row, column + 4u));
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let corner = corner_of(group, groups, lane, WORKGROUP);
    if corner.batch >= params.batches { return; }
    let row = corner.row;
    let column = corner.column;
    let base = bases(corner.batch);
    let start = corner.batch * params.m * params.n;

    let four = vec4<u32>(0u, 1u, 2u, 3u);
    let last_row = vec4<u32>(params.m - 1u);
    let last_column = vec4<u32>(params.n - 1u);
    let from_a = base.x + params.first * params.a_col;
    let from_b = base.y + params.first * params.b_row;
    var at_a0 = from_a + min(row + four, last_row) * params.a_row;
    var at_a1 = from_a + min(row + 4u + four, last_row) * params.a_row;
    var at_a2 = from_a + min(row + 8u + four, last_row) * params.a_row;
    var at_a3 = from_a + min(row + 12u + four, last_row) * params.a_row;
    var at_b0 = from_b + min(column + four, last_column) * params.b_col;
    var at_b1 = from_b + min(column + 4u + four, last_column) * params.b_col;

    var band0: Band;
    var band1: Band;
    var band2: Band;
    var band3: Band;
    if PART != 0xffffffffu && params.first > 0u {
        band0 = written_band(start, row, column);
        if ROWS >= 8u { band1 = written_band(start, row + 4u, column); }
        if ROWS == 16u {
            band2 = written_band(start, row + 8u, column);
            band3 = written_band(start, row + 12u, column);
        }
    }
    let end = params.first + min(PART, params.k - params.first);
    for (var p = params.first; p < end; p++) {
        let b0 = load_b(at_b0);
        let b1 = load_b(at_b1);
        add_product(&band0, load_a(at_a0), b0, b1);
        if ROWS >= 8u { add_product(&band1, load_a(at_a1), b0, b1); }
        if ROWS == 16u {
            add_product(&band2, load_a(at_a2), b0, b1);
            add_product(&band3, load_a(at_a3), b0, b1);
        }
        at_a0 += params.a_col;
        at_a1 += params.a_col;
        at_a2 += params.a_col;
        at_a3 += params.a_col;
        at_b0 += params.b_row;
        at_b1 += params.b_row;
    }

    write_band(start, row, column, band0);
    if ROWS >= 8u { write_band(start, row + 4u, column, band1); }
    if ROWS == 16u {
        write_band(start, row + 8u, column, band2);
        write_band(start, row + 12u, column, band3);
    }
    if FUSED == 1u && end == params.k { finish_tile(start, row, column); }
}
