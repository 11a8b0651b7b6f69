//! Convolutions of volumes, made of those of images: taps along the depth become channels, so that one product of matrices does all of it.

use super::super::unfold::{Along, OverlapAdd, Windows};
use super::super::window::ToTriple;
use super::methods::biased;
use super::{Conv2dInput, Conv3dOptions, channel_bias, grouped, grouped_transposed, sized};
use crate::error::OpError;
use crate::graph::{Tensor, record};
use crate::shape::Shape;

/// The sizes of a convolution of volumes.
struct Sizes {
    batch: usize,
    channels: usize,
    /// D, H and W of the volume that is read.
    image: [usize; 3],
    filters: usize,
    kernel: [usize; 3],
    /// D, H and W of the result.
    output: [usize; 3],
}

impl Sizes {
    /// \[N, C, D, H, W\] by \[O, C/groups, kD, kH, kW\]
    fn new(x: &Tensor, w: &Tensor, options: &Conv3dOptions) -> Result<Sizes, OpError> {
        let [x, w] = operands(x, w)?;
        grouped(options.groups, &x, &w)?;
        let ([batch, channels, image @ ..], [filters, _, kernel @ ..]) = (x, w);
        options.fits(kernel)?;
        Ok(Sizes { batch, channels, image, filters, kernel, output: options.count(image, kernel)? })
    }

    /// \[N, C, D, H, W\] by \[C, O/groups, kD, kH, kW\]
    fn transposed(x: &Tensor, w: &Tensor, options: &Conv3dOptions, output_padding: [usize; 3]) -> Result<Sizes, OpError> {
        let [x, w] = operands(x, w)?;
        let filters = grouped_transposed(options.groups, &x, &w)?;
        let ([batch, channels, image @ ..], [_, _, kernel @ ..]) = (x, w);
        options.fits(kernel)?;
        let output = options.transposed(image, kernel, output_padding)?;
        // What a convolution of the result refuses.
        options.count(output, kernel)?;
        Ok(Sizes { batch, channels, image, filters, kernel, output })
    }

    /// Refuses a bias that does not fit, and a result that is too large.
    fn check(&self, bias: Option<&Tensor>) -> Result<Shape, OpError> {
        let [depth, height, width] = self.output;
        let shape = Shape::new(&[self.batch, self.filters, depth, height, width])?;
        if let Some(bias) = bias.and_then(|bias| bias.try_shape().ok()) {
            channel_bias(&shape, &bias)?;
        }
        Ok(shape)
    }

    /// \[N, C, D, H, W\] → \[N·D, C, H, W\]: a volume as images.
    #[track_caller]
    fn as_images(&self, x: &Tensor) -> Tensor {
        let [depth, height, width] = self.image;
        x.permute(&[0, 2, 1, 3, 4]).reshape([self.batch * depth, self.channels, height, width])
    }

    /// Images whose channels are those of the result with all taps along the depth, \[N·D, O·kD, H, W\], each tap added up where it belongs:
    /// that of image i lies at depth i · step + tap · dilation − start.
    #[track_caller]
    fn of_taps(&self, images: &Tensor, step: usize, dilation: usize, start: isize, shape: Shape) -> Tensor {
        let [_, height, width] = self.output;
        let (depth, taps) = (self.image[0], self.kernel[0]);
        let along = |step, size| Along { axis: 2, step, size };
        let axes = vec![
            Along::all(0, self.batch),
            along(step, depth),
            Along::all(1, self.filters),
            along(dilation, taps),
            Along::all(3, height),
            Along::all(4, width),
        ];
        let taps = images.reshape([self.batch, depth, self.filters, taps, height, width]);
        record(OverlapAdd { axes, start: vec![0, 0, start, 0, 0], shape }, &[&taps])
    }
}

/// The sizes of both operands.
fn operands(x: &Tensor, w: &Tensor) -> Result<[[usize; 5]; 2], OpError> {
    let spec = |tensor: &Tensor| tensor.spec().map_err(|error| OpError::Value(error.to_string()));
    Ok([sized(&spec(x)?, "the input")?, sized(&spec(w)?, "the weights")?])
}

/// x by w, with windows along the depth as channels: \[N·oD, C·kD, H, W\] by \[O, C/groups·kD, kH, kW\]. It takes the memory of x kD / stride times.
#[track_caller]
fn by_windows(x: &Tensor, w: &Tensor, bias: Option<&Tensor>, options: &Conv3dOptions, s: &Sizes) -> Tensor {
    let ([_, height, width], [taps, rows, columns], [depth, down, across]) = (s.image, s.kernel, s.output);
    let (before, after) = (options.padding[0], options.after[0]);
    let padded =
        if (before, after) == (0, 0) { x.clone() } else { x.pad(&[(0, 0), (0, 0), (before, after), (0, 0), (0, 0)], 0.0) };
    let axes = vec![
        Along::all(0, s.batch),
        Along { axis: 2, step: options.stride[0], size: depth },
        Along::all(1, s.channels),
        Along { axis: 2, step: options.dilation[0], size: taps },
        Along::all(3, height),
        Along::all(4, width),
    ];
    let images = record(Windows { axes }, &[&padded]).reshape([s.batch * depth, s.channels * taps, height, width]);
    let y = images.conv2d(&w.reshape([s.filters, s.channels / options.groups * taps, rows, columns]), bias, options.plane());
    y.reshape([s.batch, depth, s.filters, down, across]).permute(&[0, 2, 1, 3, 4])
}

/// x by w where the stride along the depth is 1, with taps along the depth as filters: \[N·D, C, H, W\] by \[O·kD, C/groups, kH, kW\]. It takes
/// the memory of the result kD times, but only for a moment: gradients need x and w alone.
#[track_caller]
fn by_taps(x: &Tensor, w: &Tensor, bias: Option<&Tensor>, options: &Conv3dOptions, s: &Sizes, shape: Shape) -> Tensor {
    let ([taps, rows, columns], inner) = (s.kernel, s.channels / options.groups);
    // A result sees the taps before it in reverse.
    let kernels = w.permute(&[0, 2, 1, 3, 4]).flip(&[1]).reshape([s.filters * taps, inner, rows, columns]);
    let images = s.as_images(x).conv2d(&kernels, None, options.plane());
    let dilation = options.dilation[0];
    let start = ((taps - 1) * dilation) as isize - options.padding[0] as isize;
    biased(s.of_taps(&images, 1, dilation, start, shape), bias, "conv3d")
}

impl Tensor {
    /// The three-dimensional convolution of volumes \[N, C, D, H, W\] with weights \[O, C/groups, kD, kH, kW\], plus a bias \[O\]: as
    /// [`Tensor::conv2d`] with one more axis. The result is \[N, O, oD, oH, oW\].
    ///
    /// An invalid tensor if the ranks are not 5, and as for [`Tensor::conv2d`].
    ///
    /// ```
    /// use steepest::{Conv3dOptions, Device};
    /// let device = Device::cpu();
    /// let x = device.tensor(&[1.0, 2.0, 3.0, 4.0], [1, 1, 2, 1, 2]);
    /// let w = device.tensor(&[1.0, 10.0], [1, 1, 2, 1, 1]);
    /// assert_eq!(x.conv3d(&w, None, Conv3dOptions::new()).to_vec::<f32>()?, [31.0, 42.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn conv3d(&self, weight: &Tensor, bias: Option<&Tensor>, options: Conv3dOptions) -> Tensor {
        let given = [&[self, weight], bias.as_slice()].concat();
        if let Some(invalid) = given.iter().find(|tensor| tensor.check().is_err()) {
            return (*invalid).clone();
        }
        let (sizes, shape) = match Sizes::new(self, weight, &options).and_then(|s| s.check(bias).map(|shape| (s, shape))) {
            Ok(found) => found,
            Err(error) => return self.refuse("conv3d", error),
        };
        // Taps as filters see every image, windows as channels only those that there are.
        let y = if options.stride[0] == 1 && sizes.output[0] >= sizes.image[0] {
            by_taps(self, weight, bias, &options, &sizes, shape)
        } else {
            by_windows(self, weight, bias, &options, &sizes)
        };
        y.made_by("conv3d", &given)
    }

    /// The three-dimensional transposed convolution of \[N, C, D, H, W\] with weights \[C, O/groups, kD, kH, kW\], plus a bias \[O\]: as
    /// [`Tensor::conv_transpose2d`] with one more axis.
    ///
    /// An invalid tensor if the ranks are not 5, and as for [`Tensor::conv_transpose2d`].
    #[track_caller]
    pub fn conv_transpose3d(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        options: Conv3dOptions,
        output_padding: impl ToTriple,
    ) -> Tensor {
        let given = [&[self, weight], bias.as_slice()].concat();
        if let Some(invalid) = given.iter().find(|tensor| tensor.check().is_err()) {
            return (*invalid).clone();
        }
        let sizes = Sizes::transposed(self, weight, &options, output_padding.to_triple());
        let (s, shape) = match sizes.and_then(|s| s.check(bias).map(|shape| (s, shape))) {
            Ok(found) => found,
            Err(error) => return self.refuse("conv_transpose3d", error),
        };
        let ([taps, rows, columns], [_, down, across]) = (s.kernel, s.output);
        let kernels = weight.reshape([s.channels, s.filters / options.groups * taps, rows, columns]);
        let images = record(Conv2dInput { options: options.plane(), size: [down, across] }, &[&s.as_images(self), &kernels]);
        let (step, start) = (options.stride[0], options.padding[0] as isize);
        let y = s.of_taps(&images, step, options.dilation[0], start, shape);
        biased(y, bias, "conv_transpose3d").made_by("conv_transpose3d", &given)
    }
}
