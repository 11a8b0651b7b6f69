//! Running sums of integers, which wrap around. Exact on every device.

use super::super::case::{Case, Gen};
use super::Scan;
use crate::error::OpError;
use crate::graph::Tensor;
use crate::graph::op::{Array, DType, GradCtx, Io, Lowering, Native, Op, Spec};
use std::sync::Arc;

/// Running sums of i32 or u32.
#[derive(Clone, Copy, Debug)]
pub struct ScanWords(pub Scan);

/// What the shader of floats has instead, to add up words.
pub(super) const BODIES: [(&str, &str); 4] = [
    ("Element", "u32"),
    ("Running", "vec2<u32>"),
    ("add_and_repay", "{ return Running(sum.x + x, 0u); }"),
    (
        "sum_of_spans_before",
        "{
    var sum = Running();
    for (var s = 0u; s < nth; s++) { sum.x += totals[line * params.spans + in_order(s, params.spans)]; }
    return sum;
}",
    ),
];

pub(super) fn native(n: usize, inner: usize, reverse: bool) -> Native {
    Arc::new(move |io: &mut Io<'_>| {
        let (read, out) = (io.reads[0], &mut *io.writes[0]);
        let block = n * inner;
        for (out, x) in out.chunks_exact_mut(block.max(1)).zip(read.chunks_exact(block.max(1))) {
            // The row before it is the sum so far.
            for k in 0..n {
                let row = if reverse { n - 1 - k } else { k } * inner;
                for i in row..row + inner {
                    let before = match k {
                        0 => 0,
                        _ if reverse => out[i + inner],
                        _ => out[i - inner],
                    };
                    out[i] = before.wrapping_add(x[i]);
                }
            }
        }
    })
}

impl Op for ScanWords {
    fn name(&self) -> &'static str {
        self.0.name()
    }
    fn params(&self) -> Vec<u32> {
        self.0.params()
    }
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        match inputs[0] {
            Spec { shape, dtype: dtype @ (DType::I32 | DType::U32), .. } => Ok(Spec::new(shape, dtype)),
            other => Err(OpError::DType(format!("operand is {other}, expected i32 or u32; convert with to_i32()"))),
        }
    }
    fn lower(&self, _: &[Spec], output: &Spec) -> Lowering {
        self.0.lowering(output, true)
    }
    fn reference(&self, inputs: &[&Array], output: &Spec) -> Array {
        // Sums of integers are exact in f64; what they are modulo 2³² is left of them.
        let sums = self.0.reference(inputs, output);
        Array { data: sums.data.iter().map(|&sum| output.dtype.to_f64(sum as i64 as u32)).collect(), ..sums }
    }
    fn grad(&self, ctx: &GradCtx<'_>) -> Vec<Option<Tensor>> {
        vec![None; ctx.inputs.len()]
    }
}

/// Test inputs: both types and directions, short and long lines, sums beyond the range.
pub(super) fn cases(g: &mut Gen) -> Vec<Case> {
    let shapes: [(&[usize], usize); 7] =
        [(&[1], 0), (&[7], 0), (&[3, 4], 0), (&[2, 3, 4], 1), (&[0, 3], 0), (&[2, 700, 3], 1), (&[70_001], 0)];
    let mut cases = vec![];
    for dtype in [DType::I32, DType::U32] {
        for reverse in [false, true] {
            for (dims, axis) in shapes {
                let input = g.input(dtype, dims, |g| dtype.to_f64(g.bits() as u32));
                let op = ScanWords(Scan { axis, reverse });
                cases.push(Case::new(format!("{dtype}{dims:?} along {axis}, {reverse}"), op, vec![input]).forward_only());
            }
        }
    }
    cases
}
