//! Running sums, recurrences and running products as methods of tensors.

use super::recurrence::Recurrence;
use super::{Scan, ScanWords};
use crate::graph::{Tensor, record};

impl Tensor {
    /// Running sums along an axis: each element becomes the sum of itself and all before it, or with `reverse` all after it. Of integers they wrap
    /// around.
    ///
    /// ```
    /// use steepest::Device;
    /// let x = Device::cpu().tensor(&[1.0, 2.0, 3.0], 3);
    /// assert_eq!(x.cumsum(0, false).to_vec::<f32>()?, [1.0, 3.0, 6.0]);
    /// assert_eq!(x.cumsum(0, true).to_vec::<f32>()?, [6.0, 5.0, 3.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn cumsum(&self, axis: isize, reverse: bool) -> Tensor {
        match self.is_whole() {
            true => self.with_shape("cumsum", |s| Ok(ScanWords(Scan { axis: s.axis(axis)?, reverse }))),
            false => self.with_shape("cumsum", |s| Ok(Scan { axis: s.axis(axis)?, reverse })),
        }
    }

    /// The linear recurrence `out[k] = f[k] · out[k−1] + x[k]` along an axis, from `out[0] = x[0]` on; with `reverse` from the end. x (this
    /// tensor) and the factors f are f32 of one shape, and the factor at the start is not read. Two shapes, another type or an axis out of
    /// range are errors.
    ///
    /// Momentum, moving averages, filters and discounted sums are of this form. A line is walked in order, so one long line is slow on a GPU.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let (x, f) = (device.tensor(&[1.0, 2.0, 3.0], 3), device.tensor(&[9.0, 0.5, 0.5], 3));
    /// assert_eq!(x.recurrence(&f, 0, false).to_vec::<f32>()?, [1.0, 2.5, 4.25]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn recurrence(&self, factors: &Tensor, axis: isize, reverse: bool) -> Tensor {
        match self.try_shape().map(|s| s.axis(axis)) {
            Ok(Ok(axis)) => record(Recurrence { axis, reverse }, &[self, factors]),
            Ok(Err(error)) => self.refuse("recurrence", error),
            Err(_) => self.clone(),
        }
    }

    /// Running products along an axis: each element becomes the product of itself and all before it.
    ///
    /// Derivatives of every order are right with zeros too. A type other than f32 or an axis out of range are errors.
    ///
    /// ```
    /// use steepest::Device;
    /// let x = Device::cpu().tensor(&[2.0, 3.0, 4.0], 3);
    /// assert_eq!(x.cumprod(0).to_vec::<f32>()?, [2.0, 6.0, 24.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn cumprod(&self, axis: isize) -> Tensor {
        let (shape, at) = match self.try_shape().map(|s| s.axis(axis).map(|at| (s, at))) {
            Err(_) => return self.clone(),
            Ok(Err(error)) => return self.refuse("cumprod", error),
            Ok(Ok(found)) => found,
        };
        if shape.dims()[at] == 0 {
            return self.clone();
        }
        // The first element starts the recurrence, and nothing is added later.
        let mut pads = vec![(0, 0); shape.rank()];
        pads[at] = (0, shape.dims()[at] - 1);
        self.slice(axis, ..1).pad(&pads, 0.0).recurrence(self, axis, false).made_by("cumprod", &[self])
    }
}
