//! Tables of a Fourier transform: matrices, twiddle factors and chirps, computed in f64 and rounded once.

use crate::error::{At, OpError};
use crate::graph::op::Spec;
use crate::graph::{Tensor, Value};
use crate::memory::room;
use crate::shape::Shape;
use std::collections::HashMap;
use std::f64::consts::PI;
use std::sync::{Arc, Mutex, PoisonError};

/// How the two parts of complex numbers lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Parts {
    /// Side by side: the last axis is the pair.
    Pairs,
    /// All real parts, then all imaginary parts.
    Planes,
}

/// What a table is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Table {
    /// The transform of n complex numbers as a matrix of real numbers, [2n, 2n]; of n real ones [n, 2n].
    Matrix { n: usize, real: bool, parts: Parts },
    /// cos of the angles jk/n turns, [n₁, 1, n₂].
    TwiddleCos { n1: usize, n2: usize },
    /// ∓sin and ±sin of these angles, what the imaginary and what the real part is multiplied by, [n₁, 2, n₂].
    TwiddleSin { n1: usize, n2: usize },
    /// cos of the angles j²/2n turns, [1, n].
    ChirpCos { n: usize },
    /// The sines of these as those of twiddles, [2, n].
    ChirpSin { n: usize },
    /// The real parts of the transform of m numbers of the inverse chirp, divided by m, [1, m].
    FilterCos { n: usize, m: usize },
    /// Its imaginary parts as the sines of twiddles, [2, m].
    FilterSin { n: usize, m: usize },
}

/// Words of tables kept for later calls.
const MOST_WORDS: usize = 1 << 24;

type Kept = HashMap<(Table, bool), (Vec<usize>, Arc<Vec<u32>>)>;

impl Table {
    /// How many numbers in f64 there are at one time while it is made.
    fn most_numbers(self) -> usize {
        match self {
            Table::Matrix { n, .. } => n.saturating_mul(n).saturating_mul(4),
            Table::TwiddleCos { n1, n2 } | Table::TwiddleSin { n1, n2 } => n1.saturating_mul(n2).saturating_mul(2),
            Table::ChirpCos { n } | Table::ChirpSin { n } => n.saturating_mul(2),
            // The transform's halves, each with its own.
            Table::FilterCos { m, .. } | Table::FilterSin { m, .. } => m.saturating_mul(8),
        }
    }
}

/// A table on the device of `x`, computed once for all of them. `inverse` turns the other way. Invalid where there is no room for it.
#[track_caller]
pub(super) fn table(x: &Tensor, which: Table, inverse: bool) -> Tensor {
    if let Err(error) = room::<f64>("the table of a Fourier transform", which.most_numbers()) {
        return x.refuse("fft", OpError::NoRoom(error));
    }
    static KEPT: Mutex<Option<Kept>> = Mutex::new(None);
    let found = {
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.get_or_insert_default();
        if !kept.contains_key(&(which, inverse)) && kept.values().map(|(_, words)| words.len()).sum::<usize>() > MOST_WORDS {
            kept.clear();
        }
        kept.entry((which, inverse)).or_insert_with(|| made(which, inverse)).clone()
    };
    let (dims, words) = found;
    let spec = Shape::new(&dims).map(Spec::f32);
    Tensor::leaf(x.node().backend(), spec, Some(Value::Host(words)), false, At::caller())
}

fn made(which: Table, inverse: bool) -> (Vec<usize>, Arc<Vec<u32>>) {
    let sign = if inverse { 1.0 } else { -1.0 };
    let (dims, numbers): (Vec<usize>, Vec<f64>) = match which {
        Table::Matrix { n, real, parts } => {
            let rows = if real { n } else { 2 * n };
            // Which number, and which part of it.
            let place = |k: usize| if parts == Parts::Pairs { (k / 2, k % 2) } else { (k % n, k / n) };
            let entry = |e: usize| {
                let ((j, from), (k, to)) = (if real { (e / (2 * n), 0) } else { place(e / (2 * n)) }, place(e % (2 * n)));
                let (sin, cos) = angle(j * k % n, n);
                match (from, to) {
                    (0, 1) => sign * sin,
                    (1, 0) => -sign * sin,
                    _ => cos,
                }
            };
            (vec![rows, 2 * n], (0..2 * n * rows).map(entry).collect())
        }
        Table::TwiddleCos { n1, n2 } => (vec![n1, 1, n2], (0..n1 * n2).map(|e| angle(e / n2 * (e % n2), n1 * n2).1).collect()),
        Table::TwiddleSin { n1, n2 } => {
            let sin = |e: usize| angle(e / (2 * n2) * (e % n2), n1 * n2).0;
            let to = |e: usize| if (e / n2).is_multiple_of(2) { -sign } else { sign };
            (vec![n1, 2, n2], (0..2 * n1 * n2).map(|e| to(e) * sin(e)).collect())
        }
        Table::ChirpCos { n } => (vec![1, n], (0..n).map(|j| chirp(j, n).1).collect()),
        Table::ChirpSin { n } => {
            let sin = |j: usize| chirp(j, n).0;
            (vec![2, n], (0..2 * n).map(|e| if e < n { -sign * sin(e) } else { sign * sin(e - n) }).collect())
        }
        Table::FilterCos { n, m } => (vec![1, m], filter(n, m, sign).iter().map(|f| f[0]).collect()),
        Table::FilterSin { n, m } => {
            let found = filter(n, m, sign);
            (vec![2, m], found.iter().map(|f| -f[1]).chain(found.iter().map(|f| f[1])).collect())
        }
    };
    let words = numbers.into_iter().map(|x| (x as f32).to_bits()).collect();
    (dims, Arc::new(words))
}

/// Sine and cosine of k/n turns, for k < n: exact at quarters, so that what cancels there leaves nothing.
fn angle(k: usize, n: usize) -> (f64, f64) {
    let (quarters, rest) = (4 * k / n, 4 * k % n);
    let (sin, cos) = (0.5 * PI * rest as f64 / n as f64).sin_cos();
    match quarters {
        0 => (sin, cos),
        1 => (cos, -sin),
        2 => (-sin, -cos),
        _ => (-cos, sin),
    }
}

/// Sine and cosine of j²/2n turns.
fn chirp(j: usize, n: usize) -> (f64, f64) {
    let square = (j as u64 * j as u64) % (2 * n as u64);
    angle(square as usize, 2 * n)
}

/// The transform of m numbers of the chirp that turns the other way, around 0 and divided by m.
fn filter(n: usize, m: usize, sign: f64) -> Vec<[f64; 2]> {
    let mut around = vec![[0.0; 2]; m];
    for j in 0..n {
        let (sin, cos) = chirp(j, n);
        for at in [j, (m - j) % m] {
            around[at] = [cos / m as f64, -sign * sin / m as f64];
        }
    }
    powers_of_two(&around, -1.0)
}

/// The transform of a power of two of numbers, in f64: halves of even and odd numbers (Cooley and Tukey).
fn powers_of_two(x: &[[f64; 2]], sign: f64) -> Vec<[f64; 2]> {
    let n = x.len();
    if n <= 1 {
        return x.to_vec();
    }
    let half = |odd: usize| powers_of_two(&x.iter().skip(odd).step_by(2).copied().collect::<Vec<_>>(), sign);
    let (even, odd) = (half(0), half(1));
    let mut out = vec![[0.0; 2]; n];
    for k in 0..n / 2 {
        let (sin, cos) = angle(k, n);
        let [re, im] = odd[k];
        let turned = [re * cos - sign * im * sin, sign * re * sin + im * cos];
        out[k] = [even[k][0] + turned[0], even[k][1] + turned[1]];
        out[k + n / 2] = [even[k][0] - turned[0], even[k][1] - turned[1]];
    }
    out
}
