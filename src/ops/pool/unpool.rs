//! The reverse of maximum pooling: what was the largest of a window goes back to where it was, zeros elsewhere.

use super::super::index::Reduce;
use super::super::window::{ToPair, ToTriple};
use crate::error::OpError;
use crate::graph::Tensor;

impl Tensor {
    /// Zeros \[N, C, H, W\] with the elements of \[N, C, oH, oW\] at their places, u32 numbers y · W + x of the same shape, as
    /// [`Tensor::max_pool2d_with_indices`] gives them (`torch.nn.functional.max_unpool2d`). Of several for one place the last in row order
    /// wins, and has the gradient.
    ///
    /// An invalid tensor if there are not four axes, the places have another shape or type, or one is known to be outside.
    ///
    /// ```
    /// use steepest::{Device, PoolOptions};
    /// let x = Device::cpu().tensor(&[1.0, 5.0, 3.0, 2.0, 4.0, 0.0, 7.0, 6.0], [1, 1, 2, 4]);
    /// let (largest, places) = x.max_pool2d_with_indices(PoolOptions::new(2));
    /// let back = largest.max_unpool2d(&places, [2, 4]);
    /// assert_eq!(back.to_vec::<f32>()?, [0.0, 5.0, 0.0, 0.0, 0.0, 0.0, 7.0, 0.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn max_unpool2d(&self, places: &Tensor, size: impl ToPair) -> Tensor {
        self.put_back("max_unpool2d", places, &size.to_pair())
    }

    /// Zeros \[N, C, L\] with the elements of \[N, C, oL\] at their places: [`Tensor::max_unpool2d`] of lines, for
    /// [`Tensor::max_pool1d_with_indices`].
    #[track_caller]
    pub fn max_unpool1d(&self, places: &Tensor, size: usize) -> Tensor {
        self.put_back("max_unpool1d", places, &[size])
    }

    /// Zeros \[N, C, D, H, W\] with the elements of \[N, C, oD, oH, oW\] at their places: [`Tensor::max_unpool2d`] of volumes, for
    /// [`Tensor::max_pool3d_with_indices`].
    #[track_caller]
    pub fn max_unpool3d(&self, places: &Tensor, size: impl ToTriple) -> Tensor {
        self.put_back("max_unpool3d", places, &size.to_triple())
    }

    #[track_caller]
    fn put_back(&self, op: &'static str, places: &Tensor, size: &[usize]) -> Tensor {
        let (shape, index) = match (self.try_shape(), places.try_shape()) {
            (Ok(shape), Ok(index)) => (shape, index),
            (Err(_), _) => return self.clone(),
            (_, Err(_)) => return places.clone(),
        };
        if shape.rank() != size.len() + 2 || index != shape {
            let message = format!("{shape} and places {index}, expected two axes [N, C] and {} more of both", size.len());
            return self.refuse(op, OpError::Shape(message));
        }
        let (n, c) = (shape.dims()[0], shape.dims()[1]);
        let Some(plane) = size.iter().try_fold(1usize, |product, &side| product.checked_mul(side)) else {
            return self.refuse(op, OpError::Shape(format!("a result of {size:?} is too large")));
        };
        let flat = [n, c, shape.dims()[2..].iter().product()];
        let zeros = self.device().zeros([n, c, plane]);
        let made = zeros.scatter(2, &places.reshape(flat), &self.reshape(flat), Reduce::Set);
        made.reshape([&[n, c], size].concat()).made_by(op, &[self, places])
    }
}
