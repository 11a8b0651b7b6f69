//! Native maximum pooling, a row of windows at a time.

use super::super::scratch;
use super::super::simd::vectorised;
use super::super::window::Window;
use super::Plane;

vectorised! {
    /// The largest so far of windows `stride` apart, and the number of the tap it was seen by: those of one more tap are taken in.
    fn take<'a>(seen: &'a [f32], stride: usize, tap: f32, best: &'a mut [f32], at: &'a mut [f32]) {
        // A NaN takes the place of a number, and nothing takes the place of a NaN; of equals the first stays.
        let step = |best: &mut f32, at: &mut f32, x: f32| {
            let stays = *best >= x || best.is_nan();
            (*best, *at) = if stays { (*best, *at) } else { (x, tap) };
        };
        // The usual strides as constants, so that these loops become vectors.
        match stride {
            1 => best.iter_mut().zip(at).zip(seen).for_each(|((best, at), x)| step(best, at, *x)),
            2 => {
                let (pairs, rest) = seen.as_chunks::<2>();
                best.iter_mut().zip(&mut *at).zip(pairs).for_each(|((best, at), pair)| step(best, at, pair[0]));
                if let (Some(best), Some(at), [x]) = (best.get_mut(pairs.len()), at.get_mut(pairs.len()), rest) {
                    step(best, at, *x);
                }
            }
            _ => best.iter_mut().zip(at).zip(seen.iter().step_by(stride)).for_each(|((best, at), x)| step(best, at, *x)),
        }
    }
}

impl Plane {
    /// For every row of windows: its number, the largest numbers, and the numbers i · kW + j of the taps that see them.
    fn largest_by_row(&self, window: &Window, plane: &[f32], mut visit: impl FnMut(usize, &[f32], &[f32])) {
        let ([height, width], [down, across]) = (self.size, self.output);
        let Window { kernel, stride, padding, .. } = *window;
        scratch::with(2 * across, |memory| {
            let (best, at) = memory.split_at_mut(across);
            for y in 0..down {
                best.fill(f32::NEG_INFINITY);
                at.fill(-1.0);
                for i in 0..kernel[0] {
                    let Some(row) = (y * stride[0] + i).checked_sub(padding[0]).filter(|&h| h < height) else { continue };
                    let row = &plane[row * width..][..width];
                    for j in 0..kernel[1] {
                        // The windows whose tap j lies in the plane.
                        let low = padding[1].saturating_sub(j).div_ceil(stride[1]);
                        let high = (width + padding[1]).saturating_sub(j).div_ceil(stride[1]).min(across);
                        if low < high {
                            let seen = &row[low * stride[1] + j - padding[1]..];
                            take(seen, stride[1], (i * kernel[1] + j) as f32, &mut best[low..high], &mut at[low..high]);
                        }
                    }
                }
                visit(y, best, at);
            }
        });
    }

    /// out = the largest of every window of a plane.
    pub(super) fn pool(&self, window: &Window, plane: &[f32], out: &mut [f32]) {
        self.largest_by_row(window, plane, |y, best, _| out[y * best.len()..][..best.len()].copy_from_slice(best));
    }

    /// Adds g of every window to the place of its largest.
    pub(super) fn unpool(&self, window: &Window, plane: &[f32], g: &[f32], out: &mut [f32]) {
        let Window { kernel, stride, padding, .. } = *window;
        self.largest_by_row(window, plane, |y, best, at| {
            for (x, (tap, g)) in at.iter().zip(&g[y * best.len()..]).enumerate() {
                // Without a number above −∞, the first place of the window.
                let (i, j) = if *tap < 0.0 {
                    (padding[0].saturating_sub(y * stride[0]), padding[1].saturating_sub(x * stride[1]))
                } else {
                    let tap = *tap as usize;
                    (tap / kernel[1], tap % kernel[1])
                };
                out[(y * stride[0] + i - padding[0]) * self.size[1] + x * stride[1] + j - padding[1]] += g;
            }
        });
    }
}
