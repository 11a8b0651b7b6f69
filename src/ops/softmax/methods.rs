//! Softmax, log-sum-exp, cross-entropy and the squared error as methods of tensors.

use super::Softmax;
use super::cross_entropy::CrossEntropy;
use crate::error::OpError;
use crate::graph::{Tensor, record};

impl Tensor {
    /// Softmax along an axis: positive numbers that sum to 1. A line whose largest element is not finite becomes NaN.
    ///
    /// ```
    /// use steepest::Device;
    /// let p = Device::cpu().tensor(&[0.0, 0.0], 2).softmax(-1);
    /// assert_eq!(p.to_vec::<f32>()?, [0.5, 0.5]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn softmax(&self, axis: isize) -> Tensor {
        self.with_shape("softmax", |s| Ok(Softmax { axis: s.axis(axis)?, log: false }))
    }

    /// The logarithm of the softmax, exact where the softmax itself underflows.
    #[track_caller]
    pub fn log_softmax(&self, axis: isize) -> Tensor {
        self.with_shape("log_softmax", |s| Ok(Softmax { axis: s.axis(axis)?, log: true }))
    }

    /// log Σ e^x over some axes (an empty list means all), without overflow.
    #[track_caller]
    pub fn logsumexp(&self, axes: &[isize], keepdim: bool) -> Tensor {
        let largest = self.max_keepdim(axes);
        // Shifting by an infinity would give ∞ − ∞.
        let shift = largest.is_finite().where_(&largest, &largest.full_like(0.0)).detach();
        let total = self.sub(&shift).exp().sum_keepdim(axes).log().add(&shift);
        let total = match self.try_shape().map(|s| s.reduced(&s.axes(axes).unwrap_or_default(), keepdim)) {
            Ok(shape) => total.reshape(shape),
            Err(_) => total,
        };
        total.made_by("logsumexp", &[self])
    }

    /// Softmax cross-entropy of each row of these logits \[rows, classes\] → \[rows\].
    ///
    /// `labels` are integers \[rows\] or probabilities \[rows, classes\]. A label that is no class is an error where
    /// the numbers are known at recording, else the row's loss is NaN.
    #[track_caller]
    pub fn cross_entropy_rows(&self, labels: &Tensor) -> Tensor {
        record(CrossEntropy, &[self, labels])
    }

    /// Mean softmax cross-entropy of logits \[rows, classes\]: the loss of classification. For `labels` see
    /// [`Tensor::cross_entropy_rows`].
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let logits = device.tensor(&[0.0, 0.0, 0.0, 0.0], [2, 2]);
    /// let loss = logits.cross_entropy(&device.tensor(&[0u32, 1], 2));
    /// assert!((loss.item()? - 2f32.ln()).abs() < 1e-6);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn cross_entropy(&self, labels: &Tensor) -> Tensor {
        self.cross_entropy_rows(labels).mean(&[]).made_by("cross_entropy", &[self, labels])
    }

    /// Mean squared error: the mean over all elements of (x − target)². The shapes must be equal.
    #[track_caller]
    pub fn mse(&self, target: &Tensor) -> Tensor {
        if let (Ok(a), Ok(b)) = (self.try_shape(), target.try_shape())
            && a != b
        {
            // Broadcasting [n] against [n,1] to [n,n] is never what a loss means.
            return self.refuse("mse", OpError::Shape(format!("prediction {a} and target {b} differ")));
        }
        self.sub(target).square().mean(&[]).made_by("mse", &[self, target])
    }
}
