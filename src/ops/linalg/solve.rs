//! Determinants, inverses and linear systems: det, cofactors, slogdet, inverse, solve, triangular_solve.
//!
//! Gradients as in M. Giles, *Collected matrix derivative results for forward and reverse mode algorithmic differentiation* (2008).

use super::{Each, Fault, SINGULAR, Sizes, definition, each, square};
use crate::error::OpError;
use crate::factor::{self, Matrix};
use crate::graph::Tensor;
use crate::graph::op::GradCtx;
use smallvec::smallvec;

/// The determinant.
#[derive(Clone, Debug)]
pub(super) struct Det;

/// Rounding of a determinant: of the size of the product of its rows, by Hadamard's bound.
fn hadamard(a: &Matrix) -> f64 {
    let row = |i: usize| a.data[i * a.cols..(i + 1) * a.cols].iter().map(|x| x * x).sum::<f64>().sqrt();
    (0..a.rows).map(row).product()
}

impl Each for Det {
    const NAME: &'static str = "det";
    fn output(&self, sizes: &[[usize; 2]]) -> Result<Sizes, OpError> {
        square(sizes[0]).map(|_| smallvec![])
    }
    fn compute(&self, inputs: &[Matrix]) -> Result<Vec<f64>, Fault> {
        let (sign, log) = factor::determinant(&inputs[0]);
        Ok(vec![sign * log.exp()])
    }
    fn definition(&self, inputs: &[Matrix]) -> Vec<f64> {
        vec![definition::det(&inputs[0])]
    }
    fn slack(&self, inputs: &[Matrix], _: &[f64]) -> f64 {
        1e-12 * hadamard(&inputs[0]).min(f64::from(f32::MAX))
    }
    /// G · cofactors(A): also right where A is singular.
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![Some(ctx.grad.unsqueeze(-1).unsqueeze(-1).mul(&each(Cofactors, &[&ctx.inputs[0]])))]
    }
}

/// The matrix of cofactors, det(A) A⁻ᵀ: the gradient of the determinant.
#[derive(Clone, Debug)]
pub(super) struct Cofactors;

impl Each for Cofactors {
    const NAME: &'static str = "cofactors";
    fn output(&self, sizes: &[[usize; 2]]) -> Result<Sizes, OpError> {
        square(sizes[0]).map(|n| smallvec![n, n])
    }
    fn compute(&self, inputs: &[Matrix]) -> Result<Vec<f64>, Fault> {
        factor::cofactors(&inputs[0]).map(|c| c.data).ok_or(super::NO_CONVERGENCE)
    }
    fn definition(&self, inputs: &[Matrix]) -> Vec<f64> {
        definition::cofactors(&inputs[0])
    }
    fn slack(&self, inputs: &[Matrix], definition: &[f64]) -> f64 {
        let a = &inputs[0];
        let rounding = 1e-12 * a.largest().powi(a.rows as i32 - 1);
        rounding + 1e-8 * definition.iter().fold(0.0, |most: f64, x| most.max(x.abs()))
    }
    /// With C the cofactors and X = A⁻¹: Xᵀ (⟨G, C⟩ − Gᵀ C), of an invertible matrix.
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let (g, c) = (ctx.grad, ctx.output);
        if c.try_shape().is_ok_and(|shape| shape.dims().ends_with(&[1, 1])) {
            // That of one number is 1.
            return vec![Some(ctx.inputs[0].full_like(0.0))];
        }
        let along = super::on_diagonal(&g.mul(c).sum_keepdim(&[-2, -1]).mul(&c.full_like(1.0)));
        vec![Some(each(Inverse, &[&ctx.inputs[0]]).t().matmul(&along.sub(&g.t().matmul(c))))]
    }
}

/// The sign of the determinant and the logarithm of its size, [.., 2].
#[derive(Clone, Debug)]
pub(super) struct SlogDet;

impl Each for SlogDet {
    const NAME: &'static str = "slogdet";
    fn output(&self, sizes: &[[usize; 2]]) -> Result<Sizes, OpError> {
        square(sizes[0]).map(|_| smallvec![2])
    }
    fn compute(&self, inputs: &[Matrix]) -> Result<Vec<f64>, Fault> {
        let (sign, log) = factor::determinant(&inputs[0]);
        Ok(vec![sign, log])
    }
    fn definition(&self, inputs: &[Matrix]) -> Vec<f64> {
        let det = definition::det(&inputs[0]);
        vec![if det == 0.0 { 0.0 } else { det.signum() }, det.abs().ln()]
    }
    /// G A⁻ᵀ of the logarithm; the sign has no gradient.
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let g = ctx.grad.slice(-1, 1..).unsqueeze(-1);
        vec![Some(g.mul(&each(Inverse, &[&ctx.inputs[0]]).t()))]
    }
}

/// A⁻¹
#[derive(Clone, Debug)]
pub(super) struct Inverse;

impl Each for Inverse {
    const NAME: &'static str = "inverse";
    fn output(&self, sizes: &[[usize; 2]]) -> Result<Sizes, OpError> {
        square(sizes[0]).map(|n| smallvec![n, n])
    }
    fn compute(&self, inputs: &[Matrix]) -> Result<Vec<f64>, Fault> {
        let a = &inputs[0];
        factor::solve(a, &Matrix::identity(a.rows)).map(|x| x.data).ok_or(SINGULAR)
    }
    fn definition(&self, inputs: &[Matrix]) -> Vec<f64> {
        definition::solve(&inputs[0], &Matrix::identity(inputs[0].rows)).data
    }
    /// −Xᵀ G Xᵀ
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let x = ctx.output.t();
        vec![Some(x.matmul(ctx.grad).matmul(&x).neg())]
    }
}

/// X with A X = B, or Aᵀ X = B.
#[derive(Clone, Debug)]
pub(super) struct Solve {
    pub(super) transpose: bool,
}

/// The sizes of the solution: those of the right-hand side, which must have as many rows as the matrix.
fn solution(a: [usize; 2], b: [usize; 2]) -> Result<Sizes, OpError> {
    let n = square(a)?;
    if b[0] != n {
        return Err(OpError::Shape(format!("a matrix of {n} × {n} and a right-hand side of {} rows", b[0])));
    }
    Ok(smallvec![n, b[1]])
}

impl Each for Solve {
    const NAME: &'static str = "solve";
    fn params(&self) -> Vec<u32> {
        vec![u32::from(self.transpose)]
    }
    fn output(&self, sizes: &[[usize; 2]]) -> Result<Sizes, OpError> {
        solution(sizes[0], sizes[1])
    }
    fn compute(&self, inputs: &[Matrix]) -> Result<Vec<f64>, Fault> {
        let [a, b] = inputs else { return Err(SINGULAR) };
        let solved = if self.transpose { factor::solve(&a.transposed(), b) } else { factor::solve(a, b) };
        solved.map(|x| x.data).ok_or(SINGULAR)
    }
    fn definition(&self, inputs: &[Matrix]) -> Vec<f64> {
        let a = if self.transpose { inputs[0].transposed() } else { inputs[0].clone() };
        definition::solve(&a, &inputs[1]).data
    }
    /// With H the solution for Aᵀ and the gradient: H to B, and −H Xᵀ to A.
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let [a, b] = ctx.inputs else { return vec![] };
        let h = each(Solve { transpose: !self.transpose }, &[a, ctx.grad]);
        let x = ctx.output;
        let da = || if self.transpose { x.matmul(&h.t()) } else { h.matmul(&x.t()) };
        vec![ctx.needs[0].then(|| da().neg().sum_to_like(a)), ctx.needs[1].then(|| h.sum_to_like(b))]
    }
}

/// Which triangle of a matrix a system is solved with, and how; see [`Tensor::triangular_solve`]. By default the lower one as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Triangular {
    /// The upper triangle; else the lower one. What is beside it is not read.
    pub upper: bool,
    /// Solve with the transpose of that triangle.
    pub transpose: bool,
    /// Take the diagonal for ones, whatever it holds.
    pub unit_diagonal: bool,
}

impl Triangular {
    /// The matrix that these options stand for, before it is transposed.
    fn read(self, a: &Matrix) -> Matrix {
        Matrix::from_fn(a.rows, a.cols, |i, j| match (i == j, (j > i) == self.upper) {
            (true, _) if self.unit_diagonal => 1.0,
            (false, false) => 0.0,
            _ => a.at(i, j),
        })
    }
}

impl Each for Triangular {
    const NAME: &'static str = "triangular_solve";
    fn params(&self) -> Vec<u32> {
        [self.upper, self.transpose, self.unit_diagonal].map(u32::from).to_vec()
    }
    fn output(&self, sizes: &[[usize; 2]]) -> Result<Sizes, OpError> {
        solution(sizes[0], sizes[1])
    }
    /// By substitution.
    fn compute(&self, inputs: &[Matrix]) -> Result<Vec<f64>, Fault> {
        let [a, b] = inputs else { return Err(SINGULAR) };
        let mut t = self.read(a);
        if self.transpose {
            t = t.transposed();
        }
        if (0..t.rows).any(|i| t.at(i, i) == 0.0) {
            return Err(("has a 0 on its diagonal", "a triangular matrix that is invertible"));
        }
        let (n, columns) = (t.rows, b.cols);
        let from_below = self.upper != self.transpose;
        let mut x = b.data.clone();
        for step in 0..n {
            let i = if from_below { n - 1 - step } else { step };
            let known = if from_below { i + 1..n } else { 0..i };
            for c in 0..columns {
                let rest: f64 = known.clone().map(|k| t.at(i, k) * x[k * columns + c]).sum();
                x[i * columns + c] = (x[i * columns + c] - rest) / t.at(i, i);
            }
        }
        Ok(x)
    }
    fn definition(&self, inputs: &[Matrix]) -> Vec<f64> {
        let t = self.read(&inputs[0]);
        definition::solve(&if self.transpose { t.transposed() } else { t }, &inputs[1]).data
    }
    /// As that of [`Solve`], of the triangle alone.
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let [a, b] = ctx.inputs else { return vec![] };
        let h = each(Triangular { transpose: !self.transpose, ..*self }, &[a, ctx.grad]);
        let x = ctx.output;
        let beside = isize::from(self.unit_diagonal);
        let da = || {
            let whole = if self.transpose { x.matmul(&h.t()) } else { h.matmul(&x.t()) };
            let part = if self.upper { whole.triu(beside) } else { whole.tril(-beside) };
            part.neg().sum_to_like(a)
        };
        vec![ctx.needs[0].then(da), ctx.needs[1].then(|| h.sum_to_like(b))]
    }
}
