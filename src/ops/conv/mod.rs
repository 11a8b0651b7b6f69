//! Convolution `y[n,o,y,x] = Σ_cij w[o,c,i,j] x[n, c, y·stride + i·dilation − padding, …]`, and its gradients by the input and the weights.
//!
//! The three ops are each other's gradients. On every device they are one matrix product in which one operand is an image read through
//! a moving window (`Product`); only what rows, columns and terms stand for differs.

mod cases;
mod methods;
mod native;
mod options;
mod variants;
mod volume;

pub use cases::cases;
pub use options::{Conv3dOptions, ConvNdOptions, ConvOptions};
use variants::{Grid, Product};

use super::reduce::{self, Kind};
use super::window::word;
use crate::error::OpError;
use crate::graph::Accuracy;
use crate::graph::op::{Array, DType, GradCtx, Kernel, Lowering, Op, Operand, Spec, Stage};
use crate::graph::{Tensor, record};
use crate::shape::{Shape, View, ViewDim};

/// x \[N, C, H, W\], w \[O, C/groups, kH, kW\] → y \[N, O, oH, oW\]
#[derive(Clone, Copy, Debug)]
pub struct Conv2d {
    /// How the kernel moves.
    pub options: ConvOptions,
}

/// The gradient of [`Conv2d`] by its input, which is the transposed convolution: y \[N, O, oH, oW\], w \[O, C/groups, kH, kW\] → x \[N, C, H, W\]
///
/// x\[n,c,h,w\] = Σ over o, i, j of w\[o,c,i,j\] · y\[n, o, (h + padding − i·dilation) / stride, …\], where y is 0 outside, and what falls between its elements is no term.
#[derive(Clone, Copy, Debug)]
pub struct Conv2dInput {
    /// How the kernel moves over x.
    pub options: ConvOptions,
    /// H and W, of which a convolution makes oH and oW.
    pub size: [usize; 2],
}

/// The gradient of [`Conv2d`] by its weights: x \[N, C, H, W\], y \[N, O, oH, oW\] → w \[O, C/groups, kH, kW\]
///
/// w\[o,c,i,j\] = Σ over n, y, x of y\[n,o,y,x\] · x\[n, c, y·stride + i·dilation − padding, …\]
#[derive(Clone, Copy, Debug)]
pub struct Conv2dWeight {
    /// How the kernel moves over x.
    pub options: ConvOptions,
    /// kH and kW.
    pub kernel: [usize; 2],
}

/// The sizes of a convolution.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    batch: usize,
    groups: usize,
    /// Channels of x in a group.
    inner: usize,
    /// Channels of y in a group.
    outer: usize,
    /// H and W of x.
    image: [usize; 2],
    kernel: [usize; 2],
    /// H and W of y.
    output: [usize; 2],
    options: ConvOptions,
}

impl Sizes {
    /// Two per weight and pixel of y, whichever of the three is computed.
    fn flops(&self) -> u64 {
        (self.work() as u64).saturating_mul(2)
    }

    fn new(options: ConvOptions, x: [usize; 4], w: [usize; 4]) -> Result<Sizes, OpError> {
        let ([batch, _, height, width], [filters, inner, rows, columns]) = (x, w);
        let groups = options.groups;
        grouped(groups, &x, &w)?;
        options.fits([rows, columns])?;
        let output = options.count([height, width], [rows, columns])?;
        let outer = filters / groups;
        Ok(Sizes { batch, groups, inner, outer, image: [height, width], kernel: [rows, columns], output, options })
    }

    fn x(&self) -> [usize; 4] {
        [self.batch, self.groups * self.inner, self.image[0], self.image[1]]
    }

    fn w(&self) -> [usize; 4] {
        [self.groups * self.outer, self.inner, self.kernel[0], self.kernel[1]]
    }

    fn y(&self) -> [usize; 4] {
        [self.batch, self.groups * self.outer, self.output[0], self.output[1]]
    }

    /// Elements of a plane of x.
    fn plane(&self) -> usize {
        self.image[0] * self.image[1]
    }

    /// Elements of the kernel.
    fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Elements of a plane of y.
    fn pixels(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Multiplications in all.
    fn work(&self) -> usize {
        [self.batch, self.groups, self.outer, self.inner, self.taps(), self.pixels()].iter().fold(1, |n, &f| n.saturating_mul(f))
    }
}

/// Refuses channels of x \[N, C, …\] that weights \[O, C/groups, …\] are not for.
fn grouped(groups: usize, x: &[usize], w: &[usize]) -> Result<(), OpError> {
    let (channels, filters, inner) = (x[1], w[0], w[1]);
    if groups == 0 || channels % groups != 0 || filters % groups != 0 {
        return Err(OpError::Value(format!("{groups} groups do not divide {channels} input and {filters} output channels")));
    }
    if inner != channels / groups {
        return Err(OpError::Shape(format!(
            "input {x:?} has {channels} channels in {groups} groups, and weights {w:?} are for {inner} in each"
        )));
    }
    Ok(())
}

/// The same of a transposed convolution of y \[N, O, …\]: how many channels it makes.
fn grouped_transposed(groups: usize, y: &[usize], w: &[usize]) -> Result<usize, OpError> {
    if y[1] != w[0] || groups == 0 || !w[0].is_multiple_of(groups) {
        let message =
            format!("input {y:?} and weights {w:?} in {groups} groups: the input's channels must be the weights' first axis");
        return Err(OpError::Shape(format!("{message}, and the groups must divide them")));
    }
    let channels = w[1].checked_mul(groups).filter(|&c| c <= u32::MAX as usize);
    channels.ok_or_else(|| OpError::Shape(format!("weights {w:?} in {groups} groups: too many channels")))
}

/// The sizes of an f32 operand of `RANK` axes.
fn sized<const RANK: usize>(spec: &Spec, what: &str) -> Result<[usize; RANK], OpError> {
    if spec.dtype != DType::F32 {
        return Err(OpError::DType(format!("{what} is {spec}, expected f32; convert with to_f32()")));
    }
    let axes = if RANK == 5 { "five" } else { "four" };
    spec.shape.dims().try_into().map_err(|_| OpError::Shape(format!("{what} is {spec}, expected {axes} axes")))
}

/// Refuses a bias that has not one number for each channel of `y`.
fn channel_bias(y: &Shape, bias: &Shape) -> Result<(), OpError> {
    match (y.dims(), bias.dims()) {
        ([_, channels, ..], [n]) if n == channels => Ok(()),
        _ => Err(OpError::Shape(format!("bias {bias} for an output {y}, expected one number per channel"))),
    }
}

fn conv_sizes(op: &Conv2d, inputs: &[Spec]) -> Result<Sizes, OpError> {
    Sizes::new(op.options, sized(&inputs[0], "the input")?, sized(&inputs[1], "the weights")?)
}

fn input_sizes(op: &Conv2dInput, inputs: &[Spec]) -> Result<Sizes, OpError> {
    let (y, w): ([usize; 4], [usize; 4]) = (sized(&inputs[0], "the input")?, sized(&inputs[1], "the weights")?);
    let channels = grouped_transposed(op.options.groups, &y, &w)?;
    let sizes = Sizes::new(op.options, [y[0], channels, op.size[0], op.size[1]], w)?;
    same(&sizes, y)
}

fn weight_sizes(op: &Conv2dWeight, inputs: &[Spec]) -> Result<Sizes, OpError> {
    let (x, y) = (sized(&inputs[0], "the input")?, sized(&inputs[1], "the output's gradient")?);
    let w = [y[1], x[1] / op.options.groups.max(1), op.kernel[0], op.kernel[1]];
    same(&Sizes::new(op.options, x, w)?, y)
}

/// Refuses a `y` that is not what a convolution of these sizes makes.
fn same(sizes: &Sizes, y: [usize; 4]) -> Result<Sizes, OpError> {
    if sizes.y() == y { Ok(*sizes) } else { Err(OpError::Shape(format!("{y:?} where a convolution makes {:?}", sizes.y()))) }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn steps(sizes: [usize; 2], sign: isize) -> [isize; 2] {
    sizes.map(|s| isize::try_from(s).unwrap_or(isize::MAX) * sign)
}

impl Op for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }
    fn params(&self) -> Vec<u32> {
        key(&self.options, [0, 0])
    }
    fn accuracy(&self, inputs: &[&Array]) -> Accuracy {
        Accuracy::Terms(inputs.get(1).map_or(0, |w| w.shape.dims().iter().skip(1).product()))
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        Ok(Spec::f32(Shape::new(&conv_sizes(self, inputs)?.y())?))
    }
    fn lower(&self, inputs: &[Spec], _: &Spec) -> Lowering {
        let Ok(s) = conv_sizes(self, inputs) else { return nothing() };
        let (k, channels) = (s.inner * s.taps(), s.groups * s.inner);
        let product = Product {
            m: s.outer,
            columns: Grid { outer: s.batch, sizes: s.output, stride: channels * s.plane(), step: steps(s.options.stride, 1) },
            k: Grid { outer: s.inner, sizes: s.kernel, stride: s.plane(), step: steps(s.options.dilation, 1) },
            groups: s.groups,
            span: (s.inner * s.kernel[0]).max(1),
            a: [s.outer * k, k, s.taps()],
            b_group: s.inner * s.plane(),
            out: [s.outer * s.pixels(), s.pixels(), s.groups * s.outer * s.pixels()],
            size: s.image,
            start: steps(s.options.padding, -1),
            divide: [1, 1],
            tap_step: [1, 1],
        };
        Lowering::Stages { temps: vec![], stages: vec![stage(product.kernel("conv2d", native::forward(s)), Operand::Output)] }
    }
    fn flops(&self, inputs: &[Spec], _: &Spec) -> u64 {
        conv_sizes(self, inputs).map_or(0, |s| s.flops())
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let [x, w] = inputs else { return Array::from_fn(output.shape, |_| f64::NAN) };
        let Ok(s) = conv_sizes(self, &[Spec::f32(x.shape), Spec::f32(w.shape)]) else {
            return Array::from_fn(output.shape, |_| f64::NAN);
        };
        let mut out = Array::from_fn(output.shape, |_| 0.0);
        s.each(|at_x, at_w, at_y| out.data[at_y] += w.data[at_w] * at_x.map_or(0.0, |i| x.data[i]));
        out
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let [x, w] = ctx.inputs else { return vec![] };
        // The weights' first: plans keep the order, and after it x is often needed no more when its own gradient wants memory.
        let weight = ctx.needs[1].then(|| by_weight(self.options, x, ctx.grad, w));
        vec![ctx.needs[0].then(|| by_input(self.options, ctx.grad, w, x)), weight]
    }
}

/// y, w → like x
fn by_input(options: ConvOptions, y: &Tensor, w: &Tensor, x: &Tensor) -> Tensor {
    record(Conv2dInput { options, size: last_two(x) }, &[y, w])
}

/// x, y → like w
fn by_weight(options: ConvOptions, x: &Tensor, y: &Tensor, w: &Tensor) -> Tensor {
    record(Conv2dWeight { options, kernel: last_two(w) }, &[x, y])
}

fn last_two(tensor: &Tensor) -> [usize; 2] {
    match tensor.try_shape().as_ref().map(Shape::dims) {
        Ok([.., height, width]) => [*height, *width],
        // Recorded only where shapes are known; `infer` refuses this.
        _ => [0, 0],
    }
}

impl Sizes {
    /// Every term of a convolution: its element of x (none outside the image), of w and of y.
    fn each(&self, mut term: impl FnMut(Option<usize>, usize, usize)) {
        let ([height, width], [rows, columns], [down, across]) = (self.image, self.kernel, self.output);
        let ConvOptions { stride, padding, dilation, .. } = self.options;
        for n in 0..self.batch {
            for o in 0..self.groups * self.outer {
                for (y, x) in (0..down).flat_map(|y| (0..across).map(move |x| (y, x))) {
                    for c in 0..self.inner {
                        for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
                            let h = (y * stride[0] + i * dilation[0]).checked_sub(padding[0]).filter(|&h| h < height);
                            let v = (x * stride[1] + j * dilation[1]).checked_sub(padding[1]).filter(|&v| v < width);
                            let plane = (n * self.groups + o / self.outer) * self.inner + c;
                            let at_x = h.zip(v).map(|(h, v)| (plane * height + h) * width + v);
                            let at_w = ((o * self.inner + c) * rows + i) * columns + j;
                            let at_y = ((n * self.groups * self.outer + o) * down + y) * across + x;
                            term(at_x, at_w, at_y);
                        }
                    }
                }
            }
        }
    }
}

/// A gradient of a convolution sums as many products as the second operand has elements, but for its second axis.
fn terms_of_gradient(inputs: &[&Array]) -> Accuracy {
    let dims = inputs.get(1).map_or(&[][..], |operand| operand.shape.dims());
    Accuracy::Terms(dims.iter().enumerate().filter(|(axis, _)| *axis != 1).map(|(_, n)| n).product())
}

impl Op for Conv2dInput {
    fn name(&self) -> &'static str {
        "conv2d_input"
    }
    fn params(&self) -> Vec<u32> {
        key(&self.options, self.size)
    }
    fn accuracy(&self, inputs: &[&Array]) -> Accuracy {
        terms_of_gradient(inputs)
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        Ok(Spec::f32(Shape::new(&input_sizes(self, inputs)?.x())?))
    }
    fn lower(&self, inputs: &[Spec], _: &Spec) -> Lowering {
        let Ok(s) = input_sizes(self, inputs) else { return nothing() };
        // Strides and dilations beyond every image are never taken. Of taps whose dilations differ by a multiple of the stride all see the same pixels.
        let [stride, dilation] = [s.options.stride, s.options.dilation].map(|sizes| sizes.map(|n| n.min(1 << 30)));
        let common = [0, 1].map(|axis| gcd(stride[axis], dilation[axis]));
        let product = Product {
            m: s.inner,
            columns: Grid { outer: s.batch, sizes: s.image, stride: s.groups * s.outer * s.pixels(), step: [1, 1] },
            k: Grid {
                outer: s.outer,
                sizes: s.kernel,
                stride: s.pixels(),
                step: [0, 1].map(|axis| -((dilation[axis] / common[axis]) as isize)),
            },
            groups: s.groups,
            span: (s.outer * s.kernel[0]).max(1),
            a: [s.outer * s.inner * s.taps(), s.taps(), s.inner * s.taps()],
            b_group: s.outer * s.pixels(),
            out: [s.inner * s.plane(), s.plane(), s.groups * s.inner * s.plane()],
            size: s.output,
            start: steps(s.options.padding, 1),
            divide: stride,
            tap_step: [0, 1].map(|axis| stride[axis] / common[axis]),
        };
        let kernel = product.kernel("conv2d_input", native::by_input(s));
        Lowering::Stages { temps: vec![], stages: vec![stage(kernel, Operand::Output)] }
    }
    fn flops(&self, inputs: &[Spec], _: &Spec) -> u64 {
        input_sizes(self, inputs).map_or(0, |s| s.flops())
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let [y, w] = inputs else { return Array::from_fn(output.shape, |_| f64::NAN) };
        let Ok(s) = input_sizes(self, &[Spec::f32(y.shape), Spec::f32(w.shape)]) else {
            return Array::from_fn(output.shape, |_| f64::NAN);
        };
        let ([height, width], [rows, columns], [down, across]) = (s.image, s.kernel, s.output);
        // The window that would have its element i at place h, if there were as many as one likes; none between two windows.
        let window = |h: usize, i: usize, axis: usize| {
            let first = (h + s.options.padding[axis]) as i128 - (i * s.options.dilation[axis]) as i128;
            let stride = s.options.stride[axis] as i128;
            (first % stride == 0).then_some(first / stride)
        };
        let inside = |p: i128, count: usize| usize::try_from(p).ok().filter(|&p| p < count);
        let channels = s.groups * s.inner;
        Array::from_fn(output.shape, |at| {
            let (n, c, h, v) =
                (at / (channels * height * width), at / (height * width) % channels, at / width % height, at % width);
            let mut sum = 0.0;
            for o in c / s.inner * s.outer..(c / s.inner + 1) * s.outer {
                for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
                    let Some((p, q)) = window(h, i, 0).zip(window(v, j, 1)) else { continue };
                    let place = inside(p, down).zip(inside(q, across));
                    let value = place.map_or(0.0, |(p, q)| y.data[((n * s.groups * s.outer + o) * down + p) * across + q]);
                    sum += w.data[((o * s.inner + c % s.inner) * rows + i) * columns + j] * value;
                }
            }
            sum
        })
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let [y, w] = ctx.inputs else { return vec![] };
        let conv = || record(Conv2d { options: self.options }, &[ctx.grad, w]);
        vec![ctx.needs[0].then(conv), ctx.needs[1].then(|| by_weight(self.options, ctx.grad, y, w))]
    }
}

impl Op for Conv2dWeight {
    fn name(&self) -> &'static str {
        "conv2d_weight"
    }
    fn params(&self) -> Vec<u32> {
        key(&self.options, self.kernel)
    }
    fn accuracy(&self, inputs: &[&Array]) -> Accuracy {
        terms_of_gradient(inputs)
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        Ok(Spec::f32(Shape::new(&weight_sizes(self, inputs)?.w())?))
    }
    fn lower(&self, inputs: &[Spec], output: &Spec) -> Lowering {
        let Ok(s) = weight_sizes(self, inputs) else { return nothing() };
        let (k, channels) = (s.inner * s.taps(), s.groups * s.inner);
        let product = Product {
            m: s.outer,
            columns: Grid { outer: s.inner, sizes: s.kernel, stride: s.plane(), step: steps(s.options.dilation, 1) },
            k: Grid { outer: s.batch, sizes: s.output, stride: channels * s.plane(), step: steps(s.options.stride, 1) },
            groups: s.groups,
            span: span(&s),
            a: [s.outer * s.pixels(), s.pixels(), s.groups * s.outer * s.pixels()],
            b_group: s.inner * s.plane(),
            out: [s.outer * k, k, s.taps()],
            size: s.image,
            start: steps(s.options.padding, -1),
            divide: [1, 1],
            tap_step: [1, 1],
        };
        let (splits, count) = (product.splits(), output.shape.numel());
        let kernel = product.kernel("conv2d_weight", native::by_weight(s, product.span));
        if splits == 1 {
            return Lowering::Stages { temps: vec![], stages: vec![stage(kernel, Operand::Output)] };
        }
        // The parts of the sums, one after the other: the same bits every time.
        let each = View::new(0, [ViewDim { size: count, stride: 1 }]);
        let parts = View::new(0, [ViewDim { size: splits, stride: count as isize }]);
        let sum = reduce::kernel(Kind::Sum, &each, &parts, count, splits, splits);
        let sum = Stage { kernel: sum, reads: vec![Operand::Temp(0)], writes: vec![Operand::Output] };
        Lowering::Stages { temps: vec![splits * count], stages: vec![stage(kernel, Operand::Temp(0)), sum] }
    }
    fn flops(&self, inputs: &[Spec], _: &Spec) -> u64 {
        weight_sizes(self, inputs).map_or(0, |s| s.flops())
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let [x, y] = inputs else { return Array::from_fn(output.shape, |_| f64::NAN) };
        let Ok(s) = weight_sizes(self, &[Spec::f32(x.shape), Spec::f32(y.shape)]) else {
            return Array::from_fn(output.shape, |_| f64::NAN);
        };
        let mut out = Array::from_fn(output.shape, |_| 0.0);
        s.each(|at_x, at_w, at_y| out.data[at_w] += y.data[at_y] * at_x.map_or(0.0, |i| x.data[i]));
        out
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let [x, y] = ctx.inputs else { return vec![] };
        let conv = || record(Conv2d { options: self.options }, &[x, ctx.grad]);
        vec![ctx.needs[0].then(|| by_input(self.options, y, ctx.grad, x)), ctx.needs[1].then(conv)]
    }
}

/// Tiles of 64×64 that fill a device.
const TILES_OF_A_DEVICE: usize = 256;
/// Elements of all parts of sums together: no more memory than is worth it.
const ELEMENTS_OF_PARTS: usize = 1 << 22;
/// Pixels that a part of a sum takes at least.
const PIXELS_OF_A_PART: usize = 256;
/// Parts of a sum at most.
const MOST_PARTS: usize = 128;
/// Pixels that a part takes at most: a loop over more is too long for a software adapter.
const PIXELS_OF_A_LOOP: usize = 1 << 15;

/// Rows of pixels that one part of a weight's sum takes. There are few weights and many pixels: without parts most of a device would
/// have nothing to do. It depends on the sizes only, so the order of summation is the same everywhere.
fn span(s: &Sizes) -> usize {
    let (rows, weights) = (s.batch * s.output[0], s.groups * s.outer * s.inner * s.taps());
    let tiles = s.groups * s.outer.div_ceil(64) * (s.inner * s.taps()).div_ceil(64);
    let parts = (TILES_OF_A_DEVICE / tiles.max(1)).min(ELEMENTS_OF_PARTS / weights.max(1));
    let parts = parts.min(rows * s.output[1] / PIXELS_OF_A_PART).clamp(1, MOST_PARTS);
    // Whole vectors, whatever the width.
    let whole = rows.div_ceil(parts).min(PIXELS_OF_A_LOOP / (s.output[1] + 1));
    whole.next_multiple_of(4).max(1)
}

fn key(options: &ConvOptions, size: [usize; 2]) -> Vec<u32> {
    let mut words = options.window(size).words();
    words.push(word(options.groups));
    words
}

/// The second operand is A, the first the image.
fn stage(kernel: Kernel, output: Operand) -> Stage {
    Stage { kernel, reads: vec![Operand::Input(1), Operand::Input(0)], writes: vec![output] }
}

/// For sizes that `infer` refused: never run.
fn nothing() -> Lowering {
    Lowering::Stages { temps: vec![], stages: vec![] }
}
