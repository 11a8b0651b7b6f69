//! SGD in place: v ← μv + κ(g + λp), p ← p − η(v or g + μv).

use super::super::simd::vectorised;
use super::{Settings, by_element, infer, update, without_velocity};
use crate::error::OpError;
use crate::graph::Accuracy;
use crate::graph::op::{Array, GradCtx, Lowering, Op, Spec, Variant};
use crate::graph::{GradOff, Tensor, record};

vectorised! {
    /// A step of SGD with momentum, and whether it looks ahead.
    fn sgd_momentum<'a>(p: &'a mut [f32], v: &'a mut [f32], g: &'a [f32], settings: Settings, nesterov: bool) {
        let Settings { rate, weight_decay, momentum, one_minus_momentum: gain, .. } = settings;
        for ((p, v), g) in p.iter_mut().zip(v).zip(g) {
            let g = g + weight_decay * *p;
            *v = momentum * *v + gain * g;
            *p -= rate * if nesterov { g + momentum * *v } else { *v };
        }
    }
}

/// Inputs: parameter, gradient, and the velocity where there is momentum.
///
/// As PyTorch's: g ← g + λp; v ← μv + κg; p ← p − η v, or p − η (g + μv) with Nesterov's look-ahead.
#[derive(Clone, Debug)]
pub struct Sgd {
    /// η
    pub lr: f64,
    /// μ; without it there is no velocity.
    pub momentum: Option<f64>,
    /// κ, how much of the gradient goes into the velocity: 1 − dampening, but 1 in a parameter's first step.
    pub gain: f64,
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
        let settings = Settings {
            rate: self.lr as f32,
            weight_decay: self.weight_decay as f32,
            momentum: self.momentum.unwrap_or(0.0) as f32,
            one_minus_momentum: if self.momentum.is_some() { self.gain as f32 } else { 1.0 },
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
        let nesterov = self.nesterov;
        if self.momentum.is_some() {
            let variant = Variant { consts: vec![("NESTEROV", u32::from(nesterov))], ..Variant::new("update/sgd", [1; 3]) };
            update("sgd_momentum", variant, move |c, [p, v], g| sgd_momentum(p, v, g, c, nesterov))
        } else {
            let variant = Variant { bodies: vec![without_velocity()], ..Variant::new("update/sgd", [1; 3]) };
            update("sgd", variant, |c, [p], g| {
                p.iter_mut().zip(g).for_each(|(p, g)| *p -= c.rate * (g + c.weight_decay * *p));
            })
        }
    }
    fn flops(&self, inputs: &[Spec], _: &Spec) -> u64 {
        // g + λp, μv + g, p − ηv
        6 * inputs[0].shape.numel() as u64
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let mu = self.momentum.unwrap_or(0.0);
        by_element(inputs, output, |x| {
            let g = x[1] + self.weight_decay * x[0];
            let v = x.get(2).map_or(g, |v| mu * v + self.gain * g);
            [x[0] - self.lr * if self.nesterov { g + mu * v } else { v }, v]
        })
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![None; ctx.inputs.len()]
    }
    fn mutates(&self) -> &'static [usize] {
        if self.momentum.is_some() { &[0, 2] } else { &[0] }
    }
}

impl Tensor {
    /// An update of this parameter by gradient descent; running the result overwrites the parameter and the velocity.
    ///
    /// `velocity` is the tensor v with momentum μ and whether to look ahead (Nesterov).
    #[track_caller]
    #[doc(hidden)]
    pub fn sgd_update(&self, gradient: &Tensor, velocity: Option<(&Tensor, f64, bool)>, lr: f64, weight_decay: f64) -> Tensor {
        let op = Sgd {
            lr,
            momentum: velocity.map(|(_, momentum, _)| momentum),
            gain: 1.0,
            nesterov: velocity.is_some_and(|(_, _, nesterov)| nesterov),
            weight_decay,
        };
        self.sgd_update_with(gradient, velocity.map(|(velocity, ..)| velocity), op)
    }

    /// The same with every setting; `velocity` is given where there is momentum, and only there.
    #[track_caller]
    #[doc(hidden)]
    pub fn sgd_update_with(&self, gradient: &Tensor, velocity: Option<&Tensor>, settings: Sgd) -> Tensor {
        let inputs: Vec<&Tensor> = [self, gradient].into_iter().chain(velocity).collect();
        let _off = GradOff::begin();
        record(settings, &inputs)
    }
}
