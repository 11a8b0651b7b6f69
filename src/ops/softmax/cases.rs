//! Test inputs of softmax and cross-entropy.

use super::super::case::{Case, Gen};
use super::Softmax;
use super::cross_entropy::{CrossEntropy, CrossEntropyGrad};
use crate::graph::op::DType;

/// Test inputs: every axis, both sides of the workgroup, large logits, lines that are not finite.
pub fn cases(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    for log in [false, true] {
        let shapes: [(&[usize], usize); 12] = [
            (&[1], 0),
            (&[5], 0),
            (&[3, 4], 0),
            (&[3, 4], 1),
            (&[63, 10], 1),
            (&[65, 10], 1),
            (&[2, 3, 4], 1),
            (&[4, 1000], 1),
            (&[9, 20], 1),
            (&[2, 131], 1),
            (&[3, 516], 1),
            (&[0, 3], 1),
        ];
        for (dims, axis) in shapes {
            cases.push(Case::new(format!("{dims:?}"), Softmax { axis, log }, vec![g.floats(dims, -6.0, 6.0)]));
        }
        cases.push(Case::new("large", Softmax { axis: 1, log }, vec![g.floats(&[5, 7], -1000.0, 1000.0)]).forward_only());
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        for row in [[1.0, -inf, 2.0], [1.0, inf, 2.0], [1.0, nan, 2.0], [-inf, -inf, -inf], [0.0, -100.0, -1e30]] {
            let mut next = row.into_iter();
            let input = g.input(DType::F32, &[1, 3], |_| next.next().unwrap_or(0.0));
            cases.push(Case::new(format!("{row:?}"), Softmax { axis: 1, log }, vec![input]).forward_only());
        }
        // The same in rows long enough for every kernel, at both ends.
        for (odd, place) in [(inf, 0), (nan, 131), (-inf, 17), (-1e30, 0), (nan, 129)] {
            let mut row = (0..132).map(|i| if i == place { odd } else { f64::from(i % 7) }).collect::<Vec<_>>().into_iter();
            let input = g.input(DType::F32, &[1, 132], |_| row.next().unwrap_or(0.0));
            cases.push(Case::new(format!("{odd} at {place}"), Softmax { axis: 1, log }, vec![input]).forward_only());
        }
        let nothing = g.input(DType::F32, &[1, 132], |_| -inf);
        cases.push(Case::new("-inf", Softmax { axis: 1, log }, vec![nothing]).forward_only());
    }
    cases
}

/// Test inputs: both kinds of labels, both sides of the workgroup, large logits, labels that are no class.
pub fn cross_entropy(g: &mut Gen) -> Vec<Case> {
    let mut cases = Vec::new();
    for [rows, classes] in [[1, 1], [3, 4], [63, 10], [65, 10], [2, 1000], [9, 20], [3, 131], [5, 260], [0, 5]] {
        let logits = g.floats(&[rows, classes], -5.0, 5.0);
        let labels = g.indices(&[rows], classes);
        let probabilities = g.floats(&[rows, classes], 0.0, 1.0);
        for (kind, t) in [("labels", labels), ("probabilities", probabilities)] {
            let label = format!("[{rows},{classes}] {kind}");
            cases.push(Case::new(label.clone(), CrossEntropy, vec![logits.clone(), t.clone()]));
            cases.push(Case::new(label, CrossEntropyGrad, vec![logits.clone(), t]));
        }
    }
    let large = g.floats(&[5, 6], -1000.0, 1000.0);
    let labels = g.indices(&[5], 6);
    cases.push(Case::new("large", CrossEntropy, vec![large.clone(), labels.clone()]).forward_only());
    cases.push(Case::new("large", CrossEntropyGrad, vec![large, labels]).forward_only());
    let mut next = [1.0, f64::NAN, 2.0, 1.0, f64::INFINITY, 2.0, 1.0, f64::NEG_INFINITY, 2.0].into_iter();
    let odd = g.input(DType::F32, &[3, 3], |_| next.next().unwrap_or(0.0));
    let labels = g.input(DType::U32, &[3], |_| 0.0);
    cases.push(Case::new("not finite", CrossEntropy, vec![odd.clone(), labels.clone()]).forward_only());
    cases.push(Case::new("not finite", CrossEntropyGrad, vec![odd, labels]).forward_only());
    // The same in rows long enough for every kernel.
    let mut at = 0;
    let odd = g.input(DType::F32, &[6, 132], |g| {
        let (row, column) = (at / 132, at % 132);
        at += 1;
        match (row, column) {
            (0, 131) | (1, 0) => f64::NAN,
            (2, 17) => f64::INFINITY,
            (3, 17) | (4, _) => f64::NEG_INFINITY,
            _ => g.uniform(-3.0, 3.0),
        }
    });
    let mut next = [0.0, 1.0, 2.0, 3.0, 4.0, 131.0].into_iter();
    let labels = g.input(DType::U32, &[6], |_| next.next().unwrap_or(0.0));
    cases.push(Case::new("not finite, wide", CrossEntropy, vec![odd.clone(), labels.clone()]).forward_only());
    cases.push(Case::new("not finite, wide", CrossEntropyGrad, vec![odd, labels]).forward_only());
    cases
}
