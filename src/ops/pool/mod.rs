//! Pooling over windows of the last two axes: `out[n,c,y,x]` = the largest, or the mean, of `x[n,c,·,·]` in window (y, x).
//!
//! The gradient of max pooling finds the largest of each window again ([`MaxPool2dInput`]); its own gradient picks what lies there
//! ([`MaxPool2dPick`]). Average pooling is linear: it and its transpose ([`AvgPool2dInput`]) are each other's gradients.

mod cases;
mod methods;
mod native;
mod variants;

pub use cases::cases;

use super::window::{ToPair, Window, word};
use crate::error::OpError;
use crate::graph::Accuracy;
use crate::graph::op::{Array, DType, GradCtx, Lowering, Op, Spec};
use crate::graph::{Tensor, record};
use crate::shape::Shape;
use std::ops::Range;

/// x \[N, C, H, W\] → the largest of every window \[N, C, oH, oW\]; NaN if one is NaN. Padding is never the largest.
#[derive(Clone, Copy, Debug)]
pub struct MaxPool2d {
    /// The windows.
    pub window: Window,
}

/// x, v \[N, C, H, W\] → v at the first place, in row order, of every window's largest x \[N, C, oH, oW\].
#[derive(Clone, Copy, Debug)]
pub struct MaxPool2dPick {
    /// The windows.
    pub window: Window,
}

/// x \[N, C, H, W\], g \[N, C, oH, oW\] → for every x, Σ g over the windows whose largest it is: the gradient of [`MaxPool2d`].
#[derive(Clone, Copy, Debug)]
pub struct MaxPool2dInput {
    /// The windows.
    pub window: Window,
}

/// What average pooling takes the mean of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cells {
    /// Windows that slide.
    Sliding {
        /// The windows.
        window: Window,
        /// Whether places in the padding count as zeros; else they are left out of the mean.
        count_include_pad: bool,
    },
    /// A given number of cells: cell i covers ⌊i·n/o⌋ to ⌈(i+1)·n/o⌉.
    Adaptive {
        /// Cells along height and width.
        output: [usize; 2],
    },
}

/// x \[N, C, H, W\] → the mean of every window \[N, C, oH, oW\].
#[derive(Clone, Copy, Debug)]
pub struct AvgPool2d {
    /// The windows.
    pub cells: Cells,
}

/// g \[N, C, oH, oW\] → for every x, Σ g/n over the windows of n places that hold it \[N, C, H, W\]: the transpose of [`AvgPool2d`].
#[derive(Clone, Copy, Debug)]
pub struct AvgPool2dInput {
    /// The windows.
    pub cells: Cells,
    /// H and W.
    pub size: [usize; 2],
}

/// A plane and its windows.
#[derive(Clone, Copy, Debug)]
struct Plane {
    size: [usize; 2],
    output: [usize; 2],
    cells: Cells,
}

/// The four sizes of an f32 operand.
fn four(spec: &Spec) -> Result<[usize; 4], OpError> {
    if spec.dtype != DType::F32 {
        return Err(OpError::DType(format!("operand is {spec}, expected f32; convert with to_f32()")));
    }
    spec.shape.dims().try_into().map_err(|_| OpError::Shape(format!("operand is {spec}, expected four axes [N, C, H, W]")))
}

fn sliding(window: Window) -> Cells {
    Cells::Sliding { window, count_include_pad: false }
}

impl Plane {
    fn new(cells: Cells, size: [usize; 2]) -> Result<Plane, OpError> {
        if size.contains(&0) {
            return Err(OpError::Shape(format!("images of {size:?} have no elements to pool")));
        }
        let output = match cells {
            Cells::Sliding { window, .. } => {
                let (kernel, padding) = (window.kernel, window.padding);
                let output = window.count(size)?;
                if padding.iter().zip(kernel).any(|(&p, k)| p > k / 2) {
                    return Err(OpError::Value(format!("padding {padding:?} is more than half of the kernel {kernel:?}")));
                }
                output
            }
            Cells::Adaptive { output } => {
                if output.contains(&0) {
                    return Err(OpError::Value(format!("an output of {output:?} has no cells, expected at least 1")));
                }
                // The shader multiplies them in u32.
                let small = |(&n, o): (&usize, usize)| {
                    (n + 1).checked_mul(o.saturating_add(1)).is_some_and(|product| product <= u32::MAX as usize)
                };
                if !size.iter().zip(output).all(small) {
                    return Err(OpError::Shape(format!("from {size:?} to {output:?}: the sizes are too large")));
                }
                output
            }
        };
        Ok(Plane { size, output, cells })
    }

    fn elements(&self) -> usize {
        self.size[0] * self.size[1]
    }

    fn windows(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// The places of window `i` along an axis.
    fn places(&self, axis: usize, i: usize) -> Range<usize> {
        let n = self.size[axis];
        match self.cells {
            Cells::Sliding { window, .. } => {
                let (first, padding) = (i * window.stride[axis], window.padding[axis]);
                first.saturating_sub(padding)..(first + window.kernel[axis] - padding).min(n)
            }
            Cells::Adaptive { output } => i * n / output[axis]..((i + 1) * n).div_ceil(output[axis]),
        }
    }

    /// What the sum over a window with so many places in the image is divided by.
    fn divisor(&self, inside: usize) -> usize {
        match self.cells {
            Cells::Sliding { window, count_include_pad: true } => window.kernel[0] * window.kernel[1],
            _ => inside,
        }
    }

    /// Every window with its number, its rows and its columns.
    fn each(&self, mut visit: impl FnMut(usize, Range<usize>, Range<usize>)) {
        for y in 0..self.output[0] {
            let rows = self.places(0, y);
            for x in 0..self.output[1] {
                visit(y * self.output[1] + x, rows.clone(), self.places(1, x));
            }
        }
    }

    /// The places of every window in a plane, by the definition: for the reference.
    fn defined(&self) -> Vec<Vec<usize>> {
        let along = |axis: usize, i: usize| -> Vec<usize> {
            let n = self.size[axis];
            match self.cells {
                Cells::Sliding { window, .. } => {
                    let place = |k: usize| (i * window.stride[axis] + k).checked_sub(window.padding[axis]).filter(|&h| h < n);
                    (0..window.kernel[axis]).filter_map(place).collect()
                }
                // Those that overlap i/o to (i+1)/o of the axis.
                Cells::Adaptive { output } => {
                    (0..n).filter(|h| (h + 1) * output[axis] > i * n && h * output[axis] < (i + 1) * n).collect()
                }
            }
        };
        let all = (0..self.output[0]).flat_map(|y| (0..self.output[1]).map(move |x| (y, x)));
        all.map(|(y, x)| along(0, y).iter().flat_map(|h| along(1, x).into_iter().map(move |w| h * self.size[1] + w)).collect())
            .collect()
    }
}

/// Whether `x` takes the place of `best` as the largest: a NaN does, and nothing takes the place of a NaN.
fn beats<T: PartialOrd + Copy>(x: T, best: T) -> bool {
    let (x_is_nan, best_is_nan) = (x.partial_cmp(&x).is_none(), best.partial_cmp(&best).is_none());
    !best_is_nan && (x_is_nan || x > best)
}

fn key(window: &Window, flag: u32) -> Vec<u32> {
    let mut words = window.words();
    words.push(flag);
    words
}

impl Cells {
    fn words(&self) -> Vec<u32> {
        match self {
            Cells::Sliding { window, count_include_pad } => key(window, u32::from(*count_include_pad)),
            Cells::Adaptive { output } => output.map(word).to_vec(),
        }
    }

    fn plane(&self, spec: &Spec) -> Result<Plane, OpError> {
        let [_, _, height, width] = four(spec)?;
        Plane::new(*self, [height, width])
    }
}

/// For a shape that `infer` refused: never run.
fn nothing() -> Lowering {
    Lowering::Stages { temps: vec![], stages: vec![] }
}

fn unknown(output: &Spec) -> Array {
    Array::from_fn(output.shape, |_| f64::NAN)
}

fn with_last(shape: &Shape, [height, width]: [usize; 2]) -> Result<Spec, OpError> {
    match shape.dims() {
        &[n, c, _, _] => Ok(Spec::f32(Shape::new(&[n, c, height, width])?)),
        _ => Err(OpError::Shape(format!("{shape} has not four axes"))),
    }
}

/// The first largest of some places.
fn first_largest(x: &[f64], places: &[usize]) -> usize {
    places.iter().copied().reduce(|best, at| if beats(x[at], x[best]) { at } else { best }).unwrap_or(0)
}

fn pick_reference(window: Window, x: &Array, v: &Array, output: &Spec) -> Array {
    let Ok(plane) = sliding(window).plane(&Spec::f32(x.shape)) else { return unknown(output) };
    let (windows, elements) = (plane.defined(), plane.elements());
    Array::from_fn(output.shape, |o| {
        let base = o / windows.len() * elements;
        v.data[base + first_largest(&x.data[base..], &windows[o % windows.len()])]
    })
}

impl Op for MaxPool2d {
    fn name(&self) -> &'static str {
        "max_pool2d"
    }
    fn params(&self) -> Vec<u32> {
        key(&self.window, 0)
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        with_last(&inputs[0].shape, sliding(self.window).plane(&inputs[0])?.output)
    }
    fn lower(&self, inputs: &[Spec], _: &Spec) -> Lowering {
        let Ok(plane) = sliding(self.window).plane(&inputs[0]) else { return nothing() };
        plane.lower_pick("max_pool2d", self.window, &inputs[0], 0)
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        pick_reference(self.window, inputs[0], inputs[0], output)
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![Some(record(MaxPool2dInput { window: self.window }, &[&ctx.inputs[0], ctx.grad]))]
    }
}

impl Op for MaxPool2dPick {
    fn name(&self) -> &'static str {
        "max_pool2d_pick"
    }
    fn params(&self) -> Vec<u32> {
        key(&self.window, 0)
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        four(&inputs[1])?;
        if inputs[1].shape != inputs[0].shape {
            return Err(OpError::Shape(format!("{} is picked from by {}, expected the same shape", inputs[1], inputs[0])));
        }
        with_last(&inputs[0].shape, sliding(self.window).plane(&inputs[0])?.output)
    }
    fn lower(&self, inputs: &[Spec], _: &Spec) -> Lowering {
        let Ok(plane) = sliding(self.window).plane(&inputs[0]) else { return nothing() };
        plane.lower_pick("max_pool2d_pick", self.window, &inputs[0], 1)
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        pick_reference(self.window, inputs[0], inputs[1], output)
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        // Where the largest lies does not move.
        let back = || record(MaxPool2dInput { window: self.window }, &[&ctx.inputs[0], ctx.grad]);
        vec![None, ctx.needs[1].then(back)]
    }
}

impl Op for MaxPool2dInput {
    fn name(&self) -> &'static str {
        "max_pool2d_input"
    }
    fn params(&self) -> Vec<u32> {
        key(&self.window, 0)
    }
    fn accuracy(&self, _: &[&Array]) -> Accuracy {
        Accuracy::Chosen { terms: self.window.kernel[0] * self.window.kernel[1], from: 1 }
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        four(&inputs[1])?;
        let output = with_last(&inputs[0].shape, sliding(self.window).plane(&inputs[0])?.output)?;
        if inputs[1].shape != output.shape {
            return Err(OpError::Shape(format!("the gradient is {}, expected {output}", inputs[1])));
        }
        Ok(Spec::f32(inputs[0].shape))
    }
    fn lower(&self, inputs: &[Spec], output: &Spec) -> Lowering {
        let Ok(plane) = sliding(self.window).plane(&inputs[0]) else { return nothing() };
        plane.lower_max_input(self.window, output)
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let [x, g] = inputs else { return unknown(output) };
        let Ok(plane) = sliding(self.window).plane(&Spec::f32(x.shape)) else { return unknown(output) };
        let (windows, mut out) = (plane.defined(), Array::from_fn(output.shape, |_| 0.0));
        for (o, g) in g.data.iter().enumerate() {
            let base = o / windows.len() * plane.elements();
            out.data[base + first_largest(&x.data[base..], &windows[o % windows.len()])] += g;
        }
        out
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let pick = || record(MaxPool2dPick { window: self.window }, &[&ctx.inputs[0], ctx.grad]);
        vec![None, ctx.needs[1].then(pick)]
    }
}

/// The last two sizes of the first input.
fn plane_of(inputs: &[&Array]) -> [usize; 2] {
    match inputs.first().map_or(&[][..], |x| x.shape.dims()) {
        &[.., height, width] => [height, width],
        _ => [1, 1],
    }
}

/// Cells of one grid that overlap a cell of another over the same plane, at most.
fn overlapping(of: [usize; 2], cell: [usize; 2]) -> usize {
    (0..2).map(|axis| of[axis].div_ceil(cell[axis].max(1)) + 1).product()
}

impl Op for AvgPool2d {
    fn name(&self) -> &'static str {
        "avg_pool2d"
    }
    fn params(&self) -> Vec<u32> {
        self.cells.words()
    }
    fn accuracy(&self, inputs: &[&Array]) -> Accuracy {
        Accuracy::Terms(match self.cells {
            Cells::Sliding { window, .. } => window.kernel[0] * window.kernel[1],
            Cells::Adaptive { output } => overlapping(plane_of(inputs), output),
        })
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        with_last(&inputs[0].shape, self.cells.plane(&inputs[0])?.output)
    }
    fn lower(&self, inputs: &[Spec], output: &Spec) -> Lowering {
        match self.cells.plane(&inputs[0]) {
            Ok(plane) => plane.lower_average(output),
            Err(_) => nothing(),
        }
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let Ok(plane) = self.cells.plane(&Spec::f32(inputs[0].shape)) else { return unknown(output) };
        let (windows, x) = (plane.defined(), inputs[0]);
        Array::from_fn(output.shape, |o| {
            let (base, places) = (o / windows.len() * plane.elements(), &windows[o % windows.len()]);
            places.iter().map(|at| x.data[base + at]).sum::<f64>() / plane.divisor(places.len()) as f64
        })
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let size = match ctx.inputs[0].try_shape().as_ref().map(Shape::dims) {
            Ok(&[_, _, height, width]) => [height, width],
            _ => [0, 0],
        };
        vec![Some(record(AvgPool2dInput { cells: self.cells, size }, &[ctx.grad]))]
    }
}

impl Op for AvgPool2dInput {
    fn name(&self) -> &'static str {
        "avg_pool2d_input"
    }
    fn params(&self) -> Vec<u32> {
        [self.cells.words(), self.size.map(word).to_vec()].concat()
    }
    fn accuracy(&self, inputs: &[&Array]) -> Accuracy {
        Accuracy::Terms(match self.cells {
            Cells::Sliding { window, .. } => window.kernel[0] * window.kernel[1],
            Cells::Adaptive { .. } => overlapping(plane_of(inputs), self.size),
        })
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let (plane, [_, _, height, width]) = (Plane::new(self.cells, self.size)?, four(&inputs[0])?);
        if [height, width] != plane.output {
            return Err(OpError::Shape(format!("the gradient is {}, expected {:?} windows", inputs[0], plane.output)));
        }
        with_last(&inputs[0].shape, self.size)
    }
    fn lower(&self, _: &[Spec], output: &Spec) -> Lowering {
        match Plane::new(self.cells, self.size) {
            Ok(plane) => plane.lower_average_input(output),
            Err(_) => nothing(),
        }
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let Ok(plane) = Plane::new(self.cells, self.size) else { return unknown(output) };
        let (windows, mut out) = (plane.defined(), Array::from_fn(output.shape, |_| 0.0));
        for (o, g) in inputs[0].data.iter().enumerate() {
            let (base, places) = (o / windows.len() * plane.elements(), &windows[o % windows.len()]);
            places.iter().for_each(|at| out.data[base + at] += g / plane.divisor(places.len()) as f64);
        }
        out
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![Some(record(AvgPool2d { cells: self.cells }, &[ctx.grad]))]
    }
}

/// Windows without gaps between their places.
fn window(kernel: impl ToPair, stride: impl ToPair, padding: impl ToPair) -> Window {
    let padding = padding.to_pair();
    Window { kernel: kernel.to_pair(), stride: stride.to_pair(), padding, after: padding, dilation: [1, 1] }
}
