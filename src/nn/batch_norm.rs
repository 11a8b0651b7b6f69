//! Batch normalisation (Ioffe and Szegedy 2015): by each channel's statistics over the batch in training, by running ones in evaluation.

use super::norm::{
    affine, given, per_channel, scaled, standardised, visit_affine, visit_affine_mut, wrong_eps, wrong_parameters,
};
use super::waiting::Waiting;
use super::{Blueprint, Module, Site, statistics, summary};
use crate::error::{At, OpError, Result};
use crate::threads::lock;
use crate::{Device, Tensor};
use std::sync::{Mutex, MutexGuard};

/// Normalises each channel (axis 1) of x by its own mean and biased variance over all other axes, then γ x̂ + β.
///
/// Says `(y, mean, var)`, the statistics \[channels\]. Fewer than two axes, or γ or β that is not \[channels\], make all three invalid.
#[track_caller]
pub fn batch_norm_train(x: &Tensor, gamma: Option<&Tensor>, beta: Option<&Tensor>, eps: f64) -> (Tensor, Tensor, Tensor) {
    let (y, mean, var) = train(x, gamma, beta, eps);
    (y, mean.flatten(), var.flatten())
}

/// The same, the statistics with x's axes as the output reads them.
#[track_caller]
fn train(x: &Tensor, gamma: Option<&Tensor>, beta: Option<&Tensor>, eps: f64) -> (Tensor, Tensor, Tensor) {
    if let Err(invalid) = check(x, &[gamma, beta], eps) {
        return (invalid.clone(), invalid.clone(), invalid);
    }
    let shape = x.shape();
    let axes: Vec<isize> = (0..shape.rank() as isize).filter(|&axis| axis != 1).collect();
    let (normal, mean, var) = standardised(x, &axes, eps);
    let wide = |v: Option<&Tensor>| v.map(|v| per_channel(&shape, v));
    let y = scaled(normal, wide(gamma).as_ref(), wide(beta).as_ref());
    (y.made_by("batch_norm", &given(x, &[gamma, beta])), mean, var)
}

/// Normalises each channel (axis 1) of x by the given mean and variance \[channels\], then γ x̂ + β.
///
/// Fewer than two axes, or a parameter that is not \[channels\], make the result invalid.
#[track_caller]
pub fn batch_norm_eval(
    x: &Tensor,
    (mean, var): (&Tensor, &Tensor),
    gamma: Option<&Tensor>,
    beta: Option<&Tensor>,
    eps: f64,
) -> Tensor {
    if let Err(invalid) = check(x, &[Some(mean), Some(var), gamma, beta], eps) {
        return invalid;
    }
    let shape = x.shape();
    let wide = |v: Option<&Tensor>| v.map(|v| per_channel(&shape, v));
    let normal = x.sub(&per_channel(&shape, mean)).mul(&per_channel(&shape, var).add_scalar(eps).rsqrt());
    let y = scaled(normal, wide(gamma).as_ref(), wide(beta).as_ref());
    y.made_by("batch_norm", &given(x, &[Some(mean), Some(var), gamma, beta]))
}

/// An invalid tensor unless x has channels and the parameters are one number for each.
#[track_caller]
fn check(x: &Tensor, parameters: &[Option<&Tensor>], eps: f64) -> Result<(), Tensor> {
    let Ok(shape) = x.try_shape() else { return Err(x.clone()) };
    let &[_, channels, ..] = shape.dims() else {
        return Err(x.refuse("batch_norm", OpError::Shape(format!("input is {shape}, expected [n,channels,…]"))));
    };
    if let Some(invalid) = wrong_parameters("batch_norm", x, &[channels], parameters) {
        return Err(invalid);
    }
    match wrong_eps("batch_norm", x, eps) {
        Some(invalid) => Err(invalid),
        None => Ok(()),
    }
}

/// Batch normalisation of \[n, channels\] or \[n, channels, length\].
pub type BatchNorm1d = BatchNorm<1>;
/// Batch normalisation of \[n, channels, height, width\].
pub type BatchNorm2d = BatchNorm<2>;
/// Batch normalisation of \[n, channels, depth, height, width\].
pub type BatchNorm3d = BatchNorm<3>;

/// Batch normalisation over `D` axes beside batch and channels, with γ (`weight`) and β (`bias`).
///
/// In training a channel is normalised by the batch's mean and biased variance. The buffers `running_mean` and `running_var` move
/// toward the batch's mean and *unbiased* variance by the momentum: r ← (1 − m) r + m b, as PyTorch's, with the next
/// step of an optimizer on the device, or when they are needed (in evaluation, by `visit_buffers`). A batch counts whether or not its
/// output was computed, unless its parameters were replaced by `set` in between. In evaluation a channel is normalised by them.
///
/// ```
/// use steepest::{Device, nn::{BatchNorm1d, Module}};
/// let device = Device::cpu();
/// let layer = BatchNorm1d::new(&device, 1);
/// layer.forward(&device.tensor(&[1.0, 3.0], [2, 1]));
/// layer.eval();
/// let (_, mean) = &layer.named_buffers()[0];
/// assert!((mean.item()? - 0.2).abs() < 1e-6); // 0.9 · 0 + 0.1 · 2
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Debug)]
pub struct BatchNorm<const D: usize> {
    gamma: Option<Tensor>,
    beta: Option<Tensor>,
    mean: Tensor,
    var: Tensor,
    channels: usize,
    momentum: f64,
    eps: f64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    training: bool,
    waiting: Waiting,
}

/// A running statistic of every channel.
#[track_caller]
fn running(device: &Device, channels: usize, start: f32) -> Tensor {
    let what = format_args!("the statistics of {channels} channels");
    match device.filled("batch_norm", what, &[channels], start) {
        Ok(statistic) => statistic,
        Err(error) => Tensor::invalid(device.backend(), error, At::caller()),
    }
}

impl<const D: usize> BatchNorm<D> {
    /// Normalises `channels` channels; momentum 0.1, ε = 1e-5, running mean 0 and variance 1.
    #[track_caller]
    pub fn new(device: &Device, channels: usize) -> BatchNorm<D> {
        let (gamma, beta) = affine("batch_norm", device, &[channels]);
        BatchNorm {
            gamma,
            beta,
            mean: running(device, channels, 0.0),
            var: running(device, channels, 1.0),
            channels,
            momentum: 0.1,
            eps: 1e-5,
            state: Mutex::new(State { training: true, waiting: Waiting::default() }),
        }
    }

    /// Without γ and β.
    pub fn without_affine(self) -> BatchNorm<D> {
        BatchNorm { gamma: None, beta: None, ..self }
    }

    /// How far the running statistics move toward those of a batch, 0 to 1.
    pub fn momentum(self, momentum: f64) -> BatchNorm<D> {
        BatchNorm { momentum, ..self }
    }

    /// ε, which keeps the division finite.
    pub fn eps(self, eps: f64) -> BatchNorm<D> {
        BatchNorm { eps, ..self }
    }

    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        let (channels, affine) = (site.size("channels")?, site.flag("affine")?);
        site.reserve(&[&[channels], &[channels]])?;
        if affine {
            site.reserve(&[&[channels], &[channels]])?;
        }
        let layer = BatchNorm::<D>::new(site.device(), channels).momentum(site.number("momentum")?).eps(site.number("eps")?);
        Ok(Box::new(if affine { layer } else { layer.without_affine() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Has the running statistics take a batch up.
    fn take_up(&self, waiting: &mut Waiting, count: usize, mean: Tensor, var: Tensor) {
        waiting.make_room(&self.mean);
        let unbiased = count as f64 / (count as f64 - 1.0);
        // A step of gradient descent with rate m on ½(r − b)²: r − m (r − b).
        let toward = |running: &Tensor, batch: &Tensor| match statistics::momentum() {
            // Of the first batch nothing is left of what was there.
            Some(momentum) => running.running_update(batch, 1.0 - momentum, momentum),
            None => running.sgd_update(&batch.neg(), None, self.momentum, 1.0),
        };
        let updates = vec![toward(&self.mean, &mean.flatten()), toward(&self.var, &var.flatten().mul_scalar(unbiased))];
        waiting.add(&self.mean, updates, vec![mean, var]);
    }
}

impl<const D: usize> Module for BatchNorm<D> {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        let _layer = crate::nn::entered(self);
        let Ok(shape) = x.try_shape() else { return x.clone() };
        let fits = shape.rank() == D + 2 || (D == 1 && shape.rank() == 2);
        if !fits || shape.dims()[1] != self.channels {
            let message = format!("input is {shape}, expected [n,{}] and {D} more axes", self.channels);
            return x.refuse("batch_norm", OpError::Shape(message));
        }
        if !(0.0..=1.0).contains(&self.momentum) {
            return x.refuse("batch_norm", OpError::Value(format!("momentum {} is not in 0..=1", self.momentum)));
        }
        let (gamma, beta) = (self.gamma.as_ref(), self.beta.as_ref());
        let mut state = self.state();
        if !state.training {
            state.waiting.run(&self.mean);
            return batch_norm_eval(x, (&self.mean, &self.var), gamma, beta, self.eps);
        }
        let count = shape.numel().checked_div(self.channels).unwrap_or(0);
        if count < 2 && self.channels > 0 {
            let message = format!("input is {shape}: training needs more than one value per channel");
            return x.refuse("batch_norm", OpError::Shape(message));
        }
        let (y, mean, var) = train(x, gamma, beta, self.eps);
        if y.check().is_ok() && !summary::tracing() {
            self.take_up(&mut state.waiting, count, mean, var);
        }
        y
    }

    fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        visit_affine(self.gamma.as_ref(), self.beta.as_ref(), visit);
    }

    fn visit_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor)) {
        visit_affine_mut(self.gamma.as_mut(), self.beta.as_mut(), visit);
    }

    fn visit_buffers(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        self.state().waiting.run(&self.mean);
        visit("running_mean", &self.mean);
        visit("running_var", &self.var);
    }

    fn set_training(&self, on: bool) {
        self.state().training = on;
    }

    fn blueprint(&self) -> Option<Blueprint> {
        let blueprint = Blueprint::new(format!("BatchNorm{D}d")).set("channels", self.channels).set("momentum", self.momentum);
        Some(blueprint.set("eps", self.eps).set("affine", self.gamma.is_some()))
    }

    fn describe(&self) -> String {
        format!("BatchNorm{D}d({})", self.channels)
    }
}
