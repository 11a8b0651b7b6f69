//! Windows as methods of `Tensor`: along one axis, and of images as columns.

use super::super::conv::ConvOptions;
use super::super::window::{Slide, ToPair, Window};
use super::{Along, OverlapAdd, Windows};
use crate::error::OpError;
use crate::graph::{Tensor, record};
use crate::shape::Shape;

impl Tensor {
    /// Windows of `size` elements along an axis, `step` apart, as a view (PyTorch's `Tensor.unfold`): the axis becomes the number of
    /// windows ⌊(n − size) / step⌋ + 1, and their elements are a new last axis. Of any type but f16.
    ///
    /// A size or step of 0, or a window larger than the axis, makes the result invalid. The transpose is [`Tensor::overlap_add`].
    ///
    /// ```
    /// use steepest::Device;
    /// let x = Device::cpu().tensor(&[1.0, 2.0, 3.0, 4.0, 5.0], 5);
    /// let w = x.windows(0, 3, 2);
    /// assert_eq!((w.shape().dims(), w.to_vec::<f32>()?), (&[2, 3][..], vec![1.0, 2.0, 3.0, 3.0, 4.0, 5.0]));
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn windows(&self, axis: isize, size: usize, step: usize) -> Tensor {
        self.with_shape("windows", |s| {
            let at = s.axis(axis)?;
            let slide = Slide { kernel: size, stride: step, before: 0, after: 0, dilation: 1 };
            let count = slide.count(s.dims()[at], &format!("axis {at}"))?;
            let along = |(k, &n): (usize, &usize)| if k == at { Along { axis: k, step, size: count } } else { Along::all(k, n) };
            let axes = s.dims().iter().enumerate().map(along).chain([Along::all(at, size)]).collect();
            Ok(Windows { axes })
        })
    }

    /// Windows put back where they came from, `step` apart, and added up where they overlap: \[…, windows, …, size\] → \[…, n, …\] with
    /// n = (windows − 1) step + size. `axis` is that of the windows; the last axis holds their elements. The transpose of [`Tensor::windows`],
    /// and how a short-time Fourier transform is put together again.
    ///
    /// Fewer than two axes, an `axis` that is the last, no windows, or a step or size of 0 make the result invalid.
    ///
    /// ```
    /// use steepest::Device;
    /// let w = Device::cpu().tensor(&[1.0, 2.0, 3.0, 10.0, 20.0, 30.0], [2, 3]);
    /// assert_eq!(w.overlap_add(0, 2).to_vec::<f32>()?, [1.0, 2.0, 13.0, 20.0, 30.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn overlap_add(&self, axis: isize, step: usize) -> Tensor {
        self.with_shape("overlap_add", |s| {
            let at = s.axis(axis)?;
            let last = s.rank() - 1;
            if at == last {
                return Err(OpError::Value(format!("axis {axis} of {s} is the last, which holds the windows' elements")));
            }
            let (windows, size) = (s.dims()[at], s.dims()[last]);
            for (what, value) in [("step", step), ("number of windows", windows), ("size of a window", size)] {
                if value == 0 {
                    return Err(OpError::Value(format!("the {what} is 0 in windows {s}, expected at least 1")));
                }
            }
            let n = (windows - 1).saturating_mul(step).saturating_add(size);
            let along = |(k, &n): (usize, &usize)| if k == at { Along { axis: k, step, size: n } } else { Along::all(k, n) };
            let axes = s.dims()[..last].iter().enumerate().map(along).chain([Along::all(at, size)]).collect();
            let shape = Shape::new(&s.dims()[..last])?.with_dim(at, n)?;
            Ok(OverlapAdd { axes, start: vec![0; last], shape })
        })
    }

    /// The windows of images as columns (im2col): \[N, C, H, W\] → \[N, C·kH·kW, L\], a column for each of the L places of the window in row
    /// order; row c·kH·kW + i·kW + j holds element (i, j) of channel c. Stride, padding and dilation are those of a convolution;
    /// a convolution is the product of its weights \[O, C·kH·kW\] with it.
    ///
    /// Nothing but the result (and the padded images, where there is padding) takes memory. An invalid tensor if the rank is not 4, groups
    /// are asked for, or as for [`Tensor::conv2d`]. The transpose is [`Tensor::fold`].
    ///
    /// ```
    /// use steepest::{ConvOptions, Device};
    /// let x = Device::cpu().tensor(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1, 1, 2, 3]);
    /// let columns = x.unfold(2, ConvOptions::new());
    /// assert_eq!(columns.shape().dims(), [1, 4, 2]);
    /// assert_eq!(columns.to_vec::<f32>()?, [1.0, 2.0, 2.0, 3.0, 4.0, 5.0, 5.0, 6.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn unfold(&self, kernel: impl ToPair, options: ConvOptions) -> Tensor {
        let Ok(shape) = self.try_shape() else { return self.clone() };
        let kernel = kernel.to_pair();
        let plan = image(&shape).and_then(|[n, c, h, w]| Columns::new([n, c], [h, w], kernel, options));
        let columns = match plan {
            Ok(columns) => columns,
            Err(error) => return self.refuse("unfold", error),
        };
        let Window { padding, after, .. } = columns.window;
        let padded = if padding == [0, 0] && after == [0, 0] {
            self.clone()
        } else {
            self.pad(&[(0, 0), (0, 0), (padding[0], after[0]), (padding[1], after[1])], 0.0)
        };
        record(Windows { axes: columns.axes() }, &[&padded]).reshape(columns.shape()).made_by("unfold", &[self])
    }

    /// Columns put back into images and added up where windows overlap (col2im): \[N, C·kH·kW, L\] → \[N, C, H, W\] with `size` = (H, W).
    /// The transpose of [`Tensor::unfold`] with the same kernel and options: what lies in the padding is dropped.
    ///
    /// An invalid tensor if the rank is not 3, the rows are no multiple of kH·kW, L is not the number of places of the window, groups are
    /// asked for, or as for [`Tensor::conv2d`].
    ///
    /// ```
    /// use steepest::{ConvOptions, Device};
    /// let ones = Device::cpu().ones([1, 1, 3, 3]);
    /// let options = ConvOptions::new();
    /// // How many windows cover each pixel.
    /// let cover = ones.unfold(2, options).fold(3, 2, options);
    /// assert_eq!(cover.to_vec::<f32>()?, [1.0, 2.0, 1.0, 2.0, 4.0, 2.0, 1.0, 2.0, 1.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn fold(&self, size: impl ToPair, kernel: impl ToPair, options: ConvOptions) -> Tensor {
        let Ok(shape) = self.try_shape() else { return self.clone() };
        let (size, kernel) = (size.to_pair(), kernel.to_pair());
        let columns = match folded(&shape, size, kernel, options) {
            Ok(columns) => columns,
            Err(error) => return self.refuse("fold", error),
        };
        let [top, left] = columns.window.padding;
        let result = Shape::new(&[columns.outer[0], columns.outer[1], size[0], size[1]]);
        match result {
            Ok(shape) => {
                let axes = columns.axes();
                let windows = self.reshape(axes.iter().map(|along| along.size).collect::<Vec<_>>());
                let start = vec![0, 0, top as isize, left as isize];
                record(OverlapAdd { axes, start, shape }, &[&windows]).made_by("fold", &[self])
            }
            Err(error) => self.refuse("fold", error),
        }
    }
}

/// The windows of images as columns.
struct Columns {
    /// N and C.
    outer: [usize; 2],
    window: Window,
    /// Places of the window along height and width.
    count: [usize; 2],
}

impl Columns {
    fn new(outer: [usize; 2], size: [usize; 2], kernel: [usize; 2], options: ConvOptions) -> Result<Columns, OpError> {
        if options.groups != 1 {
            return Err(OpError::Value(format!("{} groups: there are none here, expected 1", options.groups)));
        }
        options.fits(kernel)?;
        let window = options.window(kernel);
        Ok(Columns { outer, window, count: window.count(size)? })
    }

    /// \[N, C, kH, kW, oH, oW\] of the padded images.
    fn axes(&self) -> Vec<Along> {
        let Window { kernel, stride, dilation, .. } = self.window;
        let tap = |k: usize| Along { axis: k + 2, step: dilation[k], size: kernel[k] };
        let place = |k: usize| Along { axis: k + 2, step: stride[k], size: self.count[k] };
        vec![Along::all(0, self.outer[0]), Along::all(1, self.outer[1]), tap(0), tap(1), place(0), place(1)]
    }

    /// \[N, C·kH·kW, L\]
    fn shape(&self) -> [usize; 3] {
        let product = |sizes: [usize; 2]| sizes[0].saturating_mul(sizes[1]);
        [self.outer[0], self.outer[1].saturating_mul(product(self.window.kernel)), product(self.count)]
    }
}

/// The sizes of images.
fn image(shape: &Shape) -> Result<[usize; 4], OpError> {
    shape.dims().try_into().map_err(|_| OpError::Shape(format!("input is {shape}, expected [N, C, H, W]")))
}

/// What columns of this shape are the windows of.
fn folded(shape: &Shape, size: [usize; 2], kernel: [usize; 2], options: ConvOptions) -> Result<Columns, OpError> {
    let &[n, rows, places] = shape.dims() else {
        return Err(OpError::Shape(format!("input is {shape}, expected [N, C·kH·kW, L]")));
    };
    let columns = Columns::new([n, 0], size, kernel, options)?;
    let taps = kernel[0].saturating_mul(kernel[1]);
    if rows % taps != 0 {
        return Err(OpError::Shape(format!("{rows} rows in {shape} are no multiple of a kernel's {taps} elements")));
    }
    let columns = Columns { outer: [n, rows / taps], ..columns };
    let [down, across] = columns.count;
    if columns.shape()[2] != places {
        let expected = format!("windows of {kernel:?} have {down}×{across} places in an image of {size:?}");
        return Err(OpError::Shape(format!("{places} columns in {shape}: {expected}")));
    }
    Ok(columns)
}
