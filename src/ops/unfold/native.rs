//! The native overlap-add: row by row of the result, each the sum of rows of the input.

use super::Windowed;
use crate::graph::op::Native;
use crate::shape::Shape;
use rayon::prelude::*;
use std::sync::Arc;

/// Elements that a thread makes at a time, in whole rows.
const ELEMENTS_PER_TASK: usize = 4096;

/// Elements of the input to be added to elements of a row of the result: `count` of them, from `from` and from `to` on.
#[derive(Clone, Copy)]
struct Stretch {
    from: usize,
    from_step: usize,
    to: usize,
    to_step: usize,
    count: usize,
}

impl Windowed {
    /// Every window and tap at a place, as an offset in the input.
    fn at(&self, place: usize, mut visit: impl FnMut(usize)) {
        let place = place as isize + self.start;
        for tap in 0..self.taps {
            let distance = place.checked_sub_unsigned(tap.saturating_mul(self.dilation)).and_then(|d| usize::try_from(d).ok());
            let Some(distance) = distance else { break };
            let window = distance / self.step;
            if window < self.windows && window * self.step == distance {
                visit(window * self.window_stride + tap * self.tap_stride);
            }
        }
    }

    /// What each tap sees of a row of `width` places.
    fn along_row(&self, width: usize) -> Vec<Stretch> {
        let stretch = |tap: usize| {
            // Window i lies at i · step + shift.
            let shift = isize::try_from(tap.saturating_mul(self.dilation)).ok()?.checked_sub(self.start)?;
            let first = if shift < 0 { shift.unsigned_abs().div_ceil(self.step) } else { 0 };
            let end = (width as isize - shift).max(0).unsigned_abs().div_ceil(self.step).min(self.windows);
            let to = (first.checked_mul(self.step)? as isize).checked_add(shift)?;
            (first < end).then(|| Stretch {
                from: first * self.window_stride + tap * self.tap_stride,
                from_step: self.window_stride,
                to: to.unsigned_abs(),
                to_step: self.step,
                count: end - first,
            })
        };
        (0..self.taps).filter_map(stretch).collect()
    }
}

/// out = Σ over windows; reads what they hold. `plain` are the axes without windows, each with its stride in the input.
pub(super) fn overlap_add(shape: Shape, windowed: Vec<Windowed>, plain: Vec<(usize, usize)>) -> Native {
    let last = shape.rank().saturating_sub(1);
    let width = shape.dims().last().copied().unwrap_or(1);
    // What is added to every row, from where the row's windows begin in the input.
    let stretches = match windowed.iter().find(|w| w.axis == last) {
        Some(w) if shape.rank() > 0 => w.along_row(width),
        _ => {
            let step = plain.iter().find(|(axis, _)| *axis == last).map_or(0, |&(_, stride)| stride);
            vec![Stretch { from: 0, from_step: step, to: 0, to_step: 1, count: width }]
        }
    };
    let strides = shape.strides();
    Arc::new(move |io| {
        let read = io.read(0);
        let rows = (ELEMENTS_PER_TASK / width.max(1)).max(1);
        let row = |row: usize, out: &mut [f32]| {
            out.fill(0.0);
            let place = |axis: usize| row * width / strides[axis] % shape.dims()[axis];
            let base = plain.iter().filter(|(axis, _)| *axis != last).map(|&(axis, stride)| place(axis) * stride).sum();
            let mut bases = vec![base];
            for w in windowed.iter().filter(|w| w.axis != last) {
                let mut more = vec![];
                w.at(place(w.axis), |offset| more.extend(bases.iter().map(|base| base + offset)));
                bases = more;
            }
            for base in bases {
                stretches.iter().for_each(|stretch| stretch.add(&read[base..], out));
            }
        };
        io.write(0).par_chunks_mut(rows * width.max(1)).enumerate().for_each(|(chunk, out)| {
            out.chunks_exact_mut(width).zip(chunk * rows..).for_each(|(out, number)| row(number, out));
        });
    })
}

impl Stretch {
    fn add(&self, read: &[f32], out: &mut [f32]) {
        let (from, to) = (&read[self.from..], &mut out[self.to..]);
        match (self.from_step, self.to_step) {
            (1, 1) => to[..self.count].iter_mut().zip(&from[..self.count]).for_each(|(to, from)| *to += from),
            (from_step, to_step) => (0..self.count).for_each(|n| to[n * to_step] += from[n * from_step]),
        }
    }
}
