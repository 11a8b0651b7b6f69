//! What all optimizers share: parameters in groups, learning rate, weight decay, L1 penalty.

use super::{check, config};
use crate::error::Result;
use crate::{Gradients, Tensor, pattern};
use std::collections::HashSet;

/// Parameters with settings of their own. What a group does not set is the optimizer's.
///
/// ```
/// use steepest::{Device, optim::{Adam, Group, Optimizer}};
/// let device = Device::cpu();
/// let (w, b) = (device.parameter(&[3.0], 1), device.parameter(&[1.0], 1));
/// let biases = Group::new([b.clone()]).lr_factor(2.0).weight_decay(0.0);
/// let mut opt = Adam::w([w.clone()], 0.1).group(biases);
/// opt.step((&w * &b).square().sum(&[]).backward())?;
/// assert!((b.item()? - 0.8).abs() < 1e-5);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Group {
    parameters: Vec<Tensor>,
    own: Own,
}

/// A group's settings.
#[derive(Clone, Copy, Debug)]
struct Own {
    lr_factor: f64,
    weight_decay: Option<f64>,
    l1: Option<f64>,
}

impl Group {
    /// A group that differs in nothing yet.
    pub fn new(parameters: impl IntoIterator<Item = Tensor>) -> Group {
        let own = Own { lr_factor: 1.0, weight_decay: None, l1: None };
        Group { parameters: parameters.into_iter().collect(), own }
    }

    /// A group of those of the named parameters that a pattern means, in which `*` stands for any text and `?` for any one character. They are taken out
    /// of the list, so that what is left is in no group yet.
    ///
    /// ```
    /// use steepest::{Device, nn::{self, Module}, optim::{Adam, Group}};
    /// let model = nn::mlp(&Device::cpu(), &[4, 8, 8, 2], 1);
    /// let mut named = model.named_parameters();
    /// let first = Group::matching(&mut named, "0.*")?.lr_factor(0.1);
    /// let biases = Group::vectors(&mut named).weight_decay(0.0);
    /// let rest = named.into_iter().map(|(_, parameter)| parameter);
    /// let opt = Adam::w(rest, 1e-3).weight_decay(0.01).group(first).group(biases);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config): a pattern that matches no name of the list.
    pub fn matching(named: &mut Vec<(String, Tensor)>, names: &str) -> Result<Group> {
        pattern::check(names, named.iter().map(|(name, _)| name.as_str()))?;
        Ok(Group::taken(named, |name, _| pattern::matches(names, name)))
    }

    /// A group of those of the named parameters that have one axis at most, which weight decay is usually not for: biases, and the factors of
    /// normalisations. They are taken out of the list.
    pub fn vectors(named: &mut Vec<(String, Tensor)>) -> Group {
        Group::taken(named, |_, parameter| parameter.try_shape().is_ok_and(|shape| shape.rank() < 2))
    }

    fn taken(named: &mut Vec<(String, Tensor)>, meant: impl Fn(&str, &Tensor) -> bool) -> Group {
        let (taken, rest): (Vec<_>, Vec<_>) = std::mem::take(named).into_iter().partition(|(name, p)| meant(name, p));
        *named = rest;
        Group::new(taken.into_iter().map(|(_, parameter)| parameter))
    }

    /// The group's learning rate is the optimizer's times this. 0 keeps its parameters as they are while their gradients are finite: 0 times an
    /// infinite step is NaN.
    pub fn lr_factor(mut self, factor: f64) -> Group {
        self.own.lr_factor = factor;
        self
    }

    /// The group's weight decay λ.
    pub fn weight_decay(mut self, decay: f64) -> Group {
        self.own.weight_decay = Some(decay);
        self
    }

    /// The group's L1 penalty λ₁.
    pub fn l1(mut self, penalty: f64) -> Group {
        self.own.l1 = Some(penalty);
        self
    }
}

/// The parameters of an optimizer and the settings that every kind of optimizer has.
#[derive(Debug)]
pub(super) struct Common {
    parameters: Vec<Tensor>,
    /// One per parameter.
    own: Vec<Own>,
    /// The first parameter that was given before.
    twice: Option<usize>,
    pub(super) lr: f64,
    pub(super) weight_decay: f64,
    pub(super) l1: f64,
    /// Whether it goes up.
    pub(super) maximize: bool,
}

/// What holds for one parameter in one step.
pub(super) struct Rates {
    /// η
    pub(super) lr: f64,
    /// λ
    pub(super) weight_decay: f64,
}

impl Common {
    pub(super) fn new(parameters: impl IntoIterator<Item = Tensor>, lr: f64) -> Common {
        let mut common = Common { parameters: vec![], own: vec![], twice: None, lr, weight_decay: 0.0, l1: 0.0, maximize: false };
        common.add(Group::new(parameters));
        common
    }

    pub(super) fn add(&mut self, group: Group) {
        self.own.resize(self.own.len() + group.parameters.len(), group.own);
        self.parameters.extend(group.parameters);
        let mut seen = HashSet::new();
        self.twice = self.parameters.iter().position(|p| !seen.insert(p.id()));
    }

    pub(super) fn parameters(&self) -> &[Tensor] {
        &self.parameters
    }

    pub(super) fn len(&self) -> usize {
        self.parameters.len()
    }

    /// Makes `state` one tensor per parameter; those that are new hold `start` everywhere.
    pub(super) fn grow(&self, state: &mut Vec<Tensor>, start: f64) -> Result<()> {
        self.grow_as(state, start, |_, parameter| Ok(parameter.try_shape()?.dims().to_vec()))
    }

    /// The same where the state of a parameter has a shape of its own. No elements stand for no state.
    pub(super) fn grow_as(
        &self,
        state: &mut Vec<Tensor>,
        start: f64,
        sizes: impl Fn(usize, &Tensor) -> Result<Vec<usize>>,
    ) -> Result<()> {
        for (i, parameter) in self.parameters.iter().enumerate().skip(state.len()) {
            let sizes = sizes(i, parameter)?;
            let what = format_args!("the optimizer's state of parameter {i}");
            // Without room for it there is no state yet: the next step tries again.
            state.push(parameter.device().filled("step", what, &sizes, start as f32)?);
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        check("learning rate", self.lr, 0.0, f64::INFINITY)?;
        check("weight decay", self.weight_decay, 0.0, f64::INFINITY)?;
        check("L1 penalty", self.l1, 0.0, f64::INFINITY)?;
        for own in &self.own {
            check("learning rate factor", own.lr_factor, 0.0, f64::INFINITY)?;
            check("weight decay of a group", own.weight_decay.unwrap_or(0.0), 0.0, f64::INFINITY)?;
            check("L1 penalty of a group", own.l1.unwrap_or(0.0), 0.0, f64::INFINITY)?;
        }
        match self.twice {
            // Two updates of one parameter in one run would each have started from the old value, or not.
            Some(i) => Err(config("parameters", format!("{:?} was given to the optimizer twice", self.parameters[i]))),
            None => Ok(()),
        }
    }

    /// Records an update for each parameter that has a gradient, and runs them all.
    pub(super) fn apply(
        &self,
        gradients: Gradients,
        mut update: impl FnMut(usize, &Tensor, &Tensor, Rates) -> Tensor,
    ) -> Result<()> {
        self.apply_all(gradients, |i, parameter, gradient, rates| vec![update(i, parameter, gradient, rates)])
    }

    /// The same where a parameter and its state have updates of their own.
    ///
    /// The L1 penalty λ₁ Σ|p| is here a part of the gradient, λ₁ sign(p), and so is the sign of one that goes up: recorded as such, they need no
    /// place in any kernel.
    pub(super) fn apply_all(
        &self,
        gradients: Gradients,
        mut update: impl FnMut(usize, &Tensor, &Tensor, Rates) -> Vec<Tensor>,
    ) -> Result<()> {
        self.check()?;
        let Some(first) = self.parameters.first() else {
            return Err(config("parameters", "there are none to update".to_owned()));
        };
        let unused = gradients.check(&self.parameters)?;
        if !unused.is_empty() {
            tracing::debug!(
                "{} of {} parameters were not used in this step, the first {:?}",
                unused.len(),
                self.len(),
                unused[0]
            );
        }
        let mut wanted: Vec<Tensor> = gradients.roots().cloned().collect();
        let mut stepped = 0;
        for (i, (parameter, own)) in self.parameters.iter().zip(&self.own).enumerate() {
            let Some(gradient) = gradients.get(parameter)? else { continue };
            let l1 = own.l1.unwrap_or(self.l1);
            let turned = self.maximize.then(|| gradient.neg());
            let gradient = turned.as_ref().unwrap_or(gradient);
            let penalised = (l1 > 0.0).then(|| gradient.add(&parameter.sign().mul_scalar(l1)));
            let weight_decay = own.weight_decay.unwrap_or(self.weight_decay);
            let rates = Rates { lr: self.lr * own.lr_factor, weight_decay };
            wanted.extend(update(i, parameter, penalised.as_ref().unwrap_or(gradient), rates));
            stepped += 1;
        }
        if stepped == 0 {
            return Err(config("gradients", "the loss depends on none of the parameters given to the optimizer".to_owned()));
        }
        // The gradients themselves need not outlive the run.
        drop(gradients);
        first.device().run(&wanted)
    }
}

/// The builder methods of the settings every optimizer has, and its learning rate.
macro_rules! common {
    ($optimizer:ident) => {
        impl $optimizer {
            /// Weight decay λ, where a group does not set its own: adds λp to the gradient, the gradient of ½λ‖p‖². Where it is decoupled from
            /// the gradient, as AdamW's, it shrinks p by ηλp instead.
            pub fn weight_decay(mut self, decay: f64) -> $optimizer {
                self.common.weight_decay = decay;
                self
            }

            /// L1 penalty λ₁, where a group does not set its own: adds λ₁ sign(p) to the gradient, the gradient of λ₁ Σ|p|.
            pub fn l1(mut self, penalty: f64) -> $optimizer {
                self.common.l1 = penalty;
                self
            }

            /// Whether it goes up the gradient instead of down. Weight decay and the L1 penalty still make parameters smaller.
            pub fn maximize(mut self, on: bool) -> $optimizer {
                self.common.maximize = on;
                self
            }

            /// Adds parameters with settings of their own.
            pub fn group(mut self, group: $crate::optim::Group) -> $optimizer {
                self.common.add(group);
                self
            }
        }
    };
}
pub(super) use common;

/// The builder methods of optimizers with two moving means, with or without ε.
macro_rules! betas {
    ($optimizer:ident) => {
        impl $optimizer {
            /// Decay rates β₁ and β₂ of the moving means, each 0 ≤ β < 1.
            pub fn betas(mut self, first: f64, second: f64) -> $optimizer {
                self.betas = (first, second);
                self
            }
        }
    };
    ($optimizer:ident, eps) => {
        $crate::optim::group::betas!($optimizer);

        impl $optimizer {
            /// ε, which keeps the division finite. With 0 an element whose gradients were all 0 becomes NaN.
            pub fn eps(mut self, eps: f64) -> $optimizer {
                self.eps = eps;
                self
            }
        }
    };
    ($optimizer:ident, eps, decoupled) => {
        $crate::optim::group::betas!($optimizer, eps);

        impl $optimizer {
            /// Whether weight decay shrinks the parameter by ηλp apart from the gradient, as AdamW's.
            pub fn decoupled_weight_decay(mut self, on: bool) -> $optimizer {
                self.decoupled = on;
                self
            }
        }
    };
}
pub(super) use betas;

/// The methods of `Optimizer` that say what one carries: its kind, its tensors by PyTorch's names, and the steps where it counts them.
macro_rules! carries {
    ($optimizer:ident, [$($name:literal: $slot:ident),*] $(, $steps:ident)?) => {
        fn lr(&self) -> f64 {
            self.common.lr
        }

        fn set_lr(&mut self, lr: f64) {
            self.common.lr = lr;
        }

        fn state(&self) -> Vec<(&'static str, &[$crate::Tensor])> {
            let all: Vec<(&'static str, &[$crate::Tensor])> = vec![$(($name, &self.$slot)),*];
            all.into_iter().filter(|(_, tensors)| !tensors.is_empty()).collect()
        }

        fn kind(&self) -> &'static str {
            stringify!($optimizer)
        }

        $(fn steps(&self) -> &[u64] {
            &self.$steps
        }

        fn set_steps(&mut self, steps: &[u64]) {
            self.$steps = steps.to_vec();
        })?

        fn restore(&mut self, state: &$crate::optim::State) -> $crate::error::Result<()> {
            #[allow(unused_mut, unused_assignments)]
            let mut steps: Option<&mut Vec<u64>> = None;
            $(steps = Some(&mut self.$steps);)?
            self.common.restore(stringify!($optimizer), state, &mut [$(($name, &mut self.$slot)),*], steps)
        }
    };
}
pub(super) use carries;
