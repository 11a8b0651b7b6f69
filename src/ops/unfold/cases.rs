//! Test inputs of windows and of their transpose.

use super::super::case::{Case, Gen};
use super::{Along, OverlapAdd, Windows};
use crate::graph::op::DType;
use crate::shape::Shape;

/// Windows of a tensor: its sizes, and (axis, step, size) for each axis of the result.
type Of = (&'static [usize], &'static [(usize, usize, usize)]);

/// Both sides of every edge: windows that overlap, touch, leave gaps and see each element once; whole axes, single elements, none at all; axes
/// in any order; windows along the first, the last, and two axes.
const WINDOWS: &[Of] = &[
    (&[1], &[(0, 1, 1), (0, 1, 1)]),
    (&[7], &[(0, 1, 5), (0, 1, 3)]),
    (&[7], &[(0, 1, 3), (0, 2, 3)]),
    (&[8], &[(0, 3, 2), (0, 1, 5)]),
    (&[8], &[(0, 3, 3), (0, 1, 2)]),
    (&[8], &[(0, 5, 2), (0, 2, 2)]),
    (&[5], &[(0, 1, 1), (0, 1, 5)]),
    (&[5], &[(0, 1, 5), (0, 1, 1)]),
    (&[2, 6, 3], &[(0, 1, 2), (1, 2, 2), (1, 1, 3), (2, 1, 3)]),
    (&[2, 6, 3], &[(1, 1, 3), (2, 1, 3), (0, 1, 2), (1, 2, 2)]),
    (&[3, 4], &[(1, 1, 4), (0, 1, 2), (0, 1, 2)]),
    (&[2, 5, 6], &[(0, 1, 2), (1, 1, 2), (2, 1, 3), (1, 2, 2), (2, 1, 4)]),
    (&[1, 2, 7, 9], &[(0, 1, 1), (1, 1, 2), (2, 2, 2), (3, 1, 3), (2, 2, 3), (3, 3, 3)]),
    (&[2, 3, 4, 5, 3], &[(0, 1, 2), (2, 1, 2), (1, 1, 3), (2, 1, 3), (3, 1, 5), (4, 1, 3)]),
    // Part of an axis, and not every element of it.
    (&[6, 3], &[(1, 1, 2), (0, 2, 3)]),
    (&[0, 4], &[(0, 1, 0), (1, 1, 2), (1, 1, 3)]),
    (&[3, 4], &[(0, 1, 3), (1, 1, 0), (1, 1, 3)]),
];

/// The same, larger than a workgroup and than what a thread takes at a time.
const LARGE: &[Of] = &[
    (&[3, 700], &[(0, 1, 3), (1, 3, 231), (1, 1, 9)]),
    (&[2, 5, 40, 41], &[(0, 1, 2), (1, 1, 5), (2, 1, 3), (3, 1, 3), (2, 1, 38), (3, 1, 39)]),
    (&[5, 3000], &[(1, 1, 300), (0, 1, 5), (1, 7, 380)]),
];

fn axes(of: &Of) -> Vec<Along> {
    of.1.iter().map(|&(axis, step, size)| Along { axis, step, size }).collect()
}

/// Test inputs: windows of every kind, their transposes, shifted and cut ones, values that are not finite.
pub fn cases(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    for (smooth, list) in [(true, WINDOWS), (false, LARGE)] {
        for of in list {
            let (axes, label) = (axes(of), format!("{:?} by {:?}", of.0, of.1));
            let sizes = super::sizes(&axes);
            let Ok(shape) = Shape::new(of.0) else { continue };
            let start = vec![0; shape.rank()];
            let windows = Case::new(label.clone(), Windows { axes: axes.clone() }, vec![g.normalish(of.0)]);
            let back = Case::new(label, OverlapAdd { axes, start, shape }, vec![g.normalish(&sizes)]);
            cases.extend([windows, back].map(|case| if smooth { case } else { case.forward_only() }));
        }
    }
    // Cut and shifted on both sides, and more room than there are windows.
    for (size, start) in [(5, 1), (3, 2), (12, 0), (9, -2), (4, -3), (2, 7), (6, 20), (3, -5)] {
        for step in [1, 2, 3] {
            let axes = vec![Along::all(0, 2), Along { axis: 1, step, size: 3 }, Along { axis: 1, step: 1, size: 4 }];
            let Ok(shape) = Shape::new(&[2, size]) else { continue };
            let op = OverlapAdd { axes, start: vec![0, start], shape };
            cases.push(Case::new(format!("{size} from {start} by {step}"), op, vec![g.normalish(&[2, 3, 4])]));
        }
    }
    // A single axis without windows, shifted.
    if let Ok(shape) = Shape::new(&[6]) {
        let op = OverlapAdd { axes: vec![Along { axis: 0, step: 2, size: 4 }], start: vec![1], shape };
        cases.push(Case::new("shifted", op, vec![g.normalish(&[4])]));
        let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0];
        let axes = || vec![Along::all(0, 4), Along::all(0, 3)];
        let input = g.input(DType::F32, &[4, 3], |g| if g.below(5) == 0 { odd[g.below(4)] } else { g.uniform(-1.0, 1.0) });
        cases.push(Case::new("not finite", OverlapAdd { axes: axes(), start: vec![0], shape }, vec![input]).forward_only());
        let words = g.indices(&[6], 9);
        cases.push(Case::new("u32", Windows { axes: axes() }, vec![words]).forward_only());
    }
    cases
}
