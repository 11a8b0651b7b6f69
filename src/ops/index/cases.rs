//! Test inputs of indexing.

use super::super::case::{Case, Gen, Input};
use super::put::{Extreme, Last};
use super::search::Search;
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
    written(g, &mut cases);
    searched(g, &mut cases);
    cases
}

/// Those of writing by an index: places named often, once and never, both sides of the span of a sort, NaN.
fn written(g: &mut Gen, cases: &mut Vec<Case>) {
    let shapes: [(&[usize], usize, usize); 9] = [
        (&[1], 0, 1),
        (&[5], 0, 7),
        (&[4, 3], 0, 6),
        (&[4, 3], 1, 2),
        (&[2, 5, 3], 1, 4),
        (&[0, 4], 1, 3),
        (&[40, 16], 0, 257),
        (&[3, 90, 64], 1, 120),
        (&[2, 3], 1, 1000),
    ];
    for (dims, axis, m) in shapes {
        let n = dims[axis];
        let mut narrow = dims.to_vec();
        narrow[axis] = m;
        let label = format!("{dims:?} axis {axis} by {m}");
        // Only every other place is named.
        let index = g.input(DType::I32, &narrow, |g| 2.0 * g.below(n.div_ceil(2)) as f64);
        cases.push(Case::new(label.clone(), Last { axis, size: n }, vec![index.clone()]).forward_only());
        for largest in [false, true] {
            // All different, the one tensor's between the other's: what is largest is one of them.
            let (x, mut values) = (g.distinct(dims), g.distinct(&narrow));
            values.array.data.iter_mut().for_each(|v| *v += f64::from(1.0f32 / 512.0));
            let case = Case::new(label.clone(), Extreme { axis, largest }, vec![x, index.clone(), values]);
            cases.push(if m < 50 { case } else { case.forward_only() });
        }
    }
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -1.0];
    for largest in [false, true] {
        let (x, values) = (g.input(DType::F32, &[12], |g| odd[g.below(5)]), g.input(DType::F32, &[20], |g| odd[g.below(5)]));
        let inputs = vec![x, g.indices(&[20], 12), values];
        cases.push(Case::new("odd numbers", Extreme { axis: 0, largest }, inputs).forward_only());
    }
}

/// Those of looking up in sorted lines: one line and many, of no elements and many, with ties, infinities and NaN.
fn searched(g: &mut Gen, cases: &mut Vec<Case>) {
    let odd = [f64::NEG_INFINITY, -1.0, 0.0, 0.5, 1.0, 2.0, f64::INFINITY, f64::NAN];
    let shapes: [(&[usize], &[usize]); 10] = [
        (&[1], &[]),
        (&[5], &[7]),
        (&[0], &[3]),
        (&[4], &[0]),
        (&[300], &[2, 3, 50]),
        (&[2, 5], &[2, 9]),
        (&[3, 2, 4], &[3, 2, 1]),
        (&[2, 0], &[2, 4]),
        (&[7, 129], &[7, 300]),
        (&[5000], &[20_000]),
    ];
    for right in [false, true] {
        for (sorted, values) in shapes {
            for few in [false, true] {
                let draw = |g: &mut Gen| if few { odd[g.below(8)] } else { g.uniform(-2.0, 2.0) };
                let mut line = g.input(DType::F32, sorted, draw);
                let n = sorted.last().copied().unwrap_or(1).max(1);
                let order = |a: &f64, b: &f64| a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()));
                line.array.data.chunks_mut(n).for_each(|line| line.sort_by(order));
                let inputs = vec![line, g.input(DType::F32, values, draw)];
                cases.push(Case::new(format!("{values:?} in {sorted:?}, few {few}"), Search { right }, inputs).forward_only());
            }
        }
    }
}
