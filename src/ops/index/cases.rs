//! Test inputs of indexing.

use super::super::case::{Case, Gen, Input};
use super::{Gather, OneHot, ScatterAdd};
use crate::graph::op::DType;

/// Test inputs: first, middle and last axes, repeated and missing indices, no elements, every type, sizes around the workgroup.
pub fn cases(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    let shapes: [(&[usize], usize, usize); 12] = [
        (&[1], 0, 1),
        (&[5], 0, 7),
        (&[4, 3], 0, 6),
        (&[4, 3], 1, 2),
        (&[2, 5, 3], 1, 4),
        (&[2, 3, 4], 2, 9),
        (&[3, 4], 0, 0),
        (&[0, 4], 1, 3),
        (&[2, 2, 2, 2, 2, 2, 2, 2], 3, 3),
        (&[40, 16], 0, 257),
        (&[3, 90, 64], 1, 120),
        (&[1000, 33], 0, 700),
    ];
    for (dims, axis, m) in shapes {
        let n = dims[axis];
        let mut narrow = dims.to_vec();
        narrow[axis] = m;
        for rows in [false, true] {
            let index = g.indices(if rows { std::slice::from_ref(&m) } else { &narrow }, n);
            let label = format!("{dims:?} axis {axis} by {m}");
            let gather = Gather { axis, rows, zero: false };
            cases.push(Case::new(label.clone(), gather, vec![g.normalish(dims), index.clone()]));
            cases.push(Case::new(label, ScatterAdd { axis, size: n, rows }, vec![g.normalish(&narrow), index]));
        }
    }
    // Large enough to be sorted: both sides of the span, rows without any entry.
    for (dims, axis, m) in
        [(&[600, 16][..], 0, 127), (&[600, 16], 0, 129), (&[2, 700, 20], 1, 300), (&[5000], 0, 300), (&[3, 5, 560], 2, 65)]
    {
        let n = dims[axis];
        let mut narrow = dims.to_vec();
        narrow[axis] = m;
        for rows in [false, true] {
            let shape = if rows { &[m][..] } else { &narrow };
            let index = g.input(DType::I32, shape, |g| 2.0 * g.below(n.div_ceil(2)) as f64);
            let label = format!("{dims:?} axis {axis} by {m}, sorted");
            cases.push(Case::new(label, ScatterAdd { axis, size: n, rows }, vec![g.normalish(&narrow), index]).forward_only());
        }
    }
    // The other types: raw words, and an index of the other integer type.
    let signed = |g: &mut Gen, dims: &[usize], n: usize| g.input(DType::I32, dims, |g| g.below(n) as f64);
    let others: [Input; 3] = [
        g.input(DType::I32, &[6, 3], |g| g.below(9) as f64 - 4.0),
        g.input(DType::U32, &[6, 3], |g| g.below(1 << 20) as f64),
        g.bools(&[6, 3]),
    ];
    for x in others {
        let gather = |rows| Gather { axis: 0, rows, zero: false };
        cases.push(Case::new(format!("{} rows", x.dtype), gather(true), vec![x.clone(), signed(g, &[4], 6)]).forward_only());
        cases.push(Case::new(format!("{} elements", x.dtype), gather(false), vec![x, signed(g, &[5, 3], 6)]).forward_only());
    }
    // f16: rows that begin within a word.
    for (dims, axis) in [(&[5, 3][..], 0), (&[5, 4], 0), (&[2, 5, 3], 1), (&[7], 0), (&[90, 129], 0)] {
        for rows in [false, true] {
            let mut narrow = dims.to_vec();
            narrow[axis] = 40;
            let index = g.input(DType::U32, if rows { &[40] } else { &narrow }, |g| g.below(dims[axis]) as f64);
            let gather = Gather { axis, rows, zero: false };
            cases.push(Case::new(format!("f16 {dims:?} axis {axis}"), gather, vec![g.f16(dims), index]));
        }
    }
    // Every index the same: all terms in one place.
    let same = g.input(DType::U32, &[500], |_| 2.0);
    cases.push(Case::new("one row", ScatterAdd { axis: 0, size: 4, rows: true }, vec![g.normalish(&[500, 3]), same.clone()]));
    cases.push(Case::new("one element", ScatterAdd { axis: 0, size: 4, rows: false }, vec![g.normalish(&[500]), same]));
    cases.push(Case::new(
        "zeros only",
        ScatterAdd { axis: 0, size: 4, rows: true },
        vec![g.normalish(&[0, 3]), g.indices(&[0], 1)],
    ));
    for (dims, classes) in [(&[][..], 3), (&[1], 1), (&[7], 4), (&[2, 3], 257), (&[0], 5), (&[300], 100)] {
        cases.push(Case::new(format!("{dims:?}"), OneHot { classes }, vec![g.indices(dims, classes)]).forward_only());
        cases.push(Case::new(format!("{dims:?} signed"), OneHot { classes }, vec![signed(g, dims, classes)]).forward_only());
    }
    cases
}
