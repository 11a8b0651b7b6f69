//! Eigenvalues of symmetric matrices: Householder's reduction to three diagonals, then QL with implicit shifts (Wilkinson 1968); single vectors
//! by inverse iteration.

use rayon::prelude::*;

/// Rows below which a second thread costs more than it saves.
const PARALLEL: usize = 256;

/// A symmetric matrix reduced to three diagonals, A = Q T Qᵀ.
pub struct Tridiagonal {
    /// The diagonal of T.
    pub diagonal: Vec<f64>,
    /// The diagonal beside it, one shorter.
    pub beside: Vec<f64>,
    /// Q as reflections: the k-th is I − 2 v vᵀ on the elements from k + 1 on, with a unit vector v (or none, where nothing was to do).
    reflections: Vec<Vec<f64>>,
}

/// Reduces an n×n symmetric matrix, given row-major, which is used up.
pub fn reduce(mut a: Vec<f64>, n: usize) -> Tridiagonal {
    let mut t = Tridiagonal { diagonal: vec![], beside: vec![], reflections: vec![] };
    for k in 0..n {
        t.diagonal.push(a[k * n + k]);
        if k + 1 == n {
            break;
        }
        let mut v: Vec<f64> = a[k * n + k + 1..(k + 1) * n].to_vec();
        let norm = length(&v);
        let rest = v[1..].iter().map(|x| x.abs()).sum::<f64>();
        if rest == 0.0 {
            t.beside.push(v[0]);
            t.reflections.push(vec![]);
            continue;
        }
        // The sign that does not cancel.
        let target = if v[0] > 0.0 { -norm } else { norm };
        v[0] -= target;
        let scale = 1.0 / length(&v);
        v.iter_mut().for_each(|x| *x *= scale);
        t.beside.push(target);
        // A ← (I − 2vvᵀ) A (I − 2vvᵀ) = A − v wᵀ − w vᵀ with w = 2Av − 2(vᵀAv)v, on the rows and columns from k + 1 on.
        let block = &mut a[(k + 1) * n..];
        let row_times_v = |row: &[f64]| 2.0 * dot(&row[k + 1..], &v);
        let mut w: Vec<f64> = match v.len() < PARALLEL {
            true => block.chunks(n).map(row_times_v).collect(),
            false => block.par_chunks(n).map(row_times_v).collect(),
        };
        let along = dot(&w, &v);
        w.iter_mut().zip(&v).for_each(|(w, v)| *w -= along * v);
        let update = |(i, row): (usize, &mut [f64])| {
            let (vi, wi) = (v[i], w[i]);
            row[k + 1..].iter_mut().zip(&v).zip(&w).for_each(|((x, v), w)| *x -= vi * w + wi * v);
        };
        match v.len() < PARALLEL {
            true => block.chunks_mut(n).enumerate().for_each(update),
            false => block.par_chunks_mut(n).enumerate().for_each(update),
        }
        t.reflections.push(v);
    }
    t
}

impl Tridiagonal {
    /// All eigenvalues, ascending; `None` if the iteration does not converge (of numbers that are not finite).
    pub fn eigenvalues(&self) -> Option<Vec<f64>> {
        let mut values = self.diagonal.clone();
        ql(&mut values, &self.beside, &mut [])?;
        values.sort_unstable_by(f64::total_cmp);
        Some(values)
    }

    /// A unit eigenvector of the matrix to one of its eigenvalues.
    pub fn eigenvector(&self, value: f64) -> Vec<f64> {
        let n = self.diagonal.len();
        // Of no matrix so small that what is divided by its rounding error overflows.
        let norm = self.diagonal.iter().chain(&self.beside).fold(1e-200, |m: f64, x| m.max(x.abs()));
        // A start that is orthogonal to hardly anything, the same every time.
        let mut x: Vec<f64> = (0..n).map(|i| 1.0 + ((i * 37 + 11) % 101) as f64 / 101.0).collect();
        for _ in 0..4 {
            x = self.solve_shifted(value, norm * f64::EPSILON, x);
            let scale = 1.0 / length(&x);
            x.iter_mut().for_each(|x| *x *= scale);
        }
        for (k, v) in self.reflections.iter().enumerate().rev().filter(|(_, v)| !v.is_empty()) {
            let along = 2.0 * dot(&x[k + 1..], v);
            x[k + 1..].iter_mut().zip(v).for_each(|(x, v)| *x -= along * v);
        }
        x
    }

    /// Solves (T − value) x = b by elimination with row exchanges; a pivot of 0 becomes `tiny`: the matrix is nearly singular on purpose.
    fn solve_shifted(&self, value: f64, tiny: f64, mut b: Vec<f64>) -> Vec<f64> {
        let n = b.len();
        // Three diagonals of the upper triangle.
        let mut rows: Vec<[f64; 3]> = Vec::with_capacity(n);
        let mut current = [self.diagonal[0] - value, self.beside.first().copied().unwrap_or(0.0), 0.0];
        for i in 0..n {
            if i + 1 == n {
                rows.push(current);
                break;
            }
            let mut below = [self.beside[i], self.diagonal[i + 1] - value, self.beside.get(i + 1).copied().unwrap_or(0.0)];
            if below[0].abs() > current[0].abs() {
                std::mem::swap(&mut below, &mut current);
                b.swap(i, i + 1);
            }
            let pivot = if current[0].abs() < tiny { tiny } else { current[0] };
            let factor = below[0] / pivot;
            b[i + 1] -= factor * b[i];
            rows.push([pivot, current[1], current[2]]);
            current = [below[1] - factor * current[1], below[2] - factor * current[2], 0.0];
        }
        for i in (0..n).rev() {
            let right = |k: usize| if i + k < n { b[i + k] } else { 0.0 };
            let pivot = if rows[i][0].abs() < tiny { tiny } else { rows[i][0] };
            b[i] = (b[i] - rows[i][1] * right(1) - rows[i][2] * right(2)) / pivot;
        }
        b
    }
}

/// Turns `diagonal` into the eigenvalues of the tridiagonal matrix, in no order. Each row of `vectors` is multiplied by the matrix of unit
/// eigenvectors: rows of the identity give the eigenvectors' components. `None` if it does not converge.
pub fn ql(diagonal: &mut [f64], beside: &[f64], vectors: &mut [Vec<f64>]) -> Option<()> {
    let n = diagonal.len();
    let d = diagonal;
    let mut e = beside.to_vec();
    e.push(0.0);
    for l in 0..n {
        let mut rounds = 0;
        loop {
            let split = (l..n - 1).find(|&m| e[m].abs() <= f64::EPSILON * (d[m].abs() + d[m + 1].abs())).unwrap_or(n - 1);
            if split == l {
                break;
            }
            rounds += 1;
            if rounds > 60 {
                return None;
            }
            // The shift: the eigenvalue of the leading 2×2 block that is nearer to d[l].
            let half = (d[l + 1] - d[l]) / (2.0 * e[l]);
            let root = half.hypot(1.0);
            let mut g = d[split] - d[l] + e[l] / (half + if half >= 0.0 { root } else { -root });
            let (mut sine, mut cosine, mut moved) = (1.0, 1.0, 0.0);
            let mut cut = false;
            for i in (l..split).rev() {
                let (f, b) = (sine * e[i], cosine * e[i]);
                let r = f64::hypot(f, g);
                e[i + 1] = r;
                if r == 0.0 {
                    // The chase has ended early: the matrix falls apart here.
                    d[i + 1] -= moved;
                    e[split] = 0.0;
                    cut = true;
                    break;
                }
                (sine, cosine) = (f / r, g / r);
                let g2 = d[i + 1] - moved;
                let r2 = (d[i] - g2) * sine + 2.0 * cosine * b;
                moved = sine * r2;
                d[i + 1] = g2 + moved;
                g = cosine * r2 - b;
                for row in vectors.iter_mut() {
                    let (x, y) = (row[i], row[i + 1]);
                    (row[i], row[i + 1]) = (cosine * x - sine * y, sine * x + cosine * y);
                }
            }
            if !cut {
                d[l] -= moved;
                e[l] = g;
                e[split] = 0.0;
            }
        }
    }
    Some(())
}

/// ⟨a, b⟩, in eight sums so that it vectorises; always the same order.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0f64; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a8.remainder().iter().zip(b8.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a8.zip(b8) {
        sums.iter_mut().zip(x.iter().zip(y)).for_each(|(s, (x, y))| *s += x * y);
    }
    sums.iter().sum::<f64>() + rest
}

/// ‖a‖
pub fn length(a: &[f64]) -> f64 {
    let largest = a.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    let scaled = a.iter().map(|x| (x / largest) * (x / largest)).sum::<f64>();
    largest * scaled.sqrt()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn symmetric(n: usize, f: impl Fn(usize, usize) -> f64) -> Vec<f64> {
        (0..n * n).map(|i| f((i / n).min(i % n), (i / n).max(i % n))).collect()
    }

    fn check(n: usize, a: &[f64]) -> Vec<f64> {
        let t = reduce(a.to_vec(), n);
        let values = t.eigenvalues().unwrap();
        let scale = values.iter().fold(1.0f64, |m, v| m.max(v.abs()));
        let trace: f64 = (0..n).map(|i| a[i * n + i]).sum();
        assert!((values.iter().sum::<f64>() - trace).abs() < 1e-10 * scale * n as f64);
        let squares: f64 = a.iter().map(|x| x * x).sum();
        assert!((values.iter().map(|v| v * v).sum::<f64>() - squares).abs() < 1e-10 * squares.max(1.0) * n as f64);
        for value in [values[0], values[n / 2], values[n - 1]] {
            let x = t.eigenvector(value);
            assert!((length(&x) - 1.0).abs() < 1e-12, "n {n} value {value}: length {}", length(&x));
            for i in 0..n {
                let residual = dot(&a[i * n..(i + 1) * n], &x) - value * x[i];
                assert!(residual.abs() < 1e-9 * scale, "n {n} value {value}: row {i} off by {residual}");
            }
        }
        values
    }

    #[test]
    fn eigenvalues_and_vectors_of_all_kinds_of_matrix() {
        let messy = |i: usize, j: usize| ((i * 31 + j * 17 + i * j * 7) % 101) as f64 / 50.0 - 1.0;
        for n in [1, 2, 3, 5, 20, 64, 300] {
            check(n, &symmetric(n, messy));
        }
        assert_eq!(check(4, &symmetric(4, |_, _| 0.0)), [0.0; 4]);
        let identity = check(5, &symmetric(5, |i, j| if i == j { 2.0 } else { 0.0 }));
        assert_eq!(identity, [2.0; 5]);
        let saddle = check(2, &[0.0, -2.0, -2.0, 0.0]);
        assert!((saddle[0] + 2.0).abs() < 1e-15 && (saddle[1] - 2.0).abs() < 1e-15);
        // The second difference: 2 − 2 cos(kπ/(n+1)).
        let n = 50;
        let values = check(
            n,
            &symmetric(n, |i, j| {
                if i == j {
                    2.0
                } else if j == i + 1 {
                    -1.0
                } else {
                    0.0
                }
            }),
        );
        for (k, value) in values.iter().enumerate() {
            let exact = 2.0 - 2.0 * (std::f64::consts::PI * (k + 1) as f64 / (n + 1) as f64).cos();
            assert!((value - exact).abs() < 1e-13, "{k}: {value} {exact}");
        }
        // One direction only.
        let rank_one = check(30, &symmetric(30, |i, j| (i + 1) as f64 * (j + 1) as f64));
        assert!(rank_one[..29].iter().all(|v| v.abs() < 1e-9));
    }

    #[test]
    fn what_is_not_finite_is_refused() {
        assert!(reduce(vec![f64::NAN, 1.0, 1.0, 2.0], 2).eigenvalues().is_none_or(|v| v.iter().any(|x| x.is_nan())));
    }
}
