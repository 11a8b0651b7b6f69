//! Layout: the same numbers in another shape or order. reshape, permute, expand, slice, and embed (the opposite of slice).

use super::case::{Case, Gen};
use super::half;
use crate::error::{Error, OpError};
use crate::graph::node::Body;
use crate::graph::op::{Array, DType, GradCtx, Kernel, Lowering, Op, Spec, Variant};
use crate::graph::{Tensor, record};
use crate::shape::{MAX_RANK, Shape, ToShape, View, ViewDim};
use rayon::prelude::*;
use smallvec::SmallVec;
use std::any::Any;
use std::ops::{Bound, RangeBounds};
use std::panic::Location;
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
        if output.dtype == DType::F16 { half::moved("permute", view) } else { Lowering::View(view) }
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
        let dims = self.runs.iter().zip(&strides).map(|(r, &s)| ViewDim { size: r.count, stride: r.step * s as isize });
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
        let mut params = vec![count as u32, self.shape.rank() as u32, 0, 0];
        let strides = self.shape.strides();
        for (k, run) in self.runs.iter().enumerate() {
            let [start, step, taken] = run.words();
            params.extend([strides[k] as u32, self.shape.dims()[k] as u32, start, step, taken, 0, 0, 0]);
        }
        params.resize(4 + 8 * 8, 0);
        let this = self.clone();
        let kernel = Kernel {
            name: "embed",
            params: params.into(),
            variants: vec![Variant::new("layout/embed", Variant::groups(count.div_ceil(256))).max_loop_iterations(8)],
            native: Arc::new(move |io| {
                let (read, value) = (io.read(0), io.scalar(0));
                // Row by row: an output is mostly filling, and where its rows come from is asked once for each.
                let width = this.shape.dims().last().map_or(1, |&width| width.max(1));
                let rows = (4096 / width).max(1);
                io.write(0).par_chunks_mut(rows * width).enumerate().for_each(|(chunk, out)| {
                    let rows = out.chunks_exact_mut(width).zip(chunk * rows..);
                    rows.for_each(|(out, row)| this.fill(row, out, read, value));
                });
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

impl Tensor {
    /// An invalid tensor on this one's device, which carries `error` (or this tensor's own, if it is invalid itself) to the first run point.
    ///
    /// It is how a layer or a loss of one's own refuses what it is given: `op` is its name.
    ///
    /// ```
    /// use steepest::{Device, error::OpError};
    /// let x = Device::cpu().zeros([2, 3]);
    /// let y = x.refuse("my_layer", OpError::Shape(format!("input is {}, expected [2,4]", x.shape())));
    /// assert!(y.relu().item().is_err());
    /// ```
    #[track_caller]
    pub fn refuse(&self, op: &'static str, error: OpError) -> Tensor {
        let at = Location::caller();
        let error = self.check().err().unwrap_or(Error::op(op, at, error));
        Tensor::invalid(self.node().runner(), error, at)
    }

    /// This tensor, which a method made of `inputs` by several ops: if one of them refused what it was given, then in the name of that method
    /// and at the caller's line.
    #[track_caller]
    pub(crate) fn made_by(self, op: &'static str, inputs: &[&Tensor]) -> Tensor {
        let at = Location::caller();
        match self.node().spec() {
            Err(Error::Op { error, .. }) if inputs.iter().all(|input| input.node().spec().is_ok()) => {
                Tensor::invalid(self.node().runner(), Error::op(op, at, error.clone()), at)
            }
            _ => self,
        }
    }

    /// Records what `build` makes of this tensor's shape, or an invalid tensor.
    #[track_caller]
    pub(super) fn with_shape<O: Op>(&self, op: &'static str, build: impl FnOnce(Shape) -> Result<O, OpError>) -> Tensor {
        match self.try_shape().map(build) {
            Ok(Ok(made)) => record(made, &[self]),
            Ok(Err(error)) => self.refuse(op, error),
            Err(_) => self.clone(),
        }
    }

    /// The same elements, row-major, in another shape with as many elements.
    #[track_caller]
    pub fn reshape(&self, shape: impl ToShape) -> Tensor {
        self.with_shape("reshape", |_| Ok(Reshape { shape: shape.to_shape()? }))
    }

    /// The same elements in one axis.
    #[track_caller]
    pub fn flatten(&self) -> Tensor {
        self.with_shape("flatten", |s| Ok(Reshape { shape: Shape::new(&[s.numel()])? }))
    }

    /// Axes in another order: axis k of the result is axis `order[k]` of this tensor; negative axes count from the end.
    #[track_caller]
    pub fn permute(&self, order: &[isize]) -> Tensor {
        self.with_shape("permute", |s| {
            let axes = order.iter().map(|&a| s.axis(a)).collect::<Result<Vec<_>, _>>()?;
            let mut sorted = axes.clone();
            sorted.sort_unstable();
            if sorted != (0..s.rank()).collect::<Vec<_>>() {
                return Err(OpError::Value(format!("order {order:?} does not name each axis of {s} once")));
            }
            Ok(Permute { order: axes })
        })
    }

    /// Two axes exchanged.
    #[track_caller]
    pub fn transpose(&self, a: isize, b: isize) -> Tensor {
        self.with_shape("transpose", |s| {
            let mut order: Vec<usize> = (0..s.rank()).collect();
            order.swap(s.axis(a)?, s.axis(b)?);
            Ok(Permute { order })
        })
    }

    /// The last two axes exchanged: the transpose of a matrix, or of every matrix in a batch.
    #[track_caller]
    pub fn t(&self) -> Tensor {
        self.transpose(-2, -1)
    }

    /// Without the named axes of size 1; an empty list means all axes of size 1.
    #[track_caller]
    pub fn squeeze(&self, axes: &[isize]) -> Tensor {
        self.with_shape("squeeze", |s| {
            let gone: Vec<usize> = match axes {
                [] => (0..s.rank()).filter(|&a| s.dims()[a] == 1).collect(),
                _ => s.axes(axes)?,
            };
            if let Some(&a) = gone.iter().find(|&&a| s.dims()[a] != 1) {
                return Err(OpError::Shape(format!("axis {a} of {s} has size {}, not 1", s.dims()[a])));
            }
            Ok(Reshape { shape: s.reduced(&gone, false) })
        })
    }

    /// With a new axis of size 1 at position `axis` of the result.
    #[track_caller]
    pub fn unsqueeze(&self, axis: isize) -> Tensor {
        self.with_shape("unsqueeze", |s| {
            let rank = s.rank() as isize + 1;
            let at = if axis < 0 { axis + rank } else { axis };
            if !(0..rank).contains(&at) {
                return Err(OpError::Axis { axis, shape: s });
            }
            let mut dims = s.dims().to_vec();
            dims.insert(at as usize, 1);
            Ok(Reshape { shape: Shape::new(&dims)? })
        })
    }

    /// Repeated along axes of size 1 and along new leading axes.
    #[track_caller]
    pub fn expand(&self, shape: impl ToShape) -> Tensor {
        self.with_shape("expand", |_| Ok(Expand { shape: shape.to_shape()? }))
    }

    /// Repeated `repeats[k]` times along axis k, as `numpy.tile`: the shorter of shape and repeats gets leading ones.
    #[track_caller]
    pub fn tile(&self, repeats: &[usize]) -> Tensor {
        let Ok(shape) = self.try_shape() else { return self.clone() };
        let rank = shape.rank().max(repeats.len());
        let lead = |dims: &[usize]| [vec![1; rank - dims.len()], dims.to_vec()].concat();
        let (sizes, counts) = (lead(shape.dims()), lead(repeats));
        let mut tensor = self.reshape(sizes.clone());
        // One axis at a time, so that the rank stays within bounds.
        for axis in (0..rank).filter(|&a| counts[a] != 1) {
            tensor = match tensor.try_shape() {
                Err(_) => return tensor,
                Ok(s) => {
                    let (outer, n, inner) = s.around(axis);
                    let repeated = tensor.reshape([outer, 1, n * inner]).expand([outer, counts[axis], n * inner]);
                    match s.with_dim(axis, n * counts[axis]) {
                        Ok(to) => repeated.reshape(to),
                        Err(error) => return self.refuse("tile", error),
                    }
                }
            };
        }
        tensor
    }

    /// Every element `count` times in a row along an axis, as `numpy.repeat`: `[a, b]` twice is `[a, a, b, b]`. An axis out of range is an error.
    #[track_caller]
    pub fn repeat(&self, count: usize, axis: isize) -> Tensor {
        let (shape, at) = match self.try_shape().map(|s| s.axis(axis).map(|at| (s, at))) {
            Err(_) => return self.clone(),
            Ok(Err(error)) => return self.refuse("repeat", error),
            Ok(Ok(found)) => found,
        };
        let (outer, n, inner) = shape.around(at);
        match shape.with_dim(at, n.saturating_mul(count)) {
            Ok(to) => self.reshape([outer * n, 1, inner]).expand([outer * n, count, inner]).reshape(to),
            Err(error) => self.refuse("repeat", error),
        }
    }

    /// Part of one axis; bounds count from the end where negative.
    ///
    /// ```
    /// use steepest::Device;
    /// let x = Device::cpu().tensor(&[0.0, 1.0, 2.0, 3.0, 4.0], 5);
    /// assert_eq!(x.slice(0, 1..-1).to_vec::<f32>()?, [1.0, 2.0, 3.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn slice(&self, axis: isize, range: impl RangeBounds<isize>) -> Tensor {
        let start = match range.start_bound() {
            Bound::Included(&s) => Some(s),
            Bound::Excluded(&s) => Some(s + 1),
            Bound::Unbounded => None,
        };
        let stop = match range.end_bound() {
            // The inclusive end −1 is the last element: there is no number after it.
            Bound::Included(&-1) | Bound::Unbounded => None,
            Bound::Included(&e) => Some(e + 1),
            Bound::Excluded(&e) => Some(e),
        };
        self.slice_step(axis, start, stop, 1)
    }

    /// Part of one axis with a step, by the rules of Python's `x[start:stop:step]`; a negative step runs backwards.
    #[track_caller]
    pub fn slice_step(&self, axis: isize, start: Option<isize>, stop: Option<isize>, step: isize) -> Tensor {
        self.with_shape("slice", |s| {
            let axis = s.axis(axis)?;
            if step == 0 {
                return Err(OpError::Value("a step of 0 never ends".to_owned()));
            }
            let n = s.dims()[axis] as isize;
            let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
            let clip = |i: isize| (if i < 0 { i + n } else { i }).clamp(low, high);
            let first = start.map_or(if step > 0 { low } else { high }, clip);
            let end = stop.map_or(if step > 0 { high } else { low }, clip);
            let span = if step > 0 { end - first } else { first - end };
            let count = if span > 0 { (span as usize).div_ceil(step.unsigned_abs()) } else { 0 };
            let mut runs: Vec<Run> = s.dims().iter().map(|&n| Run::all(n)).collect();
            runs[axis] = Run { start: if count == 0 { 0 } else { first as usize }, step, count };
            Ok(Slice { runs })
        })
    }

    /// Order reversed along the named axes; an empty list means all.
    #[track_caller]
    pub fn flip(&self, axes: &[isize]) -> Tensor {
        self.with_shape("flip", |s| {
            let mut runs: Vec<Run> = s.dims().iter().map(|&n| Run::all(n)).collect();
            for a in s.axes(axes)? {
                runs[a] = Run { start: s.dims()[a].saturating_sub(1), step: -1, count: s.dims()[a] };
            }
            Ok(Slice { runs })
        })
    }

    /// `(before, after)` elements of `value` added along each axis.
    #[track_caller]
    pub fn pad(&self, pads: &[(usize, usize)], value: f64) -> Tensor {
        self.with_shape("pad", |s| {
            if pads.len() != s.rank() {
                return Err(OpError::Value(format!("{} pairs for the {} axes of {s}", pads.len(), s.rank())));
            }
            let padded = s
                .dims()
                .iter()
                .zip(pads)
                .map(|(&n, &(before, after))| n.checked_add(before).and_then(|n| n.checked_add(after)).unwrap_or(usize::MAX));
            let runs = s.dims().iter().zip(pads).map(|(&n, &(before, _))| Run { start: before, step: 1, count: n });
            Ok(Embed { shape: Shape::new(&padded.collect::<Vec<_>>())?, runs: runs.collect(), value })
        })
    }

    /// Summed down to the shape of `target`, which broadcasts to this one: the gradient of broadcasting.
    #[track_caller]
    pub(crate) fn sum_to_like(&self, target: &Tensor) -> Tensor {
        let (Ok(from), Ok(to)) = (self.try_shape(), target.try_shape()) else { return self.clone() };
        if from == to {
            return self.clone();
        }
        let lead = from.rank() - to.rank();
        let axes: SmallVec<[isize; MAX_RANK]> = (0..from.rank())
            .filter(|&a| a < lead || (to.dims()[a - lead] == 1 && from.dims()[a] != 1))
            .map(|a| a as isize)
            .collect();
        let sum = if axes.is_empty() { self.clone() } else { self.sum(&axes) };
        if sum.node().spec().as_ref().is_ok_and(|spec| spec.shape == to) { sum } else { sum.reshape(to) }
    }
}

/// If `tensor` is a recorded transpose of its last two axes: what it transposes.
pub(super) fn transposed(tensor: &Tensor) -> Option<Tensor> {
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

/// Test inputs of the layout ops.
pub fn cases(g: &mut Gen) -> Vec<Case> {
    let shape = |dims: &[usize]| Shape::new(dims).unwrap_or(Shape::SCALAR);
    let run = |start, step, count| Run { start, step, count };
    let mut cases = vec![
        Case::new("[6] → [2,3]", Reshape { shape: shape(&[2, 3]) }, vec![g.normalish(&[6])]),
        Case::new("[] → [1,1]", Reshape { shape: shape(&[1, 1]) }, vec![g.normalish(&[])]),
        Case::new("empty", Reshape { shape: shape(&[0, 4]) }, vec![g.normalish(&[2, 0])]),
        Case::new("bools", Reshape { shape: shape(&[4]) }, vec![g.bools(&[2, 2])]).forward_only(),
    ];
    for (dims, order) in [
        (&[3, 4][..], &[1, 0][..]),
        (&[2, 3, 4], &[2, 0, 1]),
        (&[17, 33], &[1, 0]),
        (&[1, 5, 1, 2], &[3, 2, 1, 0]),
        (&[2, 0, 3], &[2, 1, 0]),
        (&[2, 2, 2, 2, 2, 2, 2, 2], &[7, 1, 5, 3, 4, 2, 6, 0]),
        (&[300, 40], &[1, 0]),
    ] {
        cases.push(Case::new(format!("{dims:?} by {order:?}"), Permute { order: order.to_vec() }, vec![g.normalish(dims)]));
    }
    // Halves, an odd number of them too; a reshape of halves is no work.
    for (dims, order) in [(&[3, 5][..], &[1, 0][..]), (&[2, 3, 4], &[2, 0, 1]), (&[0, 3], &[1, 0]), (&[130, 67], &[1, 0])] {
        cases.push(Case::new(format!("f16 {dims:?} by {order:?}"), Permute { order: order.to_vec() }, vec![g.halves(dims)]));
    }
    cases.push(Case::new("f16", Reshape { shape: shape(&[5, 3]) }, vec![g.halves(&[3, 5])]));
    for (from, to) in [(&[][..], &[3][..]), (&[3, 1], &[3, 4]), (&[1, 4], &[2, 3, 4]), (&[1], &[0]), (&[5, 1, 2], &[5, 300, 2])] {
        cases.push(Case::new(format!("{from:?} → {to:?}"), Expand { shape: shape(to) }, vec![g.normalish(from)]));
    }
    for (dims, runs) in [
        (&[7][..], vec![run(1, 2, 3)]),
        (&[7], vec![run(6, -1, 7)]),
        (&[7], vec![run(5, -3, 2)]),
        (&[4, 5], vec![run(1, 1, 2), run(4, -2, 3)]),
        (&[4, 5], vec![run(0, 1, 0), run(0, 1, 5)]),
        (&[600, 3], vec![run(599, -1, 600), run(0, 1, 2)]),
    ] {
        let input = g.normalish(dims);
        cases.push(Case::new(format!("{dims:?} {runs:?}"), Slice { runs: runs.clone() }, vec![input]));
        let counts: Vec<usize> = runs.iter().map(|r| r.count).collect();
        let embed = Embed { runs, shape: shape(dims), value: -1.5 };
        cases.push(Case::new(format!("into {dims:?}"), embed, vec![g.normalish(&counts)]));
    }
    cases
}
