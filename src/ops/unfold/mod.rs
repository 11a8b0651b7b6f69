//! Windows as axes of their own, and their transpose, which adds up what overlaps: out[…, i, …, j, …] = in[…, i·stride + j·dilation, …].
//!
//! Reading windows is a view: nothing is computed. Both ops are each other's gradients.

mod cases;
mod methods;
mod native;

pub use cases::cases;

use crate::error::OpError;
use crate::graph::Accuracy;
use crate::graph::op::{Array, DType, GradCtx, Kernel, Lowering, Op, Params, Spec, Variant};
use crate::graph::{Tensor, record};
use crate::shape::{MAX_RANK, Shape, View, ViewDim};
use std::iter;

/// One axis of windows: a step along it moves by `step` elements along an axis of the tensor that they are windows of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Along {
    /// The axis that it moves along.
    pub axis: usize,
    /// By how many elements.
    pub step: usize,
    /// How many places it has.
    pub size: usize,
}

impl Along {
    /// All of an axis, in order.
    pub(super) fn all(axis: usize, size: usize) -> Along {
        Along { axis, step: 1, size }
    }
}

/// out\[i₀, i₁, …\] = in\[p₀, p₁, …\], where p of an axis is Σ i · step over the `axes` that move along it: one, or two for windows (which
/// window, and which element of it).
#[derive(Clone, Debug)]
pub struct Windows {
    /// The result's axes, in order.
    pub axes: Vec<Along>,
}

/// The transpose of [`Windows`]: out\[p₀, p₁, …\] = Σ in\[i₀, i₁, …\] over all i with Σ i · step − start = p along every axis.
#[derive(Clone, Debug)]
pub struct OverlapAdd {
    /// The input's axes, in order.
    pub axes: Vec<Along>,
    /// Per axis of the result, what is left out before it; where it is negative, how many zeros come first.
    pub start: Vec<isize>,
    /// The result's shape.
    pub shape: Shape,
}

/// Axes of a tensor that may have windows.
const MOST_WINDOWED: usize = 2;

/// What `axes` say of each axis of a tensor: where among them it is moved along.
fn places(axes: &[Along], rank: usize) -> Result<Vec<Vec<usize>>, OpError> {
    let mut places = vec![vec![]; rank];
    for (place, along) in axes.iter().enumerate() {
        match places.get_mut(along.axis) {
            Some(found) => found.push(place),
            None => return Err(OpError::Value(format!("axis {} of a tensor of {rank} axes", along.axis))),
        }
    }
    if let Some(axis) = places.iter().position(|found| found.is_empty() || found.len() > 2) {
        return Err(OpError::Value(format!("{} axes of windows move along axis {axis}, expected 1 or 2", places[axis].len())));
    }
    if axes.iter().any(|along| along.step == 0) {
        return Err(OpError::Value("windows that do not move: a step of 0".to_owned()));
    }
    if places.iter().filter(|found| found.len() == 2).count() > MOST_WINDOWED {
        return Err(OpError::Value(format!("windows along more than {MOST_WINDOWED} axes")));
    }
    Ok(places)
}

/// How many elements of an axis the places of these axes lie in.
fn extent(axes: &[Along], places: &[usize]) -> usize {
    places.iter().fold(1, |n: usize, &p| n.saturating_add(axes[p].step.saturating_mul(axes[p].size.saturating_sub(1))))
}

fn sizes(axes: &[Along]) -> Vec<usize> {
    axes.iter().map(|along| along.size).collect()
}

fn words(axes: &[Along]) -> impl Iterator<Item = u32> + '_ {
    axes.iter().flat_map(|along| [along.axis, along.step, along.size]).map(super::window::word)
}

impl Op for Windows {
    fn name(&self) -> &'static str {
        "windows"
    }
    fn params(&self) -> Vec<u32> {
        words(&self.axes).collect()
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let from = inputs[0].shape;
        for (axis, found) in places(&self.axes, from.rank())?.iter().enumerate() {
            let (reach, none) = (extent(&self.axes, found), found.iter().any(|&p| self.axes[p].size == 0));
            if reach > from.dims()[axis] && !none {
                return Err(OpError::Shape(format!("windows over {reach} elements of axis {axis} of {from}")));
            }
        }
        Ok(inputs[0].reshaped(Shape::new(&sizes(&self.axes))?))
    }
    fn lower(&self, inputs: &[Spec], _: &Spec) -> Lowering {
        let strides = inputs[0].shape.strides();
        let dim = |along: &Along| ViewDim { size: along.size, stride: along.step.saturating_mul(strides[along.axis]) as isize };
        Lowering::View(View::new(0, self.axes.iter().map(dim)))
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let (from, to) = (inputs[0].shape.strides(), output.shape.strides());
        let at = |i: usize| -> usize {
            self.axes.iter().zip(&to).map(|(along, to)| i / to % along.size * along.step * from[along.axis]).sum()
        };
        Array::from_fn(output.shape, |i| inputs[0].data[at(i)])
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![Some(match ctx.inputs[0].try_shape() {
            Ok(shape) => record(OverlapAdd { axes: self.axes.clone(), start: vec![0; shape.rank()], shape }, &[ctx.grad]),
            Err(_) => ctx.inputs[0].clone(),
        })]
    }
}

/// An axis of the result that has windows, as the kernels see it.
#[derive(Clone, Copy)]
struct Windowed {
    axis: usize,
    start: isize,
    /// Windows: how many, and how far apart they start.
    windows: usize,
    step: usize,
    /// Elements of a window: how many, and how far apart they lie.
    taps: usize,
    dilation: usize,
    /// Elements of the input from one window to the next, and from one tap to the next.
    window_stride: usize,
    tap_stride: usize,
}

/// An axis that the result has not: a place for windows that are not there.
const NO_WINDOWS: Windowed =
    Windowed { axis: 0, start: 0, windows: 1, step: 1, taps: 1, dilation: 1, window_stride: 0, tap_stride: 0 };

impl OverlapAdd {
    /// The axes with windows; each other axis of the result with its stride in the input. An axis that is shifted or cut counts as one with
    /// windows of a single element.
    fn split(&self, input: &Shape) -> (Vec<Windowed>, Vec<(usize, usize)>) {
        let strides = input.strides();
        let (mut windowed, mut plain) = (vec![], vec![]);
        for (axis, found) in places(&self.axes, self.shape.rank()).unwrap_or_default().iter().enumerate() {
            let along = |place: usize| (self.axes[place], strides[place]);
            let start = self.start.get(axis).copied().unwrap_or(0);
            let same = start == 0 && self.shape.dims()[axis] == self.axes[found[0]].size && self.axes[found[0]].step == 1;
            match found[..] {
                [one] if same => plain.push((axis, strides[one])),
                _ => {
                    let (first, window_stride) = along(found[0]);
                    let (second, tap_stride) = found.get(1).map_or((Along::all(axis, 1), 0), |&place| along(place));
                    windowed.push(Windowed {
                        axis,
                        start,
                        windows: first.size,
                        step: first.step,
                        taps: second.size,
                        dilation: second.step,
                        window_stride,
                        tap_stride,
                    });
                }
            }
        }
        (windowed, plain)
    }

    /// Terms of a sum, at most.
    fn terms(&self, input: &Shape) -> usize {
        self.split(input).0.iter().map(|w| w.taps).product()
    }
}

impl Op for OverlapAdd {
    fn name(&self) -> &'static str {
        "overlap_add"
    }
    fn params(&self) -> Vec<u32> {
        let start = self.start.iter().map(|&n| n as i32 as u32);
        let shape = self.shape.dims().iter().map(|&n| n as u32);
        words(&self.axes).chain(iter::once(u32::MAX)).chain(start).chain(shape).collect()
    }
    fn accuracy(&self, inputs: &[&Array]) -> Accuracy {
        Accuracy::Terms(inputs.first().map_or(1, |input| self.terms(&input.shape)))
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        if inputs[0].dtype != DType::F32 {
            return Err(OpError::DType(format!("operand is {}, expected f32; convert with to_f32()", inputs[0])));
        }
        if inputs[0].shape.dims() != sizes(&self.axes) || self.start.len() != self.shape.rank() {
            return Err(OpError::Shape(format!("windows {} where {:?} are expected", inputs[0].shape, sizes(&self.axes))));
        }
        let places = places(&self.axes, self.shape.rank())?;
        if let Some(far) = places.iter().map(|found| extent(&self.axes, found)).find(|&reach| reach > i32::MAX as usize) {
            return Err(OpError::Shape(format!("windows over {far} elements, which are too many")));
        }
        if self.split(&inputs[0].shape).0.len() > MOST_WINDOWED {
            return Err(OpError::Value(format!("windows along more than {MOST_WINDOWED} axes")));
        }
        Ok(Spec::f32(self.shape))
    }
    fn lower(&self, inputs: &[Spec], output: &Spec) -> Lowering {
        let count = output.shape.numel();
        let (windowed, plain) = self.split(&inputs[0].shape);
        let (dims, strides) = (self.shape.dims(), self.shape.strides());
        let axes: Vec<u32> =
            plain.iter().flat_map(|&(axis, stride)| [strides[axis], dims[axis], stride, 0].map(|n| n as u32)).collect();
        let slide = |k: usize| windowed.get(k).copied().unwrap_or(NO_WINDOWS);
        let slides: Vec<u32> = (0..MOST_WINDOWED)
            .flat_map(|k| {
                let w = slide(k);
                // Of an axis that is not there every element is the first.
                let (stride, size) = if k < windowed.len() { (strides[w.axis], dims[w.axis]) } else { (1, 1) };
                let shape = [stride, size, w.windows, w.taps].map(|n| n as u32);
                let moves = [w.step, w.dilation, w.window_stride, w.tap_stride].map(super::window::word);
                [shape, moves].concat()
            })
            .collect();
        let terms = slide(0).taps.saturating_mul(slide(1).taps);
        let params = Params::new().set("count", count).set("first", 0u32).set("rank", plain.len()).set("axes", axes);
        let params = params.set("start", [slide(0).start as i32, slide(1).start as i32]).set("slides", slides);
        let variant = Variant::each_element("unfold/overlap_add", count);
        let variants = vec![variant.max_loop_iterations(terms.saturating_add(MAX_RANK)).in_parts(terms, MAX_RANK)];
        let native = native::overlap_add(self.shape, windowed, plain);
        Lowering::kernel(Kernel { name: "overlap_add", params, variants, native }, 1)
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let mut out = Array::from_fn(output.shape, |_| 0.0);
        let (from, to) = (inputs[0].shape.strides(), output.shape.strides());
        for (i, &x) in inputs[0].data.iter().enumerate() {
            let mut place: Vec<isize> = self.start.iter().map(|start| -start).collect();
            for (along, from) in self.axes.iter().zip(&from) {
                place[along.axis] += (i / from % along.size * along.step) as isize;
            }
            let inside = place.iter().zip(output.shape.dims()).all(|(&p, &n)| (0..n as isize).contains(&p));
            if inside {
                out.data[place.iter().zip(&to).map(|(&p, to)| p as usize * to).sum::<usize>()] += x;
            }
        }
        out
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![Some(self.read_back(ctx.grad))]
    }
    fn flops(&self, inputs: &[Spec], _: &Spec) -> u64 {
        inputs[0].shape.numel() as u64
    }
}

impl OverlapAdd {
    /// Windows of a tensor of the result's shape, 0 beside it.
    fn read_back(&self, x: &Tensor) -> Tensor {
        let Ok(places) = places(&self.axes, self.shape.rank()) else { return x.clone() };
        let (mut pads, mut whole) = (vec![], x.clone());
        for (axis, found) in places.iter().enumerate() {
            let (start, size) = (self.start[axis], self.shape.dims()[axis]);
            if start < 0 {
                whole = whole.slice(axis as isize, start.saturating_neg().min(size as isize)..);
            }
            let (before, left) = (start.max(0) as usize, size.saturating_sub(start.min(0).unsigned_abs()));
            pads.push((before, extent(&self.axes, found).saturating_sub(before + left)));
        }
        if pads.iter().any(|&pad| pad != (0, 0)) {
            whole = whole.pad(&pads, 0.0);
        }
        record(Windows { axes: self.axes.clone() }, &[&whole])
    }
}
