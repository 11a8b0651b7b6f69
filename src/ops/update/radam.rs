//! RAdam in place: Adam whose first steps, before it has seen enough gradients to know their size, are not divided by it.

use super::adam::native;
use super::{Settings, by_element, decay, in_place};
use crate::graph::op::{Array, Lowering, Op, Spec};
use crate::graph::{GradOff, Tensor, record};

/// Inputs: parameter, gradient, first and second moment.
///
/// RAdam (Liu et al. 2020), as PyTorch's: m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g². With ρ = 2/(1 − β₂) − 1 and
/// ρₜ = ρ − 2tβ₂ᵗ/(1 − β₂ᵗ), where ρₜ > 5: p ← p − η r m̂ √(1 − β₂ᵗ) / (√v + ε) with
/// r = √((ρₜ − 4)(ρₜ − 2)ρ / ((ρ − 4)(ρ − 2)ρₜ)), else p ← p − η m̂; m̂ = m/(1 − β₁ᵗ).
#[derive(Clone, Debug)]
pub struct RAdam {
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

impl RAdam {
    /// r √(1 − β₂ᵗ), where a step is divided by √v.
    fn rectification(&self) -> Option<f64> {
        let (beta, t) = (self.betas.1, self.step as f64);
        let power = beta.powf(t);
        let most = 2.0 / (1.0 - beta) - 1.0;
        let now = most - 2.0 * t * power / (1.0 - power);
        let r = || ((now - 4.0) * (now - 2.0) * most / ((most - 4.0) * (most - 2.0) * now)).sqrt();
        (now > 5.0).then(|| r() * (1.0 - power).sqrt())
    }

    /// η / (1 − β₁ᵗ)
    fn rate(&self) -> f64 {
        self.lr / (1.0 - self.betas.0.powf(self.step as f64))
    }
}

impl Op for RAdam {
    in_place!(0, 2, 3);

    fn name(&self) -> &'static str {
        "radam"
    }
    fn params(&self) -> Vec<u32> {
        vec![u32::from(self.decoupled)]
    }
    fn scalars(&self) -> Vec<u32> {
        // Not dividing is dividing by 0 √v + 1: data, so that no step needs a new plan.
        let (factor, correction, eps) = self.rectification().map_or((1.0, 0.0, 1.0), |r| (r, 1.0, self.eps));
        let settings = Settings {
            rate: (self.rate() * factor) as f32,
            correction,
            eps: eps as f32,
            weight_decay: decay(self.decoupled, self.lr, self.weight_decay),
            ..Settings::of_betas(self.betas)
        };
        settings.words()
    }
    fn lower(&self, _: &[Spec], _: &Spec) -> Lowering {
        native("radam", self.decoupled, false)
    }
    fn flops(&self, inputs: &[Spec], _: &Spec) -> u64 {
        15 * inputs[0].shape.numel() as u64
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let (b1, b2) = self.betas;
        let rectification = self.rectification();
        by_element(inputs, output, |x| {
            let (mut p, mut g) = (x[0], x[1]);
            if self.decoupled {
                p -= self.lr * self.weight_decay * p;
            } else {
                g += self.weight_decay * p;
            }
            let (m, v) = (b1 * x[2] + (1.0 - b1) * g, b2 * x[3] + (1.0 - b2) * g * g);
            let step = rectification.map_or(m, |r| m * r / (v.sqrt() + self.eps));
            [p - self.rate() * step, m, v]
        })
    }
}

impl Tensor {
    /// An update of this parameter by RAdam; running the result overwrites the parameter and both moments.
    #[track_caller]
    #[doc(hidden)]
    pub fn radam_update(&self, gradient: &Tensor, first: &Tensor, second: &Tensor, settings: RAdam) -> Tensor {
        let _off = GradOff::begin();
        record(settings, &[self, gradient, first, second])
    }
}
