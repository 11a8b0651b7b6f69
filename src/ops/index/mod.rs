//! Index: out[…, j, …] = x[…, index, …] along one axis, the scatter-adds that are its gradients, and one-hot rows.
//!
//! An index may be u32 or i32; a negative one counts from the end of the axis, as in NumPy, but for labels and rows of an embedding, where it
//! is outside. Where its range is known, one outside the axis is an error at recording; elsewhere, when it runs, gathering gives NaN (0 for
//! integers and bools), scattering leaves it out, and its one-hot row is all zero. The same on every device.

mod cases;
mod methods;
mod native;
mod put;
mod search;
mod several;

pub use cases::cases;
pub use put::Reduce;

use super::SIGN_BIT;
use super::sort::Argsort;
use crate::error::OpError;
use crate::graph::Accuracy;
use crate::graph::op::{Array, DType, GradCtx, Kernel, Lowering, Native, Op, Operand, Params, Spec, Stage, Variant};
use crate::graph::{Tensor, record};
use crate::shape::Shape;
use native::by_rows;
use std::sync::Arc;

/// Entries of an index that every output element may walk over: no sorting is quicker than that.
const MAX_ENTRIES_TO_WALK: usize = 64;
/// Steps (output elements times entries) up to which one kernel that walks is quicker than several that sort.
const MAX_STEPS_TO_WALK: usize = 1 << 18;
/// Steps of a walk in the time that sorting takes for one entry (60,000 entries into 10 numbers: 1.6 ms walking, 36.5 ms sorting).
const STEPS_PER_SORTED_ENTRY: usize = 512;
/// Terms a native sum may have for its rounding not to be looked after.
const MAX_PLAIN_TERMS: usize = 32;

/// `out[o, j, i] = x[o, k, i]` with `k = index[j]` (`rows`) or `index[o, j, i]`; the axis is the middle one.
#[derive(Clone, Copy, Debug)]
pub struct Gather {
    /// The axis indexed.
    pub axis: usize,
    /// Whether the index has one axis and names whole rows; else it names every element and has the output's shape.
    pub rows: bool,
    /// Whether an index outside gives 0 for floats too: the gradient of a scatter that left it out.
    pub zero: bool,
}

/// `out[o, k, i] = Σ g[o, j, i]` over the j with `index[j] = k` (`rows`) or `index[o, j, i] = k`; added up in the order of j.
#[derive(Clone, Copy, Debug)]
pub struct ScatterAdd {
    /// The axis indexed.
    pub axis: usize,
    /// Its size in the output.
    pub size: usize,
    /// Whether the index has one axis and names whole rows; else it has g's shape.
    pub rows: bool,
}

/// out[…, c] = 1 where index[…] = c, else 0.
#[derive(Clone, Copy, Debug)]
pub struct OneHot {
    /// The size of the new last axis.
    pub classes: usize,
}

/// The sizes an indexed axis is seen with: `[outer, n, inner]` on the wide side and `[outer, m, inner]` on the side of the index.
#[derive(Clone, Copy)]
struct Sizes {
    n: usize,
    m: usize,
    inner: usize,
}

impl Sizes {
    /// What all kernels of this file have among their parameters; `count` is the number of elements they write.
    fn params(self, count: usize) -> Params {
        Params::new().set("count", count).set("n", self.n).set("m", self.m).set("inner", self.inner)
    }

    /// The index sorted, then where every row begins in it, then `last`: a kernel that looks at every row's entries in their order. It reads
    /// what `from` names (the values, then the index), the order, where the rows begin, and `more`. `entries` is the size of the index; as plain
    /// words a negative one is beyond all rows.
    fn sorted(self, entries: usize, from: [Operand; 2], last: Kernel, more: &[Operand]) -> Lowering {
        let ([values, index], order, starts) = (from, Operand::Temp(2), Operand::Temp(3));
        let sort = Argsort { axis: 0, descending: false };
        let mut stages = sort.stages(DType::U32, [entries, self.m, self.inner], [index, order], |_| {});
        let bounds = entries / self.m.max(1) * (self.n + 1);
        stages.push(Stage {
            kernel: Kernel {
                name: "scatter_starts",
                params: self.params(bounds),
                variants: vec![Variant::each_element("index/scatter_starts", bounds).max_loop_iterations(64)],
                native: Arc::new(|_| {}),
            },
            reads: vec![index, order],
            writes: vec![starts],
        });
        let mut reads = if values == index { vec![index] } else { vec![values, index] };
        reads.extend([order, starts].iter().chain(more));
        stages.push(Stage { kernel: last, reads, writes: vec![Operand::Output] });
        Lowering::Stages { temps: vec![entries, entries, entries, bounds], stages }
    }
}

/// The index as a position, if it is one of `0..n`.
fn position(index: f64, n: usize) -> Option<usize> {
    (index >= 0.0 && index < n as f64).then_some(index as usize)
}

/// Refuses an index that is no integer, or that is known to leave `0..size`.
fn check(what: &'static str, index: &Spec, size: usize) -> Result<(), OpError> {
    if !matches!(index.dtype, DType::U32 | DType::I32) {
        return Err(OpError::DType(format!("the index is {index}, expected u32 or i32; convert with to_u32()")));
    }
    match index.range {
        Some((low, _)) if index.shape.numel() > 0 && low < 0 => Err(OpError::OutOfRange { what, found: low, size }),
        Some((_, high)) if index.shape.numel() > 0 && high >= size as i64 => Err(OpError::OutOfRange { what, found: high, size }),
        _ => Ok(()),
    }
}

impl Gather {
    /// What an index outside gives, as a word.
    fn outside(&self, dtype: DType) -> u32 {
        if dtype == DType::F32 && !self.zero { f32::NAN.to_bits() } else { 0 }
    }
}

impl Op for Gather {
    fn name(&self) -> &'static str {
        if self.rows { "index_select" } else { "gather" }
    }
    fn params(&self) -> Vec<u32> {
        vec![self.axis as u32, u32::from(self.rows), u32::from(self.zero)]
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let (x, index) = (inputs[0], inputs[1]);
        let shape = if self.rows {
            if index.shape.rank() != 1 {
                return Err(OpError::Shape(format!("the index is {}, expected one axis", index.shape)));
            }
            x.shape.with_dim(self.axis, index.shape.numel())?
        } else {
            let along = index.shape.dims().get(self.axis).copied().unwrap_or(0);
            if index.shape.rank() != x.shape.rank() || x.shape.with_dim(self.axis, along)? != index.shape {
                let (i, x, axis) = (index.shape, x.shape, self.axis);
                return Err(OpError::Shape(format!("the index is {i}, expected {x} with any size of axis {axis}")));
            }
            index.shape
        };
        check("index", &index, x.shape.dims()[self.axis])?;
        // Integers can become 0 where an index may turn out to be outside.
        let range = x.range.map(|(low, high)| if index.range.is_some() { (low, high) } else { (low.min(0), high.max(0)) });
        // f16 comes out as f32: a row of it may begin within a word.
        let dtype = if x.dtype == DType::F16 { DType::F32 } else { x.dtype };
        Ok(Spec { shape, dtype, range })
    }
    fn accepts_f16(&self) -> bool {
        true
    }
    fn lower(&self, inputs: &[Spec], output: &Spec) -> Lowering {
        let (_, n, inner) = inputs[0].shape.around(self.axis);
        let sizes = Sizes { n, m: output.shape.dims()[self.axis], inner };
        let (this, count, outside) = (*self, output.shape.numel(), self.outside(output.dtype));
        let packed = inputs[0].dtype == DType::F16;
        let word = "{ return bitcast<u32>(unpack2x16float(in0[i >> 1u] >> (16u * (i & 1u))).x); }";
        let kernel = Kernel {
            name: self.name(),
            params: sizes.params(count).set("outside", outside),
            variants: vec![Variant {
                consts: vec![("ROWS", u32::from(self.rows)), ("FLOAT", u32::from(output.dtype == DType::F32))],
                bodies: if packed { vec![("word_at", word.to_owned())] } else { vec![] },
                ..Variant::each_element("index/gather", count).max_loop_iterations(0)
            }],
            native: Arc::new(move |io| if packed { this.native_f16(io, sizes) } else { this.native(io, sizes, outside) }),
        };
        Lowering::kernel(kernel, 2)
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let (_, n, inner) = inputs[0].shape.around(self.axis);
        let m = output.shape.dims()[self.axis];
        Array::from_fn(output.shape, |at| {
            let (o, j, i) = (at / inner / m, at / inner % m, at % inner);
            match position(inputs[1].data[if self.rows { j } else { at }], n) {
                Some(k) => inputs[0].data[(o * n + k) * inner + i],
                None if output.dtype == DType::F32 && !self.zero => f64::NAN,
                None => 0.0,
            }
        })
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let Ok(shape) = ctx.inputs[0].try_shape() else { return vec![None, None] };
        let back = ScatterAdd { axis: self.axis, size: shape.dims()[self.axis], rows: self.rows };
        vec![ctx.needs[0].then(|| record(back, &[ctx.grad, &ctx.inputs[1]])), None]
    }
}

impl Op for ScatterAdd {
    fn name(&self) -> &'static str {
        if self.rows { "index_add" } else { "scatter_add" }
    }
    fn params(&self) -> Vec<u32> {
        vec![self.axis as u32, self.size as u32, u32::from(self.rows)]
    }
    fn accuracy(&self, inputs: &[&Array]) -> Accuracy {
        Accuracy::Terms(inputs.first().map_or(0, |g| g.shape.dims()[self.axis].min(MAX_PLAIN_TERMS)))
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let (g, index) = (inputs[0], inputs[1]);
        if g.dtype != DType::F32 {
            return Err(OpError::DType(format!("operand is {g}, expected f32; convert with to_f32()")));
        }
        let expected = if self.rows { Shape::new(&[g.shape.dims()[self.axis]])? } else { g.shape };
        if index.shape != expected {
            return Err(OpError::Shape(format!("the index is {}, expected {expected} for {}", index.shape, g.shape)));
        }
        check("index", &index, self.size)?;
        Ok(Spec::f32(g.shape.with_dim(self.axis, self.size)?))
    }
    fn lower(&self, inputs: &[Spec], output: &Spec) -> Lowering {
        let (_, m, inner) = inputs[0].shape.around(self.axis);
        let (this, count, sizes) = (*self, output.shape.numel(), Sizes { n: self.size, m, inner });
        let kernel = |shader: &'static str, native: Native| Kernel {
            name: this.name(),
            params: sizes.params(count).set("first", 0usize).set("sign", SIGN_BIT),
            variants: vec![Variant {
                consts: vec![("ROWS", u32::from(this.rows))],
                // All of the index, or as much of it as names one row: that may be all.
                ..Variant::each_element(shader, count).max_loop_iterations(m).in_parts(m, 0)
            }],
            native,
        };
        let entries = inputs[1].shape.numel();
        if m <= MAX_ENTRIES_TO_WALK || count.saturating_mul(m) <= MAX_STEPS_TO_WALK.max(STEPS_PER_SORTED_ENTRY * entries) {
            return Lowering::kernel(kernel("index/scatter", Arc::new(move |io| this.native(io, sizes))), 2);
        }
        // Natively the last stage does everything, and reads the index where the shader does not.
        let last = kernel("index/scatter_sorted", Arc::new(move |io| this.native(io, sizes)));
        let lines = Sizes { inner: if self.rows { 1 } else { inner }, ..sizes };
        lines.sorted(entries, [Operand::Input(0), Operand::Input(1)], last, &[])
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let (_, m, inner) = inputs[0].shape.around(self.axis);
        let mut out = Array::from_fn(output.shape, |_| 0.0);
        for (at, g) in inputs[0].data.iter().enumerate() {
            let (o, j, i) = (at / inner / m, at / inner % m, at % inner);
            if let Some(k) = position(inputs[1].data[if self.rows { j } else { at }], self.size) {
                out.data[(o * self.size + k) * inner + i] += g;
            }
        }
        out
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let back = Gather { axis: self.axis, rows: self.rows, zero: true };
        vec![ctx.needs[0].then(|| record(back, &[ctx.grad, &ctx.inputs[1]])), None]
    }
}

impl Op for OneHot {
    fn name(&self) -> &'static str {
        "one_hot"
    }
    fn params(&self) -> Vec<u32> {
        vec![self.classes as u32]
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        check("label", &inputs[0], self.classes)?;
        Ok(Spec::f32(Shape::new(&[inputs[0].shape.dims(), &[self.classes]].concat())?))
    }
    fn lower(&self, _: &[Spec], output: &Spec) -> Lowering {
        let (count, classes) = (output.shape.numel(), self.classes);
        let kernel = Kernel {
            name: "one_hot",
            params: Params::new().set("count", count).set("classes", classes),
            variants: vec![Variant::each_element("index/one_hot", count).max_loop_iterations(0)],
            native: Arc::new(move |io| {
                let index = io.reads[0];
                by_rows(io.write(0), classes, |first, out| {
                    out.fill(0.0);
                    for (row, &k) in out.chunks_exact_mut(classes).zip(&index[first..]) {
                        if let Some(hot) = row.get_mut(k as usize) {
                            *hot = 1.0;
                        }
                    }
                });
            }),
        };
        Lowering::kernel(kernel, 1)
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let at = |i: usize| position(inputs[0].data[i / self.classes], self.classes);
        Array::from_fn(output.shape, |i| if at(i) == Some(i % self.classes) { 1.0 } else { 0.0 })
    }
    fn grad(&self, _: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![None]
    }
}
