//! Sort: `out[o, r, i] = k` where `x[o, k, i]` is the r-th smallest (largest) along an axis; sorted values, and the k largest.
//!
//! The order is total: −∞ … −0 = 0 … ∞, NaN. So NaN comes last ascending and first descending, as in PyTorch. It is stable in both directions:
//! of equal elements the lower index comes first. A GPU sorts short spans by counting and merges them by bisection: no atomics, no padding.

use super::case::{Case, Gen, Input};
use super::index::Gather;
use crate::error::OpError;
use crate::graph::op::{Array, DType, GradCtx, Io, Kernel, Lowering, Op, Operand, Params, Spec, Stage, Variant};
use crate::graph::{Tensor, record};
use rayon::prelude::*;
use std::cmp::Ordering;
use std::sync::Arc;

/// The indices that sort along one axis, of any element type.
#[derive(Clone, Copy, Debug)]
pub struct Argsort {
    /// The axis.
    pub axis: usize,
    /// Whether the largest comes first.
    pub descending: bool,
}

/// Elements that are sorted by counting; longer lines are merged from such spans.
const SPAN: usize = 128;
/// Steps of a bisection, at most.
const MAX_BISECTIONS: usize = 64;
/// Words below which threads cost more than they save.
const MIN_PARALLEL_WORDS: usize = 1 << 13;

/// A number that is smaller the earlier an element comes; the same as in the shaders.
fn key(word: u32, dtype: DType, descending: bool) -> u32 {
    let ascending = match dtype {
        DType::F32 => match word & 0x7fff_ffff {
            size if size > f32::INFINITY.to_bits() => u32::MAX,
            size if size == 0 || word >> 31 == 0 => size | 1 << 31,
            _ => !word,
        },
        DType::I32 => word ^ 1 << 31,
        // Recording refuses f16.
        DType::U32 | DType::Bool | DType::F16 => word,
    };
    if descending { !ascending } else { ascending }
}

/// The order of the reference, by the definition.
fn order(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

impl Argsort {
    /// The kernels that write the order of every line of `from` into `to`, by way of two temporaries where lines are longer than a span. `native` does
    /// all of it, or what comes after it does.
    pub(super) fn stages(
        &self,
        dtype: DType,
        [count, n, inner]: [usize; 3],
        [from, to]: [Operand; 2],
        native: impl Fn(&mut Io<'_>) + Send + Sync + 'static,
    ) -> Vec<Stage> {
        let stage = |kernel, reads: &[Operand], to| Stage { kernel, reads: reads.to_vec(), writes: vec![to] };
        let sizes = |width| [count, n, inner, width];
        let spans = ["sort", "sort/spans"];
        if n <= SPAN || count == 0 {
            return vec![stage(self.kernel(spans, dtype, sizes(SPAN), SPAN, native), &[from], to)];
        }
        // The last stage sorts whole lines natively; those before it need not have done anything.
        let mut stages = vec![stage(self.kernel(spans, dtype, sizes(SPAN), SPAN, |_| {}), &[from], Operand::Temp(0))];
        let merge = ["sort_merge", "sort/merge"];
        let mut width = SPAN;
        while 2 * width < n {
            let last = (stages.len() + 1) % 2;
            let kernel = self.kernel(merge, dtype, sizes(width), MAX_BISECTIONS, |_| {});
            stages.push(stage(kernel, &[from, Operand::Temp(last)], Operand::Temp(1 - last)));
            width *= 2;
        }
        let last = (stages.len() + 1) % 2;
        let kernel = self.kernel(merge, dtype, sizes(width), MAX_BISECTIONS, native);
        stages.push(stage(kernel, &[from, Operand::Temp(last)], to));
        stages
    }

    fn kernel(
        &self,
        [name, shader]: [&'static str; 2],
        dtype: DType,
        [count, n, inner, width]: [usize; 4],
        max_loop_iterations: usize,
        native: impl Fn(&mut Io<'_>) + Send + Sync + 'static,
    ) -> Kernel {
        let dtype = match dtype {
            DType::F32 => 0,
            DType::I32 => 1,
            DType::U32 | DType::Bool | DType::F16 => 2,
        };
        Kernel {
            name,
            params: Params::new().set("count", count).set("n", n).set("inner", inner).set("width", width),
            variants: vec![Variant {
                consts: vec![("TYPE", dtype), ("DESCENDING", u32::from(self.descending))],
                ..Variant::each_element(shader, count).max_loop_iterations(max_loop_iterations)
            }],
            native: Arc::new(native),
        }
    }
}

/// Whole lines by the standard library's sort, on keys with the index below them: all different, so any sort is stable.
fn native(io: &mut Io<'_>, n: usize, inner: usize, dtype: DType, descending: bool) {
    let (read, room) = (io.reads[0], io.room);
    let out = &mut *io.writes[0];
    let block = n * inner;
    let parallel = out.len() >= MIN_PARALLEL_WORDS;
    let each = |(out, x): (&mut [u32], &[u32])| {
        let sort = |(i, line): (usize, &mut [u64])| {
            for ((k, word), to) in x[i..].iter().step_by(inner).enumerate().zip(&mut *line) {
                *to = u64::from(key(*word, dtype, descending)) << 32 | k as u64;
            }
            if parallel {
                line.par_sort_unstable();
            } else {
                line.sort_unstable();
            }
        };
        room.with(2 * block, |memory| {
            // All lines of the block, one after the other.
            let lines: &mut [u64] = bytemuck::cast_slice_mut(memory);
            if parallel {
                lines.par_chunks_exact_mut(n).enumerate().for_each(sort);
            } else {
                lines.chunks_exact_mut(n).enumerate().for_each(sort);
            }
            for (r, row) in out.chunks_exact_mut(inner).enumerate() {
                row.iter_mut().enumerate().for_each(|(i, o)| *o = lines[i * n + r] as u32);
            }
        });
    };
    if parallel {
        out.par_chunks_exact_mut(block).zip(read.par_chunks_exact(block)).for_each(each);
    } else {
        out.chunks_exact_mut(block).zip(read.chunks_exact(block)).for_each(each);
    }
}

impl Op for Argsort {
    fn name(&self) -> &'static str {
        "argsort"
    }
    fn params(&self) -> Vec<u32> {
        vec![self.axis as u32, u32::from(self.descending)]
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let shape = inputs[0].shape;
        let last = shape.dims()[self.axis] as i64 - 1;
        Ok(Spec { shape, dtype: DType::U32, range: (last >= 0).then_some((0, last)) })
    }
    fn lower(&self, inputs: &[Spec], output: &Spec) -> Lowering {
        let (dtype, descending, count) = (inputs[0].dtype, self.descending, output.shape.numel());
        let (_, n, inner) = output.shape.around(self.axis);
        let whole = move |io: &mut Io<'_>| native(io, n, inner, dtype, descending);
        let stages = self.stages(dtype, [count, n, inner], [Operand::Input(0), Operand::Output], whole);
        Lowering::Stages { temps: vec![count; stages.len().min(3) - 1], stages }
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let (outer, n, inner) = output.shape.around(self.axis);
        let x = &inputs[0].data;
        let mut out = Array::from_fn(output.shape, |_| 0.0);
        for first in (0..outer).flat_map(|o| (0..inner).map(move |i| o * n * inner + i)) {
            let at = |k: usize| x[first + k * inner];
            let mut sorted: Vec<usize> = (0..n).collect();
            sorted.sort_by(|&a, &b| if self.descending { order(at(b), at(a)) } else { order(at(a), at(b)) });
            for (r, k) in sorted.into_iter().enumerate() {
                out.data[first + r * inner] = k as f64;
            }
        }
        out
    }
    fn grad(&self, _: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![None]
    }
}

/// Gathering by a permutation of every line of an axis. It is a [`Gather`] but for the gradient, which is gathered too, by the inverse
/// permutation: scattering would sort it too, and then search in it.
#[derive(Clone, Copy, Debug)]
struct Rearrange(Gather);

impl Rearrange {
    fn new(axis: usize) -> Rearrange {
        Rearrange(Gather { axis, rows: false, zero: false })
    }
}

impl Op for Rearrange {
    fn name(&self) -> &'static str {
        "rearrange"
    }
    fn params(&self) -> Vec<u32> {
        self.0.params()
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        self.0.infer(inputs)
    }
    fn lower(&self, inputs: &[Spec], output: &Spec) -> Lowering {
        self.0.lower(inputs, output)
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        self.0.reference(inputs, output)
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        // The index that sorts a permutation is its inverse.
        let inverse = || record(Argsort { axis: self.0.axis, descending: false }, &[&ctx.inputs[1]]);
        vec![ctx.needs[0].then(|| record(*self, &[ctx.grad, &inverse()])), None]
    }
}

impl Tensor {
    /// The indices, as u32, that put an axis in order: the result has this tensor's shape, and `x.gather(axis, &indices)` is sorted.
    ///
    /// Stable in both directions: of equal elements the lower index comes first. NaN counts as the largest. An axis out of range is an error.
    ///
    /// ```
    /// use steepest::Device;
    /// let x = Device::cpu().tensor(&[3.0, 1.0, 2.0, 1.0], 4);
    /// assert_eq!(x.argsort(0, false).to_vec::<u32>()?, [1, 3, 2, 0]);
    /// assert_eq!(x.argsort(0, true).to_vec::<u32>()?, [0, 2, 1, 3]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn argsort(&self, axis: isize, descending: bool) -> Tensor {
        self.with_shape("argsort", |s| Ok(Argsort { axis: s.axis(axis)?, descending }))
    }

    /// `(values, indices)` in order along an axis, both of this tensor's shape; see [`Tensor::argsort`] for ties and NaN.
    ///
    /// The gradient goes to the elements that the values came from.
    #[track_caller]
    pub fn sort(&self, axis: isize, descending: bool) -> (Tensor, Tensor) {
        let indices = self.with_shape("sort", |s| Ok(Argsort { axis: s.axis(axis)?, descending }));
        match indices.try_shape().map(|s| s.axis(axis)) {
            Ok(Ok(axis)) => (record(Rearrange::new(axis), &[self, &indices]), indices),
            _ => (indices.clone(), indices),
        }
    }

    /// `(values, indices)` of the k largest along an axis, largest first; of equal ones the lower index comes first, and NaN is the largest.
    ///
    /// Both have this tensor's shape but for the axis, which gets size k. A k of 0 or above the axis' size is an error.
    ///
    /// ```
    /// use steepest::Device;
    /// let x = Device::cpu().tensor(&[3.0, 1.0, 2.0, 3.0], 4);
    /// let (values, indices) = x.topk(3, -1);
    /// assert_eq!(values.to_vec::<f32>()?, [3.0, 3.0, 2.0]);
    /// assert_eq!(indices.to_vec::<u32>()?, [0, 3, 2]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn topk(&self, k: usize, axis: isize) -> (Tensor, Tensor) {
        let order = self.with_shape("topk", |s| {
            let axis = s.axis(axis)?;
            match s.dims()[axis] {
                n if (1..=n).contains(&k) => Ok(Argsort { axis, descending: true }),
                n => Err(OpError::Value(format!("k is {k}, and axis {axis} of {s} has {n} elements; 1 to {n} can be taken"))),
            }
        });
        if order.check().is_err() {
            return (order.clone(), order);
        }
        let indices = order.slice(axis, ..k as isize);
        (self.gather(axis, &indices), indices)
    }
}

/// Test inputs: every axis and type, both sides of the span and of each merge, ties, NaN, infinities, no elements.
pub fn cases(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    let shapes: [(&[usize], usize); 16] = [
        (&[1], 0),
        (&[2], 0),
        (&[5, 3], 0),
        (&[5, 3], 1),
        (&[2, 7, 3], 1),
        (&[0, 3], 1),
        (&[3, 0], 1),
        (&[0, 300], 1),
        (&[127], 0),
        (&[128], 0),
        (&[129], 0),
        (&[3, 256], 1),
        (&[257, 2], 0),
        (&[2, 385, 3], 1),
        (&[40, 130], 0),
        (&[3000], 0),
    ];
    for descending in [false, true] {
        let mut add = |label: String, axis: usize, input: Input| {
            cases.push(Case::new(label, Argsort { axis, descending }, vec![input]).forward_only());
        };
        for (dims, axis) in shapes {
            add(format!("{dims:?} axis {axis}"), axis, g.distinct(dims));
            add(format!("{dims:?} axis {axis} with ties"), axis, g.input(DType::F32, dims, |g| g.below(9) as f64 - 4.0));
        }
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        let odd = [nan, inf, -inf, 0.0, -0.0, 1e-38, -1e-38, 3.4e38, -3.4e38, -nan];
        for n in [10, 100, 1000] {
            add(format!("{n} odd"), 0, g.input(DType::F32, &[n], |g| f64::from(odd[g.below(10)] as f32)));
        }
        add("i32".to_owned(), 0, g.input(DType::I32, &[700], |g| f64::from(g.bits() as i32)));
        add("u32".to_owned(), 1, g.input(DType::U32, &[2, 300], |g| f64::from(g.bits() as u32)));
        add("small i32".to_owned(), 0, g.input(DType::I32, &[6, 3], |g| g.below(5) as f64 - 2.0));
        add("bools".to_owned(), 0, g.bools(&[200]));
        add("all equal".to_owned(), 0, g.input(DType::F32, &[500], |_| 2.5));
    }
    for (dims, axis, n) in
        [(&[1][..], 0, 1), (&[10], 0, 10), (&[3, 5], 1, 5), (&[5, 3], 0, 5), (&[2, 200, 3], 1, 200), (&[0, 4], 1, 4)]
    {
        // A permutation of every line: 7 has no factor in common with n.
        let inner: usize = dims[axis + 1..].iter().product();
        let mut at = 0;
        let index = g.input(DType::U32, dims, |_| {
            at += 1;
            (((at - 1) / inner % n * 7 + (at - 1) / (n * inner) + 3 * ((at - 1) % inner)) % n) as f64
        });
        cases.push(Case::new(format!("{dims:?} axis {axis}"), Rearrange::new(axis), vec![g.normalish(dims), index]));
    }
    cases
}
