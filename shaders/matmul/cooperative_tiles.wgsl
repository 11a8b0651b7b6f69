// Tiles of f16 operands in workgroup memory, from which cooperative matrices are loaded.

// Rows of the tiles as they are stored, each eight elements longer than it need be: so that they spread over the memory's banks.
const PITCH_A: u32 = 8u + TILE * TRANS_A + DEPTH * (1u - TRANS_A);
const PITCH_B: u32 = 8u + DEPTH * TRANS_B + TILE * (1u - TRANS_B);

@group(0) @binding(0) var<storage, read> in0: array<vec4<f16>>;
@group(0) @binding(1) var<storage, read> in1: array<vec4<f16>>;

var<workgroup> tile_a: array<f16, (TILE + 8u) * (DEPTH + 8u)>;
var<workgroup> tile_b: array<f16, (TILE + 8u) * (DEPTH + 8u)>;
// Loads rows [outer, outer + ROWS) and columns [inner, inner + COLUMNS) of a matrix of `height` rows of `width` numbers, as it is stored.
fn load_tile_a(base: u32, outer: u32, inner: u32, height: u32, width: u32, me: u32) {
    let columns = (PITCH_A - 8u) / 4u;
    let rows = TILE * DEPTH / (PITCH_A - 8u);
    for (var e = me; e < rows * columns; e += WORKGROUP) {
        let row = e / columns;
        let column = 4u * (e % columns);
        var four = vec4<f16>();
        if outer + row < height && inner + column < width {
            four = in0[(base + (outer + row) * width + inner + column) / 4u];
        }
        let at = row * PITCH_A + column;
        tile_a[at] = four.x;
        tile_a[at + 1u] = four.y;
        tile_a[at + 2u] = four.z;
        tile_a[at + 3u] = four.w;
    }
}

fn load_tile_b(base: u32, outer: u32, inner: u32, height: u32, width: u32, me: u32) {
    let columns = (PITCH_B - 8u) / 4u;
    let rows = TILE * DEPTH / (PITCH_B - 8u);
    for (var e = me; e < rows * columns; e += WORKGROUP) {
        let row = e / columns;
        let column = 4u * (e % columns);
        var four = vec4<f16>();
        if outer + row < height && inner + column < width {
            four = in1[(base + (outer + row) * width + inner + column) / 4u];
        }
        let at = row * PITCH_B + column;
        tile_b[at] = four.x;
        tile_b[at + 1u] = four.y;
        tile_b[at + 2u] = four.z;
        tile_b[at + 3u] = four.w;
    }
}

// The matrices of a tile: at `i` down or across and `p` deep.
fn left(i: u32, p: u32) -> Left {
    if TRANS_A == 1u {
        let at = p * PITCH_A + i;
        return coopLoad<Left>(&tile_a[at], PITCH_A);
    }
    let at = i * PITCH_A + p;
    return coopLoadT<Left>(&tile_a[at], PITCH_A);
}

fn right(p: u32, j: u32) -> Right {
    if TRANS_B == 1u {
        let at = j * PITCH_B + p;
        return coopLoad<Right>(&tile_b[at], PITCH_B);
    }
    let at = p * PITCH_B + j;
    return coopLoadT<Right>(&tile_b[at], PITCH_B);
}
