//! Windows that slide over axes: element i of window y lies at y·stride + i·dilation − padding. For convolutions, pools and unfolding.

use crate::error::OpError;

/// What may stand where a number for each of `N` axes is asked for: one number for all, or one for each, outermost first.
pub trait ToSizes<const N: usize> {
    /// A number for each axis.
    fn to_sizes(self) -> [usize; N];
}

impl<const N: usize> ToSizes<N> for usize {
    fn to_sizes(self) -> [usize; N] {
        [self; N]
    }
}
impl<const N: usize> ToSizes<N> for [usize; N] {
    fn to_sizes(self) -> [usize; N] {
        self
    }
}
impl ToSizes<2> for (usize, usize) {
    fn to_sizes(self) -> [usize; 2] {
        [self.0, self.1]
    }
}
impl ToSizes<3> for (usize, usize, usize) {
    fn to_sizes(self) -> [usize; 3] {
        [self.0, self.1, self.2]
    }
}

/// What may stand where a number for height and width is asked for: one number for both, or two of them, height first.
pub trait ToPair: ToSizes<2> + Sized {
    /// Height and width.
    fn to_pair(self) -> [usize; 2] {
        self.to_sizes()
    }
}

impl<T: ToSizes<2>> ToPair for T {}

/// What may stand where a number for depth, height and width is asked for: one number for all, or three of them, depth first.
pub trait ToTriple: ToSizes<3> + Sized {
    /// Depth, height and width.
    fn to_triple(self) -> [usize; 3] {
        self.to_sizes()
    }
}

impl<T: ToSizes<3>> ToTriple for T {}

/// What the last `N` of three axes are called.
pub(super) fn sides<const N: usize>() -> [&'static str; N] {
    std::array::from_fn(|axis| ["depth", "height", "width"][axis + 3 - N])
}

/// How windows slide along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slide {
    /// Elements of a window.
    pub kernel: usize,
    /// How far apart neighbouring windows start.
    pub stride: usize,
    /// Elements added before the axis.
    pub before: usize,
    /// Elements added after the axis.
    pub after: usize,
    /// How far apart neighbouring elements of a window lie.
    pub dilation: usize,
}

/// Sizes up to here can be added and subtracted in the shaders' i32.
const LARGEST_SIZE: usize = 1 << 29;

impl Slide {
    /// How many windows fit along an axis of this size and name: ⌊(size + padding − dilation (kernel − 1) − 1) / stride⌋ + 1, with the
    /// padding of both sides.
    ///
    /// # Errors
    /// A kernel, stride or dilation of 0, a window that is larger than the padded axis, sizes beyond 2²⁹.
    pub fn count(&self, size: usize, side: &str) -> Result<usize, OpError> {
        let Slide { kernel, stride, before, after, dilation } = *self;
        for (what, value) in [("kernel", kernel), ("stride", stride), ("dilation", dilation)] {
            if value == 0 {
                return Err(OpError::Value(format!("the {what} is 0 along the {side}, expected at least 1")));
            }
        }
        let padded = before.checked_add(after).and_then(|p| p.checked_add(size)).filter(|&p| p <= LARGEST_SIZE);
        let padding = if before == after {
            format!("padding {before} on both sides")
        } else {
            format!("padding {before} before and {after} after it")
        };
        let reach = (kernel - 1).checked_mul(dilation).and_then(|r| r.checked_add(1)).filter(|&r| r <= LARGEST_SIZE);
        let (Some(padded), Some(reach)) = (padded, reach) else {
            return Err(OpError::Shape(format!(
                "{side} {size} with {padding}, kernel {kernel} and dilation {dilation}: sizes up to {LARGEST_SIZE} are supported"
            )));
        };
        if reach > padded {
            return Err(OpError::Shape(format!(
                "a kernel of {side} {kernel} with dilation {dilation} reaches over {reach} elements, and the image has {padded}: \
                 {size} and {padding}"
            )));
        }
        Ok((padded - reach) / stride + 1)
    }
}

/// The sizes of a window and how it moves, height first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Elements of a window along each axis.
    pub kernel: [usize; 2],
    /// How far apart neighbouring windows start.
    pub stride: [usize; 2],
    /// Elements added before the image.
    pub padding: [usize; 2],
    /// Elements added after the image.
    pub after: [usize; 2],
    /// How far apart neighbouring elements of a window lie.
    pub dilation: [usize; 2],
}

impl Window {
    /// How it moves along one axis.
    pub fn along(&self, axis: usize) -> Slide {
        let (kernel, stride, dilation) = (self.kernel[axis], self.stride[axis], self.dilation[axis]);
        Slide { kernel, stride, before: self.padding[axis], after: self.after[axis], dilation }
    }

    /// How many windows fit along each axis of an image: [`Slide::count`].
    ///
    /// # Errors
    /// As there.
    pub fn count(&self, image: [usize; 2]) -> Result<[usize; 2], OpError> {
        let [height, width] = sides();
        Ok([self.along(0).count(image[0], height)?, self.along(1).count(image[1], width)?])
    }

    /// What tells one window from another in a plan's key. Sizes that [`Window::count`] accepts are exact.
    pub(super) fn words(&self) -> Vec<u32> {
        [self.kernel, self.stride, self.padding, self.after, self.dilation].concat().into_iter().map(word).collect()
    }
}

/// A size as a word. A stride or dilation beyond every image counts as the largest number: it is never taken.
pub(super) fn word(size: usize) -> u32 {
    size.min(i32::MAX as usize) as u32
}
