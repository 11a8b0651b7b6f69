//! RMSProp (Tieleman and Hinton 2012), centered (Graves 2013) or not, with or without momentum.

use super::group::{Common, carries, common};
use super::{Optimizer, check};
use crate::error::Result;
use crate::ops::update::scaled;
use crate::{Gradients, Tensor};

/// s ← αs + (1 − α)g²; d = g / (√s + ε); p ← p − ηd, with momentum b ← μb + d; p ← p − ηb. Centered, it divides by √(s − a²) + ε with
/// a ← αa + (1 − α)g. As PyTorch's.
///
/// ```
/// use steepest::{Device, optim::{Optimizer, RmsProp}};
/// let w = Device::cpu().parameter(&[3.0], 1);
/// let mut opt = RmsProp::new([w.clone()], 0.05).momentum(0.5);
/// for _ in 0..100 {
///     opt.step(w.square().sum(&[]).backward())?;
/// }
/// assert!(w.item()?.abs() < 0.2);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Debug)]
pub struct RmsProp {
    common: Common,
    squares: Vec<Tensor>,
    means: Vec<Tensor>,
    velocity: Vec<Tensor>,
    alpha: f64,
    eps: f64,
    momentum: f64,
    centered: bool,
}

common!(RmsProp);

impl RmsProp {
    /// RMSProp with learning rate `lr` (η; PyTorch's default is 0.01), α = 0.99, ε = 1e-8.
    pub fn new(parameters: impl IntoIterator<Item = Tensor>, lr: f64) -> RmsProp {
        RmsProp {
            common: Common::new(parameters, lr),
            squares: vec![],
            means: vec![],
            velocity: vec![],
            alpha: 0.99,
            eps: 1e-8,
            momentum: 0.0,
            centered: false,
        }
    }

    /// Decay rate α of the moving means, 0 ≤ α < 1.
    pub fn alpha(mut self, alpha: f64) -> RmsProp {
        self.alpha = alpha;
        self
    }

    /// ε, which keeps the division finite.
    pub fn eps(mut self, eps: f64) -> RmsProp {
        self.eps = eps;
        self
    }

    /// Momentum μ, 0 ≤ μ < 1.
    pub fn momentum(mut self, momentum: f64) -> RmsProp {
        self.momentum = momentum;
        self
    }

    /// Whether it divides by the standard deviation of the gradient in place of its root mean square.
    pub fn centered(mut self, on: bool) -> RmsProp {
        self.centered = on;
        self
    }
}

impl Optimizer for RmsProp {
    carries!(RmsProp, ["square_avg": squares, "grad_avg": means, "momentum_buffer": velocity]);

    #[track_caller]
    fn step(&mut self, gradients: Gradients) -> Result<()> {
        let _line = crate::location::on_behalf_of_caller();
        check("alpha", self.alpha, 0.0, 1.0)?;
        check("epsilon", self.eps, 0.0, f64::INFINITY)?;
        check("momentum", self.momentum, 0.0, 1.0)?;
        let moving = self.momentum > 0.0;
        self.common.grow(&mut self.squares, 0.0)?;
        if self.centered {
            self.common.grow(&mut self.means, 0.0)?;
        }
        if moving {
            self.common.grow(&mut self.velocity, 0.0)?;
        }
        self.common.apply(gradients, |i, parameter, gradient, rates| {
            let settings = scaled::RmsProp {
                lr: rates.lr,
                alpha: self.alpha,
                eps: self.eps,
                momentum: moving.then_some(self.momentum),
                centered: self.centered,
                weight_decay: rates.weight_decay,
            };
            let means = self.means.get(i).filter(|_| self.centered);
            let velocity = self.velocity.get(i).filter(|_| moving);
            let state: Vec<&Tensor> = [&self.squares[i]].into_iter().chain(means).chain(velocity).collect();
            parameter.rmsprop_update(gradient, &state, settings)
        })
    }
}
