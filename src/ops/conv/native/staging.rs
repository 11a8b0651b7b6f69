//! How an image is laid out so that what one tap of the kernel sees of a row of pixels is contiguous.

use super::super::{ConvOptions, Sizes};
use std::array::from_fn;
use std::ops::Range;

/// How planes are laid out before taps read them: rows and columns sorted by their remainder modulo the stride.
#[derive(Clone, Debug)]
pub(super) struct Staging {
    /// Height and width of a plane as it is stored.
    pub(super) size: [usize; 2],
    /// Row and column of the plane that come first; negative ones are padding.
    pub(super) first: [isize; 2],
    /// How far the kernel moves; height and width, as all pairs.
    pub(super) stride: [usize; 2],
    /// The remainders that taps see.
    pub(super) remainders: [Vec<usize>; 2],
    /// Rows and columns of each remainder.
    pub(super) count: [usize; 2],
}

impl Staging {
    /// Numbers from one row to the next.
    pub(super) fn row(&self) -> usize {
        self.remainders[1].len() * self.count[1]
    }

    /// Numbers from one plane to the next.
    pub(super) fn plane(&self) -> usize {
        self.remainders[0].len() * self.count[0] * self.row()
    }

    /// Lays out planes from `from` on, as many as fit in `to`; zeros around them.
    pub(super) fn fill(&self, from: &[f32], to: &mut [f32]) {
        let [height, width] = self.size;
        // The place that number q of a remainder along an axis has in the plane.
        let place = |axis: usize, remainder: usize, q: usize| self.first[axis] + (q * self.stride[axis] + remainder) as isize;
        for (c, plane) in to.chunks_exact_mut(self.plane()).enumerate() {
            let from = &from[c * height * width..][..height * width];
            for (r, row) in plane.chunks_exact_mut(self.row()).enumerate() {
                let source = place(0, self.remainders[0][r / self.count[0]], r % self.count[0]);
                let Some(source) = usize::try_from(source).ok().filter(|&h| h < height) else {
                    row.fill(0.0);
                    continue;
                };
                let source = &from[source * width..][..width];
                for (&remainder, part) in self.remainders[1].iter().zip(row.chunks_exact_mut(self.count[1])) {
                    // Those before the plane begins, those within it, those after its end.
                    let (first, stride) = (place(1, remainder, 0), self.stride[1]);
                    let before = (-first).max(0).unsigned_abs().div_ceil(stride).min(part.len());
                    let start = usize::try_from(first + (before * stride) as isize).unwrap_or(0).min(width);
                    let (head, rest) = part.split_at_mut(before);
                    let (middle, tail) = rest.split_at_mut((width - start).div_ceil(stride).min(rest.len()));
                    head.fill(0.0);
                    tail.fill(0.0);
                    if stride == 1 {
                        middle.copy_from_slice(&source[start..][..middle.len()]);
                    } else {
                        middle.iter_mut().zip(source[start..].iter().step_by(stride)).for_each(|(to, x)| *to = *x);
                    }
                }
            }
        }
    }
}

impl Sizes {
    /// Whether the kernel sees each element as it is stored.
    pub(super) fn is_pointwise(&self) -> bool {
        let ConvOptions { stride, padding, after, .. } = self.options;
        self.kernel == [1, 1] && stride == [1, 1] && padding == [0, 0] && after == [0, 0]
    }

    /// How far the kernel moves; along an axis with one place for it, that does not matter.
    pub(super) fn stride(&self) -> [usize; 2] {
        from_fn(|axis| if self.output[axis] == 1 { 1 } else { self.options.stride[axis] })
    }

    /// How an image is laid out for so many rows of pixels.
    pub(super) fn staging(&self, rows: Range<usize>) -> Staging {
        let (ConvOptions { padding, dilation, .. }, stride) = (self.options, self.stride());
        let remainders = from_fn(|axis| remainders((0..self.kernel[axis]).map(|i| i * dilation[axis]), stride[axis]));
        let reach: [usize; 2] = from_fn(|axis| (self.kernel[axis] - 1) * dilation[axis] / stride[axis]);
        Staging {
            size: self.image,
            first: [(rows.start * stride[0]) as isize - padding[0] as isize, -(padding[1] as isize)],
            stride,
            remainders,
            count: [rows.len() + reach[0], self.output[1] + reach[1]],
        }
    }

    /// Where in a laid out image each tap (c, i, j) sees the first pixel.
    pub(super) fn offsets(&self, staging: &Staging) -> Vec<usize> {
        let ([rows, columns], dilation) = (self.kernel, self.options.dilation);
        let along = |axis: usize, shift: usize| {
            let (whole, remainder) = (shift / staging.stride[axis], shift % staging.stride[axis]);
            staging.remainders[axis].iter().position(|&r| r == remainder).unwrap_or(0) * staging.count[axis] + whole
        };
        let taps = (0..self.inner).flat_map(|c| (0..rows).flat_map(move |i| (0..columns).map(move |j| [c, i, j])));
        taps.map(|[c, i, j]| c * staging.plane() + along(0, i * dilation[0]) * staging.row() + along(1, j * dilation[1]))
            .collect()
    }
}

/// The remainders of some numbers modulo `stride`, each once.
pub(super) fn remainders(numbers: impl Iterator<Item = usize>, stride: usize) -> Vec<usize> {
    let mut found: Vec<usize> = numbers.map(|n| n % stride).collect();
    found.sort_unstable();
    found.dedup();
    found
}
