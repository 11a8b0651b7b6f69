//! Unfolding and folding as layers.

use super::{Blueprint, Module, Site};
use crate::error::Result;
use crate::{ConvOptions, Tensor, ToPair};

/// The setting names of the pairs in the options.
fn settings(blueprint: Blueprint, kernel: [usize; 2], options: ConvOptions) -> Blueprint {
    let ConvOptions { stride, padding, after, dilation, .. } = options;
    let blueprint = blueprint.set("kernel", &kernel[..]).set("stride", &stride[..]).set("padding", &padding[..]);
    blueprint.set("padding_after", &after[..]).set("dilation", &dilation[..])
}

fn options(site: &Site<'_>) -> Result<ConvOptions> {
    let pair = |name| site.blueprint().pair(name);
    let options = ConvOptions::new().stride(pair("stride")?).dilation(pair("dilation")?);
    Ok(options.sides(pair("padding")?, pair("padding_after")?))
}

/// [`Tensor::unfold`] as a layer: \[N, C, H, W\] → \[N, C·kH·kW, L\].
///
/// ```
/// use steepest::{ConvOptions, Device, nn::{Module, Unfold}};
/// let patches = Unfold::new(4, ConvOptions::new().stride(4));
/// assert_eq!(patches.forward(&Device::cpu().zeros([2, 3, 32, 32])).shape().dims(), [2, 48, 64]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfold {
    kernel: [usize; 2],
    options: ConvOptions,
}

impl Unfold {
    /// Windows of the given size.
    pub fn new(kernel: impl ToPair, options: ConvOptions) -> Unfold {
        Unfold { kernel: kernel.to_pair(), options }
    }

    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        Ok(Box::new(Unfold { kernel: site.blueprint().pair("kernel")?, options: options(site)? }))
    }
}

impl Module for Unfold {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        let _layer = crate::nn::entered(self);
        x.unfold(self.kernel, self.options)
    }

    fn blueprint(&self) -> Option<Blueprint> {
        Some(settings(Blueprint::new("Unfold"), self.kernel, self.options))
    }

    fn describe(&self) -> String {
        format!("Unfold({}×{})", self.kernel[0], self.kernel[1])
    }
}

/// [`Tensor::fold`] as a layer: \[N, C·kH·kW, L\] → \[N, C, H, W\].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fold {
    size: [usize; 2],
    kernel: [usize; 2],
    options: ConvOptions,
}

impl Fold {
    /// Images of the given height and width, of windows of the given size.
    pub fn new(size: impl ToPair, kernel: impl ToPair, options: ConvOptions) -> Fold {
        Fold { size: size.to_pair(), kernel: kernel.to_pair(), options }
    }

    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        let pair = |name| site.blueprint().pair(name);
        Ok(Box::new(Fold { size: pair("size")?, kernel: pair("kernel")?, options: options(site)? }))
    }
}

impl Module for Fold {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        let _layer = crate::nn::entered(self);
        x.fold(self.size, self.kernel, self.options)
    }

    fn blueprint(&self) -> Option<Blueprint> {
        Some(settings(Blueprint::new("Fold").set("size", &self.size[..]), self.kernel, self.options))
    }

    fn describe(&self) -> String {
        let ([height, width], [rows, columns]) = (self.size, self.kernel);
        format!("Fold({height}×{width}, {rows}×{columns})")
    }
}
