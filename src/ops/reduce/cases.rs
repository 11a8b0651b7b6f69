//! Test inputs of reductions, and how exact they must be.

use super::super::case::{Case, Gen};
use super::{Kind, Reduce, words};
use crate::graph::op::{Array, DType};

/// Test inputs: every kind over leading, middle, trailing and all axes, at both sides of the span.
pub fn cases(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    let shapes: [(&[usize], &[usize]); 16] = [
        (&[], &[]),
        (&[1], &[0]),
        (&[5], &[0]),
        (&[3, 4], &[0]),
        (&[3, 4], &[1]),
        (&[2, 3, 4], &[0, 2]),
        (&[2, 3, 4], &[1]),
        (&[7, 129], &[1]),
        (&[127, 3], &[0]),
        (&[2, 2, 2, 2, 2, 2, 2, 2], &[1, 3, 4, 7]),
        (&[0, 3], &[1]),
        // Whole vectors, along the group and across groups.
        (&[5, 8], &[0]),
        (&[2, 4, 8], &[1]),
        (&[2, 3, 4, 8], &[0, 2]),
        (&[2, 3, 4, 8], &[0, 2, 3]),
        (&[4, 3, 4], &[0, 1]),
    ];
    let long: [(&[usize], &[usize]); 7] = [
        (&[1024], &[0]),
        (&[1025], &[0]),
        (&[3, 2500], &[1]),
        (&[2100, 5], &[0]),
        (&[40, 50, 3], &[0, 1]),
        (&[2100, 8], &[0]),
        (&[5, 2, 30, 20], &[0, 2, 3]),
    ];
    for kind in [Kind::Sum, Kind::Mean, Kind::Prod, Kind::Max, Kind::Min, Kind::ArgMax, Kind::ArgMin] {
        for (dims, axes) in shapes.iter().chain(if kind == Kind::Prod { &[][..] } else { &long[..] }) {
            let input = match kind {
                Kind::Sum | Kind::Mean => g.normalish(dims),
                Kind::Prod => g.floats(dims, 0.8, 1.25),
                _ => g.distinct(dims),
            };
            let op = Reduce { kind, axes: axes.to_vec(), keepdim: dims.len() % 2 == 0 };
            cases.push(Case::new(format!("{dims:?} over {axes:?}"), op, vec![input]));
        }
    }
    for kind in [Kind::Sum, Kind::Mean, Kind::Prod] {
        for (dims, axis) in [([0, 3], 0), ([3, 0], 1)] {
            let op = Reduce { kind, axes: vec![axis], keepdim: false };
            // The mean of no elements is NaN.
            let case = Case::new("no elements", op, vec![g.normalish(&dims)]);
            cases.push(if kind == Kind::Mean { case.forward_only() } else { case });
        }
    }
    cases.extend(equal_numbers(g));
    cases.extend(words::cases(g));
    // Ties, NaN and infinities: kinks, so no gradient.
    let nan = f64::NAN;
    for kind in [Kind::Sum, Kind::Mean, Kind::Max, Kind::Min, Kind::ArgMax, Kind::ArgMin] {
        for values in
            [[2.0, 1.0, 2.0, 1.0], [1.0, nan, 3.0, nan], [f64::INFINITY, 0.0, f64::NEG_INFINITY, 1.0], [-0.0, 0.0, -0.0, 0.0]]
        {
            let mut next = values.into_iter();
            let input = g.input(DType::F32, &[4], |_| next.next().unwrap_or(0.0));
            cases.push(
                Case::new(format!("{values:?}"), Reduce { kind, axes: vec![0], keepdim: false }, vec![input]).forward_only(),
            );
        }
    }
    let mut next = [0.5, 0.0, 2.0, -1.5].into_iter();
    let one_zero = g.input(DType::F32, &[4], |_| next.next().unwrap_or(0.0));
    cases.push(Case::new("one zero", Reduce { kind: Kind::Prod, axes: vec![0], keepdim: false }, vec![one_zero]));
    cases
}

/// Rows of equal numbers of every size, along the last, a middle and the first axis; and rows long enough to be divided on every device.
fn equal_numbers(g: &mut Gen) -> Vec<Case> {
    const VALUES: [f32; 8] = [0.1, 1.0 / 3.0, -1.1, 16_777_213.0, 1e-30, -1e15, 1e30, 1.0];
    let mut cases = Vec::new();
    for n in [2, 3, 7, 64, 127, 1000, 1025, 4099] {
        for (dims, axis) in [([8, n, 1], 1), ([2, n, 4], 1), ([n, 8, 1], 0)] {
            let mut next = 0;
            let input = g.input(DType::F32, &dims, |_| {
                let (outer, inner) = (next / (n * dims[2]), next % dims[2]);
                let row = if axis == 0 { next % 8 } else { outer * dims[2] + inner };
                next += 1;
                f64::from(VALUES[row])
            });
            for kind in [Kind::Sum, Kind::Mean] {
                let op = Reduce { kind, axes: vec![axis], keepdim: false };
                cases.push(Case::new(format!("equal numbers {dims:?} over {axis}"), op, vec![input.clone()]).forward_only());
            }
        }
    }
    for (dims, axis) in [([1, 65_537], 1), ([65_539, 2], 0)] {
        for kind in [Kind::Sum, Kind::Mean, Kind::Max, Kind::ArgMax, Kind::ArgMin] {
            let op = Reduce { kind, axes: vec![axis], keepdim: false };
            cases.push(Case::new(format!("{dims:?} over {axis}"), op, vec![g.floats(&dims, 0.0, 1.0)]).forward_only());
        }
    }
    cases
}

/// Whether every group consists of equal numbers, which f32 holds as they are.
pub(super) fn are_equal(op: &Reduce, x: &Array) -> bool {
    let held = |v: f64| f64::from(v as f32) == v && (v == 0.0 || v.abs() >= f64::from(f32::MIN_POSITIVE));
    let (kept, reduced) = op.views(&x.shape);
    let group = op.group(&x.shape);
    group > 0
        && x.data.iter().all(|&v| held(v))
        && (0..kept.numel()).all(|o| {
            let mut base = 0;
            kept.positions(o, 1, |p| base = p);
            let (first, mut equal) = (x.data[base], true);
            reduced.positions(0, group, |p| equal &= x.data[base + p] == first);
            equal
        })
}
