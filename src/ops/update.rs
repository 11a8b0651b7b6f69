//! Parameter updates in place. SGD: v ← μv + g + λp, p ← p − η(v or g + μv). Adam: m, v ← moving means of g and g², p ← p − η m̂ / (√v̂ + ε).

use super::case::{Case, Gen};
use super::tolerance::Class;
use crate::error::OpError;
use crate::graph::op::{Array, DType, GradCtx, Kernel, Lowering, Op, Operand, Spec, Stage, Variant};
use crate::graph::{Tensor, no_grad, record};
use crate::shape::Shape;
use rayon::prelude::*;
use std::sync::Arc;

/// Elements one thread updates at a time.
const SHARE: usize = 1 << 14;

/// Checks that all tensors of an update are f32 of one shape; the output has no value of its own, but is what verification compares.
fn infer(inputs: &[Spec], written: usize) -> Result<Spec, OpError> {
    let first = inputs[0];
    match inputs.iter().find(|i| i.shape != first.shape || i.dtype != DType::F32) {
        Some(other) => Err(OpError::Shape(format!("parameter {first} and gradient or state {other} differ"))),
        None => Ok(Spec::f32(Shape::new(&[written, first.shape.numel()])?)),
    }
}

/// A stage that reads the gradient and overwrites parameter and state.
fn stage(kernel: Kernel, writes: &[usize]) -> Lowering {
    let writes = writes.iter().map(|&i| Operand::Input(i)).collect();
    Lowering::Stages { temps: vec![], stages: vec![Stage { kernel, reads: vec![Operand::Input(1)], writes }] }
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
        [self.lr, self.momentum.unwrap_or(0.0), self.weight_decay].iter().map(|&s| (s as f32).to_bits()).collect()
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        infer(inputs, self.mutates().len())
    }
    fn lower(&self, inputs: &[Spec], _: &Spec) -> Lowering {
        let count = inputs[0].shape.numel();
        let nesterov = self.nesterov;
        let shader = if self.momentum.is_some() { "sgd_momentum" } else { "sgd" };
        let mut variant = Variant::new(shader, Variant::groups(count.div_ceil(256)));
        if self.momentum.is_some() {
            variant.consts = vec![("NESTEROV", u32::from(nesterov))];
        }
        let kernel = Kernel {
            name: shader,
            params: vec![count as u32],
            variants: vec![variant],
            native: Arc::new(move |io| {
                let (lr, mu, decay, g) = (io.scalar(0), io.scalar(1), io.scalar(2), io.read(0));
                match io.writes {
                    [p, v] => {
                        let (p, v) = (bytemuck::cast_slice_mut::<u32, f32>(p), bytemuck::cast_slice_mut::<u32, f32>(v));
                        let each = |((p, v), g): ((&mut [f32], &mut [f32]), &[f32])| {
                            for ((p, v), g) in p.iter_mut().zip(v).zip(g) {
                                let g = g + decay * *p;
                                *v = mu * *v + g;
                                *p -= lr * if nesterov { g + mu * *v } else { *v };
                            }
                        };
                        if p.len() <= SHARE {
                            each(((p, v), g));
                        } else {
                            p.par_chunks_mut(SHARE).zip(v.par_chunks_mut(SHARE)).zip(g.par_chunks(SHARE)).for_each(each);
                        }
                    }
                    _ => {
                        for (p, g) in io.write(0).iter_mut().zip(g) {
                            *p -= lr * (g + decay * *p);
                        }
                    }
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

/// Inputs: parameter, gradient, first and second moment.
///
/// As PyTorch's Adam (λ joins the gradient) or AdamW (λ shrinks the parameter first):
/// m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², p ← p − η/(1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + ε).
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
    fn scalars(&self) -> Vec<u32> {
        let (one, two) = self.corrections();
        // The step size is worked out here in f64: 1 − β₁ᵗ loses digits in f32. So are 1 − β.
        [
            self.lr / one,
            self.betas.0,
            1.0 - self.betas.0,
            self.betas.1,
            1.0 - self.betas.1,
            1.0 / two,
            self.eps,
            if self.decoupled { self.lr * self.weight_decay } else { self.weight_decay },
        ]
        .iter()
        .map(|&s| (s as f32).to_bits())
        .collect()
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        infer(inputs, 3)
    }
    fn lower(&self, inputs: &[Spec], _: &Spec) -> Lowering {
        let count = inputs[0].shape.numel();
        let decoupled = self.decoupled;
        let variant = Variant {
            consts: vec![("DECOUPLED", u32::from(decoupled))],
            ..Variant::new("adam", Variant::groups(count.div_ceil(256)))
        };
        let kernel = Kernel {
            name: self.name(),
            params: vec![count as u32],
            variants: vec![variant],
            native: Arc::new(move |io| {
                let [rate, b1, c1, b2, c2, root, eps, decay] = std::array::from_fn(|i| io.scalar(i));
                let g = io.read(0);
                let [p, m, v] = io.writes else { return };
                let (p, m, v): (&mut [f32], &mut [f32], &mut [f32]) =
                    (bytemuck::cast_slice_mut(p), bytemuck::cast_slice_mut(m), bytemuck::cast_slice_mut(v));
                let each = |p: &mut [f32], m: &mut [f32], v: &mut [f32], g: &[f32]| {
                    for (((p, m), v), g) in p.iter_mut().zip(m).zip(v).zip(g) {
                        let mut g = *g;
                        if decoupled {
                            *p -= decay * *p;
                        } else {
                            g += decay * *p;
                        }
                        *m = b1 * *m + c1 * g;
                        *v = b2 * *v + c2 * g * g;
                        *p -= rate * *m / (v.sqrt() * root + eps);
                    }
                };
                if p.len() <= SHARE {
                    each(p, m, v, g);
                } else {
                    let parts = p.par_chunks_mut(SHARE).zip(m.par_chunks_mut(SHARE)).zip(v.par_chunks_mut(SHARE));
                    parts.zip(g.par_chunks(SHARE)).for_each(|(((p, m), v), g)| each(p, m, v, g));
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
            [p - self.lr / one * m / (v.sqrt() / two + self.eps), m, v][i / n]
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

    /// An update of this parameter by Adam; running the result overwrites the parameter and both moments.
    #[track_caller]
    pub fn adam_update(&self, gradient: &Tensor, first: &Tensor, second: &Tensor, settings: Adam) -> Tensor {
        no_grad(|| record(settings, &[self, gradient, first, second]))
    }
}

/// The bound of one training step.
pub fn class(op: &dyn Op, _: &[&Array]) -> Option<Class> {
    matches!(op.name(), "sgd" | "adam" | "adamw").then_some(Class::Update)
}

/// Test inputs: every form, both sides of the workgroup, first and later steps.
pub fn cases(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    for n in [1, 255, 257, 0] {
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
            let op = Adam { lr: 0.01, betas: (0.9, 0.999), eps: 1e-8, weight_decay, decoupled, step };
            cases.push(Case::new(format!("[{n}] step {step}"), op, inputs));
        }
    }
    cases
}
