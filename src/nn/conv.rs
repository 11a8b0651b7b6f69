//! Convolutions as layers: Conv1d, Conv2d and ConvTranspose2d.

use super::{Blueprint, Init, Module, Site};
use crate::error::Result;
use crate::{ConvOptions, Device, Tensor, ToPair};

/// What the three layers share: the parameters, and how they are made anew when the number of groups changes.
#[derive(Debug)]
struct Kernel {
    weight: Tensor,
    bias: Option<Tensor>,
    inputs: usize,
    outputs: usize,
    size: Vec<usize>,
    seed: u64,
    transposed: bool,
    options: ConvOptions,
}

impl Kernel {
    /// PyTorch's start: weight and bias uniform in ±1 / √fan_in, where fan_in is the second axis of the weight × the kernel's size.
    #[track_caller]
    fn new(device: &Device, (inputs, outputs): (usize, usize), size: Vec<usize>, seed: u64, transposed: bool) -> Kernel {
        let options = ConvOptions::new();
        let (weight, bias) = start(device, (inputs, outputs), &size, 1, seed, transposed);
        Kernel { weight, bias: Some(bias), inputs, outputs, size, seed, transposed, options }
    }

    #[track_caller]
    fn groups(&mut self, groups: usize) {
        self.options.groups = groups;
        let channels = (self.inputs, self.outputs);
        let (weight, bias) = start(&self.weight.device(), channels, &self.size, groups, self.seed, self.transposed);
        self.weight = weight;
        self.bias = self.bias.as_ref().map(|_| bias);
    }

    fn blueprint(&self, kind: &str) -> Blueprint {
        let ConvOptions { stride, padding, after, dilation, groups, .. } = self.options;
        let blueprint = Blueprint::new(kind)
            .set("inputs", self.inputs)
            .set("outputs", self.outputs)
            .set("kernel", &self.size[..])
            .set("stride", &stride[..])
            .set("padding", &padding[..])
            .set("dilation", &dilation[..])
            .set("groups", groups)
            .set("bias", self.bias.is_some());
        // Only where it is another than before the image.
        if padding == after { blueprint } else { blueprint.set("padding_after", &after[..]) }
    }

    fn build(site: &Site<'_>, axes: usize, transposed: bool) -> Result<Kernel> {
        let pair = |name| site.blueprint().pair(name);
        let (inputs, outputs, groups) = (site.size("inputs")?, site.size("outputs")?, site.size("groups")?);
        let size = site.blueprint().sizes("kernel")?;
        if size.len() != axes {
            return Err(site.blueprint().refuse(format!("a kernel of {size:?}, expected {axes} sizes")));
        }
        let (first, second) = if transposed { (inputs, outputs) } else { (outputs, inputs) };
        let (shape, bias) = ([&[first, second / groups.max(1)], &size[..]].concat(), site.flag("bias")?);
        site.reserve(&[&shape, &[if bias { outputs } else { 0 }]])?;
        let after = if site.blueprint().settings().contains_key("padding_after") { "padding_after" } else { "padding" };
        let options = ConvOptions::new().stride(pair("stride")?).dilation(pair("dilation")?);
        let mut options = options.sides(pair("padding")?, pair(after)?);
        options.groups = groups;
        // What is not reserved must not be made, not even for a moment.
        let made = |shape: &[usize]| Init::Constant(0.0).parameter(site.device(), shape, (inputs, outputs), 0, 0);
        let (weight, bias) = (made(&shape), bias.then(|| made(&[outputs])));
        Ok(Kernel { weight, bias, inputs, outputs, size, seed: 0, transposed, options })
    }

    fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        visit("weight", &self.weight);
        if let Some(bias) = &self.bias {
            visit("bias", bias);
        }
    }

    /// `Conv2d(1 → 16, 3×3, padding 1)`: what is as it starts is left out. Of the pairs, the last `size.len()` numbers count.
    fn describe(&self, kind: &str, output_padding: [usize; 2]) -> String {
        let times = |n: &[usize]| n.iter().map(usize::to_string).collect::<Vec<_>>().join("×");
        let mut text = format!("{kind}({} → {}, {}", self.inputs, self.outputs, times(&self.size));
        let ConvOptions { stride, padding, after, dilation, groups, .. } = self.options;
        let differ = padding != after;
        let before = if differ { "padding before" } else { "padding" };
        for (name, pair, usual, always) in [
            ("stride", stride, 1, false),
            (before, padding, 0, differ),
            ("after", after, 0, differ),
            ("output padding", output_padding, 0, false),
            ("dilation", dilation, 1, false),
        ] {
            let pair = &pair[2 - self.size.len()..];
            if always || (name != "after" && pair.iter().any(|&n| n != usual)) {
                let same = pair.iter().all(|n| n == &pair[0]);
                text += &format!(", {name} {}", if same { pair[0].to_string() } else { times(pair) });
            }
        }
        if groups != 1 {
            text += &format!(", groups {groups}");
        }
        if self.bias.is_none() {
            text += ", no bias";
        }
        text + ")"
    }
}

/// Weight and bias.
#[track_caller]
fn start(
    device: &Device,
    (inputs, outputs): (usize, usize),
    size: &[usize],
    groups: usize,
    seed: u64,
    transposed: bool,
) -> (Tensor, Tensor) {
    let (first, second) = if transposed { (inputs, outputs) } else { (outputs, inputs) };
    // Groups that do not divide are refused when the layer is used.
    let inner = second / groups.max(1);
    let shape = [&[first, inner], size].concat();
    let fans = (inner * size.iter().product::<usize>(), first);
    (Init::FanIn.parameter(device, &shape, fans, seed, 0), Init::FanIn.parameter(device, &[outputs], fans, seed, 1))
}

macro_rules! options {
    ($layer:ident, $($bound:tt)*) => {
        impl $layer {
            /// The same layer with another stride.
            pub fn stride(mut self, stride: $($bound)*) -> $layer {
                self.kernel.options = self.kernel.options.stride(stride);
                self
            }

            /// The same layer with zeros around its input.
            pub fn padding(mut self, padding: $($bound)*) -> $layer {
                self.kernel.options = self.kernel.options.padding(padding);
                self
            }

            /// The same layer with zeros before and after its input, not as many.
            pub fn sides(mut self, before: $($bound)*, after: $($bound)*) -> $layer {
                self.kernel.options = self.kernel.options.sides(before, after);
                self
            }

            /// The same layer with a kernel whose elements lie further apart.
            pub fn dilation(mut self, dilation: $($bound)*) -> $layer {
                self.kernel.options = self.kernel.options.dilation(dilation);
                self
            }

            /// The same layer with channels in groups that do not see each other. Its parameters are drawn anew.
            #[track_caller]
            pub fn groups(mut self, groups: usize) -> $layer {
                self.kernel.groups(groups);
                self
            }

            /// The same layer without bias.
            pub fn without_bias(mut self) -> $layer {
                self.kernel.bias = None;
                self
            }

            /// The weights.
            pub fn weight(&self) -> &Tensor {
                &self.kernel.weight
            }

            /// The bias, a number per output channel.
            pub fn bias(&self) -> Option<&Tensor> {
                self.kernel.bias.as_ref()
            }
        }
    };
}

options!(Conv1d, usize);
options!(Conv2d, impl ToPair);
options!(ConvTranspose2d, impl ToPair);

/// [`Tensor::conv1d`] as a layer: \[N, inputs, L\] → \[N, outputs, oL\], with weights \[outputs, inputs/groups, k\].
#[derive(Debug)]
pub struct Conv1d {
    kernel: Kernel,
}

impl Conv1d {
    /// A layer with bias that starts as PyTorch's does: both uniform in ±1 / √(inputs/groups · k).
    #[track_caller]
    pub fn new(device: &Device, inputs: usize, outputs: usize, kernel: usize, seed: u64) -> Conv1d {
        Conv1d { kernel: Kernel::new(device, (inputs, outputs), vec![kernel], seed, false) }
    }
}

impl Conv1d {
    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        Ok(Box::new(Conv1d { kernel: Kernel::build(site, 1, false)? }))
    }
}

impl Module for Conv1d {
    fn forward(&self, x: &Tensor) -> Tensor {
        x.conv1d(&self.kernel.weight, self.bias(), self.kernel.options)
    }

    fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        self.kernel.visit(visit);
    }

    fn blueprint(&self) -> Option<Blueprint> {
        Some(self.kernel.blueprint("Conv1d"))
    }

    fn describe(&self) -> String {
        self.kernel.describe("Conv1d", [0, 0])
    }
}

/// [`Tensor::conv2d`] as a layer: \[N, inputs, H, W\] → \[N, outputs, oH, oW\], with weights \[outputs, inputs/groups, kH, kW\].
///
/// ```
/// use steepest::{Device, nn::{Conv2d, Module}};
/// let device = Device::cpu();
/// let layer = Conv2d::new(&device, 1, 16, 3, 0).stride(2).padding(1);
/// assert_eq!(layer.forward(&device.zeros([8, 1, 28, 28])).shape().dims(), [8, 16, 14, 14]);
/// assert_eq!(layer.describe(), "Conv2d(1 → 16, 3×3, stride 2, padding 1)");
/// ```
#[derive(Debug)]
pub struct Conv2d {
    kernel: Kernel,
}

impl Conv2d {
    /// A layer with bias that starts as PyTorch's does: both uniform in ±1 / √(inputs/groups · kH · kW).
    #[track_caller]
    pub fn new(device: &Device, inputs: usize, outputs: usize, kernel: impl ToPair, seed: u64) -> Conv2d {
        Conv2d { kernel: Kernel::new(device, (inputs, outputs), kernel.to_pair().to_vec(), seed, false) }
    }
}

impl Conv2d {
    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        Ok(Box::new(Conv2d { kernel: Kernel::build(site, 2, false)? }))
    }
}

impl Module for Conv2d {
    fn forward(&self, x: &Tensor) -> Tensor {
        x.conv2d(&self.kernel.weight, self.bias(), self.kernel.options)
    }

    fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        self.kernel.visit(visit);
    }

    fn blueprint(&self) -> Option<Blueprint> {
        Some(self.kernel.blueprint("Conv2d"))
    }

    fn describe(&self) -> String {
        self.kernel.describe("Conv2d", [0, 0])
    }
}

/// [`Tensor::conv_transpose2d`] as a layer: \[N, inputs, H, W\] → \[N, outputs, oH, oW\], with weights \[inputs, outputs/groups, kH, kW\].
#[derive(Debug)]
pub struct ConvTranspose2d {
    kernel: Kernel,
    output_padding: [usize; 2],
}

impl ConvTranspose2d {
    /// A layer with bias that starts as PyTorch's does: both uniform in ±1 / √(outputs/groups · kH · kW).
    #[track_caller]
    pub fn new(device: &Device, inputs: usize, outputs: usize, kernel: impl ToPair, seed: u64) -> ConvTranspose2d {
        let kernel = Kernel::new(device, (inputs, outputs), kernel.to_pair().to_vec(), seed, true);
        ConvTranspose2d { kernel, output_padding: [0, 0] }
    }

    /// The same layer with rows and columns added to the end of its output, fewer than the stride.
    pub fn output_padding(mut self, output_padding: impl ToPair) -> ConvTranspose2d {
        self.output_padding = output_padding.to_pair();
        self
    }
}

impl ConvTranspose2d {
    pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
        let output_padding = site.blueprint().pair("output_padding")?;
        Ok(Box::new(ConvTranspose2d { kernel: Kernel::build(site, 2, true)?, output_padding }))
    }
}

impl Module for ConvTranspose2d {
    fn forward(&self, x: &Tensor) -> Tensor {
        x.conv_transpose2d(&self.kernel.weight, self.bias(), self.kernel.options, self.output_padding)
    }

    fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        self.kernel.visit(visit);
    }

    fn blueprint(&self) -> Option<Blueprint> {
        Some(self.kernel.blueprint("ConvTranspose2d").set("output_padding", &self.output_padding[..]))
    }

    fn describe(&self) -> String {
        self.kernel.describe("ConvTranspose2d", self.output_padding)
    }
}
