// Convolution and both its gradients, one invocation per output: out[row, column] = Σ_k A[row, k] · image(column + k).
// use: conv/product, shared/fused, shared/quotient

const WORKGROUP: u32 = 64u;
// Terms that one dispatch adds up, from `params.first` on: all of them, but where a device leaves long loops early.
const PART: u32 = 0xffffffffu;

@group(0) @binding(0) var<storage, read> in0: array<f32>;
@group(0) @binding(1) var<storage, read> in1: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;

// The image at a place, 0 outside.
fn image_at(base: u32, y: i32, x: i32) -> f32 {
    // A negative number is a large u32.
    if u32(y) < params.size.x && u32(x) < params.size.y {
        return in1[base + u32(y) * params.size.y + u32(x)];
    }
    return 0.0;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let o = id.y * groups.x * WORKGROUP + id.x;
    let columns = most_columns();
    if o >= params.m * columns * products() { return; }
    let line = quotient(o, columns);
    let number = quotient(line, params.m);
    let row = line - number * params.m;
    let product = product_of(number);
    let phase = product.phase;
    let cell = cell_of(o - line * columns, phase.pixels);
    // Other phases may have fewer columns.
    if cell.x >= outer_columns() { return; }
    let pixel = cell.yz * vec2<u32>(params.divide) + phase.first;
    let at = product.out_start + row * params.out_row + cell.x * params.out_outer + pixel.x * params.column_sizes.y + pixel.y;
    let corner = vec2<i32>(cell.yz) * params.column_step + phase.start;
    let a_base = product.group * params.a_group + row * params.a_row;
    let b_base = product.group * params.b_group + cell.x * params.column_outer;

    var sum = 0.0;
    if PART != 0xffffffffu {
        let across = phase.taps.y;
        let count = (product.end - product.begin) * across;
        let begin = min(params.first, count);
        if params.first > 0u {
            // Nothing is left, or what the dispatch before has added up.
            if begin == count { return; }
            sum = out[at];
        }
        let end = begin + min(PART, count - begin);
        var r = product.begin + begin / max(across, 1u);
        var j = begin % max(across, 1u);
        for (var term = begin; term < end; term++) {
            let outer = quotient(r, phase.taps.x);
            let i = r - outer * phase.taps.x;
            let place = corner + vec2<i32>(vec2<u32>(i, j)) * params.k_step;
            let a = in0[a_base + outer * params.a_outer + tap_at(phase, i, j)];
            sum += a * image_at(b_base + outer * params.k_outer, place.x, place.y);
            j++;
            if j == across {
                j = 0u;
                r++;
            }
        }
        if end < count {
            out[at] = sum;
            return;
        }
    } else {
        for (var r = product.begin; r < product.end; r++) {
            let outer = r / phase.taps.x;
            let i = r % phase.taps.x;
            let a_at = a_base + outer * params.a_outer + tap_at(phase, i, 0u);
            let b_at = b_base + outer * params.k_outer;
            let y = corner.x + i32(i) * params.k_step.x;
            var x = corner.y;
            for (var j = 0u; j < phase.taps.y; j++) {
                sum += in0[a_at + j * params.tap_step.y] * image_at(b_at, y, x);
                x += params.k_step.y;
            }
        }
    }
    out[at] = epilogue(sum, at);
}
