//! Native convolutions: tiles in registers like those of matrix products, read straight from the image, which is only padded.
//!
//! An image is laid out so that what one tap of the kernel sees of a row of pixels is contiguous: rows with their padding, and
//! columns sorted by their remainder modulo the stride. Then a tap is an offset, and nothing is gathered. How work is divided depends on
//! the sizes only where sums are divided too: the same bits everywhere.

mod staging;
mod tiles;

use super::super::gemm::pack::Panel;
use super::super::gemm::{self, Matrix, kernel};
use super::{ConvOptions, Sizes};
use crate::graph::op::Native;
use ndarray::ArrayViewMut2;
use pulp::Arch;
use rayon::prelude::*;
use staging::{Staging, remainders};
use std::array::from_fn;
use std::sync::Arc;
use tiles::{Collect, Placed, Scan};

/// Multiplications up to which one thread is faster than several.
const SERIAL_WORK: usize = 1 << 18;
/// Numbers after an image that a vector may read and drop.
const SLACK: usize = 64;

/// Works on every `size` numbers, with their number in order.
fn each(all: &mut [f32], size: usize, parallel: bool, work: impl Fn((usize, &mut [f32])) + Sync + Send) {
    if parallel {
        all.par_chunks_mut(size).enumerate().for_each(work);
    } else {
        all.chunks_mut(size).enumerate().for_each(work);
    }
}

/// y = w · what the kernel sees of x; reads w, x.
pub(super) fn forward(sizes: Sizes) -> Native {
    let empty = sizes.y().contains(&0) || sizes.inner * sizes.taps() == 0;
    let staging = if empty { None } else { Some(sizes.staging(0..sizes.output[0])) };
    let offsets = staging.as_ref().map(|s| sizes.offsets(s)).unwrap_or_default();
    Arc::new(move |io| {
        let (w, x) = (io.read(0), io.read(1));
        let Some(staging) = &staging else { return io.write(0).fill(0.0) };
        let (finish, room) = (io.finish.take(), io.room);
        let y = io.write(0);
        let Sizes { groups, inner, outer, .. } = sizes;
        let (k, pixels, parallel) = (offsets.len(), sizes.pixels(), sizes.work() > SERIAL_WORK);
        let planes = inner * sizes.plane();
        // Images alone do not keep every thread busy where there are few: their channels are shared out too.
        let inside_images = y.len() / (outer * pixels) < 2 * rayon::current_num_threads();
        let image = |index: usize, y: &mut [f32]| {
            let (weights, x) = (&w[index % groups * outer * k..][..outer * k], &x[index * planes..][..planes]);
            if sizes.is_pointwise() {
                let (a, b) = (Matrix { data: weights, strides: [k, 1] }, Matrix { data: x, strides: [pixels, 1] });
                let y = ArrayViewMut2::from_shape((outer, pixels), y).expect("a matrix fills its buffer");
                return gemm::multiply(a, b, k, y, room, parallel && inside_images, None);
            }
            room.with(inner * staging.plane() + SLACK, |image| {
                staging.fill(x, &mut image[..inner * staging.plane()]);
                let image = &*image;
                let to = Placed { plane: pixels, first: 0, step: [sizes.output[1], 1] };
                let blocks = if inside_images { 2 * kernel::ROWS } else { outer };
                each(y, blocks * pixels, parallel && inside_images, |(i, out)| {
                    let (row, weights) = (staging.row(), &weights[i * blocks * k..][..out.len() / pixels * k]);
                    Arch::new().dispatch(Scan { weights, image, offsets: &offsets, row, pixels: sizes.output, to, out });
                });
            });
        };
        each(y, outer * pixels, parallel, |(index, y)| {
            image(index, y);
            if let Some(finish) = finish {
                finish(index * outer * pixels, bytemuck::cast_slice_mut(y));
            }
        });
    })
}

/// w = Σ over images of y · (what the kernel sees of x)ᵀ, in parts of `span` rows of pixels; reads y, x.
pub(super) fn by_weight(sizes: Sizes, span: usize) -> Native {
    Arc::new(move |io| {
        let (y, x, workspace) = (io.read(0), io.read(1), io.room);
        let w = io.write(0);
        let Sizes { batch, groups, inner, outer, output, .. } = sizes;
        let (k, pixels, parallel) = (inner * sizes.taps(), sizes.pixels(), sizes.work() > SERIAL_WORK);
        if w.is_empty() || batch == 0 || pixels == 0 {
            return w.fill(0.0);
        }
        let planes = inner * sizes.plane();
        let width = outer.next_multiple_of(16);
        // Parts alone do not keep every thread busy where there are many weights: their taps are shared out too.
        let inside_parts = w.len() / (outer * k) < rayon::current_num_threads();
        each(w, outer * k, parallel, |(part, w)| {
            let (split, group) = (part / groups, part % groups);
            let rows = split * span..((split + 1) * span).min(batch * output[0]);
            let most = sizes.staging(0..output[0].min(rows.len()));
            let room = [k * width, pixels * width, inner * most.plane() + SLACK];
            workspace.with(room.iter().sum(), |memory| {
                let (sums, memory) = memory.split_at_mut(room[0]);
                let (panel, image) = memory.split_at_mut(room[1]);
                sums.fill(0.0);
                for n in rows.start / output[0]..rows.end.div_ceil(output[0]) {
                    // The rows of this image that belong to the part.
                    let own = rows.start.saturating_sub(n * output[0])..(rows.end - n * output[0]).min(output[0]);
                    let (index, staging) = (n * groups + group, sizes.staging(own.clone()));
                    let offsets = sizes.offsets(&staging);
                    staging.fill(&x[index * planes..][..planes], &mut image[..inner * staging.plane()]);
                    let from = &y[index * outer * pixels + own.start * output[1]..];
                    let terms = own.len() * output[1];
                    Arch::new().dispatch(Panel { from, strides: [1, pixels], terms, count: outer, width, to: panel });
                    let (image, panel) = (&*image, &*panel);
                    let block = if inside_parts { 2 * kernel::ROWS } else { k };
                    each(sums, block * width, parallel && inside_parts, |(i, into)| {
                        let offsets = &offsets[i * block..][..into.len() / width];
                        let (row, pixels) = (staging.row(), [own.len(), output[1]]);
                        Arch::new().dispatch(Collect { image, offsets, row, pixels, panel, width, into });
                    });
                }
                for (o, w) in w.chunks_exact_mut(k).enumerate() {
                    w.iter_mut().zip(sums[o..].iter().step_by(width)).for_each(|(w, sum)| *w = *sum);
                }
            });
        });
    })
}

/// The elements of x that lie alike between the windows: those whose place plus the padding leaves one remainder modulo the stride.
struct Phase {
    /// How y is laid out for them.
    staging: Staging,
    offsets: Vec<usize>,
    /// Which tap each offset is, without its channel of y.
    taps: Vec<usize>,
    pixels: [usize; 2],
    to: Placed,
}

impl Sizes {
    /// The phases that any tap sees, and whether they are all of x.
    fn phases(&self) -> (Vec<Phase>, bool) {
        let (ConvOptions { padding, dilation, .. }, stride) = (self.options, self.stride());
        let [down, across] = from_fn(|axis| remainders((0..self.kernel[axis]).map(|i| i * dilation[axis]), stride[axis]));
        let all = down.len() == stride[0] && across.len() == stride[1];
        let phase = |remainder: [usize; 2]| {
            // Along an axis: the first place of x, how many there are, and each tap with how far it looks back in y.
            let axis = |a: usize| {
                let first = (remainder[a] + stride[a] - padding[a] % stride[a]) % stride[a];
                let count = self.image[a].saturating_sub(first).div_ceil(stride[a]);
                let seen = (0..self.kernel[a]).filter(move |i| (i * dilation[a]) % stride[a] == remainder[a]);
                let taps: Vec<_> = seen.map(|i| (i, (i * dilation[a]) / stride[a])).collect();
                let back = taps.iter().map(|t| t.1).max().unwrap_or(0);
                // The element of y that the first place sees through a tap that looks back by nothing.
                let origin = (first + padding[a]) / stride[a];
                (first, count, taps, back, origin as isize - back as isize)
            };
            let (rows, columns) = (axis(0), axis(1));
            if rows.1 == 0 || columns.1 == 0 {
                return None;
            }
            let staging = Staging {
                size: self.output,
                first: [rows.4, columns.4],
                stride: [1, 1],
                remainders: [vec![0], vec![0]],
                count: [rows.1 + rows.3, columns.1 + columns.3],
            };
            let (mut offsets, mut taps) = (vec![], vec![]);
            for o in 0..self.outer {
                for &(i, up) in &rows.2 {
                    for &(j, left) in &columns.2 {
                        offsets.push(o * staging.plane() + (rows.3 - up) * staging.row() + columns.3 - left);
                        taps.push(i * self.kernel[1] + j);
                    }
                }
            }
            let width = self.image[1];
            let to = Placed { plane: self.plane(), first: rows.0 * width + columns.0, step: [stride[0] * width, stride[1]] };
            Some(Phase { staging, offsets, taps, pixels: [rows.1, columns.1], to })
        };
        (down.iter().flat_map(|&p| across.iter().filter_map(move |&q| phase([p, q]))).collect(), all)
    }

    /// The weights of a group for a phase: a row for each channel of x.
    fn phase_weights(&self, phase: &Phase, w: &[f32], to: &mut [f32]) {
        let (taps, terms) = (self.taps(), phase.offsets.len());
        let per_channel = (terms / self.outer).max(1);
        for (c, row) in to.chunks_exact_mut(terms.max(1)).enumerate() {
            for (t, (to, tap)) in row.iter_mut().zip(&phase.taps).enumerate() {
                *to = w[(t / per_channel * self.inner + c) * taps + tap];
            }
        }
    }
}

/// x = wᵀ · y, through the taps that see each element; reads w, y.
pub(super) fn by_input(sizes: Sizes) -> Native {
    let empty = sizes.x().contains(&0) || sizes.outer * sizes.taps() * sizes.pixels() == 0;
    let (phases, all) = if empty { (vec![], false) } else { sizes.phases() };
    Arc::new(move |io| {
        let (w, y, room) = (io.read(0), io.read(1), io.room);
        let x = io.write(0);
        if !all {
            x.fill(0.0);
        }
        if empty {
            return;
        }
        let Sizes { groups, inner, outer, .. } = sizes;
        let (k, plane, parallel) = (inner * sizes.taps(), sizes.plane(), sizes.work() > SERIAL_WORK);
        // All phases of all groups, one after the other.
        let terms: usize = phases.iter().map(|p| p.offsets.len()).sum();
        room.with(groups * inner * terms, |transposed| {
            let mut rest = &mut *transposed;
            for group in 0..groups {
                for phase in &phases {
                    let (own, after) = rest.split_at_mut(inner * phase.offsets.len());
                    sizes.phase_weights(phase, &w[group * outer * k..][..outer * k], own);
                    rest = after;
                }
            }
            let transposed = &*transposed;
            let inside_images = x.len() / (inner * plane) < 2 * rayon::current_num_threads();
            each(x, inner * plane, parallel, |(index, x)| {
                let y = &y[index * outer * sizes.pixels()..][..outer * sizes.pixels()];
                let mut weights = &transposed[index % groups * inner * terms..];
                for Phase { staging, offsets, pixels, to, .. } in &phases {
                    let (own, after) = weights.split_at(inner * offsets.len());
                    weights = after;
                    room.with(outer * staging.plane() + SLACK, |image| {
                        staging.fill(y, &mut image[..outer * staging.plane()]);
                        let image = &*image;
                        let block = if inside_images { 2 * kernel::ROWS } else { inner };
                        each(x, block * plane, parallel && inside_images, |(b, out)| {
                            let weights = &own[b * block * offsets.len()..];
                            let row = staging.row();
                            Arch::new().dispatch(Scan { weights, image, offsets, row, pixels: *pixels, to: *to, out });
                        });
                    });
                }
                let own = &w[index % groups * outer * k..][..outer * k];
                if own.iter().any(|w| !w.is_finite()) {
                    spread_nan(&sizes, own, x);
                }
            });
        });
    })
}

/// A weight that is not finite makes NaN of the zeros outside of y too, as it does where these are multiplied.
fn spread_nan(sizes: &Sizes, w: &[f32], planes: &mut [f32]) {
    let (taps, ConvOptions { stride, padding, dilation, .. }) = (sizes.taps(), sizes.options);
    for (at, _) in w.iter().enumerate().filter(|(_, w)| !w.is_finite()) {
        let (c, i, j) = (at / taps % sizes.inner, at % taps / sizes.kernel[1], at % sizes.kernel[1]);
        // Whether an element of y is seen there, inside or outside; none between two of them.
        let seen = |place: usize, tap: usize, axis: usize| {
            let (before, after) = (place + padding[axis], tap * dilation[axis]);
            let whole = before.abs_diff(after) % stride[axis] == 0;
            whole.then(|| before >= after && (before - after) / stride[axis] < sizes.output[axis])
        };
        let plane = &mut planes[c * sizes.plane()..][..sizes.plane()];
        for (h, row) in plane.chunks_exact_mut(sizes.image[1]).enumerate() {
            let row = row.iter_mut().enumerate();
            let outside = |v: usize| seen(h, i, 0).zip(seen(v, j, 1)).is_some_and(|(down, across)| !down || !across);
            row.filter(|(v, _)| outside(*v)).for_each(|(_, x)| *x = f32::NAN);
        }
    }
}
