//! Native pooling: maximum pooling a row of windows at a time, averages window by window.

use super::super::simd::vectorised;
use super::super::window::Window;
use super::{Cells, Plane, beats};
use crate::graph::op::{Native, Workspace};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Taps of a window up to which windows are compared tap by tap, a row of windows at a time; larger ones one by one.
const MOST_TAPS_BY_ROW: usize = 64;
/// Comparisons or additions below which one thread does all.
const SERIAL_WORK: usize = 1 << 15;
/// Those that a thread does at least where several do them.
const WORK_OF_A_THREAD: usize = 1 << 13;

/// Runs `plane(number, part)` for every `size` elements of the output, on all cores where that pays. `work` is that of one plane.
fn by_planes<T: Send>(out: &mut [T], size: usize, work: usize, plane: impl Fn(usize, &mut [T]) + Sync) {
    if out.len() / size * work < SERIAL_WORK {
        return out.chunks_exact_mut(size).enumerate().for_each(|(i, part)| plane(i, part));
    }
    let several = (WORK_OF_A_THREAD / work.max(1)).max(1);
    out.par_chunks_exact_mut(size).with_min_len(several).enumerate().for_each(|(i, part)| plane(i, part));
}

/// v at the largest x of every window; reads x and v, or x twice.
pub(super) fn pick(plane: Plane, v_is_x: bool) -> Native {
    Arc::new(move |io| {
        let (x, v, room) = (io.read(0), io.read(1), io.room);
        by_planes(io.write(0), plane.windows(), plane.work(), |i, out| {
            let (x, v) = (&x[i * plane.elements()..][..plane.elements()], &v[i * plane.elements()..]);
            match plane.taken_by_row() {
                Some(window) if v_is_x => plane.pool(&window, x, out, room),
                _ => plane.each(|o, rows, columns| out[o] = v[plane.largest(x, rows, columns)]),
            }
        });
    })
}

/// Where in its plane the largest x of every window lies, as words; reads x.
pub(super) fn indices(plane: Plane) -> Native {
    Arc::new(move |io| {
        let x = io.read(0);
        by_planes(&mut *io.writes[0], plane.windows(), plane.work(), |i, out| {
            let x = &x[i * plane.elements()..][..plane.elements()];
            plane.each(|o, rows, columns| out[o] = plane.largest(x, rows, columns) as u32);
        });
    })
}

/// For every x the sum of g over the windows whose largest it is; reads x and g.
pub(super) fn max_input(plane: Plane) -> Native {
    Arc::new(move |io| {
        let (x, g, room) = (io.read(0), io.read(1), io.room);
        by_planes(io.write(0), plane.elements(), plane.work(), |i, out| {
            let (x, g) = (&x[i * plane.elements()..][..plane.elements()], &g[i * plane.windows()..]);
            out.fill(0.0);
            match plane.taken_by_row() {
                Some(window) => plane.unpool(&window, x, g, out, room),
                None => plane.each(|o, rows, columns| out[plane.largest(x, rows, columns)] += g[o]),
            }
        });
    })
}

/// The mean of every window; reads x.
pub(super) fn average(plane: Plane) -> Native {
    Arc::new(move |io| {
        let x = io.read(0);
        by_planes(io.write(0), plane.windows(), plane.windows() + plane.elements(), |i, out| {
            let x = &x[i * plane.elements()..][..plane.elements()];
            plane.each(|o, rows, columns| {
                let n = plane.divisor(o, rows.len() * columns.len());
                let row = |y: usize| &x[y * plane.size[1]..][columns.clone()];
                let sum: f64 = rows.flat_map(row).map(|&x| f64::from(x)).sum();
                // What is too large for f32 is infinite, as on other devices.
                out[o] = if (sum as f32).is_finite() { (sum / n as f64) as f32 } else { sum as f32 };
            });
        });
    })
}

/// For every x the sum of g/n over the windows that cover it; reads g.
pub(super) fn average_input(plane: Plane) -> Native {
    Arc::new(move |io| {
        let g = io.read(0);
        by_planes(io.write(0), plane.elements(), plane.windows() + plane.elements(), |i, out| {
            let g = &g[i * plane.windows()..];
            out.fill(0.0);
            plane.each(|o, rows, columns| {
                let share = g[o] / plane.divisor(o, rows.len() * columns.len()) as f32;
                rows.for_each(|y| out[y * plane.size[1]..][columns.clone()].iter_mut().for_each(|x| *x += share));
            });
        });
    })
}

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
    /// The windows, if they are small enough to be compared tap by tap, a row of them at a time.
    fn taken_by_row(&self) -> Option<Window> {
        match self.cells {
            Cells::Sliding { window, .. } if window.kernel[0] * window.kernel[1] <= MOST_TAPS_BY_ROW => Some(window),
            _ => None,
        }
    }

    /// Comparisons for the largest of all windows of a plane.
    fn work(&self) -> usize {
        match self.cells {
            Cells::Sliding { window, .. } => self.windows() * window.kernel[0] * window.kernel[1],
            Cells::Adaptive { .. } => self.windows() + self.elements(),
        }
    }

    /// Where in a plane the largest of a window is.
    fn largest(&self, plane: &[f32], rows: Range<usize>, columns: Range<usize>) -> usize {
        let mut best = rows.start * self.size[1] + columns.start;
        let [down, across] = self.step();
        for y in rows.step_by(down) {
            for at in (y * self.size[1] + columns.start..y * self.size[1] + columns.end).step_by(across) {
                if beats(plane[at], plane[best]) {
                    best = at;
                }
            }
        }
        best
    }

    /// For every row of windows: its number, the largest numbers, and the numbers i · kW + j of the taps that see them.
    fn largest_by_row(&self, window: &Window, plane: &[f32], room: &Workspace<'_>, mut visit: impl FnMut(usize, &[f32], &[f32])) {
        let ([height, width], [down, across]) = (self.size, self.output);
        let Window { kernel, stride, padding, dilation, .. } = *window;
        room.with(2 * across, |memory| {
            let (best, at) = memory.split_at_mut(across);
            for y in 0..down {
                best.fill(f32::NEG_INFINITY);
                at.fill(-1.0);
                for i in 0..kernel[0] {
                    let Some(row) = (y * stride[0] + i * dilation[0]).checked_sub(padding[0]).filter(|&h| h < height) else {
                        continue;
                    };
                    let row = &plane[row * width..][..width];
                    for j in 0..kernel[1] {
                        // The windows whose tap j lies in the plane.
                        let right = j * dilation[1];
                        let low = padding[1].saturating_sub(right).div_ceil(stride[1]);
                        let high = (width + padding[1]).saturating_sub(right).div_ceil(stride[1]).min(across);
                        if low < high {
                            let seen = &row[low * stride[1] + right - padding[1]..];
                            take(seen, stride[1], (i * kernel[1] + j) as f32, &mut best[low..high], &mut at[low..high]);
                        }
                    }
                }
                visit(y, best, at);
            }
        });
    }

    /// out = the largest of every window of a plane.
    fn pool(&self, window: &Window, plane: &[f32], out: &mut [f32], room: &Workspace<'_>) {
        self.largest_by_row(window, plane, room, |y, best, _| out[y * best.len()..][..best.len()].copy_from_slice(best));
    }

    /// Adds g of every window to the place of its largest.
    fn unpool(&self, window: &Window, plane: &[f32], g: &[f32], out: &mut [f32], room: &Workspace<'_>) {
        let Window { kernel, stride, padding, dilation, .. } = *window;
        self.largest_by_row(window, plane, room, |y, best, at| {
            for (x, (tap, g)) in at.iter().zip(&g[y * best.len()..]).enumerate() {
                // Without a number above −∞, the first place of the window.
                let (i, j) = if *tap < 0.0 {
                    let first = |axis: usize, at: usize| padding[axis].saturating_sub(at * stride[axis]).div_ceil(dilation[axis]);
                    (first(0, y), first(1, x))
                } else {
                    let tap = *tap as usize;
                    (tap / kernel[1], tap % kernel[1])
                };
                let row = y * stride[0] + i * dilation[0] - padding[0];
                out[row * self.size[1] + x * stride[1] + j * dilation[1] - padding[1]] += g;
            }
        });
    }
}
