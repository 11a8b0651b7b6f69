// The numbers of elementwise rules, in the order in which the rules take them.

struct Scalars {
    v: array<vec4<f32>, 8>,
}

@group(0) @binding(15) var<uniform> scalars: Scalars;
