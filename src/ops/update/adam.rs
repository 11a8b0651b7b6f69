//! Adam in place: m, v ← moving means of g and g², p ← p − η m̂ / (√v̂ + ε); AdamW and AMSGrad.

use super::super::simd::vectorised;
use super::{Settings, by_element, decay, decayed, infer, update};
use crate::error::OpError;
use crate::graph::Accuracy;
use crate::graph::op::{Array, GradCtx, Lowering, Op, Spec, Variant};
use crate::graph::{GradOff, Tensor, record};

/// Both moments after a gradient.
#[inline(always)]
pub(super) fn moments(m: f32, v: f32, g: f32, c: Settings) -> (f32, f32) {
    (c.momentum * m + c.one_minus_momentum * g, c.square_decay * v + c.one_minus_square_decay * g * g)
}

/// What a step is divided by; without a correction it does not look at v.
#[inline(always)]
fn divisor(v: f32, c: Settings) -> f32 {
    if c.correction > 0.0 { v.sqrt() * c.correction + c.eps } else { c.eps }
}

vectorised! {
    /// A step of Adam.
    fn adam<'a>(p: &'a mut [f32], m: &'a mut [f32], v: &'a mut [f32], g: &'a [f32], c: Settings, decoupled: bool) {
        for (((p, m), v), &g) in p.iter_mut().zip(m).zip(v).zip(g) {
            let (before, g) = decayed(*p, g, c, decoupled);
            (*m, *v) = moments(*m, *v, g, c);
            *p = before - c.rate * *m / divisor(*v, c);
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
            let (before, g) = decayed(*p, g, c, decoupled);
            (*m, *v) = moments(*m, *v, g, c);
            *u = u.max(*v);
            *p = before - c.rate * *m / divisor(*u, c);
        }
    }
}

/// The kernels of an optimizer whose step is Adam's.
pub(super) fn native(name: &'static str, decoupled: bool, amsgrad: bool) -> Lowering {
    let variant = Variant {
        consts: vec![("DECOUPLED", u32::from(decoupled))],
        bodies: if amsgrad { vec![] } else { vec![("largest", "{ return v; }".to_owned())] },
        ..Variant::new("update/adam", [1; 3])
    };
    if amsgrad {
        update(name, variant, move |c, [p, m, v, u], g| adam_largest(p, m, v, u, g, c, decoupled))
    } else {
        update(name, variant, move |c, [p, m, v], g| adam(p, m, v, g, c, decoupled))
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
        // The step size is worked out here in f64: 1 − β₁ᵗ loses digits in f32.
        let settings = Settings {
            rate: (self.lr / one) as f32,
            weight_decay: decay(self.decoupled, self.lr, self.weight_decay),
            eps: self.eps as f32,
            correction: (1.0 / two) as f32,
            ..Settings::of_betas(self.betas)
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
        native(self.name(), self.decoupled, self.amsgrad)
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
    #[doc(hidden)]
    pub fn adam_update(
        &self,
        gradient: &Tensor,
        first: &Tensor,
        second: &Tensor,
        largest: Option<&Tensor>,
        settings: Adam,
    ) -> Tensor {
        let inputs: Vec<&Tensor> = [self, gradient, first, second].into_iter().chain(largest).collect();
        let _off = GradOff::begin();
        record(settings, &inputs)
    }
}
