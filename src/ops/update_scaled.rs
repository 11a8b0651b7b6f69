//! Updates in place that divide by a running size of the gradient: AdaGrad, RMSProp, Adadelta. p ← p − η g / √(what g² was so far).

use super::case::{Case, Gen};
use super::update::{SIZES, infer, joined, words};
use crate::error::OpError;
use crate::graph::Accuracy;
use crate::graph::op::{Array, GradCtx, Lowering, Op, Spec, Variant};
use crate::graph::{Tensor, no_grad, record};

/// The new values of what an update overwrites, from the values of its inputs, element by element.
fn by_element<const K: usize>(inputs: &[&Array], output: &Spec, f: impl Fn(&[f64]) -> [f64; K]) -> Array {
    let n = inputs[0].data.len();
    Array::from_fn(output.shape, |i| f(&inputs.iter().map(|a| a.data[i % n]).collect::<Vec<_>>())[i / n])
}

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
        words(&[self.rate(), self.eps, self.weight_decay])
    }
    fn accuracy(&self, _: &[&Array]) -> Accuracy {
        Accuracy::Update
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        infer(inputs, 2)
    }
    fn lower(&self, _: &[Spec], _: &Spec) -> Lowering {
        joined("adagrad", Variant::new("update/adagrad", [1; 3]), |scalars, [p, s], g| {
            let (rate, eps, decay) = (scalars[0], scalars[1], scalars[2]);
            for ((p, s), g) in p.iter_mut().zip(s).zip(g) {
                let g = g + decay * *p;
                *s += g * g;
                *p -= rate * g / (s.sqrt() + eps);
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
        let mu = self.momentum.unwrap_or(0.0);
        words(&[self.lr, self.alpha, 1.0 - self.alpha, self.eps, mu, self.weight_decay])
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
        let bodies = if self.momentum.is_some() { vec![] } else { vec![("velocity", "{ return d; }".to_owned())] };
        let variant = Variant { bodies, ..Variant::new(shader, [1; 3]) };
        // Scalars: lr, α, 1 − α, ε, μ, λ.
        let plain = |c: &[f32], s: &mut f32, g: f32| {
            *s = c[1] * *s + c[2] * g * g;
            g / (s.sqrt() + c[3])
        };
        let central = |c: &[f32], s: &mut f32, a: &mut f32, g: f32| {
            *s = c[1] * *s + c[2] * g * g;
            *a = c[1] * *a + c[2] * g;
            g / ((*s - *a * *a).max(0.0).sqrt() + c[3])
        };
        let velocity = |c: &[f32], b: &mut f32, d: f32| {
            *b = c[4] * *b + d;
            *b
        };
        match (self.centered, self.momentum.is_some()) {
            (false, false) => joined(name, variant, move |c, [p, s], g| {
                for ((p, s), g) in p.iter_mut().zip(s).zip(g) {
                    *p -= c[0] * plain(c, s, g + c[5] * *p);
                }
            }),
            (false, true) => joined(name, variant, move |c, [p, s, b], g| {
                for (((p, s), b), g) in p.iter_mut().zip(s).zip(b).zip(g) {
                    *p -= c[0] * velocity(c, b, plain(c, s, g + c[5] * *p));
                }
            }),
            (true, false) => joined(name, variant, move |c, [p, s, a], g| {
                for (((p, s), a), g) in p.iter_mut().zip(s).zip(a).zip(g) {
                    *p -= c[0] * central(c, s, a, g + c[5] * *p);
                }
            }),
            (true, true) => joined(name, variant, move |c, [p, s, a, b], g| {
                for ((((p, s), a), b), g) in p.iter_mut().zip(s).zip(a).zip(b).zip(g) {
                    *p -= c[0] * velocity(c, b, central(c, s, a, g + c[5] * *p));
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
        words(&[self.lr, self.rho, 1.0 - self.rho, self.eps, self.weight_decay])
    }
    fn accuracy(&self, _: &[&Array]) -> Accuracy {
        Accuracy::Update
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        infer(inputs, 3)
    }
    fn lower(&self, _: &[Spec], _: &Spec) -> Lowering {
        joined("adadelta", Variant::new("update/adadelta", [1; 3]), |c, [p, s, a], g| {
            let (lr, rho, rest, eps, decay) = (c[0], c[1], c[2], c[3], c[4]);
            for (((p, s), a), g) in p.iter_mut().zip(s).zip(a).zip(g) {
                let g = g + decay * *p;
                *s = rho * *s + rest * g * g;
                let d = ((*a + eps) / (*s + eps)).sqrt() * g;
                *a = rho * *a + rest * d * d;
                *p -= lr * d;
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
    pub fn adagrad_update(&self, gradient: &Tensor, sum: &Tensor, settings: AdaGrad) -> Tensor {
        no_grad(|| record(settings, &[self, gradient, sum]))
    }

    /// An update of this parameter by RMSProp; running the result overwrites the parameter and its state: the mean of squares,
    /// the mean if it is centered, the velocity if there is momentum.
    #[track_caller]
    pub fn rmsprop_update(&self, gradient: &Tensor, state: &[&Tensor], settings: RmsProp) -> Tensor {
        let inputs: Vec<&Tensor> = [self, gradient].into_iter().chain(state.iter().copied()).collect();
        no_grad(|| record(settings, &inputs))
    }

    /// An update of this parameter by Adadelta; running the result overwrites the parameter and both means of squares.
    #[track_caller]
    pub fn adadelta_update(&self, gradient: &Tensor, squares: &Tensor, changes: &Tensor, settings: Adadelta) -> Tensor {
        no_grad(|| record(settings, &[self, gradient, squares, changes]))
    }
}

/// Test inputs: every form, first steps (all state 0) and later ones.
pub fn cases(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    for n in SIZES {
        for (first, weight_decay) in [(true, 0.0), (false, 0.0), (false, 0.1)] {
            let label = format!("[{n}] {} step", if first { "first" } else { "later" });
            let squares = |g: &mut Gen| g.floats(&[n], if first { 0.0 } else { 0.5 }, if first { 0.0 } else { 2.0 });
            let signed =
                |g: &mut Gen, range: f64| g.floats(&[n], if first { 0.0 } else { -range }, if first { 0.0 } else { range });

            let inputs = vec![g.normalish(&[n]), g.normalish(&[n]), squares(g)];
            let step = if first { 1 } else { 40 };
            let op = AdaGrad { lr: 0.1, lr_decay: 0.05, eps: 1e-10, weight_decay, step };
            cases.push(Case::new(label.clone(), op, inputs));

            let inputs = vec![g.normalish(&[n]), g.normalish(&[n]), squares(g), squares(g)];
            cases.push(Case::new(label.clone(), Adadelta { lr: 0.5, rho: 0.9, eps: 1e-6, weight_decay }, inputs));

            for (momentum, centered) in [(None, false), (Some(0.9), false), (None, true), (Some(0.5), true)] {
                let mut inputs = vec![g.normalish(&[n]), g.normalish(&[n]), squares(g)];
                if centered {
                    // The square of a mean is at most the mean of squares.
                    inputs.push(signed(g, 0.6));
                }
                if momentum.is_some() {
                    inputs.push(signed(g, 2.0));
                }
                let op = RmsProp { lr: 0.05, alpha: 0.9, eps: 1e-4, momentum, centered, weight_decay };
                cases.push(Case::new(label.clone(), op, inputs));
            }
        }
    }
    cases
}
