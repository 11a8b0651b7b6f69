//! Pooling as layers, over one, two and three axes: windows that slide, a given number of cells, and whole channels.

use super::{Blueprint, Module, Site};
use crate::error::{OpError, Result};
use crate::{PoolOptions, Tensor, ToSizes};

/// `2`, or `2×3` where they differ.
fn short(sizes: &[usize]) -> String {
    if sizes.iter().all(|n| n == &sizes[0]) { sizes[0].to_string() } else { times(sizes) }
}

/// `2×3`
pub(super) fn times(sizes: &[usize]) -> String {
    sizes.iter().map(usize::to_string).collect::<Vec<_>>().join("×")
}

/// A setting of so many sizes.
fn sizes<const D: usize>(blueprint: &Blueprint, name: &str) -> Result<[usize; D]> {
    let found = blueprint.sizes(name)?;
    found.try_into().map_err(|found| blueprint.refuse(format!("`{name}` is {found:?}, expected {D} sizes")))
}

/// `MaxPool2d(2×2, stride 1)`: a stride as long as the kernel and what is not used are left out.
fn describe<const D: usize>(kind: &str, options: &PoolOptions<D>, rest: &str) -> String {
    let PoolOptions { kernel, stride, padding, dilation, ceil_mode, .. } = options;
    let mut text = format!("{kind}({}", times(kernel));
    for (name, sizes, usual) in [("stride", stride, kernel), ("padding", padding, &[0; D]), ("dilation", dilation, &[1; D])] {
        if sizes != usual {
            text += &format!(", {name} {}", short(sizes));
        }
    }
    if *ceil_mode {
        text += ", rounded up";
    }
    text + rest + ")"
}

/// What the layers of windows have in their blueprints. What came later is there only where it is used, so that older files are whole.
fn blueprint<const D: usize>(kind: &str, options: &PoolOptions<D>) -> Blueprint {
    let PoolOptions { kernel, stride, padding, dilation, ceil_mode, .. } = options;
    let mut blueprint = Blueprint::new(kind).set("kernel", &kernel[..]).set("stride", &stride[..]).set("padding", &padding[..]);
    if *dilation != [1; D] {
        blueprint = blueprint.set("dilation", &dilation[..]);
    }
    if *ceil_mode { blueprint.set("ceil_mode", true) } else { blueprint }
}

/// The options that a blueprint says.
fn options<const D: usize>(blueprint: &Blueprint) -> Result<PoolOptions<D>> {
    let options = PoolOptions::new(sizes::<D>(blueprint, "kernel")?);
    let options = options.stride(sizes::<D>(blueprint, "stride")?).padding(sizes::<D>(blueprint, "padding")?);
    let has = |name: &str| blueprint.settings().contains_key(name);
    let dilation = if has("dilation") { sizes(blueprint, "dilation")? } else { [1; D] };
    Ok(options.dilation(dilation).ceil_mode(has("ceil_mode") && blueprint.flag("ceil_mode")?))
}

macro_rules! windows {
    ($($(#[$doc:meta])* $layer:ident, $axes:literal;)*) => {
        $($(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $layer {
            options: PoolOptions<$axes>,
        }

        impl $layer {
            /// Windows of the given size (a number, or one for each axis), one beside the other.
            pub fn new(kernel: impl ToSizes<$axes>) -> $layer {
                $layer { options: PoolOptions::new(kernel) }
            }

            /// Windows as these options say.
            pub fn with(options: PoolOptions<$axes>) -> $layer {
                $layer { options }
            }

            /// The same layer with windows that start further apart, or closer.
            pub fn stride(self, stride: impl ToSizes<$axes>) -> $layer {
                $layer { options: self.options.stride(stride) }
            }

            /// The same layer with windows that reach over the edges, by half of the kernel at most.
            pub fn padding(self, padding: impl ToSizes<$axes>) -> $layer {
                $layer { options: self.options.padding(padding) }
            }

            /// The same layer with a number of windows that is rounded up, or not.
            pub fn ceil_mode(self, on: bool) -> $layer {
                $layer { options: self.options.ceil_mode(on) }
            }
        })*
    };
}

windows! {
    /// [`Tensor::max_pool1d`] as a layer: \[N, C, L\] → \[N, C, oL\].
    MaxPool1d, 1;
    /// [`Tensor::max_pool2d`] as a layer: \[N, C, H, W\] → \[N, C, oH, oW\].
    MaxPool2d, 2;
    /// [`Tensor::max_pool3d`] as a layer: \[N, C, D, H, W\] → \[N, C, oD, oH, oW\].
    MaxPool3d, 3;
    /// [`Tensor::avg_pool1d`] as a layer: \[N, C, L\] → \[N, C, oL\].
    AvgPool1d, 1;
    /// [`Tensor::avg_pool2d`] as a layer: \[N, C, H, W\] → \[N, C, oH, oW\].
    AvgPool2d, 2;
    /// [`Tensor::avg_pool3d`] as a layer: \[N, C, D, H, W\] → \[N, C, oD, oH, oW\].
    AvgPool3d, 3;
}

macro_rules! maxima {
    ($($layer:ident, $axes:literal, $method:ident;)*) => {
        $(impl $layer {
            /// The same layer with windows whose elements lie further apart.
            pub fn dilation(self, dilation: impl ToSizes<$axes>) -> $layer {
                $layer { options: self.options.dilation(dilation) }
            }

            pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
                Ok(Box::new($layer { options: options(site.blueprint())? }))
            }
        }

        impl Module for $layer {
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Tensor {
                let _layer = crate::nn::entered(self);
                x.$method(self.options)
            }

            fn blueprint(&self) -> Option<Blueprint> {
                Some(blueprint(stringify!($layer), &self.options))
            }

            fn describe(&self) -> String {
                describe(stringify!($layer), &self.options, "")
            }
        })*
    };
}

maxima! {
    MaxPool1d, 1, max_pool1d_with;
    MaxPool2d, 2, max_pool2d_with;
    MaxPool3d, 3, max_pool3d_with;
}

macro_rules! means {
    ($($layer:ident, $method:ident;)*) => {
        $(impl $layer {
            /// Whether places in the padding count as zeros, as they do from the start; else the mean is over those in the image.
            pub fn count_include_pad(self, on: bool) -> $layer {
                $layer { options: self.options.count_include_pad(on) }
            }

            pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
                let options = options(site.blueprint())?;
                Ok(Box::new($layer { options: options.count_include_pad(site.flag("count_include_pad")?) }))
            }
        }

        impl Module for $layer {
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Tensor {
                let _layer = crate::nn::entered(self);
                x.$method(self.options)
            }

            fn blueprint(&self) -> Option<Blueprint> {
                let blueprint = blueprint(stringify!($layer), &self.options);
                Some(blueprint.set("count_include_pad", self.options.count_include_pad))
            }

            fn describe(&self) -> String {
                let rest = if self.options.count_include_pad { "" } else { ", without its padding" };
                describe(stringify!($layer), &self.options, rest)
            }
        })*
    };
}

means! {
    AvgPool1d, avg_pool1d_with;
    AvgPool2d, avg_pool2d_with;
    AvgPool3d, avg_pool3d_with;
}

macro_rules! cells {
    ($($(#[$doc:meta])* $layer:ident, $axes:literal, |$x:ident, $output:ident| $forward:expr;)*) => {
        $($(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $layer {
            output: [usize; $axes],
        }

        impl $layer {
            /// As many cells as given (a number, or one for each axis); 1 is the whole channel.
            pub fn new(output: impl ToSizes<$axes>) -> $layer {
                $layer { output: output.to_sizes() }
            }

            pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
                Ok(Box::new($layer { output: sizes(site.blueprint(), "output")? }))
            }
        }

        impl Module for $layer {
            #[track_caller]
            fn forward(&self, $x: &Tensor) -> Tensor {
                let _layer = crate::nn::entered(self);
                let $output = self.output;
                $forward
            }

            fn blueprint(&self) -> Option<Blueprint> {
                Some(Blueprint::new(stringify!($layer)).set("output", &self.output[..]))
            }

            fn describe(&self) -> String {
                format!("{}({})", stringify!($layer), times(&self.output))
            }
        })*
    };
}

cells! {
    /// [`Tensor::adaptive_avg_pool1d`] as a layer: \[N, C, L\] → \[N, C, oL\].
    AdaptiveAvgPool1d, 1, |x, output| x.adaptive_avg_pool1d(output[0]);
    /// [`Tensor::adaptive_avg_pool2d`] as a layer: \[N, C, H, W\] → \[N, C, oH, oW\].
    AdaptiveAvgPool2d, 2, |x, output| x.adaptive_avg_pool2d(output);
    /// [`Tensor::adaptive_avg_pool3d`] as a layer: \[N, C, D, H, W\] → \[N, C, oD, oH, oW\].
    AdaptiveAvgPool3d, 3, |x, output| x.adaptive_avg_pool3d(output);
    /// [`Tensor::adaptive_max_pool1d`] as a layer: \[N, C, L\] → \[N, C, oL\].
    AdaptiveMaxPool1d, 1, |x, output| x.adaptive_max_pool1d(output[0]);
    /// [`Tensor::adaptive_max_pool2d`] as a layer: \[N, C, H, W\] → \[N, C, oH, oW\].
    AdaptiveMaxPool2d, 2, |x, output| x.adaptive_max_pool2d(output);
    /// [`Tensor::adaptive_max_pool3d`] as a layer: \[N, C, D, H, W\] → \[N, C, oD, oH, oW\].
    AdaptiveMaxPool3d, 3, |x, output| x.adaptive_max_pool3d(output);
}

/// The mean, or the largest, of each channel: \[N, C, …\] → \[N, C\], with one to three axes after the channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlobalPool {
    /// [`Tensor::global_avg_pool2d`], or that of one or three axes.
    Mean,
    /// [`Tensor::global_max_pool2d`], or that of one or three axes.
    Max,
}

impl GlobalPool {
    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        match site.blueprint().text("of")? {
            "mean" => Ok(Box::new(GlobalPool::Mean)),
            "max" => Ok(Box::new(GlobalPool::Max)),
            other => Err(site.blueprint().refuse(format!("`of` is {other}, expected mean or max"))),
        }
    }

    fn name(self) -> &'static str {
        if self == GlobalPool::Mean { "mean" } else { "max" }
    }
}

impl Module for GlobalPool {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        let _layer = crate::nn::entered(self);
        let Ok(shape) = x.try_shape() else { return x.clone() };
        match (self, shape.rank()) {
            (GlobalPool::Mean, 3) => x.global_avg_pool1d(),
            (GlobalPool::Mean, 4) => x.global_avg_pool2d(),
            (GlobalPool::Mean, 5) => x.global_avg_pool3d(),
            (GlobalPool::Max, 3) => x.global_max_pool1d(),
            (GlobalPool::Max, 4) => x.global_max_pool2d(),
            (GlobalPool::Max, 5) => x.global_max_pool3d(),
            _ => x.refuse("GlobalPool", OpError::Shape(format!("input is {shape}, expected three to five axes [N, C, …]"))),
        }
    }

    fn blueprint(&self) -> Option<Blueprint> {
        Some(Blueprint::new("GlobalPool").set("of", self.name()))
    }

    fn describe(&self) -> String {
        format!("GlobalPool({})", self.name())
    }
}
