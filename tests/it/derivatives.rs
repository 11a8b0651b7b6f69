//! Derivatives of first and second order by their public names: Jacobians, Hessians, the guard against severed graphs, `grad_check`, difference
//! quotients, and critical points.
#![allow(clippy::unwrap_used)]

use crate::common;
use steepest::critical::{Kind, Method, Options, Precision, Spectrum, examine, examine_with};
use steepest::error::OpError;
use steepest::graph::Missing;
use steepest::nn::{self, Module};
use steepest::optim::{Optimizer, Sgd};
use steepest::verify::{self, Verdict, derivative, grad_check, quotients};
use steepest::{Device, Error, Result, Tensor, no_grad};

fn op_error<T>(result: Result<T>) -> (&'static str, OpError) {
    match result.err().expect("an error") {
        Error::Op { op, error, .. } => (op, error),
        other => panic!("{other}"),
    }
}

fn gradient_error<T>(result: Result<T>) -> String {
    match op_error(result) {
        (_, OpError::Gradient(message)) => message,
        (op, other) => panic!("{op}: {other:?}"),
    }
}

#[test]
fn gradients_of_gradients_match_central_differences() {
    let report = verify::second_order(&common::filter());
    println!("{report}");
    println!("figures: cases={}", report.cases);
    assert!(report.failures.is_empty(), "{report}");
    assert!(report.cases > 0 || !common::filter().is_empty());
}

#[test]
fn jacobians_and_hessians_on_every_device() {
    for device in common::devices("derivatives") {
        let w = device.parameter(&[1.0, 2.0, 3.0], 3);
        let m = device.tensor(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3]);
        let linear = m.matmul(&w);
        assert_eq!(linear.jacobian(&w).unwrap().to_vec::<f32>().unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "{device}");
        let outer = w.outer(&w);
        let jacobian = outer.jacobian(&w).unwrap();
        assert_eq!(jacobian.shape().dims(), [3, 3, 3]);
        // ∂(w_i w_j)/∂w_k
        let found = jacobian.to_vec::<f32>().unwrap();
        for (n, value) in found.iter().enumerate() {
            let (i, j, k) = (n / 9, n / 3 % 3, n % 3);
            let expected = f32::from(u8::from(i == k)) * (j + 1) as f32 + f32::from(u8::from(j == k)) * (i + 1) as f32;
            assert_eq!(*value, expected);
        }
        // A Jacobian is differentiable again: the Hessian of a gradient's gradient.
        let cube = w.square().mul(&w).sum(&[]);
        let hessian = cube.hessian(&[&w]).unwrap();
        assert_eq!(hessian.to_vec::<f32>().unwrap(), [6.0, 0.0, 0.0, 0.0, 12.0, 0.0, 0.0, 0.0, 18.0]);
        let third = hessian.sum(&[]).backward().wrt(&w).unwrap();
        assert_eq!(third.to_vec::<f32>().unwrap(), [6.0; 3]);
        let v = device.tensor(&[1.0f32, -1.0, 2.0], 3);
        let product = cube.hessian_vector_product(&[&w], &[&v]).unwrap();
        assert_eq!(product[0].to_vec::<f32>().unwrap(), [6.0, -12.0, 36.0]);
        // Of a linear function there is nothing to differentiate twice.
        let zero = linear.sum(&[]).hessian_vector_product(&[&w], &[&v]).unwrap();
        assert_eq!(zero[0].to_vec::<f32>().unwrap(), [0.0; 3]);
        // A parameter it does not depend on has rows and columns of zeros.
        let other = device.parameter(&[5.0], 1);
        let hessian = cube.hessian(&[&w, &other]).unwrap().to_vec::<f32>().unwrap();
        assert_eq!(hessian.iter().filter(|x| **x != 0.0).count(), 3);
        // Of several parameters: the elements of one after those of the other. f = Σ a² b.
        let (a, b) = (device.parameter(&[2.0, 3.0], 2), device.parameter(&[5.0], 1));
        let hessian = (a.square() * &b).sum(&[]).hessian(&[&a, &b]).unwrap().to_vec::<f32>().unwrap();
        assert_eq!(hessian, [10.0, 0.0, 4.0, 0.0, 10.0, 6.0, 4.0, 6.0, 0.0], "{device}");
    }
}

#[test]
fn what_is_no_scalar_no_parameter_or_too_large_is_an_error() {
    let device = Device::cpu();
    let (w, x) = (device.parameter(&[1.0, 2.0], 2), device.tensor(&[1.0f32, 2.0], 2));
    let loss = w.square().sum(&[]);
    assert!(gradient_error(w.square().hessian(&[&w])).contains("not a scalar"));
    assert!(gradient_error(loss.hessian(&[&x])).contains("is none"));
    assert!(gradient_error(loss.hessian(&[&w.square()])).contains("is none"));
    assert!(gradient_error(loss.hessian(&[])).contains("no parameters"));
    assert!(gradient_error(loss.hessian(&[&w, &w])).contains("twice"));
    assert!(gradient_error(w.jacobian(&x)).contains("is none"));
    assert!(gradient_error(x.jacobian(&w)).contains("depends on no parameter"));
    assert!(matches!(op_error(loss.hessian_vector_product(&[&w], &[])), (_, OpError::Shape(_))));
    assert!(matches!(op_error(loss.hessian_vector_product(&[&w], &[&device.zeros(3)])), (_, OpError::Shape(_))));
    let wrong = w.matmul(&device.zeros([3, 3]));
    assert_eq!(op_error(wrong.sum(&[]).hessian(&[&w])).0, "matmul");
    let large = device.parameter(&vec![0.1; 2001], 2001);
    assert!(gradient_error(large.square().sum(&[]).hessian(&[&large])).contains("too many"));
    assert!(gradient_error(large.jacobian(&large)).contains("too many"));
    let options = Options { method: Method::Full, ..Options::default() };
    let error = examine_with(&large.square().sum(&[]), &[&large], options).unwrap_err();
    assert!(error.to_string().contains("Method::Lanczos"), "{error}");
    assert!(gradient_error(examine(&w.square(), &[&w])).contains("not a scalar"));
    assert!(gradient_error(examine(&loss, &[&x])).contains("is none"));
    let steep = (&w - 1.0).log().sum(&[]);
    assert!(examine(&steep, &[&w]).unwrap_err().to_string().contains("not finite"));
    let nothing = device.parameter(&[], 0);
    assert!(examine(&nothing.sum(&[]), &[&nothing]).unwrap_err().to_string().contains("no elements"));
    assert!(gradient_error(grad_check(|x| x[0].square(), std::slice::from_ref(&w))).contains("not a scalar"));
    assert!(gradient_error(grad_check(|x| x[0].sum(&[]), std::slice::from_ref(&x))).contains("is no parameter"));
    assert!(gradient_error(grad_check(|_| device.scalar(1.0), std::slice::from_ref(&w))).contains("depends on no parameter"));
    let point = examine(&loss, &[&w]).unwrap();
    assert!(point.leave(&[&w], 0.1).unwrap_err().to_string().contains("no eigenvalue is negative"));
}

/// Each way of cutting a graph, by the op that is to blame.
#[test]
fn a_severed_parameter_names_the_op_that_cut_it() {
    type Cut = fn(&Tensor) -> Tensor;
    let (asked, integers) = ("it was asked to", "its output is not a float");
    let cuts: [(&str, &str, Cut); 7] = [
        ("detach", asked, |v| v.detach()),
        ("gt", integers, |v| v.gt_scalar(0.0).to_f32()),
        ("argmax", integers, |v| v.argmax(0).to_f32()),
        ("f32_to_i32", integers, |v| v.to_i32().to_f32()),
        ("argsort", integers, |v| v.argsort(0, false).to_f32()),
        ("is_finite", integers, |v| v.is_finite().to_f32()),
        ("exp", "it was recorded in a no_grad block", |v| no_grad(|| v.exp())),
    ];
    for (name, why, cut) in cuts {
        let device = Device::cpu();
        let (w, v, unused) = (device.parameter(&[1.0], 1), device.parameter(&[2.0, 3.0], 2), device.parameter(&[0.5], 1));
        // Something before the cut and something after it: the op to blame lies in between.
        let loss = |v: &Tensor| (&w * cut(&(v * 2.0)).mean(&[])).square().sum(&[]);
        let gradients = loss(&v).backward();
        assert!(gradients.missing(&w).unwrap().is_none());
        assert!(matches!(gradients.missing(&unused).unwrap(), Some(Missing::Unused)));
        let Some(Missing::Disconnected(error)) = gradients.missing(&v).unwrap() else { panic!("{name}") };
        let text = error.to_string();
        assert!(text.starts_with(&format!("{name} at ")) && text.contains("derivatives.rs"), "{text}");
        assert!(text.contains(why), "{text}");
        assert!(matches!(op_error(gradients.wrt(&v)).1, OpError::Disconnected(_)));
        assert!(matches!(op_error(gradients.check([&w, &v])).1, OpError::Disconnected(_)));
        let unused_ones = gradients.check([&w, &unused]).unwrap();
        assert_eq!(unused_ones.iter().map(Tensor::id).collect::<Vec<_>>(), [unused.id()]);

        // An optimizer that owns it refuses to step, and changes nothing; one that does not own it steps.
        let mut both = Sgd::new([w.clone(), v.clone()], 0.1);
        assert_eq!(op_error(both.step(gradients)).0, name);
        assert_eq!(w.item().unwrap(), 1.0);
        both.step(loss(&v).backward().allow_severed()).unwrap();
        assert!(w.item().unwrap() != 1.0);
        Sgd::new([w.clone(), unused.clone()], 0.1).step(loss(&v).backward()).unwrap();

        // Nothing left at all: the message still says why.
        let (op, error) = op_error(cut(&v).sum(&[]).backward().wrt(&v));
        assert!(matches!(error, OpError::Disconnected(_)) && op == name, "{op} {error}");
    }
    // A second way round the cut is enough.
    let device = Device::cpu();
    let v = device.parameter(&[2.0], 1);
    let gradients = (v.detach() * &v).sum(&[]).backward();
    assert!(gradients.missing(&v).unwrap().is_none());
    assert_eq!(gradients.wrt(&v).unwrap().item().unwrap(), 2.0);
}

/// What is frozen is not cut off, however it was used: nothing was to flow to it.
#[test]
fn a_frozen_parameter_counts_as_unused() {
    let device = Device::cpu();
    let (w, frozen) = (device.parameter(&[2.0], 1), device.parameter(&[3.0], 1));
    frozen.set_frozen(true);
    assert!(frozen.is_frozen() && !w.is_frozen());
    for used in [frozen.exp(), frozen.detach(), &frozen * &w] {
        let gradients = (&w * used).sum(&[]).backward();
        assert!(matches!(gradients.missing(&frozen).unwrap(), Some(Missing::Unused)));
        assert_eq!(gradients.check([&w, &frozen]).unwrap().len(), 1);
    }
    frozen.set_frozen(false);
    assert!((&w * &frozen).sum(&[]).backward().missing(&frozen).unwrap().is_none());
    // Only parameters can be.
    let (computed, data) = (&w * 2.0, device.tensor(&[1.0f32], 1));
    for other in [&computed, &data] {
        other.set_frozen(true);
        assert!(!other.is_frozen());
    }
    assert!(computed.requires_grad());
}

/// A parameter whose gradient is kept anyway is there once, and the gradients by values on the way come in order.
#[test]
fn what_is_retained_is_there_once() {
    let device = Device::cpu();
    let w = device.parameter(&[3.0], 1);
    let hidden = w.square();
    let gradients = (&hidden * 5.0).sum(&[]).backward_retaining(&[&hidden, &w]);
    let all: Vec<f32> = gradients.iter().unwrap().map(|g| g.item().unwrap()).collect();
    assert_eq!(all, [30.0, 5.0]);
    assert_eq!(gradients.wrt(&w).unwrap().item().unwrap(), 30.0);
}

#[test]
fn grad_check_sees_wrong_gradients_and_skips_kinks() {
    for device in common::devices("grad_check") {
        let x = device.parameter(&[-1.5, -0.2, 0.0, 0.4, 2.0], 5);
        let y = device.parameter(&[0.3, -0.7], [2, 1]);
        let check = grad_check(|p| (p[0].relu() * p[1].tanh()).square().sum(&[]) + p[0].abs().mean(&[]), &[x.clone(), y.clone()])
            .unwrap();
        assert!(check.passed(), "{check}");
        let verdicts: Vec<Verdict> = check.entries.iter().map(|e| e.verdict).collect();
        assert_eq!(verdicts.iter().filter(|v| **v == Verdict::Kink).count(), 1, "{check}");
        assert_eq!((verdicts[2], verdicts.len()), (Verdict::Kink, 7));
        assert!(check.to_string().contains("kink, skipped") && check.to_string().contains("6 right, 0 wrong, 1 at kinks"));
        // A jump, too.
        let check = grad_check(|p| p[0].floor().mean(&[]) + p[0].sum(&[]), std::slice::from_ref(&x)).unwrap();
        assert_eq!(check.entries.iter().filter(|e| e.verdict == Verdict::Kink).count(), 2, "{check}");
        // A gradient that leaves something out, as a detached factor does.
        let check = grad_check(|p| (&p[0] * p[0].detach()).sum(&[]), std::slice::from_ref(&x)).unwrap();
        assert!(!check.passed() && check.to_string().contains("WRONG"), "{check}");
        let check = grad_check(|p| (&p[0] * 1e4).sin().sum(&[]), &[y]).unwrap();
        assert!(!check.entries.iter().any(|e| e.verdict == Verdict::Kink), "{check}");
        assert!(matches!(
            op_error(grad_check(|p| (p[0].detach() + &x).sum(&[]), &[device.parameter(&[1.0], 1)])).1,
            OpError::Disconnected(_)
        ));
    }
}

#[test]
fn a_layer_passes_grad_check() {
    let device = Device::cpu();
    let model = nn::mlp(&device, &[3, 5, 2], 1);
    let x = device.tensor(&[0.5f32, -1.0, 0.25, 1.5, 0.75, -0.5], [2, 3]);
    let labels = device.tensor(&[0u32, 1], 2);
    let check = grad_check(|_| model.forward(&x).cross_entropy(&labels), &model.parameters()).unwrap();
    assert!(check.passed(), "{check}");
}

#[test]
fn difference_quotients_fall_and_rise_again() {
    for (f, x, exact) in [
        (f64::exp as fn(f64) -> f64, 0.5, 0.5f64.exp()),
        (f64::sin, 2.0, 2f64.cos()),
        (|x| x * x * x, -3.0, 27.0),
        (f64::ln, 0.25, 4.0),
        (|_| 5.0, 1.0, 0.0),
    ] {
        assert!((derivative(f, x) - exact).abs() < 1e-10 * exact.abs().max(1.0), "{} {exact}", derivative(f, x));
    }
    assert!(derivative(f64::sqrt, -1.0).is_nan());
    let table = quotients(f64::exp, 1.0, None);
    let error = |q: f64| (q - 1f64.exp()).abs();
    let errors: Vec<f64> = table.rows.iter().map(|r| error(r.forward)).collect();
    assert!(errors[1] > 5.0 * errors[2] && errors[2] > 5.0 * errors[3] && errors[15] > 100.0 * errors[8]);
    assert!(error(table.rows[3].central) < 1e-3 * error(table.rows[3].forward));
    assert!(table.to_string().lines().count() == 18, "{table}");
}

/// Every kind of point, on the devices in f32 and on the reference in f64.
#[test]
fn critical_points_of_known_surfaces() {
    type Surface = fn(&Tensor, &Tensor) -> Tensor;
    let surfaces: [(&str, Surface, Kind, f64); 5] = [
        ("bowl", |x, y| x.square() + y.square() * 3.0 + x * y, Kind::Minimum, 1.0),
        ("hill", |x, y| -(x.square() + y.square()).exp(), Kind::Maximum, 0.0),
        ("saddle", |x, y| x.square() - y.square(), Kind::Saddle, 0.5),
        ("plain", |x, y| (x * 0.0) + (y.square().square()), Kind::Plateau, 0.0),
        ("trough", |x, y| (x + y).square(), Kind::Minimum, 0.5),
    ];
    for device in common::devices("critical points") {
        for precision in [Precision::Device, Precision::Reference] {
            for method in [Method::Full, Method::Lanczos] {
                for (name, f, kind, positive) in surfaces {
                    let (x, y) = (device.parameter(&[0.0], 1), device.parameter(&[0.0], 1));
                    let options = Options { precision, method, ..Options::default() };
                    let point = examine_with(&f(&x, &y).sum(&[]), &[&x, &y], options).unwrap();
                    assert_eq!((point.kind, point.is_critical), (kind, true), "{device} {name} {options:?}: {point}");
                    if method == Method::Full {
                        assert!((point.positive - positive).abs() < 1e-9, "{name}: {point}");
                    }
                    assert_eq!(point.escape.is_some(), matches!(kind, Kind::Maximum | Kind::Saddle));
                }
            }
        }
    }
}

#[test]
fn a_slope_is_no_critical_point_and_escape_goes_downhill() {
    let device = Device::cpu();
    let (x, y) = (device.parameter(&[0.1], 1), device.parameter(&[0.2], 1));
    let f = |x: &Tensor, y: &Tensor| (x.square() - y.square()).sum(&[]);
    let point = examine(&f(&x, &y), &[&x, &y]).unwrap();
    assert!(!point.is_critical && point.kind == Kind::Saddle && point.verdict().contains("not a critical point"), "{point}");
    // The gradient is (0.2, −0.4): downhill is toward larger y.
    let escape = point.escape.clone().unwrap();
    assert!((escape.curvature + 2.0).abs() < 1e-5 && (escape.direction[1] - 1.0).abs() < 1e-5, "{escape:?}");
    let before = f(&x, &y).item().unwrap();
    point.leave(&[&x, &y], 0.5).unwrap();
    assert!((y.item().unwrap() - 0.7).abs() < 1e-5 && f(&x, &y).item().unwrap() < before - 0.2);
    assert!(point.leave(&[&x], 0.5).is_err());
}

/// Above the limit of the full form, Lanczos finds the ends; below it, the same ends as the full form.
#[test]
fn lanczos_finds_the_ends_of_large_spectra() {
    let device = Device::cpu();
    let n = 2500;
    // ½ Σ λ_i w_i²: eigenvalues from −3 to 10, four fifths of them positive.
    let lambda: Vec<f32> =
        (0..n).map(|i| if i % 5 == 0 { -3.0 * (i + 1) as f32 / n as f32 } else { 10.0 * (i + 1) as f32 / n as f32 }).collect();
    let exact = |f: fn(f32, f32) -> f32| f64::from(lambda.iter().copied().reduce(f).unwrap());
    let w = device.parameter(&vec![0.0; n], n);
    let loss = (w.square() * device.tensor(&lambda, n)).sum(&[]) * 0.5;
    let point = examine(&loss, &[&w]).unwrap();
    assert!(matches!(point.spectrum, Spectrum::Ends { steps, .. } if steps <= 120), "{point}");
    assert!((point.spectrum.lowest() - exact(f32::min)).abs() < 0.02, "{point}");
    assert!((point.spectrum.highest() - exact(f32::max)).abs() < 0.02, "{point}");
    assert!(point.kind == Kind::Saddle && (point.positive - 0.8).abs() < 0.05, "{point}");
    let escape = point.escape.unwrap();
    let curvature: f64 = escape.direction.iter().zip(&lambda).map(|(d, l)| d * d * f64::from(*l)).sum();
    assert!((curvature - exact(f32::min)).abs() < 0.02);

    let model = nn::mlp(&device, &[4, 6, 3], 3);
    let x = device.tensor(&(0..40).map(|i| ((i * 37 % 23) as f32 - 11.0) / 8.0).collect::<Vec<_>>(), [10, 4]);
    let labels = device.tensor(&(0..10).map(|i| i % 3).collect::<Vec<u32>>(), 10);
    let parameters = model.parameters();
    let parameters: Vec<&Tensor> = parameters.iter().collect();
    let by = |method, precision| {
        let options = Options { method, precision, steps: 200, ..Options::default() };
        examine_with(&model.forward(&x).cross_entropy(&labels), &parameters, options).unwrap()
    };
    let (full, truth) = (by(Method::Full, Precision::Device), by(Method::Full, Precision::Reference));
    let ends = by(Method::Lanczos, Precision::Device);
    let scale = truth.spectrum.highest();
    for (a, b) in [(&full, &truth), (&ends, &truth)] {
        assert!((a.spectrum.lowest() - b.spectrum.lowest()).abs() < 1e-4 * scale, "{a}\n{b}");
        assert!((a.spectrum.highest() - b.spectrum.highest()).abs() < 1e-4 * scale, "{a}\n{b}");
    }
    assert_eq!(full.kind, truth.kind);
}
