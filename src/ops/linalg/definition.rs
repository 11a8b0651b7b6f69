//! Linear algebra by its definitions, in f64: elimination, Gram–Schmidt, Jacobi's rotations, Taylor's series.

use crate::factor::{Matrix, Svd, is_rounding, power_of_two_above, sign_of};

/// The determinant, by elimination with pivots; 0 of what is singular as far as f64 can tell.
pub(super) fn det(a: &Matrix) -> f64 {
    eliminated(a, &Matrix::from_fn(a.rows, 0, |_, _| 0.0)).map_or(0.0, |(det, _)| det)
}

/// The solution of A X = B; NaN if A is singular.
pub(super) fn solve(a: &Matrix, b: &Matrix) -> Matrix {
    eliminated(a, b).map_or_else(|| Matrix::from_fn(a.rows, b.cols, |_, _| f64::NAN), |(_, x)| x)
}

/// The determinant of A, and what the steps that turn A into the identity turn B into (Gauss–Jordan).
fn eliminated(a: &Matrix, b: &Matrix) -> Option<(f64, Matrix)> {
    let (n, width) = (a.rows, a.cols + b.cols);
    let mut rows: Vec<Vec<f64>> =
        (0..n).map(|i| (0..width).map(|j| if j < n { a.at(i, j) } else { b.at(i, j - n) }).collect()).collect();
    let mut det = 1.0;
    for row in &mut rows {
        // Rows of one size, so that pivots can be compared.
        let size = power_of_two_above(row[..n].iter().fold(0.0, |most: f64, x| most.max(x.abs())));
        row.iter_mut().for_each(|x| *x /= size);
        det *= size;
    }
    let columns: Vec<f64> = (0..n).map(|j| rows.iter().fold(0.0, |most: f64, row| most.max(row[j].abs()))).collect();
    for k in 0..n {
        let best = (k..n).max_by(|&i, &j| rows[i][k].abs().total_cmp(&rows[j][k].abs()))?;
        if best != k {
            rows.swap(best, k);
            det = -det;
        }
        let pivot = rows[k][k];
        if is_rounding(pivot, columns[k], n) {
            return None;
        }
        det *= pivot;
        rows[k].iter_mut().for_each(|x| *x /= pivot);
        let from = rows[k].clone();
        for (_, row) in rows.iter_mut().enumerate().filter(|(i, _)| *i != k) {
            let factor = row[k];
            row.iter_mut().zip(&from).for_each(|(x, y)| *x -= factor * y);
        }
    }
    Some((det, Matrix::from_fn(n, b.cols, |i, j| rows[i][n + j])))
}

/// The determinants of what is left without row i and column j, with their signs.
pub(super) fn cofactors(a: &Matrix) -> Vec<f64> {
    let n = a.rows;
    let skip = |i: usize, left_out: usize| i + usize::from(i >= left_out);
    let minor = |i: usize, j: usize| Matrix::from_fn(n - 1, n - 1, |r, c| a.at(skip(r, i), skip(c, j)));
    let sign = |i: usize, j: usize| if (i + j).is_multiple_of(2) { 1.0 } else { -1.0 };
    Matrix::from_fn(n, n, |i, j| sign(i, j) * det(&minor(i, j))).data
}

/// Column by column, by L Lᵀ = A.
pub(super) fn cholesky(a: &Matrix) -> Matrix {
    let n = a.rows;
    let mut l = vec![vec![0.0f64; n]; n];
    for j in 0..n {
        let known = |i: usize, l: &[Vec<f64>]| (0..j).map(|k| l[i][k] * l[j][k]).sum::<f64>();
        l[j][j] = (a.at(j, j) - known(j, &l)).sqrt();
        for i in j + 1..n {
            l[i][j] = (a.at(i, j) - known(i, &l)) / l[j][j];
        }
    }
    Matrix::from_fn(n, n, |i, j| l[i][j])
}

/// Gram–Schmidt, every column twice.
pub(super) fn qr(a: &Matrix) -> (Matrix, Matrix) {
    let (m, n) = (a.rows, a.cols);
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    let mut q: Vec<Vec<f64>> = vec![];
    // By columns, as q.
    let mut r: Vec<Vec<f64>> = vec![];
    for j in 0..n {
        let mut column: Vec<f64> = (0..m).map(|i| a.at(i, j)).collect();
        let mut parts = vec![0.0; n];
        for _ in 0..2 {
            for (part, before) in parts.iter_mut().zip(&q) {
                let along = dot(before, &column);
                *part += along;
                column.iter_mut().zip(before).for_each(|(x, y)| *x -= along * y);
            }
        }
        let length = dot(&column, &column).sqrt();
        parts[j] = length;
        q.push(column.iter().map(|x| x / length).collect());
        r.push(parts);
    }
    (Matrix::from_fn(m, n, |i, j| q[j][i]), Matrix::from_fn(n, n, |i, j| r[j][i]))
}

/// Eigenvalues, ascending, and vectors of a symmetric matrix, by Jacobi's rotations; the leading element of each vector is positive.
pub(super) fn eigh(a: &Matrix) -> (Vec<f64>, Matrix) {
    let n = a.rows;
    let (mut a, mut v) = (a.clone(), Matrix::identity(n));
    let least = 1e-20 * a.largest();
    for _ in 0..60 {
        let mut turned = false;
        for p in 0..n {
            for q in p + 1..n {
                let beside = a.at(p, q);
                // Not of NaN either.
                if beside.abs() > least && beside.is_finite() {
                    turned = true;
                    let theta = (a.at(q, q) - a.at(p, p)) / (2.0 * beside);
                    let t = if theta < 0.0 { -1.0 } else { 1.0 } / (theta.abs() + theta.hypot(1.0));
                    let turn = [1.0 / t.hypot(1.0), t / t.hypot(1.0)];
                    rotate(&mut a, turn, |k| (k * n + p, k * n + q));
                    rotate(&mut a, turn, |k| (p * n + k, q * n + k));
                    rotate(&mut v, turn, |k| (k * n + p, k * n + q));
                }
            }
        }
        if !turned {
            break;
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a.at(i, i).total_cmp(&a.at(j, j)));
    let signs: Vec<f64> = (0..n).map(|j| sign_of((0..n).map(|i| v.at(i, j)))).collect();
    (order.iter().map(|&i| a.at(i, i)).collect(), Matrix::from_fn(n, n, |i, j| v.at(i, order[j]) * signs[order[j]]))
}

/// Turns pairs of elements, of which there is one per row, by an angle with this cosine and sine.
fn rotate(x: &mut Matrix, [c, s]: [f64; 2], pair: impl Fn(usize) -> (usize, usize)) {
    for k in 0..x.rows {
        let (i, j) = pair(k);
        let (y, z) = (x.data[i], x.data[j]);
        (x.data[i], x.data[j]) = (c * y - s * z, s * y + c * z);
    }
}

/// Singular values and vectors: (u, v) / √2 is an eigenvector of [[0, A], [Aᵀ, 0]], and its eigenvalue is σ.
pub(super) fn svd(a: &Matrix) -> Svd {
    let (m, n) = (a.rows, a.cols);
    let k = m.min(n);
    let both = Matrix::from_fn(m + n, m + n, |i, j| match (i < m, j < m) {
        (true, false) => a.at(i, j - m),
        (false, true) => a.at(j, i - m),
        _ => 0.0,
    });
    let (values, vectors) = eigh(&both);
    let column = |j: usize| m + n - 1 - j;
    let signs: Vec<f64> = (0..k).map(|j| sign_of((0..m).map(|i| vectors.at(i, column(j))))).collect();
    let root = std::f64::consts::SQRT_2;
    Svd {
        u: Matrix::from_fn(m, k, |i, j| root * signs[j] * vectors.at(i, column(j))),
        values: (0..k).map(|j| values[column(j)].max(0.0)).collect(),
        v: Matrix::from_fn(n, k, |i, j| root * signs[j] * vectors.at(m + i, column(j))),
    }
}

/// V diag(1/σ) Uᵀ, with 0 for the σ up to `rtol` times the largest.
pub(super) fn pinverse(a: &Matrix, rtol: f64) -> Matrix {
    let Svd { u, values, v } = svd(a);
    let least = rtol * values.first().copied().unwrap_or(0.0);
    let inverse = |s: f64| if s > least { 1.0 / s } else { 0.0 };
    Matrix::from_fn(v.rows, u.rows, |i, j| (0..values.len()).map(|k| v.at(i, k) * inverse(values[k]) * u.at(j, k)).sum())
}

/// Taylor's series of A / 2ˢ, squared s times.
pub(super) fn exp(a: &Matrix) -> Matrix {
    let n = a.rows;
    let norm = a.largest() * n as f64;
    let halvings = if norm.is_finite() { (norm.max(1e-300).log2().ceil() + 2.0).clamp(0.0, 300.0) as i32 } else { 0 };
    let scaled = Matrix::from_fn(n, n, |i, j| a.at(i, j) * 0.5f64.powi(halvings));
    let add = |x: &Matrix, y: &Matrix| Matrix::from_fn(n, n, |i, j| x.at(i, j) + y.at(i, j));
    let (mut sum, mut term) = (Matrix::identity(n), Matrix::identity(n));
    for k in 1..=20 {
        let next = term.times(&scaled);
        term = Matrix::from_fn(n, n, |i, j| next.at(i, j) / f64::from(k));
        sum = add(&sum, &term);
    }
    for _ in 0..halvings {
        sum = sum.times(&sum);
    }
    sum
}
