//! Test inputs of the layout ops.

use super::super::case::{Case, Gen};
use super::{Embed, Expand, Permute, Reshape, Run, Slice};
use crate::shape::Shape;

/// Test inputs of the layout ops.
pub fn cases(g: &mut Gen) -> Vec<Case> {
    let shape = |dims: &[usize]| Shape::new(dims).unwrap_or(Shape::SCALAR);
    let run = |start, step, count| Run { start, step, count };
    let mut cases = vec![
        Case::new("[6] → [2,3]", Reshape { shape: shape(&[2, 3]) }, vec![g.normalish(&[6])]),
        Case::new("[] → [1,1]", Reshape { shape: shape(&[1, 1]) }, vec![g.normalish(&[])]),
        Case::new("empty", Reshape { shape: shape(&[0, 4]) }, vec![g.normalish(&[2, 0])]),
        Case::new("bools", Reshape { shape: shape(&[4]) }, vec![g.bools(&[2, 2])]).forward_only(),
    ];
    for (dims, order) in [
        (&[3, 4][..], &[1, 0][..]),
        (&[2, 3, 4], &[2, 0, 1]),
        (&[17, 33], &[1, 0]),
        (&[1, 5, 1, 2], &[3, 2, 1, 0]),
        (&[2, 0, 3], &[2, 1, 0]),
        (&[2, 2, 2, 2, 2, 2, 2, 2], &[7, 1, 5, 3, 4, 2, 6, 0]),
        (&[300, 40], &[1, 0]),
    ] {
        cases.push(Case::new(format!("{dims:?} by {order:?}"), Permute { order: order.to_vec() }, vec![g.normalish(dims)]));
    }
    // f16, an odd number of them too; a reshape of f16 is no work.
    for (dims, order) in [(&[3, 5][..], &[1, 0][..]), (&[2, 3, 4], &[2, 0, 1]), (&[0, 3], &[1, 0]), (&[130, 67], &[1, 0])] {
        cases.push(Case::new(format!("f16 {dims:?} by {order:?}"), Permute { order: order.to_vec() }, vec![g.f16(dims)]));
    }
    cases.push(Case::new("f16", Reshape { shape: shape(&[5, 3]) }, vec![g.f16(&[3, 5])]));
    for (from, to) in [(&[][..], &[3][..]), (&[3, 1], &[3, 4]), (&[1, 4], &[2, 3, 4]), (&[1], &[0]), (&[5, 1, 2], &[5, 300, 2])] {
        cases.push(Case::new(format!("{from:?} → {to:?}"), Expand { shape: shape(to) }, vec![g.normalish(from)]));
    }
    for (dims, runs) in [
        (&[7][..], vec![run(1, 2, 3)]),
        (&[7], vec![run(6, -1, 7)]),
        (&[7], vec![run(5, -3, 2)]),
        (&[4, 5], vec![run(1, 1, 2), run(4, -2, 3)]),
        (&[4, 5], vec![run(0, 1, 0), run(0, 1, 5)]),
        (&[600, 3], vec![run(599, -1, 600), run(0, 1, 2)]),
    ] {
        let input = g.normalish(dims);
        cases.push(Case::new(format!("{dims:?} {runs:?}"), Slice { runs: runs.clone() }, vec![input]));
        let counts: Vec<usize> = runs.iter().map(|r| r.count).collect();
        let embed = Embed { runs, shape: shape(dims), value: -1.5 };
        cases.push(Case::new(format!("into {dims:?}"), embed, vec![g.normalish(&counts)]));
    }
    cases
}
