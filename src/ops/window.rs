//! Windows that slide over the last two axes: element i of window y lies at y·stride + i·dilation − padding. For convolutions and pools.

use crate::error::OpError;

/// What may stand where a number for height and width is asked for: one number for both, or two of them, height first.
pub trait ToPair {
    /// Height and width.
    fn to_pair(self) -> [usize; 2];
}

impl ToPair for usize {
    fn to_pair(self) -> [usize; 2] {
        [self, self]
    }
}
impl ToPair for [usize; 2] {
    fn to_pair(self) -> [usize; 2] {
        self
    }
}
impl ToPair for (usize, usize) {
    fn to_pair(self) -> [usize; 2] {
        [self.0, self.1]
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

/// Sizes up to here can be added and subtracted in the shaders' i32.
const LARGEST_SIZE: usize = 1 << 29;

impl Window {
    /// How many windows fit along each axis of an image: ⌊(size + padding − dilation (kernel − 1) − 1) / stride⌋ + 1, with the padding of both
    /// sides.
    ///
    /// # Errors
    /// A kernel, stride or dilation of 0, a window that is larger than the padded image, sizes beyond 2²⁹.
    pub fn count(&self, image: [usize; 2]) -> Result<[usize; 2], OpError> {
        let mut counts = [0; 2];
        for (axis, count) in counts.iter_mut().enumerate() {
            let side = ["height", "width"][axis];
            let (size, kernel, stride) = (image[axis], self.kernel[axis], self.stride[axis]);
            let (before, after, dilation) = (self.padding[axis], self.after[axis], self.dilation[axis]);
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
            *count = (padded - reach) / stride + 1;
        }
        Ok(counts)
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
