//! What is switched off passes no gradient, whatever comes behind it: 0 and not 0 · ∞, to second order, on the reference and on every device.
//!
//! Every op that can be switched off (the side of a ReLU that is 0, the smaller one of two, what a mask drops) is followed by every function
//! with an infinite slope, at the point where the slope is infinite.
#![allow(clippy::unwrap_used)]

use crate::common;
use steepest::graph::{DType, record};
use steepest::nn::loss::{CrossEntropy, Reduction, bce_with_logits, hinge, huber, kl_div};
use steepest::ops::elementwise::{Pointwise, ROWS, Row};
use steepest::optim::{Optimizer, Sgd};
use steepest::reference::{Overrides, evaluate};
use steepest::{Device, Interpolation, PadMode, PoolOptions, Tensor};

/// Points where the gradient by one input of a row is 0 in a whole neighbourhood of that input, or by convention.
struct Off {
    scalars: [f64; 2],
    /// Which input is switched off.
    input: usize,
    /// The inputs, one column for each.
    columns: &'static [&'static [f32]],
}

const fn off(scalars: [f64; 2], input: usize, columns: &'static [&'static [f32]]) -> Off {
    Off { scalars, input, columns }
}

const EVERYWHERE: &[&[f32]] = &[&[-2.0, -0.5, 0.0, 0.5, 1.3, 7.0]];

/// Where a row is switched off: nowhere, for those that are smooth, and for those that have no gradient at all. Every row must be here.
fn switched_off(name: &str) -> Vec<Off> {
    match name {
        "fill" | "detach" => vec![],
        "add" | "sub" | "mul" | "div" | "add_scalar" | "neg" | "exp" | "expm1" | "log" | "log1p" | "sqrt" | "rsqrt" => vec![],
        "reciprocal" | "square" | "sin" | "cos" | "erf" | "tanh" | "sigmoid" | "gelu" | "gelu_tanh" | "silu" | "softplus" => {
            vec![]
        }
        "erfc" | "is_inf" | "exp2" | "log2" | "log10" | "tan" | "atan" | "asin" | "acos" | "sinh" | "cosh" | "asinh"
        | "acosh" | "atanh" => vec![],
        "logaddexp" | "softsign" | "celu" | "mish" => vec![],
        "fill_i32" | "fill_u32" | "xor" => vec![],
        // Integers have no gradients.
        name if name.ends_with("_word") || name.ends_with("_i32") || name.ends_with("_u32") => vec![],
        "shift_left" => vec![],
        "eq" | "ne" | "lt" | "le" | "gt" | "ge" | "eq_word" | "is_nan" | "is_finite" | "and" | "or" | "not" => vec![],
        "i32_to_f32" | "u32_to_f32" | "bool_to_f32" | "f32_to_i32" | "f32_to_u32" => vec![],
        "f32_to_bool" | "word_to_bool" | "from_end" | "cell" => vec![],
        // x · 0 and x / ∞ do not depend on x.
        "mul_scalar" => vec![off([0.0; 2], 0, EVERYWHERE)],
        "div_scalar" => vec![off([f64::INFINITY, 0.0], 0, EVERYWHERE)],
        "sign" | "floor" | "ceil" | "round" => vec![off([0.0; 2], 0, EVERYWHERE)],
        // x⁰ is 1 for every x, and 0^y is 0 for every y above 0.
        "pow" => vec![
            off([0.0; 2], 0, &[&[0.0, 1.0, 2.5, -2.0, 1e-30, 1e30], &[0.0; 6]]),
            off([0.0; 2], 1, &[&[0.0, -0.0, 0.0, 0.0], &[2.0, 0.5, 1.0, 0.0]]),
        ],
        "pow_scalar" => vec![off([0.0; 2], 0, EVERYWHERE)],
        "pow_slope" => vec![
            // c b a^(b−1) is 0 for b = 0 and c for b = 1.
            off([0.0; 2], 0, &[&[0.0, 3.0, 0.0, 3.0], &[0.0, 0.0, 1.0, 1.0], &[2.0; 4]]),
            off([0.0; 2], 2, &[&[0.0, 3.0], &[0.0, 0.0], &[2.0, 2.0]]),
        ],
        "maximum" => vec![off([0.0; 2], 0, &[&[1.0, -3.0], &[2.0, 0.0]]), off([0.0; 2], 1, &[&[2.0, 0.0], &[1.0, -3.0]])],
        "minimum" => vec![off([0.0; 2], 0, &[&[2.0, 0.0], &[1.0, -3.0]]), off([0.0; 2], 1, &[&[1.0, -3.0], &[2.0, 0.0]])],
        "share" => vec![
            off([0.0; 2], 0, &[&[5.0], &[1.0], &[2.0]]),
            off([0.0; 2], 1, &[&[5.0, 5.0], &[1.0, 3.0], &[2.0, 2.0]]),
            off([0.0; 2], 2, &[&[5.0, 5.0], &[1.0, 3.0], &[2.0, 2.0]]),
        ],
        "abs" => vec![off([0.0; 2], 0, &[&[0.0, -0.0]])],
        "signed" => vec![off([0.0; 2], 0, &[&[3.0, 0.0], &[0.0, 0.0]]), off([0.0; 2], 1, &[&[3.0, 3.0], &[1.0, -2.0]])],
        "masked" => vec![off([0.0; 2], 0, &[&[3.0, 0.0, -2.0], &[0.0, 0.0, -0.0]])],
        "hard_sigmoid" => vec![off([0.0; 2], 0, &[&[-7.0, -3.0, 3.0, 40.0]])],
        "relu" => vec![off([0.0; 2], 0, &[&[-1.0, 0.0, -0.0, -1e30]])],
        "leaky_relu" => vec![off([0.0; 2], 0, &[&[-1.0, 0.0, -0.0, -1e30]])],
        "relu_grad" => {
            vec![off([0.0; 2], 0, &[&[3.0, 3.0], &[-1.0, 0.0]]), off([0.5, 0.0], 1, &[&[3.0, 3.0, 3.0], &[-1.0, 0.0, 2.0]])]
        }
        "elu" => vec![off([0.0; 2], 0, &[&[-1.0, 0.0, -100.0]])],
        // At 0 by convention, as a norm.
        "hypot" => vec![off([0.0; 2], 0, &[&[0.0, 0.0], &[0.0, -0.0]]), off([0.0; 2], 1, &[&[0.0, 0.0], &[0.0, -0.0]])],
        "atan2" => vec![off([0.0; 2], 0, &[&[0.0, -0.0], &[0.0, 0.0]]), off([0.0; 2], 1, &[&[0.0, -0.0], &[0.0, 0.0]])],
        "hard_swish" => vec![off([0.0; 2], 0, &[&[-7.0, -3.0, -1e30]])],
        "hard_tanh" => vec![off([-0.5, 1.0], 0, &[&[-2.0, -0.5, 1.0, 1.5, 1e30]])],
        "clamp" => vec![off([-0.5, 1.0], 0, &[&[-2.0, 1.5, 1e30]]), off([0.0, f64::INFINITY], 0, &[&[-2.0, -1e-30]])],
        "clamp_grad" => {
            vec![off([-0.5, 1.0], 0, &[&[3.0, 3.0], &[-2.0, 1.5]]), off([-0.5, 1.0], 1, &[&[3.0, 3.0, 3.0], &[-2.0, 0.25, 1.5]])]
        }
        "where" => vec![
            off([0.0; 2], 1, &[&[0.0, 0.0], &[1.0, 2.0], &[3.0, 4.0]]),
            off([0.0; 2], 2, &[&[1.0, 1.0], &[1.0, 2.0], &[3.0, 4.0]]),
        ],
        other => panic!("{other} is a new row: say here where its gradient is switched off, or that it never is"),
    }
}

type Function = fn(&Tensor) -> Tensor;

/// Functions of h that have an infinite slope, or none, at h = 0.
const STEEP: [(&str, Function); 11] = [
    ("sqrt", |h| h.sqrt()),
    ("log", |h| h.log()),
    ("log1p", |h| (h - 1.0).log1p()),
    ("rsqrt", |h| h.rsqrt()),
    ("reciprocal", |h| h.reciprocal()),
    ("div", |h| 2.0 / h),
    ("pow_scalar ½", |h| h.pow_scalar(0.5)),
    ("pow 0.3", |h| h.pow(&h.full_like(0.3))),
    ("pow −1", |h| h.pow_scalar(-1.0)),
    ("std", |h| h.std(&[], 0)),
    ("norm 3", |h| h.norm(3.0, &[])),
];

/// Slopes that are 0 by a zero times what is not finite: `(by x, by x twice)` of f(x − x₀), where every one is to be 0.
fn slopes(device: &Device, x: &Tensor, loss: &Tensor, on_reference: bool) -> [Vec<f64>; 2] {
    let first = loss.backward().get(x).unwrap().cloned().expect("a gradient, if only of zeros");
    let direction = device.full(x.shape(), 1.5);
    let second = loss.hessian_vector_product(&[x], &[&direction]).unwrap().remove(0);
    if on_reference {
        return evaluate(&[&first, &second], &Overrides::new())
            .unwrap()
            .into_iter()
            .map(|a| a.data)
            .collect::<Vec<_>>()
            .try_into()
            .unwrap();
    }
    device.run(&[first.clone(), second.clone()]).unwrap();
    [first, second].map(|t| t.to_vec::<f32>().unwrap().into_iter().map(f64::from).collect())
}

/// Checks one op at all points given, behind every steep function; `dead` are the elements of x that are switched off.
fn check(
    what: &str,
    device: &Device,
    x: &Tensor,
    output: &Tensor,
    dead: &dyn Fn(usize) -> bool,
    wrong: &mut Vec<String>,
) -> usize {
    let mut checked = 0;
    // 0 everywhere, so that the slope behind it is infinite, and depends on x as the op does.
    let h = output - output.detach();
    for (i, (steep, f)) in STEEP.into_iter().enumerate() {
        // A GPU compiles anew for each: some of them.
        if device.is_gpu() && i % 3 != 0 {
            continue;
        }
        let loss = f(&h).sum(&[]);
        for on_reference in [false, true] {
            // One device is enough for the reference.
            if on_reference && device.is_gpu() {
                continue;
            }
            let place = if on_reference { "reference".to_owned() } else { device.name().to_owned() };
            for (order, found) in slopes(device, x, &loss, on_reference).into_iter().enumerate() {
                for (i, slope) in found.into_iter().enumerate().filter(|(i, _)| dead(*i)) {
                    checked += 1;
                    if slope != 0.0 {
                        wrong.push(format!("{place}: {steep} of {what}, element {i}, order {}: {slope}", order + 1));
                    }
                }
            }
        }
    }
    checked
}

fn row_at(device: &Device, row: &'static Row, off: &Off) -> (Tensor, Tensor) {
    let n = off.columns[0].len();
    let inputs: Vec<Tensor> = off
        .columns
        .iter()
        .zip(row.rule.inputs)
        .map(|(column, dtype)| match dtype {
            Some(DType::Bool) => device.tensor(&column.iter().map(|x| *x != 0.0).collect::<Vec<_>>(), n),
            _ => device.parameter(column, n),
        })
        .collect();
    let output = record(Pointwise { row, scalars: off.scalars }, &inputs.iter().collect::<Vec<_>>());
    (inputs[off.input].clone(), output)
}

#[test]
fn rows_that_are_switched_off_pass_no_gradient() {
    for device in common::devices("rows switched off") {
        let (mut wrong, mut checked, mut rows) = (vec![], 0, 0);
        for row in ROWS {
            let points = switched_off(row.rule.name);
            rows += usize::from(!points.is_empty());
            for off in &points {
                let (x, output) = row_at(&device, row, off);
                let what = format!("{} {:?} by input {}", row.rule.name, off.scalars, off.input);
                checked += check(&what, &device, &x, &output, &|_| true, &mut wrong);
            }
        }
        println!("{device}: {rows} rows, {checked} slopes");
        assert!(wrong.is_empty(), "{} of {checked} wrong:\n{}", wrong.len(), wrong.join("\n"));
    }
}

/// The points of the test are such that a slope that is not switched off is not 0: else it would see nothing.
#[test]
fn what_is_not_switched_off_is_steep() {
    let device = Device::cpu();
    let x = device.parameter(&[1.0, 2.0], 2);
    let h = x.relu() - x.relu().detach();
    for (steep, f) in STEEP {
        let [first, _] = slopes(&device, &x, &f(&h).sum(&[]), false);
        // Of a norm at 0 the slope may be defined as 0.
        assert!(steep.contains("norm") || steep.contains("std") || first.iter().all(|s| !s.is_finite()), "{steep}: {first:?}");
    }
}

/// Ops that are no rows and leave some of their input out: of six elements those that are switched off.
fn others() -> Vec<(&'static str, &'static [usize], Function)> {
    fn picked(x: &Tensor) -> Tensor {
        x.device().tensor(&[1u32, 1], 2)
    }
    vec![
        ("max", &[0, 1, 2, 4, 5], |x| x.max(&[])),
        ("max over an axis", &[0, 1, 4, 5], |x| x.reshape([2, 3]).max(&[1])),
        ("min over an axis", &[0, 2, 3, 5], |x| x.reshape([2, 3]).min(&[1])),
        ("max of several axes", &[0, 1, 2, 4, 5], |x| x.reshape([2, 3, 1]).max_keepdim(&[0, 1])),
        ("topk", &[0, 1, 4, 5], |x| x.topk(2, 0).0),
        ("sort, in part", &[0, 1, 2, 3, 5], |x| x.sort(0, false).0.slice(0, ..1)),
        ("max_pool2d", &[0, 1, 4, 5], |x| x.reshape([1, 1, 2, 3]).max_pool2d([1, 3], [1, 3], 0)),
        ("max_pool2d, overlapping", &[0, 1, 4, 5], |x| x.reshape([1, 1, 1, 6]).max_pool2d([1, 3], [1, 1], 0)),
        ("max_pool2d, dilated", &[0, 1, 4, 5], |x| {
            x.reshape([1, 1, 1, 6]).max_pool2d_with(PoolOptions::new([1, 2]).stride([1, 3]).dilation([1, 2]))
        }),
        ("max_pool3d", &[0, 1, 4, 5], |x| x.reshape([1, 1, 2, 1, 3]).max_pool3d([1, 1, 3], [1, 1, 3], 0)),
        ("adaptive_max_pool1d", &[0, 1, 4, 5], |x| x.reshape([1, 2, 3]).adaptive_max_pool1d(1)),
        ("interpolate", &[1, 3, 5], |x| x.reshape([1, 1, 6]).interpolate(&[3], Interpolation::Nearest)),
        ("interpolate by a line", &[1, 2, 3, 4], |x| {
            x.reshape([1, 1, 6]).interpolate(&[2], Interpolation::Linear { align_corners: true })
        }),
        ("pad_with", &[0, 5], |x| x.pad_with(&[(-1, -1)], PadMode::Edge)),
        ("index_select", &[0, 2, 3, 4, 5], |x| x.index_select(0, &picked(x))),
        ("gather", &[0, 2, 3, 4, 5], |x| x.gather(0, &picked(x))),
        ("embedding", &[0, 1, 4, 5], |x| x.reshape([3, 2]).embedding(&picked(x))),
        ("slice", &[0, 1, 5], |x| x.slice(0, 2..5)),
        ("triu", &[2, 4, 5], |x| x.reshape([3, 2]).triu(0)),
        ("tril", &[1], |x| x.reshape([3, 2]).tril(0)),
        ("diagonal", &[1, 2, 4, 5], |x| x.reshape([3, 2]).diagonal(0)),
        ("hinge", &[2, 3], |x| hinge(x, &x.full_like(1.0), 1.0, Reduction::None)),
        ("cross_entropy with an ignored row", &[3, 4, 5], |x| {
            CrossEntropy::new().ignore(-1).reduction(Reduction::None).of(&x.reshape([2, 3]), &x.device().tensor(&[1i32, -1], 2))
        }),
        ("lerp to its end", &[0, 1, 2, 3, 4, 5], |x| x.lerp_scalar(&x.detach(), 1.0)),
        ("norm 0", &[0, 1, 2, 3, 4, 5], |x| x.norm(0.0, &[])),
        ("relu6", &[4], |x| x.relu6()),
        ("prelu without a slope", &[4], |x| x.prelu(&x.full_like(0.0).slice(0, ..1))),
        ("selu, its clamp", &[2, 3], |x| x.clamp(-1.0, 1.0).selu()),
        ("norm −∞", &[0, 2, 3, 4, 5], |x| x.norm(f64::NEG_INFINITY, &[])),
        ("norm ∞", &[0, 1, 2, 4, 5], |x| x.norm(f64::INFINITY, &[])),
    ]
}

#[test]
fn other_ops_that_leave_elements_out_pass_them_no_gradient() {
    for device in common::devices("elements left out") {
        let (mut wrong, mut checked) = (vec![], 0);
        for (what, dead, f) in others() {
            let x = device.parameter(&[0.5, 0.25, 2.0, 4.0, -0.5, 0.75], 6);
            checked += check(what, &device, &x, &f(&x), &|i| dead.contains(&i), &mut wrong);
        }
        // What dropout drops is known from its output alone.
        let x = device.parameter(&[1.0; 64], 64);
        let dropped = x.dropout(0.5, 3, 0);
        let zeros: Vec<bool> = dropped.to_vec::<f32>().unwrap().into_iter().map(|y| y == 0.0).collect();
        assert!(zeros.contains(&true) && zeros.contains(&false));
        checked += check("dropout", &device, &x, &dropped, &|i| zeros[i], &mut wrong);
        println!("{device}: {checked} slopes");
        assert!(wrong.is_empty(), "{} of {checked} wrong:\n{}", wrong.len(), wrong.join("\n"));
    }
}

/// An infinite element that is dropped is 0 like every other.
#[test]
fn dropout_drops_infinities() {
    for device in common::devices("dropped infinities") {
        let x = device.tensor(&[f32::INFINITY; 64], 64).dropout(0.5, 3, 0).to_vec::<f32>().unwrap();
        assert!(x.iter().all(|x| *x == 0.0 || *x == f32::INFINITY) && x.contains(&0.0), "{device}: {x:?}");
    }
}

/// Targets of 0 and 1 leave one logarithm out, also one that is infinite: the losses of predictions that are certain and right are 0.
#[test]
fn a_factor_of_zero_before_an_infinity_counts_nothing() {
    for device in common::devices("factors of zero") {
        let inf = f32::INFINITY;
        let target = device.tensor(&[1.0, 0.0, 0.5, 1.0], 4);
        // log 1, log 0 twice beside targets of 0, and what a target of ½ has.
        let x = device.parameter(&[0.0, -inf, -1.0, -2.0], 4);
        let loss = kl_div(&x, &target, Reduction::None);
        let gradient = loss.backward_with(&device.ones([4])).wrt(&x).unwrap();
        let close = |found: Tensor, expected: [f32; 4]| {
            let found = found.to_vec::<f32>().unwrap();
            assert!(found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-6), "{device}: {found:?}");
        };
        close(loss, [0.0, 0.0, 0.5 * (0.5f32.ln() + 1.0), 2.0]);
        close(gradient, [-1.0, 0.0, -0.5, -1.0]);
        let w = device.parameter(&[1.0, 0.0, 0.5, 1.0], 4);
        let by_target = kl_div(&x, &w, Reduction::Sum).backward().wrt(&w).unwrap().to_vec::<f32>().unwrap();
        assert!(by_target.iter().all(|g| g.is_finite()) && by_target[1] == 0.0, "{device}: {by_target:?}");

        let logits = device.parameter(&[inf, -inf, 0.0, 1e30], 4);
        let loss = bce_with_logits(&logits, &target, None, Reduction::None);
        let gradient = loss.backward_with(&device.ones([4])).wrt(&logits).unwrap();
        close(loss, [0.0, 0.0, 2f32.ln(), 0.0]);
        close(gradient, [0.0, 0.0, 0.0, 0.0]);
    }
}

/// One step with a unit that is off: its weight stays a number, and so does the network.
#[test]
fn a_unit_that_is_off_does_not_poison_a_network() {
    for device in common::devices("a unit that is off") {
        let w = device.parameter(&[-1.0, 2.0], [1, 2]);
        let v = device.parameter(&[0.5, 0.5], [2, 1]);
        let mut opt = Sgd::new([w.clone(), v.clone()], 0.1);
        let x = device.tensor(&[1.0, 0.5], [2, 1]);
        for _ in 0..3 {
            let loss = (x.matmul(&w).relu().sqrt().matmul(&v) - 1.0).square().mean(&[]);
            opt.step(loss.backward()).unwrap();
        }
        let found = [w.to_vec::<f32>().unwrap(), v.to_vec::<f32>().unwrap()].concat();
        assert!(found.iter().all(|x| x.is_finite()) && found[0] == -1.0 && found[1] != 2.0, "{device}: {found:?}");
    }
}

/// Slopes that are not 0 but where a neighbour in the formula is not finite: the other branch of a choice, a factor that overflows.
#[test]
fn a_branch_that_is_not_taken_does_not_overflow_into_the_gradient() {
    for device in common::devices("branches not taken") {
        let mut wrong = vec![];
        let mut hold = |what: &str, f: Function, points: &[f32], first: &[f64], second: &[f64]| {
            let x = device.parameter(points, points.len());
            for on_reference in [false, true] {
                let found = slopes(&device, &x, &f(&x).sum(&[]), on_reference);
                for (order, (found, expected)) in found.iter().zip([first, second]).enumerate() {
                    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
                        let e = if order == 1 { 1.5 * e } else { *e };
                        let close = (f - e).abs() <= 1e-5 * (1.0 + e.abs());
                        if !close {
                            wrong.push(format!(
                                "{device} {on_reference}: {what} at {}, order {}: {f}, not {e}",
                                points[i],
                                order + 1
                            ));
                        }
                    }
                }
            }
        };
        let far = [-f32::INFINITY, -3e38, -1e15, -1e4, -120.0, 89.0, 1e4, 1e15, 3e38, f32::INFINITY];
        let step = [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0];
        for (what, f) in [
            ("elu", (|x| x.elu(1.5)) as Function),
            ("gelu", |x| x.gelu()),
            ("gelu_tanh", |x| x.gelu_tanh()),
            ("silu", |x| x.silu()),
            ("softplus", |x| x.softplus(1.0)),
            ("celu", |x| x.celu(1.5)),
            ("mish", |x| x.mish()),
            ("hard_swish", |x| x.hard_swish()),
            ("relu", |x| x.relu()),
            ("leaky_relu 0", |x| x.leaky_relu(0.0)),
        ] {
            hold(what, f, &far, &step, &[0.0; 10]);
        }
        // Of an infinite delta it is d² / 2, also at infinity.
        let both = [f32::NEG_INFINITY, -3.0, f32::INFINITY];
        for (what, f, first, second) in [
            ("huber 1", (|x| huber(x, &x.full_like(0.0), 1.0, Reduction::None)) as Function, [-1.0, -1.0, 1.0], [0.0; 3]),
            ("huber 1e30", |x| huber(x, &x.full_like(0.0), 1e30, Reduction::None), [-1e30, -3.0, 1e30], [0.0, 1.0, 0.0]),
        ] {
            hold(what, f, &both, &first, &second);
        }
        let squares = huber(&device.tensor(&both, 3), &device.zeros([3]), f64::INFINITY, Reduction::None);
        assert_eq!(squares.to_vec::<f32>().unwrap(), [f32::INFINITY, 4.5, f32::INFINITY], "{device}");
        for (what, f) in [
            ("tanh", (|x| x.tanh()) as Function),
            ("sigmoid", |x| x.sigmoid()),
            ("hard_sigmoid", |x| x.hard_sigmoid()),
            ("erf", |x| x.erf()),
            ("clamp", |x| x.clamp(-1.0, 1.0)),
            ("softsign", |x| x.softsign() * 1e-4),
            ("hard_tanh", |x| x.hard_tanh(-1.0, 1.0)),
            ("relu6", |x| x.relu6()),
        ] {
            hold(what, f, &far, &[0.0; 10], &[0.0; 10]);
        }
        assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    }
}
