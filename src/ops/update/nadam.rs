//! NAdam in place: Adam whose first moment looks one step ahead, as Nesterov's momentum does.

use super::adam::moments;
use super::{Settings, by_element, decay, decayed, in_place, update};
use crate::graph::op::{Array, Lowering, Op, Spec, Variant};
use crate::graph::{GradOff, Tensor, record};

/// Inputs: parameter, gradient, first and second moment.
///
/// NAdam (Dozat 2016), as PyTorch's: m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g²,
/// p ← p − η (μₜ₊₁ m / (1 − μ₁…μₜ₊₁) + (1 − μₜ) g / (1 − μ₁…μₜ)) / (√(v / (1 − β₂ᵗ)) + ε) with μₜ = β₁ (1 − ½ · 0.96^(tψ)).
#[derive(Clone, Debug)]
pub struct NAdam {
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
    /// ψ
    pub momentum_decay: f64,
    /// t, the number of this step, from 1.
    pub step: u64,
    /// μ₁…μₜ₋₁, of the steps before this one: 1 in the first.
    pub product: f64,
}

impl NAdam {
    /// μₜ
    pub fn momentum(beta: f64, momentum_decay: f64, step: u64) -> f64 {
        beta * (1.0 - 0.5 * 0.96f64.powf(step as f64 * momentum_decay))
    }

    /// The rates of the first moment and of the gradient, and √(1 − β₂ᵗ).
    fn rates(&self) -> (f64, f64, f64) {
        let momentum = |step| NAdam::momentum(self.betas.0, self.momentum_decay, step);
        let (now, next) = (momentum(self.step), momentum(self.step.saturating_add(1)));
        let product = self.product * now;
        let ahead = self.lr * next / (1.0 - product * next);
        (ahead, self.lr * (1.0 - now) / (1.0 - product), (1.0 - self.betas.1.powf(self.step as f64)).sqrt())
    }
}

impl Op for NAdam {
    in_place!(0, 2, 3);

    fn name(&self) -> &'static str {
        "nadam"
    }
    fn params(&self) -> Vec<u32> {
        vec![u32::from(self.decoupled)]
    }
    fn scalars(&self) -> Vec<u32> {
        let (ahead, now, root) = self.rates();
        // η m / (√v / r + ε) = η r m / (√v + ε r)
        let settings = Settings {
            rate: (ahead * root) as f32,
            correction: (now * root) as f32,
            eps: (self.eps * root) as f32,
            weight_decay: decay(self.decoupled, self.lr, self.weight_decay),
            ..Settings::of_betas(self.betas)
        };
        settings.words()
    }
    fn lower(&self, _: &[Spec], _: &Spec) -> Lowering {
        let decoupled = self.decoupled;
        let variant = Variant { consts: vec![("DECOUPLED", u32::from(decoupled))], ..Variant::new("update/nadam", [1; 3]) };
        update("nadam", variant, move |c, [p, m, v], g| {
            for (((p, m), v), &g) in p.iter_mut().zip(m).zip(v).zip(g) {
                let (before, g) = decayed(*p, g, c, decoupled);
                (*m, *v) = moments(*m, *v, g, c);
                *p = before - (c.rate * *m + c.correction * g) / (v.sqrt() + c.eps);
            }
        })
    }
    fn flops(&self, inputs: &[Spec], _: &Spec) -> u64 {
        15 * inputs[0].shape.numel() as u64
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let (ahead, now, root) = self.rates();
        let (b1, b2) = self.betas;
        by_element(inputs, output, |x| {
            let (mut p, mut g) = (x[0], x[1]);
            if self.decoupled {
                p -= self.lr * self.weight_decay * p;
            } else {
                g += self.weight_decay * p;
            }
            let (m, v) = (b1 * x[2] + (1.0 - b1) * g, b2 * x[3] + (1.0 - b2) * g * g);
            [p - (ahead * m + now * g) / (v.sqrt() / root + self.eps), m, v]
        })
    }
}

impl Tensor {
    /// An update of this parameter by NAdam; running the result overwrites the parameter and both moments.
    #[track_caller]
    #[doc(hidden)]
    pub fn nadam_update(&self, gradient: &Tensor, first: &Tensor, second: &Tensor, settings: NAdam) -> Tensor {
        let _off = GradOff::begin();
        record(settings, &[self, gradient, first, second])
    }
}
