//! Activations that are made of other ops, as methods of `Tensor`.

use super::elementwise as row;
use crate::error::{OpError, finite};
use crate::graph::Tensor;

/// Of Klambauer et al. 2017: such that mean 0 and variance 1 of activations are a fixed point from layer to layer.
const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;

impl Tensor {
    /// log σ(x) = −log(1 + e^−x), which neither overflows nor cancels.
    #[track_caller]
    pub fn log_sigmoid(&self) -> Tensor {
        self.neg().softplus(1.0).neg().made_by("log_sigmoid", &[self])
    }

    /// λ x where x > 0, λ α (e^x − 1) elsewhere, with α = 1.67326… and λ = 1.05070… (Klambauer et al. 2017).
    #[track_caller]
    pub fn selu(&self) -> Tensor {
        self.elu(SELU_ALPHA).mul_scalar(SELU_SCALE).made_by("selu", &[self])
    }

    /// x limited to `min..max`: [`Tensor::clamp`] as an activation, whose gradient is 0 at the limits too. Either may be infinite; a `min` above
    /// `max` and NaN are errors.
    #[track_caller]
    pub fn hard_tanh(&self, min: f64, max: f64) -> Tensor {
        if let Some(invalid) = self.unfit("hard_tanh", "min", min, |min| min <= max, &format!("a number not above max, {max}")) {
            return invalid;
        }
        self.pointwise(&row::HARD_TANH, &[], [min, max])
    }

    /// x limited to 0..6; gradient 0 at both.
    #[track_caller]
    pub fn relu6(&self) -> Tensor {
        self.hard_tanh(0.0, 6.0).made_by("relu6", &[self])
    }

    /// x where x > 0, w · x elsewhere, with learned slopes w: one entry, or one for each channel (axis 1 of x) (He et al. 2015).
    ///
    /// x \[n, channels, …\] and w \[channels\], or x of any shape and w of one entry; another w is an error. At 0 the gradient by x is w.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let x = device.tensor(&[-1.0, 2.0, -1.0, -2.0], [2, 2]);
    /// let y = x.prelu(&device.tensor(&[0.5, 0.25], 2));
    /// assert_eq!(y.to_vec::<f32>()?, [-0.5, 2.0, -0.5, -0.5]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn prelu(&self, weight: &Tensor) -> Tensor {
        const NAME: &str = "prelu";
        let (Ok(shape), Ok(slopes)) = (self.try_shape(), weight.try_shape()) else {
            return self.mul(weight).made_by(NAME, &[self, weight]);
        };
        let mut wide = vec![];
        if slopes.numel() != 1 {
            if slopes.rank() != 1 || shape.dims().get(1) != slopes.dims().first() {
                let message = format!("weight {slopes} for {shape}: expected one entry, or one for each channel (axis 1)");
                return self.refuse(NAME, OpError::Shape(message));
            }
            wide = vec![1; shape.rank() - 1];
            wide[0] = slopes.numel();
        }
        // Of what is not above 0 alone: the slope of a weight is 0 elsewhere, also at infinity.
        let below = self.clamp(f64::NEG_INFINITY, 0.0).masked(&weight.reshape(wide));
        self.gt_scalar(0.0).where_(self, &below).made_by(NAME, &[self, weight])
    }

    /// The gated linear unit a σ(b), where a is the first half of x along an axis and b the second (Dauphin et al. 2017).
    ///
    /// \[…, 2n, …\] → \[…, n, …\]; an axis of odd size is an error.
    ///
    /// ```
    /// use steepest::Device;
    /// let x = Device::cpu().tensor(&[3.0, -4.0, 0.0, 0.0], [2, 2]);
    /// assert_eq!(x.glu(0).to_vec::<f32>()?, [1.5, -2.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn glu(&self, axis: isize) -> Tensor {
        self.gated("glu", axis, |a, b| a.mul(&b.sigmoid()))
    }

    /// What `gate` makes of the two halves along an axis.
    #[track_caller]
    pub(crate) fn gated(&self, op: &'static str, axis: isize, gate: impl Fn(&Tensor, &Tensor) -> Tensor) -> Tensor {
        let Ok(shape) = self.try_shape() else { return self.clone() };
        let size = match shape.axis(axis) {
            Ok(at) => shape.dims()[at],
            Err(error) => return self.refuse(op, error),
        };
        if size % 2 != 0 {
            return self.refuse(op, OpError::Shape(format!("axis {axis} of {shape} has an odd size, and no halves")));
        }
        let half = (size / 2) as isize;
        gate(&self.slice(axis, ..half), &self.slice(axis, half..)).made_by(op, &[self])
    }

    /// silu(x) · y, the gate of SwiGLU (Shazeer 2020): x and y are two linear maps of one input. The shapes broadcast.
    #[track_caller]
    pub fn swiglu(&self, other: &Tensor) -> Tensor {
        self.silu().mul(other).made_by("swiglu", &[self, other])
    }

    /// x − lambda where x > lambda, x + lambda where x < −lambda, 0 between: the proximal step of an L1 penalty. A lambda that is negative or no finite
    /// f32 is an error.
    #[track_caller]
    pub fn softshrink(&self, lambda: f64) -> Tensor {
        let fits = |lambda: f64| finite(lambda) && lambda >= 0.0;
        if let Some(invalid) = self.unfit("softshrink", "lambda", lambda, fits, "a finite number that is not negative") {
            return invalid;
        }
        self.sub(&self.clamp(-lambda, lambda)).made_by("softshrink", &[self])
    }

    /// x where |x| > lambda, 0 elsewhere. A lambda that is negative or no finite f32 is an error.
    #[track_caller]
    pub fn hardshrink(&self, lambda: f64) -> Tensor {
        let fits = |lambda: f64| finite(lambda) && lambda >= 0.0;
        if let Some(invalid) = self.unfit("hardshrink", "lambda", lambda, fits, "a finite number that is not negative") {
            return invalid;
        }
        self.abs().le_scalar(lambda).where_(&self.full_like(0.0), self).made_by("hardshrink", &[self])
    }

    /// x − tanh x
    #[track_caller]
    pub fn tanhshrink(&self) -> Tensor {
        self.sub(&self.tanh()).made_by("tanhshrink", &[self])
    }

    /// x where x > limit, `value` elsewhere. Numbers that are no finite f32 are errors.
    #[track_caller]
    pub fn threshold(&self, limit: f64, value: f64) -> Tensor {
        for (option, number) in [("limit", limit), ("value", value)] {
            if let Some(invalid) = self.unfit("threshold", option, number, finite, "a finite number") {
                return invalid;
            }
        }
        self.le_scalar(limit).where_(&self.full_like(value), self).made_by("threshold", &[self])
    }

    /// log(x / (1 − x)), the inverse of the sigmoid, of x limited to eps..1 − eps: NaN outside 0..1 with an eps of 0. An eps that is not in 0..=½ is
    /// an error.
    #[track_caller]
    pub fn logit(&self, eps: f64) -> Tensor {
        let fits = |eps: f64| (0.0..=0.5).contains(&eps);
        if let Some(invalid) = self.unfit("logit", "eps", eps, fits, "a number in 0..=0.5") {
            return invalid;
        }
        let x = if eps > 0.0 { self.clamp(eps, 1.0 - eps) } else { self.clone() };
        x.log().sub(&x.neg().log1p()).made_by("logit", &[self])
    }

    /// x log y, and 0 where x = 0, whatever y is but NaN.
    #[track_caller]
    pub fn xlogy(&self, other: &Tensor) -> Tensor {
        // Where x is 0 the logarithm counts nothing, not even one that is infinite.
        let off = self.eq_scalar(0.0).and(&other.is_nan().not());
        let safe = off.where_(&other.full_like(1.0), other);
        self.mul(&safe.log()).made_by("xlogy", &[self, other])
    }

    /// x with other numbers in the place of NaN, ∞ and −∞, where the gradient is 0.
    #[track_caller]
    pub fn nan_to_num(&self, nan: f64, above: f64, below: f64) -> Tensor {
        let replaced = self.is_inf().where_(&self.gt_scalar(0.0).where_(&self.full_like(above), &self.full_like(below)), self);
        self.is_nan().where_(&self.full_like(nan), &replaced).made_by("nan_to_num", &[self])
    }
}
