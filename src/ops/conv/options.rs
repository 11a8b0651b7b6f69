//! How the kernel of a convolution moves: stride, padding, dilation and groups.

use super::super::window::{Slide, ToSizes, Window, sides};
use crate::error::OpError;
use std::array::from_fn;

/// How the kernel of a convolution moves over `N` axes. It starts as stride 1, padding 0, dilation 1, one group.
///
/// ```
/// use steepest::ConvOptions;
/// let options = ConvOptions::new().stride(2).padding([0, 1]);
/// assert_eq!((options.stride, options.padding), ([2, 2], [0, 1]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvNdOptions<const N: usize> {
    /// How far the kernel moves at a time, per axis, outermost first.
    pub stride: [usize; N],
    /// Zeros added before the image.
    pub padding: [usize; N],
    /// Zeros added after the image. [`ConvNdOptions::padding`] sets both, [`ConvNdOptions::sides`] each.
    pub after: [usize; N],
    /// How far apart the elements of an image lie that neighbouring elements of the kernel see.
    pub dilation: [usize; N],
    /// Blocks of channels that do not see each other. Must divide both numbers of channels.
    pub groups: usize,
    /// The kernel whose image is to stay as large as it is, where [`ConvNdOptions::same`] said so.
    pub same: Option<[usize; N]>,
}

/// How the kernel of a convolution moves over an image: pairs, height first. Of one-dimensional ones the second number counts.
pub type ConvOptions = ConvNdOptions<2>;

/// How the kernel of a convolution moves over a volume: triples, depth first.
///
/// ```
/// use steepest::Conv3dOptions;
/// let options = Conv3dOptions::new().stride([1, 2, 2]).padding(1);
/// assert_eq!((options.stride, options.padding), ([1, 2, 2], [1, 1, 1]));
/// ```
pub type Conv3dOptions = ConvNdOptions<3>;

impl<const N: usize> Default for ConvNdOptions<N> {
    fn default() -> ConvNdOptions<N> {
        ConvNdOptions { stride: [1; N], padding: [0; N], after: [0; N], dilation: [1; N], groups: 1, same: None }
    }
}

impl<const N: usize> ConvNdOptions<N> {
    /// Stride 1, padding 0, dilation 1, one group.
    pub fn new() -> ConvNdOptions<N> {
        ConvNdOptions::default()
    }

    /// Another stride: a number, or one per axis.
    pub fn stride(mut self, stride: impl ToSizes<N>) -> ConvNdOptions<N> {
        self.stride = stride.to_sizes();
        self
    }

    /// Another padding, the same before and after the image: a number, or one per axis.
    pub fn padding(self, padding: impl ToSizes<N>) -> ConvNdOptions<N> {
        let padding = padding.to_sizes();
        self.sides(padding, padding)
    }

    /// Another padding before, and another after the image: each a number, or one per axis.
    pub fn sides(mut self, before: impl ToSizes<N>, after: impl ToSizes<N>) -> ConvNdOptions<N> {
        (self.padding, self.after, self.same) = (before.to_sizes(), after.to_sizes(), None);
        self
    }

    /// The padding that makes the result as large as the image, for a kernel of this size (a number, or one per axis) with stride 1:
    /// dilation · (kernel − 1) in all, the smaller half before the image (PyTorch's `padding="same"`). With another stride, or weights of
    /// another size, a convolution is an error.
    ///
    /// ```
    /// use steepest::ConvOptions;
    /// let options = ConvOptions::new().dilation([1, 2]).same([4, 3]);
    /// assert_eq!((options.padding, options.after), ([1, 2], [2, 2]));
    /// ```
    pub fn same(self, kernel: impl ToSizes<N>) -> ConvNdOptions<N> {
        let kernel = kernel.to_sizes();
        let all: [usize; N] = from_fn(|axis| kernel[axis].saturating_sub(1).saturating_mul(self.dilation[axis]));
        ConvNdOptions { same: Some(kernel), ..self.sides(all.map(|n| n / 2), all.map(|n| n - n / 2)) }
    }

    /// Another dilation: a number, or one per axis.
    pub fn dilation(mut self, dilation: impl ToSizes<N>) -> ConvNdOptions<N> {
        self.dilation = dilation.to_sizes();
        self.same.map_or(self, |kernel| self.same(kernel))
    }

    /// Another number of groups.
    pub fn groups(mut self, groups: usize) -> ConvNdOptions<N> {
        self.groups = groups;
        self
    }

    /// Refuses padding that would make an image stay as large as it is, with another stride than 1 or for another kernel.
    pub(in crate::ops) fn fits(&self, kernel: [usize; N]) -> Result<(), OpError> {
        let Some(expected) = self.same else { return Ok(()) };
        if self.stride != [1; N] {
            let message = format!("`same` padding with stride {:?}: expected stride 1, which keeps the size", self.stride);
            return Err(OpError::Value(message));
        }
        if expected != kernel {
            return Err(OpError::Value(format!("`same` padding for a kernel of {expected:?}, and it has {kernel:?}")));
        }
        Ok(())
    }

    /// How the kernel moves along one axis.
    pub(super) fn along(&self, axis: usize, kernel: usize) -> Slide {
        let (stride, dilation) = (self.stride[axis], self.dilation[axis]);
        Slide { kernel, stride, before: self.padding[axis], after: self.after[axis], dilation }
    }

    /// The sizes that a convolution makes.
    pub(super) fn count(&self, image: [usize; N], kernel: [usize; N]) -> Result<[usize; N], OpError> {
        let (mut counts, names) = ([0; N], sides::<N>());
        for (axis, count) in counts.iter_mut().enumerate() {
            *count = self.along(axis, kernel[axis]).count(image[axis], names[axis])?;
        }
        Ok(counts)
    }

    /// The sizes that a transposed convolution makes of an image: (n − 1) stride − padding + dilation (kernel − 1) + 1 + output_padding.
    pub(super) fn transposed(
        &self,
        image: [usize; N],
        kernel: [usize; N],
        output_padding: [usize; N],
    ) -> Result<[usize; N], OpError> {
        let (mut sizes, names) = ([0; N], sides::<N>());
        for axis in 0..N {
            let (n, side, extra) = (image[axis], names[axis], output_padding[axis]);
            let Slide { kernel, stride, before, after, dilation } = self.along(axis, kernel[axis]);
            if n == 0 || kernel == 0 {
                return Err(OpError::Shape(format!("an image of {n} and a kernel of {kernel} elements: a {side} of 0")));
            }
            if extra >= stride {
                return Err(OpError::Value(format!("output_padding {extra} is not below the stride {stride} along the {side}")));
            }
            let reach = (kernel - 1).checked_mul(dilation);
            let full = (n - 1).checked_mul(stride).zip(reach).and_then(|(a, b)| a.checked_add(b)?.checked_add(1 + extra));
            let (Some(full), Some(cut)) = (full, before.checked_add(after)) else {
                return Err(OpError::Shape(format!("an image of {n} by a stride of {stride}: the result's {side} is too large")));
            };
            sizes[axis] = full.checked_sub(cut).filter(|&s| s > 0).ok_or_else(|| {
                OpError::Shape(format!(
                    "a padding of {before} before and {after} after it leaves nothing of the result's {side} {full}"
                ))
            })?;
        }
        Ok(sizes)
    }
}

impl ConvOptions {
    /// For images of height 1: the width's numbers, and nothing to move along the height.
    pub(super) fn flat(self) -> ConvOptions {
        let flat = |pair: [usize; 2], height| [height, pair[1]];
        let (padding, after) = (flat(self.padding, 0), flat(self.after, 0));
        let same = self.same.map(|kernel| flat(kernel, 1));
        ConvOptions { stride: flat(self.stride, 1), padding, after, dilation: flat(self.dilation, 1), groups: self.groups, same }
    }

    pub(in crate::ops) fn window(&self, kernel: [usize; 2]) -> Window {
        Window { kernel, stride: self.stride, padding: self.padding, after: self.after, dilation: self.dilation }
    }
}

impl Conv3dOptions {
    /// Of height and width alone.
    pub(super) fn plane(&self) -> ConvOptions {
        let [stride, padding, after, dilation] = [self.stride, self.padding, self.after, self.dilation].map(|t| [t[1], t[2]]);
        ConvOptions { stride, padding, after, dilation, groups: self.groups, same: None }
    }
}
