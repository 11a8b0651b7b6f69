// Rows that the eight invocations of a workgroup hold for each other. It needs subgroups of just eight.
// use: conv/software/bands, shared/subgroup

// c + a bᵀ, where invocation i holds rows i and 8 + i of a.
fn add_shared(c: ptr<function, Block>, a: vec2<f32>, b: Eight) {
    (*c).first = add_eight((*c).first, lower_lanes(a.x), b);
    (*c).second = add_eight((*c).second, upper_lanes(a.x), b);
    if ROWS == 16u {
        (*c).third = add_eight((*c).third, lower_lanes(a.y), b);
        (*c).fourth = add_eight((*c).fourth, upper_lanes(a.y), b);
    }
}
