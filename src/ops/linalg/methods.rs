//! Linear algebra as methods of `Tensor`.

use super::eigen::{Eigh, SingularValues};
use super::factors::{Cholesky, Qr};
use super::pseudo::{Exp, Pinverse};
use super::solve::{Det, Inverse, SlogDet, Solve, Triangular};
use super::{Each, each, matrices, square};
use crate::error::OpError;
use crate::graph::Tensor;

/// Norms of a matrix; see [`Tensor::matrix_norm`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatrixNorm {
    /// √Σ x².
    Frobenius,
    /// The sum of the singular values.
    Nuclear,
    /// The largest singular value.
    Spectral,
    /// The largest sum of a column's absolute values (the norm of order 1).
    Columns,
    /// The largest sum of a row's absolute values (the norm of order ∞).
    Rows,
}

/// The tolerance that PyTorch and NumPy take for f32: ε · max(m, n).
fn usual_rtol(x: &Tensor) -> f64 {
    let sizes = x.try_shape().ok().and_then(|shape| matrices(&shape).ok()).map_or(1, |([m, n], _)| m.max(n));
    sizes as f64 * f64::from(f32::EPSILON)
}

impl Tensor {
    /// The determinant of every matrix, `[.., n, n]` → `[..]`; 1 of a matrix of 0 × 0.
    ///
    /// Computed on the host in f64, as all linear algebra here: on a GPU it costs a round trip. A singular matrix gives 0, and has a gradient, the
    /// matrix of cofactors. Its second derivative needs an invertible matrix.
    ///
    /// # Errors
    /// No square matrices, another type than f32; at the run point a matrix with an element that is not finite.
    ///
    /// ```
    /// use steepest::Device;
    /// let a = Device::cpu().tensor(&[1.0, 2.0, 3.0, 4.0], [2, 2]);
    /// assert_eq!(a.det().item()?, -2.0);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn det(&self) -> Tensor {
        each(Det, &[self])
    }

    /// `(sign, log|det|)` of every matrix, `[.., n, n]` → `[..]` each; (0, −∞) of a singular one. The logarithm has the gradient A⁻ᵀ, the sign
    /// none.
    ///
    /// # Errors
    /// As [`Tensor::det`]; the gradient of a singular matrix is an error at the run point.
    #[track_caller]
    pub fn slogdet(&self) -> (Tensor, Tensor) {
        let both = each(SlogDet, &[self]);
        let (sign, log) = (both.slice(-1, ..1).squeeze(&[-1]), both.slice(-1, 1..).squeeze(&[-1]));
        (sign.detach().made_by("slogdet", &[self]), log.made_by("slogdet", &[self]))
    }

    /// log det of every matrix, `[.., n, n]` → `[..]`: −∞ of a singular one, NaN where the determinant is negative. Gradient and errors are those of
    /// [`Tensor::slogdet`].
    #[track_caller]
    pub fn logdet(&self) -> Tensor {
        let (sign, log) = self.slogdet();
        sign.lt_scalar(0.0).where_(&log.constant(f64::NAN), &log).made_by("logdet", &[self])
    }

    /// The inverse of every matrix, `[.., n, n]`. To solve a system, [`Tensor::solve`] is more exact.
    ///
    /// # Errors
    /// No square matrices, another type than f32; at the run point [`OpError::Matrix`], which says which matrix of the batch is singular (to the
    /// precision of f64) or not finite.
    ///
    /// ```
    /// use steepest::Device;
    /// let a = Device::cpu().tensor(&[2.0, 1.0, 1.0, 1.0], [2, 2]);
    /// assert_eq!(a.inverse().to_vec::<f32>()?, [1.0, -1.0, -1.0, 2.0]);
    /// assert!(a.full_like(1.0).inverse().to_vec::<f32>().is_err()); // singular
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn inverse(&self) -> Tensor {
        each(Inverse, &[self])
    }

    /// X with A X = B: `[.., n, n]` and `[.., n, k]` → `[.., n, k]`, the leading axes broadcast. B may also be vectors, `[n]` or `[.., n]` with the
    /// leading axes of this tensor, and then so is X.
    ///
    /// By elimination with pivots in f64. NaN and infinities in B go into X as in a product.
    ///
    /// # Errors
    /// No square matrices, a B of other rows; at the run point as [`Tensor::inverse`].
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let a = device.tensor(&[2.0, 1.0, 1.0, 3.0], [2, 2]);
    /// assert_eq!(a.solve(&device.tensor(&[4.0, 7.0], 2)).to_vec::<f32>()?, [1.0, 2.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn solve(&self, b: &Tensor) -> Tensor {
        let solve = Solve { transpose: false };
        if self.takes_vectors(b) {
            return each(solve, &[self, &b.unsqueeze(-1)]).squeeze(&[-1]).made_by("solve", &[self, b]);
        }
        self.with_columns("solve", b, solve)
    }

    /// Records a system: with one matrix and a batch of right-hand sides, these become columns of one, so that the matrix is factorised once.
    #[track_caller]
    fn with_columns(&self, name: &'static str, b: &Tensor, op: impl Each) -> Tensor {
        let (Ok(a), Ok(of)) = (self.try_shape(), b.try_shape()) else { return each(op, &[self, b]) };
        let ([n, m], [batch @ .., rows, columns]) = (a.dims(), of.dims()) else { return each(op, &[self, b]) };
        if n != m || rows != n || batch.is_empty() {
            return each(op, &[self, b]);
        }
        let rank = of.rank() as isize;
        let order: Vec<isize> = std::iter::once(rank - 2).chain(0..rank - 2).chain([rank - 1]).collect();
        let back: Vec<isize> = (1..rank - 1).chain([0, rank - 1]).collect();
        let wide = b.permute(&order).reshape([*n, batch.iter().product::<usize>() * columns]);
        let split = [&[*n], batch, &[*columns]].concat();
        each(op, &[self, &wide]).reshape(split).permute(&back).made_by(name, &[self, b])
    }

    /// Whether a right-hand side is vectors, by PyTorch's rule: one, or one per matrix.
    fn takes_vectors(&self, b: &Tensor) -> bool {
        let (Ok(a), Ok(b)) = (self.try_shape(), b.try_shape()) else { return false };
        b.rank() == 1 || (b.rank() + 1 == a.rank() && a.dims()[..b.rank()] == *b.dims())
    }

    /// X with T X = B for a triangle T of this tensor, by substitution in f64; shapes as in [`Tensor::solve`]. What lies outside of the triangle is
    /// not read and gets no gradient.
    ///
    /// # Errors
    /// No square matrices, a B of other rows; at the run point [`OpError::Matrix`] for a 0 on the diagonal or a matrix that is not finite.
    ///
    /// ```
    /// use steepest::{Device, Triangular};
    /// let device = Device::cpu();
    /// let (l, b) = (device.tensor(&[2.0, 9.0, 1.0, 4.0], [2, 2]), device.tensor(&[2.0, 9.0], 2));
    /// assert_eq!(l.triangular_solve(&b, Triangular::default()).to_vec::<f32>()?, [1.0, 2.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn triangular_solve(&self, b: &Tensor, options: Triangular) -> Tensor {
        if self.takes_vectors(b) {
            return each(options, &[self, &b.unsqueeze(-1)]).squeeze(&[-1]).made_by("triangular_solve", &[self, b]);
        }
        self.with_columns("triangular_solve", b, options)
    }

    /// The lower triangular L with L Lᵀ = A, or with `upper` the upper triangular U with Uᵀ U = A, `[.., n, n]`.
    ///
    /// Of a matrix that is not symmetric, (A + Aᵀ) / 2 is taken; so the gradient is symmetric.
    ///
    /// # Errors
    /// No square matrices, another type than f32; at the run point [`OpError::Matrix`] for a matrix that is not positive definite or not finite.
    ///
    /// ```
    /// use steepest::Device;
    /// let a = Device::cpu().tensor(&[4.0, 2.0, 2.0, 5.0], [2, 2]);
    /// assert_eq!(a.cholesky(false).to_vec::<f32>()?, [2.0, 0.0, 1.0, 2.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn cholesky(&self, upper: bool) -> Tensor {
        let lower = each(Cholesky, &[self]);
        if upper { lower.t().made_by("cholesky", &[self]) } else { lower }
    }

    /// X with A X = B, where this tensor is the factor of A that [`Tensor::cholesky`] gives with the same `upper`; shapes and errors as in
    /// [`Tensor::triangular_solve`], which it calls twice.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let l = device.tensor(&[4.0, 2.0, 2.0, 5.0], [2, 2]).cholesky(false);
    /// assert_eq!(l.cholesky_solve(&device.tensor(&[8.0, 12.0], 2), false).to_vec::<f32>()?, [1.0, 2.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn cholesky_solve(&self, b: &Tensor, upper: bool) -> Tensor {
        let with = |transpose: bool| Triangular { upper, transpose, unit_diagonal: false };
        let halfway = self.triangular_solve(b, with(upper));
        self.triangular_solve(&halfway, with(!upper)).made_by("cholesky_solve", &[self, b])
    }

    /// `(Q, R)` with Q R = A, columns of Q orthonormal, R upper triangular: `[.., m, n]` → `[.., m, k]` and `[.., k, n]` with k = min(m, n).
    ///
    /// The diagonal of R is not negative, which makes both unique where the first k columns are independent. (LAPACK, and so PyTorch, leaves signs to
    /// the algorithm.) The gradient needs the first k columns to be independent, too; else it is an error at the run point.
    ///
    /// # Errors
    /// No matrices, another type than f32; at the run point a matrix that is not finite.
    #[track_caller]
    pub fn qr(&self) -> (Tensor, Tensor) {
        let Some(Ok(([m, n], _))) = self.try_shape().ok().map(|shape| matrices(&shape)) else {
            let invalid = each(Qr, &[self]);
            return (invalid.clone(), invalid);
        };
        let (m, n) = (m as isize, n as isize);
        if m < n {
            // The first m columns, and what the others are in the basis of Q.
            let both = each(Qr, &[&self.slice(-1, ..m)]);
            let q = both.slice(-1, ..m).t();
            let r = both.slice(-1, m..).cat(&[&q.t().matmul(&self.slice(-1, m..))], -1);
            return (q.made_by("qr", &[self]), r.made_by("qr", &[self]));
        }
        let both = each(Qr, &[self]);
        (both.slice(-1, ..m).t().made_by("qr", &[self]), both.slice(-1, m..).made_by("qr", &[self]))
    }

    /// `(values, vectors)` of symmetric matrices, `[.., n, n]` → `[.., n]`, ascending, and `[.., n, n]`, a unit vector per column:
    /// A = V diag(λ) Vᵀ.
    ///
    /// Of a matrix that is not symmetric, (A + Aᵀ) / 2 is taken. The largest element of each vector (the first, of several as large) is positive, so
    /// the same matrix has the same vectors everywhere.
    ///
    /// The gradient of the vectors has 1 / (λ_j − λ_i) in it: it is infinite or NaN where values coincide, as in PyTorch. That of the values alone
    /// is not concerned.
    ///
    /// # Errors
    /// No square matrices, another type than f32; at the run point a matrix that is not finite.
    ///
    /// ```
    /// use steepest::Device;
    /// let a = Device::cpu().tensor(&[2.0, 1.0, 1.0, 2.0], [2, 2]);
    /// let (values, vectors) = a.eigh();
    /// assert_eq!(values.to_vec::<f32>()?, [1.0, 3.0]);
    /// assert!(vectors.to_vec::<f32>()?.iter().all(|x| (x.abs() - 0.5f32.sqrt()).abs() < 1e-6));
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn eigh(&self) -> (Tensor, Tensor) {
        let both = each(Eigh, &[self]);
        let values = both.slice(-2, -1..).squeeze(&[-2]).made_by("eigh", &[self]);
        (values, both.slice(-2, ..-1).made_by("eigh", &[self]))
    }

    /// The eigenvalues of symmetric matrices, ascending; see [`Tensor::eigh`].
    #[track_caller]
    pub fn eigvalsh(&self) -> Tensor {
        self.eigh().0
    }

    /// `(U, σ, Vᵀ)` with U diag(σ) Vᵀ = A, reduced: `[.., m, n]` → `[.., m, k]`, `[.., k]` and `[.., k, n]` with k = min(m, n), the singular values
    /// descending.
    ///
    /// The largest element of each column of U (the first, of several as large) is positive. The gradients of U and V are infinite or NaN where
    /// singular values coincide or, where k < max(m, n), are 0, as in PyTorch; that of σ is not concerned.
    ///
    /// # Errors
    /// No matrices, another type than f32; at the run point a matrix that is not finite.
    #[track_caller]
    pub fn svd(&self) -> (Tensor, Tensor, Tensor) {
        let all = each(SingularValues, &[self]);
        let m = self.try_shape().ok().and_then(|shape| matrices(&shape).ok()).map_or(0, |([m, _], _)| m as isize);
        let values = all.slice(-1, m..m + 1).squeeze(&[-1]).made_by("svd", &[self]);
        (all.slice(-1, ..m).t().made_by("svd", &[self]), values, all.slice(-1, m + 1..).made_by("svd", &[self]))
    }

    /// The singular values of every matrix, descending, `[.., m, n]` → `[.., min(m, n)]`; see [`Tensor::svd`].
    #[track_caller]
    pub fn svdvals(&self) -> Tensor {
        self.svd().1
    }

    /// The Moore–Penrose inverse of every matrix, `[.., m, n]` → `[.., n, m]`. Singular values up to `rtol` times the largest count as 0; `None` is
    /// ε · max(m, n) with the ε of f32, as in PyTorch and NumPy.
    ///
    /// The gradient holds while the number of singular values that count stays the same.
    ///
    /// # Errors
    /// No matrices, another type than f32, an `rtol` that is negative or not finite; at the run point a matrix that is not finite.
    #[track_caller]
    pub fn pinverse(&self, rtol: Option<f64>) -> Tensor {
        let rtol = rtol.unwrap_or_else(|| usual_rtol(self));
        if let Some(invalid) = self.unfit("pinverse", "rtol", rtol, not_negative, NOT_NEGATIVE) {
            return invalid;
        }
        each(Pinverse { rtol }, &[self])
    }

    /// The X of least ‖A X − B‖, and of these the shortest: `[.., m, n]` and `[.., m, k]` → `[.., n, k]`, or vectors as in [`Tensor::solve`]. It is
    /// A⁺ B, with the pseudoinverse for `rtol`.
    ///
    /// # Errors
    /// As [`Tensor::pinverse`], and a B of other rows.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// // The line through (0, 1), (1, 3), (2, 5).
    /// let a = device.tensor(&[1.0, 0.0, 1.0, 1.0, 1.0, 2.0], [3, 2]);
    /// let found = a.lstsq(&device.tensor(&[1.0, 3.0, 5.0], 3), None).to_vec::<f32>()?;
    /// assert!((found[0] - 1.0).abs() < 1e-5 && (found[1] - 2.0).abs() < 1e-5);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn lstsq(&self, b: &Tensor, rtol: Option<f64>) -> Tensor {
        if let (Ok(a), Ok(of)) = (self.try_shape(), b.try_shape())
            && let Ok(([m, _], _)) = matrices(&a)
        {
            let vectors = of.rank() == 1 || (of.rank() + 1 == a.rank() && a.dims()[..of.rank()] == *of.dims());
            let rows = if vectors { of.dims().last() } else { of.dims().iter().rev().nth(1) };
            if rows != Some(&m) {
                let message = format!("a matrix of {m} rows and a right-hand side {of}");
                return self.refuse("lstsq", OpError::Shape(message));
            }
            if vectors {
                let x = self.pinverse(rtol).matmul(&b.unsqueeze(-1)).squeeze(&[-1]);
                return x.made_by("lstsq", &[self, b]);
            }
        }
        self.pinverse(rtol).matmul(b).made_by("lstsq", &[self, b])
    }

    /// The number of singular values above `rtol` times the largest, of every matrix, as u32: `[.., m, n]` → `[..]`. `None` is the tolerance of
    /// [`Tensor::pinverse`]. No gradient.
    ///
    /// # Errors
    /// As [`Tensor::pinverse`].
    #[track_caller]
    pub fn matrix_rank(&self, rtol: Option<f64>) -> Tensor {
        let rtol = rtol.unwrap_or_else(|| usual_rtol(self));
        if let Some(invalid) = self.unfit("matrix_rank", "rtol", rtol, not_negative, NOT_NEGATIVE) {
            return invalid;
        }
        let values = self.svdvals();
        let least = values.slice(-1, ..1).mul_scalar(rtol);
        values.gt(&least).to_f32().sum(&[-1]).to_u32().made_by("matrix_rank", &[self])
    }

    /// A norm of every matrix, `[.., m, n]` → `[..]`. Of the spectral norm the gradient is that of the largest singular value.
    ///
    /// # Errors
    /// No matrices, another type than f32; of a matrix without elements the norms that are a largest value.
    #[track_caller]
    pub fn matrix_norm(&self, norm: MatrixNorm) -> Tensor {
        let found = match norm {
            MatrixNorm::Frobenius => self.l2_norm(&[-2, -1]),
            MatrixNorm::Nuclear => self.svdvals().sum(&[-1]),
            MatrixNorm::Spectral => self.svdvals().max(&[-1]),
            MatrixNorm::Columns => self.abs().sum(&[-2]).max(&[-1]),
            MatrixNorm::Rows => self.abs().sum(&[-1]).max(&[-1]),
        };
        found.made_by("matrix_norm", &[self])
    }

    /// The condition number σ_max / σ_min of every matrix, `[.., m, n]` → `[..]`; infinite of a singular one.
    ///
    /// # Errors
    /// As [`Tensor::svd`], and a matrix without elements.
    #[track_caller]
    pub fn cond(&self) -> Tensor {
        let values = self.svdvals();
        values.max(&[-1]).div(&values.min(&[-1])).made_by("cond", &[self])
    }

    /// The n-th power of every square matrix by repeated squaring: the identity for 0, the power of the inverse for a negative n.
    ///
    /// # Errors
    /// No square matrices, another type than f32; for a negative n as [`Tensor::inverse`].
    #[track_caller]
    pub fn matrix_power(&self, n: i32) -> Tensor {
        let sizes = self.try_shape().map(|shape| matrices(&shape).and_then(|(sizes, _)| square(sizes)));
        match sizes {
            Err(_) => return self.clone(),
            Ok(Err(error)) => return self.refuse("matrix_power", error),
            Ok(Ok(_)) => {}
        }
        if n == 0 {
            return super::on_diagonal(&self.full_like(1.0)).made_by("matrix_power", &[self]);
        }
        let mut square = if n < 0 { self.inverse() } else { self.clone() };
        let (mut left, mut product): (u32, Option<Tensor>) = (n.unsigned_abs(), None);
        while left > 0 {
            if left % 2 == 1 {
                product = Some(product.map_or(square.clone(), |so_far| so_far.matmul(&square)));
            }
            left /= 2;
            if left > 0 {
                square = square.matmul(&square);
            }
        }
        product.unwrap_or(square).made_by("matrix_power", &[self])
    }

    /// The exponential Σ Aᵏ / k! of every square matrix, `[.., n, n]`, by Padé approximants with scaling and squaring in f64.
    ///
    /// # Errors
    /// No square matrices, another type than f32; at the run point a matrix that is not finite, or whose exponential is beyond the range of f64.
    #[track_caller]
    pub fn matrix_exp(&self) -> Tensor {
        each(Exp, &[self])
    }
}

const NOT_NEGATIVE: &str = "a finite number that is not negative";

fn not_negative(x: f64) -> bool {
    x.is_finite() && x >= 0.0
}
