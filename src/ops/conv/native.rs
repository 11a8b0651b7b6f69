//! Native convolutions: tiles in registers like those of matrix products, read straight from the image, which is only padded.
//!
//! An image is laid out so that what one tap of the kernel sees of a row of pixels lies side by side: rows with their padding, and
//! columns sorted by their remainder modulo the stride. Then a tap is an offset, and nothing is gathered. How work is divided hangs on
//! the sizes only where sums are divided too: the same bits everywhere.

use super::super::gemm::kernel::{self, SizedTile, VECTORS};
use super::super::gemm::pack::Panel;
use super::super::gemm::{self, Matrix};
use super::super::scratch;
use super::{ConvOptions, Sizes};
use crate::graph::op::Native;
use ndarray::ArrayViewMut2;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::array::from_fn;
use std::ops::Range;
use std::sync::Arc;

/// Multiplications below which one thread is faster than several.
const ALONE: usize = 1 << 18;
/// Numbers behind an image that a vector may read and drop.
const SLACK: usize = 64;

fn each<T: Send>(items: Vec<T>, parallel: bool, work: impl Fn(T) + Sync + Send) {
    if parallel { items.into_par_iter().for_each(work) } else { items.into_iter().for_each(work) }
}

/// How planes are laid out before taps read them: rows and columns sorted by their remainder modulo the stride.
#[derive(Clone, Debug)]
struct Staging {
    /// Height and width of a plane as it lies.
    size: [usize; 2],
    /// Row and column of the plane that come first; negative ones are padding.
    first: [isize; 2],
    /// How far the kernel moves; height and width, as all pairs.
    stride: [usize; 2],
    /// The remainders that taps see.
    remainders: [Vec<usize>; 2],
    /// Rows and columns of each remainder.
    count: [usize; 2],
}

impl Staging {
    /// Numbers from one row to the next.
    fn row(&self) -> usize {
        self.remainders[1].len() * self.count[1]
    }

    /// Numbers from one plane to the next.
    fn plane(&self) -> usize {
        self.remainders[0].len() * self.count[0] * self.row()
    }

    /// Lays out planes from `from` on, as many as fit in `to`; zeros around them.
    fn fill(&self, from: &[f32], to: &mut [f32]) {
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
                    // Those before the plane begins, those within it, those behind its end.
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

/// out[o, y, x] = Σ_t weights[o, t] · image[offsets[t] + y · row + x], for the channels and pixels of one image.
struct Scan<'a> {
    /// Row-major, `terms` numbers for each channel of the output.
    weights: &'a [f32],
    /// The laid out image.
    image: &'a [f32],
    offsets: &'a [usize],
    /// Numbers from one row of pixels to the next.
    row: usize,
    /// Rows and columns of pixels.
    pixels: [usize; 2],
    to: Placed,
    out: &'a mut [f32],
}

/// Where pixels lie in the output.
#[derive(Clone, Copy)]
struct Placed {
    /// From one channel to the next.
    plane: usize,
    /// Of the first pixel.
    first: usize,
    /// From one row of pixels to the next, and from one pixel to the next.
    step: [usize; 2],
}

impl WithSimd for Scan<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Scan { weights, image, offsets, row, pixels: [down, across], to, out } = self;
        let (terms, channels) = (offsets.len(), out.len() / to.plane.max(1));
        let (lanes, high) = (S::F32_LANES, kernel::most_rows::<S>());
        // A vector never reaches across the end of a row of pixels.
        let per_row = across.div_ceil(lanes);
        let count = down * per_row;
        for o in (0..channels).step_by(high) {
            let tall = high.min(channels - o);
            for first in (0..count).step_by(VECTORS) {
                let vectors = VECTORS.min(count - first);
                let piece = |v: usize| ((first + v) / per_row, (first + v) % per_row * lanes);
                let starts = from_fn(|v| if v < vectors { piece(v).0 * row + piece(v).1 } else { 0 });
                let mut sums = [0.0; kernel::ROWS * VECTORS * 16];
                let tile =
                    ScanTile { weights: &weights[o * terms..], image, offsets, starts, tall, vectors, sums: &mut sums[..] };
                kernel::sized(simd, tall.next_power_of_two(), vectors, tile);
                for (r, sums) in sums.chunks_exact(vectors * lanes).enumerate().take(tall) {
                    let plane = &mut out[(o + r) * to.plane..][..to.plane];
                    for (v, sums) in sums.chunks_exact(lanes).enumerate() {
                        let (y, x) = piece(v);
                        let wide = lanes.min(across - x);
                        let at = to.first + y * to.step[0] + x * to.step[1];
                        if to.step[1] == 1 {
                            plane[at..at + wide].copy_from_slice(&sums[..wide]);
                        } else {
                            plane[at..].iter_mut().step_by(to.step[1]).zip(&sums[..wide]).for_each(|(o, s)| *o = *s);
                        }
                    }
                }
            }
        }
    }
}

/// A tile of a scan: channels by vectors of pixels.
struct ScanTile<'a> {
    weights: &'a [f32],
    image: &'a [f32],
    offsets: &'a [usize],
    /// Where the vectors' pixels begin.
    starts: [usize; VECTORS],
    tall: usize,
    vectors: usize,
    /// The results, row by row.
    sums: &'a mut [f32],
}

impl SizedTile for ScanTile<'_> {
    #[inline(always)]
    fn run<S: Simd, const M: usize, const N: usize>(self, simd: S) {
        simd.vectorize(Constant::<_, M, N>(self));
    }
}

/// A tile whose size is a constant.
struct Constant<T, const M: usize, const N: usize>(T);

impl<const M: usize, const N: usize> WithSimd for Constant<ScanTile<'_>, M, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let ScanTile { weights, image, offsets, starts, tall, vectors, sums: out } = self.0;
        let terms = offsets.len();
        let mut lines: [&[f32]; M] = [&[]; M];
        for r in 0..M {
            // Rows beyond the last are read as the last, and dropped.
            lines[r] = &weights[r.min(tall - 1) * terms..][..terms];
        }
        let mut sums = kernel::zero::<S, M, N>(simd);
        for p in 0..terms {
            let image = &image[offsets[p]..];
            let b: [S::f32s; N] = from_fn(|v| S::as_simd_f32s(&image[starts[v]..][..S::F32_LANES]).0[0]);
            kernel::step(simd, &mut sums, |r| lines[r][p], b);
        }
        let out = S::as_mut_simd_f32s(&mut out[..M * vectors * S::F32_LANES]).0;
        for r in 0..M {
            for v in 0..N {
                out[r * N + v] = sums[r][v];
            }
        }
    }
}

/// into[t, o] += Σ over pixels of image[offsets[t] + y · row + x] · panel[(y, x), o], for one image.
struct Collect<'a> {
    image: &'a [f32],
    offsets: &'a [usize],
    row: usize,
    pixels: [usize; 2],
    /// Columns `width` apart: an image of y, transposed.
    panel: &'a [f32],
    /// A multiple of a vector.
    width: usize,
    into: &'a mut [f32],
}

impl WithSimd for Collect<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Collect { image, offsets, row, pixels, panel, width, into } = self;
        let (lanes, high) = (S::F32_LANES, kernel::most_rows::<S>());
        for (offsets, into) in offsets.chunks(high).zip(into.chunks_mut(high * width)) {
            for start in (0..width).step_by(VECTORS * lanes) {
                let vectors = VECTORS.min((width - start) / lanes);
                let tile = CollectTile { image, offsets, row, pixels, panel: &panel[start..], width, into: &mut into[start..] };
                kernel::sized(simd, offsets.len().next_power_of_two(), vectors, tile);
            }
        }
    }
}

struct CollectTile<'a> {
    image: &'a [f32],
    offsets: &'a [usize],
    row: usize,
    pixels: [usize; 2],
    panel: &'a [f32],
    width: usize,
    into: &'a mut [f32],
}

impl SizedTile for CollectTile<'_> {
    #[inline(always)]
    fn run<S: Simd, const M: usize, const N: usize>(self, simd: S) {
        simd.vectorize(Constant::<_, M, N>(self));
    }
}

impl<const M: usize, const N: usize> WithSimd for Constant<CollectTile<'_>, M, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let CollectTile { image, offsets, row, pixels: [down, across], panel, width, into } = self.0;
        let mut sums = kernel::zero::<S, M, N>(simd);
        for y in 0..down {
            let mut lines: [&[f32]; M] = [&[]; M];
            for r in 0..M {
                lines[r] = &image[offsets[r.min(offsets.len() - 1)] + y * row..][..across];
            }
            let panel = &panel[y * across * width..];
            for x in 0..across {
                kernel::step(simd, &mut sums, |r| lines[r][x], kernel::vectors::<S, N>(&panel[x * width..]));
            }
        }
        let mut tile = kernel::zero::<S, M, N>(simd);
        for r in 0..M {
            for v in 0..N {
                tile[r][v] = sums[r][v];
            }
        }
        for (into, sums) in into.chunks_mut(width).zip(&tile).take(offsets.len()) {
            let (into, _) = S::as_mut_simd_f32s(&mut into[..N * S::F32_LANES]);
            for v in 0..N {
                into[v] = simd.add_f32s(into[v], sums[v]);
            }
        }
    }
}

impl Sizes {
    /// Whether the kernel sees each element as it lies.
    fn is_pointwise(&self) -> bool {
        let ConvOptions { stride, padding, after, .. } = self.options;
        self.kernel == [1, 1] && stride == [1, 1] && padding == [0, 0] && after == [0, 0]
    }

    /// How far the kernel moves; along an axis with one place for it, that does not matter.
    fn stride(&self) -> [usize; 2] {
        from_fn(|axis| if self.output[axis] == 1 { 1 } else { self.options.stride[axis] })
    }

    /// How an image is laid out for so many rows of pixels.
    fn staging(&self, rows: Range<usize>) -> Staging {
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
    fn offsets(&self, staging: &Staging) -> Vec<usize> {
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
fn remainders(numbers: impl Iterator<Item = usize>, stride: usize) -> Vec<usize> {
    let mut found: Vec<usize> = numbers.map(|n| n % stride).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// y = w · what the kernel sees of x; reads w, x.
pub(super) fn forward(sizes: Sizes) -> Native {
    let empty = sizes.y().contains(&0) || sizes.inner * sizes.taps() == 0;
    let staging = if empty { None } else { Some(sizes.staging(0..sizes.output[0])) };
    let offsets = staging.as_ref().map(|s| sizes.offsets(s)).unwrap_or_default();
    Arc::new(move |io| {
        let (w, x) = (io.read(0), io.read(1));
        let Some(staging) = &staging else { return io.write(0).fill(0.0) };
        let finish = io.finish.take();
        let y = io.write(0);
        let Sizes { groups, inner, outer, .. } = sizes;
        let (k, pixels, parallel) = (offsets.len(), sizes.pixels(), sizes.work() > ALONE);
        let planes = inner * sizes.plane();
        let images: Vec<_> = y.chunks_exact_mut(outer * pixels).enumerate().collect();
        // Images alone do not busy every thread where there are few: their channels are shared out too.
        let together = images.len() < 2 * rayon::current_num_threads();
        let image = |index: usize, y: &mut [f32]| {
            let (weights, x) = (&w[index % groups * outer * k..][..outer * k], &x[index * planes..][..planes]);
            if sizes.is_pointwise() {
                let (a, b) = (Matrix { data: weights, strides: [k, 1] }, Matrix { data: x, strides: [pixels, 1] });
                let y = ArrayViewMut2::from_shape((outer, pixels), y).expect("a matrix fills its buffer");
                return gemm::multiply(a, b, k, y, parallel && together, None);
            }
            scratch::with(inner * staging.plane() + SLACK, |image| {
                staging.fill(x, &mut image[..inner * staging.plane()]);
                let image = &*image;
                let to = Placed { plane: pixels, first: 0, step: [sizes.output[1], 1] };
                let blocks = if together { 2 * kernel::ROWS } else { outer };
                let blocks: Vec<_> = y.chunks_mut(blocks * pixels).zip(weights.chunks(blocks * k)).collect();
                each(blocks, parallel && together, |(out, weights)| {
                    let row = staging.row();
                    Arch::new().dispatch(Scan { weights, image, offsets: &offsets, row, pixels: sizes.output, to, out });
                });
            });
        };
        each(images, parallel, |(index, y)| {
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
        let (y, x, w) = (io.read(0), io.read(1), io.write(0));
        let Sizes { batch, groups, inner, outer, output, .. } = sizes;
        let (k, pixels, parallel) = (inner * sizes.taps(), sizes.pixels(), sizes.work() > ALONE);
        if w.is_empty() || batch == 0 || pixels == 0 {
            return w.fill(0.0);
        }
        let planes = inner * sizes.plane();
        let width = outer.next_multiple_of(16);
        let parts: Vec<_> = w.chunks_exact_mut(outer * k).enumerate().collect();
        // Parts alone do not busy every thread where there are many weights: their taps are shared out too.
        let together = parts.len() < rayon::current_num_threads();
        each(parts, parallel, |(part, w)| {
            let (split, group) = (part / groups, part % groups);
            let rows = split * span..((split + 1) * span).min(batch * output[0]);
            let most = sizes.staging(0..output[0].min(rows.len()));
            let room = [k * width, pixels * width, inner * most.plane() + SLACK];
            scratch::with(room.iter().sum(), |memory| {
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
                    let block = if together { 2 * kernel::ROWS } else { k };
                    let blocks: Vec<_> = sums.chunks_mut(block * width).zip(offsets.chunks(block)).collect();
                    each(blocks, parallel && together, |(into, offsets)| {
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
        let (w, y, x) = (io.read(0), io.read(1), io.write(0));
        if !all {
            x.fill(0.0);
        }
        if empty {
            return;
        }
        let Sizes { groups, inner, outer, .. } = sizes;
        let (k, plane, parallel) = (inner * sizes.taps(), sizes.plane(), sizes.work() > ALONE);
        // All phases of all groups, one after the other.
        let terms: usize = phases.iter().map(|p| p.offsets.len()).sum();
        scratch::with(groups * inner * terms, |turned| {
            let mut rest = &mut *turned;
            for group in 0..groups {
                for phase in &phases {
                    let (own, after) = rest.split_at_mut(inner * phase.offsets.len());
                    sizes.phase_weights(phase, &w[group * outer * k..][..outer * k], own);
                    rest = after;
                }
            }
            let turned = &*turned;
            let images: Vec<_> = x.chunks_exact_mut(inner * plane).enumerate().collect();
            let together = images.len() < 2 * rayon::current_num_threads();
            each(images, parallel, |(index, x)| {
                let y = &y[index * outer * sizes.pixels()..][..outer * sizes.pixels()];
                let mut weights = &turned[index % groups * inner * terms..];
                for Phase { staging, offsets, pixels, to, .. } in &phases {
                    let (own, after) = weights.split_at(inner * offsets.len());
                    weights = after;
                    scratch::with(outer * staging.plane() + SLACK, |image| {
                        staging.fill(y, &mut image[..outer * staging.plane()]);
                        let image = &*image;
                        let block = if together { 2 * kernel::ROWS } else { inner };
                        let blocks: Vec<_> = x.chunks_mut(block * plane).enumerate().collect();
                        each(blocks, parallel && together, |(b, out)| {
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
