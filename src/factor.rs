//! Factorisations of small dense matrices in f64, on the host, with the conventions that make them unique.

use crate::eigen::{self, Symmetric, add_times, dot, length};

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

    fn row(&self, i: usize) -> &[f64] {
        &self.data[i * self.cols..(i + 1) * self.cols]
    }

    /// Adds a multiple of one row to another, from a column on.
    fn add_row(&mut self, to: usize, factor: f64, from: usize, start: usize) {
        let cols = self.cols;
        let (before, after) = self.data.split_at_mut(to.max(from) * cols);
        let (early, late) = (&mut before[to.min(from) * cols..][start..cols], &mut after[start..cols]);
        let (to, from) = if to < from { (early, &*late) } else { (late, &*early) };
        add_times(to, factor, from);
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

/// P D A = L U, with D a diagonal of powers of two that give every row a size of about 1, and P an order of the rows.
struct Triangles {
    /// U, and below its diagonal L without its ones.
    lu: Matrix,
    /// Which row of A each row is of.
    rows: Vec<usize>,
    /// The determinant of P.
    parity: f64,
    scales: Vec<f64>,
    singular: bool,
}

impl Triangles {
    fn of(a: &Matrix) -> Triangles {
        let n = a.rows;
        let largest = |row: &[f64]| row.iter().fold(0.0f64, |most, x| most.max(x.abs()));
        let scales: Vec<f64> = (0..n).map(|i| 1.0 / power_of_two_above(largest(a.row(i)))).collect();
        let mut lu = Matrix::from_fn(n, n, |i, j| a.at(i, j) * scales[i]);
        let columns: Vec<f64> = (0..n).map(|j| (0..n).fold(0.0f64, |most, i| most.max(lu.at(i, j).abs()))).collect();
        let (mut rows, mut parity): (Vec<usize>, f64) = ((0..n).collect(), 1.0);
        for k in 0..n {
            // The first of the largest.
            let pivot = (k..n).rev().max_by(|&i, &j| lu.at(i, k).abs().total_cmp(&lu.at(j, k).abs())).unwrap_or(k);
            if pivot != k {
                parity = -parity;
                rows.swap(k, pivot);
                (0..n).for_each(|j| lu.data.swap(k * n + j, pivot * n + j));
            }
            if lu.at(k, k) == 0.0 {
                continue;
            }
            for i in k + 1..n {
                let factor = lu.at(i, k) / lu.at(k, k);
                lu.add_row(i, -factor, k, k + 1);
                lu.data[i * n + k] = factor;
            }
        }
        let singular = (0..n).any(|k| is_rounding(lu.at(k, k), columns[k], n));
        Triangles { lu, rows, parity, scales, singular }
    }
}

/// The solution of A X = B; `None` if A is singular.
pub(crate) fn solve(a: &Matrix, b: &Matrix) -> Option<Matrix> {
    let Triangles { lu, rows, scales, singular, .. } = Triangles::of(a);
    if singular {
        return None;
    }
    let n = a.rows;
    let mut x = Matrix::from_fn(n, b.cols, |i, j| b.at(rows[i], j) * scales[rows[i]]);
    for i in 0..n {
        (0..i).for_each(|k| x.add_row(i, -lu.at(i, k), k, 0));
    }
    for i in (0..n).rev() {
        (i + 1..n).for_each(|k| x.add_row(i, -lu.at(i, k), k, 0));
        let pivot = lu.at(i, i);
        x.data[i * b.cols..(i + 1) * b.cols].iter_mut().for_each(|x| *x /= pivot);
    }
    Some(x)
}

/// The sign of the determinant, 0 of a singular matrix, and the logarithm of its size.
pub(crate) fn determinant(a: &Matrix) -> (f64, f64) {
    let Triangles { lu, parity, scales, singular, .. } = Triangles::of(a);
    if singular {
        return (0.0, f64::NEG_INFINITY);
    }
    let pivots = (0..a.rows).map(|k| lu.at(k, k));
    let sign = pivots.clone().fold(parity, |sign: f64, pivot| sign * pivot.signum());
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
    eigen::cholesky(a.symmetric_part().data, a.rows).map(|data| Matrix { rows: a.rows, cols: a.cols, data })
}

/// Q with orthonormal columns and an upper triangular R, whose diagonal is not negative, with Q R = A; for at least as many rows as columns.
pub(crate) fn qr(a: &Matrix) -> (Matrix, Matrix) {
    let (m, n) = (a.rows, a.cols);
    let mut columns = columns_of(a);
    // The reflection I − 2 v vᵀ of each column, which leaves nothing of it below the diagonal.
    let mut reflections: Vec<Vec<f64>> = vec![];
    for k in 0..n {
        let mut v = columns[k][k..].to_vec();
        let size = length(&v);
        if size > 0.0 {
            v[0] += size.copysign(v[0]);
            let size = length(&v);
            v.iter_mut().for_each(|x| *x /= size);
        }
        columns[k..].iter_mut().for_each(|column| reflect(&mut column[k..], &v));
        reflections.push(v);
    }
    let mut q: Vec<Vec<f64>> = (0..n).map(|j| (0..m).map(|i| f64::from(u8::from(i == j))).collect()).collect();
    for (k, v) in reflections.iter().enumerate().rev() {
        q.iter_mut().for_each(|column| reflect(&mut column[k..], v));
    }
    let sign = |i: usize| if columns[i][i] < 0.0 { -1.0 } else { 1.0 };
    let r = Matrix::from_fn(n, n, |i, j| if i > j { 0.0 } else { columns[j][i] * sign(i) });
    (Matrix::from_fn(m, n, |i, j| q[j][i] * sign(j)), r)
}

/// x ← (I − 2 v vᵀ) x
fn reflect(x: &mut [f64], v: &[f64]) {
    add_times(x, -2.0 * dot(v, x), v);
}

fn columns_of(a: &Matrix) -> Vec<Vec<f64>> {
    (0..a.cols).map(|j| (0..a.rows).map(|i| a.at(i, j)).collect()).collect()
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
    let signs: Vec<f64> = (0..n).map(|j| sign_of(found.vectors[j].iter().copied())).collect();
    Some((found.values, Matrix::from_fn(n, n, |i, j| found.vectors[j][i] * signs[j])))
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
/// By the one-sided Jacobi method (Hestenes 1958; Demmel and Veselić 1992), which also converges where elements are of very different sizes: it turns
/// pairs of columns until all are orthogonal. Their lengths are the singular values, and the turns make up V.
pub(crate) fn svd(a: &Matrix) -> Option<Svd> {
    let tall = a.rows >= a.cols;
    let scale = power_of_two_above(a.largest());
    let n = a.rows.min(a.cols);
    let mut left = if tall { columns_of(a) } else { columns_of(&a.transposed()) };
    left.iter_mut().flatten().for_each(|x| *x /= scale);
    let mut right = columns_of(&Matrix::identity(n));
    let mut lengths: Vec<f64> = left.iter().map(|column| length(column)).collect();
    if !(0..SWEEPS).any(|_| !sweep(&mut left, &mut right, &mut lengths)) {
        return None;
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| lengths[j].total_cmp(&lengths[i]));
    let [mut left, right] = [left, right].map(|columns| order.iter().map(|&j| columns[j].clone()).collect::<Vec<_>>());
    for j in 0..n {
        unit(&mut left, j);
    }
    let (u, v) = if tall { (left, right) } else { (right, left) };
    let signs: Vec<f64> = u.iter().map(|column| sign_of(column.iter().copied())).collect();
    let signed = |x: &[Vec<f64>], rows: usize| Matrix::from_fn(rows, n, |i, j| x[j][i] * signs[j]);
    let values = order.iter().map(|&j| lengths[j] * scale).collect();
    Some(Svd { u: signed(&u, a.rows), values, v: signed(&v, a.cols) })
}

/// Sweeps over all pairs of columns: about ten are usual.
const SWEEPS: usize = 100;
/// A column this short, where the largest element is 1, is rounding: far below what the sizes of two f32 numbers can differ by.
const NOTHING: f64 = 1e-120;

/// Makes every pair of columns of `left` orthogonal in turn, and turns those of `right` alike; says whether any was not, or two
/// changed places. `lengths` are those of the columns of `left`.
fn sweep(left: &mut [Vec<f64>], right: &mut [Vec<f64>], lengths: &mut [f64]) -> bool {
    let mut turned = false;
    for p in 0..lengths.len() {
        for q in p + 1..lengths.len() {
            if lengths[p] < lengths[q] {
                // The longer one first: columns of nothing but rounding are then moved by little. Not all pairs have met in this sweep then.
                turned = true;
                left.swap(p, q);
                right.swap(p, q);
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
fn columns(x: &mut [Vec<f64>], p: usize, q: usize) -> (&mut [f64], &mut [f64]) {
    let (before, after) = x.split_at_mut(q);
    (&mut before[p], &mut after[0])
}

/// Turns two columns by the angle with tangent t.
fn turn(x: &mut [f64], y: &mut [f64], t: f64) {
    let c = 1.0 / t.hypot(1.0);
    for (x, y) in x.iter_mut().zip(y) {
        (*x, *y) = (c * (*x - t * *y), c * (t * *x + *y));
    }
}

/// Makes column `j` a unit vector; one of zeros becomes one that is orthogonal to those before it.
fn unit(columns: &mut [Vec<f64>], j: usize) {
    let (before, rest) = columns.split_at_mut(j);
    let column = &mut rest[0];
    if length(column) < NOTHING {
        // Of the axes one is far from the span of fewer columns than there are axes: the one of which they hold the least.
        let held = |axis: usize| before.iter().map(|other| other[axis] * other[axis]).sum::<f64>();
        let axes = (0..column.len()).map(|axis| (axis, held(axis)));
        let Some((farthest, _)) = axes.min_by(|a, b| a.1.total_cmp(&b.1)) else { return };
        column.fill(0.0);
        column[farthest] = 1.0;
        for other in [&*before, &*before].into_iter().flatten() {
            let along = dot(other, column);
            add_times(column, -along, other);
        }
    }
    let size = length(column);
    column.iter_mut().for_each(|x| *x /= size);
}

/// The Moore–Penrose inverse; singular values up to `rtol` times the largest count as 0.
pub(crate) fn pinverse(a: &Matrix, rtol: f64) -> Option<Matrix> {
    let Svd { u, values, v } = svd(a)?;
    let least = rtol * values.first().copied().unwrap_or(0.0);
    let inverse: Vec<f64> = values.iter().map(|&s| if s > least { 1.0 / s } else { 0.0 }).collect();
    let scaled = Matrix::from_fn(v.rows, v.cols, |i, j| v.at(i, j) * inverse[j]);
    Some(scaled.times(&u.transposed()))
}

/// Coefficients of the numerator of the Padé approximant of eˣ of degree 13, from 1 on; of the denominator, with every second sign turned.
const PADE: [f64; 14] = [
    1.0,
    1.0 / 2.0,
    3.0 / 25.0,
    11.0 / 600.0,
    11.0 / 5520.0,
    3.0 / 18_400.0,
    1.0 / 96_600.0,
    1.0 / 1_932_000.0,
    1.0 / 48_944_000.0,
    1.0 / 1_585_785_600.0,
    1.0 / 67_395_888_000.0,
    1.0 / 3_953_892_096_000.0,
    1.0 / 355_850_288_640_000.0,
    1.0 / 64_764_752_532_480_000.0,
];
/// Norm up to which that approximant is exact to rounding (Higham 2005).
const PADE_UP_TO: f64 = 5.37;

/// e^A by a Padé approximant, scaling and squaring; not finite if it is beyond all range.
pub(crate) fn exp(a: &Matrix) -> Matrix {
    let n = a.rows;
    let norm = (0..n).map(|j| (0..n).map(|i| a.at(i, j).abs()).sum::<f64>()).fold(0.0, f64::max);
    let nothing = || Matrix::from_fn(n, n, |_, _| f64::NAN);
    if !norm.is_finite() || !a.is_finite() {
        return nothing();
    }
    let halvings = if norm > PADE_UP_TO { (norm / PADE_UP_TO).log2().ceil() as i32 } else { 0 };
    let scaled = Matrix::from_fn(n, n, |i, j| a.at(i, j) * 0.5f64.powi(halvings));
    let square = scaled.times(&scaled);
    // Even and odd powers of A, by Horner's rule in A².
    let polynomial = |coefficients: [f64; 7]| {
        let mut sum = Matrix::from_fn(n, n, |_, _| 0.0);
        for coefficient in coefficients.into_iter().rev() {
            sum = sum.times(&square);
            sum.data.iter_mut().step_by(n + 1).for_each(|x| *x += coefficient);
        }
        sum
    };
    let even = polynomial(std::array::from_fn(|k| PADE[2 * k]));
    let odd = scaled.times(&polynomial(std::array::from_fn(|k| PADE[2 * k + 1])));
    let both = |sign: f64| Matrix::from_fn(n, n, |i, j| even.at(i, j) + sign * odd.at(i, j));
    let Some(mut found) = solve(&both(-1.0), &both(1.0)) else { return nothing() };
    for _ in 0..halvings {
        found = found.times(&found);
    }
    found
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

    fn assert_close(what: &str, found: &Matrix, expected: &Matrix, bound: f64) {
        assert_eq!((found.rows, found.cols), (expected.rows, expected.cols), "{what}");
        let off = found.data.iter().zip(&expected.data).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
        assert!(off <= bound, "{what}: off by {off}: {found:?}, expected {expected:?}");
    }

    #[test]
    fn factors_of_all_kinds_of_matrix_multiply_to_it() {
        for (i, given) in matrices(5_000).iter().enumerate() {
            // Elements up to 1: nothing is lost when products are compared.
            let scale = power_of_two_above(given.largest());
            let a = Matrix { data: given.data.iter().map(|x| x / scale).collect(), ..*given };
            let tall = if a.rows < a.cols { a.transposed() } else { a.clone() };
            let (q, r) = qr(&tall);
            assert_close(&format!("{i}: QR"), &q.times(&r), &tall, 1e-14);
            assert_close(&format!("{i}: QᵀQ"), &q.transposed().times(&q), &Matrix::identity(tall.cols), 1e-14);
            for (k, x) in r.data.iter().enumerate() {
                let (row, column) = (k / r.cols, k % r.cols);
                assert!(row < column || (row == column && *x >= 0.0) || *x == 0.0, "{i}: {r:?}");
            }
            let n = tall.cols;
            let product = tall.transposed().times(&tall);
            let definite = Matrix::from_fn(n, n, |i, j| product.at(i, j) + f64::from(u8::from(i == j)));
            let l = cholesky(&definite).unwrap();
            assert!((0..n).all(|i| (i + 1..n).all(|j| l.at(i, j) == 0.0)), "{i}: {l:?}");
            assert_close(&format!("{i}: LLᵀ"), &l.times(&l.transposed()), &definite, 1e-13);
            let inverse = solve(&definite, &Matrix::identity(n)).unwrap();
            assert_close(&format!("{i}: A⁻¹A"), &inverse.times(&definite), &Matrix::identity(n), 1e-12);
            let (sign, log) = determinant(&definite);
            let expected: f64 = (0..n).map(|k| 2.0 * l.at(k, k).ln()).sum();
            assert!(sign == 1.0 && (log - expected).abs() < 1e-12, "{i}: {sign}, {log} and {expected}");
        }
    }

    #[test]
    fn determinants_inverses_and_exponentials_are_those_that_nalgebra_finds() {
        let mut draw = Stream::new(9, 0);
        for n in (1..30).cycle().take(300) {
            let a = Matrix { rows: n, cols: n, data: (0..n * n).map(|_| f64::from(draw.uniform()) - 0.5).collect() };
            let dense = nalgebra::DMatrix::from_row_slice(n, n, &a.data);
            let of = |found: &nalgebra::DMatrix<f64>| Matrix::from_fn(n, n, |i, j| found[(i, j)]);
            let (sign, log) = determinant(&a);
            let expected = dense.determinant();
            assert!(((sign * log.exp()) / expected - 1.0).abs() < 1e-9, "{n}: {sign}, {log} and {expected}");
            let (found, expected) = (solve(&a, &Matrix::identity(n)).unwrap(), of(&dense.clone().try_inverse().unwrap()));
            assert_close(&format!("{n}: inverse"), &found, &expected, 1e-12 * (1.0 + expected.largest()).powi(2));
            let expected = of(&dense.exp());
            assert_close(&format!("{n}: exponential"), &exp(&a), &expected, 1e-12 * expected.largest());
        }
    }

    #[test]
    fn rows_in_another_order_turn_the_sign_of_a_determinant() {
        let cycle = Matrix::from_fn(3, 3, |i, j| f64::from(u8::from(j == (i + 1) % 3)));
        let swap = Matrix::from_fn(4, 4, |i, j| f64::from(u8::from(j == [1, 0, 2, 3][i])));
        assert_eq!((determinant(&cycle), determinant(&swap)), ((1.0, 0.0), (-1.0, 0.0)));
        assert!(solve(&Matrix::from_fn(3, 3, |_, _| 1.0), &Matrix::identity(3)).is_none());
        assert!(cholesky(&swap).is_none());
    }

    #[test]
    fn exponentials_of_matrices_of_every_size() {
        for size in [1e-9, 0.1, 1.0, 5.0, 6.0, 40.0, 300.0] {
            // A turn by an angle, and a triangle.
            let turn = exp(&Matrix { rows: 2, cols: 2, data: vec![0.0, -size, size, 0.0] });
            let (sine, cosine) = size.sin_cos();
            let expected = Matrix { rows: 2, cols: 2, data: vec![cosine, -sine, sine, cosine] };
            assert_close(&format!("a turn by {size}"), &turn, &expected, 1e-15 * (10.0 + 10.0 * size));
            let triangle = exp(&Matrix { rows: 2, cols: 2, data: vec![-size, 1.0, 0.0, -size] });
            for (found, expected) in triangle.data.iter().zip([1.0, 1.0, 0.0, 1.0]) {
                let expected = expected * (-size).exp();
                assert!((found - expected).abs() <= 1e-13 * (1.0 + size) * expected, "{size}: {found} and {expected}");
            }
        }
        assert_eq!(exp(&Matrix::from_fn(3, 3, |_, _| 0.0)), Matrix::identity(3));
        assert!(!exp(&Matrix::from_fn(2, 2, |_, _| 1e30)).is_finite());
        assert!(!exp(&Matrix::from_fn(1, 1, |_, _| f64::NAN)).is_finite());
    }
}
