//! Functions of a whole matrix: the pseudoinverse and the exponential.

use super::{Each, Fault, NO_CONVERGENCE, Sizes, definition, each, square};
use crate::error::OpError;
use crate::factor::{self, Matrix};
use crate::graph::Tensor;
use crate::graph::op::GradCtx;
use smallvec::smallvec;

/// The Moore–Penrose inverse; singular values up to `rtol` times the largest count as 0.
#[derive(Clone, Debug)]
pub(super) struct Pinverse {
    pub(super) rtol: f64,
}

impl Each for Pinverse {
    const NAME: &'static str = "pinverse";
    fn output(&self, sizes: &[[usize; 2]]) -> Result<Sizes, OpError> {
        let [m, n] = sizes[0];
        Ok(smallvec![n, m])
    }
    fn compute(&self, inputs: &[Matrix]) -> Result<Vec<f64>, Fault> {
        factor::pinverse(&inputs[0], self.rtol).map(|x| x.data).ok_or(NO_CONVERGENCE)
    }
    fn definition(&self, inputs: &[Matrix]) -> Vec<f64> {
        definition::pinverse(&inputs[0], self.rtol).data
    }
    /// −Xᵀ G Xᵀ + (1 − A X) Gᵀ X Xᵀ + Xᵀ X Gᵀ (1 − X A): G. Golub and V. Pereyra, *The differentiation of pseudo-inverses and nonlinear least
    /// squares problems* (1973). It holds while the rank stays the same.
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let (a, x, g) = (&ctx.inputs[0], ctx.output, ctx.grad);
        let (xt, gt) = (x.t(), g.t());
        let rows = gt.sub(&a.matmul(&x.matmul(&gt))).matmul(x).matmul(&xt);
        let from_left = xt.matmul(x).matmul(&gt);
        let columns = from_left.sub(&from_left.matmul(x).matmul(a));
        vec![Some(rows.add(&columns).sub(&xt.matmul(g).matmul(&xt)))]
    }
}

/// e^A = Σ Aᵏ / k!
#[derive(Clone, Debug)]
pub(super) struct Exp;

impl Each for Exp {
    const NAME: &'static str = "matrix_exp";
    fn output(&self, sizes: &[[usize; 2]]) -> Result<Sizes, OpError> {
        square(sizes[0]).map(|n| smallvec![n, n])
    }
    fn compute(&self, inputs: &[Matrix]) -> Result<Vec<f64>, Fault> {
        let found = factor::exp(&inputs[0]);
        if found.is_finite() { Ok(found.data) } else { Err(("has an exponential beyond all range", "a smaller matrix")) }
    }
    fn definition(&self, inputs: &[Matrix]) -> Vec<f64> {
        definition::exp(&inputs[0]).data
    }
    /// The upper right block of exp([[Aᵀ, G], [0, Aᵀ]]): C. Van Loan, *Computing integrals involving the matrix exponential* (1978).
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let (a, g) = (ctx.inputs[0].t(), ctx.grad);
        let Ok(shape) = a.try_shape() else { return vec![] };
        let n = shape.dims()[shape.rank() - 1] as isize;
        let blocks = a.cat(&[g], -1).cat(&[&a.full_like(0.0).cat(&[&a], -1)], -2);
        vec![Some(each(Exp, &[&blocks]).slice(-2, ..n).slice(-1, n..))]
    }
}
