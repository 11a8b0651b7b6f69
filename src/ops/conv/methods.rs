//! Convolutions as methods of `Tensor`: two-dimensional, one-dimensional by a height of 1, transposed.

use super::super::window::ToPair;
use super::{Conv2d, Conv2dInput, ConvOptions, channel_bias};
use crate::error::OpError;
use crate::graph::{Tensor, record};
use crate::shape::Shape;

impl Tensor {
    /// The two-dimensional convolution (cross-correlation, as everywhere in deep learning) of images \[N, C, H, W\] with weights
    /// \[O, C/groups, kH, kW\], plus a bias \[O\]:
    ///
    /// y\[n,o,y,x\] = b\[o\] + Σ over c, i, j of w\[o,c,i,j\] · x\[n, c, y·stride + i·dilation − padding, x·stride + j·dilation − padding\],
    /// where x is 0 outside the image, c runs over the channels of o's group, and the padding is that before the image. The result is
    /// \[N, O, oH, oW\] with oH = ⌊(H + padding − dilation (kH − 1) − 1) / stride⌋ + 1, the padding of both sides.
    ///
    /// An invalid tensor if the ranks are not 4, the channels do not fit, `groups` does not divide them, the kernel does not fit
    /// into the padded image, a stride, dilation or kernel size is 0, or [`same`](ConvOptions::same) padding does not fit.
    ///
    /// ```
    /// use steepest::{ConvOptions, Device};
    /// let device = Device::cpu();
    /// let x = device.tensor(&[1.0, 2.0, 3.0, 4.0], [1, 1, 2, 2]);
    /// let w = device.tensor(&[1.0, 10.0], [1, 1, 1, 2]);
    /// assert_eq!(x.conv2d(&w, None, ConvOptions::new()).to_vec::<f32>()?, [21.0, 43.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn conv2d(&self, weight: &Tensor, bias: Option<&Tensor>, options: ConvOptions) -> Tensor {
        let y = biased(record(Conv2d { options }, &[self, weight]), bias, "conv2d");
        y.made_by("conv2d", &[&[self, weight], bias.as_slice()].concat())
    }

    /// The one-dimensional convolution of \[N, C, L\] with weights \[O, C/groups, k\], plus a bias \[O\]: [`Tensor::conv2d`] with a
    /// height of 1. Of the pairs in the options the second number counts.
    ///
    /// An invalid tensor if the ranks are not 3, and as for [`Tensor::conv2d`].
    #[track_caller]
    pub fn conv1d(&self, weight: &Tensor, bias: Option<&Tensor>, options: ConvOptions) -> Tensor {
        let (Ok(x), Ok(w)) = (self.try_shape(), weight.try_shape()) else {
            return record(Conv2d { options }, &[self, weight]);
        };
        if x.rank() != 3 || w.rank() != 3 {
            let message = format!("input {x} and weights {w}, expected [N, C, L] and [O, C/groups, k]");
            return self.refuse("conv1d", OpError::Shape(message));
        }
        let y = self.unsqueeze(2).conv2d(&weight.unsqueeze(2), bias, options.flat());
        let y = if y.check().is_ok() { y.squeeze(&[2]) } else { y };
        y.made_by("conv1d", &[&[self, weight], bias.as_slice()].concat())
    }

    /// The one-dimensional transposed convolution of \[N, C, L\] with weights \[C, O/groups, k\], plus a bias \[O\]:
    /// [`Tensor::conv_transpose2d`] with a height of 1. Of the pairs in the options the second number counts.
    ///
    /// An invalid tensor if the ranks are not 3, and as for [`Tensor::conv_transpose2d`].
    #[track_caller]
    pub fn conv_transpose1d(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        options: ConvOptions,
        output_padding: usize,
    ) -> Tensor {
        let (Ok(x), Ok(w)) = (self.try_shape(), weight.try_shape()) else {
            return record(Conv2dInput { options, size: [0, 0] }, &[self, weight]);
        };
        if x.rank() != 3 || w.rank() != 3 {
            let message = format!("input {x} and weights {w}, expected [N, C, L] and [C, O/groups, k]");
            return self.refuse("conv_transpose1d", OpError::Shape(message));
        }
        let (line, kernel) = (self.unsqueeze(2), weight.unsqueeze(2));
        let y = line.conv_transpose2d(&kernel, bias, options.flat(), [0, output_padding]);
        let y = if y.check().is_ok() { y.squeeze(&[2]) } else { y };
        y.made_by("conv_transpose1d", &[&[self, weight], bias.as_slice()].concat())
    }

    /// The transposed convolution of \[N, C, H, W\] with weights \[C, O/groups, kH, kW\], plus a bias \[O\]: the gradient of
    /// [`Tensor::conv2d`] by its input. Every element of the input adds its multiple of the kernel to the result, `stride` apart;
    /// the padding is what is cut off on all sides and `output_padding` (below the stride) what is added at the end:
    ///
    /// \[N, O, oH, oW\] with oH = (H − 1) stride − padding + dilation (kH − 1) + 1 + output_padding, with the padding of both sides.
    ///
    /// An invalid tensor as for [`Tensor::conv2d`], if nothing is left after the padding is cut off, and if `output_padding` is not below
    /// the stride.
    #[track_caller]
    pub fn conv_transpose2d(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        options: ConvOptions,
        output_padding: impl ToPair,
    ) -> Tensor {
        let (Ok(x), Ok(w)) = (self.try_shape(), weight.try_shape()) else {
            return record(Conv2dInput { options, size: [0, 0] }, &[self, weight]);
        };
        match transposed_size(&x, &w, options, output_padding.to_pair()) {
            Ok(size) => {
                let y = biased(record(Conv2dInput { options, size }, &[self, weight]), bias, "conv_transpose2d");
                y.made_by("conv_transpose2d", &[&[self, weight], bias.as_slice()].concat())
            }
            Err(error) => self.refuse("conv_transpose2d", error),
        }
    }
}

/// The height and width that a transposed convolution makes.
fn transposed_size(x: &Shape, w: &Shape, options: ConvOptions, output_padding: [usize; 2]) -> Result<[usize; 2], OpError> {
    let (&[_, _, height, width], &[_, _, rows, columns]) = (x.dims(), w.dims()) else {
        return Err(OpError::Shape(format!("input {x} and weights {w}, expected [N, C, H, W] and [C, O/groups, kH, kW]")));
    };
    options.transposed([height, width], [rows, columns], output_padding)
}

/// y + b, a number per channel.
#[track_caller]
pub(super) fn biased(y: Tensor, bias: Option<&Tensor>, op: &'static str) -> Tensor {
    let Some(bias) = bias else { return y };
    match (y.try_shape(), bias.try_shape()) {
        (Ok(shape), Ok(found)) => match channel_bias(&shape, &found) {
            Ok(()) => {
                let wide: Vec<usize> = (0..shape.rank()).map(|axis| if axis == 1 { shape.dims()[1] } else { 1 }).collect();
                y.add(&bias.reshape(wide))
            }
            Err(error) => y.refuse(op, error),
        },
        _ => y.add(bias),
    }
}
