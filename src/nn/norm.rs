//! Normalisation: x̂ = (x − mean) / √(var + ε) over some axes, then γ x̂ + β; as layers and as functions of given γ and β.

use super::{Blueprint, Init, Module, Site};
use crate::error::{At, OpError, Result, finite};
use crate::{Device, Shape, Tensor, ToShape};

/// x̂ over `axes` with their mean and (biased) variance, which keep the axes with size 1.
#[track_caller]
pub(super) fn standardised(x: &Tensor, axes: &[isize], eps: f64) -> (Tensor, Tensor, Tensor) {
    let mean = x.mean_keepdim(axes);
    let centred = x.sub(&mean);
    let var = centred.square().mean_keepdim(axes);
    (centred.mul(&var.add_scalar(eps).rsqrt()), mean, var)
}

/// γ x̂ + β, either or both left out.
#[track_caller]
pub(super) fn scaled(x: Tensor, gamma: Option<&Tensor>, beta: Option<&Tensor>) -> Tensor {
    let x = gamma.map_or(x.clone(), |gamma| x.mul(gamma));
    beta.map_or(x.clone(), |beta| x.add(beta))
}

/// A number per channel (axis 1 of x) in a shape that broadcasts to x.
#[track_caller]
pub(super) fn per_channel(x: &Shape, v: &Tensor) -> Tensor {
    v.reshape((0..x.rank()).map(|axis| if axis == 1 { x.dims()[1] } else { 1 }).collect::<Vec<_>>())
}

/// An invalid tensor unless each of γ and β that is given has the shape `expected`.
#[track_caller]
pub(super) fn wrong_parameters(name: &'static str, x: &Tensor, expected: &[usize], given: &[Option<&Tensor>]) -> Option<Tensor> {
    let shapes = given.iter().flatten().filter_map(|t| t.try_shape().ok());
    let wrong = shapes.into_iter().find(|s| s.dims() != expected)?;
    let input = x.try_shape().ok()?;
    Some(x.refuse(name, OpError::Shape(format!("input is {input}: a parameter is {wrong}, expected {expected:?}"))))
}

/// x and the parameters that are there.
pub(super) fn given<'a>(x: &'a Tensor, parameters: &[Option<&'a Tensor>]) -> Vec<&'a Tensor> {
    [Some(x)].iter().chain(parameters).flatten().copied().collect()
}

/// An invalid tensor unless ε is a finite number that is not negative.
#[track_caller]
pub(super) fn wrong_eps(name: &'static str, x: &Tensor, eps: f64) -> Option<Tensor> {
    x.unfit(name, "eps", eps, |eps| finite(eps) && eps >= 0.0, "a finite number that is not negative")
}

/// Layer normalisation (Ba et al. 2016) over the last `dims` axes, whose sizes are the shape of γ and β: \[…\] → \[…\].
///
/// More axes than x has, or γ or β of another shape, make the result invalid.
#[track_caller]
pub fn layer_norm(x: &Tensor, dims: usize, gamma: Option<&Tensor>, beta: Option<&Tensor>, eps: f64) -> Tensor {
    let Ok(shape) = x.try_shape() else { return x.clone() };
    if let Some(invalid) = wrong_eps("layer_norm", x, eps) {
        return invalid;
    }
    if dims == 0 || dims > shape.rank() {
        return x.refuse("layer_norm", OpError::Shape(format!("the last {dims} axes of {shape}")));
    }
    if let Some(invalid) = wrong_parameters("layer_norm", x, &shape.dims()[shape.rank() - dims..], &[gamma, beta]) {
        return invalid;
    }
    scaled(standardised(x, &last(dims), eps).0, gamma, beta).made_by("layer_norm", &given(x, &[gamma, beta]))
}

/// The last `dims` axes, counted from the end.
fn last(dims: usize) -> Vec<isize> {
    (1..=dims as isize).map(|axis| -axis).collect()
}

/// Root-mean-square normalisation (Zhang and Sennrich 2019): x / √(mean(x²) + ε) · γ over the last axis: \[…, n\] → \[…, n\], γ \[n\].
///
/// No axes, or γ of another shape, make the result invalid.
#[track_caller]
pub fn rms_norm(x: &Tensor, gamma: Option<&Tensor>, eps: f64) -> Tensor {
    let Ok(shape) = x.try_shape() else { return x.clone() };
    if let Some(invalid) = wrong_eps("rms_norm", x, eps) {
        return invalid;
    }
    let Some(&width) = shape.dims().last() else {
        return x.refuse("rms_norm", OpError::Shape("a scalar has no axis to normalise over".to_owned()));
    };
    if let Some(invalid) = wrong_parameters("rms_norm", x, &[width], &[gamma]) {
        return invalid;
    }
    let normal = x.mul(&x.square().mean_keepdim(&[-1]).add_scalar(eps).rsqrt());
    scaled(normal, gamma, None).made_by("rms_norm", &given(x, &[gamma]))
}

/// Group normalisation (Wu and He 2018) of \[n, channels, …\]: over each of `groups` runs of neighbouring channels; γ and β \[channels\].
///
/// Fewer than two axes, channels that `groups` does not divide, or γ or β of another shape make the result invalid.
#[track_caller]
pub fn group_norm(x: &Tensor, groups: usize, gamma: Option<&Tensor>, beta: Option<&Tensor>, eps: f64) -> Tensor {
    let Ok(shape) = x.try_shape() else { return x.clone() };
    if let Some(invalid) = wrong_eps("group_norm", x, eps) {
        return invalid;
    }
    let &[rows, channels, ref rest @ ..] = shape.dims() else {
        return x.refuse("group_norm", OpError::Shape(format!("input is {shape}, expected [n,channels,…]")));
    };
    if channels.checked_rem(groups) != Some(0) {
        return x.refuse("group_norm", OpError::Shape(format!("{groups} groups of {channels} channels in {shape}")));
    }
    if let Some(invalid) = wrong_parameters("group_norm", x, &[channels], &[gamma, beta]) {
        return invalid;
    }
    let together = x.reshape([rows, groups, channels / groups * rest.iter().product::<usize>()]);
    let normal = standardised(&together, &[2], eps).0.reshape(shape);
    let wide = |v: Option<&Tensor>| v.map(|v| per_channel(&shape, v));
    scaled(normal, wide(gamma).as_ref(), wide(beta).as_ref()).made_by("group_norm", &given(x, &[gamma, beta]))
}

/// γ of ones and β of zeros.
#[track_caller]
pub(super) fn affine(layer: &'static str, device: &Device, shape: &[usize]) -> (Option<Tensor>, Option<Tensor>) {
    let gamma = Init::Constant(1.0).start(layer, device, shape, (1, 1), 0, 0);
    let beta = Init::Constant(0.0).start(layer, device, shape, (1, 1), 0, 0);
    (Some(gamma), Some(beta))
}

/// Hands γ and β to a visitor by PyTorch's names.
pub(super) fn visit_affine(gamma: Option<&Tensor>, beta: Option<&Tensor>, visit: &mut dyn FnMut(&str, &Tensor)) {
    for (name, parameter) in [("weight", gamma), ("bias", beta)] {
        if let Some(parameter) = parameter {
            visit(name, parameter);
        }
    }
}

/// The same, of parameters that may be exchanged.
pub(super) fn visit_affine_mut(gamma: Option<&mut Tensor>, beta: Option<&mut Tensor>, visit: &mut dyn FnMut(&str, &mut Tensor)) {
    for (name, parameter) in [("weight", gamma), ("bias", beta)] {
        if let Some(parameter) = parameter {
            visit(name, parameter);
        }
    }
}

/// [`layer_norm`] with its own γ (`weight`) and β (`bias`): \[…, shape\] → \[…, shape\].
///
/// ```
/// use steepest::{Device, nn::{LayerNorm, Module}};
/// let device = Device::cpu();
/// let y = LayerNorm::new(&device, 2).forward(&device.tensor(&[1.0, 3.0], [1, 2]));
/// assert!((y.to_vec::<f32>()?[1] - 1.0).abs() < 1e-4);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Debug)]
pub struct LayerNorm {
    gamma: Option<Tensor>,
    beta: Option<Tensor>,
    dims: Vec<usize>,
    eps: f64,
}

impl LayerNorm {
    /// Normalises over last axes of the given sizes; ε = 1e-5.
    #[track_caller]
    pub fn new(device: &Device, shape: impl ToShape) -> LayerNorm {
        match shape.to_shape() {
            Ok(shape) => {
                let (gamma, beta) = affine("layer_norm", device, shape.dims());
                LayerNorm { gamma, beta, dims: shape.dims().to_vec(), eps: 1e-5 }
            }
            Err(error) => {
                let invalid = Some(device.invalid("layer_norm", At::caller(), error));
                LayerNorm { gamma: invalid.clone(), beta: invalid, dims: vec![], eps: 1e-5 }
            }
        }
    }

    /// Without γ and β.
    pub fn without_affine(self) -> LayerNorm {
        LayerNorm { gamma: None, beta: None, ..self }
    }

    /// ε, which keeps the division finite.
    pub fn eps(self, eps: f64) -> LayerNorm {
        LayerNorm { eps, ..self }
    }
}

impl LayerNorm {
    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        let (dims, eps) = (site.blueprint().sizes("shape")?, site.number("eps")?);
        if !site.flag("affine")? {
            return Ok(Box::new(LayerNorm { gamma: None, beta: None, dims, eps }));
        }
        site.reserve(&[&dims, &dims])?;
        Ok(Box::new(LayerNorm::new(site.device(), &dims[..]).eps(eps)))
    }
}

impl Module for LayerNorm {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        let _layer = crate::nn::entered(self);
        // Of a shape that no tensor may have there are no axes to be compared.
        if let Some(invalid) = self.gamma.as_ref().filter(|gamma| gamma.check().is_err()) {
            return invalid.clone();
        }
        if let Ok(shape) = x.try_shape()
            && !shape.dims().ends_with(&self.dims)
        {
            let message = format!("input is {shape}, expected last axes {:?}", self.dims);
            return x.refuse("layer_norm", OpError::Shape(message));
        }
        layer_norm(x, self.dims.len(), self.gamma.as_ref(), self.beta.as_ref(), self.eps)
    }

    fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        visit_affine(self.gamma.as_ref(), self.beta.as_ref(), visit);
    }

    fn visit_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor)) {
        visit_affine_mut(self.gamma.as_mut(), self.beta.as_mut(), visit);
    }

    fn blueprint(&self) -> Option<Blueprint> {
        Some(Blueprint::new("LayerNorm").set("shape", &self.dims[..]).set("eps", self.eps).set("affine", self.gamma.is_some()))
    }

    fn describe(&self) -> String {
        format!("LayerNorm({:?})", self.dims)
    }
}

/// [`rms_norm`] with its own γ (`weight`): \[…, width\] → \[…, width\].
#[derive(Debug)]
pub struct RmsNorm {
    gamma: Tensor,
    width: usize,
    eps: f64,
}

impl RmsNorm {
    /// Normalises over a last axis of `width`; ε = 1e-6.
    #[track_caller]
    pub fn new(device: &Device, width: usize) -> RmsNorm {
        RmsNorm { gamma: Init::Constant(1.0).start("rms_norm", device, &[width], (1, 1), 0, 0), width, eps: 1e-6 }
    }

    /// ε, which keeps the division finite.
    pub fn eps(self, eps: f64) -> RmsNorm {
        RmsNorm { eps, ..self }
    }
}

impl RmsNorm {
    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        let width = site.size("width")?;
        site.reserve(&[&[width]])?;
        Ok(Box::new(RmsNorm::new(site.device(), width).eps(site.number("eps")?)))
    }
}

impl Module for RmsNorm {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        let _layer = crate::nn::entered(self);
        rms_norm(x, Some(&self.gamma), self.eps)
    }

    fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        visit("weight", &self.gamma);
    }

    fn visit_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor)) {
        visit("weight", &mut self.gamma);
    }

    fn blueprint(&self) -> Option<Blueprint> {
        Some(Blueprint::new("RmsNorm").set("width", self.width).set("eps", self.eps))
    }

    fn describe(&self) -> String {
        format!("RmsNorm({})", self.width)
    }
}

/// [`group_norm`] with its own γ (`weight`) and β (`bias`): \[n, channels, …\] → \[n, channels, …\].
#[derive(Debug)]
pub struct GroupNorm {
    gamma: Option<Tensor>,
    beta: Option<Tensor>,
    groups: usize,
    channels: usize,
    eps: f64,
}

impl GroupNorm {
    /// Normalises `groups` runs of neighbouring channels; ε = 1e-5. One group is layer normalisation over all but the first axis.
    #[track_caller]
    pub fn new(device: &Device, groups: usize, channels: usize) -> GroupNorm {
        let (gamma, beta) = affine("group_norm", device, &[channels]);
        GroupNorm { gamma, beta, groups, channels, eps: 1e-5 }
    }

    /// Without γ and β.
    pub fn without_affine(self) -> GroupNorm {
        GroupNorm { gamma: None, beta: None, ..self }
    }

    /// ε, which keeps the division finite.
    pub fn eps(self, eps: f64) -> GroupNorm {
        GroupNorm { eps, ..self }
    }
}

impl GroupNorm {
    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        let (groups, channels) = (site.size("groups")?, site.size("channels")?);
        let eps = site.number("eps")?;
        if !site.flag("affine")? {
            return Ok(Box::new(GroupNorm { gamma: None, beta: None, groups, channels, eps }));
        }
        site.reserve(&[&[channels], &[channels]])?;
        Ok(Box::new(GroupNorm::new(site.device(), groups, channels).eps(eps)))
    }
}

impl Module for GroupNorm {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        let _layer = crate::nn::entered(self);
        if let Ok(shape) = x.try_shape()
            && shape.dims().get(1) != Some(&self.channels)
        {
            let message = format!("input is {shape}, expected [n,{},…]", self.channels);
            return x.refuse("group_norm", OpError::Shape(message));
        }
        group_norm(x, self.groups, self.gamma.as_ref(), self.beta.as_ref(), self.eps)
    }

    fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        visit_affine(self.gamma.as_ref(), self.beta.as_ref(), visit);
    }

    fn visit_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor)) {
        visit_affine_mut(self.gamma.as_mut(), self.beta.as_mut(), visit);
    }

    fn blueprint(&self) -> Option<Blueprint> {
        let blueprint = Blueprint::new("GroupNorm").set("groups", self.groups).set("channels", self.channels);
        Some(blueprint.set("eps", self.eps).set("affine", self.gamma.is_some()))
    }

    fn describe(&self) -> String {
        format!("GroupNorm({} groups of {})", self.groups, self.channels)
    }
}
