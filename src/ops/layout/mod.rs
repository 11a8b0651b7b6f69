//! Layout: the same numbers in another shape or order. reshape, permute, expand, slice, and embed (the opposite of slice).

pub mod arrange;
mod cases;
pub mod cat;
mod methods;
pub mod triangle;

pub use cases::cases;

use super::f16;
use crate::error::OpError;
use crate::graph::node::Body;
use crate::graph::op::{Array, DType, GradCtx, Kernel, Lowering, Op, Params, Spec, Variant};
use crate::graph::{Tensor, record};
use crate::shape::{MAX_RANK, Shape, View, ViewDim};
use rayon::prelude::*;
use smallvec::SmallVec;
use std::any::Any;
use std::sync::Arc;

/// The same elements in order under another shape: no work.
#[derive(Clone, Debug)]
pub struct Reshape {
    /// The new shape; has as many elements.
    pub shape: Shape,
}

impl Op for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }
    fn params(&self) -> Vec<u32> {
        vec![]
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let from = inputs[0].shape;
        if from.numel() != self.shape.numel() {
            return Err(OpError::Shape(format!(
                "{from} has {} elements and cannot become {} with {}",
                from.numel(),
                self.shape,
                self.shape.numel()
            )));
        }
        Ok(inputs[0].reshaped(self.shape))
    }
    fn accepts_f16(&self) -> bool {
        true
    }
    fn lower(&self, _: &[Spec], _: &Spec) -> Lowering {
        Lowering::Alias
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        Array::new(output.shape, inputs[0].data.clone())
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![Some(match ctx.inputs[0].try_shape() {
            Ok(shape) => record(Reshape { shape }, &[ctx.grad]),
            Err(_) => ctx.inputs[0].clone(),
        })]
    }
}

/// `out[i_order[0], i_order[1], …] = in[i_0, i_1, …]`: axis k of the output is axis `order[k]` of the input.
#[derive(Clone, Debug)]
pub struct Permute {
    /// Input axes in output order.
    pub order: Vec<usize>,
}

impl Op for Permute {
    fn name(&self) -> &'static str {
        "permute"
    }
    fn params(&self) -> Vec<u32> {
        self.order.iter().map(|&a| a as u32).collect()
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let dims: SmallVec<[usize; MAX_RANK]> = self.order.iter().map(|&a| inputs[0].shape.dims()[a]).collect();
        Ok(inputs[0].reshaped(Shape::new(&dims)?))
    }
    fn accepts_f16(&self) -> bool {
        true
    }
    fn lower(&self, inputs: &[Spec], output: &Spec) -> Lowering {
        let strides = inputs[0].shape.strides();
        let dims = self.order.iter().zip(output.shape.dims());
        let view = View::new(0, dims.map(|(&a, &size)| ViewDim { size, stride: strides[a] as isize }));
        if output.dtype == DType::F16 { f16::permuted("permute", view) } else { Lowering::View(view) }
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let (from, to) = (inputs[0].shape.strides(), output.shape.strides());
        Array::from_fn(output.shape, |i| {
            let at: usize = (0..to.len()).map(|k| i / to[k] % output.shape.dims()[k] * from[self.order[k]]).sum();
            inputs[0].data[at]
        })
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let mut back = vec![0; self.order.len()];
        for (k, &a) in self.order.iter().enumerate() {
            back[a] = k;
        }
        vec![Some(record(Permute { order: back }, &[ctx.grad]))]
    }
}

/// out[…, i, …] = in[…, 0, …] along axes of size 1 and new leading axes.
#[derive(Clone, Debug)]
pub struct Expand {
    /// The new shape.
    pub shape: Shape,
}

impl Op for Expand {
    fn name(&self) -> &'static str {
        "expand"
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        match inputs[0].shape.broadcast(&self.shape) {
            Ok(shape) if shape == self.shape => Ok(inputs[0].reshaped(shape)),
            _ => Err(OpError::Shape(format!("{} does not expand to {}", inputs[0].shape, self.shape))),
        }
    }
    fn lower(&self, inputs: &[Spec], output: &Spec) -> Lowering {
        Lowering::View(View::broadcast(&inputs[0].shape, &output.shape))
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let from = inputs[0].shape;
        let (lead, to) = (output.shape.rank() - from.rank(), output.shape.strides());
        Array::from_fn(output.shape, |i| {
            let at = from.dims().iter().zip(from.strides()).enumerate();
            inputs[0].data[at.map(|(k, (&n, s))| (i / to[k + lead] % output.shape.dims()[k + lead]) % n * s).sum::<usize>()]
        })
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![Some(ctx.grad.sum_to_like(&ctx.inputs[0]))]
    }
}

/// Along one axis: `count` positions from `start`, `step` apart (negative runs backwards).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// First position.
    pub start: usize,
    /// Distance of neighbours.
    pub step: isize,
    /// How many.
    pub count: usize,
}

impl Run {
    /// All `n` positions in order.
    fn all(n: usize) -> Run {
        Run { start: 0, step: 1, count: n }
    }

    fn words(&self) -> [u32; 3] {
        [self.start as u32, self.step as i32 as u32, self.count as u32]
    }

    /// The position taken as number `i`.
    fn at(&self, i: usize) -> usize {
        (self.start as isize + i as isize * self.step) as usize
    }

    /// As which number position `p` is taken, if it is.
    fn find(&self, p: usize) -> Option<usize> {
        let distance = p as isize - self.start as isize;
        let i = distance.checked_div(self.step)?;
        (distance % self.step == 0 && (0..self.count as isize).contains(&i)).then_some(i as usize)
    }
}

/// `out[i, j, …] = in[runs[0].at(i), runs[1].at(j), …]`
#[derive(Clone, Debug)]
pub struct Slice {
    /// One run per axis.
    pub runs: Vec<Run>,
}

impl Op for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }
    fn params(&self) -> Vec<u32> {
        self.runs.iter().flat_map(Run::words).collect()
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let counts: Vec<usize> = self.runs.iter().map(|r| r.count).collect();
        Ok(inputs[0].reshaped(Shape::new(&counts)?))
    }
    fn lower(&self, inputs: &[Spec], output: &Spec) -> Lowering {
        let strides = inputs[0].shape.strides();
        let offset = if output.shape.numel() == 0 { 0 } else { self.runs.iter().zip(&strides).map(|(r, s)| r.start * s).sum() };
        // Where only one element is taken no step is made, of whatever size it is.
        let stride = |r: &Run, s: usize| if r.count > 1 { r.step * s as isize } else { s as isize };
        let dims = self.runs.iter().zip(&strides).map(|(r, &s)| ViewDim { size: r.count, stride: stride(r, s) });
        Lowering::View(View::new(offset, dims))
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let (from, to) = (inputs[0].shape.strides(), output.shape.strides());
        Array::from_fn(output.shape, |i| {
            let at: usize = self.runs.iter().enumerate().map(|(k, r)| r.at(i / to[k] % r.count) * from[k]).sum();
            inputs[0].data[at]
        })
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![Some(match ctx.inputs[0].try_shape() {
            Ok(shape) => record(Embed { runs: self.runs.clone(), shape, value: 0.0 }, &[ctx.grad]),
            Err(_) => ctx.inputs[0].clone(),
        })]
    }
}

/// `out[runs[0].at(i), …] = in[i, …]`, `value` everywhere else: padding, and the gradient of a slice.
#[derive(Clone, Debug)]
pub struct Embed {
    /// One run per axis.
    pub runs: Vec<Run>,
    /// The output's shape.
    pub shape: Shape,
    /// The filling.
    pub value: f64,
}

/// Elements that a thread fills at a time, in whole rows.
const ELEMENTS_PER_TASK: usize = 4096;
/// Elements below which one thread fills all: to hand a part to another takes ten times as long as to fill a thousand.
const MIN_PARALLEL_ELEMENTS: usize = 1 << 15;

impl Embed {
    /// Row `row` (along the last axis) of the output.
    fn fill(&self, row: usize, out: &mut [f32], read: &[f32], value: f32) {
        let Some((last, before)) = self.runs.split_last() else { return out.copy_from_slice(read) };
        out.fill(value);
        let (mut rest, mut at, mut stride) = (row, 0, 1);
        for (run, size) in before.iter().zip(self.shape.dims()).rev() {
            let Some(i) = run.find(rest % size) else { return };
            (rest, at, stride) = (rest / size, at + i * stride, stride * run.count);
        }
        let from = &read[at * last.count..][..last.count];
        match last.step {
            1 => out[last.start..][..last.count].copy_from_slice(from),
            _ => from.iter().enumerate().for_each(|(i, &x)| out[last.at(i)] = x),
        }
    }
}

impl Op for Embed {
    fn name(&self) -> &'static str {
        "embed"
    }
    fn params(&self) -> Vec<u32> {
        self.runs.iter().flat_map(Run::words).collect()
    }
    fn rounded(&self) -> Option<Arc<dyn Op>> {
        let value = f64::from(self.value as f32);
        (value != self.value).then(|| Arc::new(Embed { value, ..self.clone() }) as Arc<dyn Op>)
    }
    fn scalars(&self) -> Vec<u32> {
        vec![(self.value as f32).to_bits()]
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        if inputs[0].dtype != DType::F32 {
            return Err(OpError::DType(format!("operand 0 is {}, expected f32", inputs[0])));
        }
        Ok(Spec::f32(self.shape))
    }
    fn lower(&self, _: &[Spec], output: &Spec) -> Lowering {
        let count = output.shape.numel();
        let axes = self.runs.iter().zip(self.shape.strides()).flat_map(|(run, stride)| {
            let [start, step, taken] = run.words();
            [stride as u32, start, step, taken]
        });
        let params = Params::new().set("count", count).set("rank", self.shape.rank()).set("axes", axes.collect::<Vec<_>>());
        let this = self.clone();
        let kernel = Kernel {
            name: "embed",
            params,
            variants: vec![Variant::each_element("layout/embed", count).max_loop_iterations(8)],
            native: Arc::new(move |io| {
                let (read, value) = (io.read(0), io.scalar(0));
                // Row by row: an output is mostly filling, and where its rows come from is asked once for each.
                let width = this.shape.dims().last().map_or(1, |&width| width.max(1));
                let rows = (ELEMENTS_PER_TASK / width).max(1);
                let part = |(chunk, out): (usize, &mut [f32])| {
                    let rows = out.chunks_exact_mut(width).zip(chunk * rows..);
                    rows.for_each(|(out, row)| this.fill(row, out, read, value));
                };
                if count < MIN_PARALLEL_ELEMENTS {
                    io.write(0).chunks_mut(rows * width).enumerate().for_each(part);
                } else {
                    io.write(0).par_chunks_mut(rows * width).enumerate().for_each(part);
                }
            }),
        };
        Lowering::kernel(kernel, 1)
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let mut out = Array::from_fn(output.shape, |_| self.value);
        let (from, to) = (inputs[0].shape.strides(), self.shape.strides());
        for (i, &x) in inputs[0].data.iter().enumerate() {
            let at: usize = self.runs.iter().enumerate().map(|(k, r)| r.at(i / from[k] % r.count) * to[k]).sum();
            out.data[at] = x;
        }
        out
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![Some(record(Slice { runs: self.runs.clone() }, &[ctx.grad]))]
    }
}

/// If `tensor` is a recorded transpose of its last two axes: what it transposes.
pub(in crate::ops) fn transposed(tensor: &Tensor) -> Option<Tensor> {
    tensor.node().with_body(|body| {
        let Body::Call { op, inputs } = body else { return None };
        let permute = (&**op as &dyn Any).downcast_ref::<Permute>()?;
        let n = permute.order.len();
        let (last, rest) = (permute.order.get(n.checked_sub(2)?..)?, &permute.order[..n - 2]);
        let swaps = last == [n - 1, n - 2] && rest.iter().enumerate().all(|(i, &a)| i == a);
        let edge = &inputs[0];
        (swaps && edge.version == edge.node.version()).then(|| Tensor::of(edge.node.clone()))
    })
}
