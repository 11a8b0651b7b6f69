//! Interpolation and padding as methods of `Tensor`.

use super::super::window::ToSizes;
use super::modes::{Axis, Interpolation, LARGEST_SIZE, PadMode};
use super::{Taps, resampled, with_sizes};
use crate::error::OpError;
use crate::graph::Tensor;
use crate::graph::op::DType;
use crate::shape::Shape;
use std::sync::Arc;

impl Tensor {
    /// \[N, C, …\] with other sizes of the axes after the first two, one of each or of as many as there are: the numbers in between as
    /// `how` says, along each axis by itself (`torch.nn.functional.interpolate` by size).
    ///
    /// An invalid tensor if there are not two axes more than sizes, or a size is 0 before or after.
    ///
    /// ```
    /// use steepest::{Device, Interpolation};
    /// let x = Device::cpu().tensor(&[0.0, 4.0], [1, 1, 2]);
    /// let linear = Interpolation::Linear { align_corners: false };
    /// assert_eq!(x.interpolate(&[4], linear).to_vec::<f32>()?, [0.0, 1.0, 3.0, 4.0]);
    /// assert_eq!(x.interpolate(&[3], Interpolation::Nearest).to_vec::<f32>()?, [0.0, 0.0, 4.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn interpolate(&self, size: &[usize], how: Interpolation) -> Tensor {
        self.interpolated("interpolate", size, &[], how)
    }

    /// \[N, C, …\] with the axes after the first two made longer by factors, one for each: n becomes ⌊n · factor⌋, and output j lies at
    /// (j + ½) / factor − ½ (`torch.nn.functional.interpolate` by scale). With `align_corners`, and with [`Interpolation::Area`], only the size
    /// counts.
    ///
    /// An invalid tensor as for [`Tensor::interpolate`], and if a factor is not a finite number above 0.
    ///
    /// ```
    /// use steepest::{Device, Interpolation};
    /// let x = Device::cpu().tensor(&[1.0, 2.0], [1, 1, 2]);
    /// assert_eq!(x.interpolate_by(&[2.0], Interpolation::Nearest).to_vec::<f32>()?, [1.0, 1.0, 2.0, 2.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn interpolate_by(&self, factors: &[f64], how: Interpolation) -> Tensor {
        let Ok(shape) = self.try_shape() else { return self.clone() };
        for &factor in factors {
            let fits = |factor: f64| factor.is_finite() && factor > 0.0;
            if let Some(invalid) = self.unfit("interpolate_by", "factor", factor, fits, "a finite number above 0") {
                return invalid;
            }
        }
        let sizes = shape.dims().iter().skip(2).zip(factors).map(|(&n, factor)| (n as f64 * factor) as usize);
        // As many as there are factors, so that a wrong number of them is refused.
        let mut sizes: Vec<usize> = sizes.collect();
        sizes.resize(factors.len(), 1);
        self.interpolated("interpolate_by", &sizes, factors, how)
    }

    #[track_caller]
    fn interpolated(&self, op: &'static str, size: &[usize], factors: &[f64], how: Interpolation) -> Tensor {
        let Ok(shape) = self.try_shape() else { return self.clone() };
        if size.is_empty() || shape.rank() != size.len() + 2 {
            let expected = format!("two axes [N, C] and one for each of {} sizes", size.len());
            return self.refuse(op, OpError::Shape(format!("operand is {shape}, expected {expected}")));
        }
        let before = &shape.dims()[2..];
        if let Some(axis) = (0..size.len()).find(|&k| before[k] == 0 || size[k] == 0 || before[k].max(size[k]) > LARGEST_SIZE) {
            let (from, to) = (before[axis], size[axis]);
            return self.refuse(op, OpError::Shape(format!("from size {from} to size {to}, expected 1 to {LARGEST_SIZE}")));
        }
        let wanted = match with_sizes(&shape, 2, size) {
            Ok(wanted) => wanted,
            Err(error) => return self.refuse(op, error),
        };
        if wanted.numel() == 0 {
            return self.reshape(wanted);
        }
        let mut x = self.clone();
        for (k, (&n, &o)) in before.iter().zip(size).enumerate() {
            // Of each entry its column and weight, in the matrix, in its transpose and as words.
            if let Some(invalid) = self.no_room::<[u64; 5]>(op, "the entries of a table of resampling", how.entries(n, o)) {
                return invalid;
            }
            let scale = factors.get(k).copied().filter(|factor| n as f64 * factor != o as f64);
            let taps = Axis { n, o, scale }.taps(how);
            if !taps.is_identity() {
                x = resampled(&x, k + 2, Arc::new(taps));
            }
        }
        x.made_by(op, &[self])
    }

    /// (before, after) elements added along each axis, or taken away where they are negative: what is taken away goes first, the rest is padded
    /// as `mode` says (`torch.nn.functional.pad`). Of any type, but for a constant, which is f32.
    ///
    /// An invalid tensor if there is not a pair for each axis, if more is taken away than there is, for [`PadMode::Reflect`] if a pad is not
    /// smaller than the axis, and if an axis without elements is padded with what is inside.
    ///
    /// ```
    /// use steepest::{Device, PadMode};
    /// let x = Device::cpu().tensor(&[1.0, 2.0, 3.0], 3);
    /// assert_eq!(x.pad_with(&[(2, 1)], PadMode::Reflect).to_vec::<f32>()?, [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]);
    /// assert_eq!(x.pad_with(&[(1, 1)], PadMode::Edge).to_vec::<f32>()?, [1.0, 1.0, 2.0, 3.0, 3.0]);
    /// assert_eq!(x.pad_with(&[(1, 1)], PadMode::Circular).to_vec::<f32>()?, [3.0, 1.0, 2.0, 3.0, 1.0]);
    /// assert_eq!(x.pad_with(&[(-1, 1)], PadMode::Constant(9.0)).to_vec::<f32>()?, [2.0, 3.0, 9.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn pad_with(&self, pads: &[(isize, isize)], mode: PadMode) -> Tensor {
        let Ok(shape) = self.try_shape() else { return self.clone() };
        if pads.len() != shape.rank() {
            let message = format!("{} pairs for the {} axes of {shape}", pads.len(), shape.rank());
            return self.refuse("pad", OpError::Value(message));
        }
        if let PadMode::Constant(value) = mode {
            return self.padded_by(value, &shape, pads).made_by("pad", &[self]);
        }
        let mut x = self.clone();
        for (axis, (&n, &(before, after))) in shape.dims().iter().zip(pads).enumerate().filter(|(_, (_, pad))| **pad != (0, 0)) {
            // Before anything of that size is made.
            let length = usize::try_from(n as i128 + before as i128 + after as i128).unwrap_or(0);
            let Ok(now) = x.try_shape() else { return x.made_by("pad", &[self]) };
            if let Some(invalid) = self.no_room::<[u64; 6]>("pad", "the entries of a table of padding", length) {
                return invalid;
            }
            match now.with_dim(axis, length).and_then(|_| mode.sources(n, before, after)) {
                Ok(sources) => x = taken(&x, axis, n, &sources),
                Err(error) => return self.refuse("pad", error),
            }
        }
        x.made_by("pad", &[self])
    }

    /// Cut where pads are negative, then padded with a number.
    #[track_caller]
    fn padded_by(&self, value: f64, shape: &Shape, pads: &[(isize, isize)]) -> Tensor {
        let mut x = self.clone();
        for (axis, (&n, &(before, after))) in shape.dims().iter().zip(pads).enumerate() {
            let [first, last] = [before, after].map(|side| side.min(0).unsigned_abs());
            let Some(end) = n.checked_sub(last).filter(|&end| first <= end) else {
                let message = format!("pads {before} and {after} cut more away than the {n} elements there are");
                return self.refuse("pad", OpError::Value(message));
            };
            if end - first < n {
                x = x.slice(axis as isize, first as isize..end as isize);
            }
        }
        let more: Vec<(usize, usize)> = pads.iter().map(|&(a, b)| (a.max(0) as usize, b.max(0) as usize)).collect();
        if more.iter().all(|&pad| pad == (0, 0)) { x } else { x.pad(&more, value) }
    }
}

/// Elements of an axis of n by their numbers.
#[track_caller]
fn taken(x: &Tensor, axis: usize, n: usize, sources: &[usize]) -> Tensor {
    if x.dtype() == DType::F32 {
        return resampled(x, axis, Arc::new(Taps::new(n, sources.iter().map(|&source| [(source, 1.0)]))));
    }
    let index: Vec<u32> = sources.iter().map(|&source| source as u32).collect();
    x.index_select(axis as isize, &x.device().tensor(&index, index.len()))
}

macro_rules! upsample {
    ($($(#[$doc:meta])* $name:ident, $axes:literal, ($($option:ident)?) => $how:expr;)*) => {
        impl Tensor {
            $($(#[$doc])*
            ///
            /// [`Tensor::interpolate`], and refused as there.
            #[track_caller]
            pub fn $name(&self, output: impl ToSizes<$axes> $(, $option: bool)?) -> Tensor {
                self.interpolated(stringify!($name), &output.to_sizes(), &[], $how)
            }
            )*
        }
    };
}

upsample! {
    /// \[N, C, L\] → \[N, C, oL\]: the number at ⌊j · L/oL⌋ for output j.
    upsample_nearest1d, 1, () => Interpolation::Nearest;
    /// \[N, C, H, W\] → \[N, C, oH, oW\]: the number at ⌊j · H/oH⌋ for row j, and columns alike.
    upsample_nearest2d, 2, () => Interpolation::Nearest;
    /// \[N, C, D, H, W\] → \[N, C, oD, oH, oW\]: the number at ⌊j · D/oD⌋ for depth j, and rows and columns alike.
    upsample_nearest3d, 3, () => Interpolation::Nearest;
    /// \[N, C, L\] → \[N, C, oL\]: the line between the two neighbours.
    upsample_linear1d, 1, (align_corners) => Interpolation::Linear { align_corners };
    /// \[N, C, H, W\] → \[N, C, oH, oW\]: lines between the neighbours along both axes.
    upsample_bilinear2d, 2, (align_corners) => Interpolation::Linear { align_corners };
    /// \[N, C, D, H, W\] → \[N, C, oD, oH, oW\]: lines between the neighbours along all three axes.
    upsample_trilinear3d, 3, (align_corners) => Interpolation::Linear { align_corners };
    /// \[N, C, H, W\] → \[N, C, oH, oW\]: cubic curves through four neighbours along both axes.
    upsample_bicubic2d, 2, (align_corners) => Interpolation::Cubic { align_corners };
}
