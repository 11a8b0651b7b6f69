//! Muon (Jordan et al. 2024): momentum whose steps have singular values near 1, for the matrices of a network; AdamW for the rest.

use super::group::{Common, betas, common};
use super::{Optimizer, State, check, check_moments, config};
use crate::error::Result;
use crate::ops::update;
use crate::ops::update::Scale;
use crate::{Gradients, Tensor};
use std::collections::HashSet;

/// Parameters of two or more axes move by the momentum of their gradients, made orthogonal ([`Tensor::newton_schulz`]): all directions of a matrix are
/// learned equally fast. Others (biases, scales), and those that are told ([`Muon::by_adam`]: embeddings and the last layer, as its authors advise),
/// are AdamW's. As PyTorch's, with products in f32; [`update::Muon`](crate::ops::update::Muon) has the formula.
///
/// ```
/// use steepest::{Device, nn::{self, Module}, optim::{Muon, Optimizer}};
/// let device = Device::cpu();
/// let model = nn::mlp(&device, &[4, 16, 3], 1);
/// let last = model.parameters()[2].clone();
/// let mut opt = Muon::new(model.parameters(), 0.02).by_adam([last]).adam_lr_factor(0.1);
/// let (x, labels) = (device.ones([8, 4]), device.tensor(&[1u32; 8], 8));
/// let loss = || model.forward(&x).cross_entropy(&labels);
/// let first = loss().item()?;
/// for _ in 0..60 {
///     opt.step(loss().backward())?;
/// }
/// assert!(loss().item()? < 0.5 * first);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Debug)]
pub struct Muon {
    common: Common,
    /// Without elements where AdamW is at work, as `first` and `second` are elsewhere.
    velocity: Vec<Tensor>,
    first: Vec<Tensor>,
    second: Vec<Tensor>,
    /// Numbers of matrices that AdamW is to move.
    by_adam: HashSet<u64>,
    momentum: f64,
    nesterov: bool,
    rounds: usize,
    coefficients: (f64, f64, f64),
    scale: Scale,
    adam_factor: f64,
    betas: (f64, f64),
    eps: f64,
    /// Steps each parameter has had.
    steps: Vec<u64>,
}

common!(Muon);
betas!(Muon, eps);

impl Muon {
    /// Muon with learning rate `lr` (η), momentum μ = 0.95 with Nesterov's look-ahead, weight decay λ = 0.1 apart from the gradient, and five rounds
    /// of the iteration; AdamW with the same rate and decay, β = (0.9, 0.999), ε = 1e-8.
    pub fn new(parameters: impl IntoIterator<Item = Tensor>, lr: f64) -> Muon {
        let muon = Muon {
            common: Common::new(parameters, lr),
            velocity: vec![],
            first: vec![],
            second: vec![],
            by_adam: HashSet::new(),
            momentum: 0.95,
            nesterov: true,
            rounds: 5,
            coefficients: update::COEFFICIENTS,
            scale: Scale::default(),
            adam_factor: 1.0,
            betas: (0.9, 0.999),
            eps: 1e-8,
            steps: vec![],
        };
        muon.weight_decay(0.1)
    }

    /// Matrices, among those given to [`Muon::new`], that AdamW is to move. To be said before the first step.
    pub fn by_adam(mut self, parameters: impl IntoIterator<Item = Tensor>) -> Muon {
        self.by_adam.extend(parameters.into_iter().map(|parameter| parameter.id()));
        self
    }

    /// AdamW's learning rate in units of Muon's, 1 unless set. With [`Scale::MatchAdam`] 1 is usual, else less.
    pub fn adam_lr_factor(mut self, factor: f64) -> Muon {
        self.adam_factor = factor;
        self
    }

    /// Momentum μ, 0 ≤ μ < 1.
    pub fn momentum(mut self, momentum: f64) -> Muon {
        self.momentum = momentum;
        self
    }

    /// Nesterov's look-ahead, on unless switched off.
    pub fn nesterov(mut self, on: bool) -> Muon {
        self.nesterov = on;
        self
    }

    /// Rounds of the iteration, and its coefficients.
    pub fn newton_schulz(mut self, rounds: usize, coefficients: (f64, f64, f64)) -> Muon {
        (self.rounds, self.coefficients) = (rounds, coefficients);
        self
    }

    /// How long a step is in units of the learning rate.
    pub fn scale(mut self, scale: Scale) -> Muon {
        self.scale = scale;
        self
    }

    fn is_matrix(&self, parameter: &Tensor) -> Result<bool> {
        Ok(parameter.try_shape()?.rank() > 1 && !self.by_adam.contains(&parameter.id()))
    }

    fn check(&self) -> Result<()> {
        check_moments(self.common.lr, self.betas, self.eps)?;
        check("momentum", self.momentum, 0.0, 1.0)?;
        check("learning rate factor of AdamW", self.adam_factor, 0.0, f64::INFINITY)?;
        let (a, b, c) = self.coefficients;
        if ![a, b, c].iter().all(|x| (*x as f32).is_finite()) {
            return Err(config("coefficients", format!("{:?} are not all finite", self.coefficients)));
        }
        let device = self.common.parameters().first().map(Tensor::device);
        if let Some(error) = device.and_then(|device| device.too_many_rounds("the number of rounds", self.rounds)) {
            return Err(config("rounds of Newton and Schulz", error.to_string()));
        }
        Ok(())
    }
}

/// The sizes of a state that only matrices have (`of_matrix`), or only other parameters.
fn sizes(parameter: &Tensor, is_matrix: bool, of_matrix: bool) -> Result<Vec<usize>> {
    Ok(if is_matrix == of_matrix { parameter.try_shape()?.dims().to_vec() } else { vec![0] })
}

impl Optimizer for Muon {
    #[track_caller]
    fn step(&mut self, gradients: Gradients) -> Result<()> {
        let _line = crate::location::on_behalf_of_caller();
        self.check()?;
        let matrices = self.common.parameters().iter().map(|p| self.is_matrix(p)).collect::<Result<Vec<_>>>()?;
        for (state, of_matrix) in [(&mut self.velocity, true), (&mut self.first, false), (&mut self.second, false)] {
            self.common.grow_as(state, 0.0, |i, parameter| sizes(parameter, matrices[i], of_matrix))?;
        }
        let mut steps = self.steps.clone();
        steps.resize(self.common.len(), 0);
        self.common.apply_all(gradients, |i, parameter, gradient, rates| {
            steps[i] = steps[i].saturating_add(1);
            if matrices[i] {
                let settings = update::Muon {
                    lr: rates.lr,
                    momentum: self.momentum,
                    nesterov: self.nesterov,
                    weight_decay: rates.weight_decay,
                    steps: self.rounds,
                    coefficients: self.coefficients,
                    scale: self.scale,
                };
                return parameter.muon_update(gradient, &self.velocity[i], &settings);
            }
            let settings = update::Adam {
                lr: rates.lr * self.adam_factor,
                betas: self.betas,
                eps: self.eps,
                weight_decay: rates.weight_decay,
                decoupled: true,
                amsgrad: false,
                step: steps[i],
            };
            vec![parameter.adam_update(gradient, &self.first[i], &self.second[i], None, settings)]
        })?;
        // Only a step that ran counts.
        self.steps = steps;
        Ok(())
    }

    fn lr(&self) -> f64 {
        self.common.lr
    }

    fn set_lr(&mut self, lr: f64) {
        self.common.lr = lr;
    }

    fn state(&self) -> Vec<(&'static str, &[Tensor])> {
        let all = [("momentum_buffer", &self.velocity[..]), ("exp_avg", &self.first), ("exp_avg_sq", &self.second)];
        all.into_iter().filter(|(_, tensors)| !tensors.is_empty()).collect()
    }

    fn kind(&self) -> &'static str {
        "Muon"
    }

    fn steps(&self) -> &[u64] {
        &self.steps
    }

    fn restore(&mut self, state: &State) -> Result<()> {
        let matrices = self.common.parameters().iter().map(|p| self.is_matrix(p)).collect::<Result<Vec<_>>>()?;
        let slots =
            &mut [("momentum_buffer", &mut self.velocity), ("exp_avg", &mut self.first), ("exp_avg_sq", &mut self.second)];
        let sizes = |slot, i: usize, parameter: &Tensor| sizes(parameter, matrices[i], slot == 0);
        self.common.restore_as("Muon", state, slots, Some(&mut self.steps), sizes)
    }
}
