//! How a longer or shorter axis is made of another: interpolation, and padding by what is inside.

use super::Taps;
use crate::error::OpError;

/// How numbers between those of an axis are found. With n numbers and o wanted, output j lies at (j + ½) n/o − ½, or with `align_corners` at
/// j (n − 1)/(o − 1), so that both ends stay where they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// The number at ⌊j n/o⌋.
    Nearest,
    /// The number at ⌊(j + ½) n/o⌋: the nearest to where the output lies.
    NearestExact,
    /// The line between the two neighbours; beyond the outer ones, those. In two dimensions bilinear, in three trilinear.
    Linear {
        /// Whether both ends stay where they are.
        align_corners: bool,
    },
    /// Keys' cubic convolution with a = −¾ over four neighbours, the outer ones repeated; it may go beyond them. In two dimensions bicubic.
    Cubic {
        /// Whether both ends stay where they are.
        align_corners: bool,
    },
    /// The mean of those from ⌊j n/o⌋ to ⌈(j + 1) n/o⌉, for making smaller: the cells of [`Tensor::adaptive_avg_pool2d`](crate::Tensor::adaptive_avg_pool2d).
    Area,
}

/// What stands around a tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PadMode {
    /// A number.
    Constant(f64),
    /// What is inside, mirrored at the outer elements, which are not repeated: `c b | a b c | b a`.
    Reflect,
    /// The outer element again and again, PyTorch's `replicate`: `a a | a b c | c c`.
    Edge,
    /// What is inside, from its other end on: `b c | a b c | a b`.
    Circular,
}

/// Sizes of an axis up to here are resampled: twice their product fits into 64 bits.
pub(super) const LARGEST_SIZE: usize = 1 << 29;

/// The a of the cubic convolution.
const CUBIC: f64 = -0.75;

/// An axis before and after.
#[derive(Clone, Copy)]
pub(super) struct Axis {
    /// Numbers there are.
    pub(super) n: usize,
    /// Numbers wanted.
    pub(super) o: usize,
    /// How many times as long the axis becomes, where that is not o/n.
    pub(super) scale: Option<f64>,
}

impl Axis {
    /// The place of output j: the whole number below it, and the rest. By whole numbers where the scale allows: a place on a number is just there.
    fn place(&self, j: usize, align_corners: bool) -> (i64, f64) {
        let (n, o, j) = (self.n as i64, self.o as i64, j as i64);
        let quotient = |a: i64, b: i64| (a.div_euclid(b), a.rem_euclid(b) as f64 / b as f64);
        match (align_corners, self.scale) {
            (true, _) => quotient(j * (n - 1), (o - 1).max(1)),
            (false, None) => quotient((2 * j + 1) * n - o, 2 * o),
            (false, Some(scale)) => {
                let place = (j as f64 + 0.5) / scale - 0.5;
                (place.floor() as i64, place - place.floor())
            }
        }
    }

    /// The number at ⌊j n/o⌋, or half a step further.
    fn nearest(&self, j: usize, half: bool) -> usize {
        let steps = 2 * j as u64 + u64::from(half);
        let at = match self.scale {
            None => (steps * self.n as u64 / (2 * self.o as u64)) as usize,
            Some(scale) => (steps as f64 / 2.0 / scale) as usize,
        };
        at.min(self.n - 1)
    }

    /// The matrix of an interpolation.
    pub(super) fn taps(&self, how: Interpolation) -> Taps {
        let inside = |i: i64| i.clamp(0, self.n as i64 - 1) as usize;
        let outputs = 0..self.o;
        match how {
            Interpolation::Nearest => Taps::new(self.n, outputs.map(|j| [(self.nearest(j, false), 1.0)])),
            Interpolation::NearestExact => Taps::new(self.n, outputs.map(|j| [(self.nearest(j, true), 1.0)])),
            Interpolation::Linear { align_corners } => Taps::new(
                self.n,
                outputs.map(|j| {
                    let (i, t) = self.place(j, align_corners);
                    // Beyond the outer ones there is one neighbour.
                    let t = if (0..self.n as i64 - 1).contains(&i) { t } else { 0.0 };
                    [(inside(i), 1.0 - t), (inside(i + 1), t)]
                }),
            ),
            Interpolation::Cubic { align_corners } => Taps::new(
                self.n,
                outputs.map(|j| {
                    let (i, t) = self.place(j, align_corners);
                    let near = |t: f64| ((CUBIC + 2.0) * t - (CUBIC + 3.0)) * t * t + 1.0;
                    let far = |t: f64| ((CUBIC * t - 5.0 * CUBIC) * t + 8.0 * CUBIC) * t - 4.0 * CUBIC;
                    let weights = [far(1.0 + t), near(t), near(1.0 - t), far(2.0 - t)];
                    [0, 1, 2, 3].map(|k| (inside(i + k as i64 - 1), weights[k]))
                }),
            ),
            Interpolation::Area => Taps::new(
                self.n,
                outputs.map(|j| {
                    let cell = j * self.n / self.o..((j + 1) * self.n).div_ceil(self.o);
                    let share = 1.0 / cell.len() as f64;
                    cell.map(move |i| (i, share))
                }),
            ),
        }
    }
}

impl Interpolation {
    /// The most entries of its matrix from an axis of n to one of o.
    pub(super) fn entries(self, n: usize, o: usize) -> usize {
        match self {
            Interpolation::Nearest | Interpolation::NearestExact => o,
            Interpolation::Linear { .. } => o.saturating_mul(2),
            Interpolation::Cubic { .. } => o.saturating_mul(4),
            // Neighbouring cells share an element at most.
            Interpolation::Area => n.saturating_add(o.saturating_mul(2)),
        }
    }
}

impl PadMode {
    /// Its name in errors and files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            PadMode::Constant(_) => "constant",
            PadMode::Reflect => "reflect",
            PadMode::Edge => "edge",
            PadMode::Circular => "circular",
        }
    }

    /// Which of n elements stand in an axis that is longer by `before` and `after`, or shorter where they are negative: then what is left is
    /// padded. Not for a constant.
    pub(super) fn sources(self, n: usize, before: isize, after: isize) -> Result<Vec<usize>, OpError> {
        let cut = |side: isize| side.min(0).unsigned_abs();
        let left = n.checked_sub(cut(before)).and_then(|n| n.checked_sub(cut(after)));
        let Some(left) = left else {
            return Err(OpError::Value(format!("pads {before} and {after} cut more away than the {n} elements there are")));
        };
        let (before, after, first) = (before.max(0) as usize, after.max(0) as usize, cut(before));
        if left == 0 && before + after > 0 {
            return Err(OpError::Value(format!("{} of no elements: there is nothing to pad with", self.name())));
        }
        let most = if self == PadMode::Reflect { left.saturating_sub(1) } else { LARGEST_SIZE };
        if let Some(pad) = [before, after].into_iter().find(|&pad| pad > most) {
            return Err(OpError::Value(format!(
                "a pad of {pad} beside {left} elements, expected at most {most} with mode {}",
                self.name()
            )));
        }
        let end = left as i64 - 1;
        let source = |i: i64| match self {
            PadMode::Circular => i.rem_euclid(left as i64),
            // Mirrored at the first element, then at the last.
            PadMode::Reflect => end - (end - i.abs()).abs(),
            PadMode::Edge | PadMode::Constant(_) => i.clamp(0, end),
        };
        Ok((-(before as i64)..(left + after) as i64).map(|i| first + source(i) as usize).collect())
    }
}
