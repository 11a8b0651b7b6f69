//! LAMB in place: Adam's step of each tensor, made as long as the tensor is.

use crate::graph::{GradOff, Tensor};

/// LAMB (You et al. 2020): m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², u = m̂ / (√v̂ + ε) + λp, p ← p − η ‖p‖/‖u‖ · u, where the factor is 1
/// if a norm is 0; m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ).
#[derive(Clone, Debug)]
pub struct Lamb {
    /// η
    pub lr: f64,
    /// β₁ and β₂
    pub betas: (f64, f64),
    /// ε
    pub eps: f64,
    /// λ
    pub weight_decay: f64,
    /// t, the number of this step, from 1.
    pub step: u64,
}

impl Tensor {
    /// Updates of this parameter and both moments by LAMB, to be run together. Each overwrites one of them.
    ///
    /// What decides on the length of the step is known only when all of u is, so u is computed by ordinary ops from the moments as they will be.
    #[track_caller]
    #[doc(hidden)]
    pub fn lamb_update(&self, gradient: &Tensor, first: &Tensor, second: &Tensor, settings: &Lamb) -> Vec<Tensor> {
        let _off = GradOff::begin();
        let Lamb { lr, betas: (b1, b2), eps, weight_decay, step } = *settings;
        let t = step as f64;
        let squares = gradient.square();
        let m = first.mul_scalar(b1).add(&gradient.mul_scalar(1.0 - b1));
        let v = second.mul_scalar(b2).add(&squares.mul_scalar(1.0 - b2));
        let root = v.sqrt().mul_scalar(1.0 / (1.0 - b2.powf(t)).sqrt()).add_scalar(eps);
        let mut u = m.mul_scalar(1.0 / (1.0 - b1.powf(t))).div(&root);
        if weight_decay > 0.0 {
            u = u.add(&self.mul_scalar(weight_decay));
        }
        let (of_p, of_u) = (self.l2_norm(&[]), u.l2_norm(&[]));
        let none = of_p.mul(&of_u).eq(&of_p.constant(0.0));
        let share = none.where_(&of_p.constant(1.0), &of_p.div(&of_u));
        vec![
            self.sgd_update(&u.mul(&share), None, lr, 0.0),
            first.running_update(gradient, b1, 1.0 - b1),
            second.running_update(&squares, b2, 1.0 - b2),
        ]
    }
}
