// Convolution and both its gradients in tiles shared by a workgroup: out[row, column] = Σ_k A[row, k] · image(column + k), in order of k.
// use: conv/product, conv/columns, shared/fused, shared/outer_product
//
// SIDE×SIDE invocations make a tile of TILE×TILE elements, each a block of 4×4 of them. For DEPTH values of k at a time they first load TILE
// rows of A and TILE columns of the image, gathered as the kernel sees it, into workgroup memory, both with k outermost, as vectors of four
// neighbours.

const SIDE: u32 = 16u;
const DEPTH: u32 = 16u;

const TILE: u32 = SIDE * 4u;
const PITCH: u32 = SIDE + 1u;   // one more, so that columns of the tile spread over the memory's banks

@group(0) @binding(0) var<storage, read> in0: array<f32>;

// Four k at a place: an index that is a constant needs no check, so what is left to check is which four k and which vector.
alias PlacesOfK = array<array<vec4<f32>, PITCH>, 4>;
var<workgroup> tile_a: array<PlacesOfK, DEPTH / 4u>;
var<workgroup> tile_b: array<PlacesOfK, DEPTH / 4u>;

@compute @workgroup_size(SIDE, SIDE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) me: u32,
) {
    let tiles_n = (most_columns() + TILE - 1u) / TILE;
    let tiles_m = (params.m + TILE - 1u) / TILE;
    let id = workgroup.y * workgroups.x + workgroup.x;
    let number = id / (tiles_m * tiles_n);
    if number >= products() { return; }
    let product = product_of(number);
    let phase = product.phase;
    let tile = id % (tiles_m * tiles_n);
    let first_row = tile / tiles_n * TILE;
    let first_column = tile % tiles_n * TILE + 4u * local.x;

    // An invocation always gathers the columns of its own block.
    let mine = four_columns(first_column, phase);
    let a_base = product.group * params.a_group;
    let b_base = image_bases(product.group, mine);

    var c = mat4x4<f32>();
    let k_plane = phase.taps.x * phase.taps.y;
    let end = product.end * phase.taps.y;
    for (var first = product.begin * phase.taps.y; first < end; first += DEPTH) {
        for (var p = local.y; p < DEPTH; p += SIDE) {
            let k = first + p;
            var found = vec4<f32>(0.0);
            if k < end {
                let cell = k % k_plane;
                let y = mine.y + i32(cell / phase.taps.y) * params.k_step.x;
                let x = mine.x + i32(cell % phase.taps.y) * params.k_step.y;
                found = image(b_base + k / k_plane * params.k_outer, y, x);
            }
            tile_b[p / 4u][p % 4u][local.x] = found;
        }
        // Neighbours read along k, which is contiguous in A.
        for (var e = me; e < DEPTH * SIDE; e += SIDE * SIDE) {
            let p = e % DEPTH;
            let row = first_row + 4u * (e / DEPTH);
            let k = first + p;
            var found = vec4<f32>(0.0);
            if k < end {
                var cell = k % k_plane;
                if DIVIDE == 1u { cell = tap_at(phase, cell / phase.taps.y, cell % phase.taps.y); }
                let at = a_base + k / k_plane * params.a_outer + cell;
                found = vec4<f32>(element_of_a(at, row), element_of_a(at, row + 1u), element_of_a(at, row + 2u), element_of_a(at, row + 3u));
            }
            tile_a[p / 4u][p % 4u][e / DEPTH] = found;
        }
        workgroupBarrier();
        for (var four = 0u; four < DEPTH / 4u; four++) {
            c = outer_product(c, tile_a[four][0][local.y], tile_b[four][0][local.x]);
            c = outer_product(c, tile_a[four][1][local.y], tile_b[four][1][local.x]);
            c = outer_product(c, tile_a[four][2][local.y], tile_b[four][2][local.x]);
            c = outer_product(c, tile_a[four][3][local.y], tile_b[four][3][local.x]);
        }
        workgroupBarrier();
    }
    let row = first_row + 4u * local.y;
    let last = columns_of(phase);
    write_four_finished(product.out_start, row, first_column, last, mine, c[0]);
    write_four_finished(product.out_start, row + 1u, first_column, last, mine, c[1]);
    write_four_finished(product.out_start, row + 2u, first_column, last, mine, c[2]);
    write_four_finished(product.out_start, row + 3u, first_column, last, mine, c[3]);
}

fn element_of_a(at: u32, row: u32) -> f32 {
    if row < params.m { return in0[at + row * params.a_row]; }
    return 0.0;
}

fn write_four_finished(start: u32, row: u32, column: u32, end: u32, at: Columns, v: vec4<f32>) {
    if row >= params.m { return; }
    let place = vec4<u32>(start + row * params.out_row) + at.outer * params.out_outer + at.cell;
    if column < end { out[place.x] = epilogue(v.x, place.x); }
    if column + 1u < end { out[place.y] = epilogue(v.y, place.y); }
    if column + 2u < end { out[place.z] = epilogue(v.z, place.z); }
    if column + 3u < end { out[place.w] = epilogue(v.w, place.w); }
}
