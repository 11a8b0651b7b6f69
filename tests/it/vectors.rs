//! Elementwise kernels read four neighbours at a time where they can: every way an input may lie beside the others, on every device and in
//! both forms of the kernel, against numbers computed here.
#![allow(clippy::unwrap_used)]

use crate::common;
use steepest::{Device, Tensor};

fn numbers(n: usize, seed: usize) -> Vec<f32> {
    (0..n).map(|i| at(n, seed, i)).collect()
}

/// The rows and columns of an operand, and how it is made of a tensor whose element at `(i, j)` of the result is the second closure's.
type Operand = (&'static str, fn(&Device, usize, usize) -> Tensor, fn(usize, usize, usize, usize) -> f32);

fn at(n: usize, seed: usize, index: usize) -> f32 {
    assert!(index < n);
    ((index * 37 + seed * 101) % 64) as f32 * 0.25 - 8.0
}

const OPERANDS: [Operand; 9] = [
    ("a row", |d, _, n| d.tensor(&numbers(n, 1), n), |_, n, _, j| at(n, 1, j)),
    ("a column", |d, m, _| d.tensor(&numbers(m, 2), [m, 1]), |m, _, i, _| at(m, 2, i)),
    ("a number", |d, _, _| d.tensor(&numbers(1, 3), 1), |_, _, _, _| at(1, 3, 0)),
    // Lies in the last, incomplete vector of its buffer.
    ("the last of five", |d, _, _| d.tensor(&numbers(5, 4), 5).slice(0, 4..5), |_, _, _, _| at(5, 4, 4)),
    ("transposed", |d, m, n| d.tensor(&numbers(m * n, 5), [n, m]).t(), |m, n, i, j| at(m * n, 5, j * m + i)),
    ("rows backwards", |d, m, n| d.tensor(&numbers(m * n, 6), [m, n]).flip(&[0]), |m, n, i, j| at(m * n, 6, (m - 1 - i) * n + j)),
    (
        "columns backwards",
        |d, m, n| d.tensor(&numbers(m * n, 7), [m, n]).flip(&[1]),
        |m, n, i, j| at(m * n, 7, i * n + n - 1 - j),
    ),
    (
        "without the first row and four columns",
        |d, m, n| d.tensor(&numbers((m + 1) * (n + 4), 8), [m + 1, n + 4]).slice(0, 1..).slice(1, 4..),
        |m, n, i, j| at((m + 1) * (n + 4), 8, (i + 1) * (n + 4) + j + 4),
    ),
    (
        "without the first column",
        |d, m, n| d.tensor(&numbers(m * (n + 1), 9), [m, n + 1]).slice(1, 1..),
        |m, n, i, j| at(m * (n + 1), 9, i * (n + 1) + j + 1),
    ),
];

#[test]
fn inputs_may_lie_in_every_way_beside_each_other() {
    let mut devices = vec![(Device::cpu(), None)];
    for variant in [None, Some(0), Some(1)] {
        devices.extend(common::gpu("vectors").map(|device| (device, variant)));
    }
    for (device, variant) in &devices {
        device.force_variant(*variant);
        for (m, n) in [(6, 8), (8, 4), (5, 12), (3, 7), (1, 4), (300, 68)] {
            for (name, make, expected) in &OPERANDS {
                let x = device.tensor(&numbers(m * n, 0), [m, n]);
                let result = (&x * &make(device, m, n)).add_scalar(0.5);
                let found = result.to_vec::<f32>().unwrap();
                for (o, found) in found.into_iter().enumerate() {
                    // Quarters times quarters: exact.
                    let wanted = at(m * n, 0, o) * expected(m, n, o / n, o % n) + 0.5;
                    assert_eq!(found, wanted, "[{m},{n}] beside {name} on {device}, variant {variant:?}: element {o}");
                }
            }
        }
    }
}
