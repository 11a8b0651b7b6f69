//! What pooling windows cover: windows that slide and adaptive cells, over the planes of the last two axes.

use super::super::window::{Slide, Window, sides, word};
use crate::error::OpError;
use crate::graph::op::{DType, Spec};
use std::ops::Range;

/// What is pooled together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cells {
    /// Windows that slide.
    Sliding {
        /// The windows. What is after the image is only there for the number of windows.
        window: Window,
        /// Whether places in the padding count as zeros in a mean; else they are left out of it.
        count_include_pad: bool,
    },
    /// A given number of cells: cell i covers ⌊i·n/o⌋ to ⌈(i+1)·n/o⌉.
    Adaptive {
        /// Cells along height and width.
        output: [usize; 2],
    },
}

/// A plane and its windows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plane {
    pub(super) size: [usize; 2],
    pub(super) output: [usize; 2],
    pub(super) cells: Cells,
}

/// The four sizes of an f32 operand.
pub(super) fn four(spec: &Spec) -> Result<[usize; 4], OpError> {
    if spec.dtype != DType::F32 {
        return Err(OpError::DType(format!("operand is {spec}, expected f32; convert with to_f32()")));
    }
    spec.shape.dims().try_into().map_err(|_| OpError::Shape(format!("operand is {spec}, expected four axes [N, C, H, W]")))
}

/// Refuses padding beyond half of the kernel, and windows that have no place in the image.
fn padding_fits(slide: Slide, size: usize, side: &str) -> Result<(), OpError> {
    let Slide { kernel, stride, before: padding, dilation, .. } = slide;
    if padding > kernel / 2 {
        return Err(OpError::Value(format!("padding {padding} is more than half of the kernel {kernel} along the {side}")));
    }
    // Only a step longer than the image leads from the padding before it to that after it.
    let before = if dilation > size { padding.div_ceil(stride) } else { 0 };
    let beyond = |i: usize| (padding - i * stride).next_multiple_of(dilation) + i * stride - padding >= size;
    if (0..before).any(beyond) {
        return Err(OpError::Value(format!(
            "dilation {dilation} is more than the {side} {size}: with padding {padding} a window has no element of the image"
        )));
    }
    Ok(())
}

impl Plane {
    pub(super) fn new(cells: Cells, size: [usize; 2]) -> Result<Plane, OpError> {
        Plane::named(cells, size, sides())
    }

    /// The same, with errors that call the axes so.
    pub(super) fn named(cells: Cells, size: [usize; 2], sides: [&str; 2]) -> Result<Plane, OpError> {
        if size.contains(&0) {
            return Err(OpError::Shape(format!("images of {size:?} have no elements to pool")));
        }
        let output = match cells {
            Cells::Sliding { window, .. } => {
                let mut output = [0; 2];
                for (axis, count) in output.iter_mut().enumerate() {
                    *count = window.along(axis).count(size[axis], sides[axis])?;
                    padding_fits(window.along(axis), size[axis], sides[axis])?;
                }
                output
            }
            Cells::Adaptive { output } => {
                if output.contains(&0) {
                    return Err(OpError::Value(format!("an output of {output:?} has no cells, expected at least 1")));
                }
                // The shader multiplies them in u32.
                let small = |(&n, o): (&usize, usize)| {
                    (n + 1).checked_mul(o.saturating_add(1)).is_some_and(|product| product <= u32::MAX as usize)
                };
                if !size.iter().zip(output).all(small) {
                    return Err(OpError::Shape(format!("from {size:?} to {output:?}: the sizes are too large")));
                }
                output
            }
        };
        Ok(Plane { size, output, cells })
    }

    pub(super) fn elements(&self) -> usize {
        self.size[0] * self.size[1]
    }

    pub(super) fn windows(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// How far apart the places of a window are.
    pub(super) fn step(&self) -> [usize; 2] {
        match self.cells {
            Cells::Sliding { window, .. } => window.dilation,
            Cells::Adaptive { .. } => [1, 1],
        }
    }

    /// The places of window `i` along an axis that are in the image, [`Plane::step`] apart: from the first on, up to the end of the window.
    fn places(&self, axis: usize, i: usize) -> Range<usize> {
        let n = self.size[axis];
        match self.cells {
            Cells::Sliding { window, .. } => {
                let (corner, padding, step) = (i * window.stride[axis], window.padding[axis], window.dilation[axis]);
                let outside = padding.saturating_sub(corner).next_multiple_of(step);
                let end = corner + (window.kernel[axis] - 1) * step + 1 - padding;
                corner + outside - padding..end.min(n)
            }
            Cells::Adaptive { output } => i * n / output[axis]..((i + 1) * n).div_ceil(output[axis]),
        }
    }

    /// What the sum over a window of this number, with so many places in the image, is divided by. What lies beyond the padding never counts.
    pub(super) fn divisor(&self, number: usize, inside: usize) -> usize {
        let Cells::Sliding { window, count_include_pad: true } = self.cells else { return inside };
        let counted = |axis: usize, i: usize| {
            let padded = self.size[axis] + 2 * window.padding[axis];
            window.kernel[axis].min(padded - i * window.stride[axis])
        };
        counted(0, number / self.output[1]) * counted(1, number % self.output[1])
    }

    /// Every window with its number, its rows and its columns.
    pub(super) fn each(&self, mut visit: impl FnMut(usize, Range<usize>, Range<usize>)) {
        for y in 0..self.output[0] {
            let rows = self.places(0, y);
            for x in 0..self.output[1] {
                visit(y * self.output[1] + x, rows.clone(), self.places(1, x));
            }
        }
    }

    /// The places of every window in a plane, by the definition: for the reference.
    pub(super) fn defined(&self) -> Vec<Vec<usize>> {
        let along = |axis: usize, i: usize| -> Vec<usize> {
            let n = self.size[axis];
            match self.cells {
                Cells::Sliding { window, .. } => {
                    let place = |k: usize| {
                        let at = i * window.stride[axis] + k * window.dilation[axis];
                        at.checked_sub(window.padding[axis]).filter(|&h| h < n)
                    };
                    (0..window.kernel[axis]).filter_map(place).collect()
                }
                // Those that overlap i/o to (i+1)/o of the axis.
                Cells::Adaptive { output } => {
                    (0..n).filter(|h| (h + 1) * output[axis] > i * n && h * output[axis] < (i + 1) * n).collect()
                }
            }
        };
        let all = (0..self.output[0]).flat_map(|y| (0..self.output[1]).map(move |x| (y, x)));
        all.map(|(y, x)| along(0, y).iter().flat_map(|h| along(1, x).into_iter().map(move |w| h * self.size[1] + w)).collect())
            .collect()
    }
}

/// Whether `x` takes the place of `best` as the largest: a NaN does, and nothing takes the place of a NaN.
pub(super) fn beats<T: PartialOrd + Copy>(x: T, best: T) -> bool {
    let (x_is_nan, best_is_nan) = (x.partial_cmp(&x).is_none(), best.partial_cmp(&best).is_none());
    !best_is_nan && (x_is_nan || x > best)
}

impl Cells {
    /// Windows of a maximum: nothing is counted.
    pub(super) fn sliding(window: Window) -> Cells {
        Cells::Sliding { window, count_include_pad: false }
    }

    /// One of two names, by the kind.
    pub(super) fn named(&self, sliding: &'static str, adaptive: &'static str) -> &'static str {
        if matches!(self, Cells::Sliding { .. }) { sliding } else { adaptive }
    }

    pub(super) fn words(&self) -> Vec<u32> {
        match self {
            Cells::Sliding { window, count_include_pad } => [window.words(), vec![u32::from(*count_include_pad)]].concat(),
            Cells::Adaptive { output } => output.map(word).to_vec(),
        }
    }

    pub(super) fn plane(&self, spec: &Spec) -> Result<Plane, OpError> {
        let [_, _, height, width] = four(spec)?;
        Plane::new(*self, [height, width])
    }
}
