// Quotients of whole numbers, fast where a device has no division of its own for them.

// a / b for b > 0. Software adapters divide integers one lane at a time; floats together. A first guess, what it missed, and the last one.
fn quotient(a: u32, b: u32) -> u32 {
    if b > 0x7fffffffu { return select(0u, 1u, a >= b); }
    var q = u32(f32(a) / f32(b));
    q = u32(i32(q) + i32(floor(f32(i32(a - q * b)) / f32(b))));
    let left = i32(a - q * b);
    return u32(i32(q) + select(0, 1, left >= i32(b)) - select(0, 1, left < 0));
}

// The same for four numbers.
fn quotients(a: vec4<u32>, b: u32) -> vec4<u32> {
    return vec4<u32>(quotient(a.x, b), quotient(a.y, b), quotient(a.z, b), quotient(a.w, b));
}

fn remainder(a: u32, b: u32) -> u32 { return a - quotient(a, b) * b; }
