//! The elementwise table: `out[i] = f(a[i], b[i], c[i])` with NumPy broadcasting. One row is one op: WGSL, Rust (compiled for f32 and f64), gradient, accuracy, domain.
//!
//! Conventions at points without a derivative: relu'(0) = leaky_relu'(0)'s negative side, |x|'(0) = 0, and maximum and minimum give
//! half the gradient to each side of a tie, as PyTorch does.
//!
//! A gradient rule *selects* where an op is switched off (the side of a ReLU that is 0, the smaller of two): a product of a mask and the
//! gradient would be 0 · ∞ where the slope behind the op is infinite, as that of √x at 0. An op that is constant everywhere has a gradient
//! of zeros that does not depend on the one it is given.

use super::super::case::Domain::{AboveMinusOne, Integers, Kinks, Line, NonZero, Positive, Power, Range};
use super::super::simd::vectorised;
use super::real::Real;
use super::row::{dtype, from_f64, from_word, table, to_f64, to_word};
use super::{More, Row, SwitchedOff};
use crate::graph::Tensor;
use crate::graph::accuracy::Accuracy::{Division, Exact, Transcendental, Ulp};
use crate::graph::op::{DType, GradCtx, Rule};

/// The gradient of a unary op.
fn one(gradient: Tensor) -> Vec<Option<Tensor>> {
    vec![Some(gradient)]
}

/// The gradients of a binary op, each computed only if asked for.
fn two(ctx: &GradCtx<'_>, a: impl FnOnce() -> Tensor, b: impl FnOnce() -> Tensor) -> Vec<Option<Tensor>> {
    vec![ctx.needs[0].then(a), ctx.needs[1].then(b)]
}

/// Zeros for input `i`: the op does not depend on it, or only in steps.
fn zeros(ctx: &GradCtx<'_>, i: usize) -> Tensor {
    ctx.inputs[i].full_like(0.0)
}

fn none(ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
    vec![None; ctx.inputs.len()]
}

/// x limited to ±`most`, beyond which a slope is what it is there: a product of a large and a small number would be ∞ · 0 further out.
fn within(x: &Tensor, most: f64) -> Tensor {
    x.clamp(-most, most)
}

/// (1 − x)(1 + x), exact near ±1, where 1 − x² is not.
fn below_one(x: &Tensor) -> Tensor {
    x.neg().add_scalar(1.0).mul(&x.add_scalar(1.0))
}

/// The slope of the inverse of the sine.
fn arc_slope(x: &Tensor) -> Tensor {
    below_one(x).rsqrt()
}

table! {
    // ---- constants and copies ----

    /// A number.
    FILL = "fill"()[p] -> f32, "p", p, |c| vec![], Exact, Line;
    /// The i32 p 2¹⁶ + q: a scalar is an f32, which holds half of it.
    FILL_I32 = "fill_i32"()[p, q] -> i32, "(i32(p) << 16u) | i32(q)", ((p as i32) << 16) | q as i32, |c| vec![], Exact, Line,
    scalars: [-3.0, 54321.0];
    /// The u32 p 2¹⁶ + q.
    FILL_U32 = "fill_u32"()[p, q] -> u32, "(u32(p) << 16u) | u32(q)", ((p as u32) << 16) | q as u32, |c| vec![], Exact, Line,
    scalars: [65533.0, 54321.0];
    /// A copy that gradients do not flow through.
    DETACH = "detach"(a: word)[] -> word, "a", a, |c| none(c), Exact, Line, detaches: true;

    // ---- arithmetic ----

    /// a + b
    ADD = "add"(a: f32, b: f32)[] -> f32, "a + b", a + b, |c| two(c, || c.grad.clone(), || c.grad.clone()), Ulp, Line;
    /// a − b
    // Some compilers take x - x for 0, also where x is NaN or infinite: the sign is turned where they do not see it. So in neg.
    SUB = "sub"(a: f32, b: f32)[] -> f32, "a + bitcast<f32>(bitcast<u32>(b) ^ 0x80000000u)", a - b,
    |c| two(c, || c.grad.clone(), || c.grad.neg()), Ulp, Line;
    /// a · b
    MUL = "mul"(a: f32, b: f32)[] -> f32, "a * b", a * b,
    |c| two(c, || c.grad.mul(&c.inputs[1]), || c.grad.mul(&c.inputs[0])), Ulp, Line;
    /// a / b
    DIV = "div"(a: f32, b: f32)[] -> f32, "div_(a, b)", a / b,
    |c| two(c, || c.grad.div(&c.inputs[1]), || c.grad.mul(c.output).div(&c.inputs[1]).neg()), Division, NonZero;
    /// a^b: of a negative base with integer exponents only, as `f32::powf`.
    POW = "pow"(a: f32, b: f32)[] -> f32, "pow_(a, b)", a.powf(b),
    |c| two(c, || c.inputs[0].pow_slope(&c.inputs[1], c.grad),
        // By the exponent, where the base is 0: 0. Of a negative base the logarithm is no number, and only whole exponents are allowed.
        || { let off = c.inputs[0].le_scalar(0.0);
             let safe = off.where_(&c.inputs[0].full_like(1.0), &c.inputs[0]);
             let slope = c.grad.mul(c.output).mul(&safe.log());
             off.where_(&slope.full_like(0.0), &slope) }),
    Transcendental, Power, off: SwitchedOff::ByExponent;
    /// The gradient c of a^b by a: c b a^(b−1), and 0 where b = 0, because a⁰ is 1 also at a = 0.
    POW_SLOPE = "pow_slope"(a: f32, b: f32, c: f32)[] -> f32, "select(c * (b * pow_(a, b - 1.0)), 0.0, b == 0.0)",
    if b == 0.0 { 0.0 } else { c * (b * a.powf(b - 1.0)) },
    |x| { let (a, b) = (&x.inputs[0], &x.inputs[1]);
          let both = || x.grad.mul(&x.inputs[2]);
          let one = || a.full_like(1.0);
          // c b (b − 1) a^(b−2), and 0 for b = 0 where that is not finite: where it is, it still depends on b.
          let by_base = || {
              let slope = |a: &Tensor| a.pow_slope(&b.add_scalar(-1.0), &both().mul(b));
              let off = b.eq_scalar(0.0).and(&slope(a).is_finite().not());
              let slope = slope(&off.where_(&one(), a));
              off.where_(&slope.full_like(0.0), &slope) };
          let by_exponent = || { let off = a.eq_scalar(0.0);
              let log = a.gt_scalar(0.0).where_(a, &one()).log();
              let slope = both().mul(&a.pow(&b.add_scalar(-1.0))).mul(&b.mul(&log).add_scalar(1.0));
              off.where_(&slope.full_like(0.0), &slope) };
          vec![x.needs[0].then(by_base), x.needs[1].then(by_exponent), x.needs[2].then(|| a.pow_slope(b, x.grad))] },
    Transcendental, Power, off: SwitchedOff::ByExponent;
    /// The larger; NaN if either is NaN.
    MAXIMUM = "maximum"(a: f32, b: f32)[] -> f32, "maximum(a, b)", Real::maximum(a, b),
    |c| two(c, || c.grad.share(&c.inputs[0], &c.inputs[1]), || c.grad.share(&c.inputs[1], &c.inputs[0])), Ulp, Line;
    /// The smaller; NaN if either is NaN.
    MINIMUM = "minimum"(a: f32, b: f32)[] -> f32, "minimum(a, b)", Real::minimum(a, b),
    |c| two(c, || c.grad.share(&c.inputs[1], &c.inputs[0]), || c.grad.share(&c.inputs[0], &c.inputs[1])), Ulp, Line;
    /// The part of a gradient a that the first of two gets for being the larger: a where b > c, half where they are equal, 0 elsewhere.
    SHARE = "share"(a: f32, b: f32, c: f32)[] -> f32,
    "select(select(0.0, a * 0.5, b == c && !is_nan(b) && !is_nan(c)), a, b > c && !is_nan(b) && !is_nan(c))",
    if b > c { a } else if b == c { a * 0.5 } else { 0.0 },
    |x| { let mut parts = vec![x.needs[0].then(|| x.grad.share(&x.inputs[1], &x.inputs[2]))];
          parts.extend([1, 2].map(|i| x.needs[i].then(|| zeros(x, i))));
          parts },
    Ulp, Line;
    /// a · b, and 0 where b = 0, whatever a is: what a mask drops.
    MASKED = "masked"(a: f32, b: f32)[] -> f32, "select(a * b, 0.0, b == 0.0)", if b == 0.0 { 0.0 } else { a * b },
    |c| two(c, || c.grad.masked(&c.inputs[1]), || c.grad.mul(&c.inputs[0])), Ulp, Line, off: SwitchedOff::ByMask;
    /// a + p
    ADD_SCALAR = "add_scalar"(a: f32)[p] -> f32, "a + p", a + p, |c| one(c.grad.clone()), Ulp, Line;
    /// a · p
    MUL_SCALAR = "mul_scalar"(a: f32)[p] -> f32, "a * p", a * p,
    |c| one(if p == 0.0 { zeros(c, 0) } else { c.grad.mul_scalar(p) }), Ulp, Line, off: SwitchedOff::ByScalars;
    /// a / p, rounded once: a product with 1 / p would round twice.
    DIV_SCALAR = "div_scalar"(a: f32)[p] -> f32, "div_(a, p)", a / p,
    |c| one(if p.is_infinite() { zeros(c, 0) } else { c.grad.div_scalar(p) }), Division, Line;
    /// a^p for a number p: products for small whole p, so that negative bases and gradients are exact.
    POW_SCALAR = "pow_scalar"(a: f32)[p] -> f32, "pow_(a, p)", a.powf(p),
    |c| one(if p == 0.0 { zeros(c, 0) } else { c.grad.mul(&c.inputs[0].pow_scalar(p - 1.0).mul_scalar(p)) }),
    Transcendental, Positive, scalars: [2.5, 0.0], off: SwitchedOff::ByScalars;

    // ---- one argument ----

    /// −a
    NEG = "neg"(a: f32)[] -> f32, "bitcast<f32>(bitcast<u32>(a) ^ 0x80000000u)", -a, |c| one(c.grad.neg()), Ulp, Line;
    /// |a|
    ABS = "abs"(a: f32)[] -> f32, "bitcast<f32>(bitcast<u32>(a) & 0x7fffffffu)", a.abs(),
    |c| one(c.grad.signed(&c.inputs[0])), Ulp, Kinks(&[0.0]);
    /// a with the sign of b: the gradient a of |b|. a where b > 0, −a where b < 0, 0 where b = 0, NaN of NaN.
    SIGNED = "signed"(a: f32, b: f32)[] -> f32,
    "select(select(select(0.0, b, is_nan(b)), bitcast<f32>(bitcast<u32>(a) ^ 0x80000000u), b < 0.0), a, b > 0.0 && !is_nan(b))",
    if b > 0.0 { a } else if b < 0.0 { -a } else if b.is_nan() { b } else { 0.0 },
    |c| two(c, || c.grad.signed(&c.inputs[1]), || zeros(c, 1)), Ulp, Kinks(&[0.0]);
    /// −1, 0 or 1
    SIGN = "sign"(a: f32)[] -> f32, "select(sign(a), a, is_nan(a))", Real::sign(a),
    |c| one(zeros(c, 0)), Ulp, Kinks(&[0.0]);
    /// The largest integer not above a.
    FLOOR = "floor"(a: f32)[] -> f32, "select(floor(a), a, is_nan(a) || is_inf(a))", a.floor(),
    |c| one(zeros(c, 0)), Ulp, Kinks(&[-4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0]);
    /// The smallest integer not below a.
    CEIL = "ceil"(a: f32)[] -> f32, "select(ceil(a), a, is_nan(a) || is_inf(a))", a.ceil(),
    |c| one(zeros(c, 0)), Ulp, Kinks(&[-4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0]);
    /// The nearest integer, halves to even.
    ROUND = "round"(a: f32)[] -> f32, "select(round(a), a, is_nan(a) || is_inf(a))", a.round_ties_even(),
    |c| one(zeros(c, 0)), Ulp, Kinks(&[-3.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5]);
    /// e^a
    EXP = "exp"(a: f32)[] -> f32, "exp_(a)", Real::exp(a), |c| one(c.grad.mul(c.output)), Transcendental, Line;
    /// e^a − 1, exact near 0.
    EXPM1 = "expm1"(a: f32)[] -> f32, "expm1_(a)", Real::exp_m1(a),
    |c| one(c.grad.mul(&c.inputs[0].exp())), Transcendental, Line;
    /// The natural logarithm; −∞ at 0, NaN below.
    LOG = "log"(a: f32)[] -> f32, "log_(a)", Real::ln(a), |c| one(c.grad.div(&c.inputs[0])), Transcendental, Positive;
    /// log(1 + a), exact near 0.
    LOG1P = "log1p"(a: f32)[] -> f32, "log1p_(a)", Real::ln_1p(a),
    |c| one(c.grad.div(&c.inputs[0].add_scalar(1.0))), Transcendental, AboveMinusOne;
    /// √a
    SQRT = "sqrt"(a: f32)[] -> f32, "sqrt_(a)", a.sqrt(),
    |c| one(c.grad.div(&c.output.mul_scalar(2.0))), Division, Positive;
    /// 1 / √a
    RSQRT = "rsqrt"(a: f32)[] -> f32, "1.0 / sqrt_(a)", 1.0 / a.sqrt(),
    |c| one(c.grad.mul(c.output).div(&c.inputs[0]).mul_scalar(-0.5)), Division, Positive;
    /// 1 / a
    RECIPROCAL = "reciprocal"(a: f32)[] -> f32, "div_(1.0, a)", 1.0 / a,
    |c| one(c.grad.mul(&c.output.square()).neg()), Division, NonZero;
    /// a²
    SQUARE = "square"(a: f32)[] -> f32, "a * a", a * a,
    |c| one(c.grad.mul(&c.inputs[0]).mul_scalar(2.0)), Ulp, Line;
    /// sin a
    SIN = "sin"(a: f32)[] -> f32, "sin_(a)", a.sin(), |c| one(c.grad.mul(&c.inputs[0].cos())), Transcendental, Line, wild_from: 1e4;
    /// cos a
    COS = "cos"(a: f32)[] -> f32, "cos_(a)", a.cos(),
    |c| one(c.grad.mul(&c.inputs[0].sin()).neg()), Transcendental, Line, wild_from: 1e4;
    /// The error function, 2/√π ∫₀ᵃ e^−t² dt.
    ERF = "erf"(a: f32)[] -> f32, "erf_(a)", Real::erf(a),
    |c| one(c.grad.mul(&within(&c.inputs[0], 20.0).square().neg().exp().mul_scalar(std::f64::consts::FRAC_2_SQRT_PI))),
    Transcendental, Line;

    /// 1 − erf a, with the digits of the upper tail.
    ERFC = "erfc"(a: f32)[] -> f32, "erfc_(a)", Real::erfc(a),
    |c| one(c.grad.mul(&within(&c.inputs[0], 20.0).square().neg().exp().mul_scalar(-std::f64::consts::FRAC_2_SQRT_PI))),
    Transcendental, Line;
    /// 2^a
    EXP2 = "exp2"(a: f32)[] -> f32, "exp2_(a)", Real::exp2(a),
    |c| one(c.grad.mul(c.output).mul_scalar(std::f64::consts::LN_2)), Transcendental, Line;
    /// The logarithm to base 2, exact for powers of 2.
    LOG2 = "log2"(a: f32)[] -> f32, "log2_(a)", a.log2(),
    |c| one(c.grad.div(&c.inputs[0]).mul_scalar(std::f64::consts::LOG2_E)), Transcendental, Positive;
    /// The logarithm to base 10.
    LOG10 = "log10"(a: f32)[] -> f32, "log10_(a)", a.log10(),
    |c| one(c.grad.div(&c.inputs[0]).mul_scalar(std::f64::consts::LOG10_E)), Transcendental, Positive;
    /// log(e^a + e^b) by the larger and the difference, which of two equal infinities is no number.
    LOGADDEXP = "logaddexp"(a: f32, b: f32)[] -> f32,
    "select(maximum(a, b) + log1p_(exp_(-abs(a + bitcast<f32>(bitcast<u32>(b) ^ 0x80000000u)))), a, a == b && is_inf(a) && is_inf(b))",
    if a == b && a.is_infinite() { a } else { Real::maximum(a, b) + Real::ln_1p(Real::exp(-(a - b).abs())) },
    |c| { let (a, b) = (&c.inputs[0], &c.inputs[1]);
          let gap = |x: &Tensor, y: &Tensor| { let gap = x.sub(y);
              gap.is_nan().and(&x.eq(y)).where_(&gap.full_like(0.0), &gap).sigmoid() };
          two(c, || c.grad.mul(&gap(a, b)), || c.grad.mul(&gap(b, a))) },
    Transcendental, Line;
    /// √(a² + b²), whose squares may be beyond the range; at 0 the gradient is 0, as that of a norm.
    HYPOT = "hypot"(a: f32, b: f32)[] -> f32, "hypot_(a, b)", Real::hypot(a, b),
    |c| { let off = c.output.eq_scalar(0.0);
          let size = off.where_(&c.output.full_like(1.0), c.output);
          let grad = off.where_(&c.grad.full_like(0.0), c.grad);
          let slope = |x: &Tensor| grad.mul(&x.div(&size));
          two(c, || slope(&c.inputs[0]), || slope(&c.inputs[1])) },
    Transcendental, NonZero;

    // ---- angles ----

    /// tan a
    TAN = "tan"(a: f32)[] -> f32, "sin_(a) / cos_(a)", a.tan(),
    |c| one(c.grad.mul(&c.output.square().add_scalar(1.0))), Transcendental, Range(-1.3, 1.3), wild_from: 1e4;
    /// The angle in −π/2..π/2 with the tangent a.
    ATAN = "atan"(a: f32)[] -> f32, "atan2_(a, 1.0)", Real::atan2(a, 1.0),
    |c| one(c.grad.div(&within(&c.inputs[0], 1e18).square().add_scalar(1.0))), Transcendental, Line;
    /// The angle of the point (b, a), in −π..π.
    ATAN2 = "atan2"(a: f32, b: f32)[] -> f32, "atan2_(a, b)", Real::atan2(a, b),
    // At the origin and at infinity no angle changes with the point: 0.
    |c| { let (y, x) = (&c.inputs[0], &c.inputs[1]);
          let size = y.hypot(x);
          let off = size.eq_scalar(0.0).or(&size.eq_scalar(f64::INFINITY));
          let safe = off.where_(&size.full_like(1.0), &size);
          let grad = off.where_(&c.grad.full_like(0.0), c.grad);
          let slope = |leg: &Tensor| grad.mul(&off.where_(&leg.full_like(0.0), leg).div(&safe).div(&safe));
          two(c, || slope(x), || slope(y).neg()) },
    Transcendental, NonZero;
    /// The angle in −π/2..π/2 with the sine a; NaN beyond ±1.
    ASIN = "asin"(a: f32)[] -> f32, "atan2_(a, other_leg(a))", Real::asin(a),
    |c| one(c.grad.mul(&arc_slope(&c.inputs[0]))), Transcendental, Range(-0.9, 0.9);
    /// The angle in 0..π with the cosine a; NaN beyond ±1.
    ACOS = "acos"(a: f32)[] -> f32, "atan2_(other_leg(a), a)", Real::acos(a),
    |c| one(c.grad.mul(&arc_slope(&c.inputs[0])).neg()), Transcendental, Range(-0.9, 0.9);
    /// (e^a − e^−a) / 2
    SINH = "sinh"(a: f32)[] -> f32, "sinh_(a)", Real::sinh(a), |c| one(c.grad.mul(&c.inputs[0].cosh())), Transcendental, Line;
    /// (e^a + e^−a) / 2
    COSH = "cosh"(a: f32)[] -> f32, "cosh_(a)", Real::cosh(a), |c| one(c.grad.mul(&c.inputs[0].sinh())), Transcendental, Line;
    /// The inverse of sinh.
    ASINH = "asinh"(a: f32)[] -> f32, "asinh_(a)", Real::asinh(a),
    |c| one(c.grad.mul(&within(&c.inputs[0], 1e18).square().add_scalar(1.0).rsqrt())), Transcendental, Line;
    /// The inverse of cosh that is not negative; NaN below 1.
    ACOSH = "acosh"(a: f32)[] -> f32, "acosh_(a)", Real::acosh(a),
    |c| { let x = &c.inputs[0];
          one(c.grad.mul(&x.add_scalar(-1.0).rsqrt().mul(&x.add_scalar(1.0).rsqrt()))) },
    Transcendental, Range(1.1, 6.0);
    /// The inverse of tanh; NaN beyond ±1.
    ATANH = "atanh"(a: f32)[] -> f32, "atanh_(a)", Real::atanh(a),
    |c| one(c.grad.div(&below_one(&c.inputs[0]))), Transcendental, Range(-0.9, 0.9);

    // ---- activations ----

    /// tanh a
    TANH = "tanh"(a: f32)[] -> f32, "tanh_(a)", Real::tanh(a),
    |c| one(c.grad.mul(&c.output.square().neg().add_scalar(1.0))), Transcendental, Line;
    /// 1 / (1 + e^−a)
    SIGMOID = "sigmoid"(a: f32)[] -> f32, "sigmoid_(a)", Real::sigmoid(a),
    |c| one(c.grad.mul(c.output).mul(&c.output.neg().add_scalar(1.0))), Transcendental, Line;
    /// clamp(a / 6 + ½, 0, 1)
    HARD_SIGMOID = "hard_sigmoid"(a: f32)[] -> f32, "minimum(maximum(div_(a, 6.0) + 0.5, 0.0), 1.0)",
    Real::minimum(Real::maximum(a / 6.0 + 0.5, 0.0), 1.0),
    |c| { let inside = c.inputs[0].abs().lt_scalar(3.0);
          one(inside.where_(&c.grad.div_scalar(6.0), &c.grad.full_like(0.0))) },
    Transcendental, Kinks(&[-3.0, 3.0]);
    /// max(a, 0); NaN of NaN.
    RELU = "relu"(a: f32)[] -> f32, "maximum(a, 0.0)", Real::maximum(a, 0.0),
    // By the output, which is positive where the input is: the input need not be kept.
    |c| one(c.grad.relu_grad(c.output, 0.0)), Ulp, Kinks(&[0.0]);
    /// a where a > 0, p · a elsewhere.
    LEAKY_RELU = "leaky_relu"(a: f32)[p] -> f32, "select(select(a * p, maximum(a, 0.0), p == 0.0), a, a > 0.0)",
    // Without a slope it is the ReLU, also of −∞.
    if a > 0.0 { a } else if p == 0.0 { Real::maximum(a, 0.0) } else { a * p },
    |c| one(c.grad.relu_grad(&c.inputs[0], p)), Ulp, Kinks(&[0.0]), scalars: [0.25, 0.0], off: SwitchedOff::ByScalars;
    /// The gradient a of a (leaky) ReLU at b with slope p: a where b > 0, p · a elsewhere; a where b is NaN.
    RELU_GRAD = "relu_grad"(a: f32, b: f32)[p] -> f32, "select(a, select(a * p, 0.0, p == 0.0), b <= 0.0)",
    if b <= 0.0 { if p == 0.0 { 0.0 } else { a * p } } else { a },
    |c| two(c, || c.grad.relu_grad(&c.inputs[1], p), || zeros(c, 1)), Ulp, Kinks(&[0.0]), scalars: [0.25, 0.0], off: SwitchedOff::ByScalars;
    /// a where a > 0, p (e^a − 1) elsewhere.
    ELU = "elu"(a: f32)[p] -> f32, "select(p * expm1_(a), a, a > 0.0)", if a > 0.0 { a } else { p * Real::exp_m1(a) },
    // Of what is not above 0 alone: the power of a large number is infinite, and so is its slope, which is not asked for.
    |c| { let x = &c.inputs[0];
          let slope = || x.clamp(f64::NEG_INFINITY, 0.0).exp().mul_scalar(p);
          one(if p == 0.0 { c.grad.relu_grad(x, 0.0) } else {
              c.grad.mul(&x.gt_scalar(0.0).where_(&x.full_like(1.0), &slope())) }) },
    Transcendental, Kinks(&[0.0]), off: SwitchedOff::ByScalars;
    /// a Φ(a), Φ the normal distribution function.
    GELU = "gelu"(a: f32)[] -> f32, "gelu_(a)", if a == T::NEG_INFINITY { -0.0 } else { a * Real::normal_cdf(a) },
    |c| { let x = &within(&c.inputs[0], 40.0);
          let density = x.square().mul_scalar(-0.5).exp().mul_scalar(0.398_942_280_401_432_7);
          let cdf = x.mul_scalar(std::f64::consts::FRAC_1_SQRT_2).erf().add_scalar(1.0).mul_scalar(0.5);
          one(c.grad.mul(&cdf.add(&x.mul(&density)))) },
    Transcendental, Line;
    /// a σ(2 √(2/π) (a + 0.044715 a³)): the approximation of GELU by tanh.
    GELU_TANH = "gelu_tanh"(a: f32)[] -> f32, "select(a * sigmoid_(1.5957691216 * (a + 0.044715 * a * a * a)), -0.0, a < -1e4)",
    if a < -1e4 { -0.0 } else { a * Real::sigmoid(1.595_769_121_605_731 * (a + 0.044715 * a * a * a)) },
    |c| { let x = &within(&c.inputs[0], 40.0);
          let s = x.add(&x.square().mul(x).mul_scalar(0.044715)).mul_scalar(1.595_769_121_605_731).sigmoid();
          let slope = x.square().mul_scalar(3.0 * 0.044715).add_scalar(1.0).mul_scalar(1.595_769_121_605_731);
          one(c.grad.mul(&s.add(&x.mul(&slope).mul(&s).mul(&s.neg().add_scalar(1.0))))) },
    Transcendental, Line;
    /// a σ(a)
    SILU = "silu"(a: f32)[] -> f32, "select(a * sigmoid_(a), -0.0, a < -1e4)", if a < -1e4 { -0.0 } else { a * Real::sigmoid(a) },
    |c| { let x = &within(&c.inputs[0], 100.0);
          let s = x.sigmoid();
          one(c.grad.mul(&s.mul(&x.mul(&s.neg().add_scalar(1.0)).add_scalar(1.0)))) },
    Transcendental, Line;
    /// log(1 + e^(p a)) / p
    SOFTPLUS = "softplus"(a: f32)[p] -> f32, "select(0.0, a, p * a > 0.0) + log1p_(exp_(-abs(p * a))) / p",
    // The larger part apart, so that p a may be beyond the range of numbers.
    (if p * a > 0.0 { a } else { 0.0 }) + Real::ln_1p(Real::exp(-(p * a).abs())) / p,
    |c| one(c.grad.mul(&c.inputs[0].mul_scalar(p).sigmoid())), Transcendental, Line;
    /// a where a > 0, p (e^(a/p) − 1) elsewhere.
    CELU = "celu"(a: f32)[p] -> f32, "select(p * expm1_(a / p), a, a > 0.0)", if a > 0.0 { a } else { p * Real::exp_m1(a / p) },
    |c| { let x = &c.inputs[0];
          let slope = x.clamp(f64::NEG_INFINITY, 0.0).div_scalar(p).exp();
          one(c.grad.mul(&x.gt_scalar(0.0).where_(&x.full_like(1.0), &slope))) },
    Transcendental, Kinks(&[0.0]);
    /// a / (1 + |a|)
    SOFTSIGN = "softsign"(a: f32)[] -> f32, "select(div_(a, 1.0 + abs(a)), sign(a), is_inf(a))",
    if a.is_infinite() { a.signum() } else { a / (1.0 + a.abs()) },
    |c| one(c.grad.mul(&c.inputs[0].abs().add_scalar(1.0).reciprocal().square())), Division, Kinks(&[0.0]);
    /// a clamp(a / 6 + ½, 0, 1)
    HARD_SWISH = "hard_swish"(a: f32)[] -> f32, "select(a * minimum(div_(a, 6.0) + 0.5, 1.0), -0.0, a <= -3.0)",
    if a <= -3.0 { -0.0 } else { a * Real::minimum(a / 6.0 + 0.5, 1.0) },
    |c| { let x = &c.inputs[0];
          let slope = within(x, 3.0).div_scalar(3.0).add_scalar(0.5);
          let inside = x.abs().lt_scalar(3.0);
          let grad = inside.where_(c.grad, &c.grad.full_like(0.0));
          one(inside.where_(&grad.mul(&slope), &c.grad.relu_grad(x, 0.0))) },
    Transcendental, Kinks(&[-3.0, 3.0]);
    /// a tanh(log(1 + e^a))
    MISH = "mish"(a: f32)[] -> f32, "select(a * tanh_(select(0.0, a, a > 0.0) + log1p_(exp_(-abs(a)))), -0.0, a < -1e4)",
    if a < -1e4 { -0.0 } else { a * Real::tanh((if a > 0.0 { a } else { 0.0 }) + Real::ln_1p(Real::exp(-a.abs()))) },
    |c| { let x = &within(&c.inputs[0], 100.0);
          let t = x.softplus(1.0).tanh();
          let slope = x.mul(&x.sigmoid()).mul(&t.square().neg().add_scalar(1.0));
          one(c.grad.mul(&t.add(&slope))) },
    Transcendental, Line;
    /// a limited to p..q, as the clamp of an activation: at the limits the gradient is 0.
    HARD_TANH = "hard_tanh"(a: f32)[p, q] -> f32, "minimum(maximum(a, p), q)", Real::minimum(Real::maximum(a, p), q),
    |c| { let inside = c.inputs[0].gt_scalar(p).and(&c.inputs[0].lt_scalar(q));
          one(inside.where_(c.grad, &c.grad.full_like(0.0))) },
    Ulp, Kinks(&[-0.5, 0.5, 1.0]), scalars: [-0.5, 1.0];
    /// a limited to p..q
    CLAMP = "clamp"(a: f32)[p, q] -> f32, "minimum(maximum(a, p), q)", Real::minimum(Real::maximum(a, p), q),
    |c| one(c.grad.clamp_grad(&c.inputs[0], p, q)), Ulp, Kinks(&[-0.5, 0.5, 1.0]), scalars: [-0.5, 1.0];
    /// The gradient a of a clamp of b to p..q: a where b is from p to q, 0 elsewhere.
    CLAMP_GRAD = "clamp_grad"(a: f32, b: f32)[p, q] -> f32, "select(0.0, a, b >= p && b <= q && !is_nan(b))",
    if b >= p && b <= q { a } else { 0.0 },
    |c| two(c, || c.grad.clamp_grad(&c.inputs[1], p, q), || zeros(c, 1)), Ulp, Kinks(&[-0.5, 0.5, 1.0]), scalars: [-0.5, 1.0];

    // ---- comparisons ----

    /// a = b; false for NaN.
    EQ = "eq"(a: f32, b: f32)[] -> bool, "a == b && !is_nan(a) && !is_nan(b)", a == b, |c| none(c), Exact, Integers;
    /// a ≠ b; true for NaN.
    NE = "ne"(a: f32, b: f32)[] -> bool, "a != b || is_nan(a) || is_nan(b)", a != b, |c| none(c), Exact, Integers;
    /// a < b
    LT = "lt"(a: f32, b: f32)[] -> bool, "a < b && !is_nan(a) && !is_nan(b)", a < b, |c| none(c), Exact, Integers;
    /// a ≤ b
    LE = "le"(a: f32, b: f32)[] -> bool, "a <= b && !is_nan(a) && !is_nan(b)", a <= b, |c| none(c), Exact, Integers;
    /// a > b
    GT = "gt"(a: f32, b: f32)[] -> bool, "a > b && !is_nan(a) && !is_nan(b)", a > b, |c| none(c), Exact, Integers;
    /// a ≥ b
    GE = "ge"(a: f32, b: f32)[] -> bool, "a >= b && !is_nan(a) && !is_nan(b)", a >= b, |c| none(c), Exact, Integers;
    /// a = b for integers and bools.
    EQ_WORD = "eq_word"(a: word, b: word)[] -> bool, "a == b", a == b, |c| none(c), Exact, Integers;
    /// Whether a is NaN.
    IS_NAN = "is_nan"(a: f32)[] -> bool, "is_nan(a)", a.is_nan(), |c| none(c), Exact, Line;
    /// Whether a is infinite.
    IS_INF = "is_inf"(a: f32)[] -> bool, "is_inf(a)", a.is_infinite(), |c| none(c), Exact, Line;
    /// Whether a is neither NaN nor infinite.
    IS_FINITE = "is_finite"(a: f32)[] -> bool, "!is_nan(a) && !is_inf(a)", a.is_finite(), |c| none(c), Exact, Line;

    // ---- logic, choice, conversion ----

    /// a and b
    AND = "and"(a: bool, b: bool)[] -> bool, "a && b", a && b, |c| none(c), Exact, Integers;
    /// a or b
    OR = "or"(a: bool, b: bool)[] -> bool, "a || b", a || b, |c| none(c), Exact, Integers;
    /// Either a or b, not both.
    XOR = "xor"(a: bool, b: bool)[] -> bool, "a != b", a != b, |c| none(c), Exact, Integers;
    /// not a
    NOT = "not"(a: bool)[] -> bool, "!a", !a, |c| none(c), Exact, Integers;
    /// b where a, c elsewhere.
    WHERE = "where"(a: bool, b: word, c: word)[] -> word, "select(c, b, a)", if a { b } else { c },
    // A number: it is broadcast.
    |x| { let zero = x.grad.constant(0.0);
          vec![None, x.needs[1].then(|| x.inputs[0].where_(x.grad, &zero)), x.needs[2].then(|| x.inputs[0].where_(&zero, x.grad))] },
    Exact, Line;
    /// An i32 as the nearest f32.
    I32_TO_F32 = "i32_to_f32"(a: i32)[] -> f32, "f32(a)", a as T, |c| none(c), Ulp, Integers;
    /// A u32 as the nearest f32.
    U32_TO_F32 = "u32_to_f32"(a: u32)[] -> f32, "f32(a)", a as T, |c| none(c), Ulp, Integers;
    /// 0 or 1
    BOOL_TO_F32 = "bool_to_f32"(a: bool)[] -> f32, "select(0.0, 1.0, a)", if a { 1.0 } else { 0.0 }, |c| none(c), Exact, Integers;
    /// a toward zero as an i32, limited to its range; 0 of NaN.
    F32_TO_I32 = "f32_to_i32"(a: f32)[] -> i32, "f32_to_i32(a)", a as i32, |c| none(c), Exact, Line;
    /// a toward zero as a u32, limited to its range; 0 of NaN.
    F32_TO_U32 = "f32_to_u32"(a: f32)[] -> u32, "f32_to_u32(a)", a as u32, |c| none(c), Exact, Line;
    /// 0 or 1 as a u32 (also of i32 and u32: the same bits).
    TO_U32 = "to_u32"(a: word)[] -> u32, "a", a as i64 as u32, |c| none(c), Exact, Integers;
    /// The same bits as an i32.
    TO_I32 = "to_i32"(a: word)[] -> i32, "bitcast<i32>(a)", a as i64 as i32, |c| none(c), Exact, Integers;
    /// An index a, which counts from the end of an axis of b elements where it is negative.
    FROM_END = "from_end"(a: i32, b: i32)[] -> i32, "select(a, a + b, a < 0)", if a < 0 { a.wrapping_add(b) } else { a },
    |c| none(c), Exact, Integers;
    /// The number of the cell in row a and column b of a plane of q rows of p cells, which begins at c; -1 beside the plane.
    CELL = "cell"(a: f32, b: f32, c: i32)[p, q] -> i32,
    "select(-1, i32(a) * i32(p) + i32(b) + c, a >= 0.0 && a < q && b >= 0.0 && b < p)",
    if a >= 0.0 && a < q && b >= 0.0 && b < p { (a as i32) * (p as i32) + b as i32 + c as i32 } else { -1 },
    |c| none(c), Exact, Integers, scalars: [3.0, 2.0];
    /// Whether a ≠ 0; true of NaN.
    F32_TO_BOOL = "f32_to_bool"(a: f32)[] -> bool, "a != 0.0 || is_nan(a)", a != 0.0, |c| none(c), Exact, Integers;
    /// Whether an integer is not 0.
    WORD_TO_BOOL = "word_to_bool"(a: word)[] -> bool, "a != 0u", a as T != 0.0, |c| none(c), Exact, Integers;

    // ---- integers: sums and products wrap around, so bits do not depend on the sign ----

    /// a + b
    ADD_WORD = "add_word"(a: word, b: word)[] -> word, "a + b", (a as i64).wrapping_add(b as i64) as i32,
    |c| none(c), Exact, Integers, whole: true;
    /// a − b
    SUB_WORD = "sub_word"(a: word, b: word)[] -> word, "a - b", (a as i64).wrapping_sub(b as i64) as i32,
    |c| none(c), Exact, Integers, whole: true;
    /// a · b
    MUL_WORD = "mul_word"(a: word, b: word)[] -> word, "a * b", (a as i64).wrapping_mul(b as i64) as i32,
    |c| none(c), Exact, Integers, whole: true;
    /// −a
    NEG_WORD = "neg_word"(a: word)[] -> word, "0u - a", (a as i64).wrapping_neg() as i32, |c| none(c), Exact, Integers, whole: true;
    /// The bits that are set in both.
    AND_WORD = "and_word"(a: word, b: word)[] -> word, "a & b", ((a as i64) & (b as i64)) as i32,
    |c| none(c), Exact, Integers, whole: true;
    /// The bits that are set in either.
    OR_WORD = "or_word"(a: word, b: word)[] -> word, "a | b", ((a as i64) | (b as i64)) as i32,
    |c| none(c), Exact, Integers, whole: true;
    /// The bits that are set in one of them.
    XOR_WORD = "xor_word"(a: word, b: word)[] -> word, "a ^ b", ((a as i64) ^ (b as i64)) as i32,
    |c| none(c), Exact, Integers, whole: true;
    /// The bits that are not set.
    NOT_WORD = "not_word"(a: word)[] -> word, "~a", !(a as i64) as i32, |c| none(c), Exact, Integers, whole: true;
    /// The bits moved up by b, which is 0 for a b that is not 0 to 31.
    SHIFT_LEFT = "shift_left"(a: word, b: word)[] -> word, "select(a << (b & 31u), 0u, b > 31u)",
    if (b as i64 as u32) > 31 { 0 } else { (a as i64 as i32) << (b as i64 as u32 & 31) }, |c| none(c), Exact, Integers, whole: true;
    /// The bits moved down by b: half of the number, rounded down, b times; of a b that is not 0 to 31 what is left at last.
    SHIFT_RIGHT_I32 = "shift_right_i32"(a: i32, b: i32)[] -> i32, "a >> min(bitcast<u32>(b), 31u)", a >> (b as u32).min(31),
    |c| none(c), Exact, Integers;
    /// The same of a u32.
    SHIFT_RIGHT_U32 = "shift_right_u32"(a: u32, b: u32)[] -> u32, "select(a >> (b & 31u), 0u, b > 31u)",
    if b > 31 { 0 } else { a >> (b & 31) }, |c| none(c), Exact, Integers;
    /// |a|, which of the least number is that number.
    ABS_I32 = "abs_i32"(a: i32)[] -> i32, "abs(a)", a.wrapping_abs(), |c| none(c), Exact, Integers;
    /// −1, 0 or 1
    SIGN_I32 = "sign_i32"(a: i32)[] -> i32, "sign(a)", a.signum(), |c| none(c), Exact, Integers;
    /// The larger.
    MAX_I32 = "maximum_i32"(a: i32, b: i32)[] -> i32, "max(a, b)", a.max(b), |c| none(c), Exact, Integers;
    /// The larger.
    MAX_U32 = "maximum_u32"(a: u32, b: u32)[] -> u32, "max(a, b)", a.max(b), |c| none(c), Exact, Integers;
    /// The smaller.
    MIN_I32 = "minimum_i32"(a: i32, b: i32)[] -> i32, "min(a, b)", a.min(b), |c| none(c), Exact, Integers;
    /// The smaller.
    MIN_U32 = "minimum_u32"(a: u32, b: u32)[] -> u32, "min(a, b)", a.min(b), |c| none(c), Exact, Integers;
    /// a < b
    LT_I32 = "lt_i32"(a: i32, b: i32)[] -> bool, "a < b", a < b, |c| none(c), Exact, Integers;
    /// a < b
    LT_U32 = "lt_u32"(a: u32, b: u32)[] -> bool, "a < b", a < b, |c| none(c), Exact, Integers;
    /// a ≤ b
    LE_I32 = "le_i32"(a: i32, b: i32)[] -> bool, "a <= b", a <= b, |c| none(c), Exact, Integers;
    /// a ≤ b
    LE_U32 = "le_u32"(a: u32, b: u32)[] -> bool, "a <= b", a <= b, |c| none(c), Exact, Integers;
    /// a / b toward zero; 0 of a division by 0, and the least number divided by −1 is that number.
    DIV_I32 = "div_trunc_i32"(a: i32, b: i32)[] -> i32, "quotient_i32(a, b)", if b == 0 { 0 } else { a.wrapping_div(b) },
    |c| none(c), Exact, Integers;
    /// a / b rounded down; 0 of a division by 0.
    DIV_U32 = "div_trunc_u32"(a: u32, b: u32)[] -> u32, "select(a / max(b, 1u), 0u, b == 0u)", a.checked_div(b).unwrap_or(0),
    |c| none(c), Exact, Integers;
    /// a / b rounded down; 0 of a division by 0, and the least number divided by −1 is that number.
    DIV_FLOOR_I32 = "div_floor_i32"(a: i32, b: i32)[] -> i32, "quotient_i32(a, b) - select(0, 1, rounds_down(a, b))",
    if b == 0 { 0 } else { a.wrapping_div(b) - (a.wrapping_rem(b) != 0 && (a < 0) != (b < 0)) as i32 }, |c| none(c), Exact, Integers;
    /// What a / b toward zero leaves, with the sign of a; 0 of a division by 0.
    FMOD_I32 = "fmod_i32"(a: i32, b: i32)[] -> i32, "rest_i32(a, b)", if b == 0 { 0 } else { a.wrapping_rem(b) },
    |c| none(c), Exact, Integers;
    /// What a / b rounded down leaves, with the sign of b; 0 of a division by 0.
    REMAINDER_I32 = "remainder_i32"(a: i32, b: i32)[] -> i32, "rest_i32(a, b) + select(0, b, rounds_down(a, b))",
    if b == 0 { 0 } else { a.wrapping_rem(b) + if a.wrapping_rem(b) != 0 && (a < 0) != (b < 0) { b } else { 0 } },
    |c| none(c), Exact, Integers;
    /// What a / b rounded down leaves; 0 of a division by 0.
    REMAINDER_U32 = "remainder_u32"(a: u32, b: u32)[] -> u32, "select(a % max(b, 1u), 0u, b == 0u)", if b == 0 { 0 } else { a % b },
    |c| none(c), Exact, Integers;
}
