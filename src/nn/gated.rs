//! Activations with parameters, and those of which one half of the input opens and closes the other.

use super::activation::axis;
use super::{Blueprint, Init, Module, Site};
use crate::error::Result;
use crate::{Device, Tensor};

/// x where x > 0, w · x elsewhere, with learned slopes w: one for all, or one for each channel (axis 1 of the input); see [`Tensor::prelu`].
///
/// ```
/// use steepest::{Device, nn::{Module, PRelu}};
/// let device = Device::cpu();
/// let layer = PRelu::new(&device, 1);
/// assert_eq!(layer.forward(&device.tensor(&[-2.0, 3.0], 2)).to_vec::<f32>()?, [-0.5, 3.0]);
/// # Ok::<(), steepest::Error>(())
/// ```
#[derive(Debug)]
pub struct PRelu {
    weight: Tensor,
    slopes: usize,
}

impl PRelu {
    /// Slopes that start at ¼, as PyTorch's: 1 for all elements, or as many as there are channels.
    #[track_caller]
    pub fn new(device: &Device, slopes: usize) -> PRelu {
        PRelu::starting_at(device, slopes, 0.25)
    }

    /// Slopes that start at another number.
    #[track_caller]
    pub fn starting_at(device: &Device, slopes: usize, slope: f64) -> PRelu {
        PRelu { weight: Init::Constant(slope).start("prelu", device, &[slopes], (1, slopes), 0, 0), slopes }
    }

    /// w \[slopes\].
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        let slopes = site.size("slopes")?;
        site.reserve(&[&[slopes]])?;
        Ok(Box::new(PRelu::new(site.device(), slopes)))
    }
}

impl Module for PRelu {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        let _layer = crate::nn::entered(self);
        x.prelu(&self.weight)
    }

    fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        visit("weight", &self.weight);
    }

    fn visit_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor)) {
        visit("weight", &mut self.weight);
    }

    fn blueprint(&self) -> Option<Blueprint> {
        Some(Blueprint::new("PRelu").set("slopes", self.slopes))
    }

    fn describe(&self) -> String {
        format!("PRelu({})", self.slopes)
    }
}

macro_rules! gated {
    ($(#[$doc:meta])* $name:ident, $op:literal: |$a:ident, $b:ident| $gate:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name {
            axis: isize,
        }

        impl $name {
            /// Along an axis, which counts from the end where it is negative. \[…, 2n, …\] → \[…, n, …\]; an axis of odd size is refused.
            pub fn new(axis: isize) -> $name {
                $name { axis }
            }

            pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
                Ok(Box::new($name { axis: axis(site)? }))
            }
        }

        impl Module for $name {
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Tensor {
                let _layer = crate::nn::entered(self);
                x.gated($op, self.axis, |$a, $b| $gate)
            }

            fn blueprint(&self) -> Option<Blueprint> {
                Some(Blueprint::new(stringify!($name)).set("axis", self.axis as f64))
            }

            fn describe(&self) -> String {
                format!("{}(axis {})", stringify!($name), self.axis)
            }
        }
    };
}

gated! {
    /// a σ(b) of the halves a and b of the input (Dauphin et al. 2017); see [`Tensor::glu`].
    ///
    /// ```
    /// use steepest::{Device, nn::{Glu, Module}};
    /// let x = Device::cpu().tensor(&[3.0, 0.0], [1, 2]);
    /// assert_eq!(Glu::new(-1).forward(&x).to_vec::<f32>()?, [1.5]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    Glu, "glu": |a, b| a.mul(&b.sigmoid())
}

gated! {
    /// silu(a) · b of the halves a and b of the input (Shazeer 2020); see [`Tensor::swiglu`]. After a linear layer of twice the width, and before one that
    /// brings it back, it is the feed-forward part of many language models.
    ///
    /// ```
    /// use steepest::{Device, nn::{Linear, Module, SwiGlu}, sequential};
    /// let device = Device::cpu();
    /// let part = sequential![Linear::new(&device, 4, 2 * 6, 1), SwiGlu::new(-1), Linear::new(&device, 6, 4, 2)];
    /// assert_eq!(part.forward(&device.ones([3, 4])).shape().dims(), [3, 4]);
    /// ```
    SwiGlu, "swiglu": |a, b| a.swiglu(b)
}
