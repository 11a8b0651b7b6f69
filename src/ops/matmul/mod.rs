//! Matrix product: out[…, i, j] = Σ_p A[…, i, p] B[…, p, j], with broadcast batch axes, either operand read transposed.

mod cases;
mod methods;
mod native;
mod self_test;
mod variants;

pub use cases::cases;

use super::reduce::{self, Kind};
use crate::error::OpError;
use crate::graph::op::{Array, DType, GradCtx, Io, Kernel, Lowering, Op, Operand, Params, Spec, Stage};
use crate::graph::{Accuracy, Tensor, record};
use crate::shape::{Shape, View, ViewDim};
use smallvec::SmallVec;
use std::sync::Arc;
use variants::{LEAST_SPLIT, LONGEST_LOOP, SPLIT_FROM, TILES_TO_KEEP_BUSY};

/// [..., m, k] × [..., k, n] → [..., m, n]
#[derive(Clone, Copy, Debug)]
pub struct Matmul {
    /// The first operand is stored as [..., k, m].
    pub trans_a: bool,
    /// The second operand is stored as [..., n, k].
    pub trans_b: bool,
}

/// The sizes of a product and the strides of its operands, in elements.
#[derive(Clone, Debug)]
struct Layout {
    m: usize,
    n: usize,
    k: usize,
    /// Strides of A along i and p.
    a: [usize; 2],
    /// Strides of B along p and j.
    b: [usize; 2],
    /// Size, stride in A and stride in B of each batch axis; neighbours that move as one are merged.
    batch: Vec<[usize; 3]>,
}

impl Layout {
    fn new(op: Matmul, a: &Shape, b: &Shape, output: &Shape) -> Layout {
        let ([a_outer, a_inner], [_, b_inner]) = (last_two(a), last_two(b));
        let [m, n] = last_two(output);
        let k = if op.trans_a { a_outer } else { a_inner };
        let mut batch: Vec<[usize; 3]> = Vec::new();
        for (axis, &size) in output.dims()[..output.rank() - 2].iter().enumerate() {
            let stride = |s: &Shape| match (axis + s.rank()).checked_sub(output.rank()) {
                Some(own) if s.dims()[own] != 1 => s.strides()[own],
                _ => 0,
            };
            let (in_a, in_b) = (stride(a), stride(b));
            match batch.last_mut() {
                _ if size == 1 => {}
                Some(last) if last[1] == in_a * size && last[2] == in_b * size => *last = [last[0] * size, in_a, in_b],
                _ => batch.push([size, in_a, in_b]),
            }
        }
        Layout {
            m,
            n,
            k,
            a: if op.trans_a { [1, a_inner] } else { [a_inner, 1] },
            b: if op.trans_b { [1, b_inner] } else { [b_inner, 1] },
            batch,
        }
    }

    fn batches(&self) -> usize {
        self.batch.iter().map(|d| d[0]).product()
    }

    /// Where matrix `index` of the batch starts in A and in B.
    fn bases(&self, mut index: usize) -> (usize, usize) {
        self.batch.iter().rev().fold((0, 0), |(a, b), [size, in_a, in_b]| {
            let at = index % size;
            index /= size;
            (a + at * in_a, b + at * in_b)
        })
    }
}

fn last_two(shape: &Shape) -> [usize; 2] {
    match shape.dims() {
        [.., outer, inner] => [*outer, *inner],
        // `infer` refuses fewer axes.
        _ => [1, 1],
    }
}

/// A shape with its last two axes exchanged if `swap`: as the op reads it and the user wrote it.
fn read_as(shape: Shape, swap: bool) -> Result<Shape, OpError> {
    match shape.rank() {
        rank if swap && rank >= 2 => {
            // At once: with one of them twice, it could be too large.
            let mut dims: SmallVec<[usize; 4]> = SmallVec::from_slice(shape.dims());
            dims.swap(rank - 2, rank - 1);
            Shape::new(&dims)
        }
        _ => Ok(shape),
    }
}

/// The shape of a product of matrices by numpy's rule, of operands as they are read.
fn product(a: Shape, b: Shape) -> Result<Shape, OpError> {
    let (Some(batch_a), Some(batch_b)) = (a.rank().checked_sub(2), b.rank().checked_sub(2)) else {
        return Err(OpError::Shape(format!("{a} × {b}: a scalar is no matrix; use mul")));
    };
    let ([m, k], [p, n]) = (last_two(&a), last_two(&b));
    if k != p {
        return Err(OpError::Shape(format!("{a} × {b}: inner sizes {k} and {p} differ")));
    }
    if batch_a == 0 && batch_b == 0 {
        return Shape::new(&[m, n]);
    }
    let (batch_a, batch_b) = (Shape::new(&a.dims()[..batch_a])?, Shape::new(&b.dims()[..batch_b])?);
    let Ok(batch) = batch_a.broadcast(&batch_b) else {
        return Err(OpError::Shape(format!("{a} × {b}: batch axes {batch_a} and {batch_b} do not broadcast")));
    };
    Shape::new(&[batch.dims(), &[m, n]].concat())
}

impl Matmul {
    /// The product in pieces of k, as a batch of products, where there are few outputs and many terms: else most of a GPU would have nothing to
    /// do. Only where both operands are stored with k outermost, as for every gradient by a weight, so that the pieces are whole matrices. And however
    /// they are stored, where there are so many terms that one loop over them is too long for a software adapter. It depends on the sizes only, so the
    /// order of summation is the same everywhere.
    fn parts(&self, layout: &Layout) -> Option<Layout> {
        let Layout { m, n, k, .. } = *layout;
        if k > LONGEST_LOOP && layout.batch.is_empty() {
            // In multiples of four where that is possible: pieces may then be read as vectors.
            let into = |of: usize| (2..=k / LEAST_SPLIT).find(|splits| k % (of * splits) == 0 && k / splits <= LONGEST_LOOP / 2);
            let splits = into(4).or_else(|| into(1))?;
            let span = k / splits;
            return Some(Layout { k: span, batch: vec![[splits, span * layout.a[1], span * layout.b[0]]], ..layout.clone() });
        }
        let tiles = m.div_ceil(32) * n.div_ceil(32);
        if !self.trans_a
            || self.trans_b
            || !layout.batch.is_empty()
            || k < SPLIT_FROM
            || tiles == 0
            || tiles >= TILES_TO_KEEP_BUSY
        {
            return None;
        }
        let most = (TILES_TO_KEEP_BUSY / tiles).min(k / LEAST_SPLIT);
        let splits = (2..=most).rev().find(|splits| k % (4 * splits) == 0)?;
        let span = k / splits;
        Some(Layout { k: span, batch: vec![[splits, span * m, span * n]], ..layout.clone() })
    }

    /// The kernel of a product.
    fn kernel(&self, layout: Layout, f16: [bool; 2]) -> Kernel {
        let lanes_n = variants::lanes(*self, &layout);
        let Layout { m, n, k, a, b, .. } = layout;
        let mut divisor = layout.batches();
        let axis = |[size, in_a, in_b]: &[usize; 3]| {
            divisor /= (*size).max(1);
            [divisor, *size, *in_a, *in_b]
        };
        let dims: Vec<[usize; 4]> = layout.batch.iter().map(axis).collect();
        let params = Params::new().set("m", m).set("n", n).set("k", k).set("batches", layout.batches());
        let params = params.set("a_row", a[0]).set("a_col", a[1]).set("b_row", b[0]).set("b_col", b[1]);
        let params = params.set("lanes_n", lanes_n).set("rank", dims.len()).set("first", 0u32).set("dims", dims);
        let name = if f16 == [false; 2] { "matmul" } else { "matmul_half" };
        Kernel { name, params, variants: variants::all(*self, &layout, lanes_n, f16), native: native::native(layout, f16) }
    }
}

impl Op for Matmul {
    fn name(&self) -> &'static str {
        "matmul"
    }
    fn params(&self) -> Vec<u32> {
        vec![u32::from(self.trans_a), u32::from(self.trans_b)]
    }
    fn accuracy(&self, inputs: &[&Array]) -> Accuracy {
        let sizes = inputs.first().map_or([1, 1], |a| last_two(&a.shape));
        Accuracy::Terms(if self.trans_a { sizes[0] } else { sizes[1] })
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        if let Some((i, spec)) = inputs.iter().enumerate().find(|(_, spec)| !spec.dtype.is_float()) {
            return Err(OpError::DType(format!("operand {i} is {spec}, expected f32; convert with to_f32()")));
        }
        let (a, b) = (read_as(inputs[0].shape, self.trans_a)?, read_as(inputs[1].shape, self.trans_b)?);
        Ok(Spec::f32(product(a, b)?))
    }
    fn accepts_f16(&self) -> bool {
        true
    }
    fn lower(&self, inputs: &[Spec], output: &Spec) -> Lowering {
        let f16 = [inputs[0].dtype == DType::F16, inputs[1].dtype == DType::F16];
        let layout = Layout::new(*self, &inputs[0].shape, &inputs[1].shape, &output.shape);
        // f16 operands are half as much to read: in one piece.
        let Some(parts) = (if f16 == [false; 2] { self.parts(&layout) } else { None }) else {
            return Lowering::kernel(self.kernel(layout, f16), 2);
        };
        // Products of as many pieces of k, added up in order: the same bits every time.
        let (splits, count) = (parts.batches(), output.shape.numel());
        let each = View::new(0, [ViewDim { size: count, stride: 1 }]);
        let pieces = View::new(0, [ViewDim { size: splits, stride: count as isize }]);
        let mut sum = reduce::kernel(Kind::Sum, &each, &pieces, count, splits, splits);
        let mut products = self.kernel(parts, f16);
        // Natively threads share even a small output: the whole product is made at once, as the first piece.
        let whole = native::native(layout, f16);
        products.native = Arc::new(move |io| {
            let first = &mut io.writes[0][..count];
            whole(&mut Io { reads: io.reads, writes: &mut [first], scalars: io.scalars, finish: None, room: io.room });
        });
        sum.native = Arc::new(move |io| io.writes[0].copy_from_slice(&io.reads[0][..count]));
        let reads = vec![Operand::Input(0), Operand::Input(1)];
        let products = Stage { kernel: products, reads, writes: vec![Operand::Temp(0)] };
        let sum = Stage { kernel: sum, reads: vec![Operand::Temp(0)], writes: vec![Operand::Output] };
        Lowering::Stages { temps: vec![splits * count], stages: vec![products, sum] }
    }
    fn flops(&self, inputs: &[Spec], output: &Spec) -> u64 {
        let k = inputs[0].shape.dims().iter().rev().nth(usize::from(self.trans_a)).copied().unwrap_or(1);
        2 * (output.shape.numel() * k) as u64
    }

    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        let [a, b] = inputs else { return Array::from_fn(output.shape, |_| f64::NAN) };
        let layout = Layout::new(*self, &a.shape, &b.shape, &output.shape);
        let Layout { m, n, k, .. } = layout;
        Array::from_fn(output.shape, |o| {
            let (base_a, base_b) = layout.bases(o / (m * n));
            let (i, j) = (o / n % m, o % n);
            let term = |p: usize| {
                let x = a.data[base_a + i * layout.a[0] + p * layout.a[1]];
                x * b.data[base_b + p * layout.b[0] + j * layout.b[1]]
            };
            (0..k).map(term).sum()
        })
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        let [a, b] = ctx.inputs else { return vec![] };
        let Matmul { trans_a, trans_b } = *self;
        let product = |x: &Tensor, trans_a: bool, y: &Tensor, trans_b: bool| record(Matmul { trans_a, trans_b }, &[x, y]);
        // With C = A B: dA = G Bᵀ and dB = Aᵀ G; if an operand is stored transposed, the transpose of that.
        let da = || if trans_a { product(b, trans_b, ctx.grad, true) } else { product(ctx.grad, false, b, !trans_b) };
        let db = || if trans_b { product(ctx.grad, true, a, trans_a) } else { product(a, !trans_a, ctx.grad, false) };
        vec![ctx.needs[0].then(|| da().sum_to_like(a)), ctx.needs[1].then(|| db().sum_to_like(b))]
    }
}
