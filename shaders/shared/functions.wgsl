// Inverse and hyperbolic functions, powers and logarithms of other bases: as exact as f32 allows over its whole range, on every device. And
// quotients of integers, which every device defines alike.
// use: shared/math

// 1 - erf x, with the digits of the upper tail: e^(-z²) times a fit of the rest for z = |x|.
fn erfc_(x: f32) -> f32 {
    if is_nan(x) { return x; }
    let z = min(abs(x), 10.1);
    let t = 3.0 / (3.0 + z);
    let u = t - 0.6;
    let p = horner(horner(0.057007753, u, vec4<f32>(0.008667964, -0.14489804, -0.12502792, 0.24143433)), u,
        vec4<f32>(0.7718899, 1.1105302, 1.0763883, 0.77385175));
    let upper = exp_(-z * z) * t * fma(p, u, 0.42565946);
    return select(upper, 2.0 - upper, x < 0.0);
}

// 2^x.
fn exp2_(x: f32) -> f32 {
    if is_nan(x) { return x; }
    if x >= 128.0 { return inf(); }
    if x < -151.0 { return 0.0; }
    let k = round(x);
    return exp_of_parts((x - k) * 0.69314718, k);
}

// log x to a base: scale is log e, and log 2 is n / 4096 + low. Products with n are those of integers, exact, as in exp_.
fn log_to_base(x: f32, scale: f32, n: i32, low: f32) -> f32 {
    if is_nan(x) || x <= 0.0 || is_inf(x) { return log_(x); }
    let tiny = bitcast<u32>(x) < 0x00800000u;
    let parts = parts_of(select(x, x * 8388608.0, tiny), select(0.0, -23.0, tiny));
    return f32(i32(parts.y) * n) * 0.000244140625 + fma(parts.y, low, log_of_parts(parts.x, 0.0) * scale);
}
fn log2_(x: f32) -> f32 { return log_to_base(x, 1.44269504, 4096, 0.0); }
fn log10_(x: f32) -> f32 { return log_to_base(x, 0.434294482, 1233, 4.60503898e-6); }

// The angle of the point (x, y): the arc tangent of the smaller of |x| and |y| divided by the larger, moved to where the point is.
// Above tan(π/8) it is π/4 and the arc tangent of (r - 1) / (r + 1); then an odd polynomial.
fn atan2_(y: f32, x: f32) -> f32 {
    if is_nan(x) || is_nan(y) { return x + y; }
    let size = vec2<f32>(abs(x), abs(y));
    let large = max(size.x, size.y);
    var r = min(size.x, size.y) / large;
    if large == 0.0 { r = 0.0; }
    if is_inf(large) { r = select(0.0, 1.0, is_inf(size.x) && is_inf(size.y)); }
    let far = r > 0.41421356;
    if far { r = (r - 1.0) / (r + 1.0); }
    let z = r * r;
    let p = horner(-6.451928149e-2, z, vec4<f32>(1.074373147e-1, -1.426395560e-1, 1.999954048e-1, -3.333333176e-1));
    var angle = fma(p * z, r, r) + select(0.0, 0.785398163, far);
    if size.y > size.x { angle = 1.57079633 - angle; }
    if is_negative(x) { angle = 3.14159265 - angle; }
    return select(angle, -angle, is_negative(y));
}

// √((1 - x)(1 + x)), exact near ±1: the other leg of a right triangle with the leg x and the hypotenuse 1.
fn other_leg(x: f32) -> f32 { return sqrt_((1.0 - x) * (1.0 + x)); }

// √(a² + b²) without the squares of large or small numbers; infinite if either is, also beside a NaN.
fn hypot_(a: f32, b: f32) -> f32 {
    if is_inf(a) || is_inf(b) { return inf(); }
    if is_nan(a) || is_nan(b) { return a + b; }
    let large = max(abs(a), abs(b));
    if large == 0.0 { return 0.0; }
    let r = min(abs(a), abs(b)) / large;
    return large * sqrt(fma(r, r, 1.0));
}

// e^x / 2, which is finite further than e^x.
fn half_exp(x: f32) -> f32 {
    let e = exp_(0.5 * x);
    return (0.5 * e) * e;
}
fn cosh_(x: f32) -> f32 {
    let h = half_exp(abs(x));
    return h + 0.25 / h;
}
fn sinh_(x: f32) -> f32 {
    if is_nan(x) || x == 0.0 { return x; }
    let t = abs(x);
    var v: f32;
    if t < 1.0 {
        let e = expm1_(t);
        v = 0.5 * (e + e / (e + 1.0));
    } else {
        let h = half_exp(t);
        v = h - 0.25 / h;
    }
    return select(v, -v, x < 0.0);
}

// log 2x of a large x, whose double may be beyond the range.
fn log_of_double(x: f32) -> f32 { return log_(x) + 0.69314718; }
fn asinh_(x: f32) -> f32 {
    if is_nan(x) || x == 0.0 { return x; }
    let t = abs(x);
    var v: f32;
    if t > 1e4 {
        v = log_of_double(t);
    } else {
        v = log1p_(t + t * t / (1.0 + sqrt(fma(t, t, 1.0))));
    }
    return select(v, -v, x < 0.0);
}
fn acosh_(x: f32) -> f32 {
    if is_nan(x) { return x; }
    if x < 1.0 { return nan(); }
    if x > 1e4 { return log_of_double(x); }
    let t = x - 1.0;
    return log1p_(t + sqrt(t * (t + 2.0)));
}
fn atanh_(x: f32) -> f32 {
    if is_nan(x) || x == 0.0 { return x; }
    let t = abs(x);
    if t > 1.0 { return nan(); }
    var v = inf();
    if t < 1.0 { v = 0.5 * log1p_(2.0 * t / (1.0 - t)); }
    return select(v, -v, x < 0.0);
}

// a / b toward zero: 0 of a division by 0, and wrapping around of one by -1. Neither is left to the device.
fn quotient_i32(a: i32, b: i32) -> i32 {
    let usual = b != 0 && b != -1;
    let q = a / select(1, b, usual);
    return select(select(0 - a, 0, b == 0), q, usual);
}
// What it leaves.
fn rest_i32(a: i32, b: i32) -> i32 { return select(a - quotient_i32(a, b) * b, 0, b == 0); }
// Whether the quotient rounded down is one less than toward zero.
fn rounds_down(a: i32, b: i32) -> bool { return rest_i32(a, b) != 0 && (a < 0) != (b < 0); }
