//! Adafactor in place: Adam without a first moment, whose second moment of a matrix is kept as the means of its rows and of its columns.

use crate::graph::{GradOff, Tensor};

/// Adafactor (Shazeer and Stern 2018), as PyTorch's. With w = t^`beta2_decay`, over the last two axes of g²:
/// row ← (1 − w) row + w · (means of rows), col ← (1 − w) col + w · (means of columns), v = row · col / max(mean of row, ε₁); of a vector
/// v ← (1 − w) v + w g². Then u = g / √max(v, ε₁²),
/// p ← p (1 − ηλ) − max(ε₂, rms(p)) · min(η, 1/√t) / max(1, rms(u)/d) · u, with rms(p) before the decay.
#[derive(Clone, Debug)]
pub struct Adafactor {
    /// η
    pub lr: f64,
    /// How fast the weight of a new gradient falls: t to this power, which is at most 0.
    pub beta2_decay: f64,
    /// ε₁ and ε₂
    pub eps: (f64, f64),
    /// d, the largest root mean square of u.
    pub d: f64,
    /// λ
    pub weight_decay: f64,
    /// t, the number of this step, from 1.
    pub step: u64,
}

impl Adafactor {
    /// The sizes of row and col for a parameter of two or more axes.
    pub fn factors(dims: &[usize]) -> Option<[Vec<usize>; 2]> {
        let last = dims.len().checked_sub(1).filter(|&last| last > 0)?;
        let without = |axis: usize| dims.iter().enumerate().map(|(i, &n)| if i == axis { 1 } else { n }).collect();
        Some([without(last), without(last - 1)])
    }
}

/// What Adafactor keeps of the squares of a parameter's gradients.
#[derive(Clone, Copy, Debug)]
pub enum Variance<'a> {
    /// Of two or more axes: means of rows and of columns, in the shapes of [`Adafactor::factors`].
    Factors(&'a Tensor, &'a Tensor),
    /// Of fewer axes: a mean for every element.
    Whole(&'a Tensor),
}

/// √(mean of squares)
fn root_mean_square(x: &Tensor) -> Tensor {
    let n = x.try_shape().map_or(1, |shape| shape.numel()) as f64;
    x.l2_norm(&[]).mul_scalar(1.0 / n.sqrt())
}

impl Tensor {
    /// Updates of this parameter and its state by Adafactor, to be run together. There is nothing to run for a parameter without elements.
    #[track_caller]
    #[doc(hidden)]
    pub fn adafactor_update(&self, gradient: &Tensor, state: Variance<'_>, settings: &Adafactor) -> Vec<Tensor> {
        if self.try_shape().is_ok_and(|shape| shape.numel() == 0) {
            return vec![];
        }
        let _off = GradOff::begin();
        let Adafactor { lr, beta2_decay, eps: (e1, e2), d, weight_decay, step } = *settings;
        let t = step as f64;
        let weight = t.powf(beta2_decay);
        // A sum of larger ones, or a product of two such means, would be beyond f32.
        let squares = gradient.square().clamp(0.0, 1e30);
        let after = |mean: &Tensor, x: &Tensor| mean.mul_scalar(1.0 - weight).add(&x.mul_scalar(weight));
        let mut updates = vec![];
        let mut moved = |mean: &Tensor, x: &Tensor| {
            updates.push(mean.running_update(x, 1.0 - weight, weight));
            after(mean, x)
        };
        let v = match state {
            Variance::Factors(row, col) => {
                let (row, col) = (moved(row, &squares.mean_keepdim(&[-1])), moved(col, &squares.mean_keepdim(&[-2])));
                // Divided first: the product of two means of squares may be beyond f32.
                row.div(&row.mean_keepdim(&[-2]).clamp(e1, f64::INFINITY)).mul(&col)
            }
            Variance::Whole(v) => moved(v, &squares),
        };
        // An ε₁ whose square is beyond f32 still keeps the root above 0.
        let least = (e1 * e1).max(f64::from(f32::MIN_POSITIVE));
        let u = gradient.div(&v.clamp(least, f64::INFINITY).sqrt());
        let size = root_mean_square(self).clamp(e2, f64::INFINITY).mul_scalar(lr.min(1.0 / t.sqrt()));
        let share = size.div(&root_mean_square(&u).mul_scalar(1.0 / d).clamp(1.0, f64::INFINITY));
        // p − 1 (g + ηλ p)
        updates.insert(0, self.sgd_update(&u.mul(&share), None, 1.0, lr * weight_decay));
        updates
    }
}
