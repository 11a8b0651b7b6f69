//! Parameter updates in place. SGD: v ← μv + g + λp, p ← p − η(v or g + μv). Adam: m, v ← moving means of g and g², p ← p − η m̂ / (√v̂ + ε).
//!
//! The others are in `update_scaled.rs`.

use super::case::{Case, Gen};
use super::simd::vectorised;
use crate::error::OpError;
use crate::graph::Accuracy;
use crate::graph::op::{Array, DType, GradCtx, Io, Kernel, Lowering, Op, Spec, Variant};
use crate::graph::{Tensor, no_grad, record};
use crate::shape::Shape;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Invocations in a workgroup of the shaders, each of which updates four elements.
const WORKGROUP: usize = 256;
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

/// The words of scalars, as f32, filled up to whole vectors of four: the stride of the shader's array.
pub(super) fn words(scalars: &[f64]) -> Vec<u32> {
    let mut words: Vec<u32> = scalars.iter().map(|&s| (s as f32).to_bits()).collect();
    words.resize(words.len().next_multiple_of(4), 0);
    words
}

/// One kernel over the parameters of all updates of a kind.
///
/// `native` is handed an update's scalars, what is overwritten (parameter, then state) and the gradient, share by share.
pub(super) fn joined<const K: usize>(
    name: &'static str,
    variant: Variant,
    native: impl Fn(&[f32], [&mut [f32]; K], &[f32]) + Send + Sync + 'static,
) -> Lowering {
    let native = Arc::new(native);
    Lowering::Update(Arc::new(move |spans| {
        let vectors = |words: usize| words.div_ceil(4) as u32;
        let (first, end) = (spans.first().map_or(0, |s| s.start), spans.last().map_or(0, |s| s.end));
        let mut params = vec![vectors(first), vectors(end), spans.len() as u32, 0];
        params.extend(spans.iter().map(|span| vectors(span.end)));
        let groups = Variant::groups((end - first).div_ceil(4 * WORKGROUP));
        let (native, spans) = (native.clone(), spans.to_vec());
        Kernel {
            name,
            params: params.into(),
            // They look for their tensor by halves.
            variants: vec![Variant { groups, ..variant.clone() }.max_loop_iterations(usize::BITS as usize)],
            native: Arc::new(move |io| shares(io, &spans, &*native)),
        }
    }))
}

/// Calls `each` for the shares of every span; on all cores where there is more than one share.
fn shares<const K: usize>(io: &mut Io<'_>, spans: &[Range<usize>], each: &(impl Fn(&[f32], [&mut [f32]; K], &[f32]) + Sync)) {
    let gradient = io.read(0);
    let scalars: &[f32] = bytemuck::cast_slice(io.scalars);
    let width = scalars.len() / spans.len().max(1);
    let mut writes = io.writes.iter_mut().map(|w| bytemuck::cast_slice_mut::<u32, f32>(w));
    let mut rest: [&mut [f32]; K] = std::array::from_fn(|_| writes.next().unwrap_or_default());
    let mut at = 0;
    let mut cut = |from: usize, n: usize| {
        let skip = from - at;
        at = from + n;
        rest.each_mut().map(|r| {
            let (head, tail) = std::mem::take(r)[skip..].split_at_mut(n);
            *r = tail;
            head
        })
    };
    let pieces = spans.iter().enumerate().flat_map(|(k, span)| {
        let step = move |from: usize| (k, from, SHARE.min(span.end - from));
        span.clone().step_by(SHARE).map(step)
    });
    let scalars_of = |k: usize| &scalars[k * width..][..width];
    if spans.iter().map(Range::len).sum::<usize>() <= SHARE {
        pieces.for_each(|(k, from, n)| each(scalars_of(k), cut(from, n), &gradient[from..][..n]));
    } else {
        let tasks: Vec<_> = pieces.map(|(k, from, n)| (k, cut(from, n), &gradient[from..][..n])).collect();
        tasks.into_par_iter().for_each(|(k, writes, g)| each(scalars_of(k), writes, g));
    }
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
    fn accuracy(&self, _: &[&Array]) -> Accuracy {
        Accuracy::Update
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        infer(inputs, self.mutates().len())
    }
    fn lower(&self, _: &[Spec], _: &Spec) -> Lowering {
        let nesterov = self.nesterov;
        if self.momentum.is_some() {
            let variant =
                Variant { consts: vec![("NESTEROV", u32::from(nesterov))], ..Variant::new("update/sgd_momentum", [1; 3]) };
            joined("sgd_momentum", variant, move |s, [p, v], g| sgd_momentum(p, v, g, [s[0], s[1], s[2]], nesterov))
        } else {
            joined("sgd", Variant::new("update/sgd", [1; 3]), |s, [p], g| {
                let (lr, decay) = (s[0], s[2]);
                p.iter_mut().zip(g).for_each(|(p, g)| *p -= lr * (g + decay * *p));
            })
        }
    }
    fn flops(&self, inputs: &[Spec], _: &Spec) -> u64 {
        // g + λp, μv + g, p − ηv
        6 * inputs[0].shape.numel() as u64
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
        // How many there are is settled by `scalars`.
        let eight = |s: &[f32]| std::array::from_fn(|i| s[i]);
        if self.amsgrad {
            joined(self.name(), variant, move |s, [p, m, v, u], g| adam_largest(p, m, v, u, g, eight(s), decoupled))
        } else {
            joined(self.name(), variant, move |s, [p, m, v], g| adam(p, m, v, g, eight(s), decoupled))
        }
    }
    fn flops(&self, inputs: &[Spec], _: &Spec) -> u64 {
        // Two running means of g + λp and g², both corrected, a square root, a quotient, a step.
        15 * inputs[0].shape.numel() as u64
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
        no_grad(|| match velocity {
            Some((velocity, ..)) => record(op, &[self, gradient, velocity]),
            None => record(op, &[self, gradient]),
        })
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
