//! Layout as methods of `Tensor`.

use super::{Embed, Expand, Permute, Reshape, Run, Slice};
use crate::error::{At, Error, OpError};
use crate::graph::node::grad_is_on;
use crate::graph::op::Op;
use crate::graph::{Tensor, record};
use crate::memory::room;
use crate::shape::{MAX_RANK, Shape, ToShape};
use smallvec::SmallVec;
use std::ops::{Bound, RangeBounds};

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
    #[doc(hidden)]
    pub fn refuse(&self, op: &'static str, error: OpError) -> Tensor {
        let at = At::caller();
        let error = self.check().err().unwrap_or(Error::op(op, at, error));
        Tensor::invalid(self.node().backend(), error, at)
    }

    /// The same values as a tensor whose gradient is kept, be it data, a result on the way to a loss or a parameter: what PyTorch's
    /// `requires_grad_` and `retain_grad` are for. Use the result in place of this tensor; [`Gradients::wrt`](crate::Gradients::wrt) and
    /// [`Gradients::get`](crate::Gradients::get) then have the gradient by it. An optimizer does not change it, and clipping does not count it.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let (x, w) = (device.tensor(&[2.0], 1).watch(), device.parameter(&[3.0], 1));
    /// let hidden = (&x * &w).watch();
    /// let gradients = hidden.square().sum(&[]).backward();
    /// assert_eq!(gradients.wrt(&hidden)?.item()?, 12.0);
    /// assert_eq!((gradients.wrt(&x)?.item()?, gradients.wrt(&w)?.item()?), (36.0, 24.0));
    /// # Ok::<(), steepest::Error>(())
    /// ```
    ///
    /// Integers and truth values, which have no gradient, make the result invalid. In a `no_grad` block gradients end at the result.
    #[track_caller]
    pub fn watch(&self) -> Tensor {
        let at = At::caller();
        match self.node().spec() {
            Ok(spec) if !spec.dtype.is_float() => {
                let message = format!("{spec} has no gradient; convert it with to_f32() first");
                self.refuse("watch", OpError::DType(message))
            }
            Ok(spec) if grad_is_on() => Tensor::watched(Reshape { shape: spec.shape }, self, at),
            Ok(spec) => Tensor::watched(Reshape { shape: spec.shape }, &self.detach(), at),
            Err(_) => self.clone(),
        }
    }

    /// This tensor, which a method made of `inputs` by several ops: if one of them refused what it was given, then in the name of that method
    /// and at the caller's line.
    #[track_caller]
    pub(crate) fn made_by(self, op: &'static str, inputs: &[&Tensor]) -> Tensor {
        let at = At::caller();
        match self.node().spec() {
            Err(Error::Op { error, .. }) if inputs.iter().all(|input| input.node().spec().is_ok()) => {
                Tensor::invalid(self.node().backend(), Error::op(op, at, error.clone()), at)
            }
            _ => self,
        }
    }

    /// Refuses to make more tensors than the device has nodes for, before there is any.
    #[track_caller]
    pub(in crate::ops) fn too_many(&self, op: &'static str, what: &str, count: usize) -> Option<Tensor> {
        let most = self.node().backend().live().limit();
        if count <= most {
            return None;
        }
        let message = format!("{what} {count}, expected at most {most}: as many recorded nodes as may be alive");
        Some(self.refuse(op, OpError::Value(message)))
    }

    /// Refuses a list of `count` for which the host has no room, before it is made; `what` names it.
    #[track_caller]
    pub(in crate::ops) fn no_room<T>(&self, op: &'static str, what: &str, count: usize) -> Option<Tensor> {
        let error = room::<T>(format_args!("{what} of {count}"), count).err()?;
        Some(self.refuse(op, OpError::NoRoom(error)))
    }

    /// Records what `build` makes of this tensor's shape, or an invalid tensor.
    #[track_caller]
    pub(in crate::ops) fn with_shape<O: Op>(&self, op: &'static str, build: impl FnOnce(Shape) -> Result<O, OpError>) -> Tensor {
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
    #[doc(alias = "swapaxes")]
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
                    match s.with_dim(axis, n.saturating_mul(counts[axis])) {
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
    #[doc(alias = "narrow")]
    #[track_caller]
    pub fn slice(&self, axis: isize, range: impl RangeBounds<isize>) -> Tensor {
        let start = match range.start_bound() {
            Bound::Included(&s) => Some(s),
            Bound::Excluded(&s) => Some(s.saturating_add(1)),
            Bound::Unbounded => None,
        };
        let stop = match range.end_bound() {
            // The inclusive end −1 is the last element: there is no number after it.
            Bound::Included(&-1) | Bound::Unbounded => None,
            Bound::Included(&e) => Some(e.saturating_add(1)),
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
