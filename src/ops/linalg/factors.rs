//! Factorisations without an iteration: Cholesky and QR.

use super::{Each, Fault, Sizes, definition, each, square, symmetric};
use crate::error::OpError;
use crate::factor::{self, Matrix};
use crate::graph::Tensor;
use crate::graph::op::GradCtx;
use crate::ops::linalg::Triangular;
use smallvec::smallvec;

/// The lower triangular L with L Lᵀ = (A + Aᵀ) / 2.
#[derive(Clone, Debug)]
pub(super) struct Cholesky;

impl Each for Cholesky {
    const NAME: &'static str = "cholesky";
    fn output(&self, sizes: &[[usize; 2]]) -> Result<Sizes, OpError> {
        square(sizes[0]).map(|n| smallvec![n, n])
    }
    fn compute(&self, inputs: &[Matrix]) -> Result<Vec<f64>, Fault> {
        let found = factor::cholesky(&inputs[0]);
        found.map(|l| l.data).ok_or(("is not positive definite", "a symmetric matrix whose eigenvalues are all above 0"))
    }
    fn definition(&self, inputs: &[Matrix]) -> Vec<f64> {
        definition::cholesky(&inputs[0].symmetric_part()).data
    }
    /// L⁻ᵀ Φ(Lᵀ G) L⁻¹, symmetric part, where Φ takes the lower triangle and half of the diagonal: I. Murray, *Differentiation of the Cholesky
    /// decomposition* (2016).
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let l = ctx.output;
        let p = l.t().matmul(&ctx.grad.tril(0));
        let p = p.tril(0).sub(&super::on_diagonal(&p).mul_scalar(0.5));
        let transposed = Triangular { transpose: true, ..Triangular::default() };
        let left = each(transposed, &[l, &p]);
        vec![Some(symmetric(&each(transposed, &[l, &left.t()])))]
    }
}

/// Q and R of A = Q R, for at least as many rows as columns, as [.., n, m + n]: row i is column i of Q, then row i of R.
#[derive(Clone, Debug)]
pub(super) struct Qr;

impl Each for Qr {
    const NAME: &'static str = "qr";
    fn output(&self, sizes: &[[usize; 2]]) -> Result<Sizes, OpError> {
        let [m, n] = sizes[0];
        Ok(smallvec![n, m + n])
    }
    fn compute(&self, inputs: &[Matrix]) -> Result<Vec<f64>, Fault> {
        Ok(packed(factor::qr(&inputs[0])))
    }
    fn definition(&self, inputs: &[Matrix]) -> Vec<f64> {
        packed(definition::qr(&inputs[0]))
    }
    fn slack(&self, inputs: &[Matrix], definition: &[f64]) -> f64 {
        let (n, width) = (inputs[0].cols, inputs[0].rows + inputs[0].cols);
        let diagonal = (0..n).map(|i| definition[i * width + inputs[0].rows + i].abs());
        let (least, most) = diagonal.fold((f64::INFINITY, 0.0f64), |(least, most), x| (least.min(x), most.max(x)));
        // Columns that depend on those before leave the direction of Q's open.
        if least > 1e-7 * most { 1e-8 * most.max(1.0) } else { f64::INFINITY }
    }
    /// (G_Q + Q copyltu(M)) R⁻ᵀ with M = R G_Rᵀ − G_Qᵀ Q, where copyltu mirrors the lower triangle: M. Seeger et al., *Auto-differentiating linear
    /// algebra* (2017).
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let Ok(shape) = ctx.inputs[0].try_shape() else { return vec![] };
        let m = shape.dims()[shape.rank() - 2] as isize;
        let (q, r) = (ctx.output.slice(-1, ..m).t(), ctx.output.slice(-1, m..));
        let (gq, gr) = (ctx.grad.slice(-1, ..m).t(), ctx.grad.slice(-1, m..).triu(0));
        let whole = r.matmul(&gr.t()).sub(&gq.t().matmul(&q));
        let mirrored = whole.tril(0).add(&whole.tril(-1).t());
        let left = gq.add(&q.matmul(&mirrored));
        let upper = Triangular { upper: true, ..Triangular::default() };
        vec![Some(each(upper, &[&r, &left.t()]).t())]
    }
}

fn packed((q, r): (Matrix, Matrix)) -> Vec<f64> {
    let m = q.rows;
    Matrix::from_fn(r.rows, m + r.cols, |i, j| if j < m { q.at(j, i) } else { r.at(i, j - m) }).data
}
