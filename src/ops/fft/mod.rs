//! Fourier transforms, X(k) = Σ_j x(j) e^(−2πi jk/n), made of products with small matrices, so that they run and have gradients wherever those do.
//!
//! A length of factors up to `LARGEST_FACTOR` is split (J. Cooley and J. Tukey, *An algorithm for the machine calculation of complex Fourier series*,
//! 1965): n = n₁ n₂ is a transform of n₁ by a matrix, twiddle factors, and a transform of n₂, split again. A large prime is a convolution with a
//! chirp (L. Bluestein, *A linear filtering approach to the computation of discrete Fourier transform*, 1970), whose transforms have a power of two.

mod methods;
mod tables;

pub use methods::FftNorm;

use super::matmul::Matmul;
use crate::graph::{Tensor, record};
use std::collections::HashMap;
use tables::{Parts, Table, table};

/// The largest factor that is split off.
const LARGEST_FACTOR: usize = 64;
/// The largest length that is done by one matrix.
const LARGEST_MATRIX: usize = 256;
/// What splitting once more costs, in rows of a matrix: passes over memory. Measured on a CPU, where one matrix of 128 is as fast as two of 8 and 16.
const LEVEL: usize = 100;

/// How a length is transformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By one matrix.
    Matrix,
    /// As so many times the rest.
    Split(usize),
    /// As a convolution, by transforms of this power of two.
    Chirp(usize),
}

/// The best way for a length, and about what it costs for each number.
fn best(n: usize, known: &mut HashMap<usize, (usize, Way)>) -> (usize, Way) {
    if let Some(found) = known.get(&n) {
        return *found;
    }
    let mut found = (n <= LARGEST_MATRIX).then_some((n, Way::Matrix));
    for n1 in 2..=LARGEST_FACTOR.min(n / 2) {
        if n.is_multiple_of(n1) {
            let cost = n1 + LEVEL + best(n / n1, known).0;
            if found.is_none_or(|(least, _)| cost < least) {
                found = Some((cost, Way::Split(n1)));
            }
        }
    }
    let found = found.unwrap_or_else(|| {
        let m = (2 * n - 1).next_power_of_two();
        (5 * best(m, known).0, Way::Chirp(m))
    });
    known.insert(n, found);
    found
}

/// Where the numbers of a transform lie: n of them along an axis, with so many rows of others before and after it.
#[derive(Clone, Copy)]
struct Line {
    outer: usize,
    n: usize,
    inner: usize,
    /// Whether there are real numbers only, and no pairs.
    real: bool,
}

/// Transforms the axis of a tensor that is `[outer, n, inner]` of real numbers or `[outer, n, inner, 2]`; gives `[outer, n, inner, 2]`.
#[track_caller]
fn transform(x: &Tensor, line: Line, inverse: bool) -> Tensor {
    let Line { outer, n, inner, real } = line;
    match best(n, &mut HashMap::new()).1 {
        Way::Matrix => {
            // [outer, inner, n, …]
            let rows = if inner == 1 { x.clone() } else { x.transpose(1, 2) };
            let made = matrix(&rows, outer * inner, n, real, Parts::Pairs, inverse).reshape([outer, inner, n, 2]);
            if inner == 1 { made.reshape([outer, n, 1, 2]) } else { made.transpose(1, 2) }
        }
        Way::Split(n1) => {
            let n2 = n / n1;
            // x[n₂ j₁ + j₂] → [outer, inner, j₂, parts, j₁]
            let apart = if real {
                x.reshape([outer, n1, n2, inner]).permute(&[0, 3, 2, 1])
            } else {
                x.reshape([outer, n1, n2, inner, 2]).permute(&[0, 3, 2, 4, 1])
            };
            let made = split(&apart, outer * inner, n1, n2, real, inverse);
            // [outer, inner, k₁, parts, k₂] → X[k₁ + n₁ k₂]
            made.reshape([outer, inner, n1, 2, n2]).permute(&[0, 4, 2, 1, 3]).reshape([outer, n, inner, 2])
        }
        Way::Chirp(_) => {
            let rows = outer * inner;
            let planes = if real {
                x.permute(&[0, 2, 1]).reshape([rows, 1, n]).pad(&[(0, 0), (0, 1), (0, 0)], 0.0)
            } else {
                x.permute(&[0, 2, 3, 1]).reshape([rows, 2, n])
            };
            let made = planar(&planes, rows, n, inverse);
            made.reshape([outer, inner, 2, n]).permute(&[0, 3, 1, 2])
        }
    }
}

/// Rows of n numbers by a matrix, whatever the precision of other products is.
#[track_caller]
fn matrix(x: &Tensor, rows: usize, n: usize, real: bool, parts: Parts, inverse: bool) -> Tensor {
    let width = if real { n } else { 2 * n };
    let by = table(x, Table::Matrix { n, real, parts }, inverse);
    record(Matmul { trans_a: false, trans_b: false }, &[&x.reshape([rows, width]), &by])
}

/// `[rows, j₂, parts, j₁]` → `[rows, k₁, 2, k₂]`
#[track_caller]
fn split(x: &Tensor, rows: usize, n1: usize, n2: usize, real: bool, inverse: bool) -> Tensor {
    let first = matrix(x, rows * n2, n1, real, Parts::Planes, inverse).reshape([rows, n2, 2, n1]);
    let cos = table(x, Table::TwiddleCos { n1, n2 }, inverse);
    let sin = table(x, Table::TwiddleSin { n1, n2 }, inverse);
    let twiddled = turned(&first.permute(&[0, 3, 2, 1]), &cos, &sin);
    planar(&twiddled.reshape([rows * n1, 2, n2]), rows * n1, n2, inverse).reshape([rows, n1, 2, n2])
}

/// Complex numbers in planes, `[.., 2, n]`, times others: (a + ib)(c + is) with `sin` the planes −s and s.
#[track_caller]
fn turned(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Tensor {
    x.mul(cos).add(&x.flip(&[-2]).mul(sin))
}

/// `[rows, 2, n]` → `[rows, 2, n]`.
#[track_caller]
fn planar(x: &Tensor, rows: usize, n: usize, inverse: bool) -> Tensor {
    match best(n, &mut HashMap::new()).1 {
        Way::Matrix => matrix(x, rows, n, false, Parts::Planes, inverse).reshape([rows, 2, n]),
        Way::Split(n1) => {
            let n2 = n / n1;
            let apart = x.reshape([rows, 2, n1, n2]).permute(&[0, 3, 1, 2]);
            let made = split(&apart, rows, n1, n2, false, inverse);
            made.permute(&[0, 2, 3, 1]).reshape([rows, 2, n])
        }
        Way::Chirp(m) => {
            let (cos, sin) = (table(x, Table::ChirpCos { n }, inverse), table(x, Table::ChirpSin { n }, inverse));
            let chirped = turned(x, &cos, &sin).pad(&[(0, 0), (0, 0), (0, m - n)], 0.0);
            let spectrum = planar(&chirped, rows, m, false);
            let filter = [Table::FilterCos { n, m }, Table::FilterSin { n, m }].map(|which| table(x, which, inverse));
            let folded = planar(&turned(&spectrum, &filter[0], &filter[1]), rows, m, true);
            turned(&folded.slice(-1, ..n as isize), &cos, &sin)
        }
    }
}
