//! Writing by an index: what of several entries wins a place, the largest and the smallest of them, and `scatter`, `index_put` and `index_fill`.
//!
//! Nothing here depends on which thread comes first. Of several entries for one place the last in row-major order wins, found by a sorted index
//! ([`Last`]); what wins is then gathered, so the gradient goes to the winner alone, and every derivative is that of gathering and choosing.

use super::native::by_blocks;
use super::{Gather, ScatterAdd, Sizes, check};
use crate::error::OpError;
use crate::graph::op::{Array, DType, GradCtx, Kernel, Lowering, Op, Operand, Spec, Variant};
use crate::graph::{Tensor, record};
use std::sync::Arc;

/// What becomes of a place that several entries of a [`Tensor::scatter`] name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduce {
    /// The last of them in row-major order, in place of what was there.
    Set,
    /// Their sum.
    Add,
    /// Their mean.
    Mean,
    /// The smallest of them; NaN if one is NaN.
    Min,
    /// The largest of them; NaN if one is NaN.
    Max,
}

/// `out[o, k, i]` = the largest j with `index[o, j, i] = k`, or the size of the axis where there is none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Last {
    /// The axis indexed.
    pub axis: usize,
    /// Its size in the output.
    pub size: usize,
}

impl Op for Last {
    fn name(&self) -> &'static str {
        "last"
    }
    fn params(&self) -> Vec<u32> {
        vec![self.axis as u32, self.size as u32]
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        check("index", &inputs[0], self.size)?;
        Ok(Spec::new(inputs[0].shape.with_dim(self.axis, self.size)?, DType::U32))
    }
    fn lower(&self, inputs: &[Spec], output: &Spec) -> Lowering {
        let (_, m, inner) = inputs[0].shape.around(self.axis);
        let (count, sizes) = (output.shape.numel(), Sizes { n: self.size, m, inner });
        let kernel = Kernel {
            name: "last",
            params: sizes.params(count),
            variants: vec![Variant::each_element("index/last", count).max_loop_iterations(0)],
            native: Arc::new(move |io| {
                let index = io.reads[0];
                by_blocks(&mut *io.writes[0], sizes.n * inner, |o, out| {
                    out.fill(m as u32);
                    for j in 0..m {
                        for (i, &k) in index[(o * m + j) * inner..][..inner].iter().enumerate() {
                            if let Some(place) = out.get_mut((k as usize).saturating_mul(inner) + i) {
                                *place = j as u32;
                            }
                        }
                    }
                });
            }),
        };
        sizes.sorted(inputs[0].shape.numel(), [Operand::Input(0); 2], kernel, &[])
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let (_, m, inner) = inputs[0].shape.around(self.axis);
        let mut out = Array::from_fn(output.shape, |_| m as f64);
        for (at, &k) in inputs[0].data.iter().enumerate() {
            let (o, j, i) = (at / inner / m, at / inner % m, at % inner);
            if let Some(k) = super::position(k, self.size) {
                out.data[(o * self.size + k) * inner + i] = j as f64;
            }
        }
        out
    }
    fn grad(&self, _: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![None]
    }
}

/// Of `(x, index, g)`: the largest or the smallest of `x[o, k, i]` and all `g[o, j, i]` with `index[o, j, i] = k`. Those that are equally large
/// share the gradient evenly.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extreme {
    /// The axis indexed.
    pub axis: usize,
    /// Whether it is the largest.
    pub largest: bool,
}

impl Extreme {
    /// The better of two; NaN if one of them is.
    fn of<T: PartialOrd + Copy>(&self, best: T, value: T) -> T {
        let better = if self.largest { value > best } else { value < best };
        // Only NaN is not equal to itself.
        let (best_is_nan, value_is_nan) = (best.partial_cmp(&best).is_none(), value.partial_cmp(&value).is_none());
        if value_is_nan || (better && !best_is_nan) { value } else { best }
    }
}

impl Op for Extreme {
    fn name(&self) -> &'static str {
        if self.largest { "scatter_max" } else { "scatter_min" }
    }
    fn params(&self) -> Vec<u32> {
        vec![self.axis as u32, u32::from(self.largest)]
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        for i in [0, 2] {
            if inputs[i].dtype != DType::F32 {
                return Err(OpError::DType(format!("operand {i} is {}, expected f32; convert with to_f32()", inputs[i])));
            }
        }
        check("index", &inputs[1], inputs[0].shape.dims()[self.axis])?;
        Ok(Spec::f32(inputs[0].shape))
    }
    fn lower(&self, inputs: &[Spec], output: &Spec) -> Lowering {
        let (_, n, inner) = output.shape.around(self.axis);
        let m = inputs[1].shape.dims()[self.axis];
        let (this, count, sizes) = (*self, output.shape.numel(), Sizes { n, m, inner });
        let kernel = Kernel {
            name: self.name(),
            params: sizes.params(count).set("first", 0usize),
            variants: vec![Variant {
                consts: vec![("LARGEST", u32::from(self.largest))],
                ..Variant::each_element("index/extreme", count).max_loop_iterations(m).in_parts(m, 0)
            }],
            native: Arc::new(move |io| {
                let (g, index, x) = (io.read(0), io.reads[1], io.read(4));
                by_blocks(io.write(0), n * inner, |o, out| {
                    out.copy_from_slice(&x[o * n * inner..][..n * inner]);
                    for at in 0..m * inner {
                        let k = index[o * m * inner + at] as usize;
                        if let Some(best) = out.get_mut(k.saturating_mul(inner) + at % inner) {
                            *best = this.of(*best, g[o * m * inner + at]);
                        }
                    }
                });
            }),
        };
        sizes.sorted(inputs[1].shape.numel(), [Operand::Input(2), Operand::Input(1)], kernel, &[Operand::Input(0)])
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let (_, n, inner) = output.shape.around(self.axis);
        let m = inputs[1].shape.dims()[self.axis];
        let mut out = inputs[0].clone();
        for (at, &k) in inputs[1].data.iter().enumerate() {
            let (o, i) = (at / inner / m, at % inner);
            if let Some(k) = super::position(k, n) {
                let best = &mut out.data[(o * n + k) * inner + i];
                *best = self.of(*best, inputs[2].data[at]);
            }
        }
        out
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let [x, index, g] = ctx.inputs else { return vec![None; 3] };
        let Ok(shape) = x.try_shape() else { return vec![None; 3] };
        let (axis, size) = (self.axis, shape.dims()[self.axis]);
        let gather = |from: &Tensor| record(Gather { axis, rows: false, zero: true }, &[from, index]);
        let best = ctx.output.detach();
        let (of_x, of_g) = (x.eq(&best), g.eq(&gather(&best)));
        let named = record(ScatterAdd { axis, size, rows: false }, &[&of_g.to_f32(), index]);
        // Where the best is NaN nothing is equal to it, and nothing has a share.
        let sharing = of_x.to_f32().add(&named).maximum(&x.constant(1.0));
        let share = ctx.grad.div(&sharing);
        let of = |equal: &Tensor, share: Tensor| equal.where_(&share, &share.full_like(0.0));
        vec![ctx.needs[0].then(|| of(&of_x, share.clone())), None, ctx.needs[2].then(|| of(&of_g, gather(&share)))]
    }
}

/// An index as it is used: which axis, with its negative entries as those that they mean, and the size of the axis.
struct Place {
    axis: usize,
    size: usize,
    index: Tensor,
}

impl Tensor {
    /// Where a call writes into this tensor, if index and source fit: with `rows` the index has one axis and names slices, else it has the source's
    /// shape. All of them are valid.
    #[track_caller]
    fn place(&self, axis: isize, index: &Tensor, src: Option<&Tensor>, rows: bool) -> Result<Place, OpError> {
        let spec = |t: &Tensor| t.spec().map_err(|error| OpError::Value(error.to_string()));
        let (to, by) = (spec(self)?, spec(index)?);
        let axis = to.shape.axis(axis)?;
        let size = to.shape.dims()[axis];
        let entries = by.shape.dims().get(if rows { 0 } else { axis }).copied().unwrap_or(0);
        let wanted = to.shape.with_dim(axis, entries)?;
        if rows && by.shape.rank() != 1 {
            return Err(OpError::Shape(format!("the index is {}, expected one axis", by.shape)));
        }
        if !rows && by.shape != wanted {
            return Err(OpError::Shape(format!("the index is {}, expected {} with any size of axis {axis}", by.shape, to.shape)));
        }
        if let Some(from) = src.and_then(|src| src.spec().ok()) {
            if from.shape != wanted {
                return Err(OpError::Shape(format!("the source is {}, expected {wanted} for {}", from.shape, to.shape)));
            }
            if from.dtype != to.dtype {
                return Err(OpError::DType(format!("the source is {from}, and the tensor {to}; convert one of them")));
            }
        }
        let index = index.counted_from_the_start(size)?;
        check("index", &index.spec().unwrap_or(by), size)?;
        Ok(Place { axis, size, index })
    }

    /// A copy of this tensor in which elements along one axis are exchanged for those of `src` or joined with them, where an index says: for
    /// axis 0 `out[index[i, j], j]` gets `src[i, j]` (`torch.scatter`, `scatter_add`, `scatter_reduce` with `include_self`).
    ///
    /// Index (u32 or i32) and source have one shape: this tensor's, but for the axis. A negative index counts from the end; one outside is an
    /// error where its range is known, else its element is left out. Where an index names a place more than once, [`Reduce::Set`] takes the
    /// last in row-major order, on every device, and the gradient goes to that one alone; equal ones share that of [`Reduce::Min`] and
    /// [`Reduce::Max`] evenly, with what the tensor held among them. Any type can be set; f32 is needed for the others.
    ///
    /// ```
    /// use steepest::{Device, ops::Reduce};
    /// let device = Device::cpu();
    /// let x = device.tensor(&[0.0, 5.0, 0.0], 3);
    /// let (index, src) = (device.tensor(&[0u32, 1, 0], 3), device.tensor(&[1.0, 2.0, 3.0], 3));
    /// assert_eq!(x.scatter(0, &index, &src, Reduce::Set).to_vec::<f32>()?, [3.0, 2.0, 0.0]);
    /// assert_eq!(x.scatter(0, &index, &src, Reduce::Add).to_vec::<f32>()?, [4.0, 7.0, 0.0]);
    /// assert_eq!(x.scatter(0, &index, &src, Reduce::Max).to_vec::<f32>()?, [3.0, 5.0, 0.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[doc(alias = "scatter_reduce")]
    #[track_caller]
    pub fn scatter(&self, axis: isize, index: &Tensor, src: &Tensor, reduce: Reduce) -> Tensor {
        self.scattered("scatter", (axis, index, src), reduce, true)
    }

    /// [`Tensor::scatter`] of the entries alone: what this tensor holds counts only where no entry of the index names the place
    /// (`torch.scatter_reduce` with `include_self=False`).
    ///
    /// ```
    /// use steepest::{Device, ops::Reduce};
    /// let device = Device::cpu();
    /// let x = device.tensor(&[8.0, 5.0, 4.0], 3);
    /// let (index, src) = (device.tensor(&[0u32, 1, 0], 3), device.tensor(&[1.0, 2.0, 3.0], 3));
    /// assert_eq!(x.scatter_over(0, &index, &src, Reduce::Mean).to_vec::<f32>()?, [2.0, 2.0, 4.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn scatter_over(&self, axis: isize, index: &Tensor, src: &Tensor, reduce: Reduce) -> Tensor {
        self.scattered("scatter_over", (axis, index, src), reduce, false)
    }

    #[track_caller]
    fn scattered(
        &self,
        name: &'static str,
        (axis, index, src): (isize, &Tensor, &Tensor),
        reduce: Reduce,
        with_own: bool,
    ) -> Tensor {
        if let Some(invalid) = [self, index, src].into_iter().find(|t| t.check().is_err()) {
            return invalid.clone();
        }
        let Place { axis, size, index } = match self.place(axis, index, Some(src), false) {
            Ok(place) => place,
            Err(error) => return self.refuse(name, error),
        };
        if index.spec().is_ok_and(|spec| spec.shape.numel() == 0) {
            return self.clone();
        }
        let untouched = |last: &Tensor, entries: usize| last.eq(&self.device().tensor(&[entries as u32], ()));
        let last = || record(Last { axis, size }, &[&index]);
        let entries = index.try_shape().map_or(0, |s| s.dims()[axis]);
        let sum = |of: &Tensor| record(ScatterAdd { axis, size, rows: false }, &[of, &index]);
        // What the tensor holds where it counts, and `instead` elsewhere.
        let own = |instead: f64| match with_own {
            true => self.clone(),
            false => untouched(&last(), entries).where_(self, &self.constant(instead)),
        };
        let made = match reduce {
            Reduce::Set => {
                let last = last();
                let winners = record(Gather { axis, rows: false, zero: true }, &[src, &last]);
                untouched(&last, entries).where_(self, &winners)
            }
            Reduce::Add => own(0.0).add(&sum(src)),
            Reduce::Mean => {
                let held = if with_own { self.full_like(1.0) } else { untouched(&last(), entries).to_f32() };
                own(0.0).add(&sum(src)).div(&held.add(&sum(&src.full_like(1.0))))
            }
            Reduce::Max => record(Extreme { axis, largest: true }, &[&own(f64::NEG_INFINITY), &index, src]),
            Reduce::Min => record(Extreme { axis, largest: false }, &[&own(f64::INFINITY), &index, src]),
        };
        made.made_by(name, &[self, &index, src])
    }

    /// A copy of this tensor in which whole slices along one axis are exchanged for those of `src`, or with `accumulate` increased by them: slice
    /// `index[k]` by slice k (`torch.index_copy` and `torch.index_add`, or `index_put` with one index).
    ///
    /// The index (u32 or i32) has one axis, and the source this tensor's shape with as many slices. A negative index counts from the end; one
    /// outside is an error where its range is known, else its slice is left out. Of slices for one place the last wins, on every device, and
    /// gets the gradient. Any type can be put; f32 is needed to accumulate.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let x = device.zeros([3, 2]);
    /// let (index, src) = (device.tensor(&[2i32, -3], 2), device.tensor(&[1.0, 2.0, 3.0, 4.0], [2, 2]));
    /// assert_eq!(x.index_put(0, &index, &src, false).to_vec::<f32>()?, [3.0, 4.0, 0.0, 0.0, 1.0, 2.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[doc(alias = "index_copy")]
    #[track_caller]
    pub fn index_put(&self, axis: isize, index: &Tensor, src: &Tensor, accumulate: bool) -> Tensor {
        if let Some(invalid) = [self, index, src].into_iter().find(|t| t.check().is_err()) {
            return invalid.clone();
        }
        let Place { axis, size, index } = match self.place(axis, index, Some(src), true) {
            Ok(place) => place,
            Err(error) => return self.refuse("index_put", error),
        };
        if index.spec().is_ok_and(|spec| spec.shape.numel() == 0) {
            return self.clone();
        }
        let made = if accumulate {
            self.add(&record(ScatterAdd { axis, size, rows: true }, &[src, &index]))
        } else {
            let last = record(Last { axis: 0, size }, &[&index]);
            let winners = record(Gather { axis, rows: true, zero: true }, &[src, &last]);
            self.untouched_slices(&last, axis, &index).where_(self, &winners)
        };
        made.made_by("index_put", &[self, &index, src])
    }

    /// A copy of this tensor in which whole slices along one axis are `value`: those that an index (u32 or i32, one axis) names. Of integers
    /// it must be one of them. A negative index counts from the end; one outside is an error where its range is known, else it names nothing.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let x = device.ones([2, 3]).index_fill(1, &device.tensor(&[0u32, 2], 2), 7.0);
    /// assert_eq!(x.to_vec::<f32>()?, [7.0, 1.0, 7.0, 7.0, 1.0, 7.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn index_fill(&self, axis: isize, index: &Tensor, value: f64) -> Tensor {
        if let Some(invalid) = [self, index].into_iter().find(|t| t.check().is_err()) {
            return invalid.clone();
        }
        let Place { axis, size, index } = match self.place(axis, index, None, true) {
            Ok(place) => place,
            Err(error) => return self.refuse("index_fill", error),
        };
        if index.spec().is_ok_and(|spec| spec.shape.numel() == 0) {
            return self.clone();
        }
        let last = record(Last { axis: 0, size }, &[&index]);
        let filled = self.untouched_slices(&last, axis, &index).where_(self, &self.value_alike("index_fill", value));
        filled.made_by("index_fill", &[self, &index])
    }

    /// Whether each slice along an axis of this tensor is named by no entry of the index, given the last one that does: of size 1 on all other
    /// axes.
    #[track_caller]
    fn untouched_slices(&self, last: &Tensor, axis: usize, index: &Tensor) -> Tensor {
        let (Ok(shape), Ok(entries)) = (self.try_shape(), index.try_shape()) else { return self.clone() };
        let mut dims = vec![1; shape.rank()];
        dims[axis] = shape.dims()[axis];
        last.eq(&self.device().tensor(&[entries.numel() as u32], ())).reshape(dims)
    }

    /// The option `value` of `op` as a scalar of this tensor's type; of bool whether it is not 0.
    #[track_caller]
    pub(super) fn value_alike(&self, op: &'static str, value: f64) -> Tensor {
        let truth = self.spec().is_ok_and(|spec| spec.dtype == DType::Bool);
        self.alike(op, "value", if truth { f64::from(u8::from(value != 0.0)) } else { value })
    }
}
