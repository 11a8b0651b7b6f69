//! Adam in place: m, v ← moving means of g and g², p ← p − η m̂ / (√v̂ + ε); AdamW and AMSGrad.

use super::super::simd::vectorised;
use super::{Settings, by_element, infer, update};
use crate::error::OpError;
use crate::graph::Accuracy;
use crate::graph::op::{Array, GradCtx, Lowering, Op, Spec, Variant};
use crate::graph::{Tensor, no_grad, record};

/// Moves one parameter's moments on; says what the parameter is before the step and the moments after.
#[inline(always)]
fn moments(p: f32, m: f32, v: f32, g: f32, c: Settings, decoupled: bool) -> [f32; 3] {
    let (p, g) = if decoupled { (p - c.weight_decay * p, g) } else { (p, g + c.weight_decay * p) };
    let m = c.momentum * m + c.one_minus_momentum * g;
    [p, m, c.square_decay * v + c.one_minus_square_decay * g * g]
}

vectorised! {
    /// A step of Adam.
    fn adam<'a>(p: &'a mut [f32], m: &'a mut [f32], v: &'a mut [f32], g: &'a [f32], c: Settings, decoupled: bool) {
        for (((p, m), v), &g) in p.iter_mut().zip(m).zip(v).zip(g) {
            [*p, *m, *v] = moments(*p, *m, *v, g, c, decoupled);
            *p -= c.rate * *m / (v.sqrt() * c.correction + c.eps);
        }
    }
}

vectorised! {
    /// A step of AMSGrad.
    fn adam_largest<'a>(
        p: &'a mut [f32],
        m: &'a mut [f32],
        v: &'a mut [f32],
        u: &'a mut [f32],
        g: &'a [f32],
        c: Settings,
        decoupled: bool,
    ) {
        for ((((p, m), v), u), &g) in p.iter_mut().zip(m).zip(v).zip(u).zip(g) {
            [*p, *m, *v] = moments(*p, *m, *v, g, c, decoupled);
            *u = u.max(*v);
            *p -= c.rate * *m / (u.sqrt() * c.correction + c.eps);
        }
    }
}

/// Inputs: parameter, gradient, first and second moment, and with AMSGrad the largest second moment so far.
///
/// As PyTorch's Adam (λ joins the gradient) or AdamW (λ shrinks the parameter first):
/// m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², p ← p − η/(1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + ε).
/// AMSGrad (Reddi, Kale and Kumar 2018) divides by u ← max(u, v) in place of v, so that steps do not grow again.
#[derive(Clone, Debug)]
pub struct Adam {
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
    /// Whether it divides by the largest second moment so far.
    pub amsgrad: bool,
    /// t, the number of this step, from 1.
    pub step: u64,
}

impl Adam {
    /// 1 − β₁ᵗ and √(1 − β₂ᵗ)
    fn corrections(&self) -> (f64, f64) {
        let t = self.step as f64;
        (1.0 - self.betas.0.powf(t), (1.0 - self.betas.1.powf(t)).sqrt())
    }
}

impl Op for Adam {
    fn name(&self) -> &'static str {
        if self.decoupled { "adamw" } else { "adam" }
    }
    fn params(&self) -> Vec<u32> {
        vec![u32::from(self.amsgrad)]
    }
    fn scalars(&self) -> Vec<u32> {
        let (one, two) = self.corrections();
        // The step size is worked out here in f64: 1 − β₁ᵗ loses digits in f32. So are 1 − β.
        let decay = if self.decoupled { self.lr * self.weight_decay } else { self.weight_decay };
        let settings = Settings {
            rate: (self.lr / one) as f32,
            weight_decay: decay as f32,
            eps: self.eps as f32,
            momentum: self.betas.0 as f32,
            one_minus_momentum: (1.0 - self.betas.0) as f32,
            square_decay: self.betas.1 as f32,
            one_minus_square_decay: (1.0 - self.betas.1) as f32,
            correction: (1.0 / two) as f32,
        };
        settings.words()
    }
    fn accuracy(&self, _: &[&Array]) -> Accuracy {
        Accuracy::Update
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        infer(inputs, self.mutates().len())
    }
    fn lower(&self, _: &[Spec], _: &Spec) -> Lowering {
        let decoupled = self.decoupled;
        let variant = Variant {
            consts: vec![("DECOUPLED", u32::from(decoupled))],
            bodies: if self.amsgrad { vec![] } else { vec![("largest", "{ return v; }".to_owned())] },
            ..Variant::new("update/adam", [1; 3])
        };
        if self.amsgrad {
            update(self.name(), variant, move |c, [p, m, v, u], g| adam_largest(p, m, v, u, g, c, decoupled))
        } else {
            update(self.name(), variant, move |c, [p, m, v], g| adam(p, m, v, g, c, decoupled))
        }
    }
    fn flops(&self, inputs: &[Spec], _: &Spec) -> u64 {
        // Two running means of g + λp and g², both corrected, a square root, a quotient, a step.
        15 * inputs[0].shape.numel() as u64
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let (one, two) = self.corrections();
        let (b1, b2) = self.betas;
        by_element(inputs, output, |x| {
            let (mut p, mut g) = (x[0], x[1]);
            if self.decoupled {
                p -= self.lr * self.weight_decay * p;
            } else {
                g += self.weight_decay * p;
            }
            let (m, v) = (b1 * x[2] + (1.0 - b1) * g, b2 * x[3] + (1.0 - b2) * g * g);
            let u = if self.amsgrad { x[4].max(v) } else { v };
            [p - self.lr / one * m / (u.sqrt() / two + self.eps), m, v, u]
        })
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![None; ctx.inputs.len()]
    }
    fn mutates(&self) -> &'static [usize] {
        if self.amsgrad { &[0, 2, 3, 4] } else { &[0, 2, 3] }
    }
}

impl Tensor {
    /// An update of this parameter by Adam; running the result overwrites the parameter and both moments, and with AMSGrad the
    /// `largest` second moment, which must be given then and only then.
    #[track_caller]
    pub fn adam_update(
        &self,
        gradient: &Tensor,
        first: &Tensor,
        second: &Tensor,
        largest: Option<&Tensor>,
        settings: Adam,
    ) -> Tensor {
        let inputs: Vec<&Tensor> = [self, gradient, first, second].into_iter().chain(largest).collect();
        no_grad(|| record(settings, &inputs))
    }
}
