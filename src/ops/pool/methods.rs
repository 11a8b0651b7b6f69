//! Pooling as methods of `Tensor`: two-dimensional, and one-dimensional by a height of 1.

use super::super::window::ToPair;
use super::{AvgPool2d, Cells, MaxPool2d, window};
use crate::error::OpError;
use crate::graph::{Tensor, record};

impl Tensor {
    /// The largest of every window of \[N, C, H, W\] → \[N, C, oH, oW\] with oH = ⌊(H + 2 padding − kernel) / stride⌋ + 1; NaN if one
    /// is NaN. What is in the padding counts as −∞. All of the gradient goes to the first of several that are equal, in row order.
    ///
    /// An invalid tensor if there are not four axes, a size is 0, the kernel does not fit into the padded image, or the padding is
    /// more than half of the kernel.
    ///
    /// ```
    /// use steepest::Device;
    /// let x = Device::cpu().tensor(&[1.0, 5.0, 3.0, 2.0, 4.0, 0.0], [1, 1, 2, 3]);
    /// assert_eq!(x.max_pool2d(2, 1, 0).to_vec::<f32>()?, [5.0, 5.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn max_pool2d(&self, kernel: impl ToPair, stride: impl ToPair, padding: impl ToPair) -> Tensor {
        record(MaxPool2d { window: window(kernel, stride, padding) }, &[self])
    }

    /// The mean of every window of \[N, C, H, W\] → \[N, C, oH, oW\] with oH = ⌊(H + 2 padding − kernel) / stride⌋ + 1. Places in the
    /// padding count as zeros with `count_include_pad` (PyTorch's default), else the mean is over those in the image.
    ///
    /// An invalid tensor as for [`Tensor::max_pool2d`].
    #[track_caller]
    pub fn avg_pool2d(&self, kernel: impl ToPair, stride: impl ToPair, padding: impl ToPair, count_include_pad: bool) -> Tensor {
        let cells = Cells::Sliding { window: window(kernel, stride, padding), count_include_pad };
        record(AvgPool2d { cells }, &[self])
    }

    /// The means of a given number of cells of \[N, C, H, W\] → \[N, C, oH, oW\]: cell i covers rows ⌊i·H/oH⌋ to ⌈(i+1)·H/oH⌉, and
    /// columns alike.
    ///
    /// An invalid tensor if there are not four axes or a size is 0.
    #[track_caller]
    pub fn adaptive_avg_pool2d(&self, output: impl ToPair) -> Tensor {
        record(AvgPool2d { cells: Cells::Adaptive { output: output.to_pair() } }, &[self])
    }

    /// The mean over height and width: \[N, C, H, W\] → \[N, C\].
    ///
    /// An invalid tensor if there are not four axes.
    #[track_caller]
    pub fn global_avg_pool2d(&self) -> Tensor {
        match self.try_shape() {
            Ok(shape) if shape.rank() != 4 => {
                self.refuse("global_avg_pool2d", OpError::Shape(format!("operand is {shape}, expected four axes [N, C, H, W]")))
            }
            _ => self.mean(&[2, 3]).made_by("global_avg_pool2d", &[self]),
        }
    }

    /// The largest of every window of \[N, C, L\]: [`Tensor::max_pool2d`] with a height of 1.
    #[track_caller]
    pub fn max_pool1d(&self, kernel: usize, stride: usize, padding: usize) -> Tensor {
        self.flat("max_pool1d", |x| x.max_pool2d([1, kernel], [1, stride], [0, padding]))
    }

    /// The mean of every window of \[N, C, L\]: [`Tensor::avg_pool2d`] with a height of 1.
    #[track_caller]
    pub fn avg_pool1d(&self, kernel: usize, stride: usize, padding: usize, count_include_pad: bool) -> Tensor {
        self.flat("avg_pool1d", |x| x.avg_pool2d([1, kernel], [1, stride], [0, padding], count_include_pad))
    }

    /// The means of a given number of cells of \[N, C, L\]: [`Tensor::adaptive_avg_pool2d`] with a height of 1.
    #[track_caller]
    pub fn adaptive_avg_pool1d(&self, output: usize) -> Tensor {
        self.flat("adaptive_avg_pool1d", |x| x.adaptive_avg_pool2d([1, output]))
    }

    /// Something done to \[N, C, L\] as to images of height 1.
    #[track_caller]
    fn flat(&self, op: &'static str, pool: impl FnOnce(&Tensor) -> Tensor) -> Tensor {
        match self.try_shape() {
            Ok(shape) if shape.rank() != 3 => {
                self.refuse(op, OpError::Shape(format!("operand is {shape}, expected three axes [N, C, L]")))
            }
            _ => {
                let y = pool(&self.unsqueeze(2));
                if y.check().is_ok() { y.squeeze(&[2]) } else { y.made_by(op, &[self]) }
            }
        }
    }
}
