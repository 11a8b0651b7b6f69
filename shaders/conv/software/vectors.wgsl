// Convolution and its gradient by the weights as in registers.wgsl, with A read in vectors of four neighbouring k.
// use: conv/software/block
//
// Reading is what costs on software adapters. A has to be contiguous in multiples of four along k.

@group(0) @binding(0) var<storage, read> in0: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let place = place_of(workgroup.y * workgroups.x + workgroup.x, lane);
    if !place.exists { return; }
    let product = place.product;
    let a0 = rows_of(place, 0u);
    let a1 = rows_of(place, 4u);
    let a2 = rows_of(place, 8u);
    let a3 = rows_of(place, 12u);
    var c: Block;
    var k0 = vec3<u32>(product.begin / params.k_sizes.x, product.begin % params.k_sizes.x, 0u);
    for (var k = product.begin * params.k_sizes.y; k < product.end * params.k_sizes.y; k += 4u) {
        let along_a = k0.x * params.a_outer + k0.y * params.k_sizes.y + k0.z;
        let k1 = next_cell(k0, params.k_sizes);
        let k2 = next_cell(k1, params.k_sizes);
        let k3 = next_cell(k2, params.k_sizes);
        let b = FourTerms(seen_at(place, k0), seen_at(place, k1), seen_at(place, k2), seen_at(place, k3));
        c.first = add_terms(c.first, (a0 + along_a) / 4u, b);
        c.second = add_terms(c.second, (a1 + along_a) / 4u, b);
        c.third = add_terms(c.third, (a2 + along_a) / 4u, b);
        c.fourth = add_terms(c.fourth, (a3 + along_a) / 4u, b);
        k0 = next_cell(k3, params.k_sizes);
    }
    write_bands(place, c);
}

// What eight columns see of the image at four k.
struct FourTerms {
    k0: Eight,
    k1: Eight,
    k2: Eight,
    k3: Eight,
}

fn seen_at(at: Place, k: vec3<u32>) -> Eight {
    return seen_by(at, k.x * params.k_outer, i32(k.y) * params.k_step.x, i32(k.z) * params.k_step.y);
}

// c + Σ_k a_k b_kᵀ, in order of k, for four rows of A that are at these places.
fn add_terms(c: Band, at: vec4<u32>, b: FourTerms) -> Band {
    let a = transpose(mat4x4<f32>(in0[at.x], in0[at.y], in0[at.z], in0[at.w]));
    return add_eight(add_eight(add_eight(add_eight(c, a[0], b.k0), a[1], b.k1), a[2], b.k2), a[3], b.k3);
}
