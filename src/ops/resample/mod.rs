//! Resampling along one axis: out[o, k, i] = Σ w · x[o, j, i] over the entries (j, w) of row k of a sparse matrix.
//!
//! Interpolation and padding by what is inside are such matrices, each axis by itself. The gradient is the same op with the matrix transposed: no
//! atomics, the same bits every time, and differentiable again and again.

mod cases;
mod grid;
mod methods;
mod modes;
mod shuffle;
mod taps;

pub use cases::cases;
pub use grid::{GridPadding, GridSampling};
pub use modes::{Interpolation, PadMode};
pub use taps::Taps;

use crate::error::OpError;
use crate::graph::Accuracy;
use crate::graph::op::{Array, DType, GradCtx, Kernel, Lowering, Op, Params, Spec, Variant};
use crate::graph::{Tensor, record};
use crate::shape::Shape;
use rayon::prelude::*;
use std::sync::Arc;

use super::SIGN_BIT;
use super::tolerance::UNIT;

/// Terms beyond which the rounding of a sum does not grow.
const MAX_PLAIN_TERMS: usize = 32;
/// Elements below which one thread does all.
const MIN_PARALLEL: usize = 1 << 14;
/// Neighbouring elements whose sums are held at a time.
const LANES: usize = 64;
/// Neighbours up to which a thread does whole matrices and not rows.
const FEW_NEIGHBOURS: usize = 8;

/// x and the [table](Taps::table) of a sparse matrix → the matrix applied along an axis.
#[derive(Clone, Debug)]
pub struct Resample {
    /// The axis.
    pub axis: usize,
    /// The matrix. The table holds the same as devices read it, with weights rounded to f32.
    pub taps: Arc<Taps>,
}

/// Records a matrix applied along an axis of a tensor.
#[track_caller]
fn resampled(x: &Tensor, axis: usize, taps: Arc<Taps>) -> Tensor {
    let table = taps.table();
    let table = x.device().tensor(&table, table.len());
    record(Resample { axis, taps }, &[x, &table])
}

impl Op for Resample {
    fn name(&self) -> &'static str {
        "resample"
    }
    fn params(&self) -> Vec<u32> {
        // The entries are data; how many a row has decides how the kernel is run.
        [self.axis, self.taps.rows(), self.taps.longest()].map(|n| n as u32).to_vec()
    }
    fn rounded(&self) -> Option<Arc<dyn Op>> {
        let rounded = self.taps.rounded()?;
        Some(Arc::new(Resample { axis: self.axis, taps: Arc::new(rounded) }))
    }
    fn accuracy(&self, inputs: &[&Array]) -> Accuracy {
        let terms = self.taps.longest().min(MAX_PLAIN_TERMS);
        if self.taps.copies() {
            return Accuracy::Exact;
        }
        if !self.taps.has_negative() {
            return Accuracy::Terms(terms);
        }
        // Terms that cancel: bound by the largest sum of their sizes.
        let finite = |x: &&f64| x.is_finite();
        let largest = inputs.first().map_or(0.0, |x| x.data.iter().filter(finite).fold(0.0f64, |m, x| m.max(x.abs())));
        let relative = (terms as f64 + 8.0) * UNIT;
        Accuracy::Stated { relative, absolute: relative * largest * self.taps.gain() }
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let (x, table) = (inputs[0], inputs[1]);
        if x.dtype != DType::F32 {
            return Err(OpError::DType(format!("operand is {x}, expected f32; convert with to_f32()")));
        }
        if x.shape.dims().get(self.axis) != Some(&self.taps.sources()) {
            return Err(OpError::Shape(format!("{x} along axis {}, expected size {}", self.axis, self.taps.sources())));
        }
        if table.dtype != DType::U32 || table.shape.dims() != [self.taps.words()] {
            return Err(OpError::Shape(format!("a table {table}, expected {} words", self.taps.words())));
        }
        Ok(Spec::f32(x.shape.with_dim(self.axis, self.taps.rows())?))
    }
    fn lower(&self, inputs: &[Spec], output: &Spec) -> Lowering {
        let (_, sources, inner) = inputs[0].shape.around(self.axis);
        let (rows, count, longest) = (self.taps.rows(), output.shape.numel(), self.taps.longest());
        let params = Params::new().set("count", count).set("n", rows).set("m", sources).set("inner", inner);
        let kernel = Kernel {
            name: "resample",
            params: params.set("first", 0usize).set("sign", SIGN_BIT),
            variants: vec![Variant::each_element("index/weighted", count).max_loop_iterations(longest).in_parts(longest, 0)],
            native: Arc::new(move |io| {
                let (x, table) = (io.read(0), io.reads[1]);
                let (starts, entries) = table.split_at(rows + 1);
                let entries = entries.as_chunks::<2>().0;
                let row = |r: usize, out: &mut [f32]| {
                    let (block, k) = (&x[r / rows * sources * inner..][..sources * inner], r % rows);
                    weighted(block, &entries[starts[k] as usize..starts[k + 1] as usize], out);
                };
                let out = io.write(0);
                // Of few neighbours, whole matrices to a thread.
                let at_once = if inner < FEW_NEIGHBOURS { rows } else { 1 };
                let part = |(p, out): (usize, &mut [f32])| {
                    out.chunks_exact_mut(inner).enumerate().for_each(|(i, out)| row(p * at_once + i, out));
                };
                if out.len() < MIN_PARALLEL {
                    out.chunks_mut(at_once * inner).enumerate().for_each(part);
                } else {
                    let several = (MIN_PARALLEL / (at_once * inner).max(1)).max(1);
                    out.par_chunks_mut(at_once * inner).with_min_len(several).enumerate().for_each(part);
                }
            }),
        };
        Lowering::kernel(kernel, 2)
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let (_, sources, inner) = inputs[0].shape.around(self.axis);
        let rows = self.taps.rows();
        Array::from_fn(output.shape, |at| {
            let (o, k, i) = (at / inner / rows, at / inner % rows, at % inner);
            self.taps.row(k).map(|(j, w)| w * inputs[0].data[(o * sources + j) * inner + i]).sum()
        })
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![ctx.needs[0].then(|| resampled(ctx.grad, self.axis, Arc::new(self.taps.transposed()))), None]
    }
    fn flops(&self, inputs: &[Spec], _: &Spec) -> u64 {
        let (outer, _, inner) = inputs[0].shape.around(self.axis);
        ((outer * inner) as u64).saturating_mul(2 * self.taps.entries() as u64)
    }
}

/// The sum of rows of a block, each times its weight; added up in f64.
fn weighted(block: &[f32], entries: &[[u32; 2]], out: &mut [f32]) {
    let inner = out.len();
    for (c, out) in out.chunks_mut(LANES).enumerate() {
        let mut sums = [0.0f64; LANES];
        for (e, &[j, bits]) in entries.iter().enumerate() {
            let (x, w) = (&block[j as usize * inner + c * LANES..][..out.len()], f64::from(f32::from_bits(bits)));
            let terms = sums.iter_mut().zip(x);
            if e == 0 {
                // As it is: a zero keeps its sign.
                terms.for_each(|(sum, &x)| *sum = w * f64::from(x));
            } else {
                terms.for_each(|(sum, &x)| *sum += w * f64::from(x));
            }
        }
        out.iter_mut().zip(sums).for_each(|(out, sum)| *out = sum as f32);
    }
}

/// A shape with other sizes of some axes, from axis `first` on.
fn with_sizes(shape: &Shape, first: usize, sizes: &[usize]) -> Result<Shape, OpError> {
    let mut dims = shape.dims().to_vec();
    dims[first..].copy_from_slice(sizes);
    Shape::new(&dims)
}
