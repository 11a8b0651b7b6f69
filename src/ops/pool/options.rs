//! The options of pooling over windows that slide.

use super::super::window::{Slide, ToSizes, Window};
use super::Cells;
use crate::error::OpError;

/// How the windows of a pooling lie along `D` axes: one beside the other at first, without padding.
///
/// ```
/// use steepest::{Device, PoolOptions};
/// let x = Device::cpu().tensor(&[1.0, 5.0, 3.0, 2.0, 4.0], [1, 1, 5]);
/// assert_eq!(x.max_pool1d_with(PoolOptions::new(2)).to_vec::<f32>()?, [5.0, 3.0]);
/// assert_eq!(x.max_pool1d_with(PoolOptions::new(2).ceil_mode(true)).to_vec::<f32>()?, [5.0, 3.0, 4.0]);
/// assert_eq!(x.max_pool1d_with(PoolOptions::new(2).stride(1).dilation(3)).to_vec::<f32>()?, [2.0, 5.0]);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolOptions<const D: usize> {
    /// Elements of a window along each axis.
    pub kernel: [usize; D],
    /// How far apart neighbouring windows start.
    pub stride: [usize; D],
    /// How far windows reach over both ends of an axis: half of the kernel at most. In a maximum it counts as −∞.
    pub padding: [usize; D],
    /// How far apart the elements of a window lie. Only a maximum has another than 1.
    pub dilation: [usize; D],
    /// Whether the number of windows is rounded up: the last one may then reach beyond the padding, but does not start in the padding after the
    /// image. What lies beyond the padding counts nowhere.
    pub ceil_mode: bool,
    /// Whether places in the padding count as zeros in a mean, as they do from the start; else the mean is over those in the image.
    pub count_include_pad: bool,
}

impl<const D: usize> PoolOptions<D> {
    /// Windows of this size (a number, or one for each axis), one beside the other.
    pub fn new(kernel: impl ToSizes<D>) -> PoolOptions<D> {
        let kernel = kernel.to_sizes();
        PoolOptions { kernel, stride: kernel, padding: [0; D], dilation: [1; D], ceil_mode: false, count_include_pad: true }
    }

    /// Windows that start further apart, or closer: a number, or one for each axis.
    pub fn stride(mut self, stride: impl ToSizes<D>) -> PoolOptions<D> {
        self.stride = stride.to_sizes();
        self
    }

    /// Windows that reach over the edges: a number, or one for each axis.
    pub fn padding(mut self, padding: impl ToSizes<D>) -> PoolOptions<D> {
        self.padding = padding.to_sizes();
        self
    }

    /// Windows whose elements lie further apart: a number, or one for each axis.
    pub fn dilation(mut self, dilation: impl ToSizes<D>) -> PoolOptions<D> {
        self.dilation = dilation.to_sizes();
        self
    }

    /// Whether the number of windows is rounded up.
    pub fn ceil_mode(mut self, on: bool) -> PoolOptions<D> {
        self.ceil_mode = on;
        self
    }

    /// Whether places in the padding count as zeros in a mean.
    pub fn count_include_pad(mut self, on: bool) -> PoolOptions<D> {
        self.count_include_pad = on;
        self
    }

    /// The same of two axes. `None` stands for one of size 1 that nothing moves along.
    pub(super) fn of_axes(&self, axes: [Option<usize>; 2]) -> PoolOptions<2> {
        let each = |sizes: &[usize; D], without: usize| axes.map(|axis| axis.map_or(without, |axis| sizes[axis]));
        PoolOptions {
            kernel: each(&self.kernel, 1),
            stride: each(&self.stride, 1),
            padding: each(&self.padding, 0),
            dilation: each(&self.dilation, 1),
            ceil_mode: self.ceil_mode,
            count_include_pad: self.count_include_pad,
        }
    }
}

impl PoolOptions<2> {
    /// The windows over planes of a size.
    fn window(&self, size: [usize; 2]) -> Window {
        let PoolOptions { kernel, stride, padding, mut dilation, .. } = *self;
        for axis in 0..2 {
            // A window of one element has no distances.
            if kernel[axis] == 1 && dilation[axis] > 0 {
                dilation[axis] = 1;
            }
        }
        let mut window = Window { kernel, stride, padding, after: padding, dilation };
        if self.ceil_mode {
            window.after = [0, 1].map(|axis| rounded_up(window.along(axis), size[axis]).unwrap_or(padding[axis]));
        }
        window
    }

    /// What a maximum over planes of a size is taken of.
    pub(super) fn maximum(&self, size: [usize; 2]) -> Cells {
        Cells::sliding(self.window(size))
    }

    /// What a mean over planes of a size is taken of.
    ///
    /// # Errors
    /// A dilation.
    pub(super) fn average(&self, size: [usize; 2]) -> Result<Cells, OpError> {
        if self.dilation != [1, 1] {
            return Err(OpError::Value(format!("dilation is {:?}, expected 1: a mean has none", self.dilation)));
        }
        Ok(Cells::Sliding { window: self.window(size), count_include_pad: self.count_include_pad })
    }
}

/// The padding after an axis with which the number of windows, rounded up, is that of whole windows. `None` where there is none more, and of
/// sizes that are refused anyway.
fn rounded_up(slide: Slide, size: usize) -> Option<usize> {
    let Slide { kernel, stride, before: padding, dilation, .. } = slide;
    let reach = kernel.checked_sub(1)?.checked_mul(dilation)?.checked_add(1)?;
    let padded = size.checked_add(padding.checked_mul(2)?)?;
    let last = match padded.checked_sub(reach) {
        Some(room) => room.checked_add(stride.checked_sub(1)?)?.checked_div(stride)?.checked_mul(stride)?,
        // A window that does not fit is one all the same where less than a stride is missing.
        None if reach - padded < stride => 0,
        None => return None,
    };
    let end = last.checked_add(reach)?;
    (last < size + padding && end > padded).then(|| end - size - padding)
}
