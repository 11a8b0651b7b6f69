//! NAdam (Dozat 2016): Adam with Nesterov's look-ahead.

use super::group::{Common, betas, carries, common};
use super::{Optimizer, check, check_moments};
use crate::error::Result;
use crate::ops::update;
use crate::{Gradients, Tensor};

/// Adam whose first moment looks one step ahead, with a momentum μₜ = β₁ (1 − ½ · 0.96^(tψ)) that grows to β₁. As PyTorch's;
/// [`update::NAdam`](crate::ops::update::NAdam) has the formula.
///
/// ```
/// use steepest::{Device, optim::{NAdam, Optimizer}};
/// let w = Device::cpu().parameter(&[3.0], 1);
/// let mut opt = NAdam::new([w.clone()], 0.1);
/// for _ in 0..200 {
///     opt.step(w.square().sum(&[]).backward())?;
/// }
/// assert!(w.item()?.abs() < 0.1);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Debug)]
pub struct NAdam {
    common: Common,
    first: Vec<Tensor>,
    second: Vec<Tensor>,
    betas: (f64, f64),
    eps: f64,
    decoupled: bool,
    momentum_decay: f64,
    /// Steps each parameter has had.
    steps: Vec<u64>,
    /// μ₁…μₜ of each parameter, with t: they follow from the steps, so they are no state that must be saved.
    products: Vec<(u64, f64)>,
}

common!(NAdam);
betas!(NAdam, eps, decoupled);

impl NAdam {
    /// NAdam with learning rate `lr` (η; PyTorch's default is 0.002), β = (0.9, 0.999), ε = 1e-8, ψ = 0.004.
    pub fn new(parameters: impl IntoIterator<Item = Tensor>, lr: f64) -> NAdam {
        NAdam {
            common: Common::new(parameters, lr),
            first: vec![],
            second: vec![],
            betas: (0.9, 0.999),
            eps: 1e-8,
            decoupled: false,
            momentum_decay: 4e-3,
            steps: vec![],
            products: vec![],
        }
    }

    /// ψ, how fast the momentum grows to β₁; 0 leaves it at β₁/2.
    pub fn momentum_decay(mut self, decay: f64) -> NAdam {
        self.momentum_decay = decay;
        self
    }
}

/// Steps after which all factors are taken for equal: 0.96 to the power of so many is 0 but for the slowest decays.
const DIFFERENT: u64 = 1 << 24;

/// The product of the momentum of the first `n` steps, in the order in which training takes it. It is 0 long before the steps of a state that says it made
/// billions could be counted.
fn product_of(n: u64, momentum: impl Fn(u64) -> f64) -> f64 {
    let mut product = 1.0;
    for step in 1..=n.min(DIFFERENT) {
        product *= momentum(step);
        if product == 0.0 {
            return 0.0;
        }
    }
    product * momentum(n).powf(n.saturating_sub(DIFFERENT) as f64)
}

impl Optimizer for NAdam {
    carries!(NAdam, ["exp_avg": first, "exp_avg_sq": second], steps);

    #[track_caller]
    fn step(&mut self, gradients: Gradients) -> Result<()> {
        let _line = crate::location::on_behalf_of_caller();
        check_moments(self.common.lr, self.betas, self.eps)?;
        check("momentum decay", self.momentum_decay, 0.0, f64::INFINITY)?;
        self.common.grow(&mut self.first, 0.0)?;
        self.common.grow(&mut self.second, 0.0)?;
        let mut steps = self.steps.clone();
        steps.resize(self.common.len(), 0);
        let momentum = |step| update::NAdam::momentum(self.betas.0, self.momentum_decay, step);
        let mut products = self.products.clone();
        products.resize(steps.len(), (0, 1.0));
        for (product, &n) in products.iter_mut().zip(&steps).filter(|(product, n)| product.0 != **n) {
            *product = (n, product_of(n, momentum));
        }
        self.common.apply(gradients, |i, parameter, gradient, rates| {
            steps[i] = steps[i].saturating_add(1);
            let settings = update::NAdam {
                lr: rates.lr,
                betas: self.betas,
                eps: self.eps,
                weight_decay: rates.weight_decay,
                decoupled: self.decoupled,
                momentum_decay: self.momentum_decay,
                product: products[i].1,
                step: steps[i],
            };
            products[i] = (steps[i], products[i].1 * momentum(steps[i]));
            parameter.nadam_update(gradient, &self.first[i], &self.second[i], settings)
        })?;
        // Only a step that ran counts.
        self.steps = steps;
        self.products = products;
        Ok(())
    }
}
