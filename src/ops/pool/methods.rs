//! Pooling as methods of `Tensor`: two-dimensional, and one-dimensional by a height of 1.

use super::super::window::ToPair;
use super::{AvgPool2d, Cells, MaxPool2d, MaxPool2dIndices, PoolOptions};
use crate::error::OpError;
use crate::graph::op::Op;
use crate::graph::{Tensor, record};

/// Windows of the two-dimensional methods that take numbers.
fn options(kernel: impl ToPair, stride: impl ToPair, padding: impl ToPair) -> PoolOptions<2> {
    PoolOptions::new(kernel.to_pair()).stride(stride.to_pair()).padding(padding.to_pair())
}

impl Tensor {
    /// The largest of every window of \[N, C, H, W\] → \[N, C, oH, oW\] with oH = ⌊(H + 2 padding − kernel) / stride⌋ + 1; NaN if one
    /// is NaN. What is in the padding counts as −∞. All of the gradient goes to the first of several that are equal, in row order.
    /// [`Tensor::max_pool2d_with`] has more options.
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
        self.max_pool2d_with(options(kernel, stride, padding))
    }

    /// The largest of every window, as [`Tensor::max_pool2d`], with a dilation or a number of windows that is rounded up:
    /// oH = ⌊or ⌈(H + 2 padding − dilation (kernel − 1) − 1) / stride⌉ + 1.
    ///
    /// An invalid tensor as there, and where a window has no element of the image (a dilation longer than it, with padding).
    #[track_caller]
    pub fn max_pool2d_with(&self, options: PoolOptions<2>) -> Tensor {
        self.pooled("max_pool2d", |size| Ok(MaxPool2d { cells: options.maximum(size) }))
    }

    /// [`Tensor::max_pool2d_with`], and where each largest is: y · W + x of the plane, u32 \[N, C, oH, oW\]. It is the first of several that
    /// are equal, in row order, or the first NaN.
    ///
    /// ```
    /// use steepest::{Device, PoolOptions};
    /// let x = Device::cpu().tensor(&[1.0, 5.0, 3.0, 2.0, 4.0, 0.0], [1, 1, 2, 3]);
    /// let (largest, places) = x.max_pool2d_with_indices(PoolOptions::new([2, 1]));
    /// assert_eq!(largest.to_vec::<f32>()?, [2.0, 5.0, 3.0]);
    /// assert_eq!(places.to_vec::<u32>()?, [3, 1, 2]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn max_pool2d_with_indices(&self, options: PoolOptions<2>) -> (Tensor, Tensor) {
        (
            self.max_pool2d_with(options),
            self.pooled("max_pool2d_with_indices", |size| Ok(MaxPool2dIndices { cells: options.maximum(size) })),
        )
    }

    /// The mean of every window of \[N, C, H, W\] → \[N, C, oH, oW\] with oH = ⌊(H + 2 padding − kernel) / stride⌋ + 1. Places in the
    /// padding count as zeros with `count_include_pad` (PyTorch's default), else the mean is over those in the image.
    ///
    /// An invalid tensor as for [`Tensor::max_pool2d`].
    #[track_caller]
    pub fn avg_pool2d(&self, kernel: impl ToPair, stride: impl ToPair, padding: impl ToPair, count_include_pad: bool) -> Tensor {
        self.avg_pool2d_with(options(kernel, stride, padding).count_include_pad(count_include_pad))
    }

    /// The mean of every window, as [`Tensor::avg_pool2d`], also with a number of windows that is rounded up. A last window that reaches
    /// beyond the padding is divided by its places that do not.
    ///
    /// An invalid tensor as there, and with a dilation.
    ///
    /// ```
    /// use steepest::{Device, PoolOptions};
    /// let x = Device::cpu().tensor(&[1.0, 3.0, 5.0], [1, 1, 1, 3]);
    /// assert_eq!(x.avg_pool2d_with(PoolOptions::new([1, 2]).ceil_mode(true)).to_vec::<f32>()?, [2.0, 5.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn avg_pool2d_with(&self, options: PoolOptions<2>) -> Tensor {
        self.pooled("avg_pool2d", |size| Ok(AvgPool2d { cells: options.average(size)? }))
    }

    /// The means of a given number of cells of \[N, C, H, W\] → \[N, C, oH, oW\]: cell i covers rows ⌊i·H/oH⌋ to ⌈(i+1)·H/oH⌉, and
    /// columns alike.
    ///
    /// An invalid tensor if there are not four axes or a size is 0.
    #[track_caller]
    pub fn adaptive_avg_pool2d(&self, output: impl ToPair) -> Tensor {
        record(AvgPool2d { cells: Cells::Adaptive { output: output.to_pair() } }, &[self])
    }

    /// The largest of each of a given number of cells of \[N, C, H, W\] → \[N, C, oH, oW\]: the cells of [`Tensor::adaptive_avg_pool2d`],
    /// and of each what [`Tensor::max_pool2d`] takes of a window.
    ///
    /// An invalid tensor if there are not four axes or a size is 0.
    ///
    /// ```
    /// use steepest::Device;
    /// let x = Device::cpu().tensor(&[1.0, 5.0, 3.0, 2.0, 4.0], [1, 1, 1, 5]);
    /// assert_eq!(x.adaptive_max_pool2d([1, 2]).to_vec::<f32>()?, [5.0, 4.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn adaptive_max_pool2d(&self, output: impl ToPair) -> Tensor {
        record(MaxPool2d { cells: Cells::Adaptive { output: output.to_pair() } }, &[self])
    }

    /// The largest of every window of \[N, C, L\]: [`Tensor::max_pool2d`] with a height of 1.
    #[track_caller]
    pub fn max_pool1d(&self, kernel: usize, stride: usize, padding: usize) -> Tensor {
        self.max_pool1d_with(PoolOptions::new(kernel).stride(stride).padding(padding))
    }

    /// The largest of every window of \[N, C, L\]: [`Tensor::max_pool2d_with`] with a height of 1.
    #[track_caller]
    pub fn max_pool1d_with(&self, options: PoolOptions<1>) -> Tensor {
        self.flat("max_pool1d", |x| x.max_pool2d_with(options.of_axes([None, Some(0)])))
    }

    /// The largest of every window of \[N, C, L\] and where it is along L, u32: [`Tensor::max_pool2d_with_indices`] with a height of 1.
    #[track_caller]
    pub fn max_pool1d_with_indices(&self, options: PoolOptions<1>) -> (Tensor, Tensor) {
        let places = |x: &Tensor| x.max_pool2d_with_indices(options.of_axes([None, Some(0)])).1;
        (self.max_pool1d_with(options), self.flat("max_pool1d_with_indices", places))
    }

    /// The mean of every window of \[N, C, L\]: [`Tensor::avg_pool2d`] with a height of 1.
    #[track_caller]
    pub fn avg_pool1d(&self, kernel: usize, stride: usize, padding: usize, count_include_pad: bool) -> Tensor {
        let options = PoolOptions::new(kernel).stride(stride).padding(padding);
        self.avg_pool1d_with(options.count_include_pad(count_include_pad))
    }

    /// The mean of every window of \[N, C, L\]: [`Tensor::avg_pool2d_with`] with a height of 1.
    #[track_caller]
    pub fn avg_pool1d_with(&self, options: PoolOptions<1>) -> Tensor {
        self.flat("avg_pool1d", |x| x.avg_pool2d_with(options.of_axes([None, Some(0)])))
    }

    /// The means of a given number of cells of \[N, C, L\]: [`Tensor::adaptive_avg_pool2d`] with a height of 1.
    #[track_caller]
    pub fn adaptive_avg_pool1d(&self, output: usize) -> Tensor {
        self.flat("adaptive_avg_pool1d", |x| x.adaptive_avg_pool2d([1, output]))
    }

    /// The largest of each of a given number of cells of \[N, C, L\]: [`Tensor::adaptive_max_pool2d`] with a height of 1.
    #[track_caller]
    pub fn adaptive_max_pool1d(&self, output: usize) -> Tensor {
        self.flat("adaptive_max_pool1d", |x| x.adaptive_max_pool2d([1, output]))
    }

    /// Records an op made for the size of the last two of four axes.
    #[track_caller]
    fn pooled<O: Op>(&self, op: &'static str, build: impl FnOnce([usize; 2]) -> Result<O, OpError>) -> Tensor {
        self.with_shape(op, |shape| match *shape.dims() {
            [_, _, height, width] => build([height, width]),
            _ => Err(OpError::Shape(format!("operand is {shape}, expected four axes [N, C, H, W]"))),
        })
    }

    /// Something done to \[N, C, L\] as to images of height 1.
    #[track_caller]
    pub(in crate::ops) fn flat(&self, op: &'static str, pool: impl FnOnce(&Tensor) -> Tensor) -> Tensor {
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

macro_rules! global {
    ($($(#[$doc:meta])* $name:ident => $reduce:ident$axes:tt, $rank:literal, $expected:literal;)*) => {
        impl Tensor {
            $($(#[$doc])*
            #[track_caller]
            pub fn $name(&self) -> Tensor {
                match self.try_shape() {
                    Ok(shape) if shape.rank() != $rank => {
                        let message = format!("operand is {shape}, expected {}", $expected);
                        self.refuse(stringify!($name), OpError::Shape(message))
                    }
                    _ => self.$reduce(&$axes).made_by(stringify!($name), &[self]),
                }
            }
            )*
        }
    };
}

global! {
    /// The mean over the last axis: \[N, C, L\] → \[N, C\].
    ///
    /// An invalid tensor if there are not three axes.
    global_avg_pool1d => mean[2], 3, "three axes [N, C, L]";
    /// The mean over height and width: \[N, C, H, W\] → \[N, C\].
    ///
    /// An invalid tensor if there are not four axes.
    global_avg_pool2d => mean[2, 3], 4, "four axes [N, C, H, W]";
    /// The mean over depth, height and width: \[N, C, D, H, W\] → \[N, C\].
    ///
    /// An invalid tensor if there are not five axes.
    global_avg_pool3d => mean[2, 3, 4], 5, "five axes [N, C, D, H, W]";
    /// The largest along the last axis: \[N, C, L\] → \[N, C\]. As [`Tensor::max`], several that are equal share the gradient evenly.
    ///
    /// An invalid tensor if there are not three axes.
    global_max_pool1d => max[2], 3, "three axes [N, C, L]";
    /// The largest of height and width: \[N, C, H, W\] → \[N, C\]. As [`Tensor::max`], several that are equal share the gradient evenly.
    ///
    /// An invalid tensor if there are not four axes.
    global_max_pool2d => max[2, 3], 4, "four axes [N, C, H, W]";
    /// The largest of depth, height and width: \[N, C, D, H, W\] → \[N, C\]. As [`Tensor::max`], several that are equal share the gradient
    /// evenly.
    ///
    /// An invalid tensor if there are not five axes.
    global_max_pool3d => max[2, 3, 4], 5, "five axes [N, C, D, H, W]";
}
