//! Every number that is an option (slope, ε, margin, momentum, probability …), at the ends of its range: what is computed is right by a formula
//! in f64, or the option is refused by name.
#![allow(clippy::unwrap_used)]

use crate::common;
use steepest::critical::{Options, examine_with};
use steepest::error::OpError;
use steepest::nn::loss::{
    CrossEntropy, GaussianNll, PoissonNll, Reduction, TripletMargin, hinge, huber, smooth_l1, squared_hinge,
};
use steepest::nn::{self, Fan, Init, Module};
use steepest::reference::{Overrides, evaluate};
use steepest::verify::{GradCheckOptions, grad_check_with};
use steepest::{Device, Error, RopeOptions, Tensor};

/// What every option is tried with: zeros, subnormal and tiny numbers, large ones, some that only f64 holds, and no numbers.
pub const EDGES: [f64; 17] = [
    0.0,
    1e-45,
    1e-38,
    1e-8,
    0.3,
    1.0,
    2.5,
    1e30,
    3e38,
    1e39,
    1e300,
    f64::INFINITY,
    -1e-38,
    -0.7,
    -1e30,
    f64::NEG_INFINITY,
    f64::NAN,
];

/// Arguments, every one exact in f32.
const POINTS: [f64; 8] = [-64.0, -3.0, -0.5, -0.0078125, 0.0078125, 0.5, 3.0, 64.0];

/// Whether a device's number is an f64 formula's: to 2e-5, infinite where that is beyond f32, and 0 where it is subnormal there.
pub fn right(found: f64, expected: f64) -> bool {
    let expected = if expected.is_nan() { expected } else { f64::from(expected as f32) };
    found == expected || (found.is_nan() && expected.is_nan()) || (found - expected).abs() <= 2e-5 * expected.abs() + 1.2e-38
}

/// An elementwise function with an option, and its value and slope.
struct Case {
    op: &'static str,
    option: &'static str,
    f: fn(&Tensor, f64) -> Tensor,
    formula: fn(f64, f64) -> (f64, f64),
    /// Arguments it is smooth at, and at which no step of its formula is beyond the range of f32.
    at: fn(f64, f64) -> bool,
    /// What a slope may be off by absolutely: of a small difference of large numbers f32 leaves little.
    slack: f64,
}

fn cases() -> Vec<Case> {
    fn anywhere(_: f64, _: f64) -> bool {
        true
    }
    let case = |op, option, f, formula, at| Case { op, option, f, formula, at, slack: 0.0 };
    let slack = |slack, case| Case { slack, ..case };
    vec![
        case("leaky_relu", "slope", |x, p| x.leaky_relu(p), |x, p| if x > 0.0 { (x, 1.0) } else { (p * x, p) }, anywhere),
        case("elu", "alpha", |x, p| x.elu(p), |x, p| if x > 0.0 { (x, 1.0) } else { (p * x.exp_m1(), p * x.exp()) }, anywhere),
        case(
            "softplus",
            "beta",
            |x, p| x.softplus(p),
            |x, p| {
                let t = p * x;
                (
                    t.max(0.0) / p + (-t.abs()).exp().ln_1p() / p,
                    if t > 0.0 { 1.0 / (1.0 + (-t).exp()) } else { t.exp() / (1.0 + t.exp()) },
                )
            },
            anywhere,
        ),
        case(
            "celu",
            "alpha",
            |x, p| x.celu(p),
            |x, p| if x > 0.0 { (x, 1.0) } else { (p * (x / p).exp_m1(), (x / p).exp()) },
            anywhere,
        ),
        case("hard_tanh", "min", |x, p| x.hard_tanh(p, f64::INFINITY), |x, p| (x.max(p), f64::from(x > p)), anywhere),
        case("hard_tanh", "min", |x, p| x.hard_tanh(f64::NEG_INFINITY, p), |x, p| (x.min(p), f64::from(x < p)), anywhere),
        case("pow_scalar", "exponent", |x, p| x.pow_scalar(p), |x, p| (x.powf(p), p * x.powf(p - 1.0)), |x, _| x > 0.0),
        case("clamp", "min", |x, p| x.clamp(p, f64::INFINITY), |x, p| (x.max(p), f64::from(x >= p)), |x, p| x != p),
        case("clamp", "min", |x, p| x.clamp(f64::NEG_INFINITY, p), |x, p| (x.min(p), f64::from(x <= p)), |x, p| x != p),
        case(
            "lerp_scalar",
            "t",
            |x, p| x.lerp_scalar(&x.full_like(2.0), p),
            |x, p| (x * (1.0 - p) + 2.0 * p, 1.0 - p),
            |_, p| p.abs() < 1e36,
        ),
        case(
            "huber",
            "delta",
            |x, p| huber(x, &x.full_like(0.0), p, Reduction::None),
            |x, p| {
                let d = x.abs();
                if d < p { (d * d / 2.0, x) } else { (p * (d - p / 2.0), p * x.signum()) }
            },
            anywhere,
        ),
        case(
            "hinge",
            "margin",
            |x, p| hinge(x, &x.full_like(1.0), p, Reduction::None),
            |x, p| ((p - x).max(0.0), if p > x { -1.0 } else { 0.0 }),
            |x, p| x != p,
        ),
        case("softshrink", "lambda", |x, p| x.softshrink(p), |x, p| (x - x.clamp(-p, p), f64::from(x.abs() > p)), anywhere),
        case("hardshrink", "lambda", |x, p| x.hardshrink(p), |x, p| if x.abs() > p { (x, 1.0) } else { (0.0, 0.0) }, anywhere),
        case("threshold", "limit", |x, p| x.threshold(p, 2.0), |x, p| if x > p { (x, 1.0) } else { (2.0, 0.0) }, anywhere),
        case("threshold", "value", |x, p| x.threshold(0.0, p), |x, p| if x > 0.0 { (x, 1.0) } else { (p, 0.0) }, anywhere),
        case(
            "smooth_l1",
            "beta",
            |x, p| smooth_l1(x, &x.full_like(0.0), p, Reduction::None),
            |x, p| {
                let d = x.abs();
                if d < p { (d * d / (2.0 * p), x / p) } else { (d - p / 2.0, x.signum()) }
            },
            anywhere,
        ),
        case(
            "squared_hinge",
            "margin",
            |x, p| squared_hinge(x, &x.full_like(1.0), p, Reduction::None),
            |x, p| ((p - x).max(0.0).powi(2), -2.0 * (p - x).max(0.0)),
            |x, p| x != p,
        ),
        case(
            "gaussian_nll",
            "eps",
            // x as the variance of what is 1 off.
            |x, p| GaussianNll::new().eps(p).reduction(Reduction::None).of(&x.full_like(1.0), &x.full_like(0.0), x),
            |x, p| {
                let v = x.max(p);
                (0.5 * (v.ln() + 1.0 / v), if x > p { 0.5 * (1.0 / x - 1.0 / (x * x)) } else { 0.0 })
            },
            |x, p| x != p,
        ),
        slack(
            1e-4,
            case(
                "poisson_nll",
                "eps",
                |x, p| PoissonNll::new().of_means().eps(p).reduction(Reduction::None).of(x, &x.full_like(2.0)),
                |x, p| (x - 2.0 * (x + p).ln(), 1.0 - 2.0 / (x + p)),
                |x, _| x > 0.0,
            ),
        ),
        slack(
            1e-4,
            case(
                "triplet_margin",
                "margin",
                // Distances |x| and 1.
                |x, p| {
                    let triplet = TripletMargin::new().eps(0.0).margin(p).reduction(Reduction::None);
                    let anchor = x.full_like(0.0).unsqueeze(1);
                    triplet.of(&anchor, &x.unsqueeze(1), &anchor.full_like(1.0))
                },
                |x, p| ((x.abs() - 1.0 + p).max(0.0), if x.abs() - 1.0 + p > 0.0 { x.signum() } else { 0.0 }),
                |x, p| x.abs() - 1.0 + p != 0.0,
            ),
        ),
        slack(
            1e-4,
            case(
                "cosine_similarity",
                "eps",
                // Of (x, 0) and (1, 0).
                |x, p| {
                    let row = x.unsqueeze(1).cat(&[&x.full_like(0.0).unsqueeze(1)], 1);
                    row.cosine_similarity(&x.device().tensor(&[1.0, 0.0], 2), 1, p)
                },
                |x, p| {
                    let other = p.max(1.0);
                    (x / x.abs().max(p) / other, if x.abs() < p { 1.0 / p / other } else { 0.0 })
                },
                anywhere,
            ),
        ),
        slack(
            1e-7,
            case(
                "cross_entropy",
                "label smoothing",
                |x, p| {
                    let logits = x.unsqueeze(1).cat(&[&x.full_like(0.0).unsqueeze(1)], 1);
                    let labels = x.device().tensor(&[0u32; POINTS.len()], POINTS.len());
                    CrossEntropy::new().smoothing(p).reduction(Reduction::None).of(&logits, &labels)
                },
                |x, p| {
                    // −q₀ log σ(x) − q₁ log σ(−x)
                    let (q, soft) = (1.0 - p / 2.0, |t: f64| t.max(0.0) + (-t.abs()).exp().ln_1p());
                    (q * soft(-x) + (1.0 - q) * soft(x), 1.0 / (1.0 + (-x).exp()) - q)
                },
                |x, _| x.abs() <= 3.0,
            ),
        ),
        slack(
            1e-4,
            case(
                "rms_norm",
                "eps",
                |x, p| nn::norm::rms_norm(&x.unsqueeze(1), None, p).squeeze(&[1]),
                |x, p| (x / (x * x + p).sqrt(), p / (x * x + p).powf(1.5)),
                anywhere,
            ),
        ),
        slack(
            1e-4,
            case(
                "layer_norm",
                "eps",
                // ±x has the mean 0 and the variance x².
                |x, p| {
                    nn::norm::layer_norm(&x.unsqueeze(1).cat(&[&x.neg().unsqueeze(1)], 1), 1, None, None, p)
                        .slice(1, ..1)
                        .squeeze(&[1])
                },
                |x, p| (x / (x * x + p).sqrt(), p / (x * x + p).powf(1.5)),
                anywhere,
            ),
        ),
        case(
            "norm",
            "p",
            |x, p| x.unsqueeze(1).norm(p, &[1]),
            |x, p| if p == 0.0 { (1.0, 0.0) } else { (x.abs(), x.signum()) },
            anywhere,
        ),
        case(
            "norm",
            "p",
            // (1, x): min, max, and what lies between.
            |x, p| x.unsqueeze(1).cat(&[&x.full_like(1.0).unsqueeze(1)], 1).norm(p, &[1]),
            |x, p| {
                let (a, b) = (x.abs(), 1.0);
                if p == 0.0 {
                    return (2.0, 0.0);
                }
                let (large, small) = (a.max(b), a.min(b));
                let c = if p > 0.0 { large } else { small };
                if p.is_infinite() {
                    return (c, if a == c { x.signum() } else { 0.0 });
                }
                let sum = (a / c).powf(p) + (b / c).powf(p);
                (c * sum.powf(1.0 / p), sum.powf(1.0 / p - 1.0) * (a / c).powf(p - 1.0) * x.signum())
            },
            anywhere,
        ),
        case("masked_fill", "value", |x, p| x.masked_fill(&x.full_like(1.0).to_bool(), p), |_, p| (p, 0.0), anywhere),
        case(
            "index_fill",
            "value",
            |x, p| x.index_fill(0, &x.device().tensor(&[0u32, 1, 2, 3, 4, 5, 6, 7], 8), p),
            |_, p| (p, 0.0),
            anywhere,
        ),
        case(
            "quantile",
            "q",
            // Of 1 and x.
            |x, p| x.unsqueeze(1).cat(&[&x.full_like(1.0).unsqueeze(1)], 1).quantile(&[p], 1).squeeze(&[0]),
            |x, p| (x.min(1.0) + (x - 1.0).abs() * p, if x < 1.0 { 1.0 - p } else { p }),
            anywhere,
        ),
        case(
            "pairwise_distance",
            "eps",
            |x, p| x.unsqueeze(1).pairwise_distance(&x.full_like(0.0).unsqueeze(1), 1.0, p),
            |x, p| ((x + p).abs(), (x + p).signum()),
            |x, p| x + p != 0.0,
        ),
        case(
            "pairwise_distance",
            "p",
            |x, p| x.unsqueeze(1).pairwise_distance(&x.full_like(0.0).unsqueeze(1), p, 0.0),
            |x, p| if p == 0.0 { (1.0, 0.0) } else { (x.abs(), x.signum()) },
            anywhere,
        ),
        case(
            "cdist",
            "p",
            |x, p| x.reshape([8, 1, 1]).cdist(&x.full_like(0.0).reshape([8, 1, 1]), p).flatten(),
            |x, p| if p == 0.0 { (1.0, 0.0) } else { (x.abs(), x.signum()) },
            anywhere,
        ),
        slack(
            1e-6,
            case(
                "scaled_dot_product_attention",
                "scale",
                // Keys x and 0 of a query 1, values 1 and 0: σ(scale · x).
                |x, p| {
                    let n = POINTS.len();
                    let query = x.full_like(1.0).reshape([n, 1, 1]);
                    let keys = x.unsqueeze(1).cat(&[&x.full_like(0.0).unsqueeze(1)], 1).reshape([n, 2, 1]);
                    let values = x.device().tensor(&[1.0, 0.0].repeat(n), [n, 2, 1]);
                    query.scaled_dot_product_attention(&keys, &values, false, Some(p)).reshape([n])
                },
                |x, p| {
                    let s = if p * x > 0.0 { 1.0 / (1.0 + (-p * x).exp()) } else { (p * x).exp() / (1.0 + (p * x).exp()) };
                    let other = if p * x > 0.0 { (-p * x).exp() / (1.0 + (-p * x).exp()) } else { 1.0 / (1.0 + (p * x).exp()) };
                    (s, if s == 0.0 || other == 0.0 { 0.0 } else { p * s * other })
                },
                // In f32 1 − σ has lost its digits where it is small.
                |x, p| (p * x).abs() < 2.0 || (120.0..1e37).contains(&(p * x).abs()),
            ),
        ),
        case(
            "rope",
            "base",
            // Row 1, the second pair (x, 0): x cos(base^−½).
            |x, p| {
                let pair = x.full_like(0.0).unsqueeze(1).expand([POINTS.len(), 2]);
                let row = pair.cat(&[&x.unsqueeze(1), &x.full_like(0.0).unsqueeze(1)], 1).unsqueeze(1);
                row.rope(&RopeOptions::new().base(p).offset(1)).slice(2, 2..3).flatten()
            },
            |x, p| (x * p.powf(-0.5).cos(), p.powf(-0.5).cos()),
            // Of angles beyond that, what is a base rounded to f32 is another angle.
            |_, p| p > 1e-5,
        ),
    ]
}

#[test]
fn options_of_functions_are_right_at_the_ends_or_refused_by_name() {
    for device in common::devices("options of functions") {
        let (mut wrong, mut right_ones, mut refused) = (vec![], 0, 0);
        for case in cases() {
            for edge in EDGES {
                let data: Vec<f32> = POINTS.iter().map(|x| *x as f32).collect();
                let x = device.parameter(&data, POINTS.len());
                let y = (case.f)(&x, edge);
                let place = format!("{device}: {} with {} = {edge}", case.op, case.option);
                if let Err(error) = y.check() {
                    refused += 1;
                    match error {
                        Error::Op { op, at, error: OpError::Value(message) }
                            if op == case.op && message.contains(case.option) && at.file().ends_with("options.rs") => {}
                        other => wrong.push(format!("{place}: {other}")),
                    }
                    continue;
                }
                let slope = y.backward_with(&device.full([POINTS.len()], 1.0)).wrt(&x).unwrap();
                let on_device = [&y, &slope].map(|t| t.to_vec::<f32>().unwrap().into_iter().map(f64::from).collect::<Vec<_>>());
                let mut all = vec![("device", on_device.to_vec())];
                if !device.is_gpu() {
                    let found = evaluate(&[&y, &slope], &Overrides::new()).unwrap();
                    all.push(("reference", found.into_iter().map(|a| a.data).collect()));
                }
                // What a device is given is an f32; so are numbers that it is compared with.
                let option = f64::from(edge as f32);
                for (who, found) in all {
                    for (i, &x) in POINTS.iter().enumerate().filter(|(_, x)| (case.at)(**x, option)) {
                        let (value, slope) = (case.formula)(x, option);
                        for (what, found, expected) in [("value", found[0][i], value), ("slope", found[1][i], slope)] {
                            // The reference has f64's range, and the option in f64.
                            let beyond = who == "reference" && !(1e-37..1e37).contains(&expected.abs()) && expected.abs() > 0.0;
                            right_ones += 1;
                            let near = what == "slope" && (found - expected).abs() <= case.slack;
                            if !right(found, expected) && !near && !beyond {
                                wrong.push(format!("{place}, {who}: {what} at {x} is {found}, not {expected}"));
                            }
                        }
                    }
                }
            }
        }
        println!("{device}: {right_ones} numbers, {refused} options refused");
        assert!(refused > 0 && wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    }
}

fn refused(tensor: &Tensor, name: &str, option: &str) -> bool {
    match tensor.check() {
        Err(Error::Op { op, error: OpError::Value(message), at }) => {
            assert!(op == name && message.contains(option) && at.file().ends_with("options.rs"), "{op} at {at}: {message}");
            true
        }
        Err(other) => panic!("{name}: {other}"),
        Ok(()) => false,
    }
}

/// Random numbers: bounds the right way round and finite, deviations and probabilities in their range.
#[test]
fn options_of_random_numbers_give_numbers_or_are_refused() {
    let finite = |x: f64| (x as f32).is_finite();
    for device in common::devices("options of random numbers") {
        let all = |t: &Tensor, ok: &dyn Fn(f64) -> bool| t.to_vec::<f32>().unwrap().iter().all(|x| ok(f64::from(*x)));
        for a in EDGES {
            for b in EDGES {
                let x = device.uniform(100, a, b, 1);
                if !refused(&x, "uniform", "low") {
                    assert!(a <= b && finite(a) && finite(b) && finite(b - a), "{a}..{b}");
                    let (low, high) = (f64::from(a as f32), f64::from(b as f32));
                    assert!(all(&x, &|x| x >= low && x <= high), "{device}: {a}..{b}");
                }
                let x = device.normal(100, a, b, 1);
                let name = if finite(a) { "std" } else { "mean" };
                if !refused(&x, "normal", name) {
                    assert!(finite(a) && finite(b) && b >= 0.0, "{a} {b}");
                    // Six deviations either way, and a rounding.
                    let reach = 6.0 * b + 1e-6 * a.abs();
                    assert!(all(&x, &|x| (x - a).abs() <= reach + 1e-37 || reach > 1e37), "{device}: {a} ± {b}");
                }
            }
            let mask = device.dropout_mask(100, a, 1, 0);
            if !refused(&mask, "dropout_mask", "probability") {
                assert!(a > 0.0 && a <= 1.0 && all(&mask, &|x| x == 0.0 || right(x, 1.0 / a)), "{device}: {a}");
            }
            let dropped = device.ones(100).dropout(a, 1, 0);
            if !refused(&dropped, "dropout", "probability") {
                assert!((0.0..1.0).contains(&a) && all(&dropped, &|x| x == 0.0 || right(x, 1.0 / (1.0 - a))), "{device}: {a}");
            }
            for (init, fits) in [
                (Init::Constant(a), finite(a)),
                (Init::Uniform(a), finite(2.0 * a) && a >= 0.0),
                (Init::Normal(a), finite(a) && a >= 0.0),
                (Init::Orthogonal(a), finite(a)),
                (Init::Scaled { gain: a, fan: Fan::In, normal: false }, finite(2.0 * a)),
                (Init::Scaled { gain: a, fan: Fan::Out, normal: true }, finite(2.0 * a)),
                (Init::TruncatedNormal { mean: 0.0, std: a, low: -2.0, high: 2.0 }, finite(a) && a >= 0.0),
            ] {
                let parameter = init.parameter(&device, &[2, 5], (1, 1), 1, 0);
                let option = if matches!(init, Init::Uniform(_)) {
                    "low"
                } else if matches!(init, Init::Normal(_) | Init::TruncatedNormal { .. }) {
                    "std"
                } else if matches!(init, Init::Orthogonal(_) | Init::Scaled { .. }) {
                    "gain"
                } else {
                    "constant"
                };
                assert_eq!(!refused(&parameter, "init", option), fits, "{init:?}");
                assert!(!fits || all(&parameter, &|x| x.is_finite()) || a > 1e37, "{init:?}");
            }
        }
        assert!(refused(&device.uniform(3, 1.0, 0.0, 0), "uniform", "low is 1 and high is 0"));
        assert!(refused(&device.normal(3, 0.0, -1.0, 0), "normal", "std is -1"));
    }
}

/// Distributions: numbers are finite, in order and on the right side, or the option is refused.
#[test]
fn options_of_distributions_give_finite_numbers_or_are_refused() {
    for device in common::devices("options of distributions") {
        let finite = |t: &Tensor| t.to_vec::<f32>().unwrap().iter().all(|x| x.is_finite());
        let (mut made, mut not) = (0, 0);
        for a in EDGES {
            let of: [(&str, &str, Tensor, bool); 5] = [
                ("exponential", "rate", device.exponential(2000, a, 1), a > 0.0),
                ("gumbel", "scale", device.gumbel(2000, 0.0, a, 1), a > 0.0),
                ("laplace", "scale", device.laplace(2000, 0.0, a, 1), a > 0.0),
                ("cauchy", "scale", device.cauchy(2000, 0.0, a, 1), a > 0.0),
                ("geometric", "p", device.geometric(2000, a, 1), a > 0.0 && a <= 1.0),
            ];
            for (name, option, numbers, possible) in of {
                if refused(&numbers, name, option) {
                    not += 1;
                } else {
                    made += 1;
                    assert!(possible && finite(&numbers), "{device}: {name} with {option} = {a}");
                }
            }
            for b in EDGES {
                let line = device.linspace(a, b, 5);
                if !refused(&line, "linspace", "st") {
                    assert!(finite(&line), "{device}: linspace {a} {b}");
                }
                let cut = device.truncated_normal(20, [0.0, 1.0], [a, b], 1);
                if !refused(&cut, "truncated_normal", "low") {
                    let (low, high) = (a as f32, b as f32);
                    assert!(a < b && cut.to_vec::<f32>().unwrap().iter().all(|x| (low..=high).contains(x)), "{device}: {a} {b}");
                }
                let counts = device.tensor(&[-1.0, 0.25, 0.5, 2.0], 4).histogram(3, a, b);
                let option = if (a as f32).is_finite() && !(b as f32).is_finite() { "high" } else { "low" };
                if !refused(&counts, "histogram", option) {
                    let inside = [-1.0, 0.25, 0.5, 2.0]
                        .iter()
                        .filter(|x| (f64::from(a as f32)..=f64::from(b as f32)).contains(*x))
                        .count();
                    assert_eq!(counts.sum(&[]).item().unwrap(), inside as f32, "{device}: {a}..{b}");
                }
            }
        }
        assert!(made > 20 && not > 20, "{made} {not}");
    }
}

/// Clipping: a bound that is negative or no finite number is an error that names it; a norm that is not finite makes NaN of all.
#[test]
fn clipping_at_the_ends() {
    for device in common::devices("clipping") {
        for edge in EDGES {
            let fits = edge >= 0.0 && (edge as f32).is_finite();
            let w = device.parameter(&[3.0, -4.0], 2);
            let gradients = || w.backward_with(&device.tensor(&[3.0, -4.0], 2));
            for (clipped, what) in
                [(gradients().clip_by_norm(edge), "norm to clip by"), (gradients().clip_by_value(edge), "value to clip by")]
            {
                match clipped.wrt(&w) {
                    Ok(found) => {
                        let found = found.to_vec::<f32>().unwrap();
                        let edge = f64::from(edge as f32);
                        let expected = if what.starts_with("norm") {
                            [3.0, -4.0].map(|g| g * (edge / (5.0 + 1e-6)).min(1.0))
                        } else {
                            [3f64, -4.0].map(|g| g.clamp(-edge, edge))
                        };
                        assert!(
                            fits && (0..2).all(|i| right(f64::from(found[i]), expected[i])),
                            "{device}: {what} {edge}: {found:?}"
                        );
                    }
                    Err(Error::Config { what: found, .. }) => assert!(found == what && !fits, "{found} {edge}"),
                    Err(other) => panic!("{other}"),
                }
            }
        }
        for bad in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
            let (w, v) = (device.parameter(&[1.0, 1.0], 2), device.parameter(&[1.0], 1));
            let loss = (&w * &device.tensor(&[bad, 2.0], 2)).sum(&[]) + v.sum(&[]);
            let clipped = loss.backward().clip_by_norm(1.0);
            let found = [clipped.wrt(&w).unwrap(), clipped.wrt(&v).unwrap()].map(|g| g.to_vec::<f32>().unwrap()).concat();
            assert!(found.iter().all(|g| g.is_nan()), "{device}: {bad}: {found:?}");
        }
    }
}

/// What looks at derivatives: steps and tolerances.
#[test]
fn options_of_checks_of_derivatives_are_refused_by_name() {
    let device = Device::cpu();
    let w = device.parameter(&[0.5, -0.5], 2);
    let loss = || (w.square() * &device.tensor(&[1.0, -1.0], 2)).sum(&[]);
    let checked = |options| grad_check_with(|x| x[0].square().sum(&[]), std::slice::from_ref(&w), options).map(|_| ());
    let named = |result: steepest::Result<()>, name: &str, option: &str| match result {
        Err(Error::Op { op, error: OpError::Value(message), .. }) => op == name && message.starts_with(option),
        _ => false,
    };
    let usual = GradCheckOptions::default();
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(named(checked(GradCheckOptions { step: bad, ..usual }), "grad_check", "step"));
        assert!(named(checked(GradCheckOptions { rtol: bad, ..usual }), "grad_check", "rtol"));
        assert!(named(checked(GradCheckOptions { atol: bad, ..usual }), "grad_check", "atol"));
    }
    assert!(named(checked(GradCheckOptions { step: 0.0, ..usual }), "grad_check", "step"));
    for bad in [-1.0, f64::NAN] {
        let gradient = examine_with(&loss(), &[&w], Options { gradient: bad, ..Options::default() }).map(|_| ());
        let flat = examine_with(&loss(), &[&w], Options { flat: Some(bad), ..Options::default() }).map(|_| ());
        assert!(named(gradient, "examine", "gradient") && named(flat, "examine", "flat"));
    }
    let point = examine_with(&loss(), &[&w], Options::default()).unwrap();
    for bad in [f64::NAN, f64::INFINITY, 1e300] {
        assert!(named(point.leave(&[&w], bad), "leave", "step"));
    }
    assert_eq!(w.to_vec::<f32>().unwrap(), [0.5, -0.5]);
}

/// Layers hand their options on, and refuse them by the function's name.
#[test]
fn options_of_layers_are_refused_by_name() {
    let device = Device::cpu();
    let x = device.ones([4, 3]);
    // A layer's line is not the caller's: `forward` is a method of a trait.
    let refused = |tensor: &Tensor, name: &str, option: &str| match tensor.check() {
        Err(Error::Op { op, error: OpError::Value(message), .. }) => op == name && message.contains(option),
        _ => false,
    };
    for bad in [-1.0, f64::NAN, f64::INFINITY, 1e300] {
        assert!(refused(&nn::LayerNorm::new(&device, 3).eps(bad).forward(&x), "layer_norm", "eps"));
        assert!(refused(&nn::RmsNorm::new(&device, 3).eps(bad).forward(&x), "rms_norm", "eps"));
        assert!(refused(&nn::GroupNorm::new(&device, 1, 3).eps(bad).forward(&x), "group_norm", "eps"));
        assert!(refused(&nn::BatchNorm1d::new(&device, 3).eps(bad).forward(&x), "batch_norm", "eps"));
        assert!(refused(&nn::BatchNorm1d::new(&device, 3).momentum(bad).forward(&x), "batch_norm", "momentum"));
        assert!(refused(&nn::Dropout::new(bad, 1).forward(&x), "dropout", "probability"));
        if bad != -1.0 {
            assert!(refused(&nn::Activation::LeakyRelu(bad).forward(&x), "leaky_relu", "slope"));
            assert!(refused(&nn::Activation::Elu(bad).forward(&x), "elu", "alpha"));
            assert!(refused(&nn::Activation::Celu(bad).forward(&x), "celu", "alpha"));
        }
    }
}
