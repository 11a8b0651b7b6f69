//! Linear algebra on every device: the identities that define each factorisation, within bounds that follow from rounding alone; gradients of first
//! and second order; what is refused; and host ops among other ops, in training, in CHECK mode and in anomaly mode.
#![allow(clippy::unwrap_used)]

use crate::common;
use steepest::error::OpError;
use steepest::graph::op::{Array, GradCtx, HostOp, Lowering, Op, Spec};
use steepest::graph::record;
use steepest::ops::case::Gen;
use steepest::optim::{Optimizer, Sgd};
use steepest::reference::{Overrides, evaluate};
use steepest::verify::{Depth, full, grad_check};
use steepest::{Anomaly, Device, Error, MatrixNorm, Tensor, Triangular};

type Call = fn(&Tensor) -> Tensor;

/// Half a unit in the last place of 1 in f32.
const U: f64 = 1.0 / (1u32 << 24) as f64;

/// A batch of matrices as the host sees them.
#[derive(Clone)]
struct Host {
    rows: usize,
    cols: usize,
    data: Vec<f64>,
}

fn host(x: &Tensor) -> Host {
    let shape = x.shape();
    let [.., rows, cols] = *shape.dims() else { panic!("{shape}") };
    Host { rows, cols, data: x.to_vec::<f32>().unwrap().into_iter().map(f64::from).collect() }
}

impl Host {
    fn each(&self) -> impl Iterator<Item = &[f64]> {
        self.data.chunks((self.rows * self.cols).max(1))
    }

    fn map(&self, f: impl Fn(f64) -> f64) -> Host {
        Host { data: self.data.iter().map(|x| f(*x)).collect(), ..*self }
    }

    fn t(&self) -> Host {
        let (m, n) = (self.rows, self.cols);
        let turned = self.each().flat_map(|a| (0..m * n).map(|k| a[k % m * n + k / m]).collect::<Vec<_>>());
        Host { rows: n, cols: m, data: turned.collect() }
    }

    fn times(&self, other: &Host) -> Host {
        let (m, k, n) = (self.rows, self.cols, other.cols);
        let batch = self.data.len().checked_div(m * k).unwrap_or(0);
        let mut data = vec![];
        for b in 0..batch {
            let (x, y) = (&self.data[b * m * k..], &other.data[b * k * n..]);
            data.extend((0..m * n).map(|e| (0..k).map(|p| x[e / n * k + p] * y[p * n + e % n]).sum::<f64>()));
        }
        Host { rows: m, cols: n, data }
    }

    fn identity(&self) -> Host {
        let (n, each) = (self.cols, self.cols * self.cols);
        let ones =
            (0..self.data.len() / (self.rows * self.cols).max(1) * each).map(|k| f64::from(u8::from(k % each / n == k % n)));
        Host { rows: n, cols: n, data: ones.collect() }
    }
}

/// The product is what it should be, with every factor rounded to f32 once: off by so many u times the product of absolute values, and f64's own
/// rounding, which `condition` may raise.
fn product(what: &str, factors: &[&Host], expected: &Host, condition: f64) {
    let absolute = factors.iter().map(|x| x.map(f64::abs)).reduce(|x, y| x.times(&y)).unwrap();
    let found = factors.iter().map(|x| (*x).clone()).reduce(|x, y| x.times(&y)).unwrap();
    assert_eq!(found.data.len(), expected.data.len(), "{what}");
    let scale = absolute.data.iter().fold(1.0, |most: f64, x| most.max(*x));
    for (i, ((x, y), size)) in found.data.iter().zip(&expected.data).zip(&absolute.data).enumerate() {
        let bound = (factors.len() + 1) as f64 * U * size + 1e-14 * condition * scale;
        assert!((x - y).abs() <= bound, "{what}: element {i}: {x} and {y}, bound {bound:e}");
    }
}

fn matrix(device: &Device, g: &mut Gen, dims: &[usize]) -> Tensor {
    let data: Vec<f32> = g.floats(dims, -1.0, 1.0).array.data.iter().map(|x| *x as f32).collect();
    device.parameter(&data, dims)
}

/// Symmetric and positive definite: B Bᵀ + 1, rounded to f32 on the host.
fn definite(device: &Device, g: &mut Gen, batch: usize, n: usize) -> Tensor {
    let b = g.floats(&[batch, n, n], -1.0, 1.0).array.data;
    let each = b.chunks((n * n).max(1)).flat_map(|b| {
        (0..n * n).map(|k| {
            let (i, j) = (k / n, k % n);
            let sum: f64 = (0..n).map(|p| b[i * n + p] * b[j * n + p]).sum();
            (sum + if i == j { 1.0 } else { 0.0 }) as f32
        })
    });
    device.parameter(&each.collect::<Vec<_>>(), [batch, n, n])
}

fn close(what: &str, found: &[f32], expected: &[f64], relative: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (x, y) in found.iter().zip(expected) {
        assert!((f64::from(*x) - y).abs() <= relative * y.abs().max(1e-30), "{what}: {x} and {y}");
    }
}

fn sizes(device: &Device) -> Vec<usize> {
    // On a GPU every shape is another kernel to compile; the values themselves are computed by the same function.
    if device.is_gpu() { vec![0, 1, 2, 5, 33] } else { (0..=33).chain([64]).collect() }
}

#[test]
fn inverses_and_determinants() {
    for device in common::devices("inverses") {
        let mut g = Gen::new(1);
        for n in sizes(&device) {
            let a = matrix(&device, &mut g, &[2, n, n]);
            let (one, what) = (host(&a).identity(), format!("{device}, n {n}"));
            let inverse = a.inverse();
            let condition = if n == 0 { 1.0 } else { f64::from(a.cond().to_vec::<f32>().unwrap()[0].max(1.0)) * n as f64 };
            product(&what, &[&host(&a), &host(&inverse)], &one, condition);
            product(&what, &[&host(&inverse), &host(&a)], &one, condition);
            let b = matrix(&device, &mut g, &[2, n, 3]);
            product(&what, &[&host(&a), &host(&a.solve(&b))], &host(&b), condition);
            let (sign, log) = a.slogdet();
            let (sign, log) = (sign.to_vec::<f32>().unwrap(), log.to_vec::<f32>().unwrap());
            let det: Vec<f64> = sign.iter().zip(&log).map(|(s, l)| f64::from(*s) * f64::from(*l).exp()).collect();
            close(&what, &a.det().to_vec::<f32>().unwrap(), &det, 1e-5);
            // det(A) det(A⁻¹) = 1
            let both = a.det().mul(&inverse.det()).to_vec::<f32>().unwrap();
            close(&what, &both, &[1.0; 2], 1e-4 * condition.max(1.0));
            let s = definite(&device, &mut g, 2, n);
            let product_of_values: Vec<f64> =
                s.eigvalsh().log().sum(&[-1]).to_vec::<f32>().unwrap().into_iter().map(f64::from).collect();
            let logs: Vec<f32> = s.slogdet().1.to_vec().unwrap();
            logs.iter()
                .zip(product_of_values)
                .for_each(|(x, y)| assert!((f64::from(*x) - y).abs() < 1e-4 * (1.0 + y.abs()), "{what}"));
        }
    }
}

#[test]
fn factorisations_multiply_to_their_matrix() {
    for device in common::devices("factorisations") {
        let mut g = Gen::new(2);
        for n in sizes(&device) {
            let what = format!("{device}, n {n}");
            let s = definite(&device, &mut g, 2, n);
            let l = host(&s.cholesky(false));
            product(&what, &[&l, &l.t()], &host(&s), 1.0);
            let u = host(&s.cholesky(true));
            product(&what, &[&u.t(), &u], &host(&s), 1.0);
            let b = matrix(&device, &mut g, &[2, n, 2]);
            for upper in [false, true] {
                // The factor is rounded, and so is what is found halfway: as if A were off by a rounding or two.
                let x = host(&s.cholesky(upper).cholesky_solve(&b, upper));
                product(&what, &[&host(&s), &x], &host(&b), 3e7 * n as f64);
            }
            let (log, sign_and_log) = (s.logdet(), s.slogdet().1);
            assert_eq!(log.to_vec::<f32>().unwrap(), sign_and_log.to_vec::<f32>().unwrap(), "{what}");
            let (values, vectors) = s.eigh();
            let (v, lambda) = (host(&vectors), host(&values.unsqueeze(-2).mul(&vectors.full_like(1.0)).triu(0).tril(0)));
            product(&what, &[&v, &lambda, &v.t()], &host(&s), 1.0);
            product(&what, &[&v.t(), &v], &v.identity(), 1.0);
            let sorted = values.to_vec::<f32>().unwrap();
            assert!(sorted.chunks(n.max(1)).all(|row| row.is_sorted()), "{what}");
            for m in [n, n + 3, n.div_ceil(2)] {
                let a = matrix(&device, &mut g, &[2, m, n]);
                let (q, r) = a.qr();
                let (q, r) = (host(&q), host(&r));
                // For a wide matrix what lies beyond the square part of R is a product on the device.
                product(&what, &[&q, &r], &host(&a), if m < n { 1e7 * U * 20.0 } else { 1.0 });
                product(&what, &[&q.t(), &q], &q.identity(), 1.0);
                assert!(
                    (0..r.rows).all(|i| (0..i).all(|j| r.data[i * r.cols + j] == 0.0) && r.data[i * r.cols + i] >= 0.0),
                    "{what}"
                );
                let (u, s, vh) = a.svd();
                let (u, vh) = (host(&u), host(&vh));
                let k = m.min(n);
                let s = s.unsqueeze(-2).mul(&device.ones([2, k, k])).triu(0).tril(0);
                product(&what, &[&u, &host(&s), &vh], &host(&a), 1.0);
                product(&what, &[&u.t(), &u], &u.identity(), 1.0);
                product(&what, &[&vh, &vh.t()], &vh.t().identity(), 1.0);
                // A A⁺ A = A
                let x = host(&a.pinverse(None));
                let condition = if k == 0 { 1.0 } else { f64::from(a.cond().max(&[]).item().unwrap()) };
                product(&what, &[&host(&a), &x, &host(&a)], &host(&a), condition * n as f64);
            }
        }
    }
}

#[test]
fn ill_conditioned_matrices_are_solved_as_exactly_as_f32_can_say() {
    for device in common::devices("Hilbert matrices") {
        for n in 2..=12 {
            let cells: Vec<f32> = (0..n * n).map(|k| 1.0 / (k / n + k % n + 1) as f32).collect();
            let a = device.tensor(&cells, [n, n]);
            let condition = f64::from(a.cond().item().unwrap());
            assert!(n < 5 || condition > 1e5, "{condition}");
            let b = device.tensor(&(0..n).map(|i| (i % 3) as f32 - 1.0).collect::<Vec<_>>(), n);
            for x in [a.solve(&b), a.inverse().flatten(), a.solve(&a.inverse()).flatten()] {
                // By elimination in f64, whose own error is cond · 1e-16.
                let exact = evaluate(&[&x], &Overrides::new()).unwrap().remove(0).data;
                let largest = exact.iter().fold(0.0f64, |most, x| most.max(x.abs()));
                // The inverse that the last one solves for is rounded first.
                let slack = if x.node().op_name() == "solve" { 3e-15 } else { 4.0 * U };
                for (found, exact) in x.to_vec::<f32>().unwrap().iter().zip(&exact) {
                    let bound = U * exact.abs() + slack * condition * largest;
                    assert!((f64::from(*found) - exact).abs() <= bound, "{device}, n {n}: {found} and {exact}");
                }
            }
            // The smallest singular value, far below f32's precision next to the largest, has its digits.
            let s = a.svdvals();
            let exact = evaluate(&[&s], &Overrides::new()).unwrap().remove(0).data;
            for (found, exact) in s.to_vec::<f32>().unwrap().iter().zip(&exact) {
                assert!((f64::from(*found) - exact).abs() <= 1e-7 * exact + 1e-14, "{device}, n {n}: {found} and {exact}");
            }
        }
    }
}

#[test]
fn triangular_systems_read_one_triangle() {
    for device in common::devices("triangular systems") {
        let mut g = Gen::new(4);
        let a = matrix(&device, &mut g, &[2, 4, 4]).add(&device.eye(4).mul_scalar(3.0));
        let b = matrix(&device, &mut g, &[2, 4, 2]);
        for (upper, transpose, unit_diagonal) in
            [(false, false, false), (true, false, false), (false, true, false), (true, true, true), (false, false, true)]
        {
            let x = a.triangular_solve(&b, Triangular { upper, transpose, unit_diagonal });
            let mut t = if upper { a.triu(isize::from(unit_diagonal)) } else { a.tril(-isize::from(unit_diagonal)) };
            if unit_diagonal {
                t = t.add(&device.eye(4));
            }
            let t = if transpose { t.t() } else { t };
            product("triangular", &[&host(&t), &host(&x)], &host(&b), 100.0);
        }
        // One matrix and a batch of right-hand sides.
        let (one, many) = (a.slice(0, ..1).squeeze(&[0]), matrix(&device, &mut g, &[2, 3, 4, 2]));
        let x = one.solve(&many);
        let each = host(&one.expand([2, 3, 4, 4]));
        product("one matrix", &[&each, &host(&x)], &host(&many), 100.0);
        let x = one.triangular_solve(&many, Triangular { upper: true, ..Default::default() });
        product("one triangle", &[&host(&one.triu(0).expand([2, 3, 4, 4])), &host(&x)], &host(&many), 100.0);
        // A NaN outside of the triangle is refused as well: the whole matrix must be finite.
        let vectors = b.slice(-1, ..1).squeeze(&[-1]);
        let x = a.triangular_solve(&vectors, Triangular::default());
        assert_eq!(x.shape().dims(), [2, 4]);
        assert_eq!(a.solve(&vectors).shape().dims(), [2, 4]);
        assert_eq!(a.solve(&b.slice(0, ..1).squeeze(&[0]).slice(-1, ..1).squeeze(&[1])).shape().dims(), [2, 4]);
    }
}

#[test]
fn functions_made_of_factorisations() {
    for device in common::devices("functions of matrices") {
        // Rank 1, 2 and 0.
        let cells = [1.0, 2.0, 2.0, 4.0, 1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 0.0, 0.0];
        let a = device.tensor(&cells, [3, 2, 2]);
        assert_eq!(a.matrix_rank(None).to_vec::<u32>().unwrap(), [1, 2, 0], "{device}");
        assert_eq!(a.matrix_rank(Some(0.5)).to_vec::<u32>().unwrap(), [1, 1, 0], "{device}");
        let cond = a.cond().to_vec::<f32>().unwrap();
        assert!(cond[0] > 1e7 && (cond[1] - 14.933034).abs() < 1e-4 && cond[2].is_nan(), "{cond:?}");
        let norm = |norm| a.matrix_norm(norm).to_vec::<f32>().unwrap();
        close("nuclear", &norm(MatrixNorm::Nuclear), &[5.0, 34f64.sqrt(), 0.0], 1e-6);
        close("spectral", &norm(MatrixNorm::Spectral)[..2], &[5.0, 5.464985704219043], 1e-6);
        close("Frobenius", &norm(MatrixNorm::Frobenius), &[5.0, 30f64.sqrt(), 0.0], 1e-6);
        assert_eq!(norm(MatrixNorm::Columns), [6.0, 6.0, 0.0]);
        assert_eq!(norm(MatrixNorm::Rows), [6.0, 7.0, 0.0]);
        let b = a.slice(0, 1..2).squeeze(&[0]);
        assert!(b.logdet().item().unwrap().is_nan(), "det is −2");
        assert_eq!(device.zeros([2, 2]).logdet().item().unwrap(), f32::NEG_INFINITY);
        assert_eq!(b.matrix_power(0).to_vec::<f32>().unwrap(), [1.0, 0.0, 0.0, 1.0]);
        assert_eq!(b.matrix_power(1).to_vec::<f32>().unwrap(), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(b.matrix_power(5).to_vec::<f32>().unwrap(), [1069.0, 1558.0, 2337.0, 3406.0]);
        close("power −2", &b.matrix_power(-2).to_vec::<f32>().unwrap(), &[5.5, -2.5, -3.75, 1.75], 1e-6);
        let turn = device.tensor(&[0.0, -1.0, 1.0, 0.0], [2, 2]).mul_scalar(std::f64::consts::FRAC_PI_3);
        close("a turn", &turn.matrix_exp().to_vec::<f32>().unwrap(), &[0.5, -0.75f64.sqrt(), 0.75f64.sqrt(), 0.5], 1e-6);
        let e = b.matrix_exp().matmul(&b.neg().matrix_exp()).to_vec::<f32>().unwrap();
        assert!(e.iter().zip([1.0, 0.0, 0.0, 1.0]).all(|(x, y)| (x - y).abs() < 1e-2), "{e:?}");
        // Of fewer equations than unknowns the shortest solution.
        let wide = device.tensor(&[1.0, 1.0], [1, 2]);
        close("shortest", &wide.lstsq(&device.tensor(&[2.0], 1), None).to_vec::<f32>().unwrap(), &[1.0, 1.0], 1e-6);
        let residual = |x: &Tensor, rhs: &Tensor| a.t().matmul(&a.matmul(x).sub(rhs)).abs().max(&[]).item().unwrap();
        let rhs = device.tensor(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [3, 2, 1]);
        assert!(residual(&a.lstsq(&rhs, None), &rhs) < 1e-4);
        assert_eq!(device.zeros([0, 0]).det().item().unwrap(), 1.0);
        assert_eq!(device.zeros([3, 0, 0]).eigvalsh().shape().dims(), [3, 0]);
        assert_eq!(device.zeros([0, 4]).svdvals().to_vec::<f32>().unwrap().len(), 0);
        let (q, r) = device.zeros([4, 0]).qr();
        assert_eq!((q.to_vec::<f32>().unwrap().len(), r.to_vec::<f32>().unwrap().len()), (0, 0));
    }
}

type Function = fn(&[Tensor]) -> Tensor;

/// Scalar functions of a 3 × 3 matrix and a 3 × 2 one, whose gradients go through every rule.
fn functions() -> Vec<(&'static str, Function)> {
    fn on_diagonal(x: &Tensor, value: f64) -> Tensor {
        x.full_like(value).triu(0).tril(0)
    }
    fn weighed(x: &Tensor) -> Tensor {
        // Every element counts differently, and not linearly.
        let n = x.shape().numel();
        let weights: Vec<f32> = (0..n).map(|i| ((i * 7 + 3) % 11) as f32 / 11.0 - 0.4).collect();
        let x = x.flatten();
        x.mul(&x.device().tensor(&weights, n)).add(&x.square().mul_scalar(0.1)).sum(&[])
    }
    vec![
        ("det", |x| x[0].det().square()),
        ("slogdet", |x| x[0].slogdet().1.square()),
        ("logdet", |x| x[0].matmul(&x[0]).logdet()),
        ("inverse", |x| weighed(&x[0].inverse())),
        ("solve", |x| weighed(&x[0].solve(&x[1]))),
        ("solve of a vector", |x| weighed(&x[0].solve(&x[1].slice(1, ..1).squeeze(&[1])))),
        ("triangular", |x| {
            weighed(&x[0].triangular_solve(&x[1], Triangular { upper: true, transpose: true, ..Default::default() }))
        }),
        ("cholesky", |x| weighed(&x[0].matmul(&x[0].t()).add(&on_diagonal(&x[0], 2.0)).cholesky(false))),
        ("upper cholesky", |x| weighed(&x[0].matmul(&x[0].t()).add(&on_diagonal(&x[0], 2.0)).cholesky(true))),
        ("qr, tall", |x| {
            let (q, r) = x[1].qr();
            weighed(&q).add(&weighed(&r))
        }),
        ("qr, wide", |x| {
            let (q, r) = x[1].t().qr();
            weighed(&q).add(&weighed(&r))
        }),
        ("eigh", |x| {
            let (values, vectors) = x[0].eigh();
            weighed(&values).add(&weighed(&vectors))
        }),
        ("svd, square", |x| {
            let (u, s, vh) = x[0].svd();
            weighed(&u).add(&weighed(&s)).add(&weighed(&vh))
        }),
        ("svd, tall", |x| {
            let (u, s, vh) = x[1].svd();
            weighed(&u).add(&weighed(&s)).add(&weighed(&vh))
        }),
        ("svd, wide", |x| {
            let (u, s, vh) = x[1].t().svd();
            weighed(&u).add(&weighed(&s)).add(&weighed(&vh))
        }),
        ("pinverse", |x| weighed(&x[1].pinverse(None))),
        ("lstsq", |x| weighed(&x[1].lstsq(&x[0], None))),
        ("nuclear norm", |x| x[1].matrix_norm(MatrixNorm::Nuclear)),
        ("spectral norm", |x| x[1].matrix_norm(MatrixNorm::Spectral).square()),
        ("cond", |x| x[1].cond()),
        ("matrix_power", |x| weighed(&x[0].matrix_power(-3).add(&x[0].matrix_power(3)))),
        ("matrix_exp", |x| weighed(&x[0].mul_scalar(0.3).matrix_exp())),
    ]
}

fn point(device: &Device) -> [Tensor; 2] {
    let a = device.parameter(&[2.0, 0.5, -0.3, 0.1, -1.5, 0.7, 0.4, -0.6, 1.1], [3, 3]);
    [a, device.parameter(&[1.0, -0.5, 0.3, 0.9, -0.8, 0.2], [3, 2])]
}

#[test]
fn gradients_and_their_gradients_by_central_differences() {
    let device = Device::cpu();
    for (name, f) in functions() {
        let check = grad_check(f, &point(&device)).unwrap();
        assert!(check.passed(), "{name}:\n{check}");
        let second = grad_check(
            |x| {
                let gradients = f(x).backward();
                x.iter().filter_map(|x| gradients.get(x).unwrap().map(|g| g.square().sum(&[]))).reduce(|a, b| a.add(&b)).unwrap()
            },
            &point(&device),
        );
        let second = second.unwrap();
        assert!(second.passed(), "{name}, second order:\n{second}");
    }
}

#[test]
fn gradients_on_devices_are_those_of_the_reference() {
    for device in common::devices("gradients of linear algebra") {
        for (name, f) in functions() {
            let x = point(&device);
            let gradients = f(&x).backward();
            for input in &x {
                let Some(gradient) = gradients.get(input).unwrap() else { continue };
                let exact = evaluate(&[gradient], &Overrides::new()).unwrap().remove(0).data;
                let found = gradient.to_vec::<f32>().unwrap();
                let largest = exact.iter().fold(1e-3f64, |most, x| most.max(x.abs()));
                for (found, exact) in found.iter().zip(&exact) {
                    assert!((f64::from(*found) - exact).abs() < 3e-5 * largest, "{device}: {name}: {found} and {exact}");
                }
            }
        }
    }
}

#[test]
fn where_values_coincide_only_vectors_have_no_gradient() {
    for device in common::devices("values that coincide") {
        let a = device.parameter(&[2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 5.0], [3, 3]);
        // Σ λ² is the square of the Frobenius norm, and so is Σ σ².
        for loss in [a.eigvalsh().square().sum(&[]), a.svdvals().square().sum(&[])] {
            let found = loss.backward().wrt(&a).unwrap().to_vec::<f32>().unwrap();
            let expected = [4.0, 0.0, 0.0, 0.0, 4.0, 0.0, 0.0, 0.0, 10.0];
            assert!(found.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-5), "{device}: {found:?}");
        }
        let (_, vectors) = a.eigh();
        let weights = device.tensor(&[0.3, -0.2, 0.5, 0.7, 0.1, -0.4, 0.9, 0.6, -0.8], [3, 3]);
        let found = vectors.mul(&weights).sum(&[]).backward().wrt(&a).unwrap().to_vec::<f32>().unwrap();
        assert!(found.iter().any(|x| !x.is_finite()), "{device}: {found:?}");
    }
}

fn fault(error: Error) -> (&'static str, OpError) {
    match error {
        Error::Op { op, error, at } => {
            assert!(at.file().ends_with("linalg.rs"), "{at}");
            (op, error)
        }
        other => panic!("{other}"),
    }
}

#[test]
fn what_cannot_be_is_refused_when_it_is_recorded() {
    let device = Device::cpu();
    let (square, wide, vector) = (device.zeros([2, 3, 3]), device.zeros([2, 3, 4]), device.zeros(3));
    let whole = device.tensor(&[1u32; 9], [3, 3]);
    let calls: Vec<(&str, Call)> = vec![
        ("det", |x| x.det()),
        ("slogdet", |x| x.slogdet().1),
        ("logdet", |x| x.logdet()),
        ("inverse", |x| x.inverse()),
        ("cholesky", |x| x.cholesky(true)),
        ("cholesky_solve", |x| x.cholesky_solve(&x.device().zeros([3, 2]), true)),
        ("eigh", |x| x.eigvalsh()),
        ("matrix_exp", |x| x.matrix_exp()),
        ("matrix_power", |x| x.matrix_power(2)),
        ("solve", |x| x.solve(&x.device().zeros([3, 2]))),
        ("triangular_solve", |x| x.triangular_solve(&x.device().zeros([3, 2]), Triangular::default())),
    ];
    for (name, call) in &calls {
        for input in [&wide, &vector] {
            let (op, error) = fault(call(input).check().unwrap_err());
            assert!(op == *name && matches!(error, OpError::Shape(_)), "{name}: {op}: {error}");
        }
        if *name != "matrix_power" {
            let (op, error) = fault(call(&whole).check().unwrap_err());
            assert!(op == *name && matches!(error, OpError::DType(_)), "{name}: {op}: {error}");
        }
    }
    for (name, call) in [
        ("qr", (|x: &Tensor| x.qr().1) as fn(&Tensor) -> Tensor),
        ("svd", |x| x.svd().2),
        ("pinverse", |x| x.pinverse(None)),
        ("matrix_rank", |x| x.matrix_rank(None)),
        ("cond", |x| x.cond()),
        ("matrix_norm", |x| x.matrix_norm(MatrixNorm::Nuclear)),
    ] {
        let (op, error) = fault(call(&vector).check().unwrap_err());
        assert!(op == name && matches!(error, OpError::Shape(_)), "{name}: {op}: {error}");
        let (op, error) = fault(call(&whole).check().unwrap_err());
        assert!(op == name && matches!(error, OpError::DType(_)), "{name}: {op}: {error}");
    }
    for b in [device.zeros([4, 2]), device.zeros(4), device.zeros([5, 3, 2])] {
        let (op, error) = fault(square.solve(&b).check().unwrap_err());
        assert!(op == "solve" && matches!(error, OpError::Shape(_)), "{error}");
    }
    assert!(matches!(fault(wide.lstsq(&device.zeros([4, 2]), None).check().unwrap_err()), ("lstsq", OpError::Shape(_))));
    for rtol in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(fault(wide.pinverse(Some(rtol)).check().unwrap_err()), ("pinverse", OpError::Value(_))));
        assert!(matches!(fault(wide.matrix_rank(Some(rtol)).check().unwrap_err()), ("matrix_rank", OpError::Value(_))));
        assert!(matches!(
            fault(wide.lstsq(&device.zeros([3, 2]), Some(rtol)).check().unwrap_err()),
            ("lstsq", OpError::Value(_))
        ));
    }
    // An error of an input stays that input's.
    let wrong = device.zeros([2, 3]).matmul(&device.zeros([2, 3]));
    assert_eq!(fault(wrong.inverse().check().unwrap_err()).0, "matmul");
}

#[test]
fn what_the_numbers_are_wrong_for_is_an_error_at_the_run_point_that_names_the_matrix() {
    for device in common::devices("matrices without an inverse") {
        let second = |cells: [f32; 4]| device.parameter(&[[3.0, 1.0, 1.0, 2.0], cells].concat(), [2, 2, 2]);
        let refused = |made: &Tensor, name: &str, what: &str| match fault(made.to_vec::<f32>().unwrap_err()) {
            (op, OpError::Matrix { index: 1, found, .. }) => {
                assert!(op == name && found.contains(what), "{device}: {op} {found}")
            }
            (op, other) => panic!("{device}: {name}: {op}: {other}"),
        };
        let (b, tiny) = (device.ones([2, 1]), 2f32.powi(-100));
        for cells in [
            [0.0; 4],
            [1.0, 2.0, 2.0, 4.0],
            [0.1, 0.2, 0.3, 0.6],
            [1e20, 1e-20, 1e20, 1e-20],
            [tiny, 3.0 * tiny, 1.0 / tiny, 3.0 / tiny],
        ] {
            let a = second(cells);
            refused(&a.inverse(), "inverse", "singular");
            refused(&a.solve(&b), "solve", "singular");
            refused(&a.inverse().add_scalar(1.0).matmul(&b), "inverse", "singular");
            // The determinant of such a matrix is 0 and has a gradient.
            assert!(a.det().to_vec::<f32>().unwrap()[1].abs() < 1e-6 * 1e30);
            a.det().sum(&[]).backward().wrt(&a).unwrap().to_vec::<f32>().unwrap();
            let (sign, log) = a.slogdet();
            assert_eq!(
                (sign.to_vec::<f32>().unwrap()[1], log.to_vec::<f32>().unwrap()[1]),
                (0.0, f32::NEG_INFINITY),
                "{device} {cells:?}"
            );
            refused(&log.sum(&[]).backward().wrt(&a).unwrap().clone(), "inverse", "singular");
        }
        // Badly scaled is not singular.
        for cells in [[1.0, 0.0, 0.0, 1e-20], [1.0, 1.0, 1e-20, 2e-20], [1e-20, 1e20, 0.0, 1e-20], [1e-30; 4]] {
            let singular = cells == [1e-30; 4];
            assert_eq!(second(cells).inverse().run().is_err(), singular, "{device}: {cells:?}");
        }
        for cells in [[0.0; 4], [1.0, 2.0, 2.0, 1.0], [-1.0, 0.0, 0.0, 1.0]] {
            refused(&second(cells).cholesky(false), "cholesky", "not positive definite");
        }
        refused(
            &second([1.0, 5.0, 5.0, 0.0]).triangular_solve(&b, Triangular::default()),
            "triangular_solve",
            "0 on its diagonal",
        );
        let (_, r) = second([0.0; 4]).qr();
        assert_eq!(r.to_vec::<f32>().unwrap()[4..], [0.0; 4], "a factorisation that exists");
        refused(&second([300.0, 0.0, 0.0, 3000.0]).matrix_exp(), "matrix_exp", "beyond all range");
        let calls: [(&str, Call); 9] = [
            ("det", |x| x.det()),
            ("slogdet", |x| x.slogdet().0),
            ("inverse", |x| x.inverse()),
            ("solve", |x| x.solve(&x.full_like(1.0))),
            ("cholesky", |x| x.cholesky(false)),
            ("qr", |x| x.qr().0),
            ("eigh", |x| x.eigvalsh()),
            ("svd", |x| x.cond()),
            ("matrix_exp", |x| x.matrix_exp()),
        ];
        for (name, call) in calls {
            for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                refused(&call(&second([2.0, wrong, 0.0, 1.0])), name, "not finite");
            }
        }
        // A right-hand side may hold anything.
        let b = device.tensor(&[1.0, f32::NAN, 1.0, 1.0], [2, 2]);
        let x = device.eye(2).solve(&b).to_vec::<f32>().unwrap();
        assert!(x[0] == 1.0 && x[1].is_nan() && x[2] == 1.0);
    }
}

#[test]
fn host_ops_stand_anywhere_in_a_program() {
    for device in common::devices("host ops") {
        // One after the other, two beside each other, what is computed before and after, and values that are held.
        let x = device.parameter(&[2.0, 1.0, 0.0, 4.0], [2, 2]);
        let y = x.mul_scalar(2.0);
        let inverse = y.inverse();
        let again = inverse.inverse();
        let both = again.sub(&y).abs().sum(&[]).add(&y.det());
        assert!(!device.plan([&both]).unwrap().dispatches.is_empty(), "what comes after the host ops");
        assert!((both.item().unwrap() - 32.0).abs() < 1e-4, "{device}");
        assert_eq!(inverse.to_vec::<f32>().unwrap(), [0.25, -0.0625, 0.0, 0.125]);
        assert!(device.graphviz([&x.inverse()]).unwrap().contains("inverse"));
        // A value recorded before an update that has not run is stale.
        let before = x.inverse();
        Sgd::new([x.clone()], 0.1).step(x.inverse().sum(&[]).backward()).unwrap();
        assert!(matches!(fault(before.to_vec::<f32>().unwrap_err()).1, OpError::Stale(_)), "{device}");
        // A step whose loss cannot be computed updates nothing.
        let singular = device.parameter(&[1.0, 1.0, 1.0, 1.0], [2, 2]);
        let step = Sgd::new([singular.clone()], 0.1).step(singular.inverse().sum(&[]).backward());
        assert!(matches!(fault(step.unwrap_err()).1, OpError::Matrix { index: 0, .. }), "{device}");
        assert_eq!(singular.to_vec::<f32>().unwrap(), [1.0; 4]);
        assert_eq!(device.ones([2, 2]).add(&device.eye(2)).det().item().unwrap(), 3.0, "the device goes on");
    }
}

/// Learns a matrix by its inverse and its logarithm of the determinant; the same losses on every device and in every mode.
fn train(device: &Device) -> Vec<f32> {
    let a = device.parameter(&[3.0, 0.5, -0.5, 2.0], [2, 2]);
    let target = device.tensor(&[1.0, 0.25, 0.25, 0.5], [2, 2]);
    let mut sgd = Sgd::new([a.clone()], 0.5);
    let mut losses = vec![];
    for _ in 0..25 {
        let loss = a.inverse().sub(&target).square().sum(&[]).add(&a.slogdet().1.mul_scalar(0.01));
        let gradients = loss.backward();
        sgd.step(gradients.and_run(&[&loss])).unwrap();
        losses.push(loss.item().unwrap());
    }
    losses
}

#[test]
fn training_through_host_ops() {
    let expected = train(&Device::cpu());
    assert!(expected[24] < 0.5 * expected[0], "{expected:?}");
    for device in common::devices("training through host ops") {
        let live = device.live_nodes();
        let found = train(&device);
        assert!(found.iter().zip(&expected).all(|(x, y)| (x - y).abs() < 1e-4 * y.abs().max(0.1)), "{device}: {found:?}");
        assert_eq!(device.live_nodes(), live, "{device}: nothing is left behind");
        device.set_check(true);
        train(&device);
        device.set_check(false);
        device.set_anomaly(Anomaly::NonFinite);
        train(&device);
        device.set_anomaly(Anomaly::Off);
        device.set_profile(true);
        train(&device);
        assert!(device.profile().rows().iter().any(|row| row.kernel == "inverse" && row.calls > 0), "{device}");
    }
}

/// An op of a program's own that the host computes: it turns a vector round, wrongly if it is told so.
#[derive(Clone, Debug)]
struct Turned {
    wrong: bool,
}

impl HostOp for Turned {
    fn compute(&self, inputs: &[&Array], output: &Spec) -> Result<Array, OpError> {
        let data = inputs[0].data.iter().rev().map(|x| if self.wrong { x + 1.0 } else { *x }).collect();
        Ok(Array::new(output.shape, data))
    }
}

impl Op for Turned {
    fn name(&self) -> &'static str {
        "turned"
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        Ok(inputs[0])
    }
    fn lower(&self, _: &[Spec], _: &Spec) -> Lowering {
        Lowering::Host
    }
    fn on_host(&self) -> Option<&dyn HostOp> {
        Some(self)
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        Array::new(output.shape, inputs[0].data.iter().rev().copied().collect())
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![Some(record(self.clone(), &[ctx.grad]))]
    }
}

#[test]
fn wrong_host_ops_are_caught() {
    for device in common::devices("wrong host ops") {
        let x = device.tensor(&[1u32, 2, 3], 3);
        let turned = |x: &Tensor, wrong| record(Turned { wrong }, &[x]);
        assert_eq!(turned(&x, false).to_vec::<u32>().unwrap(), [3, 2, 1]);
        assert_eq!(turned(&x, true).to_vec::<u32>().unwrap(), [4, 3, 2]);
        device.set_check(true);
        assert_eq!(turned(&x, false).to_vec::<u32>().unwrap(), [3, 2, 1]);
        let line = line!() + 1;
        match record(Turned { wrong: true }, &[&x]).to_f32().sum(&[]).item().unwrap_err() {
            Error::Check { op, at, .. } => assert_eq!((op, at.line()), ("turned", line), "{device}"),
            other => panic!("{other}"),
        }
        device.set_check(false);
        // What is first not finite, and who made it.
        device.set_anomaly(Anomaly::NonFinite);
        let small = device.tensor(&[1e-38, 0.0, 0.0, 1e-38], [2, 2]).mul_scalar(0.1);
        match small.inverse().sum(&[]).item().unwrap_err() {
            Error::NonFinite { op: "inverse", what: "infinity", .. } => {}
            // Where numbers this small are 0.
            Error::Op { op: "inverse", error: OpError::Matrix { .. }, .. } if device.is_gpu() => {}
            other => panic!("{device}: {other}"),
        }
        device.set_anomaly(Anomaly::Off);
        for plant in [None, Some("inverse".to_owned())] {
            let planted = plant.is_some();
            let depth = Depth { deep: false, filter: "linalg".to_owned(), plant };
            let outcome = full(&device, &depth, &mut |_, _, _| {}).unwrap();
            assert_eq!(outcome.failures().is_empty(), !planted, "{device}: {:?}", outcome.failures());
        }
    }
}
