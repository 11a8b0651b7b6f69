//! Test inputs of the elementwise table.

use super::super::case::{Case, Gen, Input, SWITCHED_OFF};
use super::{Pointwise, ROWS, Row, SwitchedOff};
use crate::graph::op::{Array, DType};
use crate::shape::Shape;

/// Test inputs of every row: sizes around the workgroup, broadcasting, no elements, the extremes.
pub fn cases(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    for row in ROWS {
        let op = Pointwise { row, scalars: row.more.scalars };
        if row.rule.inputs.is_empty() {
            cases.push(Case::new("scalar", op, vec![]));
            continue;
        }
        cases.extend(sizes(g, op));
        cases.extend(integers(op));
        cases.extend(broadcast(g, op));
        cases.extend(extremes(op));
        cases.extend(switched_off(g, op));
    }
    cases
}

/// An input of a row, of `dims` elements.
fn input(g: &mut Gen, row: &Row, dims: &[usize], k: usize) -> Input {
    // A row that takes raw words but gives one type is for integers.
    let words = if row.more.whole {
        DType::I32
    } else if row.rule.output.is_some() {
        DType::U32
    } else {
        DType::F32
    };
    let dtype = row.rule.inputs[k].unwrap_or(words);
    g.input(dtype, dims, |g| match dtype {
        DType::Bool => (g.bits() & 1) as f64,
        DType::U32 => g.below(7) as f64,
        DType::I32 => g.below(9) as f64 - 4.0,
        DType::F32 | DType::F16 => g.draw(row.more.domain, k),
    })
}

/// All inputs of a row, alike.
fn inputs(g: &mut Gen, row: &Row, dims: &[usize]) -> Vec<Input> {
    (0..row.rule.inputs.len()).map(|k| input(g, row, dims, k)).collect()
}

fn sizes(g: &mut Gen, op: Pointwise) -> Vec<Case> {
    let shapes: [&[usize]; 7] = [&[], &[1], &[7], &[255], &[257], &[3, 0], &[4, 5, 6]];
    let case = |dims: &[usize]| {
        let case = Case::new(format!("{dims:?}"), op, inputs(g, op.row, dims));
        if op.row.more.detaches { case.forward_only() } else { case }
    };
    shapes.map(case).to_vec()
}

fn broadcast(g: &mut Gen, op: Pointwise) -> Vec<Case> {
    let arity = op.row.rule.inputs.len();
    let pairs: &[[&[usize]; 2]] = match arity {
        0 | 1 => &[],
        _ => &[[&[3, 1], &[1, 4]], [&[5, 300], &[300]], [&[5, 300], &[5, 1]], [&[], &[6]], [&[2, 1, 3, 1, 2], &[4, 1, 5, 1]]],
    };
    let case = |&[a, b]: &[&[usize]; 2]| {
        let inputs = (0..arity).map(|k| input(g, op.row, if k == 0 { a } else { b }, k)).collect();
        Case::new(format!("{a:?} with {b:?}"), op, inputs)
    };
    pairs.iter().map(case).collect()
}

/// Where the row does not depend on an input.
fn switched_off(g: &mut Gen, op: Pointwise) -> Vec<Case> {
    let row = op.row;
    match row.more.off {
        SwitchedOff::Never => vec![],
        SwitchedOff::ByScalars => {
            vec![Case::new(SWITCHED_OFF, Pointwise { scalars: [0.0; 2], ..op }, inputs(g, row, &[9]))]
        }
        SwitchedOff::ByExponent => {
            let by = |exponent: f64| {
                let mut inputs = inputs(g, row, &[6]);
                inputs[1].array.data.fill(exponent);
                Case::new(format!("{SWITCHED_OFF}: exponents of {exponent}"), op, inputs)
            };
            [0.0, 1.0].map(by).to_vec()
        }
        SwitchedOff::ByMask => {
            let mut inputs = inputs(g, row, &[8]);
            inputs[1].array.data.iter_mut().step_by(2).for_each(|x| *x = 0.0);
            vec![Case::new(format!("{SWITCHED_OFF}: half of it dropped"), op, inputs)]
        }
    }
}

/// Every pair of integers at the ends of their ranges and around what floats and shifts can hold, for rows of integers.
fn integers(op: Pointwise) -> Vec<Case> {
    let row = op.row;
    let typed = |dtype| row.rule.inputs.iter().all(|d| *d == Some(dtype) || (row.more.whole && d.is_none()));
    let case = |dtype: DType| {
        let all = [0, 1, -1, 2, -2, 3, -7, 31, 32, 33, 1 << 16, 16_777_217, -16_777_217, i32::MAX, i32::MIN, i32::MIN + 1];
        // Of a u32 the same bits.
        let values = all.map(|v| dtype.to_f64(v as u32));
        let (n, count) = (all.len(), row.rule.inputs.len());
        let shape = Shape::new(&[if count == 2 { n * n } else { n }]).ok()?;
        let inputs =
            (0..count).map(|k| Input { dtype, array: Array::from_fn(shape, |i| values[if k == 0 { i % n } else { i / n }]) });
        Some(Case::new(format!("ends of {dtype}"), op, inputs.collect()).forward_only())
    };
    [DType::I32, DType::U32].into_iter().filter(|d| typed(*d)).filter_map(case).collect()
}

/// Every pair of extreme values, for rows of floats. Where values are not finite or at a kink there is no gradient to check.
fn extremes(op: Pointwise) -> Option<Case> {
    let inputs = op.row.rule.inputs;
    if inputs.iter().any(|d| !matches!(d, Some(DType::F32))) || inputs.len() > 2 {
        return None;
    }
    let big = f64::from(f32::MAX);
    let values = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        -2.0,
        3.0,
        1e-6,
        -1e-6,
        30.0,
        -30.0,
        100.0,
        -100.0,
        big,
        -big,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ]
    .map(|v| f64::from(v as f32));
    let wild = op.row.more.wild_from..f64::INFINITY;
    let values: Vec<f64> = values.into_iter().filter(|v| !wild.contains(&v.abs())).collect();
    let n = values.len();
    let shape = Shape::new(&[if inputs.len() == 2 { n * n } else { n }]).ok()?;
    let inputs = (0..inputs.len())
        .map(|k| Input { dtype: DType::F32, array: Array::from_fn(shape, |i| values[if k == 0 { i % n } else { i / n }]) })
        .collect();
    Some(Case::new("extremes", op, inputs).forward_only())
}
