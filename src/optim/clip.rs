//! Clipping: gradients that are too long are shortened before the step (Pascanu, Mikolov and Bengio 2013).

use super::check;
use crate::error::Result;
use crate::{Gradients, Tensor};

impl Gradients {
    /// √(Σ g²) over all elements of all gradients together: a scalar tensor, not computed yet.
    ///
    /// ```
    /// use steepest::{Device, optim::{Optimizer, Sgd}};
    /// let w = Device::cpu().parameter(&[3.0, 4.0], 2);
    /// let mut opt = Sgd::new([w.clone()], 1.0);
    /// let gradients = (w.square().sum(&[]) * 0.5).backward();
    /// let norm = gradients.norm()?;
    /// opt.step(gradients.clip_by_norm(2.5).and_run(&[&norm]))?;
    /// assert_eq!(norm.item()?, 5.0);
    /// assert!((w.to_vec::<f32>()?[0] - 1.5).abs() < 1e-5);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// The error that made the loss invalid.
    #[track_caller]
    pub fn norm(&self) -> Result<Tensor> {
        let mut total: Option<Tensor> = None;
        for gradient in self.iter()? {
            let squares = gradient.square().sum(&[]);
            total = Some(match total {
                Some(sum) => sum.add(&squares),
                None => squares,
            });
        }
        Ok(match total {
            Some(total) => total.sqrt(),
            None => self.loss().constant(0.0),
        })
    }

    /// Shortens all gradients together to a norm of at most `max_norm`: g ← g · min(1, max_norm / (norm + 1e-6)), as PyTorch's
    /// `clip_grad_norm_`. Their directions stay. If the norm is not finite (an element is not, or the sum of the squares is beyond f32), all of
    /// them become NaN: there is no direction to keep, and a step that is not 0 would be made up.
    ///
    /// The bound is data, not structure: another one needs no new plan. One that is negative, infinite or NaN is an error of the step.
    #[track_caller]
    pub fn clip_by_norm(self, max_norm: f64) -> Gradients {
        let norm = check("norm to clip by", max_norm, 0.0, f64::INFINITY).and_then(|()| self.norm());
        match norm {
            Ok(norm) => {
                let share = norm.constant(max_norm).div(&norm.add_scalar(1e-6)).clamp(f64::NEG_INFINITY, 1.0);
                let share = norm.is_finite().where_(&share, &norm.constant(f64::NAN));
                self.map(|gradient| gradient.mul(&share))
            }
            Err(error) => self.fail(error),
        }
    }

    /// Moves every element into −`value`..`value`, as PyTorch's `clip_grad_value_`. NaN stays NaN.
    ///
    /// The bound is data, not structure: another one needs no new plan. One that is negative, infinite or NaN is an error of the step.
    ///
    /// ```
    /// use steepest::Device;
    /// let w = Device::cpu().parameter(&[3.0, -0.1], 2);
    /// let gradients = w.square().sum(&[]).backward().clip_by_value(0.5);
    /// assert_eq!(gradients.wrt(&w)?.to_vec::<f32>()?, [0.5, -0.2]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn clip_by_value(self, value: f64) -> Gradients {
        match check("value to clip by", value, 0.0, f64::INFINITY) {
            Ok(()) => self.map(|gradient| gradient.clamp(-value, value)),
            Err(error) => self.fail(error),
        }
    }
}
