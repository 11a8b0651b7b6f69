//! Pooling over windows of the last two axes: `out[n,c,y,x]` = the largest, or the mean, of `x[n,c,·,·]` in window (y, x).
//!
//! The gradient of max pooling finds the largest of each window again ([`MaxPool2dInput`]); its own gradient picks what lies there
//! ([`MaxPool2dPick`]). Average pooling is linear: it and its transpose ([`AvgPool2dInput`]) are each other's gradients.

mod cases;
mod methods;
mod native;
mod options;
mod plane;
mod powers;
mod unpool;
mod variants;
mod volumes;

pub use cases::cases;
pub use options::PoolOptions;
pub use plane::Cells;

use super::window::word;
use crate::error::OpError;
use crate::graph::Accuracy;
use crate::graph::op::{Array, DType, GradCtx, Lowering, Op, Spec};
use crate::graph::{Tensor, record};
use crate::shape::Shape;
use plane::{Plane, beats, four};

/// x \[N, C, H, W\] → the largest of every window \[N, C, oH, oW\]; NaN if one is NaN. Padding is never the largest.
#[derive(Clone, Copy, Debug)]
pub struct MaxPool2d {
    /// The windows.
    pub cells: Cells,
}

/// x \[N, C, H, W\] → where in its plane, y · W + x, the first largest of every window lies, u32 \[N, C, oH, oW\].
#[derive(Clone, Copy, Debug)]
pub struct MaxPool2dIndices {
    /// The windows.
    pub cells: Cells,
}

/// x, v \[N, C, H, W\] → v at the first place, in row order, of every window's largest x \[N, C, oH, oW\].
#[derive(Clone, Copy, Debug)]
pub struct MaxPool2dPick {
    /// The windows.
    pub cells: Cells,
}

/// x \[N, C, H, W\], g \[N, C, oH, oW\] → for every x, Σ g over the windows whose largest it is: the gradient of [`MaxPool2d`].
#[derive(Clone, Copy, Debug)]
pub struct MaxPool2dInput {
    /// The windows.
    pub cells: Cells,
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

fn pick_reference(cells: Cells, x: &Array, v: &Array, output: &Spec) -> Array {
    let Ok(plane) = cells.plane(&Spec::f32(x.shape)) else { return unknown(output) };
    let (windows, elements) = (plane.defined(), plane.elements());
    Array::from_fn(output.shape, |o| {
        let base = o / windows.len() * elements;
        v.data[base + first_largest(&x.data[base..], &windows[o % windows.len()])]
    })
}

impl Op for MaxPool2d {
    fn name(&self) -> &'static str {
        self.cells.named("max_pool2d", "adaptive_max_pool2d")
    }
    fn params(&self) -> Vec<u32> {
        self.cells.words()
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        with_last(&inputs[0].shape, self.cells.plane(&inputs[0])?.output)
    }
    fn lower(&self, inputs: &[Spec], _: &Spec) -> Lowering {
        let Ok(plane) = self.cells.plane(&inputs[0]) else { return nothing() };
        plane.lower_pick("max_pool2d", &inputs[0], 0)
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        pick_reference(self.cells, inputs[0], inputs[0], output)
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![Some(record(MaxPool2dInput { cells: self.cells }, &[&ctx.inputs[0], ctx.grad]))]
    }
}

impl Op for MaxPool2dIndices {
    fn name(&self) -> &'static str {
        self.cells.named("max_pool2d_indices", "adaptive_max_pool2d_indices")
    }
    fn params(&self) -> Vec<u32> {
        self.cells.words()
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let plane = self.cells.plane(&inputs[0])?;
        let Spec { shape, .. } = with_last(&inputs[0].shape, plane.output)?;
        Ok(Spec { shape, dtype: DType::U32, range: Some((0, plane.elements() as i64 - 1)) })
    }
    fn lower(&self, inputs: &[Spec], _: &Spec) -> Lowering {
        match self.cells.plane(&inputs[0]) {
            Ok(plane) => plane.lower_indices("max_pool2d_indices", &inputs[0]),
            Err(_) => nothing(),
        }
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let Ok(plane) = self.cells.plane(&Spec::f32(inputs[0].shape)) else { return unknown(output) };
        let (windows, elements) = (plane.defined(), plane.elements());
        Array::from_fn(output.shape, |o| {
            first_largest(&inputs[0].data[o / windows.len() * elements..], &windows[o % windows.len()]) as f64
        })
    }
    fn grad(&self, _: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![None]
    }
}

impl Op for MaxPool2dPick {
    fn name(&self) -> &'static str {
        "max_pool2d_pick"
    }
    fn params(&self) -> Vec<u32> {
        self.cells.words()
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        four(&inputs[1])?;
        if inputs[1].shape != inputs[0].shape {
            return Err(OpError::Shape(format!("{} is picked from by {}, expected the same shape", inputs[1], inputs[0])));
        }
        with_last(&inputs[0].shape, self.cells.plane(&inputs[0])?.output)
    }
    fn lower(&self, inputs: &[Spec], _: &Spec) -> Lowering {
        let Ok(plane) = self.cells.plane(&inputs[0]) else { return nothing() };
        plane.lower_pick("max_pool2d_pick", &inputs[0], 1)
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        pick_reference(self.cells, inputs[0], inputs[1], output)
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        // Where the largest lies does not move.
        let back = || record(MaxPool2dInput { cells: self.cells }, &[&ctx.inputs[0], ctx.grad]);
        vec![None, ctx.needs[1].then(back)]
    }
}

impl Op for MaxPool2dInput {
    fn name(&self) -> &'static str {
        "max_pool2d_input"
    }
    fn params(&self) -> Vec<u32> {
        self.cells.words()
    }
    fn accuracy(&self, inputs: &[&Array]) -> Accuracy {
        let terms = match self.cells {
            Cells::Sliding { window, .. } => window.kernel[0] * window.kernel[1],
            Cells::Adaptive { output } => overlapping(output, plane_of(inputs)),
        };
        Accuracy::Chosen { terms, from: 1 }
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        four(&inputs[1])?;
        let output = with_last(&inputs[0].shape, self.cells.plane(&inputs[0])?.output)?;
        if inputs[1].shape != output.shape {
            return Err(OpError::Shape(format!("the gradient is {}, expected {output}", inputs[1])));
        }
        Ok(Spec::f32(inputs[0].shape))
    }
    fn lower(&self, inputs: &[Spec], output: &Spec) -> Lowering {
        let Ok(plane) = self.cells.plane(&inputs[0]) else { return nothing() };
        plane.lower_max_input(output)
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let [x, g] = inputs else { return unknown(output) };
        let Ok(plane) = self.cells.plane(&Spec::f32(x.shape)) else { return unknown(output) };
        let (windows, mut out) = (plane.defined(), Array::from_fn(output.shape, |_| 0.0));
        for (o, g) in g.data.iter().enumerate() {
            let base = o / windows.len() * plane.elements();
            out.data[base + first_largest(&x.data[base..], &windows[o % windows.len()])] += g;
        }
        out
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let pick = || record(MaxPool2dPick { cells: self.cells }, &[&ctx.inputs[0], ctx.grad]);
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
        self.cells.named("avg_pool2d", "adaptive_avg_pool2d")
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
            places.iter().map(|at| x.data[base + at]).sum::<f64>() / plane.divisor(o % windows.len(), places.len()) as f64
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
            places.iter().for_each(|at| out.data[base + at] += g / plane.divisor(o % windows.len(), places.len()) as f64);
        }
        out
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![Some(record(AvgPool2d { cells: self.cells }, &[ctx.grad]))]
    }
}
