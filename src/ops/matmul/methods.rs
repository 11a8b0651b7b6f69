//! `matmul` and `dot` of tensors, by numpy's rules.

use super::{Matmul, last_two, product, read_as};
use crate::error::OpError;
use crate::graph::{Tensor, record};
use crate::ops::layout::{Reshape, transposed};
use crate::shape::Shape;

impl Tensor {
    /// The matrix product by numpy's rules: of matrices; of batches of them, whose leading axes broadcast; a vector counts
    /// as a row before, as a column after a matrix, and its axis is left out of the result.
    ///
    /// A recorded transpose of the last two axes ([`Tensor::t`]) is read in place and not copied.
    ///
    /// One or both operands may be f16 ([`Tensor::to_f16`]): products of f16 are exact in f32, sums and the result are f32.
    /// [`Device::set_precision`](crate::Device::set_precision) has all products round their operands.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let a = device.tensor(&[1.0, 2.0, 3.0, 4.0], [2, 2]);
    /// assert_eq!(a.matmul(&a.t()).to_vec::<f32>()?, [5.0, 11.0, 11.0, 25.0]);
    /// assert_eq!(a.matmul(&device.tensor(&[1.0, 0.5], 2)).to_vec::<f32>()?, [2.0, 5.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn matmul(&self, other: &Tensor) -> Tensor {
        let plain = Matmul { trans_a: false, trans_b: false };
        let (Ok(a), Ok(b)) = (self.try_shape(), other.try_shape()) else { return record(plain, &[self, other]) };
        if a.rank() == 0 || b.rank() == 0 {
            return record(plain, &[self, other]);
        }
        let (k, p) = (a.dims()[a.rank() - 1], b.dims()[b.rank().saturating_sub(2)]);
        match (a.rank(), b.rank()) {
            // Here and not after axes are added, so that the message shows the shapes as they were given.
            (1, _) | (_, 1) if k != p => {
                self.refuse("matmul", OpError::Shape(format!("{a} × {b}: inner sizes {k} and {p} differ")))
            }
            (1, 1) => self.mul(other).sum(&[]).made_by("matmul", &[self, other]),
            (1, _) => self.unsqueeze(0).matmul(other).squeeze(&[-2]),
            (_, 1) => self.matmul(&other.unsqueeze(-1)).squeeze(&[-1]),
            _ => {
                let ((x, trans_a), (y, trans_b)) = (untransposed(self), untransposed(other));
                let (x, y) = if self.node().backend().rounds_to_f16() { (x.to_f16(), y.to_f16()) } else { (x, y) };
                let op = Matmul { trans_a, trans_b };
                match (x.try_shape(), y.try_shape()) {
                    // A batch against one matrix is one tall matrix against it.
                    (Ok(from), Ok(one)) if from.rank() > 2 && one.rank() == 2 && !trans_a => {
                        flattened(&x, from, &y, op).unwrap_or_else(|| record(op, &[&x, &y]))
                    }
                    _ => record(op, &[&x, &y]),
                }
            }
        }
    }

    /// The scalar product Σ x y of two vectors.
    #[track_caller]
    pub fn dot(&self, other: &Tensor) -> Tensor {
        match (self.try_shape(), other.try_shape()) {
            (Ok(a), Ok(b)) if a.rank() != 1 || a != b => {
                let message = format!("{a} · {b}: two vectors of one length are expected");
                self.refuse("dot", OpError::Shape(message))
            }
            _ => self.mul(other).sum(&[]).made_by("dot", &[self, other]),
        }
    }
}

/// What is under recorded transposes of the last two axes, and whether it is to be read transposed.
fn untransposed(tensor: &Tensor) -> (Tensor, bool) {
    let (mut found, mut flipped) = (tensor.clone(), false);
    while let Some(inner) = transposed(&found) {
        (found, flipped) = (inner, !flipped);
    }
    (found, flipped)
}

/// [..., m, k] × [k, n] as [... m, k] × [k, n]; `None` if the sizes do not fit: `record` will say so.
#[track_caller]
fn flattened(x: &Tensor, from: Shape, y: &Tensor, op: Matmul) -> Option<Tensor> {
    let [_, k] = last_two(&from);
    let to = product(from, read_as(y.try_shape().ok()?, op.trans_b).ok()?).ok()?;
    let rows: usize = from.dims()[..from.rank() - 1].iter().product();
    let tall = record(Reshape { shape: Shape::new(&[rows, k]).ok()? }, &[x]);
    Some(record(Reshape { shape: to }, &[&record(op, &[&tall, y])]))
}
