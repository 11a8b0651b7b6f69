//! Lion in place: p ← p − η sign(β₁m + (1 − β₁)g), so that every element moves equally far.

use super::{Settings, by_element, in_place, update};
use crate::graph::op::{Array, Lowering, Op, Spec, Variant};
use crate::graph::{GradOff, Tensor, record};

/// Inputs: parameter, gradient, mean of gradients.
///
/// Lion (Chen et al. 2023): p ← p − ηλp − η sign(β₁m + (1 − β₁)g), sign(0) = 0, then m ← β₂m + (1 − β₂)g.
#[derive(Clone, Debug)]
pub struct Lion {
    /// η
    pub lr: f64,
    /// β₁ and β₂
    pub betas: (f64, f64),
    /// λ
    pub weight_decay: f64,
}

impl Op for Lion {
    in_place!(0, 2);

    fn name(&self) -> &'static str {
        "lion"
    }
    fn scalars(&self) -> Vec<u32> {
        let weight_decay = (self.lr * self.weight_decay) as f32;
        Settings { rate: self.lr as f32, weight_decay, ..Settings::of_betas(self.betas) }.words()
    }
    fn lower(&self, _: &[Spec], _: &Spec) -> Lowering {
        update("lion", Variant::new("update/lion", [1; 3]), |c, [p, m], g| {
            for ((p, m), &g) in p.iter_mut().zip(m).zip(g) {
                let x = c.momentum * *m + c.one_minus_momentum * g;
                *m = c.square_decay * *m + c.one_minus_square_decay * g;
                let way = if x > 0.0 {
                    1.0
                } else if x < 0.0 {
                    -1.0
                } else {
                    x
                };
                *p = *p - c.weight_decay * *p - c.rate * way;
            }
        })
    }
    fn flops(&self, inputs: &[Spec], _: &Spec) -> u64 {
        11 * inputs[0].shape.numel() as u64
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let (b1, b2) = self.betas;
        by_element(inputs, output, |x| {
            let (p, g, m) = (x[0], x[1], x[2]);
            let x = b1 * m + (1.0 - b1) * g;
            let way = if x > 0.0 {
                1.0
            } else if x < 0.0 {
                -1.0
            } else {
                x
            };
            [p - self.lr * self.weight_decay * p - self.lr * way, b2 * m + (1.0 - b2) * g]
        })
    }
}

impl Tensor {
    /// An update of this parameter by Lion; running the result overwrites the parameter and the mean.
    #[track_caller]
    #[doc(hidden)]
    pub fn lion_update(&self, gradient: &Tensor, mean: &Tensor, settings: Lion) -> Tensor {
        let _off = GradOff::begin();
        record(settings, &[self, gradient, mean])
    }
}
