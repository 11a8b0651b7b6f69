//! Test inputs: sizes 0 and 1, batches, broadcasting, both triangles, tall and wide matrices, matrices without an inverse.

use super::eigen::{Eigh, SingularValues};
use super::factors::{Cholesky, Qr};
use super::pseudo::{Exp, Pinverse};
use super::solve::{Cofactors, Det, Inverse, SlogDet, Solve, Triangular};
use super::{Batched, Each};
use crate::graph::op::{Array, DType};
use crate::ops::case::{Case, Gen, Input};
use crate::shape::Shape;

fn case(label: String, op: impl Each, inputs: Vec<Input>) -> Case {
    Case::new(label, Batched(op), inputs)
}

/// Random matrices whose diagonal is moved away from 0: far from singular, and no two eigenvalues or singular values are close.
fn regular(g: &mut Gen, dims: &[usize]) -> Input {
    let [.., m, n] = *dims else { return g.normalish(dims) };
    let mut at = 0;
    g.input(DType::F32, dims, |g| {
        let (i, j) = (at / n % m, at % n);
        at += 1;
        // Powers of two: sums with them are exact.
        let diagonal = if i == j { f64::from([4, -8, 16, -24, 32, 40][i % 6]) + (i / 6) as f64 } else { 0.0 };
        f64::from((g.uniform(-1.0, 1.0) + diagonal) as f32)
    })
}

/// Symmetric and positive definite matrices.
fn definite(g: &mut Gen, dims: &[usize]) -> Input {
    let [.., _, n] = *dims else { return g.normalish(dims) };
    let mut input = g.floats(dims, -1.0, 1.0);
    for matrix in input.array.data.chunks_mut((n * n).max(1)) {
        for i in 0..n {
            for j in 0..i {
                matrix[j * n + i] = matrix[i * n + j];
            }
            matrix[i * n + i] = f64::from((matrix[i * n + i] + n as f64 + 1.0) as f32);
        }
    }
    input
}

const SQUARE: [&[usize]; 8] = [&[1, 1], &[2, 2], &[3, 3], &[5, 5], &[2, 3, 3], &[2, 1, 2, 2], &[0, 3, 3], &[2, 0, 0]];

/// Test inputs.
pub fn cases(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    for dims in SQUARE {
        let label = format!("{dims:?}");
        cases.push(case(label.clone(), Det, vec![regular(g, dims)]));
        cases.push(case(label.clone(), Cofactors, vec![regular(g, dims)]));
        cases.push(case(label.clone(), SlogDet, vec![regular(g, dims)]));
        cases.push(case(label.clone(), Inverse, vec![regular(g, dims)]));
        cases.push(case(label.clone(), Cholesky, vec![definite(g, dims)]));
        cases.push(case(label.clone(), Eigh, vec![regular(g, dims)]));
        cases.push(case(label, Exp, vec![g.floats(dims, -1.5, 1.5)]));
    }
    cases.extend(systems(g));
    for dims in [&[1, 1][..], &[3, 3], &[4, 2], &[2, 4], &[5, 1], &[1, 5], &[2, 3, 2], &[0, 3, 2], &[3, 0], &[0, 3], &[17, 9]] {
        let label = format!("{dims:?}");
        let (m, n) = (dims[dims.len() - 2], dims[dims.len() - 1]);
        if m >= n {
            cases.push(case(label.clone(), Qr, vec![regular(g, dims)]));
        }
        cases.push(case(label.clone(), SingularValues, vec![regular(g, dims)]));
        cases.push(case(label, Pinverse { rtol: 1e-6 }, vec![regular(g, dims)]));
    }
    // Without an inverse: the first two rows are alike.
    let singular = g.input(DType::F32, &[1], |_| 0.0);
    let singular = Input { array: array(&[3, 3], &[1.0, 2.0, 3.0, 1.0, 2.0, 3.0, -1.0, 0.5, 2.0]), ..singular };
    cases.push(case("singular".to_owned(), Det, vec![singular.clone()]).forward_only());
    cases.push(case("singular".to_owned(), Cofactors, vec![singular.clone()]).forward_only());
    cases.push(case("singular".to_owned(), SlogDet, vec![singular.clone()]).forward_only());
    cases.push(case("singular".to_owned(), Pinverse { rtol: 1e-6 }, vec![singular]).forward_only());
    for (dims, scale) in [(&[33, 33][..], 1.0), (&[40, 9, 9], 1e-12), (&[5, 5], 1e30)] {
        let scaled = |input: Input| {
            let data = input.array.data.iter().map(|x| f64::from((x * scale) as f32)).collect();
            Input { array: Array::new(input.array.shape, data), ..input }
        };
        let label = format!("{dims:?} times {scale:e}");
        cases.push(case(label.clone(), Inverse, vec![scaled(regular(g, dims))]).forward_only());
        cases.push(case(label.clone(), Cholesky, vec![scaled(definite(g, dims))]).forward_only());
        cases.push(case(label.clone(), Eigh, vec![scaled(definite(g, dims))]).forward_only());
        cases.push(case(label.clone(), SingularValues, vec![scaled(g.normalish(dims))]).forward_only());
        cases.push(case(label, Qr, vec![scaled(g.normalish(dims))]).forward_only());
    }
    cases
}

/// Systems of every kind, and batches of them that broadcast.
fn systems(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    let shapes: [(&[usize], &[usize]); 9] = [
        (&[1, 1], &[1, 1]),
        (&[2, 2], &[2, 3]),
        (&[4, 4], &[4, 1]),
        (&[2, 3, 3], &[2, 3, 2]),
        (&[3, 3], &[2, 3, 2]),
        (&[2, 3, 3], &[3, 2]),
        (&[2, 1, 2, 2], &[3, 2, 1]),
        (&[0, 2, 2], &[2, 2]),
        (&[3, 3], &[3, 0]),
    ];
    for (a, b) in shapes {
        for transpose in [false, true] {
            let label = format!("{a:?} and {b:?}");
            cases.push(case(label.clone(), Solve { transpose }, vec![regular(g, a), g.normalish(b)]));
            for (upper, unit_diagonal) in [(false, false), (false, true), (true, false), (true, true)] {
                let options = Triangular { upper, transpose, unit_diagonal };
                cases.push(case(label.clone(), options, vec![regular(g, a), g.normalish(b)]));
            }
        }
    }
    cases
}

#[allow(clippy::expect_used)]
fn array(dims: &[usize], data: &[f64]) -> Array {
    Array::new(Shape::new(dims).expect("cases have valid shapes"), data.to_vec())
}
