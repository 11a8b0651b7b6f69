//! Matrix products natively where operands are halves: they become f32 panel by panel, and sums are f32.

use super::super::case::{Case, Gen, Input};
use super::super::gemm::{self, Matrix};
use super::super::half::{some, with_floats};
use super::super::scratch;
use super::{Layout, Matmul};
use crate::graph::half;
use crate::graph::op::DType;
use ndarray::{ArrayViewMut2, Axis};
use rayon::prelude::*;

/// Numbers of a large operand that become f32 at a time: what stays in a core's own cache until it is read.
const PANEL: usize = 1 << 16;

/// The product of operands of which one or both are halves.
pub(super) fn products(layout: &Layout, [a, b]: [&[u32]; 2], halves: [bool; 2], out: &mut [f32]) {
    let Layout { m, n, k, .. } = *layout;
    // The larger operand is the one that is worth taking in parts; the output is divided, never the terms of a sum.
    let by_columns = halves[1] && (!halves[0] || n >= m);
    let (count, large) = if by_columns { (n, k * n) } else { (m, m * k) };
    if layout.batches() != 1 || large <= 2 * PANEL || m * n == 0 {
        return with_floats(a, halves[0], |a| with_floats(b, halves[1], |b| super::products(layout, a, b, out, None)));
    }
    // By the sizes alone, so that sums are the same with any number of threads.
    let mut width = (PANEL / k).max(16).next_multiple_of(16);
    while width < count && count % width == 1 {
        // A last part of one column would be a column whose numbers do not lie side by side.
        width += 16;
    }
    let width = width.min(count);
    let axis = Axis(usize::from(by_columns));
    let mut rest = ArrayViewMut2::from_shape((m, n), out).expect("the output is an m×n matrix");
    let mut parts = Vec::with_capacity(count.div_ceil(width));
    for first in (0..count).step_by(width) {
        let (part, behind) = rest.split_at(axis, width.min(count - first));
        rest = behind;
        parts.push((first, part));
    }
    let (large, other, strides, is_half) =
        if by_columns { (b, a, [layout.b[1], layout.b[0]], halves[0]) } else { (a, b, layout.a, halves[1]) };
    with_floats(other, is_half, |other| {
        parts.into_par_iter().with_max_len(1).for_each(|(first, part)| {
            let width = part.len_of(axis);
            scratch::with(width * k, |panel| {
                // As it lies: rows or columns of `k` numbers, or numbers side by side for each of `k`.
                let strides = if strides[1] == 1 {
                    some(large, first * k, panel);
                    [k, 1]
                } else {
                    panel.chunks_exact_mut(width).enumerate().for_each(|(p, row)| some(large, p * count + first, row));
                    [1, width]
                };
                if by_columns {
                    let b = Matrix { data: panel, strides: [strides[1], strides[0]] };
                    gemm::multiply(Matrix { data: other, strides: layout.a }, b, k, part, false, None);
                } else {
                    let a = Matrix { data: panel, strides };
                    gemm::multiply(a, Matrix { data: other, strides: layout.b }, k, part, false, None);
                }
            });
        });
    });
}

/// The same where one operand or both are halves: rows that begin within a word, vectors, batches, and every kind of half.
pub(super) fn cases(g: &mut Gen, cases: &mut Vec<Case>) {
    let operand =
        |g: &mut Gen, dims: &[usize], is_half: bool| -> Input { if is_half { g.halves(dims) } else { g.normalish(dims) } };
    for (trans_a, trans_b) in [(false, false), (true, false), (false, true), (true, true)] {
        for (which, label) in [([true, true], "f16 × f16"), ([true, false], "f16 × f32"), ([false, true], "f32 × f16")] {
            let sizes: [(&[usize], &[usize], [usize; 3]); 6] = [
                (&[], &[], [5, 3, 7]),
                (&[], &[], [66, 33, 65]),
                (&[], &[], [12, 20, 36]),
                (&[], &[], [132, 260, 68]),
                (&[3], &[3], [3, 5, 9]),
                (&[2, 1], &[3], [4, 8, 4]),
            ];
            for (batch_a, batch_b, [m, k, n]) in sizes {
                let a = [batch_a, &if trans_a { [k, m] } else { [m, k] }].concat();
                let b = [batch_b, &if trans_b { [n, k] } else { [k, n] }].concat();
                let inputs = vec![operand(g, &a, which[0]), operand(g, &b, which[1])];
                let case = Case::new(format!("{label} {a:?} × {b:?}"), Matmul { trans_a, trans_b }, inputs);
                cases.push(if m * k * n > 20_000 { case.forward_only() } else { case });
            }
        }
    }
    let op = Matmul { trans_a: false, trans_b: true };
    for (dims, label) in
        [([1, 1], "one half"), ([3, 0], "no terms of halves"), ([0, 3], "no rows of halves"), ([9, 1024], "deep halves")]
    {
        cases.push(Case::new(label, op, vec![g.halves(&dims), g.halves(&[2, dims[1]])]).forward_only());
    }
    // From the smallest subnormal to the largest: the terms of a sum are of like size, so that none hides another.
    let extreme = |g: &mut Gen, scale: f64| g.input(DType::F16, &[8, 16], |g| half::rounded(scale * g.uniform(-1.0, 1.0)));
    for (a, b) in [(6e-7, 1.0), (6e-5, 6e-5), (65_000.0, 1.0), (65_000.0, 65_000.0)] {
        cases.push(Case::new(format!("halves of size {a:e} and {b:e}"), op, vec![extreme(g, a), extreme(g, b)]).forward_only());
    }
    // Large enough to be taken in parts, by rows and by columns, with a last part of one row or column.
    for (dims, halves) in [
        ([33, 4100, 65], [true, true]),
        ([129, 4100, 9], [true, false]),
        ([1, 4100, 65], [false, true]),
        ([129, 4100, 1], [true, true]),
    ] {
        let [m, k, n] = dims;
        for (trans_a, trans_b) in [(false, false), (true, true)] {
            let (a, b) = (if trans_a { [k, m] } else { [m, k] }, if trans_b { [n, k] } else { [k, n] });
            let inputs = vec![operand(g, &a, halves[0]), operand(g, &b, halves[1])];
            cases.push(Case::new(format!("parts {a:?} × {b:?}"), Matmul { trans_a, trans_b }, inputs).forward_only());
        }
    }
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0];
    let sprinkled = |g: &mut Gen| {
        g.input(DType::F16, &[20, 20], |g| if g.below(60) == 0 { odd[g.below(5)] } else { half::rounded(g.uniform(-1.0, 1.0)) })
    };
    cases.push(Case::new("halves that are not finite", op, vec![sprinkled(g), sprinkled(g)]).forward_only());
}
