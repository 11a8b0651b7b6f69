//! Pooling as layers: MaxPool2d, AvgPool2d and AdaptiveAvgPool2d.

use super::{Blueprint, Module, Site};
use crate::error::Result;
use crate::{Tensor, ToPair};

/// `2`, or `2×3` where height and width differ.
fn pair([a, b]: [usize; 2]) -> String {
    if a == b { a.to_string() } else { format!("{a}×{b}") }
}

/// `MaxPool2d(2×2, stride 1)`: a stride as long as the kernel and no padding are left out.
fn describe(kind: &str, kernel: [usize; 2], stride: [usize; 2], padding: [usize; 2], rest: &str) -> String {
    let mut text = format!("{kind}({}×{}", kernel[0], kernel[1]);
    if stride != kernel {
        text += &format!(", stride {}", pair(stride));
    }
    if padding != [0, 0] {
        text += &format!(", padding {}", pair(padding));
    }
    text + rest + ")"
}

/// [`Tensor::max_pool2d`] as a layer: \[N, C, H, W\] → \[N, C, oH, oW\].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPool2d {
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
}

impl MaxPool2d {
    /// Windows of the given size, one beside the other.
    pub fn new(kernel: impl ToPair) -> MaxPool2d {
        let kernel = kernel.to_pair();
        MaxPool2d { kernel, stride: kernel, padding: [0, 0] }
    }

    /// The same layer with windows that start further apart, or closer.
    pub fn stride(mut self, stride: impl ToPair) -> MaxPool2d {
        self.stride = stride.to_pair();
        self
    }

    /// The same layer with windows that reach over the edges, by half of the kernel at most.
    pub fn padding(mut self, padding: impl ToPair) -> MaxPool2d {
        self.padding = padding.to_pair();
        self
    }
}

impl MaxPool2d {
    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        let pair = |name| site.blueprint().pair(name);
        Ok(Box::new(MaxPool2d { kernel: pair("kernel")?, stride: pair("stride")?, padding: pair("padding")? }))
    }
}

impl Module for MaxPool2d {
    fn forward(&self, x: &Tensor) -> Tensor {
        x.max_pool2d(self.kernel, self.stride, self.padding)
    }

    fn blueprint(&self) -> Option<Blueprint> {
        Some(
            Blueprint::new("MaxPool2d")
                .set("kernel", &self.kernel[..])
                .set("stride", &self.stride[..])
                .set("padding", &self.padding[..]),
        )
    }

    fn describe(&self) -> String {
        describe("MaxPool2d", self.kernel, self.stride, self.padding, "")
    }
}

/// [`Tensor::avg_pool2d`] as a layer: \[N, C, H, W\] → \[N, C, oH, oW\].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvgPool2d {
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    count_include_pad: bool,
}

impl AvgPool2d {
    /// Windows of the given size, one beside the other.
    pub fn new(kernel: impl ToPair) -> AvgPool2d {
        let kernel = kernel.to_pair();
        AvgPool2d { kernel, stride: kernel, padding: [0, 0], count_include_pad: true }
    }

    /// The same layer with windows that start further apart, or closer.
    pub fn stride(mut self, stride: impl ToPair) -> AvgPool2d {
        self.stride = stride.to_pair();
        self
    }

    /// The same layer with windows that reach over the edges, by half of the kernel at most.
    pub fn padding(mut self, padding: impl ToPair) -> AvgPool2d {
        self.padding = padding.to_pair();
        self
    }

    /// Whether places in the padding count as zeros, as they do from the start; else the mean is over those in the image.
    pub fn count_include_pad(mut self, on: bool) -> AvgPool2d {
        self.count_include_pad = on;
        self
    }
}

impl AvgPool2d {
    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        let pair = |name| site.blueprint().pair(name);
        Ok(Box::new(AvgPool2d {
            kernel: pair("kernel")?,
            stride: pair("stride")?,
            padding: pair("padding")?,
            count_include_pad: site.flag("count_include_pad")?,
        }))
    }
}

impl Module for AvgPool2d {
    fn forward(&self, x: &Tensor) -> Tensor {
        x.avg_pool2d(self.kernel, self.stride, self.padding, self.count_include_pad)
    }

    fn blueprint(&self) -> Option<Blueprint> {
        Some(
            Blueprint::new("AvgPool2d")
                .set("kernel", &self.kernel[..])
                .set("stride", &self.stride[..])
                .set("padding", &self.padding[..])
                .set("count_include_pad", self.count_include_pad),
        )
    }

    fn describe(&self) -> String {
        let rest = if self.count_include_pad { "" } else { ", without its padding" };
        describe("AvgPool2d", self.kernel, self.stride, self.padding, rest)
    }
}

/// [`Tensor::adaptive_avg_pool2d`] as a layer: \[N, C, H, W\] → \[N, C, oH, oW\] for any H and W.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdaptiveAvgPool2d {
    output: [usize; 2],
}

impl AdaptiveAvgPool2d {
    /// As many cells as given; 1 is the mean of each channel.
    pub fn new(output: impl ToPair) -> AdaptiveAvgPool2d {
        AdaptiveAvgPool2d { output: output.to_pair() }
    }
}

impl AdaptiveAvgPool2d {
    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        Ok(Box::new(AdaptiveAvgPool2d { output: site.blueprint().pair("output")? }))
    }
}

impl Module for AdaptiveAvgPool2d {
    fn forward(&self, x: &Tensor) -> Tensor {
        x.adaptive_avg_pool2d(self.output)
    }

    fn blueprint(&self) -> Option<Blueprint> {
        Some(Blueprint::new("AdaptiveAvgPool2d").set("output", &self.output[..]))
    }

    fn describe(&self) -> String {
        format!("AdaptiveAvgPool2d({}×{})", self.output[0], self.output[1])
    }
}
