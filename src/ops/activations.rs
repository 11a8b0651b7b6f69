//! Activations that are made of other ops, as methods of `Tensor`.

use super::elementwise as row;
use crate::error::OpError;
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
}
