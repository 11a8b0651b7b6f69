//! Eigenvalues of symmetric matrices and singular values, with their vectors.

use super::{Each, Fault, NO_CONVERGENCE, Sizes, definition, on_diagonal, quotient, quotient_off_diagonal, square, symmetric};
use crate::error::OpError;
use crate::factor::{self, Matrix, Svd};
use crate::graph::Tensor;
use crate::graph::op::GradCtx;
use smallvec::smallvec;

/// Eigenvectors as columns and below them the eigenvalues, ascending: [.., n + 1, n].
#[derive(Clone, Debug)]
pub(super) struct Eigh;

/// How far two ways of computing vectors may be apart: anything where values all but coincide, which leaves the vectors open.
fn slack_of_vectors(values: &[f64], more: Option<f64>) -> f64 {
    let largest = values.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    let mut sorted: Vec<f64> = values.iter().copied().chain(more).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let gap = sorted.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
    if gap > 1e-5 * largest { 1e-8 * largest.max(1.0) } else { f64::INFINITY }
}

impl Each for Eigh {
    const NAME: &'static str = "eigh";
    fn output(&self, sizes: &[[usize; 2]]) -> Result<Sizes, OpError> {
        square(sizes[0]).map(|n| smallvec![n + 1, n])
    }
    fn compute(&self, inputs: &[Matrix]) -> Result<Vec<f64>, Fault> {
        let (values, vectors) = factor::eigh(&inputs[0]).ok_or(NO_CONVERGENCE)?;
        Ok([vectors.data, values].concat())
    }
    fn definition(&self, inputs: &[Matrix]) -> Vec<f64> {
        let (values, vectors) = definition::eigh(&inputs[0].symmetric_part());
        [vectors.data, values].concat()
    }
    fn slack(&self, inputs: &[Matrix], definition: &[f64]) -> f64 {
        let n = inputs[0].rows;
        slack_of_vectors(&definition[n * n..], None)
    }
    /// V (diag(g) + F ∘ (Vᵀ G)) Vᵀ, symmetric part, with F_ij = 1 / (λ_j − λ_i): M. Giles (2008), section 3.1.
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let (v, values) = (ctx.output.slice(-2, ..-1), ctx.output.slice(-2, -1..));
        let (gv, g) = (ctx.grad.slice(-2, ..-1), ctx.grad.slice(-2, -1..));
        let inner = quotient_off_diagonal(&v.t().matmul(&gv), &values.sub(&values.t()));
        let inner = inner.add(&on_diagonal(&g.mul(&inner.full_like(1.0))));
        vec![Some(symmetric(&v.matmul(&inner).matmul(&v.t())))]
    }
}

/// U, singular values, descending, and V of A = U diag(σ) Vᵀ, as [.., k, m + 1 + n] with k = min(m, n): row i is column i of U, σ_i, column i of V.
#[derive(Clone, Debug)]
pub(super) struct SingularValues;

fn packed(found: &Svd) -> Vec<f64> {
    let Svd { u, values, v } = found;
    let m = u.rows;
    let entry = |i: usize, j: usize| match j {
        j if j < m => u.at(j, i),
        j if j == m => values[i],
        j => v.at(j - m - 1, i),
    };
    Matrix::from_fn(values.len(), m + 1 + v.rows, entry).data
}

impl Each for SingularValues {
    const NAME: &'static str = "svd";
    fn output(&self, sizes: &[[usize; 2]]) -> Result<Sizes, OpError> {
        let [m, n] = sizes[0];
        Ok(smallvec![m.min(n), m + 1 + n])
    }
    fn compute(&self, inputs: &[Matrix]) -> Result<Vec<f64>, Fault> {
        factor::svd(&inputs[0]).map(|found| packed(&found)).ok_or(NO_CONVERGENCE)
    }
    fn definition(&self, inputs: &[Matrix]) -> Vec<f64> {
        packed(&definition::svd(&inputs[0]))
    }
    fn slack(&self, inputs: &[Matrix], definition: &[f64]) -> f64 {
        let a = &inputs[0];
        let width = a.rows + 1 + a.cols;
        let values: Vec<f64> = definition.chunks(width).map(|row| row[a.rows]).collect();
        // Vectors of a 0 are as open as those of values that coincide.
        slack_of_vectors(&values, Some(0.0))
    }
    /// U (skew(Uᵀ G_U) ∘ F Σ + Σ F ∘ skew(Vᵀ G_V) + diag(g)) Vᵀ with skew(X) = X − Xᵀ and F_ij = 1 / (σ_j² − σ_i²), and what lies outside of the
    /// spans of U and V: M. Seeger et al., *Auto-differentiating linear algebra* (2017); J. Townsend, *Differentiating the singular value
    /// decomposition* (2016).
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let Ok(shape) = ctx.inputs[0].try_shape() else { return vec![] };
        let [m, n] = [shape.dims()[shape.rank() - 2] as isize, shape.dims()[shape.rank() - 1] as isize];
        let parts = |x: &Tensor| (x.slice(-1, ..m).t(), x.slice(-1, m..m + 1), x.slice(-1, m + 1..).t());
        let ((u, column, v), (gu, g, gv)) = (parts(ctx.output), parts(ctx.grad));
        let row = column.t();
        // (σ_j − σ_i) (σ_j + σ_i) keeps what the difference of squares would lose.
        let gaps = row.sub(&column).mul(&row.add(&column));
        let (uu, vv) = (u.t().matmul(&gu), v.t().matmul(&gv));
        let turned = |x: &Tensor| quotient_off_diagonal(&x.sub(&x.t()), &gaps);
        let inner = turned(&uu).mul(&row).add(&turned(&vv).mul(&column));
        let inner = inner.add(&on_diagonal(&g.mul(&inner.full_like(1.0))));
        let mut gradient = u.matmul(&inner).matmul(&v.t());
        if m > n {
            let outside = quotient(&gu.sub(&u.matmul(&uu)), &row);
            gradient = gradient.add(&outside.matmul(&v.t()));
        }
        if n > m {
            let outside = quotient(&gv.sub(&v.matmul(&vv)), &row);
            gradient = gradient.add(&u.matmul(&outside.t()));
        }
        vec![Some(gradient)]
    }
}
