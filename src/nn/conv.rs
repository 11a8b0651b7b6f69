//! Convolutions as layers, over one, two and three axes, and their transposes.

use super::init::{Init, Role, fill};
use super::{Blueprint, Module, Site};
use crate::error::Result;
use crate::{ConvNdOptions, Device, PadMode, Shape, Tensor, ToPair, ToTriple};

/// What the layers share: the parameters, and how they are made anew when the number of groups changes. The options of a layer over one axis
/// are pairs too, of which the second number counts.
#[derive(Debug)]
struct Kernel<const N: usize> {
    weight: Tensor,
    bias: Option<Tensor>,
    inputs: usize,
    outputs: usize,
    size: Vec<usize>,
    seed: u64,
    transposed: bool,
    options: ConvNdOptions<N>,
    /// Of transposed layers: what is added to the end of the output.
    output_padding: [usize; N],
    /// Of the others: what the padding is made of.
    mode: PadMode,
}

/// Zeros around the input.
const ZEROS: PadMode = PadMode::Constant(0.0);

impl<const N: usize> Kernel<N> {
    /// PyTorch's start: weight and bias uniform in ±1 / √fan_in, where fan_in is the second axis of the weight × the kernel's size.
    #[track_caller]
    fn new(device: &Device, (inputs, outputs): (usize, usize), size: Vec<usize>, seed: u64, transposed: bool) -> Kernel<N> {
        let (weight, bias) = start(device, (inputs, outputs), &size, 1, seed, transposed);
        let (options, output_padding) = (ConvNdOptions::new(), [0; N]);
        Kernel { weight, bias: Some(bias), inputs, outputs, size, seed, transposed, options, output_padding, mode: ZEROS }
    }

    #[track_caller]
    fn groups(&mut self, groups: usize) {
        self.options.groups = groups;
        let channels = (self.inputs, self.outputs);
        let (weight, bias) = start(&self.weight.device(), channels, &self.size, groups, self.seed, self.transposed);
        self.weight = weight;
        self.bias = self.bias.as_ref().map(|_| bias);
    }

    /// The kernel's size as the options say sizes.
    fn wide_size(&self) -> [usize; N] {
        std::array::from_fn(|axis| self.size[(axis + self.size.len()).saturating_sub(N)])
    }

    /// The input with its padding, and the options for what is left to be done. Padding that is to keep the size with another stride is left to
    /// be refused.
    #[track_caller]
    fn padded(&self, x: &Tensor) -> (Tensor, ConvNdOptions<N>) {
        let options = self.options;
        let refused = options.same.is_some() && options.stride != [1; N];
        let axes = self.size.len();
        if self.mode == ZEROS || refused || x.try_shape().is_ok_and(|shape| shape.rank() != axes + 2) {
            return (x.clone(), options);
        }
        let sides = options.padding.into_iter().zip(options.after).skip(N - axes);
        // Beyond what any axis may have, as many as can be said.
        let sides = sides.map(|(a, b)| [a, b].map(|n| isize::try_from(n).unwrap_or(isize::MAX))).map(|[a, b]| (a, b));
        let pads: Vec<(isize, isize)> = [(0, 0); 2].into_iter().chain(sides).collect();
        (x.pad_with(&pads, self.mode), options.padding([0; N]))
    }

    fn role(&self) -> Role {
        let groups = self.options.groups;
        if self.transposed { Role::Transposed(groups) } else { Role::Grouped(groups) }
    }

    /// Multiply-adds for an input and an output: an element of the image without the kernel's reach meets so many weights.
    fn multiply_adds(&self, input: &Shape, output: &Shape) -> usize {
        let (image, other) = if self.transposed { (input, self.outputs) } else { (output, self.inputs) };
        let inner = image.numel().saturating_mul(other) / self.options.groups.max(1);
        self.size.iter().fold(inner, |work, &n| work.saturating_mul(n))
    }

    fn blueprint(&self, kind: &str) -> Blueprint {
        let ConvNdOptions { stride, padding, after, dilation, groups, same } = self.options;
        let blueprint = Blueprint::new(kind)
            .set("inputs", self.inputs)
            .set("outputs", self.outputs)
            .set("kernel", &self.size[..])
            .set("stride", &stride[..])
            .set("padding", &padding[..])
            .set("dilation", &dilation[..])
            .set("groups", groups)
            .set("bias", self.bias.is_some());
        let mode = match self.mode {
            PadMode::Constant(_) => "constant",
            PadMode::Reflect => "reflect",
            PadMode::Edge => "edge",
            PadMode::Circular => "circular",
        };
        let blueprint = if self.mode == ZEROS { blueprint } else { blueprint.set("padding_mode", mode) };
        let blueprint = match self.mode {
            PadMode::Constant(value) if self.mode != ZEROS => blueprint.set("padding_value", value),
            _ => blueprint,
        };
        let blueprint = if self.transposed { blueprint.set("output_padding", &self.output_padding[..]) } else { blueprint };
        // Only where it is another than before the image, or follows the kernel.
        let blueprint = if padding == after { blueprint } else { blueprint.set("padding_after", &after[..]) };
        if same.is_some() { blueprint.set("same", true) } else { blueprint }
    }

    fn build(site: &Site<'_>, axes: usize, transposed: bool) -> Result<Kernel<N>> {
        let sizes = |name: &str| -> Result<[usize; N]> {
            let found = site.blueprint().sizes(name)?;
            <[usize; N]>::try_from(found)
                .map_err(|found| site.blueprint().refuse(format!("`{name}` is {found:?}, expected {N} sizes")))
        };
        let (inputs, outputs, groups) = (site.size("inputs")?, site.size("outputs")?, site.size("groups")?);
        let size = site.blueprint().sizes("kernel")?;
        if size.len() != axes {
            return Err(site.blueprint().refuse(format!("a kernel of {size:?}, expected {axes} sizes")));
        }
        let (first, second) = if transposed { (inputs, outputs) } else { (outputs, inputs) };
        let (shape, bias) = ([&[first, second / groups.max(1)], &size[..]].concat(), site.flag("bias")?);
        site.reserve(&[&shape, &[if bias { outputs } else { 0 }]])?;
        let has = |name: &str| site.blueprint().settings().contains_key(name);
        let after = if has("padding_after") { "padding_after" } else { "padding" };
        let options = ConvNdOptions::new().stride(sizes("stride")?).dilation(sizes("dilation")?).groups(groups);
        let options = options.sides(sizes("padding")?, sizes(after)?);
        let output_padding = if transposed { sizes("output_padding")? } else { [0; N] };
        // What is not reserved must not be made, not even for a moment.
        let made =
            |shape: &[usize]| Init::Constant(0.0).start(name(axes, transposed), site.device(), shape, (inputs, outputs), 0, 0);
        let (weight, bias) = (made(&shape), bias.then(|| made(&[outputs])));
        let mode = match if has("padding_mode") { site.blueprint().text("padding_mode")? } else { "" } {
            "" => ZEROS,
            "constant" => PadMode::Constant(site.number("padding_value")?),
            "reflect" => PadMode::Reflect,
            "edge" => PadMode::Edge,
            "circular" => PadMode::Circular,
            other => return Err(site.blueprint().refuse(format!("`padding_mode` is {other}, which is not known"))),
        };
        let mut kernel = Kernel { weight, bias, inputs, outputs, size, seed: 0, transposed, options, output_padding, mode };
        if has("same") && site.flag("same")? {
            kernel.options = options.same(kernel.wide_size());
        }
        Ok(kernel)
    }

    fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
        visit("weight", &self.weight);
        if let Some(bias) = &self.bias {
            visit("bias", bias);
        }
    }

    fn visit_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor)) {
        visit("weight", &mut self.weight);
        if let Some(bias) = &mut self.bias {
            visit("bias", bias);
        }
    }

    /// `Conv2d(1 → 16, 3×3, padding 1)`: what is as it starts is left out. Of the options, the last `size.len()` numbers count.
    fn describe(&self, kind: &str) -> String {
        let times = |n: &[usize]| n.iter().map(usize::to_string).collect::<Vec<_>>().join("×");
        let mut text = format!("{kind}({} → {}, {}", self.inputs, self.outputs, times(&self.size));
        let ConvNdOptions { stride, padding, after, dilation, groups, same } = self.options;
        let differ = padding != after && same.is_none();
        let before = if differ { "padding before" } else { "padding" };
        for (name, sizes, usual, always) in [
            ("stride", stride, 1, false),
            (before, padding, 0, differ),
            ("after", after, 0, differ),
            ("output padding", self.output_padding, 0, false),
            ("dilation", dilation, 1, false),
        ] {
            let sizes = &sizes[N - self.size.len()..];
            if name == "padding" && same.is_some() {
                text += ", padding same";
            } else if always || (name != "after" && sizes.iter().any(|&n| n != usual)) {
                let alike = sizes.iter().all(|n| n == &sizes[0]);
                text += &format!(", {name} {}", if alike { sizes[0].to_string() } else { times(sizes) });
            }
        }
        match self.mode {
            PadMode::Constant(0.0) => {}
            PadMode::Constant(value) => text += &format!(", padding of {value}"),
            mode => text += &format!(", padding {}", format!("{mode:?}").to_lowercase()),
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
    let fans = (size.iter().fold(inner, |n, &size| n.saturating_mul(size)), first);
    let layer = name(size.len(), transposed);
    (Init::FanIn.start(layer, device, &shape, fans, seed, 0), Init::FanIn.start(layer, device, &[outputs], fans, seed, 1))
}

/// What errors call a layer whose kernel has so many axes.
fn name(axes: usize, transposed: bool) -> &'static str {
    match (axes, transposed) {
        (1, false) => "conv1d",
        (2, false) => "conv2d",
        (_, false) => "conv3d",
        (1, true) => "conv_transpose1d",
        (2, true) => "conv_transpose2d",
        (_, true) => "conv_transpose3d",
    }
}

/// A layer whose kernel has `$axes` axes and whose options have `$n`.
macro_rules! layer {
    ($(#[$doc:meta])* $layer:ident, $axes:literal of $n:literal, $transposed:literal, [$($bound:tt)*], $sizes:expr, $forward:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $layer {
            kernel: Kernel<$n>,
        }

        impl $layer {
            /// A layer with bias that starts as PyTorch's does: both uniform in ±1 / √n, n the second axis of the weights times the kernel's size.
            #[track_caller]
            pub fn new(device: &Device, inputs: usize, outputs: usize, kernel: $($bound)*, seed: u64) -> $layer {
                $layer { kernel: Kernel::new(device, (inputs, outputs), ($sizes)(kernel).to_vec(), seed, $transposed) }
            }

            /// The same layer with other starts of its parameters, drawn anew from `seed`. The fans are those of a unit: the channels of a
            /// group times the kernel's size.
            ///
            /// # Errors
            /// As [`Init::fill`].
            #[track_caller]
            pub fn init(self, weight: Init, bias: Init, seed: u64) -> Result<$layer> {
                let role = self.kernel.role();
                let (fan_in, fan_out) = self.kernel.weight.try_shape().map_or((1, 1), |shape| role.fans(shape.dims()));
                fill(&self, seed, |name, _| match name {
                    "bias" => (bias, Role::Other(fan_in, fan_out)),
                    _ => (weight, role),
                })?;
                Ok(self)
            }

            /// The same layer with another stride.
            pub fn stride(mut self, stride: $($bound)*) -> $layer {
                self.kernel.options = self.kernel.options.stride(stride);
                self
            }

            /// The same layer with zeros around its input; of a transposed layer, with as much cut off its output.
            pub fn padding(mut self, padding: $($bound)*) -> $layer {
                self.kernel.options = self.kernel.options.padding(padding);
                self
            }

            /// The same layer with zeros before and after its input, not as many.
            pub fn sides(mut self, before: $($bound)*, after: $($bound)*) -> $layer {
                self.kernel.options = self.kernel.options.sides(before, after);
                self
            }

            /// The same layer with padding that makes its output as large as its input (PyTorch's `padding="same"`); with another stride than 1
            /// its output is invalid.
            pub fn same(mut self) -> $layer {
                self.kernel.options = self.kernel.options.same(self.kernel.wide_size());
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

            pub(super) fn build(site: &Site<'_>) -> Result<Box<dyn Module>> {
                Ok(Box::new($layer { kernel: Kernel::build(site, $axes, $transposed)? }))
            }
        }

        impl Module for $layer {
            #[track_caller]
            fn forward(&self, x: &Tensor) -> Tensor {
                let _layer = crate::nn::entered(self);
                let forward: fn(&Tensor, &Kernel<$n>) -> Tensor = $forward;
                forward(x, &self.kernel)
            }

            fn visit(&self, visit: &mut dyn FnMut(&str, &Tensor)) {
                self.kernel.visit(visit);
            }

            fn visit_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor)) {
                self.kernel.visit_mut(visit);
            }

            fn multiply_adds(&self, input: &Shape, output: &Shape) -> usize {
                self.kernel.multiply_adds(input, output)
            }

            fn blueprint(&self) -> Option<Blueprint> {
                Some(self.kernel.blueprint(stringify!($layer)))
            }

            fn describe(&self) -> String {
                self.kernel.describe(stringify!($layer))
            }
        }
    };
}

layer! {
    /// [`Tensor::conv1d`] as a layer: \[N, inputs, L\] → \[N, outputs, oL\], with weights \[outputs, inputs/groups, k\].
    Conv1d, 1 of 2, false, [usize], |kernel: usize| [kernel],
    |x, k| { let (x, options) = k.padded(x); x.conv1d(&k.weight, k.bias.as_ref(), options) }
}

layer! {
    /// [`Tensor::conv2d`] as a layer: \[N, inputs, H, W\] → \[N, outputs, oH, oW\], with weights \[outputs, inputs/groups, kH, kW\].
    ///
    /// ```
    /// use steepest::{Device, nn::{Conv2d, Module}};
    /// let device = Device::cpu();
    /// let layer = Conv2d::new(&device, 1, 16, 3, 0).stride(2).padding(1);
    /// assert_eq!(layer.forward(&device.zeros([8, 1, 28, 28])).shape().dims(), [8, 16, 14, 14]);
    /// assert_eq!(layer.describe(), "Conv2d(1 → 16, 3×3, stride 2, padding 1)");
    /// let layer = Conv2d::new(&device, 1, 16, (5, 2), 0).same();
    /// assert_eq!(layer.forward(&device.zeros([8, 1, 28, 28])).shape().dims(), [8, 16, 28, 28]);
    /// ```
    Conv2d, 2 of 2, false, [impl ToPair], ToPair::to_pair,
    |x, k| { let (x, options) = k.padded(x); x.conv2d(&k.weight, k.bias.as_ref(), options) }
}

layer! {
    /// [`Tensor::conv3d`] as a layer: \[N, inputs, D, H, W\] → \[N, outputs, oD, oH, oW\], with weights \[outputs, inputs/groups, kD, kH, kW\].
    ///
    /// ```
    /// use steepest::{Device, nn::{Conv3d, Module}};
    /// let device = Device::cpu();
    /// let layer = Conv3d::new(&device, 1, 4, (1, 3, 3), 0).padding((0, 1, 1)).stride((1, 2, 2));
    /// assert_eq!(layer.forward(&device.zeros([2, 1, 8, 28, 28])).shape().dims(), [2, 4, 8, 14, 14]);
    /// ```
    Conv3d, 3 of 3, false, [impl ToTriple], ToTriple::to_triple,
    |x, k| { let (x, options) = k.padded(x); x.conv3d(&k.weight, k.bias.as_ref(), options) }
}

layer! {
    /// [`Tensor::conv_transpose1d`] as a layer: \[N, inputs, L\] → \[N, outputs, oL\], with weights \[inputs, outputs/groups, k\].
    ConvTranspose1d, 1 of 2, true, [usize], |kernel: usize| [kernel],
    |x, k| x.conv_transpose1d(&k.weight, k.bias.as_ref(), k.options, k.output_padding[1])
}

layer! {
    /// [`Tensor::conv_transpose2d`] as a layer: \[N, inputs, H, W\] → \[N, outputs, oH, oW\], with weights \[inputs, outputs/groups, kH, kW\].
    ConvTranspose2d, 2 of 2, true, [impl ToPair], ToPair::to_pair,
    |x, k| x.conv_transpose2d(&k.weight, k.bias.as_ref(), k.options, k.output_padding)
}

layer! {
    /// [`Tensor::conv_transpose3d`] as a layer: \[N, inputs, D, H, W\] → \[N, outputs, oD, oH, oW\], with weights
    /// \[inputs, outputs/groups, kD, kH, kW\].
    ConvTranspose3d, 3 of 3, true, [impl ToTriple], ToTriple::to_triple,
    |x, k| x.conv_transpose3d(&k.weight, k.bias.as_ref(), k.options, k.output_padding)
}

macro_rules! padding_modes {
    ($($layer:ident),*) => {
        $(impl $layer {
            /// The same layer whose padding is not of zeros, but of what is inside the input, or of another number (PyTorch's `padding_mode`).
            pub fn padding_mode(mut self, mode: PadMode) -> $layer {
                self.kernel.mode = mode;
                self
            }
        })*
    };
}

padding_modes!(Conv1d, Conv2d, Conv3d);

impl ConvTranspose1d {
    /// The same layer with elements added to the end of its output, fewer than the stride.
    pub fn output_padding(mut self, output_padding: usize) -> ConvTranspose1d {
        self.kernel.output_padding = [output_padding; 2];
        self
    }
}

impl ConvTranspose2d {
    /// The same layer with rows and columns added to the end of its output, fewer than the stride.
    pub fn output_padding(mut self, output_padding: impl ToPair) -> ConvTranspose2d {
        self.kernel.output_padding = output_padding.to_pair();
        self
    }
}

impl ConvTranspose3d {
    /// The same layer with planes, rows and columns added to the end of its output, fewer than the stride.
    pub fn output_padding(mut self, output_padding: impl ToTriple) -> ConvTranspose3d {
        self.kernel.output_padding = output_padding.to_triple();
        self
    }
}
