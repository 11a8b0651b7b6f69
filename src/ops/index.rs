//! Index: out[…, j, …] = x[…, index, …] along one axis, the scatter-adds that are its gradients, and one-hot rows.
//!
//! An index may be u32 or i32; a negative one counts from the end of the axis, as in NumPy, but for labels and rows of an embedding, where it
//! is outside. Where its range is known, one outside the axis is an error at recording; elsewhere, when it runs, gathering gives NaN (0 for
//! integers and bools), scattering leaves it out, and its one-hot row is all zero. The same on every device.

mod methods;

use super::case::{Case, Gen, Input};
use super::sort::Argsort;
use super::{half, rows, scratch};
use crate::error::OpError;
use crate::graph::Accuracy;
use crate::graph::op::{Array, DType, GradCtx, Io, Kernel, Lowering, Native, Op, Operand, Spec, Stage, Variant};
use crate::graph::{Tensor, record};
use crate::shape::Shape;
use rayon::prelude::*;
use std::sync::Arc;

/// Invocations in a workgroup of the shaders of this file.
const WORKGROUP: usize = 256;
/// Entries of an index that every output may walk over, and output elements times entries up to which that is quicker than several kernels.
const FEW: usize = 64;
const WALK: usize = 1 << 18;
/// Entries that can be walked over in the time that sorting takes for one.
const SORT: usize = 512;
/// Numbers that a sum may have for its rounding not to be looked after natively.
const PLAIN: usize = 32;
/// Words below which threads cost more than they save.
const SMALL: usize = 1 << 14;

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

/// Splits the words of an output into runs of whole rows, on all cores where that pays; `fill` gets the number of its first row.
fn by_rows<T: Send>(out: &mut [T], row: usize, fill: impl Fn(usize, &mut [T]) + Sync) {
    if out.len() < SMALL {
        return fill(0, out);
    }
    let per = (SMALL / 2).div_ceil(row.max(1));
    out.par_chunks_mut(per * row.max(1)).enumerate().for_each(|(i, part)| fill(i * per, part));
}

impl Gather {
    /// What an index outside gives, as a word.
    fn outside(&self, dtype: DType) -> u32 {
        if dtype == DType::F32 && !self.zero { f32::NAN.to_bits() } else { 0 }
    }

    fn native(&self, io: &mut Io<'_>, sizes: Sizes, outside: u32) {
        let (x, index, rows) = (io.reads[0], io.reads[1], self.rows);
        let Sizes { n, m, inner } = sizes;
        by_rows(&mut *io.writes[0], inner, |first, out| {
            for (r, row) in out.chunks_exact_mut(inner).enumerate() {
                let r = first + r;
                let block = &x[r / m * n * inner..][..n * inner];
                if rows {
                    match index[r % m] as usize {
                        k if k < n => row.copy_from_slice(&block[k * inner..][..inner]),
                        _ => row.fill(outside),
                    }
                } else {
                    for (c, (o, &k)) in row.iter_mut().zip(&index[r * inner..]).enumerate() {
                        *o = if (k as usize) < n { block[k as usize * inner + c] } else { outside };
                    }
                }
            }
        });
    }
}

impl Gather {
    /// Of halves, to floats.
    fn native_of_halves(&self, io: &mut Io<'_>, sizes: Sizes) {
        let (x, index, rows) = (io.reads[0], io.reads[1], self.rows);
        let Sizes { n, m, inner } = sizes;
        let outside = f32::from_bits(self.outside(DType::F32));
        by_rows(io.write(0), inner, |first, out| {
            for (r, row) in out.chunks_exact_mut(inner).enumerate() {
                let r = first + r;
                let block = r / m * n * inner;
                if rows {
                    match index[r % m] as usize {
                        k if k < n => half::some(x, block + k * inner, row),
                        _ => row.fill(outside),
                    }
                } else {
                    for (c, (o, &k)) in row.iter_mut().zip(&index[r * inner..]).enumerate() {
                        let k = k as usize;
                        *o = if k < n { crate::graph::half::at(x, block + k * inner + c) } else { outside };
                    }
                }
            }
        });
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
        // Halves come out as floats: a row of them may begin within a word.
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
        let halves = inputs[0].dtype == DType::F16;
        let word = "{ return bitcast<u32>(unpack2x16float(in0[i >> 1u] >> (16u * (i & 1u))).x); }";
        let kernel = Kernel {
            name: self.name(),
            // vec3 begins at a multiple of four words, and `extra` behind it.
            params: [vec![count as u32, n as u32, sizes.m as u32, inner as u32, outside], vec![0; 7]].concat().into(),
            variants: vec![Variant {
                consts: vec![("ROWS", u32::from(self.rows)), ("FLOAT", u32::from(output.dtype == DType::F32))],
                bodies: if halves { vec![("word_at", word.to_owned())] } else { vec![] },
                ..Variant::new("index/gather", Variant::groups(count.div_ceil(WORKGROUP))).max_loop_iterations(0)
            }],
            native: Arc::new(move |io| if halves { this.native_of_halves(io, sizes) } else { this.native(io, sizes, outside) }),
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

impl ScatterAdd {
    /// Hands every row of block `o` that belongs to the rows from `first` on in `out` to `add`, in order, with where it is added.
    fn entries(
        &self,
        Sizes { n, m, inner }: Sizes,
        (g, index): (&[f32], &[u32]),
        (o, first): (usize, usize),
        out: &mut [f32],
        mut add: impl FnMut(&mut [f32], usize, &[f32]),
    ) {
        let count = out.len() / inner;
        for (j, row) in g[o * m * inner..][..m * inner].chunks_exact(inner).enumerate() {
            if self.rows {
                let k = (index[j] as usize).wrapping_sub(first);
                if k < count {
                    add(out, k * inner, row);
                }
            } else {
                for (c, (x, &k)) in row.iter().zip(&index[(o * m + j) * inner..]).enumerate() {
                    if (k as usize) < n {
                        add(out, k as usize * inner + c, std::slice::from_ref(x));
                    }
                }
            }
        }
    }

    fn native(&self, io: &mut Io<'_>, sizes: Sizes) {
        let (g, index, rows) = (io.read(0), io.reads[1], self.rows);
        let Sizes { n, m, inner } = sizes;
        let add = |o: usize, first: usize, out: &mut [f32]| {
            out.fill(0.0);
            if m <= PLAIN {
                let plain =
                    |out: &mut [f32], at: usize, row: &[f32]| out[at..].iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
                return self.entries(sizes, (g, index), (o, first), out, plain);
            }
            // What rounding takes from the sums is kept beside them.
            scratch::with(out.len(), |lost| {
                lost.fill(0.0);
                self.entries(sizes, (g, index), (o, first), out, |out, at, row| {
                    rows::add_exactly(&mut out[at..][..row.len()], &mut lost[at..][..row.len()], row);
                });
                // Of an infinite sum that is no number.
                out.iter_mut().zip(&*lost).filter(|(sum, _)| sum.is_finite()).for_each(|(sum, lost)| *sum += lost);
            });
        };
        let threads = rayon::current_num_threads();
        let out = io.write(0);
        let (block, outer) = (n * inner, out.len() / (n * inner));
        if g.len() + out.len() < SMALL {
            out.chunks_exact_mut(block).enumerate().for_each(|(o, part)| add(o, 0, part));
        } else if !rows || outer >= threads || inner < 8 {
            out.par_chunks_exact_mut(block).enumerate().for_each(|(o, part)| add(o, 0, part));
        } else {
            // Every thread walks the whole index and adds what falls into its own rows: no two write one row, and the order stays.
            let per = n.div_ceil(threads.div_ceil(outer));
            out.par_chunks_exact_mut(block).enumerate().for_each(|(o, part)| {
                part.par_chunks_mut(per * inner).enumerate().for_each(|(p, part)| add(o, p * per, part));
            });
        }
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
        Accuracy::Terms(inputs.first().map_or(0, |g| g.shape.dims()[self.axis].min(PLAIN)))
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
            params: vec![count as u32, this.size as u32, m as u32, inner as u32, 0].into(),
            variants: vec![Variant {
                consts: vec![("ROWS", u32::from(this.rows))],
                // All of the index, or as much of it as names one row: that may be all.
                ..Variant::new(shader, Variant::groups(count.div_ceil(WORKGROUP))).max_loop_iterations(m).in_parts(m, 0)
            }],
            native,
        };
        let entries = inputs[1].shape.numel();
        if m <= FEW || count.saturating_mul(m) <= WALK.max(SORT * entries) {
            return Lowering::kernel(kernel("index/scatter", Arc::new(move |io| this.native(io, sizes))), 2);
        }
        // The index sorted, then where every row begins in it, then every row's entries in their order. As plain words a negative index is
        // beyond all rows. Natively the last stage does everything, and reads the index where the shader does not.
        let inner = if self.rows { 1 } else { inner };
        let lines = entries / m;
        let (order, starts) = (Operand::Temp(2), Operand::Temp(3));
        let sort = Argsort { axis: 0, descending: false };
        let mut stages = sort.stages(DType::U32, [entries, m, inner], [Operand::Input(1), order], |_| {});
        let bounds = lines * (self.size + 1);
        stages.push(Stage {
            kernel: Kernel {
                name: "scatter_starts",
                params: vec![bounds as u32, self.size as u32, m as u32, inner as u32].into(),
                variants: vec![
                    Variant::new("index/scatter_starts", Variant::groups(bounds.div_ceil(WORKGROUP))).max_loop_iterations(64),
                ],
                native: Arc::new(|_| {}),
            },
            reads: vec![Operand::Input(1), order],
            writes: vec![starts],
        });
        let sorted = kernel("index/scatter_sorted", Arc::new(move |io| this.native(io, sizes)));
        stages.push(Stage {
            kernel: sorted,
            reads: vec![Operand::Input(0), Operand::Input(1), order, starts],
            writes: vec![Operand::Output],
        });
        Lowering::Stages { temps: vec![entries, entries, entries, bounds], stages }
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
            params: vec![count as u32, classes as u32].into(),
            variants: vec![Variant::new("index/one_hot", Variant::groups(count.div_ceil(WORKGROUP))).max_loop_iterations(0)],
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

/// Test inputs: first, middle and last axes, repeated and missing indices, no elements, every type, sizes around the workgroup.
pub fn cases(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    let shapes: [(&[usize], usize, usize); 12] = [
        (&[1], 0, 1),
        (&[5], 0, 7),
        (&[4, 3], 0, 6),
        (&[4, 3], 1, 2),
        (&[2, 5, 3], 1, 4),
        (&[2, 3, 4], 2, 9),
        (&[3, 4], 0, 0),
        (&[0, 4], 1, 3),
        (&[2, 2, 2, 2, 2, 2, 2, 2], 3, 3),
        (&[40, 16], 0, 257),
        (&[3, 90, 64], 1, 120),
        (&[1000, 33], 0, 700),
    ];
    for (dims, axis, m) in shapes {
        let n = dims[axis];
        let mut narrow = dims.to_vec();
        narrow[axis] = m;
        for rows in [false, true] {
            let index = g.indices(if rows { std::slice::from_ref(&m) } else { &narrow }, n);
            let label = format!("{dims:?} axis {axis} by {m}");
            let gather = Gather { axis, rows, zero: false };
            cases.push(Case::new(label.clone(), gather, vec![g.normalish(dims), index.clone()]));
            cases.push(Case::new(label, ScatterAdd { axis, size: n, rows }, vec![g.normalish(&narrow), index]));
        }
    }
    // Large enough to be sorted: both sides of the span, rows without any entry.
    for (dims, axis, m) in
        [(&[600, 16][..], 0, 127), (&[600, 16], 0, 129), (&[2, 700, 20], 1, 300), (&[5000], 0, 300), (&[3, 5, 560], 2, 65)]
    {
        let n = dims[axis];
        let mut narrow = dims.to_vec();
        narrow[axis] = m;
        for rows in [false, true] {
            let shape = if rows { &[m][..] } else { &narrow };
            let index = g.input(DType::I32, shape, |g| 2.0 * g.below(n.div_ceil(2)) as f64);
            let label = format!("{dims:?} axis {axis} by {m}, sorted");
            cases.push(Case::new(label, ScatterAdd { axis, size: n, rows }, vec![g.normalish(&narrow), index]).forward_only());
        }
    }
    // The other types: raw words, and an index of the other integer type.
    let signed = |g: &mut Gen, dims: &[usize], n: usize| g.input(DType::I32, dims, |g| g.below(n) as f64);
    let others: [Input; 3] = [
        g.input(DType::I32, &[6, 3], |g| g.below(9) as f64 - 4.0),
        g.input(DType::U32, &[6, 3], |g| g.below(1 << 20) as f64),
        g.bools(&[6, 3]),
    ];
    for x in others {
        let gather = |rows| Gather { axis: 0, rows, zero: false };
        cases.push(Case::new(format!("{} rows", x.dtype), gather(true), vec![x.clone(), signed(g, &[4], 6)]).forward_only());
        cases.push(Case::new(format!("{} elements", x.dtype), gather(false), vec![x, signed(g, &[5, 3], 6)]).forward_only());
    }
    // Halves: rows that begin within a word.
    for (dims, axis) in [(&[5, 3][..], 0), (&[5, 4], 0), (&[2, 5, 3], 1), (&[7], 0), (&[90, 129], 0)] {
        for rows in [false, true] {
            let mut narrow = dims.to_vec();
            narrow[axis] = 40;
            let index = g.input(DType::U32, if rows { &[40] } else { &narrow }, |g| g.below(dims[axis]) as f64);
            let gather = Gather { axis, rows, zero: false };
            cases.push(Case::new(format!("f16 {dims:?} axis {axis}"), gather, vec![g.halves(dims), index]));
        }
    }
    // Every index the same: all terms in one place.
    let same = g.input(DType::U32, &[500], |_| 2.0);
    cases.push(Case::new("one row", ScatterAdd { axis: 0, size: 4, rows: true }, vec![g.normalish(&[500, 3]), same.clone()]));
    cases.push(Case::new("one element", ScatterAdd { axis: 0, size: 4, rows: false }, vec![g.normalish(&[500]), same]));
    cases.push(Case::new(
        "zeros only",
        ScatterAdd { axis: 0, size: 4, rows: true },
        vec![g.normalish(&[0, 3]), g.indices(&[0], 1)],
    ));
    for (dims, classes) in [(&[][..], 3), (&[1], 1), (&[7], 4), (&[2, 3], 257), (&[0], 5), (&[300], 100)] {
        cases.push(Case::new(format!("{dims:?}"), OneHot { classes }, vec![g.indices(dims, classes)]).forward_only());
        cases.push(Case::new(format!("{dims:?} signed"), OneHot { classes }, vec![signed(g, dims, classes)]).forward_only());
    }
    cases
}
