//! Test inputs of resampling.

use super::super::case::{Case, Gen, Input};
use super::modes::Axis;
use super::{Interpolation, PadMode, Resample, Taps};
use crate::graph::op::{Array, DType};
use crate::shape::Shape;
use std::sync::Arc;

/// A call along an axis, and the same with the matrix transposed.
fn both(cases: &mut Vec<Case>, g: &mut Gen, label: &str, dims: &[usize], axis: usize, taps: Taps) {
    for taps in [taps.transposed(), taps] {
        let mut dims = dims.to_vec();
        dims[axis] = taps.sources();
        let x = g.normalish(&dims);
        cases.extend(case(label, axis, taps, x));
    }
}

fn case(label: &str, axis: usize, taps: Taps, x: Input) -> Option<Case> {
    let words = taps.table();
    let shape = Shape::new(&[words.len()]).ok()?;
    let table = Input { dtype: DType::U32, array: Array::from_fn(shape, |i| f64::from(words[i])) };
    Some(Case::new(label, Resample { axis, taps: Arc::new(taps) }, vec![x, table]))
}

/// Test inputs: first, middle and last axes, longer, shorter and of size 1, every interpolation and padding, each with its transpose; rows without
/// entries, long rows, no elements, numbers that are not finite.
pub fn cases(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    let ways = [
        Interpolation::Nearest,
        Interpolation::NearestExact,
        Interpolation::Linear { align_corners: false },
        Interpolation::Linear { align_corners: true },
        Interpolation::Cubic { align_corners: false },
        Interpolation::Cubic { align_corners: true },
        Interpolation::Area,
    ];
    for how in ways {
        for (dims, axis, o) in [(&[2, 3, 5][..], 2, 8), (&[3, 4, 2], 1, 3), (&[1], 0, 4), (&[7, 70], 0, 1), (&[2, 6, 9], 1, 6)] {
            let taps = Axis { n: dims[axis], o, scale: None }.taps(how);
            both(&mut cases, g, &format!("{how:?} to {o}"), dims, axis, taps);
        }
        let taps = Axis { n: 5, o: 8, scale: Some(1.7) }.taps(how);
        both(&mut cases, g, &format!("{how:?} by 1.7"), &[2, 5, 3], 1, taps);
    }
    let linear = Axis { n: 33, o: 70, scale: None }.taps(Interpolation::Linear { align_corners: false });
    both(&mut cases, g, "many", &[4, 33, 130], 1, linear.clone());
    both(&mut cases, g, "many at the end", &[90, 33], 1, linear);
    for (mode, before, after) in [
        (PadMode::Reflect, 3, 2),
        (PadMode::Edge, 2, 5),
        (PadMode::Circular, 9, 3),
        (PadMode::Circular, -2, 1),
        (PadMode::Edge, -1, -2),
        (PadMode::Edge, -4, 0),
        // Rows of the transpose that are longer than sums are plain, and others without entries.
        (PadMode::Edge, 90, -2),
    ] {
        let Ok(sources) = mode.sources(4, before, after) else { continue };
        let taps = Taps::new(4, sources.into_iter().map(|source| [(source, 1.0)]));
        both(&mut cases, g, &format!("{mode:?} {before} {after}"), &[2, 4, 3], 1, taps.clone());
        both(&mut cases, g, &format!("{mode:?} {before} {after} at the end"), &[5, 4], 1, taps);
    }
    let linear = Axis { n: 3, o: 5, scale: None }.taps(Interpolation::Linear { align_corners: true });
    both(&mut cases, g, "no elements", &[0, 3, 2], 1, linear.clone());
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0, 1.0];
    let sprinkled = g.input(DType::F32, &[40, 3], |g| odd[g.below(6)]);
    cases.extend(case("not finite", 1, linear, sprinkled).map(Case::forward_only));
    cases
}
