//! Parameter updates in place. SGD: v ← μv + g + λp, p ← p − η(v or g + μv). Adam: m, v ← moving means of g and g², p ← p − η m̂ / (√v̂ + ε).
//!
//! The others are in `update_scaled.rs`.

use super::case::{Case, Gen};
use super::simd::vectorised;
use super::tolerance::Class;
use crate::error::OpError;
use crate::graph::op::{Array, DType, GradCtx, Io, Kernel, Lowering, Op, Operand, Spec, Stage, Variant};
use crate::graph::{Tensor, no_grad, record};
use crate::shape::Shape;
use rayon::prelude::*;
use std::sync::Arc;

/// Elements one thread updates at a time.
const SHARE: usize = 1 << 14;

/// Sizes of test inputs: both sides of the workgroup, none, and more than one thread's share.
pub(super) const SIZES: [usize; 5] = [1, 255, 257, 0, SHARE + 3];

/// Checks that there is a gradient and what is `written`, all f32 of one shape; the output has no value of its own, but is what
/// verification compares.
pub(super) fn infer(inputs: &[Spec], written: usize) -> Result<Spec, OpError> {
    let first = inputs[0];
    if inputs.len() != written + 1 {
        return Err(OpError::Value(format!("{} tensors where a gradient and {written} to overwrite are expected", inputs.len())));
    }
    match inputs.iter().find(|i| i.shape != first.shape || i.dtype != DType::F32) {
        Some(other) => Err(OpError::Shape(format!("parameter {first} and gradient or state {other} differ"))),
        None => Ok(Spec::f32(Shape::new(&[written, first.shape.numel()])?)),
    }
}

/// A stage that reads the gradient and overwrites parameter and state.
pub(super) fn stage(kernel: Kernel, writes: &[usize]) -> Lowering {
    let writes = writes.iter().map(|&i| Operand::Input(i)).collect();
    Lowering::Stages { temps: vec![], stages: vec![Stage { kernel, reads: vec![Operand::Input(1)], writes }] }
}

/// The words of scalars, as f32.
pub(super) fn words(scalars: &[f64]) -> Vec<u32> {
    scalars.iter().map(|&s| (s as f32).to_bits()).collect()
}

/// Hands `each` what is overwritten (parameter, then state) and the gradient, share by share; on all cores where there is more than one share.
pub(super) fn shares<const K: usize>(io: &mut Io<'_>, each: impl Fn([&mut [f32]; K], &[f32]) + Sync) {
    let gradient = io.read(0);
    let mut writes = io.writes.iter_mut().map(|w| bytemuck::cast_slice_mut::<u32, f32>(w));
    let mut rest: [&mut [f32]; K] = std::array::from_fn(|_| writes.next().unwrap_or_default());
    if gradient.len() <= SHARE {
        return each(rest, gradient);
    }
    let cut = |g: &'_ [f32]| {
        rest.each_mut().map(|r| {
            let (head, tail) = std::mem::take(r).split_at_mut(g.len());
            *r = tail;
            head
        })
    };
    let heads: Vec<[&mut [f32]; K]> = gradient.chunks(SHARE).map(cut).collect();
    heads.into_par_iter().zip(gradient.par_chunks(SHARE)).for_each(|(heads, g)| each(heads, g));
}

vectorised! {
    /// A share's step of SGD with momentum: η, μ, λ; and whether it looks ahead.
    fn sgd_momentum<'a>(p: &'a mut [f32], v: &'a mut [f32], g: &'a [f32], scalars: [f32; 3], nesterov: bool) {
        let [lr, mu, decay] = scalars;
        for ((p, v), g) in p.iter_mut().zip(v).zip(g) {
            let g = g + decay * *p;
            *v = mu * *v + g;
            *p -= lr * if nesterov { g + mu * *v } else { *v };
        }
    }
}

/// Inputs: parameter, gradient, and the velocity where there is momentum.
///
/// As PyTorch's: g ← g + λp; v ← μv + g; p ← p − η v, or p − η (g + μv) with Nesterov's look-ahead.
#[derive(Clone, Debug)]
pub struct Sgd {
    /// η
    pub lr: f64,
    /// μ; without it there is no velocity.
    pub momentum: Option<f64>,
    /// Whether the step looks ahead.
    pub nesterov: bool,
    /// λ
    pub weight_decay: f64,
}

impl Op for Sgd {
    fn name(&self) -> &'static str {
        "sgd"
    }
    fn params(&self) -> Vec<u32> {
        vec![u32::from(self.momentum.is_some()), u32::from(self.nesterov)]
    }
    fn scalars(&self) -> Vec<u32> {
        words(&[self.lr, self.momentum.unwrap_or(0.0), self.weight_decay])
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        infer(inputs, self.mutates().len())
    }
    fn lower(&self, inputs: &[Spec], _: &Spec) -> Lowering {
        let count = inputs[0].shape.numel();
        let (moving, nesterov) = (self.momentum.is_some(), self.nesterov);
        let shader = if moving { "sgd_momentum" } else { "sgd" };
        let mut variant = Variant::new(shader, Variant::groups(count.div_ceil(256)));
        if moving {
            variant.consts = vec![("NESTEROV", u32::from(nesterov))];
        }
        let kernel = Kernel {
            name: shader,
            params: vec![count as u32],
            variants: vec![variant],
            native: Arc::new(move |io| {
                let [lr, mu, decay] = std::array::from_fn(|i| io.scalar(i));
                if moving {
                    shares(io, |[p, v], g| sgd_momentum(p, v, g, [lr, mu, decay], nesterov));
                } else {
                    shares(io, |[p], g| p.iter_mut().zip(g).for_each(|(p, g)| *p -= lr * (g + decay * *p)));
                }
            }),
        };
        stage(kernel, self.mutates_with_velocity())
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let n = inputs[0].data.len();
        let mu = self.momentum.unwrap_or(0.0);
        Array::from_fn(output.shape, |i| {
            let (p, g) = (inputs[0].data[i % n], inputs[1].data[i % n]);
            let g = g + self.weight_decay * p;
            let v = inputs.get(2).map_or(0.0, |v| mu * v.data[i % n]) + g;
            match (i / n, self.nesterov) {
                (1, _) => v,
                (_, true) => p - self.lr * (g + mu * v),
                (_, false) => p - self.lr * v,
            }
        })
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![None; ctx.inputs.len()]
    }
    fn mutates(&self) -> &'static [usize] {
        self.mutates_with_velocity()
    }
}

impl Sgd {
    fn mutates_with_velocity(&self) -> &'static [usize] {
        if self.momentum.is_some() { &[0, 2] } else { &[0] }
    }
}

/// Moves one parameter's moments on; says what the parameter is before the step and the moments after.
#[inline(always)]
fn moments(p: f32, m: f32, v: f32, g: f32, [_, b1, c1, b2, c2, _, _, decay]: [f32; 8], decoupled: bool) -> [f32; 3] {
    let (p, g) = if decoupled { (p - decay * p, g) } else { (p, g + decay * p) };
    [p, b1 * m + c1 * g, b2 * v + c2 * g * g]
}

vectorised! {
    /// A share's step of Adam.
    fn adam<'a>(p: &'a mut [f32], m: &'a mut [f32], v: &'a mut [f32], g: &'a [f32], scalars: [f32; 8], decoupled: bool) {
        let [rate, .., root, eps, _] = scalars;
        for (((p, m), v), &g) in p.iter_mut().zip(m).zip(v).zip(g) {
            [*p, *m, *v] = moments(*p, *m, *v, g, scalars, decoupled);
            *p -= rate * *m / (v.sqrt() * root + eps);
        }
    }
}

vectorised! {
    /// A share's step of AMSGrad.
    fn adam_largest<'a>(
        p: &'a mut [f32],
        m: &'a mut [f32],
        v: &'a mut [f32],
        u: &'a mut [f32],
        g: &'a [f32],
        scalars: [f32; 8],
        decoupled: bool,
    ) {
        let [rate, .., root, eps, _] = scalars;
        for ((((p, m), v), u), &g) in p.iter_mut().zip(m).zip(v).zip(u).zip(g) {
            [*p, *m, *v] = moments(*p, *m, *v, g, scalars, decoupled);
            *u = u.max(*v);
            *p -= rate * *m / (u.sqrt() * root + eps);
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
        words(&[
            self.lr / one,
            self.betas.0,
            1.0 - self.betas.0,
            self.betas.1,
            1.0 - self.betas.1,
            1.0 / two,
            self.eps,
            if self.decoupled { self.lr * self.weight_decay } else { self.weight_decay },
        ])
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        infer(inputs, self.mutates().len())
    }
    fn lower(&self, inputs: &[Spec], _: &Spec) -> Lowering {
        let count = inputs[0].shape.numel();
        let (decoupled, amsgrad) = (self.decoupled, self.amsgrad);
        let variant = Variant {
            consts: vec![("DECOUPLED", u32::from(decoupled))],
            bodies: if amsgrad { vec![] } else { vec![("largest", "{ return v; }".to_owned())] },
            ..Variant::new("adam", Variant::groups(count.div_ceil(256)))
        };
        let kernel = Kernel {
            name: self.name(),
            params: vec![count as u32],
            variants: vec![variant],
            native: Arc::new(move |io| {
                let scalars = std::array::from_fn(|i| io.scalar(i));
                if amsgrad {
                    shares(io, |[p, m, v, u], g| adam_largest(p, m, v, u, g, scalars, decoupled));
                } else {
                    shares(io, |[p, m, v], g| adam(p, m, v, g, scalars, decoupled));
                }
            }),
        };
        stage(kernel, self.mutates())
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let n = inputs[0].data.len();
        let (one, two) = self.corrections();
        let (b1, b2) = self.betas;
        Array::from_fn(output.shape, |i| {
            let [mut p, mut g, m, v] = std::array::from_fn(|k| inputs[k].data[i % n]);
            if self.decoupled {
                p -= self.lr * self.weight_decay * p;
            } else {
                g += self.weight_decay * p;
            }
            let (m, v) = (b1 * m + (1.0 - b1) * g, b2 * v + (1.0 - b2) * g * g);
            let u = if self.amsgrad { inputs[4].data[i % n].max(v) } else { v };
            [p - self.lr / one * m / (u.sqrt() / two + self.eps), m, v, u][i / n]
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
    /// An update of this parameter by gradient descent; running the result overwrites the parameter and the velocity.
    ///
    /// `velocity` is the tensor v with momentum μ and whether to look ahead (Nesterov).
    #[track_caller]
    pub fn sgd_update(&self, gradient: &Tensor, velocity: Option<(&Tensor, f64, bool)>, lr: f64, weight_decay: f64) -> Tensor {
        let op = Sgd {
            lr,
            momentum: velocity.map(|(_, momentum, _)| momentum),
            nesterov: velocity.is_some_and(|(_, _, nesterov)| nesterov),
            weight_decay,
        };
        let inputs: Vec<&Tensor> = [self, gradient].into_iter().chain(velocity.map(|(v, ..)| v)).collect();
        no_grad(|| record(op, &inputs))
    }

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

/// The bound of one training step.
pub fn class(op: &dyn Op, _: &[&Array]) -> Option<Class> {
    matches!(op.name(), "sgd" | "adam" | "adamw").then_some(Class::Update)
}

/// Test inputs: every form, both sides of the workgroup, first and later steps.
pub fn cases(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    for n in SIZES {
        let mut three = || vec![g.normalish(&[n]), g.normalish(&[n]), g.normalish(&[n])];
        for (momentum, nesterov, weight_decay) in
            [(None, false, 0.0), (None, false, 0.1), (Some(0.9), false, 0.0), (Some(0.9), true, 0.01)]
        {
            let mut inputs = three();
            inputs.truncate(if momentum.is_some() { 3 } else { 2 });
            cases.push(Case::new(format!("[{n}]"), Sgd { lr: 0.1, momentum, nesterov, weight_decay }, inputs));
        }
        for (step, weight_decay, decoupled) in [(1, 0.0, false), (3, 0.1, false), (1000, 0.1, true)] {
            let inputs = vec![g.normalish(&[n]), g.normalish(&[n]), g.normalish(&[n]), g.floats(&[n], 0.0, 2.0)];
            let op = Adam { lr: 0.01, betas: (0.9, 0.999), eps: 1e-8, weight_decay, decoupled, amsgrad: false, step };
            cases.push(Case::new(format!("[{n}] step {step}"), op.clone(), inputs.clone()));
            let inputs = inputs.into_iter().chain([g.floats(&[n], 0.0, 2.0)]).collect();
            cases.push(Case::new(format!("[{n}] step {step}"), Adam { amsgrad: true, ..op }, inputs));
        }
    }
    cases
}
