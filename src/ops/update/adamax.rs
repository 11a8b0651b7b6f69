//! Adamax in place: Adam by the largest gradient so far in place of the mean of squares.

use super::{Settings, by_element, decay, decayed, in_place, update};
use crate::graph::op::{Array, Lowering, Op, Spec, Variant};
use crate::graph::{GradOff, Tensor, record};

/// Inputs: parameter, gradient, first moment, largest gradient.
///
/// Adamax (Kingma and Ba 2015), as PyTorch's: m ← β₁m + (1 − β₁)g, u ← max(β₂u, |g| + ε), p ← p − η/(1 − β₁ᵗ) · m/u.
#[derive(Clone, Debug)]
pub struct Adamax {
    /// η
    pub lr: f64,
    /// β₁ and β₂
    pub betas: (f64, f64),
    /// ε
    pub eps: f64,
    /// λ
    pub weight_decay: f64,
    /// Whether the decay is AdamW's.
    pub decoupled: bool,
    /// t, the number of this step, from 1.
    pub step: u64,
}

impl Adamax {
    fn rate(&self) -> f64 {
        self.lr / (1.0 - self.betas.0.powf(self.step as f64))
    }
}

impl Op for Adamax {
    in_place!(0, 2, 3);

    fn name(&self) -> &'static str {
        "adamax"
    }
    fn params(&self) -> Vec<u32> {
        vec![u32::from(self.decoupled)]
    }
    fn scalars(&self) -> Vec<u32> {
        let settings = Settings {
            rate: self.rate() as f32,
            eps: self.eps as f32,
            weight_decay: decay(self.decoupled, self.lr, self.weight_decay),
            ..Settings::of_betas(self.betas)
        };
        settings.words()
    }
    fn lower(&self, _: &[Spec], _: &Spec) -> Lowering {
        let decoupled = self.decoupled;
        let variant = Variant { consts: vec![("DECOUPLED", u32::from(decoupled))], ..Variant::new("update/adamax", [1; 3]) };
        update("adamax", variant, move |c, [p, m, u], g| {
            for (((p, m), u), &g) in p.iter_mut().zip(m).zip(u).zip(g) {
                let (before, g) = decayed(*p, g, c, decoupled);
                *m = c.momentum * *m + c.one_minus_momentum * g;
                *u = (c.square_decay * *u).max(g.abs() + c.eps);
                *p = before - c.rate * *m / *u;
            }
        })
    }
    fn flops(&self, inputs: &[Spec], _: &Spec) -> u64 {
        11 * inputs[0].shape.numel() as u64
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let (b1, b2) = self.betas;
        by_element(inputs, output, |x| {
            let (mut p, mut g) = (x[0], x[1]);
            if self.decoupled {
                p -= self.lr * self.weight_decay * p;
            } else {
                g += self.weight_decay * p;
            }
            let (m, u) = (b1 * x[2] + (1.0 - b1) * g, (b2 * x[3]).max(g.abs() + self.eps));
            [p - self.rate() * m / u, m, u]
        })
    }
}

impl Tensor {
    /// An update of this parameter by Adamax; running the result overwrites the parameter, the first moment and the largest gradient.
    #[track_caller]
    #[doc(hidden)]
    pub fn adamax_update(&self, gradient: &Tensor, first: &Tensor, largest: &Tensor, settings: Adamax) -> Tensor {
        let _off = GradOff::begin();
        record(settings, &[self, gradient, first, largest])
    }
}
