// Random numbers by Philox4x32-10: four words per counter, out[i] = word i % 4 of philox((first + i / 4, stream), seed).
// use: shared/each_element, shared/math
// An element's number follows from its index alone, so every device makes the same ones in any order. One invocation for each counter.

struct Params {
    count: u32,      // counters
    numbers: u32,
}

struct Scalars {
    seed: vec2<u32>,
    stream: vec2<u32>,
    first: vec2<u32>,
    keep: f32,
    scale: f32,
    low: u32,
    span: u32,
}

@group(0) @binding(6) var<storage, read_write> out: array<u32>;
@group(0) @binding(14) var<uniform> params: Params;
@group(0) @binding(15) var<uniform> scalars: Scalars;

// (high, low) word of a 64-bit product, from halves of 16 bits: WGSL has no such multiplication.
fn wide_product(a: u32, b: u32) -> vec2<u32> {
    let a0 = a & 0xffffu;
    let a1 = a >> 16u;
    let b0 = b & 0xffffu;
    let b1 = b >> 16u;
    let middle = a1 * b0 + ((a0 * b0) >> 16u);
    let carried = a0 * b1 + (middle & 0xffffu);
    return vec2<u32>(a1 * b1 + (middle >> 16u) + (carried >> 16u), a * b);
}

fn philox(counter: vec4<u32>, seed: vec2<u32>) -> vec4<u32> {
    var c = counter;
    var key = seed;
    for (var round = 0u; round < 10u; round++) {
        let p = wide_product(0xd2511f53u, c.x);
        let q = wide_product(0xcd9e8d57u, c.z);
        c = vec4<u32>(q.x ^ c.y ^ key.x, q.y, p.x ^ c.w ^ key.y, p.y);
        key += vec2<u32>(0x9e3779b9u, 0xbb67ae85u);
    }
    return c;
}

// The inverse of the normal distribution function at (bits / 2^9 + 1/2) / 2^23: √2 erfinv(v), |v| < 1, by Giles' polynomials.
fn normal(bits: u32) -> f32 {
    let v = f32(i32((bits >> 9u) * 2u + 1u) - 8388608) * 1.1920928955078125e-7;
    var w = -log_normal((1.0 - v) * (1.0 + v), 0.0);
    var p: f32;
    if w < 5.0 {
        w = w - 2.5;
        p = horner(2.81022636e-8, w, vec4<f32>(3.43273939e-7, -3.5233877e-6, -4.39150654e-6, 2.1858087e-4));
        p = horner(p, w, vec4<f32>(-1.25372503e-3, -4.17768164e-3, 0.246640727, 1.50140941));
    } else {
        w = sqrt(w) - 3.0;
        p = horner(-2.00214257e-4, w, vec4<f32>(1.00950558e-4, 1.34934322e-3, -3.67342844e-3, 5.73950773e-3));
        p = horner(p, w, vec4<f32>(-7.6224613e-3, 9.43887047e-3, 1.00167406, 2.83297682));
    }
    return 1.41421356 * (p * v);
}

// A multiple of 2⁻²⁴ in 0..1, exactly.
fn unit(bits: u32) -> f32 { return f32(bits >> 8u) * 5.9604644775390625e-8; }

// What is made of 32 random bits. The body is replaced by that of another kind of numbers.
fn number(bits: u32) -> u32 { return bits; }

fn element(block: u32) {
    let low = scalars.first.x + block;
    let high = scalars.first.y + select(0u, 1u, low < block);
    let words = philox(vec4<u32>(low, high, scalars.stream), scalars.seed);
    let i = 4u * block;
    let left = params.numbers - i;
    out[i] = number(words.x);
    if left > 1u { out[i + 1u] = number(words.y); }
    if left > 2u { out[i + 2u] = number(words.z); }
    if left > 3u { out[i + 3u] = number(words.w); }
}
