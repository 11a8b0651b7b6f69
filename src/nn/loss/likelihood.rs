//! Losses that are the negative logarithm of a likelihood: of normal and of Poisson distributions.

use super::{Reduction, mismatch};
use crate::Tensor;
use crate::error::{OpError, above_zero};
use std::f64::consts::TAU;

/// Targets t that are normally distributed around predictions x with predicted variances: ½ (log v + (x − t)² / v), v = max(variance, eps), an eps of
/// 10⁻⁶ unless said otherwise, as PyTorch's `gaussian_nll_loss` (Nix and Weigend 1994).
///
/// ```
/// use steepest::{Device, nn::loss::GaussianNll};
/// let device = Device::cpu();
/// let [x, t, v] = [1.0, 3.0, 4.0].map(|number| device.tensor(&[number], 1));
/// let loss = GaussianNll::new().of(&x, &t, &v);
/// assert!((loss.item()? - 0.5 * (4f32.ln() + 1.0)).abs() < 1e-6);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GaussianNll {
    full: bool,
    eps: f64,
    reduction: Reduction,
}

impl Default for GaussianNll {
    fn default() -> GaussianNll {
        GaussianNll { full: false, eps: 1e-6, reduction: Reduction::Mean }
    }
}

impl GaussianNll {
    /// With the usual numbers.
    pub fn new() -> GaussianNll {
        GaussianNll::default()
    }

    /// Adds ½ log 2π, which makes it the logarithm of a density.
    pub fn full(mut self) -> GaussianNll {
        self.full = true;
        self
    }

    /// The least variance: a finite number above 0, and not below 1.2e-38. Below it the gradient by the variance is 0.
    pub fn eps(mut self, eps: f64) -> GaussianNll {
        self.eps = eps;
        self
    }

    /// What becomes of the losses of all elements.
    pub fn reduction(mut self, reduction: Reduction) -> GaussianNll {
        self.reduction = reduction;
        self
    }

    /// The loss of predictions and targets \[…, n\] with variances \[…, n\], or one for all of the last axis: \[…, 1\] or \[…\]. Other shapes and an unfit
    /// eps are errors.
    #[track_caller]
    pub fn of(&self, x: &Tensor, target: &Tensor, variance: &Tensor) -> Tensor {
        const NAME: &str = "gaussian_nll";
        if let Some(invalid) = mismatch(NAME, x, target) {
            return invalid;
        }
        if let Some(invalid) = x.unfit(NAME, "eps", self.eps, above_zero, "a finite number above 0, and not below 1.2e-38") {
            return invalid;
        }
        let mut v = variance.clone();
        if let (Ok(shape), Ok(given)) = (x.try_shape(), variance.try_shape()) {
            match (shape.dims(), given.dims()) {
                (all, same) if all == same => {}
                ([rows @ .., _], given) if rows == given => v = variance.unsqueeze(-1),
                ([rows @ .., _], [given @ .., 1]) if rows == given => {}
                _ => {
                    let message =
                        format!("variances {given} for {shape}: expected one for each number, or one along the last axis");
                    return x.refuse(NAME, OpError::Shape(message));
                }
            }
        }
        let v = v.clamp(self.eps, f64::INFINITY);
        let each = v.log().add(&x.sub(target).square().div(&v)).mul_scalar(0.5);
        let each = if self.full { each.add_scalar(0.5 * TAU.ln()) } else { each };
        self.reduction.of(&each).made_by(NAME, &[x, target, variance])
    }
}

/// Counts t that follow a Poisson distribution whose mean is e^x: e^x − t x; or, with [`PoissonNll::of_means`], whose mean is x: x − t log(x + eps). As
/// PyTorch's `poisson_nll_loss`; the part log t! is left out, or approximated.
///
/// ```
/// use steepest::{Device, nn::loss::PoissonNll};
/// let device = Device::cpu();
/// let loss = PoissonNll::new().of(&device.tensor(&[0.0, 1.0], 2), &device.tensor(&[3.0, 2.0], 2));
/// assert!((loss.item()? - 0.5 * (1f32.exp() - 1.0)).abs() < 1e-6);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoissonNll {
    logarithms: bool,
    full: bool,
    eps: f64,
    reduction: Reduction,
}

impl Default for PoissonNll {
    fn default() -> PoissonNll {
        PoissonNll { logarithms: true, full: false, eps: 1e-8, reduction: Reduction::Mean }
    }
}

impl PoissonNll {
    /// Predictions are logarithms of means.
    pub fn new() -> PoissonNll {
        PoissonNll::default()
    }

    /// Predictions are the means themselves, which are not negative (`log_input=False`).
    pub fn of_means(mut self) -> PoissonNll {
        self.logarithms = false;
        self
    }

    /// Adds t log t − t + ½ log 2πt where t > 1, Stirling's approximation of log t!.
    pub fn full(mut self) -> PoissonNll {
        self.full = true;
        self
    }

    /// What is added to means before their logarithm is taken: a finite number above 0, and not below 1.2e-38.
    pub fn eps(mut self, eps: f64) -> PoissonNll {
        self.eps = eps;
        self
    }

    /// What becomes of the losses of all elements.
    pub fn reduction(mut self, reduction: Reduction) -> PoissonNll {
        self.reduction = reduction;
        self
    }

    /// The loss of predictions and counts of one shape. Other shapes and an unfit eps are errors.
    #[track_caller]
    pub fn of(&self, x: &Tensor, target: &Tensor) -> Tensor {
        const NAME: &str = "poisson_nll";
        if let Some(invalid) = mismatch(NAME, x, target) {
            return invalid;
        }
        if let Some(invalid) = x.unfit(NAME, "eps", self.eps, above_zero, "a finite number above 0, and not below 1.2e-38") {
            return invalid;
        }
        let (mean, log) = if self.logarithms { (x.exp(), x.clone()) } else { (x.clone(), x.add_scalar(self.eps).log()) };
        let mut each = mean.sub(&target.mul(&log));
        if self.full {
            let counts = target.gt_scalar(1.0);
            let t = counts.where_(target, &target.full_like(1.0));
            let stirling = t.mul(&t.log()).sub(&t).add(&t.mul_scalar(TAU).log().mul_scalar(0.5));
            each = each.add(&counts.where_(&stirling, &stirling.full_like(0.0)));
        }
        self.reduction.of(&each).made_by(NAME, &[x, target])
    }
}
