//! Pooling by roots of sums of powers, between a sum and a maximum: a mean of powers, times the size of the window, and its root.

use super::super::window::ToPair;
use super::PoolOptions;
use crate::graph::Tensor;

impl Tensor {
    /// (Σ xᵖ)^(1/p) over every window of \[N, C, H, W\] (`torch.nn.functional.lp_pool2d`): 1 gives sums, large powers come near the maximum.
    /// Where the sum is 0 the gradient is 0. An odd power of negative numbers may make a negative sum, whose root is NaN.
    ///
    /// An invalid tensor as for [`Tensor::avg_pool2d`], and if the power is not a finite number above 0.
    ///
    /// ```
    /// use steepest::Device;
    /// let x = Device::cpu().tensor(&[3.0, 4.0, 0.0, 0.0], [1, 1, 1, 4]);
    /// assert_eq!(x.lp_pool2d(2.0, [1, 2], [1, 2]).to_vec::<f32>()?, [5.0, 0.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn lp_pool2d(&self, power: f64, kernel: impl ToPair, stride: impl ToPair) -> Tensor {
        let options = PoolOptions::new(kernel.to_pair()).stride(stride.to_pair());
        // Beyond every image it is no matter what the product is.
        let [height, width] = options.kernel;
        self.rooted("lp_pool2d", power, height.saturating_mul(width), |x| x.avg_pool2d_with(options))
    }

    /// (Σ xᵖ)^(1/p) over every window of \[N, C, L\]: [`Tensor::lp_pool2d`] with a height of 1.
    #[track_caller]
    pub fn lp_pool1d(&self, power: f64, kernel: usize, stride: usize) -> Tensor {
        self.rooted("lp_pool1d", power, kernel, |x| x.avg_pool1d(kernel, stride, 0, false))
    }

    /// The root of a mean of powers times a number.
    #[track_caller]
    fn rooted(&self, op: &'static str, power: f64, count: usize, mean: impl FnOnce(&Tensor) -> Tensor) -> Tensor {
        let fits = |power: f64| power > 0.0 && crate::error::finite(power) && power as f32 > 0.0;
        if let Some(invalid) = self.unfit(op, "power", power, fits, "a finite number above 0") {
            return invalid;
        }
        let sum = mean(&self.pow_scalar(power)).mul_scalar(count as f64);
        if power == 1.0 {
            return sum.made_by(op, &[self]);
        }
        // The root of 0 has no slope to multiply with.
        let nothing = sum.eq_scalar(0.0);
        let root = nothing.where_(&sum.full_like(1.0), &sum).pow_scalar(1.0 / power);
        nothing.where_(&sum.full_like(0.0), &root).made_by(op, &[self])
    }
}
