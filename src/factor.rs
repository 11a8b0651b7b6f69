//! Factorisations of small dense matrices in f64, on the host: nalgebra's, with the conventions that make them unique.

use crate::eigen::Symmetric;
use nalgebra::{DMatrix, DVector, Dyn, LU};

/// A matrix of f64 numbers, row-major.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Matrix {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) data: Vec<f64>,
}

impl Matrix {
    pub(crate) fn from_fn(rows: usize, cols: usize, f: impl Fn(usize, usize) -> f64) -> Matrix {
        let data = (0..rows * cols).map(|k| f(k / cols, k % cols)).collect();
        Matrix { rows, cols, data }
    }

    pub(crate) fn identity(n: usize) -> Matrix {
        Matrix::from_fn(n, n, |i, j| f64::from(u8::from(i == j)))
    }

    pub(crate) fn at(&self, i: usize, j: usize) -> f64 {
        self.data[i * self.cols + j]
    }

    pub(crate) fn transposed(&self) -> Matrix {
        Matrix::from_fn(self.cols, self.rows, |i, j| self.at(j, i))
    }

    pub(crate) fn times(&self, other: &Matrix) -> Matrix {
        Matrix::from_fn(self.rows, other.cols, |i, j| (0..self.cols).map(|k| self.at(i, k) * other.at(k, j)).sum())
    }

    /// (A + Aᵀ) / 2
    pub(crate) fn symmetric_part(&self) -> Matrix {
        Matrix::from_fn(self.rows, self.cols, |i, j| 0.5 * (self.at(i, j) + self.at(j, i)))
    }

    pub(crate) fn is_finite(&self) -> bool {
        self.data.iter().all(|x| x.is_finite())
    }

    pub(crate) fn largest(&self) -> f64 {
        self.data.iter().fold(0.0, |most: f64, x| most.max(x.abs()))
    }

    fn dense(&self) -> DMatrix<f64> {
        DMatrix::from_row_slice(self.rows, self.cols, &self.data)
    }

    fn of(dense: &DMatrix<f64>) -> Matrix {
        Matrix::from_fn(dense.nrows(), dense.ncols(), |i, j| dense[(i, j)])
    }
}

/// The power of two just above a number's size; 1 for 0.
pub(crate) fn power_of_two_above(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { x.abs().log2().floor().exp2() * 2.0 }
}

/// Whether the pivot of a column is rounding: the matrix is singular as far as f64 can tell. `largest` is the column's largest element in the
/// matrix whose rows have about the size 1.
pub(crate) fn is_rounding(pivot: f64, largest: f64, n: usize) -> bool {
    pivot.abs() <= n as f64 * f64::EPSILON * largest
}

/// D A = Pᵀ L U, with D a diagonal of powers of two that give every row a size of about 1.
struct Triangles {
    lu: LU<f64, Dyn, Dyn>,
    scales: Vec<f64>,
    singular: bool,
}

impl Triangles {
    fn of(a: &Matrix) -> Triangles {
        let n = a.rows;
        let row = |i: usize| a.data[i * n..(i + 1) * n].iter().fold(0.0f64, |most, x| most.max(x.abs()));
        let scales: Vec<f64> = (0..n).map(|i| 1.0 / power_of_two_above(row(i))).collect();
        let scaled = Matrix::from_fn(n, n, |i, j| a.at(i, j) * scales[i]);
        let column = |j: usize| (0..n).fold(0.0f64, |most, i| most.max(scaled.at(i, j).abs()));
        let columns: Vec<f64> = (0..n).map(column).collect();
        let lu = LU::new(scaled.dense());
        let u = lu.u();
        let singular = (0..n).any(|k| is_rounding(u[(k, k)], columns[k], n));
        Triangles { lu, scales, singular }
    }
}

/// The solution of A X = B; `None` if A is singular.
pub(crate) fn solve(a: &Matrix, b: &Matrix) -> Option<Matrix> {
    let triangles = Triangles::of(a);
    if triangles.singular {
        return None;
    }
    let scaled = Matrix::from_fn(b.rows, b.cols, |i, j| b.at(i, j) * triangles.scales[i]);
    triangles.lu.solve(&scaled.dense()).map(|x| Matrix::of(&x))
}

/// The sign of the determinant, 0 of a singular matrix, and the logarithm of its size.
pub(crate) fn determinant(a: &Matrix) -> (f64, f64) {
    let Triangles { lu, scales, singular } = Triangles::of(a);
    if singular {
        return (0.0, f64::NEG_INFINITY);
    }
    let u = lu.u();
    let pivots = (0..a.rows).map(|k| u[(k, k)]);
    let sign = pivots.clone().fold(lu.p().determinant(), |sign: f64, pivot| sign * pivot.signum());
    (sign, pivots.map(|pivot| pivot.abs().ln()).sum::<f64>() - scales.iter().map(|scale| scale.ln()).sum::<f64>())
}

/// The matrix of cofactors, det(A) A⁻ᵀ, also of a singular matrix: det(U V) U diag(Π_{j≠i} σ_j) Vᵀ.
pub(crate) fn cofactors(a: &Matrix) -> Option<Matrix> {
    let n = a.rows;
    let Svd { u, values, v } = svd(a)?;
    let sign = determinant(&u).0 * determinant(&v).0;
    let others = |i: usize| (0..n).filter(|&j| j != i).map(|j| values[j]).product::<f64>();
    let scaled = Matrix::from_fn(n, n, |i, j| sign * u.at(i, j) * others(j));
    Some(scaled.times(&v.transposed()))
}

/// The lower triangular L with L Lᵀ = A, of the symmetric part of A; `None` if it is not positive definite.
pub(crate) fn cholesky(a: &Matrix) -> Option<Matrix> {
    a.symmetric_part().dense().cholesky().map(|found| Matrix::of(&found.l()))
}

/// Q with orthonormal columns and an upper triangular R, whose diagonal is not negative, with Q R = A; for at least as many rows as columns.
pub(crate) fn qr(a: &Matrix) -> (Matrix, Matrix) {
    let found = a.dense().qr();
    let (q, r) = (found.q(), found.r());
    let sign = |i: usize| if r[(i, i)] < 0.0 { -1.0 } else { 1.0 };
    let n = a.cols;
    (Matrix::from_fn(a.rows, n, |i, j| q[(i, j)] * sign(j)), Matrix::from_fn(n, n, |i, j| r[(i, j)] * sign(i)))
}

/// The index of the element that is positive in vectors whose sign is free: the first of those that are largest but for rounding.
pub(crate) fn leading(vector: impl Iterator<Item = f64> + Clone) -> usize {
    let most = vector.clone().fold(0.0f64, |most, x| most.max(x.abs()));
    vector.into_iter().position(|x| x.abs() >= most * (1.0 - 1e-9)).unwrap_or(0)
}

/// Eigenvalues, ascending, and eigenvectors as columns, of the symmetric part of A; the leading element of each vector is positive. `None` if
/// the iteration does not converge.
pub(crate) fn eigh(a: &Matrix) -> Option<(Vec<f64>, Matrix)> {
    let n = a.rows;
    let found = Symmetric::new(a.symmetric_part().data, n)?.decompose()?;
    let signs: Vec<f64> = (0..n).map(|j| sign_of(found.vectors.column(j).iter().copied())).collect();
    Some((found.values, Matrix::from_fn(n, n, |i, j| found.vectors[(i, j)] * signs[j])))
}

/// −1 if the leading element is negative.
pub(crate) fn sign_of(vector: impl Iterator<Item = f64> + Clone) -> f64 {
    let leading = vector.clone().nth(leading(vector)).unwrap_or(1.0);
    if leading < 0.0 { -1.0 } else { 1.0 }
}

/// A = U diag(values) Vᵀ.
pub(crate) struct Svd {
    /// Left singular vectors as columns.
    pub(crate) u: Matrix,
    /// Singular values, descending.
    pub(crate) values: Vec<f64>,
    /// Right singular vectors as columns.
    pub(crate) v: Matrix,
}

/// The reduced singular value decomposition; the leading element of each left vector is positive. `None` if the iteration does not converge.
///
/// By hand, because nalgebra's does not converge where elements are of very different sizes: the one-sided Jacobi method (Hestenes 1958; Demmel and
/// Veselić 1992), which turns pairs of columns until all are orthogonal. Their lengths are the singular values, and the turns make up V.
pub(crate) fn svd(a: &Matrix) -> Option<Svd> {
    let tall = a.rows >= a.cols;
    let scale = power_of_two_above(a.largest());
    let (m, n) = if tall { (a.rows, a.cols) } else { (a.cols, a.rows) };
    let mut left = DMatrix::from_fn(m, n, |i, j| if tall { a.at(i, j) } else { a.at(j, i) } / scale);
    let mut right = DMatrix::identity(n, n);
    let mut lengths: Vec<f64> = left.column_iter().map(|column| column.norm()).collect();
    if !(0..SWEEPS).any(|_| !sweep(&mut left, &mut right, &mut lengths)) {
        return None;
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| lengths[j].total_cmp(&lengths[i]));
    let (mut left, right) = (left.select_columns(&order), right.select_columns(&order));
    for j in 0..n {
        unit(&mut left, j);
    }
    let (u, v) = if tall { (left, right) } else { (right, left) };
    let signs: Vec<f64> = (0..n).map(|j| sign_of(u.column(j).iter().copied())).collect();
    let signed = |x: &DMatrix<f64>| Matrix::from_fn(x.nrows(), n, |i, j| x[(i, j)] * signs[j]);
    Some(Svd { u: signed(&u), values: order.iter().map(|&j| lengths[j] * scale).collect::<Vec<_>>(), v: signed(&v) })
}

/// Sweeps over all pairs of columns: about ten are usual.
const SWEEPS: usize = 100;
/// A column this short, where the largest element is 1, is rounding: far below what the sizes of two f32 numbers can differ by.
const NOTHING: f64 = 1e-120;

/// Makes every pair of columns of `left` orthogonal in turn, and turns those of `right` alike; says whether any was not, or two
/// changed places. `lengths` are those of the columns of `left`.
fn sweep(left: &mut DMatrix<f64>, right: &mut DMatrix<f64>, lengths: &mut [f64]) -> bool {
    let mut turned = false;
    for p in 0..lengths.len() {
        for q in p + 1..lengths.len() {
            if lengths[p] < lengths[q] {
                // The longer one first: columns of nothing but rounding are then moved by little. Not all pairs have met in this sweep then.
                turned = true;
                left.swap_columns(p, q);
                right.swap_columns(p, q);
                lengths.swap(p, q);
            }
            let (a, b) = (lengths[p], lengths[q]);
            if b < NOTHING {
                continue;
            }
            let (x, y) = columns(left, p, q);
            let cosine = dot(x, y) / a / b;
            if cosine.abs() <= 1e-15 {
                continue;
            }
            turned = true;
            // (b² − a²) / (2 a b cos)
            let zeta = (b / a - a / b) / (2.0 * cosine);
            let t = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
            turn(x, y, t);
            (lengths[p], lengths[q]) = (dot(x, x).sqrt(), dot(y, y).sqrt());
            let (x, y) = columns(right, p, q);
            turn(x, y, t);
        }
    }
    turned
}

/// Two columns, p before q.
fn columns(x: &mut DMatrix<f64>, p: usize, q: usize) -> (&mut [f64], &mut [f64]) {
    let m = x.nrows();
    let (before, after) = x.as_mut_slice().split_at_mut(q * m);
    (&mut before[p * m..(p + 1) * m], &mut after[..m])
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// Turns two columns by the angle with tangent t.
fn turn(x: &mut [f64], y: &mut [f64], t: f64) {
    let c = 1.0 / t.hypot(1.0);
    for (x, y) in x.iter_mut().zip(y) {
        (*x, *y) = (c * (*x - t * *y), c * (t * *x + *y));
    }
}

/// Makes column `j` a unit vector; one of zeros becomes one that is orthogonal to those before it.
fn unit(x: &mut DMatrix<f64>, j: usize) {
    let length = x.column(j).norm();
    if length >= NOTHING {
        x.column_mut(j).scale_mut(1.0 / length);
        return;
    }
    // Of the axes one is far from the span of fewer columns than there are axes: the one of which they hold the least.
    let held = |axis: usize| (0..j).map(|k| x[(axis, k)] * x[(axis, k)]).sum::<f64>();
    let Some((farthest, _)) = (0..x.nrows()).map(|axis| (axis, held(axis))).min_by(|a, b| a.1.total_cmp(&b.1)) else { return };
    let mut e = DVector::from_fn(x.nrows(), |i, _| f64::from(u8::from(i == farthest)));
    for _ in 0..2 {
        for k in 0..j {
            let along = x.column(k).dot(&e);
            e.axpy(-along, &x.column(k), 1.0);
        }
    }
    x.set_column(j, &e.normalize());
}

/// The Moore–Penrose inverse; singular values up to `rtol` times the largest count as 0.
pub(crate) fn pinverse(a: &Matrix, rtol: f64) -> Option<Matrix> {
    let Svd { u, values, v } = svd(a)?;
    let least = rtol * values.first().copied().unwrap_or(0.0);
    let inverse: Vec<f64> = values.iter().map(|&s| if s > least { 1.0 / s } else { 0.0 }).collect();
    let scaled = Matrix::from_fn(v.rows, v.cols, |i, j| v.at(i, j) * inverse[j]);
    Some(scaled.times(&u.transposed()))
}

/// e^A by Padé approximants, scaling and squaring.
pub(crate) fn exp(a: &Matrix) -> Matrix {
    Matrix::of(&a.dense().exp())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::random::Stream;

    /// Matrices of every kind: full, of low rank, with zero rows and columns, and elements of very different sizes.
    fn matrices(count: usize) -> Vec<Matrix> {
        let mut draw = Stream::new(8, 0);
        let mut all = vec![Matrix::from_fn(3, 2, |_, _| 0.0), Matrix::identity(5), Matrix::from_fn(20, 20, |_, _| 1.0)];
        for round in 0..count {
            let (m, n) = (1 + draw.below(8) as usize, 1 + draw.below(8) as usize);
            let rank = 1 + draw.below(6) as usize;
            let span = [1, 8, 40, 76][round % 4];
            let mut number = || {
                let size = 10f64.powi(draw.below(span) as i32 - span as i32 / 2);
                if draw.below(4) == 0 { 0.0 } else { (f64::from(draw.uniform()) - 0.5) * size }
            };
            let factors: Vec<f64> = (0..(m + n) * rank).map(|_| number()).collect();
            let full: Vec<f64> = (0..m * n).map(|_| number()).collect();
            let low = |i: usize, j: usize| (0..rank).map(|k| factors[i * rank + k] * factors[(m + j) * rank + k]).sum();
            all.push(if round % 3 == 0 { Matrix::from_fn(m, n, low) } else { Matrix { rows: m, cols: n, data: full } });
        }
        all
    }

    #[test]
    fn singular_values_of_all_kinds_of_matrix() {
        for (i, a) in matrices(20_000).iter().enumerate() {
            let Svd { u, values, v } = svd(a).unwrap_or_else(|| panic!("{i}: {a:?}"));
            assert!(values.is_sorted_by(|x, y| x >= y) && values.iter().all(|s| *s >= 0.0), "{i}: {values:?}");
            let again = Matrix::from_fn(u.rows, u.cols, |i, j| u.at(i, j) * values[j]).times(&v.transposed());
            let size = a.largest().max(f64::MIN_POSITIVE);
            assert!(again.data.iter().zip(&a.data).all(|(x, y)| ((x - y) / size).abs() < 1e-13), "{i}: {a:?}");
            for x in [&u, &v] {
                let skew = x.transposed().times(x);
                let one = Matrix::identity(x.cols);
                assert!(skew.data.iter().zip(&one.data).all(|(x, y)| (x - y).abs() < 1e-13), "{i}: {a:?}: {x:?}");
            }
        }
    }
}
