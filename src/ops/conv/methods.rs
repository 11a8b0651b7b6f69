//! Convolutions as methods of `Tensor`: two-dimensional, one-dimensional by a height of 1, transposed.

use super::super::window::{ToPair, Window};
use super::{Conv2d, Conv2dInput, channel_bias};
use crate::error::OpError;
use crate::graph::{Tensor, record};
use crate::shape::Shape;

/// How the kernel of a convolution moves over an image. It starts as stride 1, padding 0, dilation 1, one group.
///
/// ```
/// use steepest::ConvOptions;
/// let options = ConvOptions::new().stride(2).padding([0, 1]);
/// assert_eq!((options.stride, options.padding), ([2, 2], [0, 1]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvOptions {
    /// How far the kernel moves at a time; height and width.
    pub stride: [usize; 2],
    /// Zeros added before the image; height and width.
    pub padding: [usize; 2],
    /// Zeros added after the image; height and width. [`ConvOptions::padding`] sets both, [`ConvOptions::sides`] each.
    pub after: [usize; 2],
    /// How far apart the elements of an image lie that neighbouring elements of the kernel see; height and width.
    pub dilation: [usize; 2],
    /// Blocks of channels that do not see each other. Must divide both numbers of channels.
    pub groups: usize,
}

impl Default for ConvOptions {
    fn default() -> ConvOptions {
        ConvOptions { stride: [1, 1], padding: [0, 0], after: [0, 0], dilation: [1, 1], groups: 1 }
    }
}

impl ConvOptions {
    /// Stride 1, padding 0, dilation 1, one group.
    pub fn new() -> ConvOptions {
        ConvOptions::default()
    }

    /// Another stride: a number, or height and width.
    pub fn stride(mut self, stride: impl ToPair) -> ConvOptions {
        self.stride = stride.to_pair();
        self
    }

    /// Another padding, the same before and after the image: a number, or height and width.
    pub fn padding(mut self, padding: impl ToPair) -> ConvOptions {
        self.padding = padding.to_pair();
        self.after = self.padding;
        self
    }

    /// Another padding before, and another after the image: each a number, or height and width.
    pub fn sides(mut self, before: impl ToPair, after: impl ToPair) -> ConvOptions {
        (self.padding, self.after) = (before.to_pair(), after.to_pair());
        self
    }

    /// The padding that makes the result as large as the image, for a kernel of this size (a number, or height and width) with stride 1 and
    /// the dilation set so far: dilation · (kernel − 1) in all, the smaller half before the image (PyTorch's `padding="same"`).
    ///
    /// ```
    /// use steepest::ConvOptions;
    /// let options = ConvOptions::new().dilation([1, 2]).same([4, 3]);
    /// assert_eq!((options.padding, options.after), ([1, 2], [2, 2]));
    /// ```
    pub fn same(self, kernel: impl ToPair) -> ConvOptions {
        let kernel = kernel.to_pair();
        let all = [0, 1].map(|axis| kernel[axis].saturating_sub(1).saturating_mul(self.dilation[axis]));
        self.sides(all.map(|n| n / 2), all.map(|n| n - n / 2))
    }

    /// Another dilation: a number, or height and width.
    pub fn dilation(mut self, dilation: impl ToPair) -> ConvOptions {
        self.dilation = dilation.to_pair();
        self
    }

    /// Another number of groups.
    pub fn groups(mut self, groups: usize) -> ConvOptions {
        self.groups = groups;
        self
    }

    /// For images of height 1: the width's numbers, and nothing to move along the height.
    fn flat(self) -> ConvOptions {
        let flat = |pair: [usize; 2], height| [height, pair[1]];
        let (padding, after) = (flat(self.padding, 0), flat(self.after, 0));
        ConvOptions { stride: flat(self.stride, 1), padding, after, dilation: flat(self.dilation, 1), ..self }
    }

    pub(super) fn window(&self, kernel: [usize; 2]) -> Window {
        Window { kernel, stride: self.stride, padding: self.padding, after: self.after, dilation: self.dilation }
    }
}

impl Tensor {
    /// The two-dimensional convolution (cross-correlation, as everywhere in deep learning) of images \[N, C, H, W\] with weights
    /// \[O, C/groups, kH, kW\], plus a bias \[O\]:
    ///
    /// y\[n,o,y,x\] = b\[o\] + Σ over c, i, j of w\[o,c,i,j\] · x\[n, c, y·stride + i·dilation − padding, x·stride + j·dilation − padding\],
    /// where x is 0 outside the image, c runs over the channels of o's group, and the padding is that before the image. The result is
    /// \[N, O, oH, oW\] with oH = ⌊(H + padding − dilation (kH − 1) − 1) / stride⌋ + 1, the padding of both sides.
    ///
    /// An invalid tensor if the ranks are not 4, the channels do not fit, `groups` does not divide them, the kernel does not fit
    /// into the padded image, or a stride, dilation or kernel size is 0.
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
    let window = options.window([rows, columns]);
    let mut size = [0; 2];
    for axis in 0..2 {
        let (n, side) = ([height, width][axis], ["height", "width"][axis]);
        let (stride, before, after, extra) =
            (window.stride[axis], window.padding[axis], window.after[axis], output_padding[axis]);
        if n == 0 || window.kernel[axis] == 0 {
            return Err(OpError::Shape(format!("input {x} and weights {w}: a {side} of 0")));
        }
        if extra >= stride {
            return Err(OpError::Value(format!("output_padding {extra} is not below the stride {stride} along the {side}")));
        }
        let reach = (window.kernel[axis] - 1).checked_mul(window.dilation[axis]);
        let full = (n - 1).checked_mul(stride).zip(reach).and_then(|(a, b)| a.checked_add(b)?.checked_add(1 + extra));
        let (Some(full), Some(cut)) = (full, before.checked_add(after)) else {
            return Err(OpError::Shape(format!("input {x} and weights {w}: the result's {side} is too large")));
        };
        size[axis] = full.checked_sub(cut).filter(|&s| s > 0).ok_or_else(|| {
            OpError::Shape(format!(
                "a padding of {before} before and {after} after it leaves nothing of the result's {side} {full}"
            ))
        })?;
    }
    Ok(size)
}

/// y + b, a number per channel.
#[track_caller]
fn biased(y: Tensor, bias: Option<&Tensor>, op: &'static str) -> Tensor {
    let Some(bias) = bias else { return y };
    match (y.try_shape(), bias.try_shape()) {
        (Ok(shape), Ok(found)) => match channel_bias(&shape, &found) {
            Ok(()) => y.add(&bias.reshape([1, shape.dims()[1], 1, 1])),
            Err(error) => y.refuse(op, error),
        },
        _ => y.add(bias),
    }
}
