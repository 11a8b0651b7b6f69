// Elementary functions: as exact as f32 allows, and the same on every device.
// use: shared/numbers, shared/quotient
//
// How good built-in functions are differs from driver to driver; none of that is relied on here. The host joins this file to a shader when a
// body it puts in calls one of these functions.

// Horner's rule: (((p x + c.x) x + c.y) x + c.z) x + c.w.
fn horner(p: f32, x: f32, c: vec4<f32>) -> f32 { return fma(fma(fma(fma(p, x, c.x), x, c.y), x, c.z), x, c.w); }

// max and min of two numbers; a NaN among them is the answer.
fn maximum(a: f32, b: f32) -> f32 { return select(select(max(a, b), b, is_nan(b)), a, is_nan(a)); }
fn minimum(a: f32, b: f32) -> f32 { return select(select(min(a, b), b, is_nan(b)), a, is_nan(a)); }

// a / b rounded to the nearest, on every device: WGSL lets a division be 2.5 units in the last place off. The driver's quotient of the digits is
// a first guess, and whole numbers say exactly what it missed.
fn div_(a: f32, b: f32) -> f32 {
    let x = bitcast<u32>(a) & 0x7fffffffu;
    let y = bitcast<u32>(b) & 0x7fffffffu;
    let sign = (bitcast<u32>(a) ^ bitcast<u32>(b)) & 0x80000000u;
    if x > INF_BITS { return a; }
    if y > INF_BITS { return b; }
    if (x == y && (x == 0u || x == INF_BITS)) { return nan(); }
    if x == 0u || y == INF_BITS { return bitcast<f32>(sign); }
    if y == 0u || x == INF_BITS { return bitcast<f32>(sign | INF_BITS); }
    let n = digits_of(x);
    let d = digits_of(y);
    // 24 binary digits of the quotient and what is left. Products wrap around, but what is left is small, so it is exact.
    let less = n.x < d.x;
    let shift = select(23u, 24u, less);
    var q = u32(f32(n.x) / f32(d.x) * select(8388608.0, 16777216.0, less));
    var left = i32((u32(n.x) << shift) - q * u32(d.x));
    let missed = i32(floor(f32(left) / f32(d.x)));
    q = u32(i32(q) + missed);
    left = left - missed * d.x;
    if left < 0 {
        q = q - 1u;
        left = left + d.x;
    } else if left >= d.x {
        q = q + 1u;
        left = left - d.x;
    }
    let e = n.y - d.y + 127 - select(0, 1, less);
    if e >= 255 { return bitcast<f32>(sign | INF_BITS); }
    // A quotient of numbers with so many digits is never in the middle between two of them.
    if e >= 1 { return bitcast<f32>(sign | ((u32(e - 1) << 23u) + q + select(0u, 1u, 2 * left > d.x))); }
    // Subnormal: fewer digits, rounded once.
    let drop = u32(min(1 - e, 26));
    let kept = q >> drop;
    let lost = q - (kept << drop);
    let half = 1u << (drop - 1u);
    let up = lost > half || (lost == half && (left > 0 || (kept & 1u) == 1u));
    return bitcast<f32>(sign | (kept + select(0u, 1u, up)));
}

// The 24 binary digits of a positive number as a whole number, and its exponent as floats store it; below 1 for subnormal numbers.
fn digits_of(x: u32) -> vec2<i32> {
    let tiny = x < 0x00800000u;
    // Whole numbers below 2^24 are floats, with the digits in their place.
    let bits = select(x, bitcast<u32>(f32(x & 0x007fffffu)), tiny);
    return vec2<i32>(i32((bits & 0x007fffffu) | 0x00800000u), i32(bits >> 23u) - select(0, 149, tiny));
}

// e^x for any x. Cody-Waite reduction x = k ln 2 + r, |r| <= ln 2 / 2, then a polynomial for e^r.
fn exp_(x: f32) -> f32 {
    if is_nan(x) { return x; }
    if x > 88.72284 { return inf(); }
    if x < -103.98 { return 0.0; }
    let k = round(x * 1.442695041);
    // The product by way of integers, exact: some drivers join k c + k d to k (c + d), and the digits that c was cut short for are lost.
    var r = x - f32(i32(k) * 355) * 0.001953125;
    r = fma(k, 2.12194440e-4, r);
    return exp_of_parts(r, k);
}

// e^r 2^k for |r| <= ln 2 / 2 and a whole k.
fn exp_of_parts(r: f32, k: f32) -> f32 {
    let p = horner(1.9875691500e-4, r, vec4<f32>(1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1));
    let e = fma(fma(p, r, 5.0000001201e-1), r * r, r) + 1.0;
    // In two factors: 2^k alone overflows or underflows at the ends of the range.
    let half_k = i32(k) / 2;
    return e * power_of_two(half_k) * power_of_two(i32(k) - half_k);
}

// e^x - 1, exact near 0 where exp(x) - 1 cancels.
fn expm1_(x: f32) -> f32 {
    if x == 0.0 { return x; }
    if abs(x) > 0.35 { return exp_(x) - 1.0; }
    let p = horner(1.98412698e-4, x, vec4<f32>(1.38888889e-3, 8.33333333e-3, 4.16666667e-2, 1.66666667e-1));
    // The second term is at most a sixth of the first: its rounding does not show.
    return fma(fma(p, x, 0.5), x * x, x);
}

// 2^k for a k with a normal result.
fn power_of_two(k: i32) -> f32 { return bitcast<f32>(u32(clamp(k, -126, 127) + 127) << 23u); }

// log x. x = m 2^k with m in [sqrt(1/2), sqrt(2)); log m from the series of atanh with s = (m - 1) / (m + 1).
fn log_(x: f32) -> f32 {
    if is_nan(x) { return x; }
    if x < 0.0 { return nan(); }
    if x == 0.0 { return -inf(); }
    if is_inf(x) { return x; }
    let tiny = bitcast<u32>(x) < 0x00800000u;
    return log_normal(select(x, x * 8388608.0, tiny), select(0.0, -23.0, tiny));
}

// log(x 2^shift) of a positive x that is normal and finite.
fn log_normal(x: f32, shift: f32) -> f32 {
    let parts = parts_of(x, shift);
    return log_of_parts(parts.x, parts.y);
}

// (f, k) of a positive x that is normal and finite: x 2^shift = (1 + f) 2^k with 1 + f in [sqrt(1/2), sqrt(2)).
fn parts_of(x: f32, shift: f32) -> vec2<f32> {
    let bits = bitcast<u32>(x);
    let k = f32(i32(bits >> 23u) - 127) + shift;
    let m = bitcast<f32>((bits & 0x007fffffu) | 0x3f800000u);
    if m > 1.41421356 { return vec2<f32>(m * 0.5 - 1.0, k + 1.0); }
    return vec2<f32>(m - 1.0, k);
}

// log((1 + f) 2^k) for 1 + f in [sqrt(1/2), sqrt(2)): f - f²/2 + s (f²/2 + R), s = f / (2 + f).
fn log_of_parts(f: f32, k: f32) -> f32 {
    let s = f / (2.0 + f);
    let z = s * s;
    var r = 0.24279078841;
    r = fma(r, z, 0.28498786688);
    r = fma(r, z, 0.40000972152);
    r = fma(r, z, 0.66666662693);
    r = r * z;
    let half_square = 0.5 * f * f;
    return fma(k, 0.693138123, f - (half_square - fma(s, half_square + r, k * 9.0580006145e-6)));
}

// log(1 + x), exact near 0 where 1 + x drops x's digits.
fn log1p_(x: f32) -> f32 {
    if abs(x) < 0.29 { return log_of_parts(x, 0.0); }
    return log_(1.0 + x);
}

// tanh x = 1 - 2 / (e^2x + 1); an odd polynomial near 0, where that cancels.
fn tanh_(x: f32) -> f32 {
    if is_nan(x) || x == 0.0 { return x; }
    let y = abs(x);
    if y < 0.625 {
        let z = x * x;
        let p = horner(-5.70498872745e-3, z, vec4<f32>(2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1));
        return fma(p * z, x, x);
    }
    let t = 1.0 - 2.0 / (exp_(2.0 * min(y, 10.0)) + 1.0);
    return select(t, -t, x < 0.0);
}

// 1 / (1 + e^-x), without overflow and exact in both tails.
fn sigmoid_(x: f32) -> f32 {
    let e = exp_(-abs(x));
    return select(1.0, e, is_negative(x)) / (1.0 + e);
}

// √x; NaN below 0.
fn sqrt_(x: f32) -> f32 {
    if is_nan(x) || x == 0.0 { return x; }
    if x < 0.0 { return nan(); }
    if is_inf(x) { return x; }
    return sqrt(x);
}

// a^b as C's pow: whole exponents for negative bases, 1 for b = 0 and a = 1 even with a NaN beside it.
fn pow_(a: f32, b: f32) -> f32 {
    if b == 0.0 || a == 1.0 { return 1.0; }
    if is_nan(a) || is_nan(b) { return a + b; }
    if b == 1.0 { return a; }
    if b == 2.0 { return a * a; }
    if b == 3.0 { return a * a * a; }
    if b == -1.0 { return div_(1.0, a); }
    if b == 0.5 && a > 0.0 { return sqrt_(a); }
    let whole = floor(b) == b;
    // Above 2^24 every float is even.
    let odd = whole && abs(b) < 16777216.0 && (i32(b) & 1) != 0;
    let flip = odd && is_negative(a);
    let base = abs(a);
    if a < 0.0 && !whole && !is_inf(a) { return nan(); }
    var r: f32;
    if base == 1.0 {
        r = 1.0;
    } else if base == 0.0 || is_inf(base) || is_inf(b) {
        let grows = (base > 1.0) == (b > 0.0);
        r = select(0.0, inf(), grows);
    } else {
        r = exp_(b * log_(base));
    }
    return select(r, -r, flip);
}

// sin and cos: x = k π/2 + r with π/2 in three parts (good to |x| of some thousands), then polynomials on |r| <= π/4.
fn sin_or_cos(x: f32, quarter: i32) -> f32 {
    if is_nan(x) || is_inf(x) { return nan(); }
    let k = round(x * 0.636619772);
    var r = fma(k, -1.5703125, x);
    // As in exp_: 201 / 128 is the first part of π/2.
    if abs(k) < 1e6 { r = x - f32(i32(k) * 201) * 0.0078125; }
    r = fma(k, -4.83751297e-4, r);
    r = fma(k, -7.54978942e-8, r);
    let z = r * r;
    let phase = (i32(k) + quarter) & 3;
    var v: f32;
    if (phase & 1) == 0 {
        var p = -1.9515295891e-4;
        p = fma(p, z, 8.3321608736e-3);
        p = fma(p, z, -1.6666654611e-1);
        v = fma(p * z, r, r);
    } else {
        var p = 2.443315711809948e-5;
        p = fma(p, z, -1.388731625493765e-3);
        p = fma(p, z, 4.166664568298827e-2);
        v = fma(p, z * z, fma(z, -0.5, 1.0));
    }
    return select(v, -v, (phase & 2) != 0);
}
fn sin_(x: f32) -> f32 {
    if x == 0.0 { return x; }
    return sin_or_cos(x, 0);
}
fn cos_(x: f32) -> f32 { return sin_or_cos(x, 1); }

// log erfc(t) for t >= 0.92: a polynomial.
fn log_erfc(t: f32) -> f32 {
    let s = t * t;
    let low = fma(-1.72853470e-5, t, 3.83197126e-4);
    let mid = fma(-3.88396438e-3, t, 2.42546219e-2);
    var r = fma(low, s, mid);
    r = fma(r, t, -1.06777877e-1);
    r = fma(r, t, -6.34846687e-1);
    r = fma(r, t, -1.28717512e-1);
    return fma(r, t, -t);
}

// erf for |x| <= 0.92: an odd polynomial.
fn erf_near_zero(x: f32) -> f32 {
    let s = x * x;
    let r = horner(-5.96761703e-4, s, vec4<f32>(4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1));
    return fma(fma(r, s, 1.28379166e-1), x, x);
}

fn erf_(x: f32) -> f32 {
    if is_nan(x) || x == 0.0 { return x; }
    let t = abs(x);
    if t <= 0.921875 { return erf_near_zero(x); }
    let e = 1.0 - exp_(log_erfc(min(t, 4.0)));
    return select(e, -e, x < 0.0);
}

// x Φ(x). The lower tail comes from erfc, not from 1 + erf, which would cancel.
fn gelu_(x: f32) -> f32 {
    if is_nan(x) { return x; }
    let t = abs(x) * 0.70710678;
    if t <= 0.921875 { return 0.5 * x * (1.0 + erf_near_zero(x * 0.70710678)); }
    if t > 10.0 { return select(x, -0.0, x < 0.0); }
    let tail = 0.5 * exp_(log_erfc(t));
    return x * select(1.0 - tail, tail, x < 0.0);
}

// Toward zero, limited to the range; 0 of NaN. The bounds are the largest floats that fit.
fn f32_to_i32(x: f32) -> i32 {
    if is_nan(x) { return 0; }
    if x >= 2147483648.0 { return 2147483647; }
    return i32(max(x, -2147483648.0));
}
fn f32_to_u32(x: f32) -> u32 {
    if is_nan(x) { return 0u; }
    if x >= 4294967296.0 { return 4294967295u; }
    return u32(max(x, 0.0));
}
