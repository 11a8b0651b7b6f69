//! Sums of products over a laid out image, in tiles of registers.

use super::super::super::gemm::kernel::{self, SizedTile, VECTORS};
use pulp::{Simd, WithSimd};
use std::array::from_fn;

/// out[o, y, x] = Σ_t weights[o, t] · image[offsets[t] + y · row + x], for the channels and pixels of one image.
pub(super) struct Scan<'a> {
    /// Row-major, `terms` numbers for each channel of the output.
    pub(super) weights: &'a [f32],
    /// The laid out image.
    pub(super) image: &'a [f32],
    pub(super) offsets: &'a [usize],
    /// Numbers from one row of pixels to the next.
    pub(super) row: usize,
    /// Rows and columns of pixels.
    pub(super) pixels: [usize; 2],
    pub(super) to: Placed,
    pub(super) out: &'a mut [f32],
}

/// Where pixels lie in the output.
#[derive(Clone, Copy)]
pub(super) struct Placed {
    /// From one channel to the next.
    pub(super) plane: usize,
    /// Of the first pixel.
    pub(super) first: usize,
    /// From one row of pixels to the next, and from one pixel to the next.
    pub(super) step: [usize; 2],
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
                let mut sums = [0.0; kernel::ROWS * VECTORS * kernel::MOST_LANES];
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
        kernel::apart(simd, Constant::<_, M, N>(self));
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
pub(super) struct Collect<'a> {
    pub(super) image: &'a [f32],
    pub(super) offsets: &'a [usize],
    pub(super) row: usize,
    pub(super) pixels: [usize; 2],
    /// Columns `width` apart: an image of y, transposed.
    pub(super) panel: &'a [f32],
    /// A multiple of a vector.
    pub(super) width: usize,
    pub(super) into: &'a mut [f32],
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
        kernel::apart(simd, Constant::<_, M, N>(self));
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
            kernel::steps(simd, &mut sums, across, |x, r| lines[r][x], &panel[y * across * width..], width);
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
