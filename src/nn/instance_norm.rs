//! Instance normalisation (Ulyanov et al. 2016): each channel of each sample by its own statistics, in training and evaluation alike.

use super::norm::{affine, group_norm, visit_affine, visit_affine_mut};
use super::{Blueprint, Module, Site};
use crate::error::{OpError, Result};
use crate::{Device, Tensor};

/// Instance normalisation of \[n, channels, length\].
pub type InstanceNorm1d = InstanceNorm<1>;
/// Instance normalisation of \[n, channels, height, width\].
pub type InstanceNorm2d = InstanceNorm<2>;
/// Instance normalisation of \[n, channels, depth, height, width\].
pub type InstanceNorm3d = InstanceNorm<3>;

/// (x − mean) / √(var + ε) of each channel of each sample of \[n, channels, …\] over all further axes, with the biased variance; then γ x̂ + β,
/// either or both left out; γ and β \[channels\].
///
/// Fewer than three axes, or γ or β of another shape make the result invalid.
#[track_caller]
pub fn instance_norm(x: &Tensor, gamma: Option<&Tensor>, beta: Option<&Tensor>, eps: f64) -> Tensor {
    let Ok(shape) = x.try_shape() else { return x.clone() };
    let &[_, channels, _, ..] = shape.dims() else {
        return x.refuse("instance_norm", OpError::Shape(format!("input is {shape}, expected [n,channels,…] and more axes")));
    };
    let given = [Some(x), gamma, beta];
    // No channels are no groups either, and there is nothing to normalise.
    let y = group_norm(x, channels.max(1), gamma, beta, eps);
    y.made_by("instance_norm", &given.into_iter().flatten().collect::<Vec<_>>())
}

/// [`instance_norm`] over `D` axes beside samples and channels, without γ and β unless [`InstanceNorm::affine`] asks for them, as PyTorch's. It keeps no
/// running statistics.
///
/// ```
/// use steepest::{Device, nn::{InstanceNorm1d, Module}};
/// let device = Device::cpu();
/// let y = InstanceNorm1d::new(2).forward(&device.tensor(&[1.0, 3.0, 10.0, 30.0], [1, 2, 2]));
/// assert!(y.to_vec::<f32>()?.iter().zip([-1.0, 1.0, -1.0, 1.0]).all(|(y, e)| (y - e).abs() < 1e-4));
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Debug)]
pub struct InstanceNorm<const D: usize> {
    gamma: Option<Tensor>,
    beta: Option<Tensor>,
    channels: usize,
    eps: f64,
}

impl<const D: usize> InstanceNorm<D> {
    /// Normalises `channels` channels; ε = 1e-5.
    pub fn new(channels: usize) -> InstanceNorm<D> {
        InstanceNorm { gamma: None, beta: None, channels, eps: 1e-5 }
    }

    /// With γ (`weight`) of ones and β (`bias`) of zeros, which are learned.
    #[track_caller]
    pub fn affine(self, device: &Device) -> InstanceNorm<D> {
        let (gamma, beta) = affine("instance_norm", device, &[self.channels]);
        InstanceNorm { gamma, beta, ..self }
    }

    /// ε, which keeps the division finite.
    pub fn eps(self, eps: f64) -> InstanceNorm<D> {
        InstanceNorm { eps, ..self }
    }

    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        let channels = site.size("channels")?;
        let layer = InstanceNorm::<D>::new(channels).eps(site.number("eps")?);
        if !site.flag("affine")? {
            return Ok(Box::new(layer));
        }
        site.reserve(&[&[channels], &[channels]])?;
        Ok(Box::new(layer.affine(site.device())))
    }
}

impl<const D: usize> Module for InstanceNorm<D> {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        let _layer = crate::nn::entered(self);
        let Ok(shape) = x.try_shape() else { return x.clone() };
        if shape.rank() != D + 2 || shape.dims()[1] != self.channels {
            let message = format!("input is {shape}, expected [n,{}] and {D} more axes", self.channels);
            return x.refuse("instance_norm", OpError::Shape(message));
        }
        if shape.dims()[2..].iter().product::<usize>() == 1 {
            let message = format!("input is {shape}: more than one value per channel of a sample is needed");
            return x.refuse("instance_norm", OpError::Shape(message));
        }
        instance_norm(x, self.gamma.as_ref(), self.beta.as_ref(), self.eps)
    }

    fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        visit_affine(self.gamma.as_ref(), self.beta.as_ref(), visit);
    }

    fn visit_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor)) {
        visit_affine_mut(self.gamma.as_mut(), self.beta.as_mut(), visit);
    }

    fn blueprint(&self) -> Option<Blueprint> {
        let blueprint = Blueprint::new(format!("InstanceNorm{D}d")).set("channels", self.channels);
        Some(blueprint.set("eps", self.eps).set("affine", self.gamma.is_some()))
    }

    fn describe(&self) -> String {
        format!("InstanceNorm{D}d({})", self.channels)
    }
}
