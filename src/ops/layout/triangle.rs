//! Triangle: `out[…, i, j] = x[…, i, j]` on one side of a diagonal, a filling on the other; diagonals, traces and outer products.

use super::super::case::{Case, Gen};
use crate::error::OpError;
use crate::graph::op::{Array, DType, GradCtx, Kernel, Lowering, Op, Params, Spec, Variant};
use crate::graph::{Tensor, record};
use crate::shape::Shape;
use rayon::prelude::*;
use std::sync::Arc;

/// Words below which threads cost more than they save.
const MIN_PARALLEL_WORDS: usize = 1 << 16;

/// One side of a diagonal of the last two axes; the other side is filled.
#[derive(Clone, Copy, Debug)]
pub struct Triangle {
    /// Whether j − i ≥ `diagonal` is kept; else j − i ≤ `diagonal` is.
    pub upper: bool,
    /// The diagonal: 0 is the main one, above it they are positive.
    pub diagonal: isize,
    /// What stands on the other side; 0 for integers and bools.
    pub fill: f64,
}

/// The sizes of the last two axes.
fn matrix(shape: &Shape) -> Result<(usize, usize), OpError> {
    match shape.dims() {
        [.., rows, columns] => Ok((*rows, *columns)),
        _ => Err(OpError::Shape(format!("{shape} is no matrix: two axes are needed"))),
    }
}

impl Triangle {
    fn keeps(&self, i: usize, j: usize) -> bool {
        let over = j as isize - i as isize;
        if self.upper { over >= self.diagonal } else { over <= self.diagonal }
    }

    /// The columns of row i that are kept: they are neighbours.
    fn kept(&self, i: usize, columns: usize) -> (usize, usize) {
        let limit = |over: isize| (i as isize).saturating_add(over).clamp(0, columns as isize) as usize;
        if self.upper { (limit(self.diagonal), columns) } else { (0, limit(self.diagonal.saturating_add(1))) }
    }
}

impl Op for Triangle {
    fn name(&self) -> &'static str {
        if self.upper { "triu" } else { "tril" }
    }
    fn params(&self) -> Vec<u32> {
        let at = self.diagonal as i64 as u64;
        vec![u32::from(self.upper), at as u32, (at >> 32) as u32]
    }
    fn rounded(&self) -> Option<Arc<dyn Op>> {
        let fill = f64::from(self.fill as f32);
        (fill != self.fill).then(|| Arc::new(Triangle { fill, ..*self }) as Arc<dyn Op>)
    }
    fn scalars(&self) -> Vec<u32> {
        vec![(self.fill as f32).to_bits()]
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        matrix(&inputs[0].shape)?;
        if self.fill != 0.0 && inputs[0].dtype != DType::F32 {
            return Err(OpError::DType(format!("operand is {}, expected f32; convert with to_f32()", inputs[0])));
        }
        Ok(Spec { range: inputs[0].range.map(|(low, high)| (low.min(0), high.max(0))), ..inputs[0] })
    }
    fn lower(&self, _: &[Spec], output: &Spec) -> Lowering {
        let (rows, columns) = matrix(&output.shape).unwrap_or((1, 1));
        let (this, count) = (*self, output.shape.numel());
        // A diagonal beyond a corner is as good as one at the corner, and the sums of the shader stay small.
        let diagonal = self.diagonal.clamp(-(rows as isize), columns as isize);
        let (right, down) = (diagonal.max(0), -diagonal.min(0));
        let kernel = Kernel {
            name: self.name(),
            params: Params::new()
                .set("count", count)
                .set("rows", rows)
                .set("columns", columns)
                .set("right", right as usize)
                .set("down", down as usize),
            variants: vec![Variant {
                consts: vec![("UPPER", u32::from(self.upper))],
                ..Variant::each_element("layout/triangle", count).max_loop_iterations(0)
            }],
            native: Arc::new(move |io| {
                let (read, fill) = (io.reads[0], io.scalars[0]);
                let row = |(r, (out, x)): (usize, (&mut [u32], &[u32]))| {
                    let (start, end) = this.kept(r % rows, columns);
                    out[..start].fill(fill);
                    out[end.max(start)..].fill(fill);
                    if start < end {
                        out[start..end].copy_from_slice(&x[start..end]);
                    }
                };
                let out = &mut *io.writes[0];
                if count < MIN_PARALLEL_WORDS {
                    out.chunks_exact_mut(columns).zip(read.chunks_exact(columns)).enumerate().for_each(row);
                } else {
                    out.par_chunks_exact_mut(columns).zip(read.par_chunks_exact(columns)).enumerate().for_each(row);
                }
            }),
        };
        Lowering::kernel(kernel, 1)
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let (rows, columns) = matrix(&output.shape).unwrap_or((1, 1));
        Array::from_fn(
            output.shape,
            |at| {
                if self.keeps(at / columns % rows, at % columns) { inputs[0].data[at] } else { self.fill }
            },
        )
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![Some(record(Triangle { fill: 0.0, ..*self }, &[ctx.grad]))]
    }
}

impl Tensor {
    /// The upper triangle of the last two axes: x where j − i ≥ `diagonal`, 0 below. Of any type; fewer than two axes are an error.
    ///
    /// ```
    /// use steepest::Device;
    /// let x = Device::cpu().tensor(&[1.0, 2.0, 3.0, 4.0], [2, 2]);
    /// assert_eq!(x.triu(0).to_vec::<f32>()?, [1.0, 2.0, 0.0, 4.0]);
    /// assert_eq!(x.triu(1).to_vec::<f32>()?, [0.0, 2.0, 0.0, 0.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn triu(&self, diagonal: isize) -> Tensor {
        record(Triangle { upper: true, diagonal, fill: 0.0 }, &[self])
    }

    /// The lower triangle of the last two axes: x where j − i ≤ `diagonal`, 0 above. Of any type; fewer than two axes are an error.
    #[track_caller]
    pub fn tril(&self, diagonal: isize) -> Tensor {
        record(Triangle { upper: false, diagonal, fill: 0.0 }, &[self])
    }

    /// The elements `x[…, i, i + offset]` of the last two axes, `[…, m, n]` → `[…, d]`: a view. Fewer than two axes, or an offset outside
    /// −m..=n, are errors.
    #[track_caller]
    pub fn diagonal(&self, offset: isize) -> Tensor {
        let flat = match self.try_shape().map(|s| matrix(&s).map(|size| (s, size))) {
            Err(_) => return self.clone(),
            Ok(Err(error)) => return self.refuse("diagonal", error),
            Ok(Ok((s, (m, n)))) if !(-(m as isize)..=n as isize).contains(&offset) => {
                return self.refuse("diagonal", OpError::Value(format!("offset {offset} is not in -{m}..={n} for {s}")));
            }
            Ok(Ok((s, (m, n)))) => {
                let (right, down) = (offset.max(0), -offset.min(0));
                let count = (m as isize - down).min(n as isize - right);
                let start = down * n as isize + right;
                (self.reshape([&s.dims()[..s.rank() - 2], &[m * n]].concat()), start, count, n as isize + 1)
            }
        };
        // Along the flattened matrix the next element of a diagonal is a row and one element away.
        let (x, start, count, step) = flat;
        x.slice_step(-1, Some(start), Some(start + count * step), step)
    }

    /// The sum of the main diagonal of the last two axes, `[…, m, n]` → `[…]`.
    #[track_caller]
    pub fn trace(&self) -> Tensor {
        self.diagonal(0).sum(&[-1]).made_by("trace", &[self])
    }

    /// The outer product of two vectors: `out[i, j] = x[i] · y[j]`, `[m]` and `[n]` → `[m, n]`. Other ranks are an error.
    #[track_caller]
    pub fn outer(&self, other: &Tensor) -> Tensor {
        let product = match (self.try_shape(), other.try_shape()) {
            (Ok(a), Ok(b)) if a.rank() != 1 || b.rank() != 1 => {
                self.refuse("outer", OpError::Shape(format!("{a} and {b}: two vectors are expected")))
            }
            (_, Err(_)) => self.mul(other),
            _ => self.unsqueeze(1).mul(other),
        };
        product.made_by("outer", &[self, other])
    }
}

/// Test inputs: both sides, diagonals within, at and beyond the corners, batches, fillings, every type, no elements.
pub fn cases(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    for upper in [false, true] {
        for diagonal in [0, 1, -1, 2, -3, 5, -5, 100, isize::MIN, isize::MAX] {
            for dims in [&[4, 3][..], &[2, 3, 5]] {
                cases.push(Case::new(
                    format!("{dims:?} at {diagonal}"),
                    Triangle { upper, diagonal, fill: 0.0 },
                    vec![g.normalish(dims)],
                ));
            }
        }
        for dims in [&[1, 1][..], &[1, 9], &[9, 1], &[0, 3], &[3, 0], &[2, 0, 0], &[16, 16], &[17, 15], &[2, 3, 30, 40]] {
            cases.push(Case::new(format!("{dims:?}"), Triangle { upper, diagonal: 1, fill: -1.5 }, vec![g.normalish(dims)]));
        }
        cases.push(Case::new("large", Triangle { upper, diagonal: -7, fill: 0.0 }, vec![g.normalish(&[300, 257])]));
        let infinite = Triangle { upper, diagonal: 0, fill: f64::NEG_INFINITY };
        cases.push(Case::new("−∞", infinite, vec![g.normalish(&[5, 5])]).forward_only());
        let nan = g.input(DType::F32, &[5, 5], |_| f64::NAN);
        cases.push(Case::new("NaN", Triangle { upper, diagonal: 0, fill: 0.0 }, vec![nan]).forward_only());
        for input in [g.bools(&[5, 4]), g.indices(&[5, 4], 9)] {
            cases.push(
                Case::new(format!("{}", input.dtype), Triangle { upper, diagonal: 0, fill: 0.0 }, vec![input]).forward_only(),
            );
        }
    }
    cases
}
