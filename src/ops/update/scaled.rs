//! Updates in place that divide by a running size of the gradient: AdaGrad, RMSProp, Adadelta. p ← p − η g / √(what g² was so far).

use super::{Settings, by_element, infer, update, without_velocity};
use crate::error::OpError;
use crate::graph::Accuracy;
use crate::graph::op::{Array, GradCtx, Lowering, Op, Spec, Variant};
use crate::graph::{GradOff, Tensor, record};

/// Inputs: parameter, gradient, sum of squares.
///
/// AdaGrad (Duchi, Hazan and Singer 2011), as PyTorch's: g ← g + λp; s ← s + g²; p ← p − η/(1 + (t − 1)δ) · g / (√s + ε).
#[derive(Clone, Debug)]
pub struct AdaGrad {
    /// η
    pub lr: f64,
    /// δ
    pub lr_decay: f64,
    /// ε
    pub eps: f64,
    /// λ
    pub weight_decay: f64,
    /// t, the number of this step, from 1.
    pub step: u64,
}

impl AdaGrad {
    fn rate(&self) -> f64 {
        self.lr / (1.0 + (self.step as f64 - 1.0) * self.lr_decay)
    }
}

impl Op for AdaGrad {
    fn name(&self) -> &'static str {
        "adagrad"
    }
    fn scalars(&self) -> Vec<u32> {
        let (rate, eps, weight_decay) = (self.rate() as f32, self.eps as f32, self.weight_decay as f32);
        Settings { rate, eps, weight_decay, ..Default::default() }.words()
    }
    fn accuracy(&self, _: &[&Array]) -> Accuracy {
        Accuracy::Update
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        infer(inputs, 2)
    }
    fn lower(&self, _: &[Spec], _: &Spec) -> Lowering {
        update("adagrad", Variant::new("update/adagrad", [1; 3]), |c, [p, s], g| {
            for ((p, s), g) in p.iter_mut().zip(s).zip(g) {
                let g = g + c.weight_decay * *p;
                *s += g * g;
                *p -= c.rate * g / (s.sqrt() + c.eps);
            }
        })
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        by_element(inputs, output, |x| {
            let g = x[1] + self.weight_decay * x[0];
            let s = x[2] + g * g;
            [x[0] - self.rate() * g / (s.sqrt() + self.eps), s]
        })
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![None; ctx.inputs.len()]
    }
    fn mutates(&self) -> &'static [usize] {
        &[0, 2]
    }
}

/// Inputs: parameter, gradient, mean of squares; the mean if it is centered; the velocity if there is momentum.
///
/// RMSProp (Tieleman and Hinton 2012), as PyTorch's: g ← g + λp; s ← αs + (1 − α)g²; d = g / (√s + ε); p ← p − ηd, or with
/// momentum b ← μb + d, p ← p − ηb. Centered (Graves 2013) it divides by the standard deviation: a ← αa + (1 − α)g, √(s − a²).
#[derive(Clone, Debug)]
pub struct RmsProp {
    /// η
    pub lr: f64,
    /// α
    pub alpha: f64,
    /// ε
    pub eps: f64,
    /// μ; without it there is no velocity.
    pub momentum: Option<f64>,
    /// Whether it divides by the standard deviation.
    pub centered: bool,
    /// λ
    pub weight_decay: f64,
}

impl Op for RmsProp {
    fn name(&self) -> &'static str {
        "rmsprop"
    }
    fn params(&self) -> Vec<u32> {
        vec![u32::from(self.momentum.is_some()), u32::from(self.centered)]
    }
    fn scalars(&self) -> Vec<u32> {
        let settings = Settings {
            rate: self.lr as f32,
            weight_decay: self.weight_decay as f32,
            eps: self.eps as f32,
            momentum: self.momentum.unwrap_or(0.0) as f32,
            square_decay: self.alpha as f32,
            one_minus_square_decay: (1.0 - self.alpha) as f32,
            ..Default::default()
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
        let (name, shader) = match self.centered {
            true => ("rmsprop_centered", "update/rmsprop_centered"),
            false => ("rmsprop", "update/rmsprop"),
        };
        let bodies = if self.momentum.is_some() { vec![] } else { vec![without_velocity()] };
        let variant = Variant { bodies, ..Variant::new(shader, [1; 3]) };
        let plain = |c: Settings, s: &mut f32, g: f32| {
            *s = c.square_decay * *s + c.one_minus_square_decay * g * g;
            g / (s.sqrt() + c.eps)
        };
        let central = |c: Settings, s: &mut f32, a: &mut f32, g: f32| {
            *s = c.square_decay * *s + c.one_minus_square_decay * g * g;
            *a = c.square_decay * *a + c.one_minus_square_decay * g;
            g / ((*s - *a * *a).max(0.0).sqrt() + c.eps)
        };
        let velocity = |c: Settings, b: &mut f32, d: f32| {
            *b = c.momentum * *b + d;
            *b
        };
        match (self.centered, self.momentum.is_some()) {
            (false, false) => update(name, variant, move |c, [p, s], g| {
                for ((p, s), g) in p.iter_mut().zip(s).zip(g) {
                    *p -= c.rate * plain(c, s, g + c.weight_decay * *p);
                }
            }),
            (false, true) => update(name, variant, move |c, [p, s, b], g| {
                for (((p, s), b), g) in p.iter_mut().zip(s).zip(b).zip(g) {
                    *p -= c.rate * velocity(c, b, plain(c, s, g + c.weight_decay * *p));
                }
            }),
            (true, false) => update(name, variant, move |c, [p, s, a], g| {
                for (((p, s), a), g) in p.iter_mut().zip(s).zip(a).zip(g) {
                    *p -= c.rate * central(c, s, a, g + c.weight_decay * *p);
                }
            }),
            (true, true) => update(name, variant, move |c, [p, s, a, b], g| {
                for ((((p, s), a), b), g) in p.iter_mut().zip(s).zip(a).zip(b).zip(g) {
                    *p -= c.rate * velocity(c, b, central(c, s, a, g + c.weight_decay * *p));
                }
            }),
        }
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        by_element(inputs, output, |x| {
            let g = x[1] + self.weight_decay * x[0];
            let s = self.alpha * x[2] + (1.0 - self.alpha) * g * g;
            let a = if self.centered { self.alpha * x[3] + (1.0 - self.alpha) * g } else { 0.0 };
            // s − a² is a variance, which only rounding makes negative.
            let d = g / ((s - a * a).max(0.0).sqrt() + self.eps);
            let b = self.momentum.map_or(d, |mu| mu * x[x.len() - 1] + d);
            let p = x[0] - self.lr * b;
            if self.centered { [p, s, a, b] } else { [p, s, b, 0.0] }
        })
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![None; ctx.inputs.len()]
    }
    fn mutates(&self) -> &'static [usize] {
        match (self.centered, self.momentum) {
            (false, None) => &[0, 2],
            (true, Some(_)) => &[0, 2, 3, 4],
            _ => &[0, 2, 3],
        }
    }
}

/// Inputs: parameter, gradient, mean of squares of the gradient, mean of squares of the change.
///
/// Adadelta (Zeiler 2012), as PyTorch's: g ← g + λp; s ← ρs + (1 − ρ)g²; d = √(a + ε) / √(s + ε) · g; a ← ρa + (1 − ρ)d²; p ← p − ηd.
#[derive(Clone, Debug)]
pub struct Adadelta {
    /// η
    pub lr: f64,
    /// ρ
    pub rho: f64,
    /// ε
    pub eps: f64,
    /// λ
    pub weight_decay: f64,
}

impl Op for Adadelta {
    fn name(&self) -> &'static str {
        "adadelta"
    }
    fn scalars(&self) -> Vec<u32> {
        let settings = Settings {
            rate: self.lr as f32,
            weight_decay: self.weight_decay as f32,
            eps: self.eps as f32,
            square_decay: self.rho as f32,
            one_minus_square_decay: (1.0 - self.rho) as f32,
            ..Default::default()
        };
        settings.words()
    }
    fn accuracy(&self, _: &[&Array]) -> Accuracy {
        Accuracy::Update
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        infer(inputs, 3)
    }
    fn lower(&self, _: &[Spec], _: &Spec) -> Lowering {
        update("adadelta", Variant::new("update/adadelta", [1; 3]), |c, [p, s, a], g| {
            for (((p, s), a), g) in p.iter_mut().zip(s).zip(a).zip(g) {
                let g = g + c.weight_decay * *p;
                *s = c.square_decay * *s + c.one_minus_square_decay * g * g;
                let d = ((*a + c.eps) / (*s + c.eps)).sqrt() * g;
                *a = c.square_decay * *a + c.one_minus_square_decay * d * d;
                *p -= c.rate * d;
            }
        })
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        by_element(inputs, output, |x| {
            let g = x[1] + self.weight_decay * x[0];
            let s = self.rho * x[2] + (1.0 - self.rho) * g * g;
            let d = (x[3] + self.eps).sqrt() / (s + self.eps).sqrt() * g;
            [x[0] - self.lr * d, s, self.rho * x[3] + (1.0 - self.rho) * d * d]
        })
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![None; ctx.inputs.len()]
    }
    fn mutates(&self) -> &'static [usize] {
        &[0, 2, 3]
    }
}

impl Tensor {
    /// An update of this parameter by AdaGrad; running the result overwrites the parameter and the sum of squares.
    #[track_caller]
    #[doc(hidden)]
    pub fn adagrad_update(&self, gradient: &Tensor, sum: &Tensor, settings: AdaGrad) -> Tensor {
        let _off = GradOff::begin();
        record(settings, &[self, gradient, sum])
    }

    /// An update of this parameter by RMSProp; running the result overwrites the parameter and its state: the mean of squares,
    /// the mean if it is centered, the velocity if there is momentum.
    #[track_caller]
    #[doc(hidden)]
    pub fn rmsprop_update(&self, gradient: &Tensor, state: &[&Tensor], settings: RmsProp) -> Tensor {
        let inputs: Vec<&Tensor> = [self, gradient].into_iter().chain(state.iter().copied()).collect();
        let _off = GradOff::begin();
        record(settings, &inputs)
    }

    /// An update of this parameter by Adadelta; running the result overwrites the parameter and both means of squares.
    #[track_caller]
    #[doc(hidden)]
    pub fn adadelta_update(&self, gradient: &Tensor, squares: &Tensor, changes: &Tensor, settings: Adadelta) -> Tensor {
        let _off = GradOff::begin();
        record(settings, &[self, gradient, squares, changes])
    }
}
