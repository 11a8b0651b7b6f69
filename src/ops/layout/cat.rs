//! Cat: tensors one after the other along an axis, out[o, start_p + j, i] = x_p[o, j, i]; stack, split and chunk.

use super::super::case::{Case, Gen};
use super::{Run, Slice};
use crate::error::{At, Error, OpError, Result};
use crate::graph::op::{Array, GradCtx, Kernel, Lowering, Op, Operand, Params, Spec, Stage, Variant};
use crate::graph::{Tensor, record_on};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Any number of tensors one after the other along an axis; they are alike but for its size.
#[derive(Clone, Copy, Debug)]
pub struct Cat {
    /// The axis that grows.
    pub axis: usize,
}

impl Op for Cat {
    fn name(&self) -> &'static str {
        "cat"
    }
    fn params(&self) -> Vec<u32> {
        vec![self.axis as u32]
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let first = inputs[0];
        let mut size = 0usize;
        for (i, spec) in inputs.iter().enumerate() {
            let along = spec.shape.dims().get(self.axis).copied().unwrap_or(0);
            if spec.shape.rank() != first.shape.rank() || first.shape.with_dim(self.axis, along)? != spec.shape {
                return Err(OpError::Shape(format!(
                    "{} and operand {i}, {}, differ beside axis {}",
                    first.shape, spec.shape, self.axis
                )));
            }
            if spec.dtype != first.dtype {
                return Err(OpError::DType(format!("operand 0 is {first} and operand {i} is {spec}; convert one of them")));
            }
            size = size.saturating_add(along);
        }
        // The range of all together, if no part with elements leaves its own open.
        let parts = inputs.iter().filter(|s| s.shape.numel() > 0);
        let range =
            parts.map(|s| s.range).reduce(|a, b| a.zip(b).map(|((l, h), (low, high))| (l.min(low), h.max(high)))).flatten();
        Ok(Spec { shape: first.shape.with_dim(self.axis, size)?, dtype: first.dtype, range })
    }
    fn lower(&self, inputs: &[Spec], output: &Spec) -> Lowering {
        let (_, total, inner) = output.shape.around(self.axis);
        let mut start = 0;
        let mut stages = Vec::with_capacity(inputs.len());
        for (i, spec) in inputs.iter().enumerate() {
            let part = spec.shape.dims()[self.axis] * inner;
            if spec.shape.numel() > 0 {
                let kernel = copy(spec.shape.numel(), part, total * inner, start);
                stages.push(Stage { kernel, reads: vec![Operand::Input(i)], writes: vec![Operand::Output] });
            }
            start += part;
        }
        Lowering::Stages { temps: vec![], stages }
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let (outer, _, inner) = output.shape.around(self.axis);
        let mut data = Vec::with_capacity(output.shape.numel());
        for o in 0..outer {
            for x in inputs {
                let part = x.shape.dims()[self.axis] * inner;
                data.extend_from_slice(&x.data[o * part..][..part]);
            }
        }
        Array::new(output.shape, data)
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let mut start = 0;
        let part = |(input, &needed): (&Tensor, &bool)| {
            let size = input.try_shape().ok()?.dims()[self.axis];
            start += size;
            needed.then(|| ctx.grad.part(self.axis, start - size..start))
        };
        ctx.inputs.iter().zip(ctx.needs).map(part).collect()
    }
}

/// Words below which threads cost more than they save.
const MIN_PARALLEL_WORDS: usize = 1 << 16;

/// Copies `count` words, `part` at a time, to every `stride`-th word of the output from `start` on.
fn copy(count: usize, part: usize, stride: usize, start: usize) -> Kernel {
    Kernel {
        name: "cat",
        params: Params::new().set("count", count).set("part", part).set("stride", stride).set("start", start),
        variants: vec![Variant::each_element("layout/cat", count).max_loop_iterations(0)],
        native: Arc::new(move |io| {
            let (read, out) = (io.reads[0], &mut *io.writes[0]);
            let copy = |(row, from): (&mut [u32], &[u32])| row[start..][..part].copy_from_slice(from);
            if count < MIN_PARALLEL_WORDS {
                out.chunks_exact_mut(stride).zip(read.chunks_exact(part)).for_each(copy);
            } else {
                out.par_chunks_exact_mut(stride).zip(read.par_chunks_exact(part)).for_each(copy);
            }
        }),
    }
}

impl Tensor {
    /// The positions `range` of an axis that has them.
    #[track_caller]
    fn part(&self, axis: usize, range: Range<usize>) -> Tensor {
        self.with_shape("slice", |s| {
            let mut runs: Vec<Run> = s.dims().iter().map(|&count| Run { start: 0, step: 1, count }).collect();
            runs[axis] = Run { start: if range.is_empty() { 0 } else { range.start }, step: 1, count: range.len() };
            Ok(Slice { runs })
        })
    }

    /// This tensor and others one after the other along an axis. They have one type, and one shape but for that axis.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let (a, b) = (device.tensor(&[1.0, 2.0], [1, 2]), device.tensor(&[3.0], [1, 1]));
    /// assert_eq!(a.cat(&[&b, &a], 1).to_vec::<f32>()?, [1.0, 2.0, 3.0, 1.0, 2.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn cat(&self, others: &[&Tensor], axis: isize) -> Tensor {
        match self.try_shape().map(|s| s.axis(axis)) {
            Ok(Ok(axis)) => record_on(self.node().backend(), Cat { axis }, &[&[self], others].concat()),
            Ok(Err(error)) => self.refuse("cat", error),
            Err(_) => self.clone(),
        }
    }

    /// This tensor and others of its shape along a new axis at position `axis` of the result.
    #[track_caller]
    pub fn stack(&self, others: &[&Tensor], axis: isize) -> Tensor {
        let wider: Vec<Tensor> = std::iter::once(&self).chain(others).map(|t| t.unsqueeze(axis)).collect();
        wider[0].cat(&wider[1..].iter().collect::<Vec<_>>(), axis)
    }

    /// The elements moved by `shift` positions along an axis, those that leave one end coming back at the other, as `numpy.roll`. An axis
    /// out of range is an error.
    #[track_caller]
    pub fn roll(&self, shift: isize, axis: isize) -> Tensor {
        match self.try_shape().map(|s| s.axis(axis).map(|at| s.dims()[at] as isize)) {
            Err(_) => self.clone(),
            Ok(Err(error)) => self.refuse("roll", error),
            Ok(Ok(n)) if n == 0 || shift % n == 0 => self.clone(),
            Ok(Ok(n)) => {
                let cut = n - shift.rem_euclid(n);
                self.slice(axis, cut..).cat(&[&self.slice(axis, ..cut)], axis)
            }
        }
    }

    /// Parts of the given sizes along an axis, in order; together they are the whole axis.
    ///
    /// Where that cannot be, every part is an invalid tensor: there are always as many parts as sizes.
    #[track_caller]
    pub fn split(&self, axis: isize, sizes: &[usize]) -> Vec<Tensor> {
        let axis = self.try_shape().and_then(|s| {
            let at = At::caller();
            let fail = |error| Error::op("split", at, error);
            let axis = s.axis(axis).map_err(fail)?;
            if sizes.iter().try_fold(0usize, |sum, &n| sum.checked_add(n)) == Some(s.dims()[axis]) {
                return Ok(axis);
            }
            Err(fail(OpError::Value(format!("sizes {sizes:?} do not add up to axis {axis} of {s}"))))
        });
        match axis {
            Ok(axis) => self.divided(axis, sizes),
            Err(error) => vec![Tensor::invalid(self.node().backend(), error, At::caller()); sizes.len()],
        }
    }

    /// Parts that are the whole axis together; many of them by halves. The gradient of a part is as large as what it was cut from: of n
    /// parts cut from the whole that is n wholes to add up, by halves log₂ n.
    #[track_caller]
    fn divided(&self, axis: usize, sizes: &[usize]) -> Vec<Tensor> {
        let cut = |sizes: &[usize]| sizes.iter().sum::<usize>();
        if sizes.len() > 4 {
            let (left, right) = sizes.split_at(sizes.len() / 2);
            let mut parts = self.part(axis, 0..cut(left)).divided(axis, left);
            parts.extend(self.part(axis, cut(left)..cut(sizes)).divided(axis, right));
            return parts;
        }
        (0..sizes.len()).map(|i| self.part(axis, cut(&sizes[..i])..cut(&sizes[..=i]))).collect()
    }

    /// `count` parts along an axis, as equal as can be, the longer ones first. More than may be alive
    /// ([`Device::set_node_limit`](crate::Device::set_node_limit)) are one invalid tensor.
    #[track_caller]
    pub fn chunk(&self, axis: isize, count: usize) -> Vec<Tensor> {
        if let Some(invalid) = self.too_many("chunk", "the parts are", count) {
            return vec![invalid];
        }
        // An axis that is not there is reported by `split`.
        let n = self.try_shape().ok().and_then(|s| Some(s.dims()[s.axis(axis).ok()?])).unwrap_or(0);
        let sizes: Vec<usize> = (0..count).map(|i| n / count + usize::from(i < n % count)).collect();
        self.split(axis, &sizes)
    }
}

/// Tensors one after the other along an axis; see [`Tensor::cat`].
///
/// ```
/// use steepest::{Device, ops};
/// let device = Device::cpu();
/// let parts: Vec<_> = (0..3u32).map(|i| device.tensor(&[i], 1)).collect();
/// assert_eq!(ops::cat(&parts.iter().collect::<Vec<_>>(), 0)?.to_vec::<u32>()?, [0, 1, 2]);
/// # Ok::<(), steepest::Error>(())
/// ```
///
/// # Errors
/// An empty list: there is no device to record on. Everything else is reported by the tensor returned.
#[track_caller]
pub fn cat(tensors: &[&Tensor], axis: isize) -> Result<Tensor> {
    match tensors {
        [] => Err(empty("cat")),
        [first, others @ ..] => Ok(first.cat(others, axis)),
    }
}

/// Tensors of one shape along a new axis; see [`Tensor::stack`].
///
/// # Errors
/// An empty list: there is no device to record on. Everything else is reported by the tensor returned.
#[track_caller]
pub fn stack(tensors: &[&Tensor], axis: isize) -> Result<Tensor> {
    match tensors {
        [] => Err(empty("stack")),
        [first, others @ ..] => Ok(first.stack(others, axis)),
    }
}

#[track_caller]
pub(super) fn empty(op: &'static str) -> Error {
    Error::op(op, At::caller(), OpError::Value("no tensors given; at least one is needed".to_owned()))
}

/// Test inputs: one to many parts, every axis, parts without elements, every type.
pub fn cases(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    let lists: [(usize, &[&[usize]]); 10] = [
        (0, &[&[3]]),
        (0, &[&[1], &[2], &[1]]),
        (0, &[&[2, 3], &[1, 3]]),
        (1, &[&[2, 3], &[2, 1], &[2, 4]]),
        (1, &[&[2, 3, 2], &[2, 0, 2], &[2, 1, 2]]),
        (2, &[&[2, 2, 255], &[2, 2, 2]]),
        (0, &[&[0, 3], &[0, 3]]),
        (1, &[&[0, 3], &[0, 2]]),
        (3, &[&[1, 2, 1, 2, 1, 2, 1, 2], &[1, 2, 1, 1, 1, 2, 1, 2]]),
        (1, &[&[300, 200], &[300, 57], &[300, 1]]),
    ];
    for (axis, shapes) in lists {
        let inputs = shapes.iter().map(|dims| g.normalish(dims)).collect();
        cases.push(Case::new(format!("{shapes:?} axis {axis}"), Cat { axis }, inputs));
    }
    cases.push(Case::new("twelve", Cat { axis: 0 }, (1..=12).map(|n| g.normalish(&[n])).collect()));
    cases.push(Case::new("bools", Cat { axis: 0 }, vec![g.bools(&[4]), g.bools(&[3])]).forward_only());
    cases.push(Case::new("indices", Cat { axis: 1 }, vec![g.indices(&[2, 4], 9), g.indices(&[2, 300], 5)]).forward_only());
    cases
}

#[cfg(test)]
mod tests {
    use crate::Device;

    #[test]
    fn many_parts_and_their_gradients() {
        let device = Device::cpu();
        for sizes in [vec![1; 37], vec![2, 0, 5, 1, 3, 0, 4], vec![3], vec![1, 2, 3, 4, 5]] {
            let n: usize = sizes.iter().sum();
            let numbers: Vec<f32> = (0..2 * n * 3).map(|i| i as f32).collect();
            let x = device.parameter(&numbers, [2, n, 3]);
            let parts = x.split(1, &sizes);
            // Part k counts k + 1 fold: so does the gradient of its elements.
            let sum = parts.iter().zip(1..).map(|(part, k)| part.sum(&[]) * f64::from(k)).reduce(|a, b| a + b).expect("parts");
            let gradient = sum.backward().wrt(&x).expect("a gradient").to_vec::<f32>().expect("numbers");
            let folds: Vec<f32> = sizes.iter().zip(1u8..).flat_map(|(&size, k)| vec![f32::from(k); size]).collect();
            let expected: Vec<f32> = (0..2 * n * 3).map(|i| folds[i / 3 % n]).collect();
            assert_eq!(gradient, expected, "{sizes:?}");
            let others: Vec<_> = parts[1..].iter().collect();
            assert_eq!(parts[0].cat(&others, 1).to_vec::<f32>().expect("numbers"), numbers, "{sizes:?}");
        }
    }
}
