//! Matrix product: out[…, i, j] = Σ_p A[…, i, p] B[…, p, j], with broadcast batch axes, either operand read transposed.

mod halves;

use super::case::{Case, Gen};
use super::gemm::{self, Matrix};
use super::layout::{Reshape, transposed};
use super::reduce::{self, Kind};
use crate::error::OpError;
use crate::graph::Accuracy;
use crate::graph::op::{Array, DType, Finish, GradCtx, Io, Kernel, Lowering, Native, Op, Operand, Spec, Stage, Target, Variant};
use crate::graph::{Tensor, record};
use crate::shape::{Shape, View, ViewDim};
use ndarray::ArrayViewMut2;
use rayon::prelude::*;
use smallvec::SmallVec;
use std::sync::Arc;

/// [..., m, k] × [..., k, n] → [..., m, n]
#[derive(Clone, Copy, Debug)]
pub struct Matmul {
    /// The first operand lies as [..., k, m].
    pub trans_a: bool,
    /// The second operand lies as [..., n, k].
    pub trans_b: bool,
}

/// The sizes of a product and how its operands lie, in elements.
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
    /// do. Only where both operands lie with k outermost, as for every gradient by a weight, so that the pieces are whole matrices. And however
    /// they lie, where there are so many terms that one loop over them is too long for a software adapter. It hangs on the sizes only, so the
    /// order of summation is the same everywhere.
    fn parts(&self, layout: &Layout) -> Option<Layout> {
        let Layout { m, n, k, .. } = *layout;
        if k > LONG && layout.batch.is_empty() {
            // In multiples of four where that is possible: pieces may then be read as vectors.
            let into = |of: usize| (2..=k / PIECE).find(|splits| k % (of * splits) == 0 && k / splits <= LONG / 2);
            let splits = into(4).or_else(|| into(1))?;
            let span = k / splits;
            return Some(Layout { k: span, batch: vec![[splits, span * layout.a[1], span * layout.b[0]]], ..layout.clone() });
        }
        let tiles = m.div_ceil(32) * n.div_ceil(32);
        if !self.trans_a || self.trans_b || !layout.batch.is_empty() || k < MANY || tiles == 0 || tiles >= BUSY {
            return None;
        }
        let most = (BUSY / tiles).min(k / PIECE);
        let splits = (2..=most).rev().find(|splits| k % (4 * splits) == 0)?;
        let span = k / splits;
        Some(Layout { k: span, batch: vec![[splits, span * m, span * n]], ..layout.clone() })
    }

    /// The kernel of a product.
    fn kernel(&self, layout: Layout, halves: [bool; 2]) -> Kernel {
        let lanes_n = lanes(*self, &layout);
        let Layout { m, n, k, a, b, .. } = layout;
        let mut params: Vec<u32> = [m, n, k, layout.batches(), a[0], a[1], b[0], b[1], lanes_n].map(|x| x as u32).to_vec();
        // At FIRST, where a part of the terms begins.
        params.extend([layout.batch.len() as u32, 0, 0]);
        let mut divisor = layout.batches();
        for [size, in_a, in_b] in &layout.batch {
            divisor /= (*size).max(1);
            params.extend([divisor, *size, *in_a, *in_b].map(|x| x as u32));
        }
        // Whole up to `extra`, which belongs to what is fused behind.
        params.resize(12 + 4 * AXES, 0);
        let name = if halves == [false; 2] { "matmul" } else { "matmul_half" };
        Kernel {
            name,
            params: params.into(),
            variants: variants(*self, &layout, lanes_n, halves),
            native: native(layout, halves),
        }
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
        let halves = [inputs[0].dtype == DType::F16, inputs[1].dtype == DType::F16];
        let layout = Layout::new(*self, &inputs[0].shape, &inputs[1].shape, &output.shape);
        // Halves are half as much to read: in one piece.
        let Some(parts) = (if halves == [false; 2] { self.parts(&layout) } else { None }) else {
            return Lowering::kernel(self.kernel(layout, halves), 2);
        };
        // Products of as many pieces of k, added up in order: the same bits every time.
        let (splits, count) = (parts.batches(), output.shape.numel());
        let each = View::new(0, [ViewDim { size: count, stride: 1 }]);
        let pieces = View::new(0, [ViewDim { size: splits, stride: count as isize }]);
        let mut sum = reduce::kernel(Kind::Sum, &each, &pieces, count, splits, splits);
        let mut products = self.kernel(parts, halves);
        // Natively threads share even a small output: the whole product is made at once, as the first piece.
        let whole = native(layout, halves);
        products.native = Arc::new(move |io| {
            let first = &mut io.writes[0][..count];
            whole(&mut Io { reads: io.reads, writes: &mut [first], scalars: io.scalars, finish: None });
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
        // With C = A B: dA = G Bᵀ and dB = Aᵀ G; if an operand lies transposed, the transpose of that.
        let da = || if trans_a { product(b, trans_b, ctx.grad, true) } else { product(ctx.grad, false, b, !trans_b) };
        let db = || if trans_b { product(ctx.grad, true, a, trans_a) } else { product(a, !trans_a, ctx.grad, false) };
        vec![ctx.needs[0].then(|| da().sum_to_like(a)), ctx.needs[1].then(|| db().sum_to_like(b))]
    }
}

/// Batch axes the shaders' `params.dims` has room for: what is left of eight axes.
const AXES: usize = 6;
/// Rows of the output an invocation of `matmul_registers` and of `matmul_vectors` makes: fewer where there are not so many. A kernel with 8 of
/// them compiles in half the time of one with 16, and up to 64 rows it is as fast.
fn rows(m: usize) -> usize {
    m.next_power_of_two().clamp(4, if m <= 64 { 8 } else { 16 })
}
/// Columns of the output an invocation of them makes.
const COLUMNS: usize = 8;

/// Workgroups below which a GPU of today has cores with nothing to do.
const FEW: usize = 96;
/// Terms of a sum that are worth a slice of a workgroup in `matmul_deep`.
const DEEP: usize = 16;

/// Terms from which a sum is worth being made in pieces, by different workgroups, and the least of a piece.
const MANY: usize = 4096;
const PIECE: usize = 512;
/// Terms that are never summed in one loop.
const LONG: usize = 64_000;
/// Tiles of 32×32 that keep a GPU busy: two for each of 64 cores.
const BUSY: usize = 128;

/// How a workgroup shares a tile of the output.
#[derive(Clone, Copy)]
struct Tile {
    shader: &'static str,
    /// Invocations down and across.
    sides: [usize; 2],
    /// Blocks of 4×4 numbers of each invocation, down and across.
    blocks: [usize; 2],
    /// Values of p in workgroup memory at a time.
    depth: u32,
    /// Times that memory is there.
    stages: u32,
}

impl Tile {
    fn rows(&self) -> usize {
        4 * self.sides[0] * self.blocks[0]
    }

    fn columns(&self) -> usize {
        4 * self.sides[1] * self.blocks[1]
    }
}

/// Tiles for hardware, the largest first, of operands that can be read as vectors: 128×128, 128×64, 64×64 and 32×32. For halves there is a
/// shader of its own.
const TILES: [Tile; 4] = [
    Tile { shader: "matmul_tiles", sides: [16, 16], blocks: [2, 2], depth: 16, stages: 2 },
    Tile { shader: "matmul_tiles", sides: [16, 16], blocks: [2, 1], depth: 16, stages: 1 },
    Tile { shader: "matmul_tiles", sides: [16, 16], blocks: [1, 1], depth: 32, stages: 1 },
    Tile { shader: "matmul_tiles", sides: [8, 8], blocks: [1, 1], depth: 16, stages: 2 },
];
/// The same of any operands: 128×128, 64×64 and 32×32.
const SCALAR_TILES: [Tile; 3] = [
    Tile { shader: "matmul", sides: [16, 16], blocks: [2, 2], depth: 8, stages: 1 },
    Tile { shader: "matmul", sides: [16, 16], blocks: [1, 1], depth: 16, stages: 1 },
    Tile { shader: "matmul", sides: [8, 8], blocks: [1, 1], depth: 16, stages: 1 },
];

/// How many of eight invocations lie side by side along n, the others below: by measurement on a software adapter, where reading rows
/// along k is cheaper than reading columns. As far as the output reaches in both directions.
fn lanes(op: Matmul, layout: &Layout) -> usize {
    let widest = layout.n.div_ceil(COLUMNS).next_power_of_two().min(8);
    let tallest = layout.m.div_ceil(rows(layout.m)).next_power_of_two().min(8);
    (if op.trans_a { 8 } else { 2 }).max(8 / tallest).min(widest)
}

fn variants(op: Matmul, layout: &Layout, lanes_n: usize, halves: [bool; 2]) -> Vec<Variant> {
    let Layout { m, n, k, .. } = *layout;
    let tiles = |rows: usize, columns: usize| layout.batches() * m.div_ceil(rows) * n.div_ceil(columns);
    let trans = [("TRANS_A", u32::from(op.trans_a)), ("TRANS_B", u32::from(op.trans_b))];
    // Every row of an operand, as it lies, starts at a multiple of four.
    let (inner_a, inner_b) = (if op.trans_a { m } else { k }, if op.trans_b { k } else { n });
    let aligned = inner_a % 4 == 0 && inner_b % 4 == 0;
    let some_half = halves != [false; 2];
    // Which operands are halves: for shaders made for them, and for the others, which read number by number.
    let mixed = if some_half {
        [("HALF_A", halves[0]), ("HALF_B", halves[1])].map(|(name, half)| (name, u32::from(half))).to_vec()
    } else {
        vec![]
    };
    let number = |(name, operand)| (name, format!("{{ return unpack2x16float({operand}[i >> 1u] >> (16u * (i & 1u))).x; }}"));
    let readers = [("number_a", "in0"), ("number_b", "in1")].into_iter().zip(halves).filter(|(_, half)| *half);
    let readers: Vec<(&'static str, String)> = readers.map(|(reader, _)| number(reader)).collect();
    let mut all = Vec::new();
    if aligned && halves == [true; 2] {
        // Each device takes the one of its own matrices, if it has any.
        all.extend([(16, 32), (16, 64), (8, 32), (8, 64)].map(|(side, team)| {
            let tile = 4 * side as usize;
            let shader = if side == 16 { "matmul_cooperative_16" } else { "matmul_cooperative_8" };
            Variant {
                consts: [&[("TEAM", team)], &trans[..]].concat(),
                target: Target::Cooperative { side, team },
                ..Variant::new(shader, Variant::groups(tiles(tile, tile)))
            }
        }));
    }
    if aligned && !some_half && k >= 16 * DEEP && tiles(32, 32) <= FEW {
        let deep = Variant::new("matmul_deep", Variant::groups(tiles(16, 16)));
        all.push(Variant { consts: trans.to_vec(), target: Target::Hardware, ..deep });
    }
    // The largest tile that still gives a GPU's cores something to do each; the others stay as alternatives.
    let mut sizes = if aligned { TILES.to_vec() } else { SCALAR_TILES.to_vec() };
    let best = sizes.iter().position(|t| tiles(t.rows(), t.columns()) >= FEW).unwrap_or(sizes.len() - 1);
    sizes[..=best].rotate_right(1);
    all.extend(sizes.iter().map(|t| {
        let shader = if aligned && some_half { "matmul_half_tiles" } else { t.shader };
        let mut variant =
            Variant { target: Target::Hardware, ..Variant::new(shader, Variant::groups(tiles(t.rows(), t.columns()))) };
        variant.consts = if aligned {
            let [side_m, side_n, blocks_m, blocks_n] = [t.sides[0], t.sides[1], t.blocks[0], t.blocks[1]].map(|n| n as u32);
            let sizes = [("SIDE_M", side_m), ("SIDE_N", side_n), ("BLOCKS_M", blocks_m), ("BLOCKS_N", blocks_n)];
            [&sizes[..], &[("DEPTH", t.depth), ("STAGES", t.stages)], &trans, &mixed].concat()
        } else {
            variant.bodies = readers.clone();
            vec![("SIDE", t.sides[0] as u32), ("BLOCKS", t.blocks[0] as u32), ("DEPTH", t.depth)]
        };
        variant
    }));
    let rows = rows(m);
    let registers = |shader, workgroup: usize, target| Variant {
        consts: vec![("WORKGROUP", workgroup as u32), ("ROWS", rows as u32), ("FUSED", 0)],
        bodies: readers.clone(),
        target,
        ..Variant::new(shader, Variant::groups(tiles(rows * (workgroup / lanes_n), COLUMNS * lanes_n)))
    };
    // Where the output is wide enough for eight invocations side by side.
    if aligned && !some_half && m > 4 && 3 * n >= 2 * n.next_multiple_of(8 * COLUMNS) {
        let mut consts = vec![("ROWS", rows as u32), ("FUSED", 0)];
        consts.extend(trans);
        let shared = Variant::new("matmul_shared", Variant::groups(tiles(rows, 8 * COLUMNS)));
        all.push(Variant { consts, target: Target::Software, ..shared });
    }
    if aligned {
        let shader = if some_half { "matmul_half_vectors" } else { "matmul_vectors" };
        let mut vectors = registers(shader, 8, Target::Software);
        vectors.consts.extend(trans.iter().chain(&mixed));
        vectors.bodies.clear();
        all.push(vectors);
    }
    all.push(registers("matmul_registers", 8, Target::Software));
    all.push(registers("matmul_registers", 64, Target::Any));
    for variant in &mut all {
        let around = match variant.shader {
            "matmul_vectors" | "matmul_half_vectors" | "matmul_shared" => k / 4,
            "matmul_registers" => k,
            // Terms, and what is brought to workgroup memory.
            _ => 2 * k,
        };
        // And the rest, the axes of a batch, a tile of what is fused.
        let beside = 4 + AXES + 17 * 16;
        variant.loop_iterations = Some(around + beside);
        if variant.shader == "matmul_registers" {
            *variant = variant.clone().in_parts(k, beside);
        }
    }
    all
}

/// Multiplications below which one thread is faster than several.
const ALONE: usize = 1 << 20;

fn native(layout: Layout, halves: [bool; 2]) -> Native {
    Arc::new(move |io| {
        let (a, b) = (io.reads[0], io.reads[1]);
        match halves {
            [false, false] => {
                let finish = io.finish.take();
                products(&layout, bytemuck::cast_slice(a), bytemuck::cast_slice(b), io.write(0), finish)
            }
            _ => halves::products(&layout, [a, b], halves, io.write(0)),
        }
    })
}

fn products(layout: &Layout, a: &[f32], b: &[f32], out: &mut [f32], finish: Option<Finish<'_>>) {
    let Layout { m, n, k, .. } = *layout;
    if m * n * k == 0 {
        out.fill(0.0);
        return finish.into_iter().for_each(|finish| finish(0, bytemuck::cast_slice_mut(out)));
    }
    let batches = layout.batches();
    let matrix = |index: usize, out: &mut [f32], parallel: bool| {
        let (base_a, base_b) = layout.bases(index);
        let (a, b) = (Matrix { data: &a[base_a..], strides: layout.a }, Matrix { data: &b[base_b..], strides: layout.b });
        let out = ArrayViewMut2::from_shape((m, n), out).expect("the output is an m×n matrix");
        let epilogue = finish
            .map(|finish| move |first: usize, part: &mut [f32]| finish(index * m * n + first, bytemuck::cast_slice_mut(part)));
        gemm::multiply(a, b, k, out, parallel, epilogue.as_ref().map(|epilogue| epilogue as gemm::Epilogue<'_>));
    };
    if batches > 1 && batches * m * n * k > ALONE && batches >= 2 * rayon::current_num_threads() {
        // Several small matrices to a thread at a time.
        let several = (ALONE / 8 / (m * n * k)).max(1);
        let all = out.par_chunks_mut(m * n).with_min_len(several).enumerate();
        all.for_each(|(index, out)| matrix(index, out, false));
    } else {
        out.chunks_mut(m * n).enumerate().for_each(|(index, out)| matrix(index, out, true));
    }
}

impl Tensor {
    /// The matrix product by numpy's rules: of matrices; of batches of them, whose leading axes broadcast; a vector counts
    /// as a row before, as a column behind a matrix, and its axis is left out of the result.
    ///
    /// A recorded transpose of the last two axes ([`Tensor::t`]) is read in place and not copied.
    ///
    /// One or both operands may be f16 ([`Tensor::to_f16`]): products of halves are exact in f32, sums and the result are f32.
    /// [`Device::set_precision`](crate::Device::set_precision) has all products round their operands.
    ///
    /// ```
    /// use steepest::Device;
    /// let device = Device::cpu();
    /// let a = device.tensor(&[1.0, 2.0, 3.0, 4.0], [2, 2]);
    /// assert_eq!(a.matmul(&a.t()).to_vec::<f32>()?, [5.0, 11.0, 11.0, 25.0]);
    /// assert_eq!(a.matmul(&device.tensor(&[1.0, 0.5], 2)).to_vec::<f32>()?, [2.0, 5.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn matmul(&self, other: &Tensor) -> Tensor {
        let plain = Matmul { trans_a: false, trans_b: false };
        let (Ok(a), Ok(b)) = (self.try_shape(), other.try_shape()) else { return record(plain, &[self, other]) };
        if a.rank() == 0 || b.rank() == 0 {
            return record(plain, &[self, other]);
        }
        let (k, p) = (a.dims()[a.rank() - 1], b.dims()[b.rank().saturating_sub(2)]);
        match (a.rank(), b.rank()) {
            // Here and not after axes are added, so that the message shows the shapes as they were given.
            (1, _) | (_, 1) if k != p => {
                self.refuse("matmul", OpError::Shape(format!("{a} × {b}: inner sizes {k} and {p} differ")))
            }
            (1, 1) => self.mul(other).sum(&[]).made_by("matmul", &[self, other]),
            (1, _) => self.unsqueeze(0).matmul(other).squeeze(&[-2]),
            (_, 1) => self.matmul(&other.unsqueeze(-1)).squeeze(&[-1]),
            _ => {
                let ((x, trans_a), (y, trans_b)) = (untransposed(self), untransposed(other));
                let (x, y) = if self.node().runner().halves() { (x.to_f16(), y.to_f16()) } else { (x, y) };
                let op = Matmul { trans_a, trans_b };
                match (x.try_shape(), y.try_shape()) {
                    // A batch against one matrix is one tall matrix against it.
                    (Ok(from), Ok(one)) if from.rank() > 2 && one.rank() == 2 && !trans_a => {
                        flattened(&x, from, &y, op).unwrap_or_else(|| record(op, &[&x, &y]))
                    }
                    _ => record(op, &[&x, &y]),
                }
            }
        }
    }

    /// The scalar product Σ x y of two vectors.
    #[track_caller]
    pub fn dot(&self, other: &Tensor) -> Tensor {
        match (self.try_shape(), other.try_shape()) {
            (Ok(a), Ok(b)) if a.rank() != 1 || a != b => {
                let message = format!("{a} · {b}: two vectors of one length are expected");
                self.refuse("dot", OpError::Shape(message))
            }
            _ => self.mul(other).sum(&[]).made_by("dot", &[self, other]),
        }
    }
}

/// What lies under recorded transposes of the last two axes, and whether it is to be read transposed.
fn untransposed(tensor: &Tensor) -> (Tensor, bool) {
    let (mut found, mut flipped) = (tensor.clone(), false);
    while let Some(inner) = transposed(&found) {
        (found, flipped) = (inner, !flipped);
    }
    (found, flipped)
}

/// [..., m, k] × [k, n] as [... m, k] × [k, n]; `None` if the sizes do not fit: `record` will say so.
#[track_caller]
fn flattened(x: &Tensor, from: Shape, y: &Tensor, op: Matmul) -> Option<Tensor> {
    let [_, k] = last_two(&from);
    let to = product(from, read_as(y.try_shape().ok()?, op.trans_b).ok()?).ok()?;
    let rows: usize = from.dims()[..from.rank() - 1].iter().product();
    let tall = record(Reshape { shape: Shape::new(&[rows, k]).ok()? }, &[x]);
    Some(record(Reshape { shape: to }, &[&record(op, &[&tall, y])]))
}

/// Test inputs: both sides of every tile's edge, all transposes, broadcast batches, no elements, values that are not finite.
pub fn cases(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    let flags = [(false, false), (true, false), (false, true), (true, true)];
    let lie = |batch: &[usize], outer: usize, inner: usize, swap: bool| {
        [batch, &if swap { [inner, outer] } else { [outer, inner] }].concat()
    };
    let mut add = |g: &mut Gen, label: &str, batch_a: &[usize], batch_b: &[usize], [m, k, n]: [usize; 3], (trans_a, trans_b)| {
        let (a, b) = (lie(batch_a, m, k, trans_a), lie(batch_b, k, n, trans_b));
        let inputs = vec![g.normalish(&a), g.normalish(&b)];
        let case = Case::new(format!("{label}{a:?} × {b:?}"), Matmul { trans_a, trans_b }, inputs);
        // The gradient's formula does not hang on sizes: it is checked on the small ones.
        cases.push(if m * k * n > 20_000 { case.forward_only() } else { case });
    };
    // Wide enough for workgroups that share rows: both sides of their edges, a k that is no multiple of four, batches.
    for (flags, sizes) in flags.into_iter().zip([[5, 12, 44], [20, 7, 128], [16, 8, 64], [8, 20, 132]]) {
        add(g, "shared ", &[], &[], sizes, flags);
        add(g, "shared ", &[2], &[1], sizes, flags);
    }
    for flags in flags {
        for sizes in
            [[1, 1, 1], [2, 3, 2], [5, 4, 3], [15, 16, 17], [17, 33, 16], [33, 1, 31], [16, 15, 63], [1, 40, 9], [40, 9, 1]]
        {
            add(g, "", &[], &[], sizes, flags);
        }
        // Few rows, and vectors on both sides of the edge of every tile.
        for sizes in [[1, 8, 12], [7, 12, 8], [12, 20, 300], [132, 260, 68], [64, 36, 132], [16, 516, 24]] {
            add(g, "vectors ", &[], &[], sizes, flags);
        }
        for sizes in [[65, 17, 64], [63, 64, 65], [4, 4, 4], [20, 8, 12], [36, 19, 72], [4, 0, 8], [130, 31, 127], [127, 33, 130]]
        {
            add(g, "", &[], &[], sizes, flags);
        }
        for (batch_a, batch_b) in
            [(&[3][..], &[3][..]), (&[2, 1], &[3]), (&[3], &[]), (&[], &[2, 3]), (&[2, 1, 3], &[1, 2, 1]), (&[2, 3], &[2, 1])]
        {
            add(g, "batch ", batch_a, batch_b, [5, 4, 7], flags);
        }
        for sizes in [[3, 0, 4], [0, 3, 4], [3, 4, 0]] {
            add(g, "empty ", &[], &[], sizes, flags);
        }
    }
    add(g, "many ", &[70], &[70], [9, 10, 11], (false, false));
    add(g, "deep ", &[], &[], [4, 1000, 5], (false, true));
    // In pieces of k: of eight, of five, of vectors and of single columns; and one that no number divides.
    for sizes in [[20, 4096, 12], [33, 4100, 70], [7, 6000, 1], [4, 4099, 4]] {
        add(g, "pieces ", &[], &[], sizes, (true, false));
    }
    add(g, "tall ", &[], &[], [1000, 12, 10], (false, false));
    add(g, "wide ", &[], &[], [10, 12, 1000], (true, false));
    // Enough for several threads, which divide rows or columns or the batch.
    add(g, "threads ", &[], &[], [131, 130, 67], (false, true));
    add(g, "threads ", &[], &[], [67, 130, 131], (true, false));
    add(g, "threads ", &[130], &[130], [20, 21, 22], (false, true));
    add(g, "no matrices ", &[0, 2], &[2], [3, 4, 5], (false, false));
    add(g, "no matrices ", &[2, 1], &[0], [3, 4, 5], (false, true));
    // 0·∞ = NaN, and what is not finite reaches its row and column only.
    for (trans_a, trans_b) in flags {
        let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0];
        let sprinkled = |g: &mut Gen| {
            g.input(DType::F32, &[20, 20], |g| if g.below(60) == 0 { odd[g.below(4)] } else { g.uniform(-1.0, 1.0) })
        };
        let zeros = g.input(DType::F32, &[20, 20], |g| g.below(2) as f64);
        let inputs = vec![sprinkled(g), if trans_b { sprinkled(g) } else { zeros }];
        cases.push(Case::new("not finite", Matmul { trans_a, trans_b }, inputs).forward_only());
    }
    halves::cases(g, &mut cases);
    cases
}
