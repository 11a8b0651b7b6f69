//! Muon: singular values of its steps, and its path against a naive f64 implementation.
#![allow(clippy::unwrap_used)]

use crate::common;
use steepest::ops::update::COEFFICIENTS;
use steepest::optim::{Muon, MuonScale, Optimizer};
use steepest::{Device, Error, Tensor};

/// A matrix of f64 by its rows.
#[derive(Clone, Debug)]
struct Matrix(Vec<Vec<f64>>);

impl Matrix {
    fn from_fn(rows: usize, columns: usize, f: impl Fn(usize, usize) -> f64) -> Matrix {
        Matrix((0..rows).map(|i| (0..columns).map(|j| f(i, j)).collect()).collect())
    }

    fn of(data: &[f64], rows: usize) -> Matrix {
        Matrix(data.chunks(data.len() / rows).map(<[f64]>::to_vec).collect())
    }

    fn size(&self) -> (usize, usize) {
        (self.0.len(), self.0[0].len())
    }

    fn t(&self) -> Matrix {
        Matrix::from_fn(self.size().1, self.size().0, |i, j| self.0[j][i])
    }

    fn times(&self, other: &Matrix) -> Matrix {
        let sum = |i: usize, j: usize| (0..self.size().1).map(|k| self.0[i][k] * other.0[k][j]).sum();
        Matrix::from_fn(self.size().0, other.size().1, sum)
    }

    fn map2(&self, other: &Matrix, f: impl Fn(f64, f64) -> f64) -> Matrix {
        Matrix::from_fn(self.size().0, self.size().1, |i, j| f(self.0[i][j], other.0[i][j]))
    }

    /// I − 2vvᵀ/vᵀv
    fn reflection(v: &[f64]) -> Matrix {
        let square: f64 = v.iter().map(|x| x * x).sum();
        Matrix::from_fn(v.len(), v.len(), |i, j| f64::from(i == j) - 2.0 * v[i] * v[j] / square)
    }

    fn flat(&self) -> Vec<f64> {
        self.0.concat()
    }

    /// The iteration as it is written down.
    fn newton_schulz(&self, steps: usize, (a, b, c): (f64, f64, f64)) -> Matrix {
        if self.size().0 > self.size().1 {
            return self.t().newton_schulz(steps, (a, b, c)).t();
        }
        let norm = self.flat().iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-7);
        let mut x = Matrix::from_fn(self.size().0, self.size().1, |i, j| self.0[i][j] / norm);
        for _ in 0..steps {
            let squares = x.times(&x.t());
            let more = squares.map2(&squares.times(&squares), |s, s2| b * s + c * s2);
            x = x.map2(&more.times(&x), |x, y| a * x + y);
        }
        x
    }
}

fn tensor(device: &Device, matrix: &Matrix) -> Tensor {
    let (rows, columns) = matrix.size();
    device.tensor(&matrix.flat().iter().map(|&x| x as f32).collect::<Vec<_>>(), [rows, columns])
}

/// Of U diag(s) Vᵀ the iteration makes U diag(f(s)) Vᵀ, f applied to each singular value alone.
#[test]
fn singular_values_of_a_step_are_near_one() {
    let singular = [4.0, 2.5, 1.0, 0.3, 0.06];
    let norm = singular.iter().map(|s| s * s).sum::<f64>().sqrt();
    let expected = singular.map(|s| {
        let (a, b, c) = COEFFICIENTS;
        (0..5).fold(s / norm, |s: f64, _| a * s + b * s.powi(3) + c * s.powi(5))
    });
    assert!(expected.iter().all(|s| (0.68..1.14).contains(s)), "{expected:?}");
    let u = Matrix::reflection(&[1.0, -2.0, 0.5, 3.0, 0.25]);
    let v = Matrix::reflection(&[0.5, 1.0, -1.0, 2.0, 0.75, -0.25, 1.5]);
    let wide = u.times(&Matrix::from_fn(5, 7, |i, j| if i == j { singular[i] } else { 0.0 })).times(&v.t());
    for device in common::devices("singular values") {
        for tall in [false, true] {
            let x = if tall { wide.t() } else { wide.clone() };
            let o = tensor(&device, &x).newton_schulz(5, COEFFICIENTS).to_vec::<f32>().unwrap();
            let o = Matrix::of(&o.into_iter().map(f64::from).collect::<Vec<_>>(), x.size().0);
            let o = if tall { o.t() } else { o };
            let found = u.t().times(&o).times(&v);
            for (i, row) in found.0.iter().enumerate() {
                for (j, &x) in row.iter().enumerate() {
                    let right = if i == j { expected[i] } else { 0.0 };
                    assert!((x - right).abs() < 2e-4, "{device}: [{i}, {j}] is {x}, not {right}");
                }
            }
        }
        // Nothing comes of nothing, and of what is no matrix an error.
        let none = device.zeros([3, 4]).newton_schulz(5, COEFFICIENTS).to_vec::<f32>().unwrap();
        assert_eq!(none, [0.0; 12], "{device}");
        assert!(matches!(device.zeros(3).newton_schulz(5, COEFFICIENTS).check(), Err(Error::Op { op: "newton_schulz", .. })));
    }
}

/// Elements that change from step to step.
fn gradient(n: usize, step: usize, which: usize) -> Vec<f64> {
    (0..n).map(|i| f64::from((1.3 * i as f64 + 0.7 * step as f64 + which as f64).sin() as f32)).collect()
}

/// Momentum, Nesterov's look-ahead, the scale, and the number of iterations, and their coefficients.
type Way = (f64, bool, MuonScale, usize, (f64, f64, f64));

/// The path of a matrix by the formula.
fn path(start: &[f64], rows: usize, which: usize, (momentum, nesterov, scale, rounds, coefficients): Way) -> Vec<f64> {
    let (lr, weight_decay) = (0.05, 0.1);
    let mut p = Matrix::of(start, rows);
    let mut b = Matrix::from_fn(p.size().0, p.size().1, |_, _| 0.0);
    for step in 0..6 {
        let g = Matrix::of(&gradient(start.len(), step, which), rows);
        b = b.map2(&g, |b, g| momentum * b + (1.0 - momentum) * g);
        let x = if nesterov { g.map2(&b, |g, b| (1.0 - momentum) * g + momentum * b) } else { b.clone() };
        let (rows, columns) = (p.size().0 as f64, p.size().1 as f64);
        let scale = match scale {
            MuonScale::Original => (rows / columns).max(1.0).sqrt(),
            MuonScale::MatchAdam => 0.2 * rows.max(columns).sqrt(),
            MuonScale::None => 1.0,
        };
        p = p.map2(&x.newton_schulz(rounds, coefficients), |p, o| p * (1.0 - lr * weight_decay) - lr * scale * o);
    }
    p.flat()
}

/// The path of what AdamW moves.
fn adam_path(start: &[f64], which: usize, lr: f64) -> Vec<f64> {
    let mut p = start.to_vec();
    let (mut m, mut v) = (vec![0.0; p.len()], vec![0.0; p.len()]);
    for step in 0..6 {
        let g = gradient(start.len(), step, which);
        let t = step as f64 + 1.0;
        for i in 0..p.len() {
            m[i] = 0.9 * m[i] + 0.1 * g[i];
            v[i] = 0.999 * v[i] + 0.001 * g[i] * g[i];
            let (m, v) = (m[i] / (1.0 - 0.9f64.powf(t)), v[i] / (1.0 - 0.999f64.powf(t)));
            p[i] = p[i] * (1.0 - lr * 0.1) - lr * m / (v.sqrt() + 1e-8);
        }
    }
    p
}

#[test]
fn its_path_is_that_of_the_formula() {
    for device in common::devices("Muon's path") {
        for way in [
            (0.95, true, MuonScale::Original, 5, COEFFICIENTS),
            (0.8, false, MuonScale::MatchAdam, 5, COEFFICIENTS),
            (0.0, true, MuonScale::None, 5, COEFFICIENTS),
            (0.95, true, MuonScale::Original, 1, COEFFICIENTS),
            (0.95, true, MuonScale::Original, 0, COEFFICIENTS),
            (0.95, true, MuonScale::Original, 5, (1.5, -0.5, 0.0)),
        ] {
            // Wide, tall, a kernel of four axes, an embedding for AdamW, a bias, and one without elements.
            let shapes: [&[usize]; 6] = [&[3, 5], &[6, 2], &[4, 2, 3, 1], &[4, 3], &[5], &[0, 3]];
            let n = |shape: &[usize]| shape.iter().product::<usize>();
            let start = |k: usize| gradient(n(shapes[k]), 100, k);
            let parameters: Vec<Tensor> =
                (0..6).map(|k| device.parameter(&start(k).iter().map(|&x| x as f32).collect::<Vec<_>>(), shapes[k])).collect();
            let (momentum, nesterov, scale, rounds, coefficients) = way;
            let muon = Muon::new(parameters.clone(), 0.05).by_adam([parameters[3].clone()]).adam_lr_factor(0.2);
            let mut opt = muon.momentum(momentum).nesterov(nesterov).scale(scale).newton_schulz(rounds, coefficients);
            for step in 0..6 {
                let terms = parameters.iter().enumerate().map(|(k, p)| {
                    let g: Vec<f32> = gradient(n(shapes[k]), step, k).into_iter().map(|x| x as f32).collect();
                    (p * &device.tensor(&g, shapes[k])).sum(&[])
                });
                opt.step(terms.reduce(|a, b| a + b).unwrap().backward()).unwrap();
            }
            for k in 0..6 {
                let expected = match k {
                    0..3 => path(&start(k), shapes[k][0], k, way),
                    _ => adam_path(&start(k), k, 0.01),
                };
                let found = parameters[k].to_vec::<f32>().unwrap();
                for (f, e) in found.iter().zip(&expected) {
                    assert!((f64::from(*f) - e).abs() < 5e-5, "{device}, {way:?}, parameter {k}: {found:?}, not {expected:?}");
                }
            }
            let sizes = opt
                .state()
                .iter()
                .map(|(name, t)| (*name, t.iter().map(|t| t.shape().numel()).collect::<Vec<_>>()))
                .collect::<Vec<_>>();
            let expected = [
                ("momentum_buffer", vec![15, 12, 24, 0, 0, 0]),
                ("exp_avg", vec![0, 0, 0, 12, 5, 0]),
                ("exp_avg_sq", vec![0, 0, 0, 12, 5, 0]),
            ];
            assert_eq!(sizes, expected);
        }
    }
}
