//! Adadelta (Zeiler 2012).

use super::group::{Common, carries, common};
use super::{Optimizer, check};
use crate::error::Result;
use crate::ops::update::scaled;
use crate::{Gradients, Tensor};

/// s ← ρs + (1 − ρ)g²; d = √(a + ε) / √(s + ε) · g; a ← ρa + (1 − ρ)d²; p ← p − ηd: steps in the units of the parameter. As PyTorch's.
///
/// ```
/// use steepest::{Device, optim::{Adadelta, Optimizer}};
/// let w = Device::cpu().parameter(&[3.0], 1);
/// let mut opt = Adadelta::new([w.clone()], 1.0).eps(1e-3);
/// for _ in 0..200 {
///     opt.step(w.square().sum(&[]).backward())?;
/// }
/// assert!(w.item()?.abs() < 0.1);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Debug)]
pub struct Adadelta {
    common: Common,
    squares: Vec<Tensor>,
    changes: Vec<Tensor>,
    rho: f64,
    eps: f64,
}

common!(Adadelta);

impl Adadelta {
    /// Adadelta with learning rate `lr` (η; PyTorch's default is 1, the paper has none), ρ = 0.9, ε = 1e-6.
    pub fn new(parameters: impl IntoIterator<Item = Tensor>, lr: f64) -> Adadelta {
        Adadelta { common: Common::new(parameters, lr), squares: vec![], changes: vec![], rho: 0.9, eps: 1e-6 }
    }

    /// Decay rate ρ of the moving means, 0 ≤ ρ < 1.
    pub fn rho(mut self, rho: f64) -> Adadelta {
        self.rho = rho;
        self
    }

    /// ε, which keeps the division finite and sets the size of the first steps.
    pub fn eps(mut self, eps: f64) -> Adadelta {
        self.eps = eps;
        self
    }
}

impl Optimizer for Adadelta {
    carries!(Adadelta, ["square_avg": squares, "acc_delta": changes]);

    #[track_caller]
    fn step(&mut self, gradients: Gradients) -> Result<()> {
        let _line = crate::location::on_behalf_of_caller();
        check("rho", self.rho, 0.0, 1.0)?;
        check("epsilon", self.eps, 0.0, f64::INFINITY)?;
        self.common.grow(&mut self.squares, 0.0)?;
        self.common.grow(&mut self.changes, 0.0)?;
        self.common.apply(gradients, |i, parameter, gradient, rates| {
            let weight_decay = rates.weight_decay;
            let settings = scaled::Adadelta { lr: rates.lr, rho: self.rho, eps: self.eps, weight_decay };
            parameter.adadelta_update(gradient, &self.squares[i], &self.changes[i], settings)
        })
    }
}
