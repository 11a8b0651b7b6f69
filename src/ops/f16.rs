//! f16: to_f16 rounds x to the nearest IEEE binary16 and stores two numbers to a word; to_f32 gives them back, exactly.

use super::case::{Case, Gen};
use super::simd::vectorised;
use crate::error::OpError;
use crate::graph::half;
use crate::graph::op::{Array, DType, GradCtx, Io, Kernel, Lowering, Op, Params, Spec, Variant, Workspace};
use crate::graph::{Tensor, record};
use crate::shape::{MAX_RANK, View};
use rayon::prelude::*;
use std::sync::Arc;

/// Words below which threads cost more than they save.
const MIN_PARALLEL_WORDS: usize = 1 << 15;

/// f32 → f16, rounded. Its gradient is that of the identity.
#[derive(Clone, Copy, Debug)]
pub struct ToF16;

/// f16 → f32, exactly.
#[derive(Clone, Copy, Debug)]
pub struct FromF16;

vectorised! {
    /// Rounds numbers and packs them, two to a word.
    fn pack<'a>(x: &'a [f32], out: &'a mut [u32]) {
        let (pairs, rest) = x.as_chunks::<2>();
        for (word, &[a, b]) in out.iter_mut().zip(pairs) {
            *word = half::pair(a, b);
        }
        if let ([last], Some(word)) = (rest, out.last_mut()) {
            *word = half::pair(*last, 0.0);
        }
    }
}

vectorised! {
    /// Both numbers of every word; `out` may end with the first of the last.
    fn unpack<'a>(x: &'a [u32], out: &'a mut [f32]) {
        let (pairs, rest) = out.as_chunks_mut::<2>();
        for (pair, &word) in pairs.iter_mut().zip(x) {
            *pair = [half::to_f32(word as u16), half::to_f32((word >> 16) as u16)];
        }
        if let ([last], Some(&word)) = (rest, x.last()) {
            *last = half::to_f32(word as u16);
        }
    }
}

/// What the kernels of this file have among their parameters: an invocation each for the words that hold `count` numbers.
fn params(count: usize) -> Params {
    Params::new().set("count", half::words(count)).set("elements", count)
}

/// [`unpack`], on all cores where that pays.
pub(super) fn floats(x: &[u32], out: &mut [f32]) {
    if x.len() < MIN_PARALLEL_WORDS {
        return unpack(x, out);
    }
    out.par_chunks_mut(MIN_PARALLEL_WORDS).zip(x.par_chunks(MIN_PARALLEL_WORDS / 2)).for_each(|(out, x)| unpack(x, out));
}

/// As many numbers as `out` has, from number `first` of packed words on.
pub(super) fn unpack_from(x: &[u32], first: usize, out: &mut [f32]) {
    match first % 2 {
        0 => unpack(&x[first / 2..][..half::words(out.len())], out),
        _ => {
            if let Some((head, rest)) = out.split_first_mut() {
                *head = half::at(x, first);
                unpack(&x[first.div_ceil(2)..][..half::words(rest.len())], rest);
            }
        }
    }
}

/// Hands `work` the numbers of an operand: where they lie, or, if it is packed f16, in memory of their own.
pub(super) fn with_floats(words: &[u32], packed: bool, room: &Workspace<'_>, work: impl FnOnce(&[f32])) {
    if !packed {
        return work(bytemuck::cast_slice(words));
    }
    room.with(2 * words.len(), |memory| {
        floats(words, memory);
        work(memory);
    });
}

/// f16 in the order of a view, into f16: what a layout op does with it.
pub(super) fn permuted(name: &'static str, view: View) -> Lowering {
    let count = view.numel();
    let mut dims = vec![];
    let mut divisor = count.max(1);
    for axis in 0..MAX_RANK {
        let (size, stride) = view.dims.get(axis).map_or((1, 0), |dim| (dim.size.max(1), dim.stride));
        divisor /= size;
        dims.extend([divisor.max(1) as u32, size as u32, stride as u32, 0]);
    }
    let native = move |io: &mut Io<'_>| {
        let (x, out) = (io.reads[0], &mut *io.writes[0]);
        out.fill(0);
        let mut i = 0;
        view.positions(0, count, |at| {
            out[i / 2] |= (x[at / 2] >> (16 * (at % 2)) & 0xffff) << (16 * (i % 2));
            i += 1;
        });
    };
    let variants = vec![Variant::each_element("f16/permute", half::words(count)).max_loop_iterations(16)];
    Lowering::kernel(Kernel { name, params: params(count).set("dims", dims), variants, native: Arc::new(native) }, 1)
}

impl Op for ToF16 {
    fn name(&self) -> &'static str {
        "to_f16"
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        if inputs[0].dtype != DType::F32 {
            return Err(OpError::DType(format!("operand 0 is {}, expected f32; convert with to_f32()", inputs[0])));
        }
        Ok(Spec::new(inputs[0].shape, DType::F16))
    }
    fn lower(&self, inputs: &[Spec], _: &Spec) -> Lowering {
        let count = inputs[0].shape.numel();
        let kernel = Kernel {
            name: "to_f16",
            params: params(count),
            variants: vec![Variant::each_element("f16/from_f32", half::words(count)).max_loop_iterations(0)],
            native: Arc::new(|io| {
                let (x, out) = (io.read(0), &mut *io.writes[0]);
                if x.len() < MIN_PARALLEL_WORDS {
                    return pack(x, out);
                }
                out.par_chunks_mut(MIN_PARALLEL_WORDS / 2)
                    .zip(x.par_chunks(MIN_PARALLEL_WORDS))
                    .for_each(|(out, x)| pack(x, out));
            }),
        };
        Lowering::kernel(kernel, 1)
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        Array::from_fn(output.shape, |i| half::rounded(inputs[0].data[i]))
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![Some(ctx.grad.clone())]
    }
}

impl Op for FromF16 {
    fn name(&self) -> &'static str {
        "from_f16"
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        if inputs[0].dtype != DType::F16 {
            return Err(OpError::DType(format!("operand 0 is {}, expected f16; convert with to_f16()", inputs[0])));
        }
        Ok(Spec::f32(inputs[0].shape))
    }
    fn accepts_f16(&self) -> bool {
        true
    }
    fn lower(&self, inputs: &[Spec], _: &Spec) -> Lowering {
        let count = inputs[0].shape.numel();
        let kernel = Kernel {
            name: "from_f16",
            params: params(count),
            variants: vec![Variant::each_element("f16/to_f32", half::words(count)).max_loop_iterations(0)],
            native: Arc::new(|io| floats(io.reads[0], io.write(0))),
        };
        Lowering::kernel(kernel, 1)
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        Array::new(output.shape, inputs[0].data.clone())
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![Some(ctx.grad.clone())]
    }
}

impl Tensor {
    /// Rounded to half precision and stored in half the bytes: 11 significant bits, from 6e-8 to 65,504. What is beyond becomes infinite.
    ///
    /// f16 is for storage: [`Tensor::matmul`], [`Tensor::index_select`], [`Tensor::gather`], [`Tensor::embedding`], transposes and reshapes
    /// take it, and compute in f32; every other op wants [`Tensor::to_f32`] first. [`Tensor::to_vec`] reads them as f32. The gradient passes
    /// as it is, in f32. Of a tensor that is f16 already, the tensor itself.
    ///
    /// ```
    /// use steepest::Device;
    /// let x = Device::cpu().tensor(&[0.1, 70_000.0, -2.0], 3).to_f16();
    /// assert_eq!(x.to_vec::<f32>()?, [0.099975586, f32::INFINITY, -2.0]);
    /// # Ok::<(), steepest::Error>(())
    /// ```
    #[track_caller]
    pub fn to_f16(&self) -> Tensor {
        match self.spec() {
            Ok(spec) if spec.dtype == DType::F16 => self.clone(),
            _ => record(ToF16, &[self]),
        }
    }

    /// The numbers of an f16 tensor as f32.
    #[track_caller]
    pub(super) fn f16_to_f32(&self) -> Tensor {
        record(FromF16, &[self])
    }
}

/// Test inputs: both sides of a word and of a workgroup, every power of two and its neighbours, ties, subnormals, what is out of range or no number.
pub fn cases(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    let shapes: [&[usize]; 9] = [&[], &[1], &[2], &[3], &[5, 7], &[513], &[0], &[4, 0], &[300, 301]];
    for dims in shapes {
        // Rounding has steps: its gradient is no slope.
        cases.push(Case::new(format!("{dims:?}"), ToF16, vec![g.normalish(dims)]).forward_only());
        cases.push(Case::new(format!("{dims:?}"), FromF16, vec![g.f16(dims)]));
    }
    let mut hard = vec![0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::from(f32::MAX), 65_504.0, 65_519.0, 65_520.0];
    for exponent in -27..=16 {
        let power = 2f64.powi(exponent);
        // A half and a quarter of the last place above, and the f32 next to both.
        for step in [0.0, 0.25, 0.5, 0.75, 1.0, 1.5] {
            let x = (power * (1.0 + step / 1024.0)) as f32;
            hard.extend([x.next_down(), x, -x.next_up()].map(f64::from));
        }
    }
    // Ties of subnormal halves.
    hard.extend((0..9).map(|n| f64::from(n) * 2f64.powi(-25)));
    let mut next = hard.iter();
    let count = hard.len();
    let input = g.input(DType::F32, &[count], |_| next.next().copied().unwrap_or(0.0));
    cases.push(Case::new("hard", ToF16, vec![input]).forward_only());
    // All there are.
    let mut half = 0u32;
    let every = g.input(DType::F16, &[256, 256], |_| {
        half += 1;
        f64::from(half::to_f32((half - 1) as u16))
    });
    cases.push(Case::new("every half", FromF16, vec![every]).forward_only());
    cases
}
