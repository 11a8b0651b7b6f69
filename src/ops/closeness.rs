//! How alike two tensors are.

use crate::error::{above_zero, finite};
use crate::graph::Tensor;

impl Tensor {
    /// The cosine of the angle between vectors along an axis: x · y / (max(‖x‖, eps) max(‖y‖, eps)), so 0 where one is 0.
    ///
    /// The shapes broadcast, and the axis is one of what they become; it goes. An eps that is not above 0, below 1.2e-38 or no finite f32 is an
    /// error (1e-8 is usual), and so is an axis out of range.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let (x, y) = (device.tensor(&[3.0, 4.0, 0.0, 0.0], [2, 2]), device.tensor(&[6.0, 8.0], 2));
    /// assert_eq!(x.cosine_similarity(&y, -1, 1e-8).to_vec::<f32>()?, [1.0, 0.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn cosine_similarity(&self, other: &Tensor, axis: isize, eps: f64) -> Tensor {
        const NAME: &str = "cosine_similarity";
        if let Some(invalid) = self.unfit(NAME, "eps", eps, above_zero, "a finite number above 0, and not below 1.2e-38") {
            return invalid;
        }
        let (x, y) = match (self.try_shape(), other.try_shape()) {
            (Ok(a), Ok(b)) => match a.broadcast(&b).and_then(|both| both.axis(axis).map(|_| both)) {
                Ok(both) => (self.expand(both), other.expand(both)),
                Err(error) => return self.refuse(NAME, error),
            },
            _ => (self.clone(), other.clone()),
        };
        let size = |x: &Tensor| x.l2_norm(&[axis]).clamp(eps, f64::INFINITY);
        x.mul(&y).sum(&[axis]).div(&size(&x).mul(&size(&y))).made_by(NAME, &[self, other])
    }

    /// Whether x and y are close, element by element: |x − y| ≤ atol + rtol |y|, as `numpy.isclose`. Equal infinities are close, two NaN only with
    /// `equal_nan`. 1e-5 and 1e-8 are usual.
    ///
    /// The shapes broadcast. Two types are an error, and so is a tolerance that is negative or no finite f32. Integers that differ are compared as f32.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let (x, y) = (device.tensor(&[1.0, f32::NAN, 3.0], 3), device.tensor(&[1.000001, f32::NAN, 3.1], 3));
    /// assert_eq!(x.isclose(&y, 1e-5, 1e-8, true).to_vec::<bool>()?, [true, true, false]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn isclose(&self, other: &Tensor, rtol: f64, atol: f64, equal_nan: bool) -> Tensor {
        const NAME: &str = "isclose";
        let fits = |x: f64| finite(x) && x >= 0.0;
        for (option, value) in [("rtol", rtol), ("atol", atol)] {
            if let Some(invalid) = self.unfit(NAME, option, value, fits, "a finite number that is not negative") {
                return invalid;
            }
        }
        if let Some(invalid) = self.unlike(NAME, other) {
            return invalid;
        }
        let (x, y) = (self.to_f32(), other.to_f32());
        let gap = x.sub(&y).abs();
        let near = gap.le(&y.abs().mul_scalar(rtol).add_scalar(atol)).and(&gap.is_finite());
        let close = self.eq(other).or(&near);
        let close = if equal_nan { close.or(&x.is_nan().and(&y.is_nan())) } else { close };
        close.made_by(NAME, &[self, other])
    }

    /// Whether all elements are close, as one bool: see [`Tensor::isclose`].
    #[track_caller]
    pub fn allclose(&self, other: &Tensor, rtol: f64, atol: f64, equal_nan: bool) -> Tensor {
        self.isclose(other, rtol, atol, equal_nan).all(&[]).made_by("allclose", &[self, other])
    }
}
