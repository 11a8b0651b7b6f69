//! Native convolutions: strips of the image gathered as the kernel sees them (im2col), and matrix products on all cores where that pays.
//!
//! How work is divided hangs on the sizes only, never on the number of threads: the same bits everywhere.

use super::{ConvOptions, Sizes};
use crate::graph::op::Native;
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, Axis, ShapeBuilder};
use rayon::prelude::*;
use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;

/// Multiplications below which one thread is faster than several.
const ALONE: usize = 1 << 16;
/// Numbers gathered at a time: what stays in a core's cache.
const GATHERED: usize = 1 << 17;

thread_local! {
    /// Memory for what is gathered. It is taken out while in use, so that a thread that takes up other work meanwhile gets its own.
    static SCRATCH: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

fn with_scratch<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut scratch = SCRATCH.take();
    if scratch.len() < len {
        scratch.resize(len, 0.0);
    }
    let result = work(&mut scratch[..len]);
    SCRATCH.set(scratch);
    result
}

fn each<T: Send>(items: Vec<T>, parallel: bool, work: impl Fn(T) + Sync + Send) {
    if parallel { items.into_par_iter().for_each(work) } else { items.into_iter().for_each(work) }
}

/// A strided matrix in a slice.
fn view(data: &[f32], rows: usize, columns: usize, strides: [usize; 2]) -> ArrayView2<'_, f32> {
    let matrix = ArrayView2::from_shape((rows, columns).strides((strides[0], strides[1])), data);
    matrix.expect("a matrix lies within its buffer")
}

/// A row-major matrix to write to.
fn target(data: &mut [f32], rows: usize, columns: usize) -> ArrayViewMut2<'_, f32> {
    ArrayViewMut2::from_shape((rows, columns), data).expect("a matrix fills its buffer")
}

impl Sizes {
    /// Whether the kernel sees each element as it lies: then nothing need be gathered.
    fn is_pointwise(&self) -> bool {
        let ConvOptions { stride, padding, .. } = self.options;
        self.kernel == [1, 1] && stride == [1, 1] && padding == [0, 0]
    }

    /// Pixels to gather at a time, if each takes `rows` numbers.
    fn strip(&self, rows: usize) -> usize {
        (GATHERED / rows.max(1)).clamp(16, self.pixels().max(16)) / 16 * 16
    }

    /// Where tap (i, j) of the pixels in `range` lies in a plane of the image: `run(first in the strip, count, first in the plane)` for
    /// each run of pixels of one row; those that lie outside the image are left out.
    fn runs(&self, i: usize, j: usize, range: Range<usize>, mut run: impl FnMut(usize, usize, usize)) {
        let ConvOptions { stride, padding, dilation, .. } = self.options;
        let ([height, width], across, shift) = (self.image, self.output[1], j * dilation[1]);
        let low = padding[1].saturating_sub(shift).div_ceil(stride[1]);
        let high = (width + padding[1]).saturating_sub(shift).div_ceil(stride[1]).min(across);
        let mut pixel = range.start;
        while pixel < range.end {
            let (y, x) = (pixel / across, pixel % across);
            let end = across.min(x + range.end - pixel);
            let (first, last) = (low.max(x), high.min(end));
            let row = (y * stride[0] + i * dilation[0]).checked_sub(padding[0]).filter(|&h| h < height);
            if let (Some(row), true) = (row, first < last) {
                run(pixel - range.start + first - x, last - first, row * width + first * stride[1] + shift - padding[1]);
            }
            pixel += end - x;
        }
    }

    /// cols[(c,i,j), pixel] = what tap (i, j) of channel c sees; `planes` are the channels of a group.
    fn gather(&self, planes: &[f32], range: Range<usize>, cols: &mut [f32]) {
        let (plane, taps, stride) = (self.plane(), self.taps(), self.options.stride[1]);
        if self.options.padding != [0, 0] {
            cols.fill(0.0);
        }
        for (t, row) in cols.chunks_exact_mut(range.len()).enumerate() {
            let from = &planes[t / taps * plane..][..plane];
            self.runs(t % taps / self.kernel[1], t % self.kernel[1], range.clone(), |to, count, at| {
                if stride == 1 {
                    row[to..][..count].copy_from_slice(&from[at..][..count]);
                } else {
                    row[to..][..count].iter_mut().zip(from[at..].iter().step_by(stride)).for_each(|(o, x)| *o = *x);
                }
            });
        }
    }

    /// The reverse of [`Sizes::gather`]: adds every number to the place it was seen at.
    fn scatter(&self, cols: &[f32], range: Range<usize>, planes: &mut [f32]) {
        let (plane, taps, stride) = (self.plane(), self.taps(), self.options.stride[1]);
        for (t, row) in cols.chunks_exact(range.len()).enumerate() {
            let into = &mut planes[t / taps * plane..][..plane];
            self.runs(t % taps / self.kernel[1], t % self.kernel[1], range.clone(), |from, count, at| {
                if stride == 1 {
                    into[at..][..count].iter_mut().zip(&row[from..][..count]).for_each(|(o, x)| *o += x);
                } else {
                    into[at..].iter_mut().step_by(stride).zip(&row[from..][..count]).for_each(|(o, x)| *o += x);
                }
            });
        }
    }

    /// What the kernel sees of the pixels in `range`, as a matrix (c,i,j) × pixel, handed to `work`.
    fn seen(&self, planes: &[f32], range: Range<usize>, work: impl FnOnce(ArrayView2<'_, f32>)) {
        let (rows, len) = (self.inner * self.taps(), range.len());
        if self.is_pointwise() {
            return work(view(&planes[range.start..], rows, len, [self.pixels(), 1]));
        }
        with_scratch(rows * len, |cols| {
            self.gather(planes, range, cols);
            work(view(cols, rows, len, [len, 1]));
        });
    }
}

/// y = w · what the kernel sees of x; reads w, x.
pub(super) fn forward(sizes: Sizes) -> Native {
    Arc::new(move |io| {
        let (w, x, y) = (io.read(0), io.read(1), io.write(0));
        let Sizes { groups, inner, outer, .. } = sizes;
        let (k, pixels, parallel) = (inner * sizes.taps(), sizes.pixels(), sizes.work() > ALONE);
        if y.is_empty() || k == 0 {
            return y.fill(0.0);
        }
        let planes = inner * sizes.plane();
        let images: Vec<_> = y.chunks_exact_mut(outer * pixels).enumerate().collect();
        each(images, parallel, |(index, y)| {
            let weights = view(&w[index % groups * outer * k..], outer, k, [k, 1]);
            let mut y = target(y, outer, pixels);
            let strip = sizes.strip(k);
            let strips: Vec<_> = y.axis_chunks_iter_mut(Axis(1), strip).enumerate().collect();
            each(strips, parallel, |(number, mut y)| {
                let range = number * strip..number * strip + y.ncols();
                let image = &x[index * planes..][..planes];
                sizes.seen(image, range, |seen| general_mat_mul(1.0, &weights, &seen, 0.0, &mut y));
            });
        });
    })
}

/// w = Σ over images of y · (what the kernel sees of x)ᵀ, in parts of `span` rows of pixels; reads y, x.
pub(super) fn by_weight(sizes: Sizes, span: usize) -> Native {
    Arc::new(move |io| {
        let (y, x, w) = (io.read(0), io.read(1), io.write(0));
        let Sizes { batch, groups, inner, outer, output, .. } = sizes;
        let (k, pixels, parallel) = (inner * sizes.taps(), sizes.pixels(), sizes.work() > ALONE);
        w.fill(0.0);
        if w.is_empty() || batch == 0 {
            return;
        }
        let planes = inner * sizes.plane();
        let parts: Vec<_> = w.chunks_exact_mut(outer * k).enumerate().collect();
        let together = parts.len() < rayon::current_num_threads();
        each(parts, parallel, |(part, w)| {
            let (split, group) = (part / groups, part % groups);
            let mut w = target(w, outer, k);
            let rows = split * span..((split + 1) * span).min(batch * output[0]);
            for image in rows.start / output[0]..rows.end.div_ceil(output[0]) {
                // The rows of this image that belong to the part.
                let first = rows.start.saturating_sub(image * output[0]) * output[1];
                let end = (rows.end - image * output[0]).min(output[0]) * output[1];
                let index = image * groups + group;
                let strip = sizes.strip(k);
                for start in (first..end).step_by(strip) {
                    let range = start..end.min(start + strip);
                    let y = view(&y[index * outer * pixels + start..], outer, range.len(), [pixels, 1]);
                    sizes.seen(&x[index * planes..][..planes], range, |seen| {
                        // Parts alone do not busy every thread where there are many weights: their rows are shared out too.
                        let blocks: Vec<_> = w.axis_chunks_iter_mut(Axis(0), 64).zip(y.axis_chunks_iter(Axis(0), 64)).collect();
                        each(blocks, parallel && together, |(mut w, y)| general_mat_mul(1.0, &y, &seen.t(), 1.0, &mut w));
                    });
                }
            }
        });
    })
}

/// x = wᵀ · y, every number added to the place where the kernel saw it; reads w, y.
pub(super) fn by_input(sizes: Sizes) -> Native {
    Arc::new(move |io| {
        let (w, y, x) = (io.read(0), io.read(1), io.write(0));
        let Sizes { groups, inner, outer, .. } = sizes;
        let (taps, plane, pixels, parallel) = (sizes.taps(), sizes.plane(), sizes.pixels(), sizes.work() > ALONE);
        x.fill(0.0);
        if x.is_empty() || outer == 0 {
            return;
        }
        let k = inner * taps;
        // Channels at a time.
        let block = (256 / taps).max(1);
        let images: Vec<_> = x.chunks_exact_mut(inner * plane).enumerate().collect();
        each(images, parallel, |(index, x)| {
            let weights = &w[index % groups * outer * k..][..outer * k];
            let blocks: Vec<_> = x.chunks_mut(block * plane).enumerate().collect();
            each(blocks, parallel, |(b, x)| {
                let rows = x.len() / plane * taps;
                let w = view(&weights[b * block * taps..], rows, outer, [1, k]);
                let strip = sizes.strip(rows);
                for start in (0..pixels).step_by(strip) {
                    let len = strip.min(pixels - start);
                    let y = view(&y[index * outer * pixels + start..], outer, len, [pixels, 1]);
                    with_scratch(rows * len, |cols| {
                        general_mat_mul(1.0, &w, &y, 0.0, &mut target(cols, rows, len));
                        sizes.scatter(cols, start..start + len, x);
                    });
                }
                spread_nan(&sizes, w, x);
            });
        });
    })
}

/// A weight that is not finite makes NaN of the zeros outside and between the elements of y too, as it does where these are gathered.
fn spread_nan(sizes: &Sizes, w: ArrayView2<'_, f32>, planes: &mut [f32]) {
    let (plane, taps) = (sizes.plane(), sizes.taps());
    for (t, _) in w.outer_iter().enumerate().filter(|(_, row)| row.iter().any(|w| !w.is_finite())) {
        let mut reached = vec![false; plane];
        sizes.runs(t % taps / sizes.kernel[1], t % sizes.kernel[1], 0..sizes.pixels(), |_, count, at| {
            reached[at..].iter_mut().step_by(sizes.options.stride[1]).take(count).for_each(|r| *r = true);
        });
        let into = planes[t / taps * plane..][..plane].iter_mut();
        into.zip(reached).filter(|(_, reached)| !reached).for_each(|(x, _)| *x = f32::NAN);
    }
}
