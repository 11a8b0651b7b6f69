//! Test inputs of scans and recurrences.

use super::super::case::{Case, Gen};
use super::recurrence::Recurrence;
use super::{Scan, words};
use crate::graph::op::DType;

/// Test inputs: every axis, both directions, both sides of the span, no elements, infinities.
pub fn cases(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    let shapes: [(&[usize], usize); 12] = [
        (&[1], 0),
        (&[5], 0),
        (&[4, 3], 0),
        (&[4, 3], 1),
        (&[2, 3, 4], 1),
        (&[0, 3], 1),
        (&[3, 0], 1),
        (&[256], 0),
        (&[257], 0),
        (&[2, 1000, 3], 1),
        (&[300, 70], 0),
        (&[1030, 20], 1),
    ];
    for (dims, axis) in shapes {
        for reverse in [false, true] {
            cases.push(Case::new(format!("{dims:?} axis {axis}"), Scan { axis, reverse }, vec![g.normalish(dims)]));
        }
    }
    for values in [[1.0, f64::NAN, 2.0, 3.0], [1.0, f64::INFINITY, 2.0, f64::NEG_INFINITY]] {
        let mut next = values.into_iter();
        let input = g.input(DType::F32, &[4], |_| next.next().unwrap_or(0.0));
        cases.push(Case::new(format!("{values:?}"), Scan { axis: 0, reverse: false }, vec![input]).forward_only());
    }
    cases.extend(words::cases(g));
    cases
}

/// Test inputs: every axis, both directions, sizes around the workgroup, zeros, no elements, values that are not finite.
pub fn recurrence(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    let shapes: [(&[usize], usize); 12] = [
        (&[1], 0),
        (&[2], 0),
        (&[6], 0),
        (&[4, 3], 0),
        (&[4, 3], 1),
        (&[2, 3, 4], 1),
        (&[0, 3], 1),
        (&[3, 0], 1),
        (&[63, 5], 1),
        (&[65, 5], 1),
        (&[3, 200, 2], 1),
        (&[2, 300, 70], 1),
    ];
    for (dims, axis) in shapes {
        for reverse in [false, true] {
            let inputs = vec![g.normalish(dims), g.floats(dims, -1.1, 1.1)];
            cases.push(Case::new(format!("{dims:?} axis {axis}"), Recurrence { axis, reverse }, inputs));
        }
    }
    for reverse in [false, true] {
        let zeros = g.input(DType::F32, &[6], |g| g.below(2) as f64);
        cases.push(Case::new("zero factors", Recurrence { axis: 0, reverse }, vec![g.normalish(&[6]), zeros]));
        // An infinite factor at the start is not read; later 0 · ∞ is NaN.
        for values in [[f64::INFINITY, 0.0, 1.0, f64::INFINITY], [1.0, f64::NAN, 0.0, 2.0], [f64::INFINITY; 4]] {
            let mut next = values.into_iter();
            let factors = g.input(DType::F32, &[4], |_| next.next().unwrap_or(0.0));
            let x = g.input(DType::F32, &[4], |g| g.below(2) as f64);
            cases.push(Case::new(format!("{values:?}"), Recurrence { axis: 0, reverse }, vec![x, factors]).forward_only());
        }
    }
    cases
}
